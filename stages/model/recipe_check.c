#include "model/recipe_check.h"

#include <stdlib.h>

#include "common/error.h"
#include "common/memory.h"
#include "model/device_room.h"
#include "model/device_weights.h"
#include "model/pass.h"
#include "model/recipe_plan.h"
#include "model/replay.h"
#include "model/widen.h"

struct worker {
	struct replay_frame frame;
	dev_weight *slice;     /* a few rows of a quantized weight */
	dev_f64 *logits;       /* rows of lm_head's output */
	dev_f64 *kl, *loss;    /* of these rows */
};

/* Streams that go up together. */
struct span {
	size_t first, count;
	size_t batch, batches; /* those of its streams */
};

struct check {
	const struct ops *ops;
	const struct lm_config *config;
	struct recipe_plan plan;
	struct pass pass;
	struct device_weights weights;
	size_t limit_bytes;

	size_t forms;          /* most forms of a linear, its own included; lm_head left out */
	dev_f64 **W;           /* [forms][LINEARS_PER_LAYER] of the layer; those that some layer has are placed */
	dev_f64 *head, *changed_head;    /* [V,H] */
	dev_f64 *norm, *logits, *probabilities, *loss; /* rows of the unquantized model */
	struct worker *workers;
	void *run_memory;

	struct span run;
	dev_f64 **base;        /* [selection.count] residual streams of the unquantized model; the run's are placed */
	dev_f64 **x;           /* [stream_count] of the recipes, likewise */
	double *before;        /* host, [batches of the run][pass.longest] */
	double *after, *kl;    /* host, [streams of the run][pass.longest] */

	/* What the pieces at hand work on. */
	size_t layer;
	size_t batch, row, rows; /* of lm_head */
	size_t form;             /* of lm_head */
};

