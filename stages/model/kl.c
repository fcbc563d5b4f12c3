#include "model/kl.h"

#include <stdlib.h>

#include "common/error.h"
#include "common/memory.h"
#include "model/device_room.h"
#include "model/kl_state.h"
#include "model/widen.h"

/* ---- weights ---- */

/* Rows row0 .. row0+rows-1 of a linear as the variant has them (0: as they are), widened. */
static void weight_rows(const struct kl *k, const struct kl_worker *worker, dev_f64 *to, const dev_weight *W,
	size_t linear, size_t variant, size_t row0, size_t rows)
{
	struct weight_variant as_it_is = {0}, *v = variant ? &k->plan.weights[variant - 1] : &as_it_is;
	widen_rows(k->ops, to, W, k->plan.linears[linear].in, row0, rows, v->quantizer, variant ? v->amax[linear] : NULL,
		worker->slice);
}

static int layer_weight_piece(void *context, size_t index, size_t worker)
{
	struct kl *k = context;
	size_t kind = index % LINEARS_PER_LAYER, linear = LINEARS_PER_LAYER * k->layer + kind;
	weight_rows(k, &k->workers[worker], k->W[index], k->weights.layer.linear[kind], linear, index / LINEARS_PER_LAYER,
		0, k->plan.linears[linear].out);
	return 0;
}

static int head_weight_piece(void *context, size_t index, size_t worker)
{
	struct kl *k = context;
	size_t V = k->config->vocab_size, step = widen_slice_rows(k->config->hidden_size), row = index * step;
	weight_rows(k, &k->workers[worker], k->variant ? k->changed_head : k->head, k->weights.table,
		k->plan.linear_count - 1, k->variant, row, V - row < step ? V - row : step);
	return 0;
}

/* ---- layers ---- */

static struct replay replay_of(const struct kl *k, size_t batch)
{
	const struct batch *b = &k->plan.selection.batches[batch];
	return (struct replay){
		.ops = k->ops,
		.config = k->config,
		.norms = &k->weights.layer,
		.W = k->W,
		.position = k->pass.tokens[batch].position,
		.packing = {b->start, b->sequences},
		.tokens = b->tokens,
	};
}

static int embed_piece(void *context, size_t index, size_t worker)
{
	struct kl *k = context;
	size_t b = k->run.batch + index, T = kl_tokens(k, b), H = k->config->hidden_size;
	dev_f32 *narrow = k->workers[worker].frame.narrow;
	k->ops->embed(narrow, k->weights.table, k->pass.tokens[b].ids, T, H);
	k->ops->f64->widen(k->baselines[b].level[0], narrow, T * H);
	return 0;
}

/* The unquantized model through the layer; what streams may start from is kept. */
static int baseline_piece(void *context, size_t index, size_t worker)
{
	struct kl *k = context;
	size_t b = k->run.batch + index;
	const struct kl_baseline *base = &k->baselines[b];
	struct replay replay = replay_of(k, b);
	struct replay_frame frame = k->workers[worker].frame;
	dev_f64 *in = base->level[k->layer % 2], *out = base->level[(k->layer + 1) % 2];
	size_t elements = replay.tokens * k->config->hidden_size;
	frame.attention = base->attention;
	frame.act = base->act;
	k->ops->f64->copy(base->middle, in, elements);
	replay_run(&replay, &frame, base->middle, REPLAY_QKV, REPLAY_MLP, NULL);
	k->ops->f64->copy(out, base->middle, elements);
	replay_run(&replay, &frame, out, REPLAY_MLP, REPLAY_STEPS, NULL);
	return 0;
}

/* A stream whose group is in this layer: from the step of that number on, which has the unchanged inputs. */
static void stream_start(const struct kl *k, size_t s, const struct replay *replay, const struct kl_worker *worker)
{
	const struct kl_stream *stream = &k->plan.streams[s];
	const struct kl_format *format = &k->plan.formats[stream->format];
	const struct kl_baseline *base = &k->baselines[stream->batch];
	enum replay_step step = stream->group % REPLAY_STEPS;
	struct replay_frame frame = worker->frame;
	struct quantizer_pair pairs[LINEARS_PER_LAYER];
	const struct replay_change change = {
		.W = k->W + (1 + format->weight) * LINEARS_PER_LAYER,
		.pair = pairs,
		.amax = format->amax ? format->amax + k->layer * LINEARS_PER_LAYER : NULL,
	};
	for (size_t kind = 0; kind < LINEARS_PER_LAYER; kind++)
		pairs[kind] = format->pair;
	if (step == REPLAY_O)
		frame.attention = base->attention;
	if (step == REPLAY_DOWN)
		frame.act = base->act;
	k->ops->f64->copy(k->x[s], step < REPLAY_MLP ? base->level[k->layer % 2] : base->middle,
		replay->tokens * k->config->hidden_size);
	replay_run(replay, &frame, k->x[s], step, step + 1, &change);
	replay_run(replay, &frame, k->x[s], step + 1, REPLAY_STEPS, NULL);
}

