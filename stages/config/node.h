/* A configuration value: scalar, list or dict, with the place it was written at.
 *
 * Dicts keep insertion order. Keys are strings, integers, floats or booleans (block_sizes is {-1: 64}), told apart by
 * kind and text. "???" is a string that means "must be given", see node_is_missing(); strings may hold interpolations,
 * which resolve.h replaces. A node owns its children; the functions that put a node into another take it over.
 *
 * A tree may be a child of several others, so that the thousands of configs of a grid share what they agree in: nodes
 * count their holders. Who means to change a node that others may hold makes it his own first, from the root down
 * (node_own); only then may a child be changed. One thread at a time.
 */
#ifndef QG_CONFIG_NODE_H
#define QG_CONFIG_NODE_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#include "common/strbuf.h"
#include "config/source.h"

enum node_kind { NODE_NULL, NODE_BOOL, NODE_INT, NODE_FLOAT, NODE_STRING, NODE_LIST, NODE_DICT };

/* Spellings of YAML 1.1 that surprise: kept so that the schema can say what happened. */
enum node_trap { TRAP_NONE, TRAP_WORD /* yes, no, on, off */, TRAP_OCTAL /* 012 */, TRAP_SEXAGESIMAL /* 1:30 */ };

struct node_key {
	enum node_kind kind;         /* NODE_STRING, NODE_INT, NODE_FLOAT or NODE_BOOL */
	char *text;                  /* as printed: "-1", "true", "size" */
	struct origin at;
};

struct node {
	enum node_kind kind;
	enum node_trap trap;
	struct origin at;            /* holds its source */
	int boolean;
	int64_t integer;
	double number;
	char *text;                  /* NODE_STRING */
	struct node **items;         /* NODE_LIST, NODE_DICT: count values */
	struct node_key *keys;       /* NODE_DICT: count keys */
	size_t count, capacity;
	size_t holders;
};

struct node *node_new(enum node_kind kind, const struct origin *at); /* at may be NULL */
struct node *node_new_string(const char *text, const struct origin *at);
struct node *node_copy(const struct node *node); /* shares nothing */
void node_free(struct node *node); /* gives one hold back; NULL is allowed */

/* The node itself with one more holder, who gives it back with node_free(). */
struct node *node_hold(const struct node *node);

/* Makes the node in *slot the caller's alone: where others hold it, a copy that shares the children takes its place.
 * Returns it. */
struct node *node_own(struct node **slot);

/* "null", "bool", "int", "float", "string", "list", "dict"; static. */
const char *node_kind_name(enum node_kind kind);

int node_is_missing(const struct node *node); /* the string "???" */
int node_is_container(const struct node *node); /* a list or a dict */

/* --- dicts and lists --- */

/* The value of a string key, or NULL. A key of another kind that prints the same is not found. */
struct node *node_get(const struct node *dict, const char *key);

/* Index of the key, or count. With any_kind a key of any kind that prints so, string keys first. */
size_t node_find(const struct node *dict, const char *key, int any_kind);

/* Index of what one part of a dotted path leads to: a key of any kind, or a list's index. count when there is none. */
size_t node_child(const struct node *node, const char *part);

/* Sets or adds; takes value over. The key's text is copied. */
void node_set(struct node *dict, const struct node_key *key, struct node *value);
void node_set_string(struct node *dict, const char *key, struct node *value); /* string key */
void node_remove(struct node *container, size_t index);
void node_append(struct node *list, struct node *value);

/* The value at a dotted path of dict keys (of any kind) and list indices, or NULL: node_at(root, "dataset.size"). */
struct node *node_at(const struct node *root, const char *path);

/* Merges from into dict, Hydra's rules: dicts deep, lists and scalars replaced, null replaces, "???" does not overwrite
 * a value, {} changes nothing, a list onto a dict (or back) fails, naming both places. dict must be the caller's own;
 * it comes to share nodes of from. */
int node_merge(struct node *dict, const struct node *from);

/* Equal kind and content; an int equals a float of the same value. Order of dict keys does not matter. */
int node_equal(const struct node *a, const struct node *b);

/* --- typed getters: for a config that passed the schema (schema.h), so a missing path or other kind asserts --- */

const char *node_string(const struct node *root, const char *path);
const char *node_string_or(const struct node *root, const char *path, const char *otherwise); /* absent or null */
int64_t node_int(const struct node *root, const char *path);
int node_bool(const struct node *root, const char *path);
int node_is_null(const struct node *root, const char *path);  /* absent or null */

/* --- text --- */

/* As JSON; dict keys become strings, NaN and infinities the strings "nan", "inf", "-inf". The caller frees. */
cJSON *node_to_json(const struct node *node);

/* As block YAML which reads back equal; floats always have a point or exponent. Stable. */
void node_to_yaml(struct strbuf *to, const struct node *node);

/* One value in the grammar of overrides, which parses back equal: {a:1,b:[x,'a b']}. */
void node_to_flow(struct strbuf *to, const struct node *node);

/* A float as Python prints it: 8.0, 0.1, 1e-05, inf, nan. */
void node_float_text(struct strbuf *to, double value);

#endif
