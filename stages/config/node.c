#include "config/node.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"

struct node *node_new(enum node_kind kind, const struct origin *at)
{
	struct node *n = mem_zeroed(1, sizeof *n);
	n->kind = kind;
	n->holders = 1;
	if (at) {
		n->at = *at;
		source_hold(at->source);
	}
	return n;
}

struct node *node_new_string(const char *text, const struct origin *at)
{
	struct node *n = node_new(NODE_STRING, at);
	n->text = mem_strdup(text);
	return n;
}

static void key_release(struct node_key *key)
{
	free(key->text);
	source_release(key->at.source);
}

void node_free(struct node *node)
{
	if (!node || --node->holders)
		return;
	for (size_t i = 0; i < node->count; i++) {
		node_free(node->items[i]);
		if (node->kind == NODE_DICT)
			key_release(&node->keys[i]);
	}
	source_release(node->at.source);
	free(node->text);
	free(node->items);
	free(node->keys);
	free(node);
}

static void grow(struct node *container)
{
	if (container->count < container->capacity)
		return;
	container->capacity = container->capacity ? 2 * container->capacity : 4;
	container->items = mem_resize(container->items, container->capacity, sizeof *container->items);
	if (container->kind == NODE_DICT)
		container->keys = mem_resize(container->keys, container->capacity, sizeof *container->keys);
}

static void add_pair(struct node *dict, const struct node_key *key, struct node *value)
{
	grow(dict);
	struct node_key *copy = &dict->keys[dict->count];
	*copy = *key;
	copy->text = mem_strdup(key->text);
	source_hold(copy->at.source);
	dict->items[dict->count++] = value;
}

/* A copy whose children child() makes: copies or the same ones. */
static struct node *copy_with(const struct node *node, struct node *child(const struct node *))
{
	struct node *n = node_new(node->kind, &node->at);
	n->trap = node->trap;
	n->boolean = node->boolean;
	n->integer = node->integer;
	n->number = node->number;
	if (node->text)
		n->text = mem_strdup(node->text);
	for (size_t i = 0; i < node->count; i++) {
		if (node->kind == NODE_DICT)
			add_pair(n, &node->keys[i], child(node->items[i]));
		else
			node_append(n, child(node->items[i]));
	}
	return n;
}

struct node *node_copy(const struct node *node)
{
	return copy_with(node, node_copy);
}

struct node *node_hold(const struct node *node)
{
	struct node *same = (struct node *)(uintptr_t)node;
	same->holders++;
	return same;
}

struct node *node_own(struct node **slot)
{
	struct node *old = *slot;
	if (old->holders > 1) {
		*slot = copy_with(old, node_hold);
		node_free(old);
	}
	return *slot;
}

const char *node_kind_name(enum node_kind kind)
{
	static const char *const names[] = {"null", "bool", "int", "float", "string", "list", "dict"};
	return names[kind];
}

int node_is_missing(const struct node *node)
{
	return node->kind == NODE_STRING && strcmp(node->text, "???") == 0;
}

int node_is_container(const struct node *node)
{
	return node->kind == NODE_DICT || node->kind == NODE_LIST;
}

size_t node_find(const struct node *dict, const char *key, int any_kind)
{
	size_t other = dict->count;
	if (dict->kind != NODE_DICT)
		return dict->count;
	for (size_t i = 0; i < dict->count; i++) {
		if (strcmp(dict->keys[i].text, key) != 0)
			continue;
		if (dict->keys[i].kind == NODE_STRING)
			return i;
		if (any_kind && other == dict->count)
			other = i;
	}
	return other;
}

struct node *node_get(const struct node *dict, const char *key)
{
	size_t i = node_find(dict, key, 0);
	return i < dict->count && dict->kind == NODE_DICT ? dict->items[i] : NULL;
}

static size_t find_key(const struct node *dict, const struct node_key *key)
{
	size_t i = 0;
	while (i < dict->count && (dict->keys[i].kind != key->kind || strcmp(dict->keys[i].text, key->text) != 0))
		i++;
	return i;
}

void node_set(struct node *dict, const struct node_key *key, struct node *value)
{
	assert(dict->kind == NODE_DICT);
	size_t i = find_key(dict, key);
	if (i == dict->count) {
		add_pair(dict, key, value);
		return;
	}
	node_free(dict->items[i]);
	dict->items[i] = value;
}

void node_set_string(struct node *dict, const char *key, struct node *value)
{
	struct node_key k = {.kind = NODE_STRING, .text = (char *)key, .at = value->at};
	node_set(dict, &k, value);
}

