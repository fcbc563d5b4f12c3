/* Softmax of logits, and what their change does to predictions (ops.h says what each computes). The CPU instance is
 * fp64 inside; softmax rounds once. */
#ifndef QG_OPS_DIVERGENCE_H
#define QG_OPS_DIVERGENCE_H

#include "ops/ops.h"

void cpu_softmax(dev_f32 *p, const dev_f32 *z, size_t T, size_t V);
void cpu_divergence(dev_f64 *kl, dev_f64 *loss, const dev_f32 *p, const dev_f32 *d, const dev_i32 *base, size_t first,
	const dev_i32 *label, size_t T, size_t V);

void cuda_softmax(dev_f32 *p, const dev_f32 *z, size_t T, size_t V);
void cuda_divergence(dev_f64 *kl, dev_f64 *loss, const dev_f32 *p, const dev_f32 *d, const dev_i32 *base, size_t first,
	const dev_i32 *label, size_t T, size_t V);

#endif
