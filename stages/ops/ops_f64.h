/* Forward operations in fp64, for the KL divergence: a part of the table of operations (ops.h) that a backend may lack.
 *
 * fp32 logits carry an error of 1e-6, and the logarithms of nearly equal probabilities cancel; so everything from the
 * embedding to the sum over the vocabulary is fp64 there. Quantizers stay the fp32 ones of ops.h, between narrow() and
 * widen(). Letters and rules are those of ops.h. Weights are widened exactly. On the CPU products are OpenBLAS dgemm on
 * one thread, and the bits of an operation depend on its arguments and their shapes alone.
 */
#ifndef QG_OPS_OPS_F64_H
#define QG_OPS_OPS_F64_H

#include "ops/ops.h"

struct ops_f64 {
	/* to[n] = from[n]; narrow rounds to nearest even. */
	void (*copy)(dev_f64 *to, const dev_f64 *from, size_t n);
	void (*widen)(dev_f64 *to, const dev_f32 *from, size_t n);
	void (*narrow)(dev_f32 *to, const dev_f64 *from, size_t n);
	void (*widen_weight)(dev_f64 *to, const dev_weight *from, size_t n);

	/* y[T,out] = x[T,in] . W[out,in]^T + beta y, beta 0 or 1. */
	void (*linear)(dev_f64 *y, const dev_f64 *x, const dev_f64 *W, size_t T, size_t in, size_t out, double beta);

	/* As in ops.h; y may be x, a may be u. */
	void (*rmsnorm)(dev_f64 *y, const dev_f64 *x, const dev_weight *w, double eps, size_t rows, size_t n);
	void (*rope)(dev_f64 *x, const dev_i32 *position, double theta, size_t T, size_t heads, size_t hd);
	void (*attention)(dev_f64 *o, const dev_f64 *q, const dev_f64 *k, const dev_f64 *v, struct packing packing,
		size_t nh, size_t nk, size_t hd);
	void (*swiglu)(dev_f64 *a, const dev_f64 *g, const dev_f64 *u, size_t n);

	/* p[t] = softmax(z[t]), rows of V. */
	void (*softmax)(dev_f64 *p, const dev_f64 *z, size_t T, size_t V);

	/* kl[t] = sum over v of p(v) (log p(v) - log q(v)) with p = softmax(z), handed over, and q = softmax(changed), over
	 * [T,V]. A sum of terms that are not negative, formed from the differences changed - z: nothing cancels, and equal
	 * logits give exactly 0. NaN gives NaN. */
	void (*divergence)(dev_f64 *kl, const dev_f64 *p, const dev_f64 *z, const dev_f64 *changed, size_t T, size_t V);
};

#endif
