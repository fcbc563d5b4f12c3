/* The values of range(start,stop,step): half open, in decimal arithmetic, so that range(0,0.3,0.1) is 0.0 0.1 0.2.
 * Private to config/. */
#ifndef QG_CONFIG_RANGE_H
#define QG_CONFIG_RANGE_H

#include "config/node.h"

/* A list; floats when any argument is one. start (0) and step (1) may be NULL. NULL after fail(): no numbers, a step of
 * 0 or in the wrong direction, more than 100,000 values, more than 15 decimals. */
struct node *range_list(const struct origin *at, const struct node *start, const struct node *stop,
	const struct node *step);

#endif
