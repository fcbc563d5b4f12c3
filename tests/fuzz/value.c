/* Values and the arguments of resolvers: config/value.h. */
#include <stdlib.h>

#include "config/value.h"
#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct origin nowhere = {0};
	struct value value;
	char *text = input_exact(data, size);
	if (!value_parse(&value, text, size, &nowhere))
		value_release(&value);
	node_free(value_parse_arguments(text, size, &nowhere));
	free(text);
	return 0;
}
