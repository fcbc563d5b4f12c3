/* What a run of kl.h computes: distinct formats, and a stream for each format, batch and group. Private to kl.c. */
#ifndef QG_MODEL_KL_PLAN_H
#define QG_MODEL_KL_PLAN_H

#include "model/kl.h"
#include "model/selection.h"
#include "model/weight_variants.h"

/* Equal requests are one format. */
struct kl_format {
	struct quantizer_pair pair;
	size_t weight;             /* index of the variant */
	const float *amax;         /* [linears]; NULL unless activations are quantized with a static maximum */
};

struct kl_stream {
	size_t format, batch, group; /* batch of the selection */
};

struct kl_plan {
	const struct kl_request *requests;
	size_t count;
	struct linear_info *linears;
	size_t linear_count;
	struct selection selection;
	struct weight_variant *weights;
	size_t weight_count;
	struct kl_format *formats;
	size_t format_count;
	size_t *request_format;    /* [count] */
	size_t *place;             /* [count][selection.count] place in the request's list of batches + 1; 0: not in it */
	struct kl_stream *streams; /* batch by batch, then format by format, then group by group */
	size_t stream_count;
};

/* Everything is borrowed until kl_plan_release(). */
void kl_plan_make(struct kl_plan *plan, const struct lm_config *config, const struct batch *batches,
	size_t batch_count, const struct kl_request *requests, size_t count);
void kl_plan_release(struct kl_plan *plan);

/* Hands the divergence of every position of a stream to the requests that want it; kl has the tokens of its batch. -1
 * after fail() when one is not finite. */
int kl_plan_deliver(const struct kl_plan *plan, const struct kl_stream *stream, const double *kl);

#endif
