/* The change of an operation's result when its inputs change (ops.h says what each computes, and what rows are).
 *
 * The CPU instance is fp64 inside and rounds once, but for products: linear_change is linear(), and the products of
 * attention are sgemm, on tiles of query rows as in attention.h. A call of attention_change takes 64 rows of the
 * longest sequence as workspace, twice. */
#ifndef QG_OPS_CHANGE_H
#define QG_OPS_CHANGE_H

#include "ops/ops.h"

void cpu_change_apply(dev_f32 *y, const dev_f32 *x, const dev_i32 *base, const dev_f32 *d, size_t T, size_t n);
void cpu_change_from(dev_f32 *d, const dev_f32 *y, const dev_f32 *x, const dev_i32 *base, size_t T, size_t n);
void cpu_rmsnorm_change(dev_f32 *dy, const dev_f32 *d, const dev_f32 *x, const dev_i32 *base, const dev_weight *w,
	double eps, size_t T, size_t heads, size_t n);
void cpu_attention_change(dev_f32 *dO, const dev_f32 *dq, const dev_f32 *dk, const dev_f32 *dv, const dev_f32 *q,
	const dev_f32 *k, const dev_f32 *v, const dev_i32 *base, struct packing packing, size_t nh, size_t nk, size_t hd);
void cpu_swiglu_change(dev_f32 *da, const dev_f32 *dg, const dev_f32 *du, const dev_f32 *g, const dev_f32 *u,
	const dev_i32 *base, size_t T, size_t n);

void cuda_change_apply(dev_f32 *y, const dev_f32 *x, const dev_i32 *base, const dev_f32 *d, size_t T, size_t n);
void cuda_change_from(dev_f32 *d, const dev_f32 *y, const dev_f32 *x, const dev_i32 *base, size_t T, size_t n);
void cuda_linear_change(dev_f32 *y, const dev_f32 *d, const dev_weight *W, size_t T, size_t in, size_t out, float beta);
void cuda_rmsnorm_change(dev_f32 *dy, const dev_f32 *d, const dev_f32 *x, const dev_i32 *base, const dev_weight *w,
	double eps, size_t T, size_t heads, size_t n);
void cuda_attention_change(dev_f32 *dO, const dev_f32 *dq, const dev_f32 *dk, const dev_f32 *dv, const dev_f32 *q,
	const dev_f32 *k, const dev_f32 *v, const dev_i32 *base, struct packing packing, size_t nh, size_t nk, size_t hd);
void cuda_swiglu_change(dev_f32 *da, const dev_f32 *dg, const dev_f32 *du, const dev_f32 *g, const dev_f32 *u,
	const dev_i32 *base, size_t T, size_t n);

#endif
