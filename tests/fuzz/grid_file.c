/* The grid: graph/grid_file.h. */
#include "graph/grid_file.h"

#include <string.h>

#include "fuzz/support/input.h"

static int is_text(const char *text, size_t size)
{
	return text && strlen(text) < size;
}

static void check_cell(const struct grid_file_cell *c, size_t size)
{
	PROMISE(is_text(c->name, size) && is_text(c->model, size) && is_text(c->pair, size));
	PROMISE(is_text(c->granularity, size) && is_text(c->size, size));
	PROMISE(is_text(c->report, size) && is_text(c->manifest, size) && c->format_count);
	for (size_t f = 0; f < c->format_count; f++)
		PROMISE(is_text(c->formats[f], size));
	PROMISE(c->format_count > 1 ? !c->weight && !c->activation
		: is_text(c->weight, size) && is_text(c->activation, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct grid_file grid;
	if (grid_file_open(&grid, input_file(0, data, size)))
		return 0;
	PROMISE(is_text(grid.name, size) && is_text(grid.overview_json, size));
	for (size_t i = 0; i < grid.count; i++)
		check_cell(&grid.cells[i], size);
	for (size_t i = 0; i < grid.invalid_count; i++)
		PROMISE(is_text(grid.invalid[i].name, size) && is_text(grid.invalid[i].reason, size));
	grid_file_close(&grid);
	return 0;
}
