#include "tokenizer/tokenizer_fields.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "common/spell.h"
#include "tokenizer/vocabulary.h"

enum { FOUND_MAX = 200 };

static const char *const rule_words[] = {
	[FIELD_NEEDED] = "is needed",
	[FIELD_BOOL] = "must be true or false",
	[FIELD_FALSE] = "must be false",
	[FIELD_NULL] = "must be null",
	[FIELD_NULL_OR_FALSE] = "must be false",
	[FIELD_NULL_OR_EMPTY] = "must be null or \"\"",
};

static int rule_holds(enum field_rule rule, const cJSON *value)
{
	int nothing = !value || cJSON_IsNull(value);
	switch (rule) {
	case FIELD_ANY:
		break;
	case FIELD_NEEDED:
		return value != NULL;
	case FIELD_BOOL:
		return cJSON_IsBool(value);
	case FIELD_FALSE:
		return cJSON_IsFalse(value);
	case FIELD_NULL:
		return nothing;
	case FIELD_NULL_OR_FALSE:
		return nothing || cJSON_IsFalse(value);
	case FIELD_NULL_OR_EMPTY:
		return nothing || (cJSON_IsString(value) && !*value->valuestring);
	}
	return 1;
}

char *field_found(const cJSON *value)
{
	if (!value)
		return mem_strdup("nothing");
	char *text = cJSON_PrintUnformatted(value);
	if (!text)
		return mem_strdup("something that cannot be printed");
	size_t cut = FOUND_MAX - 3;
	if (strlen(text) > FOUND_MAX) {
		while (((unsigned char)text[cut] & 0xc0) == 0x80) /* not inside a character */
			cut--;
		strcpy(text + cut, "...");
	}
	return text;
}

int field_fail(const char *trail, const char *name, const char *what, const cJSON *value)
{
	char *text = field_found(value);
	fail("%s%s %s, found %s", trail, name, what, text);
	free(text);
	return -1;
}

static int unknown_field(const char *trail, const char *name, const struct field *fields, size_t count)
{
	const char *words[FIELDS_MAX];
	assert(count <= FIELDS_MAX);
	for (size_t i = 0; i < count; i++)
		words[i] = fields[i].name;
	const char *nearest = spell_nearest(name, words, count);
	return fail("%s%.200s is not a field this tokenizer knows%s%s%s", trail, name, nearest ? "; did you mean " : "",
		nearest ? nearest : "", nearest ? "?" : "");
}

int fields_check(const cJSON *object, const char *trail, const struct field *fields, size_t count)
{
	const cJSON *item;
	if (!cJSON_IsObject(object)) {
		char *text = field_found(object);
		fail("%.*s must be an object, found %s", *trail ? (int)strlen(trail) - 1 : 8, *trail ? trail : "the file",
			text);
		free(text);
		return -1;
	}
	cJSON_ArrayForEach(item, object) {
		size_t i = 0;
		while (i < count && strcmp(fields[i].name, item->string))
			i++;
		if (i == count)
			return unknown_field(trail, item->string, fields, count);
	}
	for (size_t i = 0; i < count; i++) {
		const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, fields[i].name);
		if (!rule_holds(fields[i].rule, value))
			return field_fail(trail, fields[i].name, rule_words[fields[i].rule], value);
	}
	return 0;
}

int field_check_string(const cJSON *object, const char *trail, const char *name, const char *expected)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
	if (cJSON_IsString(value) && !strcmp(value->valuestring, expected))
		return 0;
	char *what = mem_printf("must be \"%s\"", expected);
	field_fail(trail, name, what, value);
	free(what);
	return -1;
}

int field_read_id(const cJSON *value, const char *trail, const char *name, uint32_t *id)
{
	if (cJSON_IsNumber(value) && value->valuedouble >= 0 && value->valuedouble < VOCABULARY_IDS_MAX
		&& floor(value->valuedouble) == value->valuedouble) {
		*id = (uint32_t)value->valuedouble;
		return 0;
	}
	char *what = mem_printf("must be an id from 0 to %d", VOCABULARY_IDS_MAX - 1);
	field_fail(trail, name, what, value);
	free(what);
	return -1;
}
