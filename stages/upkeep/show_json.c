#include "upkeep/show_json.h"

#include "common/json.h"

enum { SHORT_TEXT = 100 };

static void show_value(FILE *to, const cJSON *value, int depth, int all)
{
	struct strbuf text;
	strbuf_init(&text);
	json_canonical(&text, value);
	/* A long text is shown whole: there is nothing to cut it at. */
	const int whole = (!cJSON_IsArray(value) && !cJSON_IsObject(value)) || text.length <= SHORT_TEXT;
	fprintf(to, "%s%s\n", whole ? " " : "", whole ? text.s : "");
	strbuf_release(&text);
	if (!whole)
		show_json(to, value, depth + 1, all);
}

void show_json(FILE *to, const cJSON *value, int depth, int all)
{
	const cJSON *item;
	int shown = 0, count = cJSON_GetArraySize(value), list = cJSON_IsArray(value);
	cJSON_ArrayForEach(item, value) {
		if (list && !all && shown == SHOW_ELEMENTS) {
			fprintf(to, "%*s... and %d more (--all shows them)\n", 4 * depth, "", count - shown);
			return;
		}
		if (list)
			fprintf(to, "%*s[%d]", 4 * depth, "", shown);
		else
			fprintf(to, "%*s%s:", 4 * depth, "", item->string);
		show_value(to, item, depth, all);
		shown++;
	}
}
