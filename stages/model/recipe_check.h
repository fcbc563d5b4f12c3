/* Recipes run for real: the model with every chosen quantizer on, against the unquantized one.
 *
 * A recipe gives every linear a format of its own, or leaves it as it is. P are the predictions of the unquantized
 * model, Q those with all weights and inputs quantized as the recipe says, each input from what the quantized linears
 * below have made. Per sequence:
 *
 *     loss    sum of the cross-entropy over its targets, of P and of Q; 0 without targets (one token)
 *     kl      sum of KL(P || Q) over all its tokens, also the last, which has no target
 *
 * both in nats, sums in token order. All is fp64 from the embedding to the sums (ops/ops_f64.h), but for the
 * quantizers: they are the fp32 ones, as in kl.h. A recipe that quantizes one search group alone has kl.h's divergence
 * of that group, bit for bit at each token.
 *
 * The unquantized model and all recipes go up side by side, one layer's weights at a time. Equal recipes are computed
 * once, the unquantized model once a batch, a quantized weight once a layer however many recipes want it. At lm_head
 * the logits of the unquantized model are made once for each distinct form of its weight: keeping several, or all
 * logits, would take gigabytes.
 *
 * A result's bits depend on its recipe and batch alone: not on the other requests, threads, or memory (every product
 * has the rows of one batch). A recipe that changes nothing has exactly 0 and equal losses.
 */
#ifndef QG_MODEL_RECIPE_CHECK_H
#define QG_MODEL_RECIPE_CHECK_H

#include "model/transformer.h"
#include "quant/quantizer.h"

enum { RECIPE_FAILURE_MAX = 256 };

struct recipe_request {
	const struct quantizer_pair *pair; /* [linears]; ELEMENT_NONE: stays as it is */
	float *const *weight_amax;         /* [linears][quantizer_amax_count()], from calibration in the linear's format;
	                                    * unread where a weight stays */
	const float *activation_amax;      /* [linears]; read where activations have a static quantizer, else may be NULL */
	const size_t *batch;               /* [batches] distinct indices of the batches it is run on */
	size_t batches;
	double *loss_before;               /* out: [sequences of these batches, in their order], unquantized */
	double *loss_after;                /* out: likewise, quantized */
	double *kl;                        /* out: likewise, never negative. All three are the caller's memory */
	char failure[RECIPE_FAILURE_MAX];  /* out: "", or why the sums cannot be used: a value is not finite. Names batch,
	                                    * token and what it is */
};

/* ops->f64 must be there: -1 after fail() when a backend has none. run_bytes (0: RECIPE_RUN_BYTES) bounds the residual
 * streams that are under way at a time to no less than one recipe on one batch; a smaller bound makes more runs, each
 * of which loads and quantizes every weight, and runs the unquantized model on its batches, anew. */
int recipe_check_run(const struct ops *ops, const struct lm_config *config, const struct model_tensors *tensors,
	const struct batch *batches, size_t batch_count, struct recipe_request *requests, size_t count, size_t run_bytes);

#define RECIPE_RUN_BYTES ((size_t)1 << 30)

/* The device memory that recipe_check_run() takes at most with the same arguments, in bytes, known before anything is
 * computed; requests are only read. With P the elements of a layer's linears, n the distinct quantized weights of a
 * linear (of the layer with most, kind by kind), T the tokens of the largest batch, w the bytes of a dev_weight:
 *
 *     a run       run_bytes, or more where one recipe on one batch does not fit: 16 T H
 *     weights     a layer w P as loaded, in fp64 the sum of 8 (1 + n) elements; a table w V H, and lm_head twice in
 *                 fp64, 16 V H
 *     a worker    8 T (H + 2 nh hd + 2 nk hd + 2 I) and 16 T of the widest input; logits, 64 MiB or one row
 *     besides     logits and probabilities of the unquantized model, twice 64 MiB or one row
 */
size_t recipe_check_bytes(const struct ops *ops, const struct lm_config *config, const struct batch *batches,
	size_t batch_count, struct recipe_request *requests, size_t count, size_t run_bytes);

#endif
