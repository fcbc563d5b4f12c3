/* JSON: common/json.h. What was read must read back from its canonical form, which does not change by that. */
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "fuzz/support/input.h"

static void read_back(const cJSON *value)
{
	struct strbuf text, again;
	strbuf_init(&text);
	strbuf_init(&again);
	json_canonical(&text, value);
	cJSON *read = json_parse(text.s, text.length, "again", NULL);
	PROMISE(read);
	json_canonical(&again, read);
	PROMISE(!strcmp(text.s, again.s));
	cJSON_Delete(read);
	strbuf_release(&text);
	strbuf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = input_exact(data, size);
	cJSON *value = json_parse(text, size, "input", NULL);
	if (value)
		read_back(value);
	cJSON_Delete(value);
	free(text);
	return 0;
}
