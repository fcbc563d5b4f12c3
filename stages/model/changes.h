/* What quantized linears change in a model's predictions: the engine of kl.h and recipe_check.h. Private to model/.
 *
 * A mix says which linears are quantized and how; the others stay as they are. A mix on a batch is a stream: it carries
 * d, what the changed model has less what the unchanged one has, from the first step of the model that its mix changes
 * up to the logits, by operations that make the change of a result from the change of its inputs (ops.h, "Changes").
 * The unquantized model goes up beside the streams, one layer's weights at a time, all in fp32. Of a linear with x^ =
 * Q(x + d) the input that the changed model has, W^ its weight,
 *
 *     dy = (x^ - x) . W^T + x^ . (W^ - W)^T
 *
 * where x^ - x is d and W^ - W nothing when that quantizer is off. So no difference of two models is ever formed from
 * their values: d has the digits of fp32 however small it is, and a divergence, which is quadratic in it, has them too.
 *
 * The first product is linear_change(), whose factors a backend may round, but linear() for a mix that quantizes inputs
 * in several groups: on which side of a border of the grid x + d falls depends on the last digits of d.
 *
 * A layer has four steps, one a search group, and group g of all is step g % 4 of layer g / 4:
 *
 *     step   reads                                   makes
 *     0      d of the residual stream                that of attention (q, k, v of the norm)
 *     1      that of attention                       d += that of o
 *     2      d                                       that of silu(gate) up of the norm
 *     3      that of silu(gate) up                   d += that of down
 *
 * Streams come in stacks, which go through a layer at once: on a backend that puts batches together (ops->pack_tokens)
 * many streams, so that products are large; else every stream by itself, so that each product has the rows of one
 * batch. Equal mixes are computed once; so is a quantized weight in a layer, and the unquantized model in a run.
 *
 * A result's bits depend on its mix and batch alone: not on other requests, threads, or memory.
 */
#ifndef QG_MODEL_CHANGES_H
#define QG_MODEL_CHANGES_H

#include "model/transformer.h"
#include "quant/quantizer.h"

enum { CHANGES_STEPS = 4 }; /* of a layer */

struct change_request {
	const struct quantizer_pair *pair; /* [linears]; ELEMENT_NONE: stays as it is */
	float *const *weight_amax;         /* [linears][quantizer_amax_count()]; unread where a weight stays */
	const float *activation_amax;      /* [linears]; read where activations have a static quantizer, else may be NULL */
	size_t first, count;               /* linears that may change: of the others nothing is read */
	const size_t *batch;               /* [batches] distinct indices of the batches it is run on */
	size_t batches;
};

/* What became of each token of a batch, in nats. */
struct change_tokens {
	const double *before;  /* [tokens] cross-entropy of the unquantized model; 0 without a target */
	const double *loss;    /* [tokens] its change; 0 without a target, and where nothing is changed */
	const double *kl;      /* [tokens] KL(unquantized || quantized), never negative; likewise */
};

/* Gets every batch of every request once, place being that in the request's list, by the thread that called. Values
 * may be other than finite. Returns 0, or -1 after fail(), which ends the run. */
typedef int change_deliver(void *context, size_t request, size_t place, const struct batch *batch,
	const struct change_tokens *tokens);

struct change_job {
	const struct ops *ops;
	const struct lm_config *config;
	const struct batch *batches;             /* [batch_count] all that requests can name */
	size_t batch_count;
	const struct change_request *requests;   /* [count] */
	size_t count;
	change_deliver *deliver;
	void *context;
};

/* run_bytes bounds the streams that are under way at a time, with the unquantized model beside them, to no less than
 * one stream; 0: CHANGES_RUN_BYTES, or CHANGES_PACKED_RUN_BYTES where the backend puts batches together. A smaller
 * bound makes more runs, each of which loads and quantizes every weight anew. -1 after fail(). */
int changes_run(const struct change_job *job, const struct model_tensors *tensors, size_t run_bytes);

#define CHANGES_RUN_BYTES ((size_t)1 << 30)
#define CHANGES_PACKED_RUN_BYTES ((size_t)8 << 30)

/* The device memory that changes_run() takes at most, in bytes, known before anything is computed. With P the elements
 * of a layer's linears, n the distinct quantized weights of a linear (of the layer with most, kind by kind), w the
 * bytes of a dev_weight, R the rows of a stack (T of the largest batch, or four times ops->pack_tokens):
 *
 *     a run       run_bytes, or more where one stream does not fit: 4 H + 28 a row of a stream, and a token of the
 *                 unquantized model 4 (8 H + 4 nh hd + 3 nk hd + 3 I) or so
 *     weights     a layer w P (1 + n); a table w V H, twice when lm_head is quantized
 *     a worker    4 R (H + 2 nh hd + 2 nk hd + 2 I) and 8 R of the widest input; logits, 32 MiB (512 MiB where batches
 *                 are put together) or one row
 *     besides     probabilities of the unquantized model, at most four times as much as that
 */
size_t changes_bytes(const struct change_job *job, size_t run_bytes);

#endif