static int stream_piece(void *context, size_t index, size_t worker)
{
	struct kl *k = context;
	size_t s = k->run.first + index, start = k->plan.streams[s].group / REPLAY_STEPS;
	struct replay replay = replay_of(k, k->plan.streams[s].batch);
	if (start == k->layer)
		stream_start(k, s, &replay, &k->workers[worker]);
	else if (start < k->layer)
		replay_run(&replay, &k->workers[worker].frame, k->x[s], REPLAY_QKV, REPLAY_STEPS, NULL);
	return 0;
}

static int run_layer(struct kl *k)
{
	device_weights_load_layer(&k->weights, k->layer);
	return k->ops->for_each((1 + k->plan.weight_count) * LINEARS_PER_LAYER, layer_weight_piece, k) ||
		k->ops->for_each(k->run.batches, baseline_piece, k) ||
		k->ops->for_each(k->run.count, stream_piece, k) ? -1 : 0;
}

/* ---- lm_head ---- */

static void final_norm(const struct kl *k, dev_f64 *to, const dev_f64 *x, size_t rows)
{
	k->ops->f64->rmsnorm(to, x, k->weights.final_norm, k->config->rms_norm_eps, rows, k->config->hidden_size);
}

/* Its input, and logits and probabilities of the rows at hand, of the unquantized model. */
static void head_baseline(const struct kl *k)
{
	const struct lm_config *c = k->config;
	const struct ops_f64 *ops = k->ops->f64;
	const struct kl_baseline *base = &k->baselines[k->batch];
	size_t at = k->row * c->hidden_size;
	final_norm(k, f64_at(base->middle, at), f64_at(base->level[c->layers % 2], at), k->rows);
	ops->linear(k->logits, f64_at(base->middle, at), k->head, k->rows, c->hidden_size, c->vocab_size, 0);
	ops->softmax(k->probabilities, k->logits, k->rows, c->vocab_size);
}

/* The input of lm_head for the rows at hand of a stream. */
static const dev_f64 *head_input(const struct kl *k, size_t s, const struct kl_worker *worker)
{
	const struct kl_format *format = &k->plan.formats[k->plan.streams[s].format];
	size_t H = k->config->hidden_size;
	if (!k->variant) {
		final_norm(k, worker->frame.norm, f64_at(k->x[s], k->row * H), k->rows);
		return worker->frame.norm;
	}
	return replay_quantize(k->ops, &worker->frame, f64_at(k->baselines[k->batch].middle, k->row * H), k->rows, H,
		format->pair.activation, format->amax ? format->amax[k->plan.linear_count - 1] : 0);
}

/* The stream belongs to the batch at hand, and its logits come from the lm_head at hand. */
static int head_wants(const struct kl *k, const struct kl_stream *stream)
{
	size_t variant = kl_changes_head(k, stream) ? 1 + k->plan.formats[stream->format].weight : 0;
	return stream->batch == k->batch && variant == k->variant;
}

static int head_piece(void *context, size_t index, size_t worker)
{
	struct kl *k = context;
	const struct lm_config *c = k->config;
	const struct kl_worker *w = &k->workers[worker];
	size_t s = k->run.first + index;
	if (!head_wants(k, &k->plan.streams[s]))
		return 0;
	k->ops->f64->linear(w->logits, head_input(k, s, w), k->variant ? k->changed_head : k->head, k->rows, c->hidden_size,
		c->vocab_size, 0);
	k->ops->f64->divergence(w->divergence, k->probabilities, k->logits, w->logits, k->rows, c->vocab_size);
	k->ops->download(k->divergence + index * k->pass.longest + k->row, w->divergence, k->rows * sizeof(double));
	return 0;
}

/* lm_head as it is or as a variant has it: all rows of all streams that want it. */
static int run_head(struct kl *k, size_t variant)
{
	size_t V = k->config->vocab_size, step = widen_slice_rows(k->config->hidden_size);
	size_t end = k->run.batch + k->run.batches;
	k->variant = variant;
	if (k->ops->for_each((V + step - 1) / step, head_weight_piece, k))
		return -1;
	for (k->batch = k->run.batch; k->batch < end; k->batch++) {
		size_t T = kl_tokens(k, k->batch), rows = replay_head_rows(k->config, T);
		for (k->row = 0; k->row < T; k->row += rows) {
			k->rows = T - k->row < rows ? T - k->row : rows;
			head_baseline(k);
			if (k->ops->for_each(k->run.count, head_piece, k))
				return -1;
		}
	}
	return 0;
}

