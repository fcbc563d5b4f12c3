/* <grid>.md: which pair is cheapest, which layers dominate, every cell, and what has no result. */
#ifndef QG_REPORT_OVERVIEW_MARKDOWN_H
#define QG_REPORT_OVERVIEW_MARKDOWN_H

#include "common/strbuf.h"
#include "report/overview_table.h"

void overview_markdown_make(struct strbuf *to, const struct overview *overview, const struct overview_table *table,
	const char *folder);

#endif
