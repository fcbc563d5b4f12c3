/* Overrides: config/override.h, and the value grammar behind them. What was read must read back from its text. */
#include <stdlib.h>

#include "config/override.h"
#include "support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct override o, again;
	char *text = input_text(data, size);
	if (!override_parse(&o, text)) {
		char *printed = override_text(&o);
		PROMISE(!override_parse(&again, printed));
		PROMISE(again.type == o.type && again.part_count == o.part_count && again.has_value == o.has_value);
		PROMISE(!o.value || !again.value || node_equal(o.value, again.value));
		override_release(&again);
		free(printed);
		override_release(&o);
	}
	free(text);
	return 0;
}