/* ---- runs ---- */

static int run_streams(struct kl *k)
{
	device_weights_load_table(&k->weights, &k->weights.tensors->embed);
	if (k->ops->for_each(k->run.batches, embed_piece, k))
		return -1;
	for (k->layer = 0; k->layer < k->config->layers; k->layer++)
		if (run_layer(k))
			return -1;
	device_weights_load_table(&k->weights, &k->weights.tensors->lm_head);
	for (size_t variant = 0; variant <= k->plan.weight_count; variant++)
		if (run_head(k, variant))
			return -1;
	return k->ops->sync();
}

static int run_all(struct kl *k)
{
	for (size_t s = 0; s < k->plan.stream_count; s += k->run.count) {
		struct carve carve = {k->run_memory, 0};
		k->run = kl_place_run(k, s, &carve);
		k->divergence = mem_resize(k->divergence, k->run.count * k->pass.longest, sizeof *k->divergence);
		if (run_streams(k))
			return -1;
		for (size_t i = 0; i < k->run.count; i++)
			if (kl_plan_deliver(&k->plan, &k->plan.streams[s + i], k->divergence + i * k->pass.longest))
				return -1;
	}
	return 0;
}

static void kl_init(struct kl *k, const struct ops *ops, const struct lm_config *config, const struct batch *batches,
	size_t batch_count, const struct kl_request *requests, size_t count, size_t run_bytes)
{
	*k = (struct kl){.ops = ops, .config = config, .limit_bytes = run_bytes ? run_bytes : KL_RUN_BYTES};
	kl_plan_make(&k->plan, config, batches, batch_count, requests, count);
	k->W = mem_array((1 + k->plan.weight_count) * LINEARS_PER_LAYER, sizeof(dev_f64 *));
	k->workers = mem_zeroed(ops->workers(), sizeof *k->workers);
	k->baselines = mem_zeroed(k->plan.selection.count, sizeof *k->baselines);
	k->x = mem_zeroed(k->plan.stream_count, sizeof(dev_f64 *));
}

static void kl_release(struct kl *k)
{
	kl_plan_release(&k->plan);
	free(k->W);
	free(k->workers);
	free(k->baselines);
	free(k->x);
	free(k->divergence);
}

size_t kl_bytes(const struct ops *ops, const struct lm_config *config, const struct batch *batches, size_t batch_count,
	const struct kl_request *requests, size_t count, size_t run_bytes)
{
	struct kl k;
	struct carve carve = {0};
	kl_init(&k, ops, config, batches, batch_count, requests, count, run_bytes);
	kl_place_shared(&k, &carve);
	size_t bytes = carve.used + kl_run_bytes(&k) + kl_borrowed_bytes(&k);
	kl_release(&k);
	return bytes;
}

/* The arguments of kl_run(), to ask what they take. */
struct kl_arguments {
	const struct ops *ops;
	const struct lm_config *config;
	const struct batch *batches;
	size_t batch_count;
	const struct kl_request *requests;
	size_t count;
};

static size_t kl_need(const void *context, size_t run_bytes)
{
	const struct kl_arguments *a = context;
	return kl_bytes(a->ops, a->config, a->batches, a->batch_count, a->requests, a->count, run_bytes);
}

static int kl_compute(struct kl *k, const struct model_tensors *tensors)
{
	struct carve counted = {0};
	kl_place_shared(k, &counted);
	struct carve shared = {k->ops->alloc(counted.used), 0};
	kl_place_shared(k, &shared);
	k->run_memory = k->ops->alloc(kl_run_bytes(k));
	pass_open(&k->pass, k->ops, k->config, k->plan.selection.batches, k->plan.selection.count, 0);
	device_weights_init(&k->weights, k->ops, k->config, tensors);
	int status = run_all(k);
	device_weights_release(&k->weights);
	pass_close(&k->pass);
	k->ops->release(k->run_memory);
	k->ops->release(shared.base);
	return status;
}

int kl_run(const struct ops *ops, const struct lm_config *config, const struct model_tensors *tensors,
	const struct batch *batches, size_t batch_count, struct kl_request *requests, size_t count, size_t run_bytes)
{
	struct kl k;
	int status = 0;
	if (!ops->f64)
		return fail("the backend %s has no fp64 operations, which kl_div needs; use autoquant.device=cpu", ops->name);
	const struct kl_arguments arguments = {ops, config, batches, batch_count, requests, count};
	if (device_room(ops, config, kl_need, &arguments, &run_bytes, "measuring the divergence"))
		return -1;
	kl_init(&k, ops, config, batches, batch_count, requests, count, run_bytes);
	if (k.plan.stream_count)
		status = kl_compute(&k, tensors);
	kl_release(&k);
	return status;
}
