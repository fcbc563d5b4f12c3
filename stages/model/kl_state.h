/* The state of a run of kl.h, and the memory it has. Private to kl.c and kl_memory.c. */
#ifndef QG_MODEL_KL_STATE_H
#define QG_MODEL_KL_STATE_H

#include "model/device_weights.h"
#include "model/kl_plan.h"
#include "model/pass.h"
#include "model/replay.h"

/* The unquantized model on one batch of the run, at the layer at hand. */
struct kl_baseline {
	dev_f64 *level[2];     /* [T,H] in front of even and of odd layers */
	dev_f64 *middle;       /* [T,H] between the halves; behind the last layer, the input of lm_head */
	dev_f64 *attention;    /* [T,nh hd] input of o */
	dev_f64 *act;          /* [T,I] input of down */
};

struct kl_worker {
	struct replay_frame frame;
	dev_weight *slice;     /* a few rows of a quantized weight */
	dev_f64 *logits;       /* rows of lm_head's output */
	dev_f64 *divergence;   /* of these rows */
};

/* A run: streams that go up together. */
struct kl_span {
	size_t first, count;
	size_t batch, batches; /* those of its streams */
};

struct kl {
	const struct ops *ops;
	const struct lm_config *config;
	struct kl_plan plan;
	struct pass pass;
	struct device_weights weights;
	size_t limit_bytes;

	dev_f64 **W;           /* [1 + weight_count][LINEARS_PER_LAYER] of the layer: its own, then the variants */
	dev_f64 *head;         /* [V,H] */
	dev_f64 *changed_head; /* [V,H] */
	dev_f64 *logits, *probabilities; /* rows of the unquantized model */
	struct kl_worker *workers;
	void *run_memory;

	struct kl_span run;
	struct kl_baseline *baselines; /* [selection.count]; those of the run are placed */
	dev_f64 **x;                /* [stream_count] residual streams; those of the run are placed */
	double *divergence;         /* host, [streams of the run][pass.longest] */

	/* What the pieces at hand work on. */
	size_t layer;
	size_t batch, row, rows;    /* of lm_head */
	size_t variant;             /* of lm_head: 0 its own, else 1 + index */
};

/* Tokens of a batch of the selection. */
static inline size_t kl_tokens(const struct kl *k, size_t batch)
{
	return k->plan.selection.batches[batch].tokens;
}

/* The stream of a changed lm_head, which goes through no layer. */
static inline int kl_changes_head(const struct kl *k, const struct kl_stream *stream)
{
	return stream->group == k->config->layers * REPLAY_STEPS;
}

/* Takes the memory of everything but a run. */
void kl_place_shared(struct kl *k, struct carve *carve);

/* The run that begins with a stream: as many as fit into limit_bytes, at least one. Takes its memory. */
struct kl_span kl_place_run(struct kl *k, size_t first, struct carve *carve);

/* Bytes of the largest run, and of what pass_open() and device_weights_init() take. */
size_t kl_run_bytes(struct kl *k);
size_t kl_borrowed_bytes(const struct kl *k);

#endif
