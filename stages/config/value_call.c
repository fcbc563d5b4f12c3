#include "config/value_call.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/spell.h"
#include "config/range.h"

/* --- casts --- */

static int cast_failed(const struct node *n, const char *cast)
{
	struct strbuf b;
	strbuf_init(&b);
	node_to_flow(&b, n);
	origin_fail(&n->at, "%s(%.100s): not possible", cast, b.s);
	strbuf_release(&b);
	return -1;
}

/* Replaces n's content by that of the new node, keeping its place. */
static void become(struct node *n, struct node *other)
{
	struct node old = *n;
	n->kind = other->kind;
	n->boolean = other->boolean;
	n->integer = other->integer;
	n->number = other->number;
	n->text = other->text;
	other->text = old.text;
	node_free(other);
}

static int cast_to_string(struct node *n)
{
	struct strbuf b;
	if (n->kind == NODE_STRING)
		return 0;
	strbuf_init(&b);
	node_to_flow(&b, n);
	become(n, node_new_string(b.s, NULL));
	strbuf_release(&b);
	return 0;
}

static int cast_scalar(struct node *n, const char *cast)
{
	if (!strcmp(cast, "str"))
		return cast_to_string(n);
	struct node *from = n->kind == NODE_STRING ? value_scalar(n->text, &n->at) : node_copy(n);
	struct node *to = NULL;
	if (!from)
		return -1;
	int is_word = n->kind == NODE_STRING && from->kind == NODE_BOOL;
	double value = from->kind == NODE_FLOAT ? from->number : from->kind == NODE_INT ? (double)from->integer :
		from->boolean;
	if (from->kind == NODE_NULL || from->kind == NODE_STRING) {
		to = NULL;
	} else if (!strcmp(cast, "bool")) {
		if (n->kind != NODE_STRING || is_word) {
			to = node_new(NODE_BOOL, NULL);
			to->boolean = value != 0;
		}
	} else if (is_word) {
		to = NULL; /* 'true' is a text, and no number */
	} else if (!strcmp(cast, "float")) {
		to = node_new(NODE_FLOAT, NULL);
		to->number = value;
	} else if (from->kind != NODE_FLOAT || (n->kind == NODE_FLOAT && fabs(value) < 9e18)) {
		to = node_new(NODE_INT, NULL);
		to->integer = from->kind == NODE_INT ? from->integer : (int64_t)value;
	}
	node_free(from);
	if (!to)
		return cast_failed(n, cast);
	become(n, to);
	return 0;
}

int value_cast(struct node *node, const char *cast)
{
	if (!node_is_container(node))
		return cast_scalar(node, cast);
	for (size_t i = 0; i < node->count; i++)
		if (value_cast(node->items[i], cast))
			return -1;
	return 0;
}

/* --- functions --- */

void value_call_release(struct value_call *c)
{
	for (size_t i = 0; i < c->count; i++)
		value_release(&c->arguments[i]);
	for (size_t i = 0; i < c->named_count; i++) {
		value_release(&c->named[i]);
		free(c->names[i]);
	}
	free(c->arguments);
}

/* Takes the named argument's node out of the call, or NULL. */
static struct node *take_named(struct value_call *c, const char *name)
{
	for (size_t i = 0; i < c->named_count; i++) {
		if (strcmp(c->names[i], name))
			continue;
		struct node *n = c->named[i].node;
		c->named[i].node = NULL;
		return n;
	}
	return NULL;
}

static struct node *take_argument(struct value_call *c, size_t i, const char *name)
{
	struct node *n = take_named(c, name);
	if (n || i >= c->count)
		return n;
	n = c->arguments[i].node;
	c->arguments[i].node = NULL;
	return n;
}

/* A fresh list of all plain arguments; those that are sweeps give all their values. */
static struct node *argument_list(struct value_call *c)
{
	struct node *list = node_new(NODE_LIST, &c->at);
	for (size_t i = 0; i < c->count; i++) {
		struct value *v = &c->arguments[i];
		if (v->sweep == SWEEP_NONE) {
			node_append(list, v->node);
			v->node = NULL;
			continue;
		}
		for (size_t k = 0; k < v->node->count; k++)
			node_append(list, node_copy(v->node->items[k]));
	}
	return list;
}

