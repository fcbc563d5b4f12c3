/* Products with a weight (ops.h says what each computes); the CPU instance is OpenBLAS on one thread. */
#ifndef QG_OPS_LINEAR_H
#define QG_OPS_LINEAR_H

#include "ops/ops.h"

void cpu_linear(dev_f32 *y, const dev_f32 *x, const dev_weight *W, size_t T, size_t in, size_t out, float beta);
void cpu_linear_backward(dev_f32 *dx, const dev_f32 *dy, const dev_weight *W, size_t T, size_t in, size_t out,
	float beta);
void cpu_linear_quantized(dev_f32 *y, dev_f32 *scratch, const dev_f32 *x, const dev_weight *W, size_t T, size_t in,
	size_t out, struct quantizer quantizer, float amax, int difference);

void cuda_linear(dev_f32 *y, const dev_f32 *x, const dev_weight *W, size_t T, size_t in, size_t out, float beta);
void cuda_linear_backward(dev_f32 *dx, const dev_f32 *dy, const dev_weight *W, size_t T, size_t in, size_t out,
	float beta);
void cuda_linear_quantized(dev_f32 *y, dev_f32 *scratch, const dev_f32 *x, const dev_weight *W, size_t T, size_t in,
	size_t out, struct quantizer quantizer, float amax, int difference);

/* Whether linear(), linear_backward() and linear_quantized() round each factor to bf16 from here on. */
void cuda_products_served(int yes);

#endif
