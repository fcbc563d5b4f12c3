/* What a stage sees of a cell: the cell's view (plan.h) with the substitutions of the inputs through which it is
 * reached. Private to graph/. */
#ifndef QG_GRAPH_VIEW_H
#define QG_GRAPH_VIEW_H

#include <cjson/cJSON.h>

#include "graph/rules.h"

struct view {
	const cJSON *root;
	const struct rule_input *via;   /* its with; NULL at the cell itself */
	const cJSON *element;           /* laid over what is outside; NULL: nothing */
	const struct view *outer;       /* where the substitutes are looked up */
	size_t layer;                   /* views of one cell with equal numbers have equal values (plan.c) */
};

/* The value at a dotted path; NULL when there is none, view_need() after fail(). */
const cJSON *view_at(const struct view *view, const char *path);
const cJSON *view_need(const struct view *view, const struct rule *rule, const char *path);

/* Text with ${path} replaced by values, in new memory; NULL after fail(). */
char *view_expand(const struct view *view, const struct rule *rule, const char *text);

/* Whether the cell has this input: its "when" names a value that is not "-", false or null. -1 after fail(). */
int view_wants(const struct view *view, const struct rule *rule, const struct rule_input *from);

#endif
