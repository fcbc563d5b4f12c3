/* Rotary positions (ops.h and ops_f64.h say what it computes). The CPU instance takes cosine and sine of fp64
 * angles and rotates in fp64. */
#ifndef QG_OPS_ROPE_H
#define QG_OPS_ROPE_H

#include "ops/ops_f64.h"

void cpu_rope(dev_f32 *x, const dev_i32 *position, double theta, size_t T, size_t heads, size_t hd, int direction);
void cpu_rope_f64(dev_f64 *x, const dev_i32 *position, double theta, size_t T, size_t heads, size_t hd);

void cuda_rope(dev_f32 *x, const dev_i32 *position, double theta, size_t T, size_t heads, size_t hd, int direction);
void cuda_rope_f64(dev_f64 *x, const dev_i32 *position, double theta, size_t T, size_t heads, size_t hd);

#endif
