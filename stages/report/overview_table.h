/* Which cells of a grid compare with which: columns, and ranks within them. */
#ifndef QG_REPORT_OVERVIEW_TABLE_H
#define QG_REPORT_OVERVIEW_TABLE_H

#include "report/overview.h"

struct overview_column {
	char *label;           /* "small"; with the model or other swept keys where the grid has several; owned */
	size_t first;          /* a cell of it */
	size_t cells, ok;
};

struct overview_table {
	struct overview_column *columns;
	size_t column_count;
	size_t *column;        /* [cells] */
	size_t *rank;          /* [cells] 1 = smallest sum of the column, equal sums share a rank; 0 without a result */
};

void overview_table_make(struct overview_table *table, const struct overview *overview);
void overview_table_release(struct overview_table *table);

/* The cell name behind <model>.<pair>.<granularity>.<size>: "" or ".key=value...". Points into the name. */
const char *overview_cell_rest(const struct overview_cell *cell);

/* A manifest's path as seen from folder: what follows "FOLDER/", or all of it. Points into path. */
const char *overview_path(const char *path, const char *folder);

#endif
