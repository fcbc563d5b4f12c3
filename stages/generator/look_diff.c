/* --diff. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "common/strbuf.h"
#include "config/suggest.h"
#include "generator/look.h"

enum { WORDS_MAX = 100, VALUE_WIDTH = 34 };

/* Cuts words apart at blanks outside quotes, in place; the number of words, or -1 after fail(). */
static int cut(char *text, const char **words)
{
	int count = 0;
	char quote = '\0';
	for (char *p = text, *begin = NULL;; p++) {
		if (!begin && *p && *p != ' ') {
			if (count == WORDS_MAX)
				return fail("--diff: more than %d overrides", WORDS_MAX);
			words[count++] = begin = p;
		}
		if (!*p)
			return count;
		if (quote ? *p == quote : *p == '\'' || *p == '"')
			quote = quote ? '\0' : *p;
		if (*p == ' ' && !quote && begin) {
			*p = '\0';
			begin = NULL;
		}
	}
}

/* The first cell's config with these overrides behind those of the command line. */
static const struct node *config_with(const struct generator *g, const char *overrides)
{
	struct generator *other = mem_zeroed(1, sizeof *other); /* goes with the process */
	const char *words[WORDS_MAX];
	int count = cut(mem_strdup(overrides), words);
	if (count < 0)
		return NULL;
	other->request = g->request;
	other->request.overrides = mem_array(g->request.override_count + (size_t)count, sizeof *words);
	for (size_t i = 0; i < g->request.override_count; i++)
		other->request.overrides[i] = g->request.overrides[i];
	for (int i = 0; i < count; i++)
		other->request.overrides[g->request.override_count + (size_t)i] = words[i];
	other->request.override_count += (size_t)count;
	if (generator_load(other)) {
		fail_context("--diff '%s'", overrides);
		return NULL;
	}
	return other->grid.cells[0].config;
}

static const struct node *no_such_cell(const char *name, char **names, size_t count)
{
	struct strbuf near;
	strbuf_init(&near);
	suggest_among(&near, name, (const char *const *)names, count, "the cells are");
	fail("--diff %s: no cell of the grid (give its name, or overrides as in 'quant_pair=wfp8_afp8')%s", name, near.s);
	strbuf_release(&near);
	return NULL;
}

static const struct node *find_config(struct generator *g, const char *name, char **names)
{
	if (strchr(name, '='))
		return config_with(g, name);
	for (size_t i = 0; i < g->grid.cell_count; i++)
		if (!strcmp(names[i], name))
			return g->grid.cells[i].config;
	return no_such_cell(name, names, g->grid.cell_count);
}

static void add_value(struct strbuf *to, const struct node *n)
{
	strbuf_clear(to);
	if (!n)
		strbuf_adds(to, "-");
	else if (n->kind == NODE_STRING)
		strbuf_adds(to, n->text);
	else
		node_to_flow(to, n);
}

/* Rows of what differs; how many. b may be NULL, and so may a. */
static size_t print_differences(const char *path, const struct node *a, const struct node *b)
{
	size_t rows = 0;
	if (a && b && a->kind == NODE_DICT && b->kind == NODE_DICT) {
		for (int second = 0; second < 2; second++) {
			const struct node *from = second ? b : a, *other = second ? a : b;
			for (size_t i = 0; i < from->count; i++) {
				size_t k = node_find(other, from->keys[i].text, 1);
				if (second && k < other->count)
					continue;
				char *below = mem_printf("%s%s%s", path, *path ? "." : "", from->keys[i].text);
				const struct node *there = k < other->count ? other->items[k] : NULL;
				rows += print_differences(below, second ? NULL : from->items[i], second ? from->items[i] : there);
				free(below);
			}
		}
		return rows;
	}
	if (a && b && node_equal(a, b))
		return 0;
	struct strbuf left, right;
	strbuf_init(&left);
	strbuf_init(&right);
	add_value(&left, a);
	add_value(&right, b);
	printf("%-38s %-*s %s\n", path, VALUE_WIDTH, left.s, right.s);
	strbuf_release(&left);
	strbuf_release(&right);
	return 1;
}

int look_diff(struct generator *g)
{
	char **names = mem_array(g->grid.cell_count, sizeof *names);
	cell_views_init(&g->views, &g->grid, g->device.device);
	for (size_t i = 0; i < g->grid.cell_count; i++) {
		struct cell_view v;
		if (cell_view_make(&v, &g->views, &g->grid.cells[i]))
			return -1;
		names[i] = v.name;
	}
	const struct node *a = find_config(g, g->request.about[0], names);
	const struct node *b = a ? find_config(g, g->request.about[1], names) : NULL;
	if (!b)
		return -1;
	printf("%-38s %-*s %s\n", "key", VALUE_WIDTH, g->request.about[0], g->request.about[1]);
	if (!print_differences("", a, b))
		puts("no difference: they are the same config");
	return 0;
}
