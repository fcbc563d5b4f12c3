/* Which cells of a grid compare with which: settings, their columns, and ranks within those. */
#ifndef QG_REPORT_OVERVIEW_TABLE_H
#define QG_REPORT_OVERVIEW_TABLE_H

#include "report/overview.h"

#define OVERVIEW_NONE ((size_t)-1)

/* A model with values of the swept keys beside pair, granularity and size. Its cells make one set of tables. */
struct overview_setting {
	char *label;           /* "`batch_size=4 effective_bits=4.5`", the model first where the grid has several; "" when
	                        * there is nothing to tell; owned */
	size_t first, count;   /* its first cell, and how many it has */
	char *words;           /* the swept keys alone: "batch_size=4 effective_bits=4.5", ""; owned */
	size_t repeats;        /* the first setting with the same sums throughout, as a swept budget changes none; often
	                        * itself */
};

/* A size of calibration text in one setting. */
struct overview_column {
	const char *size;      /* borrowed */
	size_t setting;
	size_t first;          /* its first cell */
	size_t ranked;         /* cells that compare: overview_cell_ranked() */
};

struct overview_table {
	struct overview_setting *settings;
	size_t setting_count;
	struct overview_column *columns;
	size_t column_count;
	size_t *column;        /* [cells] */
	size_t *rank;          /* [cells] 1 = smallest sum of the column, equal sums share a rank; 0 when it has none */
	size_t *same;          /* [cells] an earlier cell with the same scores whose search came to the same numbers; or
	                        * OVERVIEW_NONE */
};

void overview_table_make(struct overview_table *table, const struct overview *overview);
void overview_table_release(struct overview_table *table);

/* A manifest's path as seen from folder: what follows "FOLDER/", or all of it. Points into path. */
const char *overview_path(const char *path, const char *folder);

/* A cell with the scores of an earlier one counts once: 0 for it, and for cells without scores. */
int overview_cell_counts(const struct overview_cell *cell);

/* Whether two cells have the same scores, by same_as. */
int overview_same_scores(const struct overview_cell *a, const struct overview_cell *b);

/* Whether groups of the two can be compared one by one: both scored, the same names in the same order. */
int overview_same_groups(const struct overview_cell *a, const struct overview_cell *b);

/* The column shows the sums of an earlier setting's: tables of it would say nothing new. */
int overview_column_repeats(const struct overview_table *table, size_t column);

/* Whether both scored the same text: as many sequences, tokens and targets, and the same loss on them. */
int overview_same_text(const struct overview_cell *a, const struct overview_cell *b);

#endif
