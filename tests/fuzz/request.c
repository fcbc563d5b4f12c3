/* What ./configure was asked for: generator/request.h. */
#include "generator/request.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request r = {.text = NULL};
	if (!request_read(&r, input_file(0, data, size)))
		for (size_t i = 0; i < r.override_count; i++)
			PROMISE(r.overrides[i] >= r.text && r.overrides[i] + strlen(r.overrides[i]) <= r.text + size);
	free(r.overrides);
	free(r.text);
	return 0;
}