/* How many arguments of each kind a function takes; names may be NULL. */
static int check_call(const struct value_call *c, size_t least, size_t most, const char *const *names)
{
	for (size_t i = 0; i < c->named_count; i++) {
		int known = 0;
		for (size_t k = 0; names && names[k]; k++)
			known |= !strcmp(names[k], c->names[i]);
		if (!known)
			return origin_fail(&c->at, "%s() has no argument '%s'", c->name, c->names[i]);
		if (c->named[i].sweep)
			return origin_fail(&c->at, "%s(%s=...): a sweep is not possible here", c->name, c->names[i]);
	}
	for (size_t i = 0; i < c->count; i++)
		if (c->arguments[i].sweep == SWEEP_GLOB)
			return origin_fail(&c->at, "%s(glob(...)) is not supported", c->name);
	if (c->count < least || c->count > most)
		return origin_fail(&c->at, "%s() with %zu values: expected %zu%s", c->name, c->count, least,
			most > least ? " or more" : "");
	return 0;
}

static int call_choice(struct value_call *c, struct value *value)
{
	if (check_call(c, 1, 100000, NULL))
		return -1;
	*value = (struct value){.sweep = SWEEP_CHOICE, .node = argument_list(c)};
	return 0;
}

static int call_range(struct value_call *c, struct value *value)
{
	static const char *const names[] = {"start", "stop", "step", NULL};
	if (check_call(c, 0, 3, names))
		return -1;
	/* range(stop) leaves out the first argument, not the last. */
	int only_stop = c->count == 1 && !c->named_count;
	struct node *stop = only_stop ? take_argument(c, 0, "stop") : take_argument(c, 1, "stop");
	struct node *start = only_stop ? NULL : take_argument(c, 0, "start"), *step = take_argument(c, 2, "step");
	struct node *list = stop ? range_list(&c->at, start, stop, step) : NULL;
	if (!stop)
		origin_fail(&c->at, "range() needs a stop: range(stop), range(start,stop) or range(start,stop,step)");
	node_free(start);
	node_free(stop);
	node_free(step);
	*value = (struct value){.sweep = SWEEP_RANGE, .node = list};
	return list ? 0 : -1;
}

/* One pattern or a list of patterns, as a list of strings; takes n over. */
static struct node *pattern_list(const struct value_call *c, struct node *n)
{
	struct node *list = n;
	if (!n)
		return node_new(NODE_LIST, &c->at);
	if (n->kind != NODE_LIST) {
		list = node_new(NODE_LIST, &n->at);
		node_append(list, n);
	}
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i]->kind == NODE_STRING)
			continue;
		origin_fail(&list->items[i]->at, "glob(): a pattern must be a text");
		node_free(list);
		return NULL;
	}
	return list;
}

static int call_glob(struct value_call *c, struct value *value)
{
	static const char *const names[] = {"include", "exclude", NULL};
	if (check_call(c, 0, 2, names))
		return -1;
	*value = (struct value){.sweep = SWEEP_GLOB};
	value->include = pattern_list(c, take_argument(c, 0, "include"));
	value->exclude = value->include ? pattern_list(c, take_argument(c, 1, "exclude")) : NULL;
	if (value->exclude && value->include->count)
		return 0;
	if (value->exclude)
		origin_fail(&c->at, "glob() needs a pattern: glob(w*) or glob([a*,b*],exclude=c*)");
	value_release(value);
	return -1;
}

/* Order of scalars for sort(): 0 with *bad set when they cannot be compared. */
static int compare(const struct node *a, const struct node *b, int *bad)
{
	int numbers = a->kind != NODE_STRING && b->kind != NODE_STRING;
	if (a->kind == NODE_STRING && b->kind == NODE_STRING)
		return strcmp(a->text, b->text);
	if (!numbers || a->kind == NODE_NULL || b->kind == NODE_NULL || a->count || b->count || a->kind >= NODE_LIST
		|| b->kind >= NODE_LIST) {
		*bad = 1;
		return 0;
	}
	double x = a->kind == NODE_FLOAT ? a->number : a->kind == NODE_INT ? (double)a->integer : a->boolean;
	double y = b->kind == NODE_FLOAT ? b->number : b->kind == NODE_INT ? (double)b->integer : b->boolean;
	return (x > y) - (x < y);
}

