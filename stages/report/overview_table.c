#include "report/overview_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

/* The cell name behind <model>.<pair>.<granularity>.<size>: "" or ".key=value...". Points into the name. */
static const char *rest_of(const struct overview_cell *cell)
{
	char *prefix = mem_printf("%s.%s.%s.%s", cell->model, cell->pair, cell->granularity, cell->size);
	size_t length = strlen(prefix);
	int starts = !strncmp(cell->name, prefix, length);
	free(prefix);
	return starts ? cell->name + length : "";
}

const char *overview_path(const char *path, const char *folder)
{
	size_t length = strlen(folder);
	while (length && folder[length - 1] == '/')
		length--;
	return !strncmp(path, folder, length) && path[length] == '/' ? path + length + 1 : path;
}

int overview_cell_counts(const struct overview_cell *cell)
{
	return overview_cell_scored(cell) && !cell->same_as;
}

int overview_same_scores(const struct overview_cell *a, const struct overview_cell *b)
{
	return !strcmp(a->same_as ? a->same_as : a->name, b->same_as ? b->same_as : b->name);
}

int overview_same_groups(const struct overview_cell *a, const struct overview_cell *b)
{
	if (!overview_cell_scored(a) || !overview_cell_scored(b) || a->group_count != b->group_count)
		return 0;
	for (size_t g = 0; g < a->group_count; g++)
		if (strcmp(a->groups[g].name, b->groups[g].name))
			return 0;
	return 1;
}

int overview_column_repeats(const struct overview_table *t, size_t column)
{
	return t->settings[t->columns[column].setting].repeats != t->columns[column].setting;
}

int overview_same_text(const struct overview_cell *a, const struct overview_cell *b)
{
	return a->score_sequences == b->score_sequences && a->score_tokens == b->score_tokens &&
		a->score_targets == b->score_targets && a->loss == b->loss;
}

/* --- settings and columns --- */

static size_t find_setting(struct overview_table *t, const struct overview *o, size_t cell)
{
	for (size_t s = 0; s < t->setting_count; s++) {
		const struct overview_cell *first = &o->cells[t->settings[s].first];
		if (!strcmp(first->model, o->cells[cell].model) &&
			!strcmp(rest_of(first), rest_of(&o->cells[cell])))
			return s;
	}
	t->settings[t->setting_count] = (struct overview_setting){.first = cell};
	return t->setting_count++;
}

static size_t find_column(struct overview_table *t, const struct overview *o, size_t setting, size_t cell)
{
	for (size_t c = 0; c < t->column_count; c++)
		if (t->columns[c].setting == setting && !strcmp(t->columns[c].size, o->cells[cell].size))
			return c;
	t->columns[t->column_count] = (struct overview_column){.size = o->cells[cell].size, .setting = setting,
		.first = cell};
	return t->column_count++;
}

/* ".batch_size=4.effective_bits=4.5" as "batch_size=4 effective_bits=4.5": a value may hold points, a key follows its
 * own and has a '='. */
static char *rest_words(const char *rest)
{
	char *words = mem_strdup(rest + (*rest == '.'));
	for (char *p = words; (p = strchr(p, '.')); p++)
		if (p[1 + strspn(p + 1, "abcdefghijklmnopqrstuvwxyz_0123456789")] == '=')
			*p = ' ';
	return words;
}

static void label_settings(struct overview_table *t, const struct overview *o)
{
	int models = 0;
	for (size_t i = 1; i < o->count; i++)
		models |= strcmp(o->cells[0].model, o->cells[i].model) != 0;
	for (size_t s = 0; s < t->setting_count; s++) {
		const struct overview_cell *cell = &o->cells[t->settings[s].first];
		const char *model = models ? cell->model : "";
		char *words = rest_words(rest_of(cell));
		t->settings[s].label = t->setting_count == 1 || (!*words && !*model) ? mem_strdup("")
			: mem_printf("`%s%s%s`", model, *model && *words ? " " : "", words);
		t->settings[s].words = words;
	}
}

/* --- what is equal --- */

static size_t setting_of(const struct overview_table *t, size_t cell)
{
	return t->columns[t->column[cell]].setting;
}

