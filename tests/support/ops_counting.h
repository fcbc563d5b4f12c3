/* The CPU's operations, which count the device memory that is taken. For one thread at a time that allocates. */
#ifndef QG_TESTS_OPS_COUNTING_H
#define QG_TESTS_OPS_COUNTING_H

#include "ops/ops.h"

/* Starts counting anew. Borrowed, static. */
const struct ops *ops_counting(void);

/* So much memory the device is said to have; 0: it does not say. Nothing is refused. */
void ops_counting_limit(size_t bytes);

/* Bytes held now, and at most at a time since the start. */
size_t ops_counting_live(void);
size_t ops_counting_most(void);

#endif
