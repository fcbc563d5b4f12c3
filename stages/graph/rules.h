/* rules/: one declarative file a stage (rules/README.md is the manual of the language).
 *
 * Adding a stage is adding a file here and a program of that name. All files are read and checked together: stages that
 * depend on one another in a circle, unknown inputs, unknown keys and a key that is both hashed and unhashed are errors
 * with file, line and column.
 */
#ifndef QG_GRAPH_RULES_H
#define QG_GRAPH_RULES_H

#include <stddef.h>

enum { RULES_MAX = 64, RULE_LIST_MAX = 64 };

/* A list of strings, owned. */
struct names {
	char **item;
	size_t count;
};

/* One substitution of an input's "with": the upstream stage sees path as the value of from. */
struct rule_with {
	char *path, *from;
};

struct rule_input {
	char *name;
	char *stage;           /* made by this stage, or NULL: a leaf */
	char *when;            /* only when this value is not "-", false or null; NULL: always */
	char *each;            /* made once for every element of this list, which the stage sees laid over the
	                        * cell; NULL: once */
	struct rule_with *with;
	size_t with_count;
	char *leaf;            /* config path whose value is the file or folder */
	char *files;           /* lister of a folder's files ("checkpoint", "tokenizer"); NULL: the leaf is the file */
};

struct rule {
	char *path;            /* of the YAML file */
	char *stage, *about, *label, *describe;
	int version;
	int numerics;          /* the backend's class is part of the key */
	int unicode;           /* the version of Unicode's tables is */
	int publish;           /* writes files people know instead of a cached object */
	struct rule_input *inputs;
	size_t input_count;
	struct names params, unhashed, group_by;
	int grouped;           /* jobs that agree in group_by (perhaps nothing) are computed by one process */
	char *output;          /* kind of object; NULL when publish */
	char *pool;            /* NULL: none */
	char *when;            /* of a published stage: made for cells where this value is true; NULL: for all */
	char *tool;            /* digest of the program's file, part of the key; NULL: only the version is. Not of the file:
	                        * who wants it sets it (generator/strict_tools.h) */
};

struct rules {
	struct rule *rules;    /* upstream before downstream */
	size_t count;
};

/* Reads every *.yaml in dir. -1 after fail(). */
int rules_read(struct rules *rules, const char *dir);
void rules_release(struct rules *rules);

const struct rule *rules_find(const struct rules *rules, const char *stage);

#endif
