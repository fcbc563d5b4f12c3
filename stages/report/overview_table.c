#include "report/overview_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

const char *overview_cell_rest(const struct overview_cell *cell)
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

static int same_column(const struct overview_cell *a, const struct overview_cell *b)
{
	return !strcmp(a->model, b->model) && !strcmp(a->size, b->size) &&
		!strcmp(overview_cell_rest(a), overview_cell_rest(b));
}

static size_t find_column(struct overview_table *t, const struct overview *o, size_t cell)
{
	for (size_t c = 0; c < t->column_count; c++)
		if (same_column(&o->cells[t->columns[c].first], &o->cells[cell]))
			return c;
	t->columns[t->column_count] = (struct overview_column){.first = cell};
	return t->column_count++;
}

/* Equal sums share a rank: the cells before them are counted, not the distinct sums. */
static size_t rank_of(const struct overview_table *t, const struct overview *o, size_t cell)
{
	size_t rank = 1;
	for (size_t i = 0; i < o->count; i++)
		rank += t->column[i] == t->column[cell] && o->cells[i].status == OVERVIEW_OK &&
			o->cells[i].sum < o->cells[cell].sum;
	return rank;
}

static void label_columns(struct overview_table *t, const struct overview *o)
{
	int models = 0;
	for (size_t i = 1; i < o->count; i++)
		models |= strcmp(o->cells[0].model, o->cells[i].model) != 0;
	for (size_t c = 0; c < t->column_count; c++) {
		const struct overview_cell *cell = &o->cells[t->columns[c].first];
		t->columns[c].label = mem_printf("%s%s%s%s", models ? cell->model : "", models ? "." : "", cell->size,
			overview_cell_rest(cell));
	}
}

void overview_table_make(struct overview_table *t, const struct overview *o)
{
	*t = (struct overview_table){0};
	t->columns = mem_zeroed(o->count, sizeof *t->columns);
	t->column = mem_zeroed(o->count, sizeof *t->column);
	t->rank = mem_zeroed(o->count, sizeof *t->rank);
	for (size_t i = 0; i < o->count; i++) {
		struct overview_column *column;
		t->column[i] = find_column(t, o, i);
		column = &t->columns[t->column[i]];
		column->cells++;
		column->ok += o->cells[i].status == OVERVIEW_OK;
	}
	for (size_t i = 0; i < o->count; i++)
		if (o->cells[i].status == OVERVIEW_OK)
			t->rank[i] = rank_of(t, o, i);
	label_columns(t, o);
}

void overview_table_release(struct overview_table *t)
{
	for (size_t c = 0; c < t->column_count; c++)
		free(t->columns[c].label);
	free(t->columns);
	free(t->column);
	free(t->rank);
	*t = (struct overview_table){0};
}