void node_remove(struct node *container, size_t index)
{
	assert(index < container->count);
	size_t behind = --container->count - index;
	node_free(container->items[index]);
	memmove(&container->items[index], &container->items[index + 1], behind * sizeof *container->items);
	if (container->kind != NODE_DICT)
		return;
	key_release(&container->keys[index]);
	memmove(&container->keys[index], &container->keys[index + 1], behind * sizeof *container->keys);
}

void node_append(struct node *list, struct node *value)
{
	assert(list->kind == NODE_LIST);
	grow(list);
	list->items[list->count++] = value;
}

/* Index that text spells, or count. */
static size_t list_index(const struct node *list, const char *text)
{
	char *end;
	if (*text < '0' || *text > '9')
		return list->count;
	unsigned long i = strtoul(text, &end, 10);
	return *end || i >= list->count ? list->count : i;
}

size_t node_child(const struct node *node, const char *part)
{
	return node->kind == NODE_LIST ? list_index(node, part) : node_find(node, part, 1);
}

struct node *node_at(const struct node *root, const char *path)
{
	char part[256];
	while (*path) {
		size_t length = strcspn(path, ".");
		if (length >= sizeof part)
			return NULL;
		memcpy(part, path, length);
		part[length] = '\0';
		size_t i = node_child(root, part);
		if (i == root->count)
			return NULL;
		root = root->items[i];
		path += length + (path[length] == '.');
	}
	return (struct node *)root;
}

static int merge_refused(const struct node_key *key, const struct node *old, const struct node *from)
{
	struct strbuf where;
	strbuf_init(&where);
	origin_describe(&where, &old->at);
	origin_fail(&from->at, "'%.100s' is a %s here and a %s at %s; one cannot be merged into the other", key->text,
		node_kind_name(from->kind), node_kind_name(old->kind), where.s);
	strbuf_release(&where);
	return -1;
}

int node_merge(struct node *dict, const struct node *from)
{
	assert(dict->kind == NODE_DICT && from->kind == NODE_DICT);
	for (size_t i = 0; i < from->count; i++) {
		const struct node *value = from->items[i];
		size_t at = find_key(dict, &from->keys[i]);
		struct node *old = at < dict->count ? dict->items[at] : NULL;
		if (!old)
			add_pair(dict, &from->keys[i], node_hold(value));
		else if (old->kind == NODE_DICT && value->kind == NODE_DICT) {
			if (node_merge(node_own(&dict->items[at]), value))
				return -1;
		} else if (node_is_container(old) && node_is_container(value) && old->kind != value->kind)
			return merge_refused(&from->keys[i], old, value);
		else if (!node_is_missing(value))
			node_set(dict, &from->keys[i], node_hold(value));
	}
	return 0;
}

static int is_number(const struct node *n)
{
	return n->kind == NODE_INT || n->kind == NODE_FLOAT;
}

static double as_double(const struct node *n)
{
	return n->kind == NODE_INT ? (double)n->integer : n->number;
}

static int dict_equal(const struct node *a, const struct node *b)
{
	for (size_t i = 0; i < a->count; i++) {
		size_t j = find_key(b, &a->keys[i]);
		if (j == b->count || !node_equal(a->items[i], b->items[j]))
			return 0;
	}
	return 1;
}

int node_equal(const struct node *a, const struct node *b)
{
	if (is_number(a) && is_number(b)) {
		if (a->kind == NODE_INT && b->kind == NODE_INT)
			return a->integer == b->integer;
		double x = as_double(a), y = as_double(b);
		return x == y || (isnan(x) && isnan(y));
	}
	if (a->kind != b->kind || a->count != b->count)
		return 0;
	switch (a->kind) {
	case NODE_BOOL:
		return a->boolean == b->boolean;
	case NODE_STRING:
		return strcmp(a->text, b->text) == 0;
	case NODE_DICT:
		return dict_equal(a, b);
	case NODE_LIST:
		for (size_t i = 0; i < a->count; i++)
			if (!node_equal(a->items[i], b->items[i]))
				return 0;
		return 1;
	default:
		return 1;
	}
}

static const struct node *expect(const struct node *root, const char *path, enum node_kind kind)
{
	const struct node *n = node_at(root, path);
	assert(n && n->kind == kind);
	return n;
}

const char *node_string(const struct node *root, const char *path)
{
	return expect(root, path, NODE_STRING)->text;
}

const char *node_string_or(const struct node *root, const char *path, const char *otherwise)
{
	return node_is_null(root, path) ? otherwise : node_string(root, path);
}

int64_t node_int(const struct node *root, const char *path)
{
	return expect(root, path, NODE_INT)->integer;
}

int node_bool(const struct node *root, const char *path)
{
	return expect(root, path, NODE_BOOL)->boolean;
}

int node_is_null(const struct node *root, const char *path)
{
	const struct node *n = node_at(root, path);
	return !n || n->kind == NODE_NULL;
}
