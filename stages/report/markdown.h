/* per-layer-sensitivity.md: the sections of numerics.md 9.4 for a reader who has never seen one. */
#ifndef QG_REPORT_MARKDOWN_H
#define QG_REPORT_MARKDOWN_H

#include "common/strbuf.h"
#include "report/cell.h"
#include "report/group_table.h"

void markdown_make(struct strbuf *to, const struct report_cell *cell, const struct group_table *table);

#endif
