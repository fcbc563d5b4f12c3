/* The gradient score (ModelOpt's, without its roundings) for many formats in one pass over the model.
 *
 * For a linear with input x, weight W and loss gradient g = dL/dy, a format (weight quantizer, activation quantizer)
 * changes the output by
 *
 *     d = Q_a(x) (Q_w(W) - W)^T + (Q_a(x) - x) W^T
 *
 * formed from these two products, never as a difference of two outputs, and scores sum (g d)^2 over
 * tokens and output channels, kept per batch. Weights are quantized once a distinct quantizer, in slices of output rows
 * of a fixed size, so that neither memory nor bits depend on how many formats run together.
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
	struct output_sums *sums;     /* out: [linears][batches], the caller's memory, overwritten */
	char failure[SCORE_FAILURE_MAX]; /* out: "", or why the sums cannot be used: one is not finite */
};

/* loss (may be NULL) gets the mean cross-entropy of every batch. Batches no request names are not run (loss 0).
 * Requests with equal pair and amax share their products where they share batches; the bits of a request do not depend
 * on the others. A sum that is not finite sets the request's failure, which names linear, batch and format. */
int score_run(struct transformer *model, const struct ops *ops, const struct linear_info *linears, size_t linear_count,
	const struct batch *batches, size_t batch_count, struct score_request *requests, size_t count, double *loss);

#endif
