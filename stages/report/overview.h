/* The overview of a grid: <grid>.json for programs (design.md, Decided details) and <grid>.md for people.
 *
 *     struct overview_cell cells[n];   each zeroed, named, then overview_cell_read(), or status and reason set by hand
 *     overview_write(&overview, folder, &changed);
 *     overview_cell_release() each
 *
 * Strings that overview_cell_read() does not fill are borrowed.
 */
#ifndef QG_REPORT_OVERVIEW_H
#define QG_REPORT_OVERVIEW_H

#include <stddef.h>

enum overview_status { OVERVIEW_OK, OVERVIEW_FAILED, OVERVIEW_MISSING };

enum { OVERVIEW_TOP = 5, OVERVIEW_MANIFEST_MAX = 256 << 20 };

/* A swept key beside model, pair, granularity and size. */
struct overview_key {
	const char *name, *value;
};

struct overview_top {
	char *group;             /* without ".quant_recipe"; owned by the cell */
	double score;
};

struct overview_cell {
	const char *name;
	const char *model, *pair, *weight, *activation, *granularity, *size; /* as the config says */
	const struct overview_key *keys;
	size_t key_count;
	enum overview_status status;
	const char *reason;      /* of FAILED and MISSING, one line; else NULL */
	const char *same_as;     /* cell with the same quantizers and inputs, hence the same scores; or NULL */
	const char *manifest;    /* path to print, relative to the overview's folder; NULL when there is none */
	double sum, normalised;  /* over all groups */
	double searched_total;   /* over the groups that the search quantizes */
	double bits;             /* effective, of the mix that the search chose */
	double search_bits, cost_bits; /* of the format */
	size_t batches, targets; /* scored */
	struct overview_top top[OVERVIEW_TOP]; /* most sensitive first */
	size_t top_count;
};

struct overview_invalid {
	const char *cell, *reason;
};

struct overview {
	const char *grid;                /* name: of the files and in the title */
	const struct overview_cell *cells;   /* [count] in grid order */
	size_t count;
	const struct overview_invalid *invalid;
	size_t invalid_count;
};

/* Fills status OVERVIEW_OK, the numbers and top from the manifest at path (opened as it is; the caller sets
 * cell->manifest). -1 after fail(); the cell is then unchanged. */
int overview_cell_read(struct overview_cell *cell, const char *path);

/* Frees what overview_cell_read() made. */
void overview_cell_release(struct overview_cell *cell);

/* Writes both files into folder, which is created; unchanged files are left alone, *changed (may be NULL) counts the
 * others. -1 after fail(), then none was replaced. */
int overview_write(const struct overview *overview, const char *folder, size_t *changed);

#endif
