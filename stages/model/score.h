/* The gradient score (ModelOpt's, without its roundings) for many formats in one pass over the model.
 *
 * For a linear with input x, weight W and loss gradient g = dL/dy, a format (weight quantizer, activation quantizer)
 * changes the output by
 *
 *     d = Q_a(x) (Q_w(W) - W)^T + (Q_a(x) - x) W^T
 *
 * formed from these two products, never as a difference of two outputs, and scores sum (g d)^2 over
 * tokens and output channels, kept per batch and per token. Weights are quantized once a distinct quantizer, in slices
 * of output rows of a fixed size, so that neither memory nor bits depend on how many formats run together.
 *
 * What each quantizer does alone comes from products of their own: x (Q_w(W) - W)^T is the format without an activation
 * quantizer, (Q_a(x) - x) W^T the one without a weight quantizer, which is there already. They have the bits of the
 * formats of which they are the whole, and are shared with these.
 *
 * Memory besides buffers of a worker: five doubles, on the device and here, for every token of a run of batches
 * (transformer_limit_run()) and distinct product, at most three a request; and what the caller gives: a request's
 * tokens are 8 bytes a group and token, 74 MB for 64k tokens of 145 groups.
 */
#ifndef QG_MODEL_SCORE_H
#define QG_MODEL_SCORE_H

#include "model/transformer.h"
#include "quant/quantizer.h"

enum { SCORE_FAILURE_MAX = 256 };

struct score_request {
	struct quantizer_pair pair;
	float *const *weight_amax;    /* [linears][quantizer_amax_count()]; from calibration */
	const float *activation_amax; /* [linears]; NULL when activations are not quantized or dynamic */
	const size_t *batch;          /* [batches] distinct indices of the batches it is scored on */
	size_t batches;
	/* out, the caller's memory, overwritten: */
	struct output_sums *sums;     /* [linears][batches] */
	struct output_sums *weight_only;     /* [linears][batches] with the weight quantizer alone, and ... */
	struct output_sums *activation_only; /* ... with the activation quantizer alone. May be NULL, and are when the pair
	                                      * has only one of them: then sums are that one's */
	double *positions;            /* may be NULL: [groups][tokens] score of each token over the members of the group,
	                               * one batch after the other in the order of batch */
	char failure[SCORE_FAILURE_MAX]; /* out: "", or why the sums cannot be used: one is not finite */
};

/* loss (may be NULL) gets the mean cross-entropy of every batch. Batches no request names are not run (loss 0).
 * Requests with equal pair and amax share their products where they share batches; the bits of a request do not depend
 * on the others. A sum that is not finite sets the request's failure, which names linear, batch and format.
 *
 * The sums of a batch are those of its tokens added up in order, and so are the scores of captions and groups made from
 * positions: they agree but for the order of adding. */
int score_run(struct transformer *model, const struct ops *ops, const struct linear_info *linears, size_t linear_count,
	const struct batch *batches, size_t batch_count, struct score_request *requests, size_t count, double *loss);

#endif
