#include "model/kl_state.h"
#include "model/widen.h"

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

void kl_place_shared(struct kl *k, struct carve *carve)
{
	const struct lm_config *c = k->config;
	size_t table = c->vocab_size * c->hidden_size * sizeof(double), T = 0, rows = 0;
	size_t slice = widen_slice_elements(k->plan.linears, k->plan.linear_count);
	for (size_t b = 0; b < k->plan.selection.count; b++) {
		T = larger(T, kl_tokens(k, b));
		rows = larger(rows, replay_head_rows(c, kl_tokens(k, b)));
	}
	for (size_t i = 0; i < (1 + k->plan.weight_count) * LINEARS_PER_LAYER; i++) {
		const struct linear_info *linear = &k->plan.linears[i % LINEARS_PER_LAYER];
		k->W[i] = carve_take(carve, linear->out * linear->in * sizeof(double));
	}
	k->head = carve_take(carve, table);
	k->changed_head = carve_take(carve, table);
	k->logits = carve_take(carve, rows * c->vocab_size * sizeof(double));
	k->probabilities = carve_take(carve, rows * c->vocab_size * sizeof(double));
	for (size_t w = 0; w < k->ops->workers(); w++) {
		struct kl_worker *worker = &k->workers[w];
		replay_frame_place(&worker->frame, c, T, carve);
		worker->slice = carve_take(carve, slice * k->ops->weight_bytes);
		worker->logits = carve_take(carve, rows * c->vocab_size * sizeof(double));
		worker->divergence = carve_take(carve, rows * sizeof(double));
	}
}

static void place_baseline(struct kl *k, size_t batch, struct carve *carve)
{
	const struct lm_config *c = k->config;
	struct kl_baseline *b = &k->baselines[batch];
	size_t T = kl_tokens(k, batch) * sizeof(double);
	b->level[0] = carve_take(carve, T * c->hidden_size);
	b->level[1] = carve_take(carve, T * c->hidden_size);
	b->middle = carve_take(carve, T * c->hidden_size);
	b->attention = carve_take(carve, T * c->heads * c->head_dim);
	b->act = carve_take(carve, T * c->intermediate_size);
}

/* A stream, and when it is the first of its batch in the run what it starts from. */
static void place_stream(struct kl *k, size_t s, int first_of_batch, struct carve *carve)
{
	const struct kl_stream *stream = &k->plan.streams[s];
	if (first_of_batch)
		place_baseline(k, stream->batch, carve);
	if (!kl_changes_head(k, stream))
		k->x[s] = carve_take(carve, kl_tokens(k, stream->batch) * k->config->hidden_size * sizeof(double));
}

struct kl_span kl_place_run(struct kl *k, size_t first, struct carve *carve)
{
	const struct kl_plan *p = &k->plan;
	struct kl_span run = {.first = first, .batch = p->streams[first].batch};
	for (size_t s = first; s < p->stream_count; s++, run.count++) {
		int first_of_batch = p->streams[s].batch == run.batch + run.batches;
		struct carve more = *carve;
		place_stream(k, s, first_of_batch, &more);
		if (more.used > k->limit_bytes && run.count)
			break;
		*carve = more;
		run.batches += (size_t)first_of_batch;
	}
	return run;
}

size_t kl_run_bytes(struct kl *k)
{
	size_t most = 0;
	for (size_t s = 0; s < k->plan.stream_count;) {
		struct carve carve = {0};
		s += kl_place_run(k, s, &carve).count;
		most = larger(most, carve.used);
	}
	return most;
}

size_t kl_borrowed_bytes(const struct kl *k)
{
	const struct selection *chosen = &k->plan.selection;
	return device_weights_bytes(k->ops, k->config) + pass_token_bytes(chosen->batches, chosen->count);
}
