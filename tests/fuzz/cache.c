/* Action entries and notes of failures: graph/cache.h, in a cache without objects. */
#include <stdlib.h>

#include "graph/cache.h"
#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct digest action = {"0123456789abcdef0123456789abcdef"};
	struct cache_result result;
	struct digest run;
	char *text;
	input_file(0, data, size);
	input_link("ac/01/0123456789abcdef0123456789abcdef.json", 0);
	const char *root = input_link("ac/01/0123456789abcdef0123456789abcdef.fail", 0);
	PROMISE(cache_find(root, &action, "{}", &result) <= 0);
	if (cache_failure_find(root, &action, &run, &text))
		free(text);
	return 0;
}
