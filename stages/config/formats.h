/* The pairs that compete for each layer of a cell: what the names in autoquant.formats stand for. Private to sweep.c. */
#ifndef QG_CONFIG_FORMATS_H
#define QG_CONFIG_FORMATS_H

#include "config/sections.h"

/* The section quant_pair of each named pair: that of the cell composed with quant_pair=NAME in place of its own. None
 * when autoquant.formats is null. overrides are those of the cell. -1 after fail() for a name that is no option of
 * quant_pair (with the nearest) or stands there twice. The nodes are shared (sections.h). The caller frees nodes and array, also after a failure. */
int formats_load(struct sections *sections, struct composer *composer, const char *config_name,
	const struct override *overrides, size_t count, const struct node *config, struct node ***pairs, size_t *pair_count);

#endif
