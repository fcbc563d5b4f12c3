#include "config/sections.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/memory.h"
#include "config/schema.h"

static size_t *by_node(struct sections *s, const struct node *value)
{
	return hash_map_at(&s->by_node, &value, sizeof value);
}

/* Nodes that are known by their address must not make room for others. */
static void know(struct sections *s, struct node *value, size_t index)
{
	MEM_GROW(s->held, s->held_count, s->held_capacity);
	s->held[s->held_count++] = node_hold(value);
	*by_node(s, value) = index;
}

static size_t add(struct sections *s, const struct node *value)
{
	struct section *section = mem_zeroed(1, sizeof *section);
	/* The check turns ints into floats: not in nodes that configs not checked yet share. */
	section->value = node_copy(value);
	MEM_GROW(s->items, s->count, s->capacity);
	s->items[s->count] = section;
	know(s, section->value, s->count);
	return s->count++;
}

static struct strbuf *scratch(struct sections *s)
{
	if (!s->scratch.s)
		strbuf_init(&s->scratch);
	strbuf_clear(&s->scratch);
	return &s->scratch;
}

static void add_text(struct strbuf *to, const char *text)
{
	strbuf_add(to, text, strlen(text) + 1);
}

/* Bytes that are equal only of equal values: printing them as text, numbers above all, takes five times as long. */
static void add_bytes(struct strbuf *to, const struct node *n)
{
	strbuf_addc(to, (char)n->kind);
	if (n->kind == NODE_INT)
		strbuf_add(to, &n->integer, sizeof n->integer);
	else if (n->kind == NODE_FLOAT)
		strbuf_add(to, &n->number, sizeof n->number);
	else if (n->kind == NODE_BOOL)
		strbuf_addc(to, (char)!!n->boolean);
	else if (n->kind == NODE_STRING)
		add_text(to, n->text);
	if (n->kind != NODE_DICT && n->kind != NODE_LIST)
		return;
	strbuf_add(to, &n->count, sizeof n->count);
	for (size_t i = 0; i < n->count; i++) {
		if (n->kind == NODE_DICT) {
			strbuf_addc(to, (char)n->keys[i].kind);
			add_text(to, n->keys[i].text);
		}
		add_bytes(to, n->items[i]);
	}
}

static struct section *share(struct sections *s, const struct node_key *key, struct node *value)
{
	/* Held by a composition and what it resolved to, and by others, too: other cells will come with it. */
	enum { OWN = 2 };
	struct strbuf *bytes = scratch(s);
	size_t index = value->holders > OWN ? *by_node(s, value) : HASH_MAP_NEW;
	if (index != HASH_MAP_NEW)
		return s->items[index];
	add_text(bytes, key->text);
	add_bytes(bytes, value);
	size_t *known = hash_map_at(&s->by_value, bytes->s, bytes->length);
	if (*known == HASH_MAP_NEW)
		*known = add(s, value);
	index = *known;
	if (value->holders > OWN)
		know(s, value, index);
	return s->items[index];
}

static void mark_checked(struct sections *s, struct section *section, const struct node_key *key)
{
	struct strbuf *bytes = scratch(s);
	section->checked = 1;
	add_text(bytes, key->text);
	add_bytes(bytes, section->value);
	section->hash = hash_pair(bytes->s, bytes->length);
}

/* What the schema wants of a config as a whole is that its sections are there. */
static int check(struct sections *s, struct node *config, const struct composition *c, struct section **list)
{
	struct strbuf *keys = scratch(s);
	int checked = 1;
	for (size_t i = 0; i < config->count; i++) {
		add_text(keys, config->keys[i].text);
		checked &= list[i]->checked;
	}
	size_t *passed = hash_map_at(&s->passed, keys->s, keys->length);
	if (checked && *passed != HASH_MAP_NEW)
		return 0;
	if (schema_check(config, c))
		return -1;
	*passed = 1;
	for (size_t i = 0; i < config->count; i++)
		if (!list[i]->checked)
			mark_checked(s, list[i], &config->keys[i]);
	return 0;
}

int sections_share(struct sections *s, struct node *config, const struct composition *c, struct hash128 *hash)
{
	struct section **list = mem_array(config->count, sizeof *list);
	struct hash128 *hashes = mem_array(config->count, sizeof *hashes);
	assert(config->kind == NODE_DICT && config->holders == 1);
	for (size_t i = 0; i < config->count; i++) {
		list[i] = share(s, &config->keys[i], config->items[i]);
		struct node *shared = node_hold(list[i]->value);
		node_free(config->items[i]);
		config->items[i] = shared;
	}
	int bad = check(s, config, c, list);
	for (size_t i = 0; i < config->count && !bad; i++)
		hashes[i] = list[i]->hash;
	if (!bad)
		*hash = hash_pair(hashes, config->count * sizeof *hashes);
	free(list);
	free(hashes);
	return bad;
}

struct section *sections_find(struct sections *s, const struct node *value)
{
	size_t index = *by_node(s, value);
	assert(index != HASH_MAP_NEW);
	return s->items[index];
}

const cJSON *section_json(struct section *section)
{
	if (!section->json)
		section->json = node_to_json(section->value);
	return section->json;
}

/* Of {x: value} what stands behind "x:". */
const char *section_yaml(struct section *section)
{
	if (!section->yaml) {
		struct strbuf text, quoted;
		struct node *whole = node_new(NODE_DICT, NULL);
		node_set_string(whole, "x", node_hold(section->value));
		strbuf_init(&text);
		strbuf_init(&quoted);
		node_to_yaml(&text, whole);
		json_quoted(&quoted, text.s + 2);
		section->yaml = mem_strndup(quoted.s + 1, quoted.length - 2);
		strbuf_release(&quoted);
		strbuf_release(&text);
		node_free(whole);
	}
	return section->yaml;
}

void sections_release(struct sections *s)
{
	for (size_t i = 0; i < s->count; i++) {
		node_free(s->items[i]->value);
		cJSON_Delete(s->items[i]->json);
		free(s->items[i]->yaml);
		free(s->items[i]);
	}
	for (size_t i = 0; i < s->held_count; i++)
		node_free(s->held[i]);
	strbuf_release(&s->scratch);
	hash_map_release(&s->by_value);
	hash_map_release(&s->by_node);
	hash_map_release(&s->passed);
	free(s->items);
	free(s->held);
	*s = (struct sections){0};
}
