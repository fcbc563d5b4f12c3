/* What the search of a cell chose, what else it could have chosen, and what came of the mix when it was run. Private to
 * group_table.c. */
#ifndef QG_REPORT_GROUP_RESULT_H
#define QG_REPORT_GROUP_RESULT_H

#include "report/group_table.h"

/* From the groups' scores and the recipe: what may be chosen at what cost, the choices, their totals and, if asked for,
 * the frontier. -1 after fail() when recipe and config do not belong to these scores. */
int group_result_choice(struct group_table *table, const struct report_cell *cell, int frontier);

/* From the cell's check, if it has one, after group_result_choice(). */
void group_result_check(struct group_table *table, const struct report_cell *cell);

#endif
