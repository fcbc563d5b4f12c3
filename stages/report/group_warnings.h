/* The sentences that a reader of a cell's reports must not miss. Private to group_table.c. */
#ifndef QG_REPORT_GROUP_WARNINGS_H
#define QG_REPORT_GROUP_WARNINGS_H

#include "report/group_table.h"

/* Adds to the table's warnings, when all else of it is there. */
void group_warnings_collect(struct group_table *table, const struct report_cell *cell);

#endif
