/* per-layer-sensitivity.md: the sections of numerics.md 9.4 for a reader who has never seen one, and between them what
 * stands out, how sure it is, which half of a pair hurts, the mix, and the errors of every linear. A file a section:
 * markdown_page.h lists them.
 */
#ifndef QG_REPORT_MARKDOWN_H
#define QG_REPORT_MARKDOWN_H

#include "common/strbuf.h"
#include "report/cell.h"
#include "report/group_table.h"

void markdown_make(struct strbuf *to, const struct report_cell *cell, const struct group_table *table);

#endif
