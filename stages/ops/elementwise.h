/* Operations on one element at a time (ops.h says what each computes). The CPU instance computes SwiGLU in fp64
 * and rounds once. */
#ifndef QG_OPS_ELEMENTWISE_H
#define QG_OPS_ELEMENTWISE_H

#include "ops/ops.h"

void cpu_embed(dev_f32 *out, const dev_weight *table, const dev_i32 *ids, size_t T, size_t H);
void cpu_add(dev_f32 *y, const dev_f32 *a, const dev_f32 *b, size_t n);
void cpu_swiglu(dev_f32 *a, const dev_f32 *g, const dev_f32 *u, size_t n);
void cpu_swiglu_backward(dev_f32 *dg, dev_f32 *du, const dev_f32 *da, const dev_f32 *g, const dev_f32 *u, size_t n);


void cuda_embed(dev_f32 *out, const dev_weight *table, const dev_i32 *ids, size_t T, size_t H);
void cuda_served(dev_f32 *x, size_t n);
void cuda_add(dev_f32 *y, const dev_f32 *a, const dev_f32 *b, size_t n);
void cuda_swiglu(dev_f32 *a, const dev_f32 *g, const dev_f32 *u, size_t n);
void cuda_swiglu_backward(dev_f32 *dg, dev_f32 *du, const dev_f32 *da, const dev_f32 *g, const dev_f32 *u, size_t n);

#endif
