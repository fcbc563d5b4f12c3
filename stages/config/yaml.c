#include "config/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"

enum {
	TEXT_MAX = 1 << 20,
	DEPTH_MAX = 64,
	NODES_MAX = 100000,
	ANCHORS_MAX = 1000,
	KEYS_MAX = 10000,      /* of one mapping: keys are compared with all before them */
	COPIED_MAX = 16 << 20, /* bytes of text that aliases copy */
};

struct anchor {
	char *name;
	const struct node *node; /* borrowed from the tree being built; NULL while its own content is being read */
};

struct reader {
	yaml_parser_t parser;
	yaml_event_t event;      /* the current one; deleted by advance() */
	int has_event;
	struct source *source;
	size_t nodes;
	size_t copied;           /* bytes of text, by aliases */
	int depth;
	struct anchor *anchors;
	size_t anchor_count, anchor_capacity;
	struct node *attic;      /* list of what "<<" copied from: anchors may name parts of it */
};

static struct origin place(const struct reader *r, yaml_mark_t mark)
{
	return (struct origin){r->source, (unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

static struct origin here(const struct reader *r)
{
	return place(r, r->event.start_mark);
}

static int parser_failed(const struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	struct origin at = place(r, p->problem_mark);
	const char *problem = p->problem ? p->problem : "cannot be read", *context = p->context ? p->context : "";
	const char *hint = "";
	char since[48] = "";
	if (p->error == YAML_READER_ERROR) {
		at = source_place(r->source, p->problem_offset);
		return origin_fail(&at, "not YAML: %s", problem);
	}
	/* YAML cannot hold ${x} inside { } or [ ]: its brace ends the mapping. */
	if (strstr(context, "flow") && strstr(r->source->text, "${"))
		hint = "; quote a value that holds ${...} inside { } or [ ]";
	else if (strstr(problem, "mapping values are not allowed"))
		hint = "; quote a value that holds ': '";
	else if (strstr(problem, "cannot start any token"))
		hint = "; quote a text that begins so";
	else if (strstr(context, "simple key"))
		hint = "; a blank belongs behind it";
	/* What is missed at the end, or on another line, began somewhere: there is the mistake. */
	if (p->problem_mark.index >= r->source->length || strstr(context, "simple key")) {
		at = place(r, p->context_mark);
		snprintf(since, sizeof since, "%s", *context ? " that begins here" : "");
	} else if (*context && p->context_mark.line != p->problem_mark.line) {
		snprintf(since, sizeof since, " that begins in line %zu", p->context_mark.line + 1);
	}
	return origin_fail(&at, "not YAML: %s%s%s%s%s", context, since, *context ? ", " : "", problem, hint);
}

static int advance(struct reader *r)
{
	if (r->has_event)
		yaml_event_delete(&r->event);
	r->has_event = 0;
	if (!yaml_parser_parse(&r->parser, &r->event))
		return parser_failed(r);
	r->has_event = 1;
	return 0;
}

static int count_nodes(struct reader *r, size_t more, const struct origin *at)
{
	r->nodes += more;
	return r->nodes > NODES_MAX ? origin_fail(at, "more than %d values, aliases expanded", NODES_MAX) : 0;
}

/* --- scalars --- */

static struct node *tagged(const char *tag, const char *text, const struct origin *at)
{
	static const char core[] = "tag:yaml.org,2002:";
	const char *kind = strncmp(tag, core, sizeof core - 1) ? "" : tag + sizeof core - 1;
	static const struct { const char *name; enum node_kind kind; } kinds[] = {
		{"int", NODE_INT}, {"float", NODE_FLOAT}, {"bool", NODE_BOOL}, {"null", NODE_NULL},
	};
	if (!strcmp(tag, "!") || !strcmp(kind, "str"))
		return node_new_string(text, at);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (strcmp(kind, kinds[i].name))
			continue;
		struct node *n = yaml_scalar(text, at);
		if (n && n->kind == NODE_INT && kinds[i].kind == NODE_FLOAT) {
			n->kind = NODE_FLOAT;
			n->number = (double)n->integer;
		}
		if (n && n->kind != kinds[i].kind) {
			node_free(n);
			origin_fail(at, "'%.60s' is tagged !!%s but is none", text, kind);
			return NULL;
		}
		return n;
	}
	origin_fail(at, "tag %.100s is not supported; str, int, float, bool, null, map and seq are", tag);
	return NULL;
}

static struct node *scalar_node(const struct reader *r, int is_key)
{
	struct origin at = here(r);
	const char *text = (const char *)r->event.data.scalar.value;
	const char *tag = (const char *)r->event.data.scalar.tag;
	if (strlen(text) != r->event.data.scalar.length) {
		origin_fail(&at, "a string with a NUL character is not supported");
		return NULL;
	}
	if (tag)
		return tagged(tag, text, &at);
	if (!r->event.data.scalar.plain_implicit)
		return node_new_string(text, &at);
	if (!is_key && (!strcmp(text, "=") || !strcmp(text, "<<"))) {
		origin_fail(&at, "'%s' means something else in YAML: quote it", text);
		return NULL;
	}
	return yaml_scalar(text, &at);
}

/* --- anchors --- */

static int anchor_begin(struct reader *r, const yaml_char_t *name, const struct origin *at)
{
	if (r->anchor_count == ANCHORS_MAX)
		return origin_fail(at, "more than %d anchors", ANCHORS_MAX);
	MEM_GROW(r->anchors, r->anchor_count, r->anchor_capacity);
	r->anchors[r->anchor_count++] = (struct anchor){.name = mem_strdup((const char *)name)};
	return 0;
}

/* Adds what a copy of n takes, values and bytes of text. */
static void measure(const struct node *n, size_t *nodes, size_t *bytes)
{
	++*nodes;
	*bytes += n->text ? strlen(n->text) : 0;
	for (size_t i = 0; i < n->count; i++) {
		*bytes += n->kind == NODE_DICT ? strlen(n->keys[i].text) : 0;
		measure(n->items[i], nodes, bytes);
	}
}

static int count_copy(struct reader *r, const struct node *n, const struct origin *at)
{
	size_t nodes = 0;
	measure(n, &nodes, &r->copied);
	if (r->copied > COPIED_MAX)
		return origin_fail(at, "aliases copy more than %d bytes of text", COPIED_MAX);
	return count_nodes(r, nodes, at);
}

static struct node *alias_node(struct reader *r)
{
	struct origin at = here(r);
	const char *name = (const char *)r->event.data.alias.anchor;
	for (size_t i = r->anchor_count; i-- > 0;) {
		const struct anchor *a = &r->anchors[i];
		if (strcmp(a->name, name))
			continue;
		if (!a->node) {
			origin_fail(&at, "alias *%.60s stands inside what it names", name);
			return NULL;
		}
		return count_copy(r, a->node, &at) ? NULL : node_copy(a->node);
	}
	origin_fail(&at, "alias *%.60s names nothing; to write a text that begins with '*', quote it", name);
	return NULL;
}

/* --- containers --- */

static struct node *read_value(struct reader *r);

static struct node *read_list(struct reader *r)
{
	struct origin at = here(r);
	struct node *list = node_new(NODE_LIST, &at);
	for (;;) {
		if (advance(r))
			break;
		if (r->event.type == YAML_SEQUENCE_END_EVENT)
			return list;
		struct node *value = read_value(r);
		if (!value)
			break;
		node_append(list, value);
	}
	node_free(list);
	return NULL;
}

/* The key of the current event, a scalar. The caller frees key->text. merge tells "<<". */
static int read_key(struct reader *r, struct node_key *key, int *merge)
{
	struct origin at = here(r);
	struct strbuf b;
	if (r->event.type == YAML_ALIAS_EVENT) {
		struct node *n = alias_node(r);
		if (!n)
			return -1;
		node_free(n);
		return origin_fail(&at, "an alias as key is not supported");
	}
	if (r->event.type != YAML_SCALAR_EVENT)
		return origin_fail(&at, "a key must be a scalar");
	*merge = r->event.data.scalar.plain_implicit && !strcmp((const char *)r->event.data.scalar.value, "<<");
	struct node *n = scalar_node(r, 1);
	if (!n)
		return -1;
	if (n->kind == NODE_NULL) {
		node_free(n);
		return origin_fail(&at, "null cannot be a key");
	}
	strbuf_init(&b);
	if (n->kind == NODE_STRING)
		strbuf_adds(&b, n->text);
	else if (n->kind == NODE_INT)
		strbuf_addf(&b, "%lld", (long long)n->integer);
	else if (n->kind == NODE_BOOL)
		strbuf_adds(&b, n->boolean ? "true" : "false");
	else
		node_float_text(&b, n->number);
	*key = (struct node_key){.kind = n->kind, .text = strbuf_take(&b), .at = at};
	strbuf_release(&b);
	node_free(n);
	return 0;
}

static int merge_one(struct node *merged, const struct node *from)
{
	if (from->kind != NODE_DICT)
		return origin_fail(&from->at, "'<<' takes a mapping or a list of mappings, found %s", node_kind_name(from->kind));
	for (size_t k = 0; k < from->count; k++)
		if (node_find(merged, from->keys[k].text, 1) == merged->count)
			node_set(merged, &from->keys[k], node_copy(from->items[k]));
	return 0;
}

/* "<<: value": merges the dict, or the dicts of a list, first ones winning, into *merged. Takes value over. */
static int take_merge(struct reader *r, struct node **merged, struct node *value)
{
	node_append(r->attic, value);
	if (!*merged)
		*merged = node_new(NODE_DICT, &value->at);
	if (value->kind != NODE_LIST)
		return merge_one(*merged, value);
	for (size_t i = 0; i < value->count; i++)
		if (merge_one(*merged, value->items[i]))
			return -1;
	return 0;
}

static int check_key(const struct node *dict, const struct node_key *key)
{
	if (dict->count == KEYS_MAX)
		return origin_fail(&key->at, "more than %d keys in one mapping", KEYS_MAX);
	for (size_t i = 0; i < dict->count; i++)
		if (dict->keys[i].kind == key->kind && !strcmp(dict->keys[i].text, key->text))
			return origin_fail(&key->at, "key '%.100s' stands twice, first in line %u", key->text,
				dict->keys[i].at.line);
	return 0;
}

static int read_pair(struct reader *r, struct node *dict, struct node **merged)
{
	struct node_key key;
	int merge = 0;
	if (read_key(r, &key, &merge))
		return -1;
	int bad = !merge && check_key(dict, &key);
	struct node *value = bad || advance(r) ? NULL : read_value(r);
	if (value && merge)
		bad = take_merge(r, merged, value);
	else if (value)
		node_set(dict, &key, value);
	free(key.text);
	return value && !bad ? 0 : -1;
}

/* Own keys over merged ones; takes both over. */
static struct node *with_merged(struct node *dict, struct node *merged)
{
	if (!merged)
		return dict;
	merged->at = dict->at; /* the same source */
	for (size_t i = 0; i < dict->count; i++) {
		/* Moved, not copied: anchors may name the values. */
		node_set(merged, &dict->keys[i], dict->items[i]);
		dict->items[i] = NULL;
	}
	node_free(dict);
	return merged;
}

static struct node *read_dict(struct reader *r)
{
	struct origin at = here(r);
	struct node *dict = node_new(NODE_DICT, &at), *merged = NULL;
	for (;;) {
		if (advance(r))
			break;
		if (r->event.type == YAML_MAPPING_END_EVENT)
			return with_merged(dict, merged);
		if (read_pair(r, dict, &merged))
			break;
	}
	node_free(dict);
	node_free(merged);
	return NULL;
}

static int check_container_tag(const struct reader *r, const yaml_char_t *tag, const char *expected)
{
	struct origin at = here(r);
	if (!tag || !strcmp((const char *)tag, expected) || !strcmp((const char *)tag, "!"))
		return 0;
	return origin_fail(&at, "tag %.100s is not supported; str, int, float, bool, null, map and seq are", (const char
		*)tag);
}

/* The value that the current event begins. */
static struct node *read_value(struct reader *r)
{
	struct origin at = here(r);
	const yaml_char_t *name = NULL;
	struct node *n = NULL;
	size_t anchor = r->anchor_count;
	if (count_nodes(r, 1, &at))
		return NULL;
	if (r->depth >= DEPTH_MAX) {
		origin_fail(&at, "nested more than %d levels", DEPTH_MAX);
		return NULL;
	}
	if (r->event.type == YAML_ALIAS_EVENT)
		return alias_node(r);
	if (r->event.type == YAML_SCALAR_EVENT)
		name = r->event.data.scalar.anchor;
	else if (r->event.type == YAML_SEQUENCE_START_EVENT)
		name = r->event.data.sequence_start.anchor;
	else
		name = r->event.data.mapping_start.anchor;
	if (name && anchor_begin(r, name, &at))
		return NULL;
	int named = name != NULL; /* advance() below frees the event */
	r->depth++;
	if (r->event.type == YAML_SCALAR_EVENT)
		n = scalar_node(r, 0);
	else if (r->event.type == YAML_SEQUENCE_START_EVENT)
		n = check_container_tag(r, r->event.data.sequence_start.tag, YAML_SEQ_TAG) ? NULL : read_list(r);
	else
		n = check_container_tag(r, r->event.data.mapping_start.tag, YAML_MAP_TAG) ? NULL : read_dict(r);
	r->depth--;
	if (n && named)
		r->anchors[anchor].node = n;
	return n;
}

static struct node *read_document(struct reader *r)
{
	if (advance(r) || advance(r)) /* stream start, then document start or stream end */
		return NULL;
	if (r->event.type == YAML_STREAM_END_EVENT)
		return node_new(NODE_DICT, &(struct origin){r->source, 1, 1});
	if (advance(r))
		return NULL;
	struct origin at = here(r);
	struct node *root = read_value(r);
	if (!root)
		return NULL;
	if (root->kind == NODE_NULL) {
		node_free(root);
		root = node_new(NODE_DICT, &at);
	} else if (!node_is_container(root)) {
		origin_fail(&at, "expected a mapping (key: value), found one %s", node_kind_name(root->kind));
		goto bad;
	}
	if (advance(r) || advance(r)) /* document end, then stream end */
		goto bad;
	if (r->event.type != YAML_STREAM_END_EVENT) {
		at = here(r);
		origin_fail(&at, "a second document; one file holds one");
		goto bad;
	}
	return root;
bad:
	node_free(root);
	return NULL;
}

/* --- the header comment --- */

static int read_package(struct yaml_file *file)
{
	const char *p = file->source->text;
	for (; *p; p += *p == '\n') {
		const char *line = p;
		size_t length = strcspn(p, "\n");
		p += length;
		line += strspn(line, " \t\r");
		if (line >= p)
			continue;
		if (*line != '#')
			break;
		line++;
		line += strspn(line, " \t");
		if (strncmp(line, "@package", 8) || !strchr(" \t", line[8]))
			continue;
		line += 8 + strspn(line + 8, " \t");
		size_t word = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.");
		file->package_at = source_place(file->source, (size_t)(line - file->source->text));
		if (!word || !strchr("\n", line[word + strspn(line + word, " \t\r")]))
			return origin_fail(&file->package_at, "@package: expected a dotted name such as _global_ or a.b");
		file->package = mem_strndup(line, word);
		return 0;
	}
	return 0;
}

int yaml_file_parse(struct yaml_file *file, const char *name, const char *text, size_t length)
{
	struct reader r = {0};
	*file = (struct yaml_file){0};
	if (length > TEXT_MAX)
		return fail("%s: longer than %d bytes", name, TEXT_MAX);
	file->source = source_new(SOURCE_FILE, name, text, length);
	r.source = file->source;
	r.attic = node_new(NODE_LIST, NULL);
	if (!yaml_parser_initialize(&r.parser)) {
		node_free(r.attic);
		yaml_file_release(file);
		return fail("%s: libyaml cannot be initialised", name);
	}
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, length);
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	file->root = read_document(&r);
	if (r.has_event)
		yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	for (size_t i = 0; i < r.anchor_count; i++)
		free(r.anchors[i].name);
	free(r.anchors);
	node_free(r.attic);
	if (!file->root || read_package(file)) {
		yaml_file_release(file);
		return -1;
	}
	return 0;
}

int yaml_file_read(struct yaml_file *file, const char *path)
{
	char *text;
	size_t length;
	*file = (struct yaml_file){0};
	if (file_read(path, TEXT_MAX, &text, &length))
		return -1;
	int bad = yaml_file_parse(file, path, text, length);
	free(text);
	return bad;
}

void yaml_file_release(struct yaml_file *file)
{
	node_free(file->root);
	source_release(file->source);
	free(file->package);
	*file = (struct yaml_file){0};
}
