/* Captions that no stage could use, before anything is computed. Private to generator/. */
#ifndef QG_GENERATOR_CAPTIONS_AHEAD_H
#define QG_GENERATOR_CAPTIONS_AHEAD_H

#include "config/sweep.h"

/* Whether every captions file of the grid is text with at least one caption. -1 after fail(). A file that is not there is
 * a missing leaf, which the plan tells of. */
int captions_ahead_check(const struct grid *grid);

/* How many different ones there are. */
size_t captions_ahead_count(const struct grid *grid);

#endif
