/* What a run of recipe_check.h computes: distinct recipes, the distinct weights of each linear, and a stream for each
 * recipe and batch. Private to recipe_check.c. */
#ifndef QG_MODEL_RECIPE_PLAN_H
#define QG_MODEL_RECIPE_PLAN_H

#include "model/recipe_check.h"
#include "model/selection.h"
#include "model/weight_variants.h"

/* Equal requests are one mix. */
struct recipe_mix {
	const struct quantizer_pair *pair; /* [linears] */
	size_t *weight;            /* [linears] 0: its own, else 1 + index of the variant */
	float *amax;               /* [linears] largest inputs; 0 unless activations have a static quantizer */
};

struct recipe_stream {
	size_t mix, batch;         /* batch of the selection */
};

struct recipe_plan {
	struct recipe_request *requests;
	size_t count;
	struct linear_info *linears;
	size_t linear_count;
	struct selection selection;
	struct weight_variant *weights; /* [linears][count] distinct quantized weights of a linear */
	size_t *weight_count;      /* [linears] of these */
	struct recipe_mix *mixes;
	size_t mix_count;
	size_t *request_mix;       /* [count] */
	size_t *place;             /* [count][selection.count] place in the request's list of batches + 1; 0: not in it */
	struct recipe_stream *streams; /* batch by batch, then mix by mix */
	size_t stream_count;
};

/* Everything is borrowed until recipe_plan_release(). */
void recipe_plan_make(struct recipe_plan *plan, const struct lm_config *config, const struct batch *batches,
	size_t batch_count, struct recipe_request *requests, size_t count);
void recipe_plan_release(struct recipe_plan *plan);

/* A quantized weight of a linear. */
const struct weight_variant *recipe_plan_weight(const struct recipe_plan *plan, size_t linear, size_t index);

/* What the model computed for each token of a batch. */
struct recipe_tokens {
	const double *before, *after, *kl;
};

/* Hands the sums over each sequence to the requests that want the stream, or the failure. */
void recipe_plan_deliver(const struct recipe_plan *plan, const struct recipe_stream *stream,
	const struct recipe_tokens *tokens);

#endif
