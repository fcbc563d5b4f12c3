/* Cross-entropy and its gradient (ops.h says what it computes). The CPU instance is fp64 inside; a gradient is rounded
 * once. */
#ifndef QG_OPS_CROSS_ENTROPY_H
#define QG_OPS_CROSS_ENTROPY_H

#include "ops/ops.h"

void cpu_cross_entropy(dev_f32 *dlogits, dev_f64 *loss, const dev_f32 *logits, const dev_i32 *label,
	const dev_f64 *scale, size_t T, size_t V);

void cuda_cross_entropy(dev_f32 *dlogits, dev_f64 *loss, const dev_f32 *logits, const dev_i32 *label,
	const dev_f64 *scale, size_t T, size_t V);

#endif
