#include "model/search_options.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"

enum { PATTERNS_MAX = 1000 };

/* Up to PATTERNS_MAX strings, borrowed; null is an empty list. */
static int read_texts(const cJSON *values, const char *name, const char *source, const char *const **texts,
	size_t *count)
{
	const cJSON *item, *list = json_member(values, name, source);
	*texts = NULL;
	*count = 0;
	if (!list)
		return -1;
	if (!cJSON_IsNull(list) && !cJSON_IsArray(list))
		return fail("%s: \"%s\" must be a list or null", source, name);
	if (cJSON_GetArraySize(list) > PATTERNS_MAX)
		return fail("%s: \"%s\" has more than %d entries", source, name, PATTERNS_MAX);
	const char **found = mem_array((size_t)cJSON_GetArraySize(list), sizeof *found);
	*texts = found;
	cJSON_ArrayForEach(item, list) {
		if (!cJSON_IsString(item))
			return fail("%s: \"%s\" must be a list of strings", source, name);
		found[(*count)++] = item->valuestring;
	}
	return 0;
}

static int read_rule(struct search_options *o, const cJSON *values, const char *name, const char *source)
{
	const char *cost = json_string(values, name, source);
	if (!cost)
		return -1;
	o->stored = !strcmp(cost, "cost_bits");
	return o->stored || !strcmp(cost, "search_bits") ? 0
		: fail("%s: \"%s\" is \"%.40s\", expected \"search_bits\" or \"cost_bits\"", source, name, cost);
}

int search_options_read(struct search_options *o, const cJSON *values, const char *prefix, const char *source)
{
	static const char *const keys[] = {"effective_bits", "cost", "allow_none", "include", "exclude"};
	char *name[5];
	*o = (struct search_options){0};
	for (size_t i = 0; i < 5; i++)
		name[i] = mem_printf("%s%s", prefix, keys[i]);
	int bad = json_double(values, name[0], source, &o->effective_bits) || read_rule(o, values, name[1], source) ||
		json_bool(values, name[2], source, &o->allow_none) ||
		read_texts(values, name[3], source, &o->include, &o->include_count) ||
		read_texts(values, name[4], source, &o->exclude, &o->exclude_count);
	for (size_t i = 0; i < 5; i++)
		free(name[i]);
	if (bad)
		search_options_release(o);
	return bad ? -1 : 0;
}

void search_options_release(struct search_options *o)
{
	free((void *)(uintptr_t)o->include);
	free((void *)(uintptr_t)o->exclude);
	*o = (struct search_options){0};
}

int search_formats_read(const cJSON *list, const char *source, struct quantizer_pair **formats, size_t *count)
{
	const cJSON *item;
	*formats = NULL;
	*count = 0;
	if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) < 1 || cJSON_GetArraySize(list) >= SEARCH_CHOICES_MAX)
		return fail("%s: quantizer.formats must list 1 to %d formats", source, SEARCH_CHOICES_MAX - 1);
	*formats = mem_zeroed((size_t)cJSON_GetArraySize(list), sizeof **formats);
	cJSON_ArrayForEach(item, list)
		if (!cJSON_IsString(item) || quantizer_pair_parse(item->valuestring, &(*formats)[(*count)++])) {
			free(*formats);
			*formats = NULL;
			return cJSON_IsString(item) ? fail_context("%s", source)
				: fail("%s: quantizer.formats must be a list of strings", source);
		}
	return 0;
}
