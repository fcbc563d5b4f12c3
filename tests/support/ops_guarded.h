/* The CPU operations over memory that nobody but an operation can read.
 *
 * Buffers lie in an arena without any access right; each operation of the table opens it, runs its CPU instance, and
 * closes it. A model that looks into a buffer, or hands an operation its own memory where a buffer is wanted (or the
 * other way round), ends the program. Pieces run one after the other. The results are those of ops_cpu(), bit for bit.
 */
#ifndef QG_TESTS_OPS_GUARDED_H
#define QG_TESTS_OPS_GUARDED_H

#include "ops/ops.h"

const struct ops *ops_guarded(void);

/* Buffers not yet released. */
size_t ops_guarded_live(void);

#endif
