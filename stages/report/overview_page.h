/* What the parts of an overview's Markdown share; private to overview_markdown.c and overview_cells.c. */
#ifndef QG_REPORT_OVERVIEW_PAGE_H
#define QG_REPORT_OVERVIEW_PAGE_H

#include "common/strbuf.h"
#include "report/overview_table.h"

struct overview_page {
	struct strbuf *to;
	const struct overview *grid;
	const struct overview_table *table;
	const char *folder;           /* where the page will be: links are relative to it */
};

/* Appends `text`, fit for a table. */
void overview_page_code(const struct overview_page *page, const char *text);

/* "`wint8_afp8`", with the granularity where the grid has several. */
void overview_page_format(const struct overview_page *page, const struct overview_cell *cell);

/* Share of a top layer in its cell's sum. */
double overview_page_share(const struct overview_cell *cell, size_t top);

/* overview_cells.c: formats and what their codes mean; all cells; those without a result and why. */
void overview_page_formats(const struct overview_page *page);
void overview_page_cells(const struct overview_page *page);
void overview_page_reasons(const struct overview_page *page);
void overview_page_invalid(const struct overview_page *page);

#endif
