/* <grid>.md: what to choose and how sure that is, which layers dominate, every cell, and what has no result. */
#ifndef QG_REPORT_OVERVIEW_MARKDOWN_H
#define QG_REPORT_OVERVIEW_MARKDOWN_H

#include "common/strbuf.h"
#include "report/overview_findings.h"

void overview_markdown_make(struct strbuf *to, const struct overview *overview, const struct overview_table *table,
	const struct overview_findings *findings, const char *folder);

#endif
