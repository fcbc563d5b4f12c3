/* Rotary positions (ops.h says what it computes). The CPU instance takes cosine and sine of fp64 angles and rotates in
 * fp64. */
#ifndef QG_OPS_ROPE_H
#define QG_OPS_ROPE_H

#include "ops/ops.h"

void cpu_rope(dev_f32 *x, const dev_i32 *position, double theta, size_t T, size_t heads, size_t hd, int direction);

void cuda_rope(dev_f32 *x, const dev_i32 *position, double theta, size_t T, size_t heads, size_t hd, int direction);

#endif
