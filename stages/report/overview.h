/* The overview of a grid: <grid>.json for programs (design.md, Decided details) and <grid>.md for people.
 *
 *     struct overview_cell cells[n];   each named; then overview_cell_fill(), or status and reason set by hand
 *     overview_write(&overview, folder, &changed);
 *     overview_cell_release() each
 *
 * Cells compare by their sum when model, size and all swept keys beside pair and granularity agree: such cells form a
 * column (overview_table.h), and ranks count within it.
 *
 * JSON, a cell: cell, status ("ok", "failed", "missing", or "unscored": computed, but no token of its text could be
 * judged), reason, same_as, same_scores_as, sum, normalised, searched_total, bits, stored_bits, asked_bits,
 * target_bits, satisfied, top [{group, score, rank}], manifest; model, pair, weight, activation, granularity, size,
 * rank, search_bits, cost_bits, weight_code, activation_code, score_sequences, score_targets. What a cell lacks is
 * null.
 */
#ifndef QG_REPORT_OVERVIEW_H
#define QG_REPORT_OVERVIEW_H

#include <stddef.h>

#include "quant/quantizer.h"
#include "report/cell.h"

enum overview_status { OVERVIEW_OK, OVERVIEW_FAILED, OVERVIEW_MISSING };

enum { OVERVIEW_TOP = 5 };

struct overview_top {
	char *group;             /* module name of the first member; owned by the cell */
	double score;
};

/* Strings are borrowed unless they are said to be owned. */
struct overview_cell {
	const char *name;        /* <model>.<pair>.<granularity>.<size>[.key=value...] */
	const char *model, *pair, *weight, *activation, *granularity, *size; /* as the config says: "fp8", "int4" */
	enum overview_status status;
	const char *reason;      /* of FAILED and MISSING, one line; else NULL */
	const char *same_as;     /* the first cell with the same scores, if that is an earlier one; else NULL. Whether its
	                          * search came to the same result too is found by overview_table_make() */
	const char *manifest;    /* path as overview_write()'s folder has it (from the project's root); or NULL */
	int unscored;            /* OK, but nothing could be scored: sums and top are 0 and say nothing */
	int divergence;          /* the scores are KL divergences */
	struct quantizer_pair quantizers;
	size_t score_sequences, score_tokens, score_targets; /* the text that was scored, and the unquantized model's */
	double loss;                                         /* mean loss on it: equal numbers, equal text */
	double sum, normalised;  /* over all groups */
	double searched_total;   /* over the groups that the search quantizes */
	double asked_bits, target_bits; /* the budget: as asked for, and over all weights (group_table.h) */
	int satisfied;
	double bits;             /* effective, of the mix that the search chose, as it counts them */
	double stored_bits;      /* what that mix stores, scales included */
	int over_budget;         /* more than the budget, also without the scales */
	double search_bits, cost_bits; /* of the format */
	struct overview_top top[OVERVIEW_TOP]; /* most sensitive first */
	size_t top_count;
};

struct overview_invalid {
	const char *cell, *reason;
};

struct overview {
	const char *grid;                    /* name: of the files and in the title */
	const struct overview_cell *cells;   /* [count] in grid order */
	size_t count;
	const struct overview_invalid *invalid;
	size_t invalid_count;
};

/* Sets status OVERVIEW_OK, the numbers and top from a cell's inputs; borrows nothing of them. -1 after fail(); the
 * overview's cell is then unchanged. */
int overview_cell_fill(struct overview_cell *cell, const struct report_cell *inputs);

/* It has a result that says something: a sum, a place in ranks and tables. */
int overview_cell_scored(const struct overview_cell *cell);

/* Frees what overview_cell_fill() made. */
void overview_cell_release(struct overview_cell *cell);

/* Writes both files into folder, which is created; unchanged files are left alone, *changed (may be NULL) counts the
 * others. Paths of manifests below folder are printed relative to it. -1 after fail(), then none was replaced. */
int overview_write(const struct overview *overview, const char *folder, size_t *changed);

#endif
