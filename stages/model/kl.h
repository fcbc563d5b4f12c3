/* The KL divergence of many formats in one go: how far a changed search group moves the model's predictions.
 *
 * For a search group g and a format, P are the predictions of the unquantized model, Q those of the model in which the
 * linears of g alone have their weights and inputs quantized, and
 *
 *     KL(p) = sum over the vocabulary of P(v) (log P(v) - log Q(v))
 *
 * at each token position p: all of them are real, none is shifted or labelled.
 *
 * What is computed: the unquantized model once, and for each format, batch and group what the group changes in it, from
 * the step of the layer that the group is up to the logits (changes.h): the cost grows as layers^2 / 2. All is fp32
 * there, and fp64 inside the operations but for products; no two models are subtracted, so that on the CPU a divergence
 * of 1e-10 agrees with that of two fp64 models to 1e-5 of itself like any other, but where an input lies on a border of
 * the quantizer's grid and falls to the other side. On a GPU the products of changes have factors of 8 bits, which is
 * some 1e-3 of a group's sum. Equal requests are computed once.
 *
 * A result's bits depend on its format and batch alone: not on the other requests, threads, or memory. KL(p) is never
 * negative, and exactly 0 where a group's quantizers change nothing.
 */
#ifndef QG_MODEL_KL_H
#define QG_MODEL_KL_H

#include "model/transformer.h"
#include "quant/quantizer.h"

struct kl_request {
	struct quantizer_pair pair;
	float *const *weight_amax;    /* [linears][quantizer_amax_count()]; from calibration */
	const float *activation_amax; /* [linears]; NULL when activations are not quantized or dynamic */
	const size_t *batch;          /* [batches] distinct indices of the batches it is measured on */
	size_t batches;
	double *sum;                  /* out: [groups][batches] sum of KL over the positions of a batch, which are its
	                               * tokens; the caller's memory, overwritten */
	double *positions;            /* out, may be NULL: [groups][tokens] KL of each position of the batches, one batch
	                               * after the other in the order of batch */
};

/* All groups of linear_describe(), linear_group_count() of them. A divergence that is not finite is an error naming
 * group, batch, token and format. run_bytes (0: a default) bounds what is under way at a time (changes.h); results do
 * not depend on it. */
int kl_run(const struct ops *ops, const struct lm_config *config, const struct model_tensors *tensors,
	const struct batch *batches, size_t batch_count, struct kl_request *requests, size_t count, size_t run_bytes);

/* The device memory that kl_run() takes at most with the same arguments, in bytes, known before anything is computed:
 * changes_bytes() says what for. */
size_t kl_bytes(const struct ops *ops, const struct lm_config *config, const struct batch *batches, size_t batch_count,
	const struct kl_request *requests, size_t count, size_t run_bytes);

#endif
