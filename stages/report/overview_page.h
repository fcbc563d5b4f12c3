/* What the parts of an overview's Markdown share; private to overview_markdown.c and the files that it calls. */
#ifndef QG_REPORT_OVERVIEW_PAGE_H
#define QG_REPORT_OVERVIEW_PAGE_H

#include "common/strbuf.h"
#include "report/overview_findings.h"

struct overview_page {
	struct strbuf *to;
	const struct overview *grid;
	const struct overview_table *table;
	const struct overview_findings *findings;
	const char *folder;           /* where the page will be: links are relative to it */
};

/* Appends `text`, fit for a table. */
void overview_page_code(const struct overview_page *page, const char *text);

/* "`wint8_afp16`", with the granularity where the grid has several. */
void overview_page_format(const struct overview_page *page, const struct overview_cell *cell);
int overview_page_granularities(const struct overview_page *page);

/* Share of a top layer in its cell's sum. */
double overview_page_share(const struct overview_cell *cell, size_t top);

/* "`batch_size=4` and 2 more of the same sums, small": which column. */
void overview_page_column(const struct overview_page *page, size_t column);

/* The settings whose tables are this one's, as a line of its own. Nothing where there is nothing to tell. */
void overview_page_setting(const struct overview_page *page, size_t setting);

/* Equal but for half a percent: nobody would choose by that. */
int overview_page_equal(double worse, double better);

/* "1.30 times", "2.7e+04 times", "equal", "above 0": so much larger is worse than better. */
void overview_page_factor(struct strbuf *to, double worse, double better);

/* A layer over the grid. */
struct overview_layer {
	const char *name;
	size_t cells;                 /* that have it among their OVERVIEW_WORST worst */
	double share;                 /* its largest of a sum */
	size_t worst;                 /* cell of that share */
	size_t index;
};

enum { OVERVIEW_WORST = 3 };

/* Layers among the worst of a cell, by number of cells, then share; for the caller to free. *cells: how many cells were
 * looked at, those with scores of their own. */
struct overview_layer *overview_layers_collect(const struct overview_page *page, size_t *count, size_t *cells);

/* The row that stands for the advice at 6 bits, or NULL: of the column with most scored captions (the last of equals),
 * at the first budget of 6 bits or more that a format fits. */
const struct overview_budget *overview_page_advice(const struct overview_page *page);

/* 57 of 100, rounded down so that 100 is certain. */
double overview_page_hundredths(double share);

/* "toss-up", "likely", "clear", "too few captions". */
const char *overview_page_certainty(double ahead);

/* "yes", "mostly", "no". */
const char *overview_page_verdict(enum overview_verdict verdict);

/* Sections, in the order of the page. A section without data appends nothing. */
void overview_page_short(const struct overview_page *page);     /* overview_short.c */
void overview_page_budgets(const struct overview_page *page);   /* overview_choose.c */
void overview_page_cheapest(const struct overview_page *page);  /* overview_cheapest.c */
void overview_page_matrices(const struct overview_page *page);
void overview_page_layers(const struct overview_page *page);    /* overview_layers.c */
void overview_page_sizes(const struct overview_page *page);     /* overview_agree.c */
void overview_page_methods(const struct overview_page *page);
void overview_page_checks(const struct overview_page *page);    /* overview_real.c */
void overview_page_formats(const struct overview_page *page);   /* overview_cells.c */
void overview_page_cells(const struct overview_page *page);
void overview_page_reasons(const struct overview_page *page);
void overview_page_invalid(const struct overview_page *page);

#endif
