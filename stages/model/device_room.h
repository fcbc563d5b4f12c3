/* Whether what is to be computed fits into the memory of the device: asked before it starts, because running out of it
 * ends the process (ops->alloc) minutes later. Private to model/. */
#ifndef QG_MODEL_DEVICE_ROOM_H
#define QG_MODEL_DEVICE_ROOM_H

#include "model/transformer.h"

/* Bytes that a computation takes at most when run_bytes bounds its runs; 0: its default. */
typedef size_t device_need(const void *context, size_t run_bytes);

/* Leaves *run_bytes as it is where the need fits beside the workspaces of the backend, or else makes it smaller until it
 * does: results do not depend on it. -1 after fail(), which begins with what, when the smallest runs do not fit. A
 * backend that does not know its free memory (the CPU) has room for all. */
int device_room(const struct ops *ops, const struct lm_config *config, device_need *need, const void *context,
	size_t *run_bytes, const char *what);

#endif
