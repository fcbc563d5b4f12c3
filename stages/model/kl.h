/* The KL divergence of many formats in one go: how far a changed search group moves the model's predictions.
 *
 * For a search group g and a format, P are the predictions of the unquantized model, Q those of the model in which the
 * linears of g alone have their weights and inputs quantized, and
 *
 *     KL(p) = sum over the vocabulary of P(v) (log P(v) - log Q(v))
 *
 * at each token position p: all of them are real, none is shifted or labelled. All is fp64 from
 * the embedding to the sum (ops/ops_f64.h), but for the quantizers: they are the fp32 ones, weights as stored, inputs
 * rounded to fp32 first.
 *
 * What is computed: the unquantized model once a batch, and for each format, batch and group one stream, which starts
 * where its group changes the layer, with what the unquantized model has there (replay.h), and goes through the layers
 * above: the cost grows as layers^2 / 2. Streams go up side by side, one layer's weights at a time, each quantized
 * weight made once a layer however many formats and batches want it. Equal requests are computed once.
 *
 * A result's bits depend on its format and batch alone: not on the other requests, threads, or memory (every product
 * has the rows of one batch). KL(p) is never negative, and exactly 0 where a group's quantizers change nothing.
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

/* All groups of linear_describe(), linear_group_count() of them. ops->f64 must be there: -1 after fail() when a backend
 * has none. A divergence that is not finite is an error naming group, batch, token and format. run_bytes (0:
 * KL_RUN_BYTES) bounds the streams that are under way at a time, with what they start from, to no less than one stream;
 * a smaller bound makes more runs, each of which loads and quantizes every weight anew. */
int kl_run(const struct ops *ops, const struct lm_config *config, const struct model_tensors *tensors,
	const struct batch *batches, size_t batch_count, struct kl_request *requests, size_t count, size_t run_bytes);

#define KL_RUN_BYTES ((size_t)1 << 30)

/* The device memory that kl_run() takes at most with the same arguments, in bytes, known before anything is computed.
 * With P the elements of a layer's linears, n the distinct weight quantizers, T the tokens of the largest batch, w the
 * bytes of a dev_weight:
 *
 *     a run       run_bytes, or more where one stream does not fit: 8 T H and 8 T (3 H + nh hd + I) to start from
 *     weights     a layer w P as loaded, 8 P (1 + n) in fp64; a table w V H, and lm_head twice in fp64, 16 V H
 *     a worker    8 T (H + 2 nh hd + 2 nk hd + 2 I) and 16 T of the widest input; logits, 64 MiB or one row
 *     besides     logits and probabilities of the unquantized model, twice 64 MiB or one row
 */
size_t kl_bytes(const struct ops *ops, const struct lm_config *config, const struct batch *batches, size_t batch_count,
	const struct kl_request *requests, size_t count, size_t run_bytes);

#endif
