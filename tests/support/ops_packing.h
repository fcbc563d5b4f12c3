/* The CPU's operations as a backend has them that puts batches together (ops->pack_tokens) and multiplies changes with
 * factors of 8 bits: products go row by row, so that a row does not depend on the rows beside it. */
#ifndef QG_TESTS_OPS_PACKING_H
#define QG_TESTS_OPS_PACKING_H

#include "ops/ops.h"

/* Borrowed, static. */
const struct ops *ops_packing(void);

#endif
