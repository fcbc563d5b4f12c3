#include "report/float_json.h"

#include <string.h>

#include "common/json.h"

void float_print(struct strbuf *to, double value)
{
	size_t start = to->length;
	json_number(to, value);
	if (!strpbrk(to->s + start, ".e"))
		strbuf_adds(to, ".0");
}

cJSON *float_json(double value)
{
	struct strbuf text;
	strbuf_init(&text);
	float_print(&text, value);
	cJSON *item = cJSON_CreateRaw(text.s);
	strbuf_release(&text);
	return item;
}

void float_json_add(cJSON *object, const char *name, double value)
{
	cJSON_AddItemToObject(object, name, float_json(value));
}
