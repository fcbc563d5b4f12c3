/* Overrides: config/override.h, and the value grammar behind them. What was read must read back from its text, where
 * that is not longer than an override may be: a range has many values. */
#include <stdlib.h>
#include <string.h>

#include "config/override.h"
#include "fuzz/support/input.h"

enum { TEXT_MAX = 1 << 16 };

static void read_back(const struct override *o)
{
	struct override again;
	char *text = override_text(o);
	if (strlen(text) <= TEXT_MAX) {
		PROMISE(!override_parse(&again, text));
		PROMISE(again.type == o->type && again.part_count == o->part_count && again.has_value == o->has_value);
		PROMISE(!o->value || !again.value || node_equal(o->value, again.value));
		override_release(&again);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct override o;
	char *text = input_text(data, size);
	if (!override_parse(&o, text)) {
		read_back(&o);
		override_release(&o);
	}
	free(text);
	return 0;
}