static size_t tokens_of(const struct check *c, size_t batch)
{
	return c->plan.selection.batches[batch].tokens;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* ---- memory ---- */

/* Forms that a kind of linear has in the layer with most of them. */
static size_t forms_of(const struct check *c, size_t kind)
{
	size_t most = 0;
	for (size_t i = kind; i + 1 < c->plan.linear_count; i += LINEARS_PER_LAYER)
		most = larger(most, 1 + c->plan.weight_count[i]);
	return most;
}

static void place_weights(struct check *c, struct carve *carve)
{
	size_t table = c->config->vocab_size * c->config->hidden_size * sizeof(double);
	for (size_t kind = 0; kind < LINEARS_PER_LAYER; kind++) {
		const struct linear_info *l = &c->plan.linears[kind];
		for (size_t form = 0; form < forms_of(c, kind); form++)
			c->W[form * LINEARS_PER_LAYER + kind] = carve_take(carve, l->out * l->in * sizeof(double));
	}
	c->head = carve_take(carve, table);
	c->changed_head = carve_take(carve, table);
}

/* Everything but a run. */
static void place_shared(struct check *c, struct carve *carve)
{
	size_t T = 0, rows = 0, V = c->config->vocab_size;
	for (size_t b = 0; b < c->plan.selection.count; b++) {
		T = larger(T, tokens_of(c, b));
		rows = larger(rows, replay_head_rows(c->config, tokens_of(c, b)));
	}
	place_weights(c, carve);
	c->norm = carve_take(carve, rows * c->config->hidden_size * sizeof(double));
	c->logits = carve_take(carve, rows * V * sizeof(double));
	c->probabilities = carve_take(carve, rows * V * sizeof(double));
	c->loss = carve_take(carve, rows * sizeof(double));
	for (size_t w = 0; w < c->ops->workers(); w++) {
		struct worker *worker = &c->workers[w];
		replay_frame_place(&worker->frame, c->config, T, carve);
		worker->slice = carve_take(carve,
			widen_slice_elements(c->plan.linears, c->plan.linear_count) * c->ops->weight_bytes);
		worker->logits = carve_take(carve, rows * V * sizeof(double));
		worker->kl = carve_take(carve, rows * sizeof(double));
		worker->loss = carve_take(carve, rows * sizeof(double));
	}
}

/* The run that begins with a stream: as many as fit into limit_bytes, at least one. */
static struct span place_run(struct check *c, size_t first, struct carve *carve)
{
	const struct recipe_plan *p = &c->plan;
	struct span run = {.first = first, .batch = p->streams[first].batch};
	for (size_t s = first; s < p->stream_count; s++, run.count++) {
		size_t b = p->streams[s].batch, bytes = tokens_of(c, b) * c->config->hidden_size * sizeof(double);
		int first_of_batch = b == run.batch + run.batches;
		struct carve more = *carve;
		if (first_of_batch)
			c->base[b] = carve_take(&more, bytes);
		c->x[s] = carve_take(&more, bytes);
		if (more.used > c->limit_bytes && run.count)
			break;
		*carve = more;
		run.batches += (size_t)first_of_batch;
	}
	return run;
}

static size_t run_bytes_most(struct check *c)
{
	size_t most = 0;
	for (size_t s = 0; s < c->plan.stream_count;) {
		struct carve carve = {0};
		s += place_run(c, s, &carve).count;
		most = larger(most, carve.used);
	}
	return most;
}

/* ---- layers ---- */

/* Rows of a linear in a form: 0 its own, else 1 + the index of a quantized weight. */
static void weight_rows(const struct check *c, dev_f64 *to, const dev_weight *W, size_t linear, size_t form,
	size_t row0, size_t rows, size_t worker)
{
	struct weight_variant as_it_is = {0};
	const struct weight_variant *v = form ? recipe_plan_weight(&c->plan, linear, form - 1) : &as_it_is;
	widen_rows(c->ops, to, W, c->plan.linears[linear].in, row0, rows, v->quantizer, form ? *v->amax : NULL,
		c->workers[worker].slice);
}

static int layer_weight_piece(void *context, size_t index, size_t worker)
{
	struct check *c = context;
	size_t kind = index % LINEARS_PER_LAYER, form = index / LINEARS_PER_LAYER;
	size_t linear = LINEARS_PER_LAYER * c->layer + kind, out = c->plan.linears[linear].out;
	if (form <= c->plan.weight_count[linear])
		weight_rows(c, c->W[index], c->weights.layer.linear[kind], linear, form, 0, out, worker);
	return 0;
}

static struct replay replay_of(const struct check *c, size_t batch)
{
	const struct batch *b = &c->plan.selection.batches[batch];
	return (struct replay){
		.ops = c->ops,
		.config = c->config,
		.norms = &c->weights.layer,
		.W = c->W,
		.position = c->pass.tokens[batch].position,
		.packing = {b->start, b->sequences},
		.tokens = b->tokens,
	};
}

static void stream_layer(const struct check *c, size_t s, const struct replay_frame *frame)
{
	const struct recipe_stream *stream = &c->plan.streams[s];
	const struct recipe_mix *mix = &c->plan.mixes[stream->mix];
	struct replay replay = replay_of(c, stream->batch);
	size_t first = c->layer * LINEARS_PER_LAYER;
	dev_f64 *W[LINEARS_PER_LAYER];
	const struct replay_change change = {W, mix->pair + first, mix->amax + first};
	for (size_t kind = 0; kind < LINEARS_PER_LAYER; kind++)
		W[kind] = c->W[mix->weight[first + kind] * LINEARS_PER_LAYER + kind];
	replay_run(&replay, frame, c->x[s], REPLAY_QKV, REPLAY_STEPS, &change);
}

/* The batches of the run come first, as the unquantized model has them, then the streams. */
static int layer_piece(void *context, size_t index, size_t worker)
{
	struct check *c = context;
	const struct replay_frame *frame = &c->workers[worker].frame;
	if (index < c->run.batches) {
		struct replay replay = replay_of(c, c->run.batch + index);
		replay_run(&replay, frame, c->base[c->run.batch + index], REPLAY_QKV, REPLAY_STEPS, NULL);
	} else {
		stream_layer(c, c->run.first + index - c->run.batches, frame);
	}
	return 0;
}

static int embed_piece(void *context, size_t index, size_t worker)
{
	struct check *c = context;
	size_t b = c->run.batch + index, T = tokens_of(c, b), H = c->config->hidden_size;
	dev_f32 *narrow = c->workers[worker].frame.narrow;
	c->ops->embed(narrow, c->weights.table, c->pass.tokens[b].ids, T, H);
	c->ops->f64->widen(c->base[b], narrow, T * H);
	for (size_t s = c->run.first; s < c->run.first + c->run.count; s++)
		if (c->plan.streams[s].batch == b)
			c->ops->f64->copy(c->x[s], c->base[b], T * H);
	return 0;
}

static int run_layers(struct check *c)
{
	device_weights_load_table(&c->weights, &c->weights.tensors->embed);
	if (c->ops->for_each(c->run.batches, embed_piece, c))
		return -1;
	for (c->layer = 0; c->layer < c->config->layers; c->layer++) {
		device_weights_load_layer(&c->weights, c->layer);
		if (c->ops->for_each(c->forms * LINEARS_PER_LAYER, layer_weight_piece, c) ||
			c->ops->for_each(c->run.batches + c->run.count, layer_piece, c))
			return -1;
	}
	return 0;
}

/* ---- lm_head ---- */

static int head_weight_piece(void *context, size_t index, size_t worker)
{
	struct check *c = context;
	size_t V = c->config->vocab_size, step = widen_slice_rows(c->config->hidden_size), row = index * step;
	weight_rows(c, c->form ? c->changed_head : c->head, c->weights.table, c->plan.linear_count - 1, c->form, row,
		V - row < step ? V - row : step, worker);
	return 0;
}

static int make_head(struct check *c, size_t form)
{
	size_t step = widen_slice_rows(c->config->hidden_size);
	c->form = form;
	return c->ops->for_each((c->config->vocab_size + step - 1) / step, head_weight_piece, c);
}

static void final_norm(const struct check *c, dev_f64 *to, const dev_f64 *x)
{
	size_t H = c->config->hidden_size;
	c->ops->f64->rmsnorm(to, f64_at_const(x, c->row * H), c->weights.final_norm, c->config->rms_norm_eps, c->rows, H);
}

/* The losses of the rows at hand, to the host. */
static void losses(const struct check *c, double *to, dev_f64 *loss, const dev_f64 *logits)
{
	const dev_i32 *label = i32_at_const(c->pass.tokens[c->batch].label, c->row);
	c->ops->f64->cross_entropy(loss, logits, label, c->rows, c->config->vocab_size);
	c->ops->download(to + c->row, loss, c->rows * sizeof *to);
}

static void head_baseline(const struct check *c)
{
	const struct ops_f64 *ops = c->ops->f64;
	size_t V = c->config->vocab_size;
	final_norm(c, c->norm, c->base[c->batch]);
	ops->linear(c->logits, c->norm, c->head, c->rows, c->config->hidden_size, V, 0);
	ops->softmax(c->probabilities, c->logits, c->rows, V);
	losses(c, c->before + (c->batch - c->run.batch) * c->pass.longest, c->loss, c->logits);
}

/* The stream has that form of lm_head. */
static int has_form(const struct check *c, const struct recipe_stream *stream, size_t form)
{
	return c->plan.mixes[stream->mix].weight[c->plan.linear_count - 1] == form;
}

static int head_piece(void *context, size_t index, size_t worker)
{
	struct check *c = context;
	const struct worker *w = &c->workers[worker];
	size_t s = c->run.first + index, H = c->config->hidden_size, V = c->config->vocab_size;
	size_t at = index * c->pass.longest, linear = c->plan.linear_count - 1;
	const struct recipe_stream *stream = &c->plan.streams[s];
	const struct recipe_mix *mix = &c->plan.mixes[stream->mix];
	if (stream->batch != c->batch || !has_form(c, stream, c->form))
		return 0;
	final_norm(c, w->frame.norm, c->x[s]);
	const dev_f64 *x = replay_quantize(c->ops, &w->frame, w->frame.norm, c->rows, H, mix->pair[linear].activation,
		mix->amax[linear]);
	c->ops->f64->linear(w->logits, x, c->form ? c->changed_head : c->head, c->rows, H, V, 0);
	c->ops->f64->divergence(w->kl, c->probabilities, c->logits, w->logits, c->rows, V);
	c->ops->download(c->kl + at + c->row, w->kl, c->rows * sizeof(double));
	losses(c, c->after + at, w->loss, w->logits);
	return 0;
}

/* Some recipe of the run has that form on the batch at hand. */
static int wanted(const struct check *c, size_t form)
{
	for (size_t s = c->run.first; s < c->run.first + c->run.count; s++)
		if (c->plan.streams[s].batch == c->batch && has_form(c, &c->plan.streams[s], form))
			return 1;
	return 0;
}

/* All rows of the batch at hand through lm_head in the form at hand. */
static int run_batch(struct check *c)
{
	size_t T = tokens_of(c, c->batch), rows = replay_head_rows(c->config, T);
	for (c->row = 0; c->row < T; c->row += rows) {
		c->rows = T - c->row < rows ? T - c->row : rows;
		head_baseline(c);
		if (c->ops->for_each(c->run.count, head_piece, c))
			return -1;
	}
	return 0;
}

static int run_form(struct check *c, size_t form)
{
	int made = form == 0;
	for (c->batch = c->run.batch; c->batch < c->run.batch + c->run.batches; c->batch++) {
		if (!wanted(c, form))
			continue;
		if (!made && make_head(c, form))
			return -1;
		made = 1;
		if (run_batch(c))
			return -1;
	}
	return 0;
}

static int run_head(struct check *c)
{
	size_t forms = 1 + c->plan.weight_count[c->plan.linear_count - 1];
	device_weights_load_table(&c->weights, &c->weights.tensors->lm_head);
	if (make_head(c, 0))
		return -1;
	for (size_t form = 0; form < forms; form++)
		if (run_form(c, form))
			return -1;
	return c->ops->sync();
}

/* ---- runs ---- */

static void deliver(const struct check *c)
{
	for (size_t i = 0; i < c->run.count; i++) {
		const struct recipe_stream *stream = &c->plan.streams[c->run.first + i];
		const struct recipe_tokens tokens = {
			.before = c->before + (stream->batch - c->run.batch) * c->pass.longest,
			.after = c->after + i * c->pass.longest,
			.kl = c->kl + i * c->pass.longest,
		};
		recipe_plan_deliver(&c->plan, stream, &tokens);
	}
}

static int run_all(struct check *c)
{
	for (size_t s = 0; s < c->plan.stream_count; s += c->run.count) {
		struct carve carve = {c->run_memory, 0};
		c->run = place_run(c, s, &carve);
		c->before = mem_resize(c->before, c->run.batches * c->pass.longest, sizeof *c->before);
		c->after = mem_resize(c->after, c->run.count * c->pass.longest, sizeof *c->after);
		c->kl = mem_resize(c->kl, c->run.count * c->pass.longest, sizeof *c->kl);
		if (run_layers(c) || run_head(c))
			return -1;
		deliver(c);
	}
	return 0;
}

static void check_init(struct check *c, const struct ops *ops, const struct lm_config *config,
	const struct batch *batches, size_t batch_count, struct recipe_request *requests, size_t count, size_t run_bytes)
{
	*c = (struct check){.ops = ops, .config = config, .limit_bytes = run_bytes ? run_bytes : RECIPE_RUN_BYTES};
	recipe_plan_make(&c->plan, config, batches, batch_count, requests, count);
	for (size_t kind = 0; kind < LINEARS_PER_LAYER; kind++)
		c->forms = larger(c->forms, forms_of(c, kind));
	c->W = mem_zeroed(c->forms * LINEARS_PER_LAYER, sizeof(dev_f64 *));
	c->workers = mem_zeroed(ops->workers(), sizeof *c->workers);
	c->base = mem_zeroed(c->plan.selection.count, sizeof(dev_f64 *));
	c->x = mem_zeroed(c->plan.stream_count, sizeof(dev_f64 *));
}

static void check_release(struct check *c)
{
	recipe_plan_release(&c->plan);
	free(c->W);
	free(c->workers);
	free(c->base);
	free(c->x);
	free(c->before);
	free(c->after);
	free(c->kl);
}

size_t recipe_check_bytes(const struct ops *ops, const struct lm_config *config, const struct batch *batches,
	size_t batch_count, struct recipe_request *requests, size_t count, size_t run_bytes)
{
	struct check c;
	struct carve carve = {0};
	check_init(&c, ops, config, batches, batch_count, requests, count, run_bytes);
	place_shared(&c, &carve);
	size_t bytes = carve.used + run_bytes_most(&c) + device_weights_bytes(ops, config) +
		pass_token_bytes(c.plan.selection.batches, c.plan.selection.count);
	check_release(&c);
	return bytes;
}

/* The arguments of recipe_check_run(), to ask what they take. */
struct check_arguments {
	const struct ops *ops;
	const struct lm_config *config;
	const struct batch *batches;
	size_t batch_count;
	struct recipe_request *requests;
	size_t count;
};

static size_t check_need(const void *context, size_t run_bytes)
{
	const struct check_arguments *a = context;
	return recipe_check_bytes(a->ops, a->config, a->batches, a->batch_count, a->requests, a->count, run_bytes);
}

static int check_compute(struct check *c, const struct model_tensors *tensors)
{
	struct carve counted = {0};
	place_shared(c, &counted);
	struct carve shared = {c->ops->alloc(counted.used), 0};
	place_shared(c, &shared);
	c->run_memory = c->ops->alloc(run_bytes_most(c));
	pass_open(&c->pass, c->ops, c->config, c->plan.selection.batches, c->plan.selection.count, 0);
	device_weights_init(&c->weights, c->ops, c->config, tensors);
	int status = run_all(c);
	device_weights_release(&c->weights);
	pass_close(&c->pass);
	c->ops->release(c->run_memory);
	c->ops->release(shared.base);
	return status;
}

int recipe_check_run(const struct ops *ops, const struct lm_config *config, const struct model_tensors *tensors,
	const struct batch *batches, size_t batch_count, struct recipe_request *requests, size_t count, size_t run_bytes)
{
	struct check c;
	int status = 0;
	if (!ops->f64)
		return fail("the backend %s has no fp64 operations, which checking a recipe needs; use autoquant.device=cpu",
			ops->name);
	for (size_t r = 0; r < count; r++)
		*requests[r].failure = '\0';
	const struct check_arguments arguments = {ops, config, batches, batch_count, requests, count};
	if (device_room(ops, config, check_need, &arguments, &run_bytes,
		"running a recipe, which autoquant.check_recipe=false leaves out,"))
		return -1;
	check_init(&c, ops, config, batches, batch_count, requests, count, run_bytes);
	if (c.plan.stream_count)
		status = check_compute(&c, tensors);
	check_release(&c);
	return status;
}
