/* Many buffers in one allocation, each at a cache line. The same lines of code count and place:
 *
 *     struct carve carve = {0};               base NULL: only counts, the places mean nothing
 *     place(&carve);                          to = carve_take(&carve, bytes); ...
 *     carve = (struct carve){ops->alloc(carve.used), 0};
 *     place(&carve);
 *
 * The base is device memory and is not looked into. */
#ifndef QG_MODEL_CARVE_H
#define QG_MODEL_CARVE_H

#include <stddef.h>

struct carve {
	void *base;
	size_t used;    /* bytes */
};

static inline void *carve_take(struct carve *carve, size_t bytes)
{
	enum { CACHE_LINE = 64 };
	void *place = carve->base ? (char *)carve->base + carve->used : NULL;
	carve->used += (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	return place;
}

#endif
