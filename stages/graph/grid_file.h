/* The grid that the graph was made of, build/grid.json, as its readers see it; grid.md beside its writer
 * (generator/grid_files.c) says what is in it.
 */
#ifndef QG_GRAPH_GRID_FILE_H
#define QG_GRAPH_GRID_FILE_H

#include <cjson/cJSON.h>
#include <stddef.h>

/* Strings live as long as the grid. */
struct grid_file_cell {
	const char *name, *model, *pair, *granularity, *size;
	const char **formats;           /* [format_count] names of those that compete */
	size_t format_count;            /* at least 1 */
	const char *weight, *activation; /* of the only format; NULL with several */
	const char *report;             /* its job of render-report */
	const char *manifest;           /* path */
};

struct grid_file_invalid {
	const char *name, *reason;
};

struct grid_file {
	cJSON *root;
	const char *name, *overview_json; /* overview_json: "" where there is none */
	struct grid_file_cell *cells;   /* [count] */
	size_t count;
	struct grid_file_invalid *invalid; /* [invalid_count] combinations left out */
	size_t invalid_count;
};

/* Reads and checks all of it. -1 after fail(); nothing is held then. */
int grid_file_open(struct grid_file *grid, const char *path);
void grid_file_close(struct grid_file *grid);

#endif
