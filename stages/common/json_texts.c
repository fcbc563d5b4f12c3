#include "common/json_texts.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

enum { ITEMS_AT_HAND = 32 };

struct writer {
	struct json_texts *texts;
	int sorted;
};

static void write_value(const struct writer *w, struct strbuf *to, const cJSON *value, int own);

static int by_key(const void *a, const void *b)
{
	return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

static void write_items(const struct writer *w, struct strbuf *to, const cJSON *value, int own)
{
	const cJSON *at_hand[ITEMS_AT_HAND], **items = at_hand, *item;
	size_t count = (size_t)cJSON_GetArraySize(value), n = 0;
	int object = cJSON_IsObject(value);
	if (count > ITEMS_AT_HAND)
		items = mem_array(count, sizeof *items);
	cJSON_ArrayForEach(item, value)
		items[n++] = item;
	if (object && w->sorted && count > 1)
		qsort(items, count, sizeof *items, by_key);
	strbuf_addc(to, object ? '{' : '[');
	for (size_t i = 0; i < count; i++) {
		if (i)
			strbuf_addc(to, ',');
		if (object) {
			json_quoted(to, items[i]->string);
			strbuf_addc(to, ':');
		}
		write_value(w, to, items[i], own - 1);
	}
	strbuf_addc(to, object ? '}' : ']');
	if (items != at_hand)
		free(items);
}

static void write_shared(const struct writer *w, struct strbuf *to, const cJSON *value)
{
	/* References to one value are items of their own with the same first child. */
	struct { const cJSON *child; size_t sorted; } key = {value->child, (size_t)w->sorted};
	size_t *known = hash_map_at(&w->texts->index, &key, sizeof key), number = *known;
	if (number == HASH_MAP_NEW) {
		struct strbuf text;
		strbuf_init(&text);
		write_items(w, &text, value, 0);
		MEM_GROW(w->texts->texts, w->texts->count, w->texts->capacity);
		w->texts->texts[number = w->texts->count++] = text;
		*hash_map_at(&w->texts->index, &key, sizeof key) = number;
	}
	strbuf_add(to, w->texts->texts[number].s, w->texts->texts[number].length);
}

static void write_value(const struct writer *w, struct strbuf *to, const cJSON *value, int own)
{
	if (!cJSON_IsArray(value) && !cJSON_IsObject(value))
		json_scalar(to, value);
	else if (own <= 0 && value->type & cJSON_IsReference && value->child)
		write_shared(w, to, value);
	else
		write_items(w, to, value, own);
}

void json_texts_canonical(struct json_texts *texts, struct strbuf *to, const cJSON *value, int own)
{
	struct writer w = {texts, 1};
	write_value(&w, to, value, own);
}

void json_texts_compact(struct json_texts *texts, struct strbuf *to, const cJSON *value, int own)
{
	struct writer w = {texts, 0};
	write_value(&w, to, value, own);
}

void json_texts_release(struct json_texts *t)
{
	for (size_t i = 0; i < t->count; i++)
		strbuf_release(&t->texts[i]);
	free(t->texts);
	hash_map_release(&t->index);
	*t = (struct json_texts){0};
}
