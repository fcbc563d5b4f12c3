/* Faults on purpose, for the tests of what happens when things fail.
 *
 * QUANTGRID_FAULT=POINT or POINT:CELL in the environment. Points inside the commit sequence (before-cas, after-cas,
 * after-ac) kill the process there as kill -9 would; the point "compute", or the name of a stage, makes one cell's
 * computation fail just before it is committed.
 */
#ifndef QG_GRAPH_FAULT_H
#define QG_GRAPH_FAULT_H

/* Ends the process with SIGKILL when this point is asked for. */
void fault_point(const char *point);

/* -1 after fail() when this point is asked for, for this cell or for all. */
int fault_check(const char *point, const char *cell);

#endif
