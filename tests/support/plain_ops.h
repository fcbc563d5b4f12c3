/* The model's operations in double with the plainest loops there are: what the tests compare with. Letters as in
 * ops/ops.h. No code is shared with the operations under test. */
#ifndef QG_TESTS_PLAIN_OPS_H
#define QG_TESTS_PLAIN_OPS_H

#include <stddef.h>
#include <stdint.h>

/* y[T,out] = x[T,in] W[out,in]^T */
void plain_linear(double *y, const double *x, const double *W, size_t T, size_t in, size_t out);

void plain_rmsnorm(double *y, const double *x, const double *w, double eps, size_t rows, size_t n);

/* In place. */
void plain_rope(double *x, const int32_t *position, double theta, size_t T, size_t heads, size_t hd);

/* o[T,nh,hd]; lse[T,nh] may be NULL. */
void plain_attention(double *o, double *lse, const double *q, const double *k, const double *v, const int32_t *start,
	size_t sequences, size_t nh, size_t nk, size_t hd);

void plain_swiglu(double *a, const double *g, const double *u, size_t n);

/* Sum over the rows with label >= 0. */
double plain_cross_entropy(const double *logits, const int32_t *label, size_t T, size_t V);

#endif
