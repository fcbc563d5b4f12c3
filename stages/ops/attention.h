/* Causal attention of packed sequences with grouped heads (ops.h says what each computes).
 *
 * The CPU instance works on tiles of query rows against all keys up to them: scores by sgemm, softmax in fp64, sums
 * over keys by sgemm. Tiles are cut from the start of each sequence, so that the bits of a sequence depend on it alone;
 * a call takes 64 rows of the longest sequence as workspace (three times for backward).
 */
#ifndef QG_OPS_ATTENTION_H
#define QG_OPS_ATTENTION_H

#include "ops/ops.h"

void cpu_attention(dev_f32 *o, dev_f32 *lse, const dev_f32 *q, const dev_f32 *k, const dev_f32 *v,
	struct packing packing, size_t nh, size_t nk, size_t hd);
void cpu_attention_backward(dev_f32 *dq, dev_f32 *dk, dev_f32 *dv, const dev_f32 *dO, const dev_f32 *o,
	const dev_f32 *lse, const dev_f32 *q, const dev_f32 *k, const dev_f32 *v, struct packing packing,
	size_t nh, size_t nk, size_t hd);

void cuda_attention(dev_f32 *o, dev_f32 *lse, const dev_f32 *q, const dev_f32 *k, const dev_f32 *v,
	struct packing packing, size_t nh, size_t nk, size_t hd);
void cuda_attention_backward(dev_f32 *dq, dev_f32 *dk, dev_f32 *dv, const dev_f32 *dO, const dev_f32 *o,
	const dev_f32 *lse, const dev_f32 *q, const dev_f32 *k, const dev_f32 *v, struct packing packing, size_t nh,
	size_t nk, size_t hd);

#endif
