/* What ./configure was asked for: generator/request.h. The input is the file, as it is and with its last line. */
#include "generator/request.h"

#include <stdlib.h>
#include <string.h>

#include "common/strbuf.h"
#include "fuzz/support/input.h"

static void look(const void *args, size_t size)
{
	struct request r = {.text = NULL};
	if (!request_read(&r, input_file(0, args, size)))
		for (size_t i = 0; i < r.override_count; i++)
			PROMISE(r.overrides[i] >= r.text && r.overrides[i] + strlen(r.overrides[i]) <= r.text + size);
	free(r.overrides);
	free(r.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strbuf whole;
	look(data, size);
	strbuf_init(&whole);
	strbuf_add(&whole, data, size);
	strbuf_adds(&whole, size && data[size - 1] != '\n' ? "\n--end\n" : "--end\n");
	look(whole.s, whole.length);
	strbuf_release(&whole);
	return 0;
}
