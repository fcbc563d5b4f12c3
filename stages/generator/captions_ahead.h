/* Captions that no stage could use, before anything is computed. Private to generator/. */
#ifndef QG_GENERATOR_CAPTIONS_AHEAD_H
#define QG_GENERATOR_CAPTIONS_AHEAD_H

#include "config/sweep.h"

/* -1 after fail() when no captions file of the grid has a caption, or is text at all. One bad file among several is
 * warned of: it fails its own cells only, in tokenize-calib. */
int captions_ahead_check(const struct grid *grid);

/* How many different ones there are. */
size_t captions_ahead_count(const struct grid *grid);

#endif
