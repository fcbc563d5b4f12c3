#include "graph/grid_file.h"

#include <stdlib.h>

#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"

enum { GRID_BYTES_MAX = 256 << 20, CELLS_MAX = 1 << 20, FORMATS_MAX = 1000 };

/* The list of that name; *count of at most max elements. NULL after fail(). */
static const cJSON *read_list(const cJSON *of, const char *name, size_t max, const char *path, size_t *count)
{
	const cJSON *list = json_member(of, name, path);
	if (!list)
		return NULL;
	*count = cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : max + 1;
	return *count <= max ? list : fail_null("%s: \"%s\" must be a list of at most %zu", path, name, max);
}

static int read_formats(struct grid_file_cell *cell, const cJSON *item, const char *path)
{
	size_t count;
	const cJSON *format, *list = read_list(item, "formats", FORMATS_MAX, path, &count);
	if (!list)
		return -1;
	if (!count)
		return fail("%s: no \"formats\"", path);
	cell->formats = mem_array(count, sizeof *cell->formats);
	cJSON_ArrayForEach(format, list) {
		const cJSON *pair = json_member(format, "quant_pair", path);
		if (!pair || !(cell->formats[cell->format_count++] = json_string(format, "name", path)))
			return -1;
		if (count == 1 && (!(cell->weight = json_string(pair, "weight", path)) ||
			!(cell->activation = json_string(pair, "activation", path))))
			return -1;
	}
	return 0;
}

static int read_cell(struct grid_file_cell *cell, const cJSON *item, const char *path)
{
	const struct {
		const char *name, **to;
	} strings[] = {{"cell", &cell->name}, {"model", &cell->model}, {"pair", &cell->pair},
		{"granularity", &cell->granularity}, {"size", &cell->size}, {"report", &cell->report},
		{"manifest", &cell->manifest}};
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
		if (!(*strings[i].to = json_string(item, strings[i].name, path)))
			return -1;
	return read_formats(cell, item, path) ? fail_context("cell %s", cell->name) : 0;
}

static int read_cells(struct grid_file *grid, const char *path)
{
	size_t count;
	const cJSON *item, *list = read_list(grid->root, "cells", CELLS_MAX, path, &count);
	if (!list)
		return -1;
	grid->cells = mem_zeroed(count, sizeof *grid->cells);
	cJSON_ArrayForEach(item, list)
		if (read_cell(&grid->cells[grid->count++], item, path))
			return -1;
	return 0;
}

static int read_invalid(struct grid_file *grid, const char *path)
{
	size_t count;
	const cJSON *item, *list = read_list(grid->root, "invalid", CELLS_MAX, path, &count);
	if (!list)
		return -1;
	grid->invalid = mem_zeroed(count, sizeof *grid->invalid);
	cJSON_ArrayForEach(item, list) {
		struct grid_file_invalid *to = &grid->invalid[grid->invalid_count++];
		if (!(to->name = json_string(item, "cell", path)) || !(to->reason = json_string(item, "reason", path)))
			return -1;
	}
	return 0;
}

int grid_file_open(struct grid_file *grid, const char *path)
{
	*grid = (struct grid_file){.root = json_read(path, GRID_BYTES_MAX)};
	if (!grid->root || json_check_format(grid->root, "quantgrid-grid/1", path) ||
		!(grid->name = json_string(grid->root, "grid", path)) ||
		!(grid->overview_json = json_string(grid->root, "overview_json", path)) || read_cells(grid, path) ||
		read_invalid(grid, path)) {
		grid_file_close(grid);
		return -1;
	}
	return 0;
}

void grid_file_close(struct grid_file *grid)
{
	for (size_t i = 0; i < grid->count; i++)
		free(grid->cells[i].formats);
	free(grid->cells);
	free(grid->invalid);
	cJSON_Delete(grid->root);
	*grid = (struct grid_file){0};
}