/* The cell of another setting with the same format and size. */
static size_t find_partner(const struct overview_table *t, const struct overview *o, size_t cell, size_t setting)
{
	const struct overview_cell *a = &o->cells[cell];
	for (size_t i = t->settings[setting].first; i < o->count; i++) {
		const struct overview_cell *b = &o->cells[i];
		if (setting_of(t, i) == setting && !strcmp(a->pair, b->pair) && !strcmp(a->granularity, b->granularity) &&
			!strcmp(a->size, b->size))
			return i;
	}
	return OVERVIEW_NONE;
}

/* The budget may differ, not what is searched by which scores. */
static int same_search(const struct overview_cell *a, const struct overview_cell *b)
{
	if (a->allow_none != b->allow_none || !overview_same_groups(a, b) || strcmp(a->method, b->method))
		return 0;
	for (size_t g = 0; g < a->group_count; g++)
		if (a->groups[g].searched != b->groups[g].searched)
			return 0;
	return 1;
}

static int same_sums(const struct overview_table *t, const struct overview *o, size_t setting, size_t other)
{
	if (strcmp(o->cells[t->settings[setting].first].model, o->cells[t->settings[other].first].model) ||
		t->settings[setting].count != t->settings[other].count)
		return 0;
	for (size_t i = t->settings[setting].first; i < o->count; i++) {
		if (setting_of(t, i) != setting)
			continue;
		size_t k = find_partner(t, o, i, other);
		if (k == OVERVIEW_NONE || o->cells[i].sum != o->cells[k].sum || !same_search(&o->cells[i], &o->cells[k]))
			return 0;
	}
	return 1;
}

static void find_repeats(struct overview_table *t, const struct overview *o)
{
	for (size_t s = 0; s < t->setting_count; s++) {
		t->settings[s].repeats = s;
		for (size_t r = 0; r < s && t->settings[s].repeats == s; r++)
			if (t->settings[r].repeats == r && same_sums(t, o, s, r))
				t->settings[s].repeats = r;
	}
}

static int same_result(const struct overview_cell *a, const struct overview_cell *b)
{
	return a->sum == b->sum && a->searched_total == b->searched_total && a->bits == b->bits &&
		a->stored_bits == b->stored_bits;
}

/* Cells that share scores name the first of them, which is not always the one with the same result. */
static size_t find_same(const struct overview *o, size_t cell)
{
	const struct overview_cell *c = &o->cells[cell];
	for (size_t i = 0; i < cell && c->same_as && c->status == OVERVIEW_OK; i++) {
		const struct overview_cell *e = &o->cells[i];
		if (e->status == OVERVIEW_OK && !strcmp(e->same_as ? e->same_as : e->name, c->same_as) && same_result(e, c))
			return i;
	}
	return OVERVIEW_NONE;
}

/* --- ranks --- */

/* Equal sums share a rank: the cells before them are counted, not the distinct sums. */
static size_t rank_of(const struct overview_table *t, const struct overview *o, size_t cell)
{
	size_t rank = 1;
	for (size_t i = 0; i < o->count; i++)
		rank += t->column[i] == t->column[cell] && overview_cell_ranked(&o->cells[i]) &&
			o->cells[i].sum < o->cells[cell].sum;
	return rank;
}

void overview_table_make(struct overview_table *t, const struct overview *o)
{
	*t = (struct overview_table){0};
	t->settings = mem_zeroed(o->count, sizeof *t->settings);
	t->columns = mem_zeroed(o->count, sizeof *t->columns);
	t->column = mem_zeroed(o->count, sizeof *t->column);
	t->rank = mem_zeroed(o->count, sizeof *t->rank);
	t->same = mem_zeroed(o->count, sizeof *t->same);
	for (size_t i = 0; i < o->count; i++) {
		size_t setting = find_setting(t, o, i);
		t->settings[setting].count++;
		t->column[i] = find_column(t, o, setting, i);
		t->columns[t->column[i]].ranked += (size_t)overview_cell_ranked(&o->cells[i]);
		t->same[i] = find_same(o, i);
	}
	for (size_t i = 0; i < o->count; i++)
		if (overview_cell_ranked(&o->cells[i]))
			t->rank[i] = rank_of(t, o, i);
	label_settings(t, o);
	find_repeats(t, o);
}

void overview_table_release(struct overview_table *t)
{
	for (size_t s = 0; s < t->setting_count; s++) {
		free(t->settings[s].label);
		free(t->settings[s].words);
	}
	free(t->settings);
	free(t->columns);
	free(t->column);
	free(t->rank);
	free(t->same);
	*t = (struct overview_table){0};
}
