/* Recipes run for real: the model with every chosen quantizer on, against the unquantized one.
 *
 * A recipe gives every linear a format of its own, or leaves it as it is. P are the predictions of the unquantized
 * model, Q those with all weights and inputs quantized as the recipe says, each input from what the quantized linears
 * below have made. Per sequence:
 *
 *     loss    sum of the cross-entropy over its targets, of P and of Q; 0 without targets (one token)
 *     kl      sum of KL(P || Q) over all its tokens, also the last, which has no target
 *
 * both in nats, sums in token order. A recipe's results are those of the unquantized model, plus what its quantizers
 * change, which is carried through the model in fp32 (changes.h): so the divergence and the difference of the two
 * losses have the relative accuracy of fp32, small as they are beside the losses. A recipe that quantizes one search
 * group alone has kl.h's divergence of that group, bit for bit at each token.
 *
 * The unquantized model and all recipes go up side by side, one layer's weights at a time. Equal recipes are computed
 * once, the unquantized model once a run, a quantized weight once a layer however many recipes want it.
 *
 * A result's bits depend on its recipe and batch alone: not on the other requests, threads, or memory. A recipe that
 * changes nothing has exactly 0 and equal losses.
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

/* run_bytes (0: a default) bounds what is under way at a time (changes.h); results do not depend on it. -1 after
 * fail(). */
int recipe_check_run(const struct ops *ops, const struct lm_config *config, const struct model_tensors *tensors,
	const struct batch *batches, size_t batch_count, struct recipe_request *requests, size_t count, size_t run_bytes);

/* The device memory that recipe_check_run() takes at most with the same arguments, in bytes, known before anything is
 * computed: changes_bytes() says what for. Requests are only read. */
size_t recipe_check_bytes(const struct ops *ops, const struct lm_config *config, const struct batch *batches,
	size_t batch_count, struct recipe_request *requests, size_t count, size_t run_bytes);

#endif