/* Merges the sorted runs from[0..middle) and from[middle..count) into to; of equals the first run's come first. */
static void merge_runs(struct node **from, size_t middle, size_t count, struct node **to, int reverse, int *bad)
{
	size_t left = 0, right = middle;
	for (size_t i = 0; i < count; i++) {
		int order = 0, both = left < middle && right < count;
		if (both)
			order = compare(from[left], from[right], bad);
		to[i] = (both && (reverse ? order < 0 : order > 0)) || left == middle ? from[right++] : from[left++];
	}
}

/* Sorts in place, keeping the order of equals, by merging runs: a range has up to 100,000 values. */
static int sort_list(struct node *list, int reverse)
{
	const size_t n = list->count;
	int bad = 0;
	struct node **merged = mem_array(n, sizeof *merged);
	for (size_t run = 1; run < n && !bad; run *= 2) {
		for (size_t at = 0; at < n; at += 2 * run) {
			size_t count = n - at < 2 * run ? n - at : 2 * run;
			merge_runs(list->items + at, run < count ? run : count, count, merged + at, reverse, &bad);
		}
		memcpy(list->items, merged, n * sizeof *merged);
	}
	free(merged);
	return bad ? origin_fail(&list->at, "sort(): numbers and texts cannot be compared with one another") : 0;
}

static int call_sort(struct value_call *c, struct value *value)
{
	static const char *const names[] = {"reverse", NULL};
	if (check_call(c, 1, 100000, names))
		return -1;
	struct node *reverse = take_named(c, "reverse");
	int backwards = reverse && reverse->kind == NODE_BOOL && reverse->boolean;
	int bad = reverse && reverse->kind != NODE_BOOL;
	node_free(reverse);
	if (bad)
		return origin_fail(&c->at, "sort(reverse=...): expected true or false");
	if (c->count == 1) {
		*value = c->arguments[0];
		c->arguments[0] = (struct value){0};
	} else {
		*value = (struct value){.sweep = SWEEP_CHOICE, .node = argument_list(c)};
	}
	if (value->node->kind == NODE_LIST && sort_list(value->node, backwards)) {
		value_release(value);
		return -1;
	}
	return 0;
}

static int call_cast(struct value_call *c, struct value *value)
{
	if (check_call(c, 1, 100000, NULL))
		return -1;
	if (c->count == 1) {
		*value = c->arguments[0];
		c->arguments[0] = (struct value){0};
	} else {
		*value = (struct value){.sweep = SWEEP_CHOICE, .node = argument_list(c)};
	}
	int numeric = !strcmp(c->name, "int") || !strcmp(c->name, "float");
	int bad = value->sweep == SWEEP_RANGE && !numeric
		? origin_fail(&c->at, "%s(range(...)): a range casts to int or float only", c->name)
		: value_cast(value->node, c->name);
	value->quoted = 0;
	if (bad)
		value_release(value);
	return bad;
}

static int call_refused(struct value_call *c, struct value *value)
{
	(void)value;
	return origin_fail(&c->at, "%s() is not supported; sweeps are a,b choice() range() glob()", c->name);
}

int value_call_run(struct value_call *c, struct value *value)
{
	static const struct { const char *name; int (*run)(struct value_call *, struct value *); } functions[] = {
		{"choice", call_choice}, {"range", call_range}, {"glob", call_glob}, {"sort", call_sort}, {"int", call_cast},
		{"float", call_cast}, {"str", call_cast}, {"bool", call_cast}, {"interval", call_refused},
		{"tag", call_refused}, {"shuffle", call_refused},
	};
	enum { FUNCTIONS = sizeof functions / sizeof *functions };
	const char *names[FUNCTIONS];
	for (size_t i = 0; i < FUNCTIONS; i++) {
		names[i] = functions[i].name;
		if (!strcmp(c->name, functions[i].name))
			return functions[i].run(c, value);
	}
	const char *near = spell_nearest(c->name, names, 8);
	return origin_fail(&c->at, "unknown function '%.60s'%s%s%s there are choice, range, glob, sort, int, float, str, "
		"bool",
		c->name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : ";");
}
