#include "common/json_texts.h"

#include <stdlib.h>

#include "common/memory.h"

struct writer {
	struct json_texts *texts;
	int sorted;
	int own;      /* levels, from the value at hand on, that belong to the tree alone */
};

static void write_value(void *context, struct strbuf *to, const cJSON *value);

static void write_items(const struct writer *w, struct strbuf *to, const cJSON *value, int own)
{
	struct writer below = {w->texts, w->sorted, own - 1};
	json_items(to, value, w->sorted, write_value, &below);
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

static void write_value(void *context, struct strbuf *to, const cJSON *value)
{
	const struct writer *w = context;
	if (!cJSON_IsArray(value) && !cJSON_IsObject(value))
		json_scalar(to, value);
	else if (w->own <= 0 && value->type & cJSON_IsReference && value->child)
		write_shared(w, to, value);
	else
		write_items(w, to, value, w->own);
}

void json_texts_canonical(struct json_texts *texts, struct strbuf *to, const cJSON *value, int own)
{
	struct writer w = {texts, 1, own};
	write_value(&w, to, value);
}

void json_texts_compact(struct json_texts *texts, struct strbuf *to, const cJSON *value, int own)
{
	struct writer w = {texts, 0, own};
	write_value(&w, to, value);
}

void json_texts_release(struct json_texts *t)
{
	for (size_t i = 0; i < t->count; i++)
		strbuf_release(&t->texts[i]);
	free(t->texts);
	hash_map_release(&t->index);
	*t = (struct json_texts){0};
}
