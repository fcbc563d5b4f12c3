#include "config/axes.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "config/suggest.h"

void override_list_add(struct override_list *list, const struct override *o)
{
	MEM_GROW(list->items, list->count, list->capacity);
	list->items[list->count++] = *o;
}

void override_list_release(struct override_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		override_release(&list->items[i]);
	free(list->items);
	*list = (struct override_list){0};
}

char *override_full_key(const struct override *o)
{
	return o->package ? mem_printf("%s@%s", o->key, o->package) : mem_strdup(o->key);
}

int override_same_key(const struct override *a, const struct override *b)
{
	return !strcmp(a->key, b->key) && !strcmp(a->package ? a->package : "", b->package ? b->package : "");
}

int axis_glob_matches(const struct node *patterns, const char *text)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (!fnmatch(patterns->items[i]->text, text, 0))
			return 1;
	return 0;
}

/* The options that a glob takes, as a fresh list. NULL after fail(). */
static struct node *glob_options(struct composer *composer, const struct override *o)
{
	const char *const *options;
	struct strbuf b;
	size_t count = composer_options(composer, o->key, &options);
	if (!composer_is_group(composer, o->key)) {
		origin_fail(&o->value_at, "glob() chooses among the options of a group, and '%s' is none", o->key);
		return NULL;
	}
	struct node *list = node_new(NODE_LIST, &o->value_at);
	for (size_t i = 0; i < count; i++)
		if (axis_glob_matches(o->include, options[i]) && !axis_glob_matches(o->exclude, options[i]))
			node_append(list, node_new_string(options[i], &o->value_at));
	if (list->count)
		return list;
	strbuf_init(&b);
	suggest_list(&b, options, count);
	origin_fail(&o->value_at, "glob() takes none of the options of '%s': %s", o->key, b.s);
	strbuf_release(&b);
	node_free(list);
	return NULL;
}

static void axis_release(struct axis *a)
{
	free(a->key);
	override_list_release(&a->values);
	*a = (struct axis){0};
}

static int axis_fill(struct axis *a, struct composer *composer, const struct override *o)
{
	struct node *list = o->sweep == SWEEP_GLOB ? glob_options(composer, o) : o->value;
	if (!list)
		return -1;
	a->key = override_full_key(o);
	for (size_t i = 0; i < list->count; i++) {
		struct override one;
		override_pick(&one, o, list->items[i]);
		override_list_add(&a->values, &one);
	}
	if (o->sweep == SWEEP_GLOB)
		node_free(list);
	return 0;
}

struct axis *axes_find(const struct axes *axes, const struct override *o)
{
	for (size_t i = 0; i < axes->count; i++)
		if (override_same_key(&axes->items[i].values.items[0], o))
			return &axes->items[i];
	return NULL;
}

int axes_take(struct axes *axes, struct composer *composer, const struct override *sweep)
{
	struct axis fresh = {0}, *old = axes_find(axes, sweep);
	if (axis_fill(&fresh, composer, sweep)) {
		axis_release(&fresh);
		return -1;
	}
	if (old) {
		axis_release(old);
		*old = fresh;
		return 0;
	}
	MEM_GROW(axes->items, axes->count, axes->capacity);
	axes->items[axes->count++] = fresh;
	return 0;
}

void axes_drop(struct axes *axes, struct axis *axis)
{
	size_t i = (size_t)(axis - axes->items);
	axis_release(axis);
	memmove(axis, axis + 1, (--axes->count - i) * sizeof *axis);
}

void axes_release(struct axes *axes)
{
	for (size_t i = 0; i < axes->count; i++)
		axis_release(&axes->items[i]);
	free(axes->items);
	*axes = (struct axes){0};
}

size_t axes_product(const struct axes *axes, size_t most)
{
	size_t total = 1;
	for (size_t i = 0; i < axes->count; i++) {
		if (axes->items[i].values.count > most / total)
			return 0;
		total *= axes->items[i].values.count;
	}
	return total;
}

void axes_pick(const struct axes *axes, size_t index, struct override *picks)
{
	for (size_t i = axes->count; i-- > 0;) {
		const struct override_list *values = &axes->items[i].values;
		picks[i] = values->items[index % values->count];
		index /= values->count;
	}
}
