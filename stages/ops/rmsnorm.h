/* Root-mean-square norm of rows (ops.h says what each computes). The CPU instance is fp64 inside and rounds once. */
#ifndef QG_OPS_RMSNORM_H
#define QG_OPS_RMSNORM_H

#include "ops/ops.h"

void cpu_rmsnorm(dev_f32 *y, const dev_f32 *x, const dev_weight *w, double eps, size_t rows, size_t n);
void cpu_rmsnorm_backward(dev_f32 *dx, const dev_f32 *dy, const dev_f32 *x, const dev_weight *w, double eps,
	size_t rows, size_t n, float beta);

void cuda_rmsnorm(dev_f32 *y, const dev_f32 *x, const dev_weight *w, double eps, size_t rows, size_t n);
void cuda_rmsnorm_backward(dev_f32 *dx, const dev_f32 *dy, const dev_f32 *x, const dev_weight *w, double eps,
	size_t rows, size_t n, float beta);

#endif
