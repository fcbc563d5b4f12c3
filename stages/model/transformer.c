#include "model/transformer.h"

#include <assert.h>
#include <stdlib.h>

#include "common/memory.h"
#include "common/progress.h"
#include "model/device_weights.h"
#include "model/packs.h"
#include "model/pass.h"

static const size_t all_batches = (size_t)-1; /* bytes of a run */

struct transformer {
	const struct ops *ops;
	const struct lm_config *config;
	struct device_weights weights;
	struct linear_info *linears;
	size_t linear_count;
	size_t layer_run_bytes, head_run_bytes;
};

enum direction { FORWARD, BACKWARD };

/* What the pieces of a pass share, and what visitors get. The batches of the pass are packs. */
struct work {
	struct transformer *model;
	const struct batch *batches;
	size_t count;
	struct packs packs;
	struct pass pass;
	struct room room;
	enum direction direction;
	int downward;            /* the output of the layer is known: forward again, then backward */
	size_t layer;
	linear_visitor *visit;   /* NULL: nothing is shown */
	void *context;
	dev_f32 **x, **y, **dy;  /* [count] */
	size_t *rows;            /* [count] */
	size_t *pack;            /* [packs + 1] of a visit */
	dev_f64 *scale;          /* [tokens of all] 1 / targets of the token's batch; 0 when there are none */
	dev_f64 *token_loss;     /* [tokens of all] */
	size_t *token;           /* [packs] tokens before a pack */
};

size_t batch_targets(const struct batch *batch)
{
	return batch->tokens - batch->sequences;
}

struct transformer *transformer_open(const struct ops *ops, const struct lm_config *config,
	const struct model_tensors *tensors)
{
	struct transformer *m = mem_zeroed(1, sizeof *m);
	assert(config->layers > 0);
	m->ops = ops;
	m->config = config;
	m->linear_count = linear_count(config);
	m->linears = mem_array(m->linear_count, sizeof *m->linears);
	m->layer_run_bytes = TRANSFORMER_LAYER_RUN;
	m->head_run_bytes = TRANSFORMER_HEAD_RUN;
	linear_describe(m->linears, config);
	device_weights_init(&m->weights, ops, config, tensors);
	return m;
}

void transformer_close(struct transformer *m)
{
	if (!m)
		return;
	device_weights_release(&m->weights);
	free(m->linears);
	free(m);
}

const struct lm_config *transformer_config(const struct transformer *m)
{
	return m->config;
}

void transformer_limit_run(struct transformer *m, size_t bytes)
{
	m->layer_run_bytes = m->head_run_bytes = bytes;
}

/* ---- Visits ---- */

/* The weight of a linear, loaded. */
static const dev_weight *weight_of(struct transformer *m, const struct linear_info *linear)
{
	if (linear->kind == LINEAR_LM_HEAD) {
		device_weights_load_table(&m->weights, &m->weights.tensors->lm_head);
		return m->weights.table;
	}
	device_weights_load_layer(&m->weights, linear->layer);
	return m->weights.layer.linear[linear->kind];
}

/* Where the batches of a pack have their rows. */
static void point_batches(const struct work *w, size_t pack, const struct linear_info *linear)
{
	const struct frame *frame = &w->pass.frames[pack];
	const struct linear_slots *slots = &linear_slots[linear->kind];
	size_t row = 0;
	for (size_t b = w->packs.first[pack]; b < w->packs.first[pack + 1]; row += w->rows[b++]) {
		w->x[b] = f32_at(frame->at[slots->x], row * linear->in);
		if (w->direction == BACKWARD) {
			w->y[b] = f32_at(frame->at[slots->y], row * linear->out);
			w->dy[b] = f32_at(frame->at[slots->dy], row * linear->out);
		}
	}
}

static int visit_linear(const struct work *w, size_t index)
{
	const struct room *r = &w->room;
	const struct linear_info *linear = &w->model->linears[index];
	size_t first = w->packs.first[r->first];
	for (size_t p = 0; p < r->count; p++)
		point_batches(w, r->first + p, linear);
	for (size_t p = 0; p <= r->count; p++)
		w->pack[p] = w->packs.first[r->first + p] - first;
	struct linear_site site = {
		.linear = linear,
		.index = index,
		.W = weight_of(w->model, linear),
		.first = first,
		.count = w->pack[r->count],
		.pack = w->pack,
		.packs = r->count,
		.rows = w->rows + first,
		.x = w->x + first,
		.y = w->direction == BACKWARD ? w->y + first : NULL,
		.dy = w->direction == BACKWARD ? w->dy + first : NULL,
	};
	return w->visit(w->context, &site);
}

static int visit_layer(const struct work *w)
{
	for (size_t kind = 0; kind < LINEARS_PER_LAYER; kind++)
		if (visit_linear(w, LINEARS_PER_LAYER * w->layer + kind))
			return -1;
	return 0;
}

/* ---- Layers ---- */

static int embed_piece(void *context, size_t b, size_t worker)
{
	const struct work *w = context;
	const struct pass *p = &w->pass;
	(void)worker;
	p->ops->embed(pass_stream(p, b, 0), w->model->weights.table, p->tokens[b].ids, p->rows[b], p->config->hidden_size);
	return 0;
}

/* On the way down the gradient of the stream at a level takes the memory of the level above it, which by then has had
 * its last use. */
static int layer_piece(void *context, size_t index, size_t worker)
{
	struct work *w = context;
	struct pass *p = &w->pass;
	size_t b = w->room.first + index;
	struct frame *frame = &p->frames[b];
	struct layer layer = {
		.ops = p->ops,
		.config = p->config,
		.weights = &w->model->weights.layer,
		.position = p->tokens[b].position,
		.packing = {p->batches[b].start, p->batches[b].sequences},
		.tokens = p->rows[b],
	};
	dev_f32 *x = pass_stream(p, b, w->layer), *above = pass_stream(p, b, w->layer + 1);
	room_scratch(&w->room, b, worker);
	layer_forward(&layer, frame, w->downward ? NULL : above, x);
	if (!w->downward)
		return 0;
	frame->at[SLOT_D_DOWN] = pass_stream(p, b, w->layer + 2);
	layer_backward(&layer, frame, w->layer ? above : NULL, x);
	return 0;
}

/* All batches through one layer, run by run. */
static int run_layer(struct work *w, size_t layer, int shown)
{
	device_weights_load_layer(&w->model->weights, layer);
	w->layer = layer;
	for (size_t b = 0; b < w->pass.count; b += w->room.count) {
		room_begin(&w->room, b);
		if (w->pass.ops->for_each(w->room.count, layer_piece, w) || (shown && visit_layer(w)))
			return -1;
	}
	return 0;
}

/* Embeddings, then the layers. Unless they are shown, nothing is kept but the streams. */
static int run_up(struct work *w, int shown)
{
	int status;
	device_weights_load_table(&w->model->weights, &w->model->weights.tensors->embed);
	room_open(&w->room, &w->pass, shown ? layer_input_slots() : 0, layer_forward_slots, all_batches);
	status = w->pass.ops->for_each(w->pass.count, embed_piece, w);
	for (size_t layer = 0; layer < w->pass.config->layers && !status; layer++) {
		progress_step("layer", layer, w->pass.config->layers);
		status = run_layer(w, layer, shown);
	}
	room_close(&w->room);
	return status;
}

static int run_down(struct work *w)
{
	int status = 0;
	room_open(&w->room, &w->pass, layer_visible_slots(), layer_backward_slots, w->model->layer_run_bytes);
	w->downward = 1;
	for (size_t layer = w->pass.config->layers; layer-- > 0 && !status;) {
		progress_step("backward layer", w->pass.config->layers - 1 - layer, w->pass.config->layers);
		status = run_layer(w, layer, 1);
	}
	room_close(&w->room);
	return status;
}

/* ---- lm_head ---- */

static void final_norm(const struct work *w, size_t b)
{
	const struct pass *p = &w->pass;
	const struct lm_config *c = p->config;
	p->ops->rmsnorm(p->frames[b].at[SLOT_F], pass_stream(p, b, c->layers), w->model->weights.final_norm,
		c->rms_norm_eps, p->rows[b], c->hidden_size);
	ops_serve(p->ops, p->frames[b].at[SLOT_F], p->rows[b] * c->hidden_size);
}

static void logits(const struct work *w, size_t b)
{
	const struct pass *p = &w->pass;
	const struct frame *f = &p->frames[b];
	final_norm(w, b);
	p->ops->linear(f->at[SLOT_LOGITS], f->at[SLOT_F], w->model->weights.table, p->rows[b], p->config->hidden_size,
		p->config->vocab_size, 0);
	ops_serve(p->ops, f->at[SLOT_LOGITS], p->rows[b] * p->config->vocab_size);
}

static int norm_piece(void *context, size_t index, size_t worker)
{
	const struct work *w = context;
	(void)worker;
	final_norm(w, w->room.first + index);
	return 0;
}

/* Logits, losses and gradient of a pack, down to the stream behind the last layer. */
static int loss_piece(void *context, size_t index, size_t worker)
{
	struct work *w = context;
	struct pass *p = &w->pass;
	const struct lm_config *c = p->config;
	size_t b = w->room.first + index, T = p->rows[b];
	struct frame *f = &p->frames[b];
	room_scratch(&w->room, b, worker);
	logits(w, b);
	p->ops->cross_entropy(f->at[SLOT_D_LOGITS], f64_at(w->token_loss, w->token[b]), f->at[SLOT_LOGITS],
		p->tokens[b].label, f64_at_const(w->scale, w->token[b]), T, c->vocab_size);
	p->ops->linear_backward(f->at[SLOT_D_NORM], f->at[SLOT_D_LOGITS], w->model->weights.table, T, c->hidden_size,
		c->vocab_size, 0);
	p->ops->rmsnorm_backward(pass_stream(p, b, c->layers + 1), f->at[SLOT_D_NORM], pass_stream(p, b, c->layers),
		w->model->weights.final_norm, c->rms_norm_eps, T, c->hidden_size, 0);
	return 0;
}

static int run_head(struct work *w)
{
	const struct transformer *m = w->model;
	int back = w->direction == BACKWARD, status = 0;
	unsigned visible = SLOT_BIT(SLOT_F);
	if (back)
		visible |= SLOT_BIT(SLOT_LOGITS) | SLOT_BIT(SLOT_D_LOGITS);
	device_weights_load_table(&w->model->weights, &m->weights.tensors->lm_head);
	room_open(&w->room, &w->pass, visible, back ? visible | SLOT_BIT(SLOT_D_NORM) : visible,
		back ? m->head_run_bytes : all_batches);
	for (size_t b = 0; b < w->pass.count && !status; b += w->room.count) {
		room_begin(&w->room, b);
		status = m->ops->for_each(w->room.count, back ? loss_piece : norm_piece, w);
		if (!status)
			status = visit_linear(w, m->linear_count - 1);
	}
	room_close(&w->room);
	return status;
}

/* ---- Passes ---- */

static void work_open(struct work *w, struct transformer *m, const struct batch *batches, size_t count, size_t levels)
{
	*w = (struct work){.model = m, .batches = batches, .count = count};
	packs_init(&w->packs, batches, count, m->ops->pack_tokens);
	w->x = mem_array(3 * count, sizeof *w->x);
	w->y = w->x + count;
	w->dy = w->y + count;
	w->rows = mem_array(count, sizeof *w->rows);
	w->pack = mem_array(w->packs.count + 1, sizeof *w->pack);
	for (size_t b = 0; b < count; b++)
		w->rows[b] = batches[b].tokens;
	pass_open(&w->pass, m->ops, m->config, w->packs.pack, w->packs.count, levels);
}

static void work_close(struct work *w)
{
	pass_close(&w->pass);
	packs_release(&w->packs);
	free(w->x);
	free(w->rows);
	free(w->pack);
}

static double loss_scale(const struct batch *batch)
{
	size_t targets = batch_targets(batch);
	return targets ? 1.0 / (double)targets : 0;
}

/* What losses need besides: a pack has the gradient of the sum of its batches' losses. */
static void losses_open(struct work *w)
{
	size_t tokens = 0;
	for (size_t b = 0; b < w->count; b++)
		tokens += w->rows[b];
	double *scale = mem_array(tokens, sizeof *scale), *at = scale;
	for (size_t b = 0; b < w->count; b++)
		for (size_t t = 0; t < w->rows[b]; t++)
			*at++ = loss_scale(&w->batches[b]);
	w->token = mem_array(w->packs.count, sizeof *w->token);
	for (size_t p = 0, before = 0; p < w->packs.count; before += w->packs.pack[p++].tokens)
		w->token[p] = before;
	w->scale = w->model->ops->alloc(tokens * sizeof *scale);
	w->token_loss = w->model->ops->alloc(tokens * sizeof *scale);
	w->model->ops->upload(w->scale, scale, tokens * sizeof *scale);
	free(scale);
}

static void losses_close(struct work *w)
{
	w->model->ops->release(w->scale);
	w->model->ops->release(w->token_loss);
	free(w->token);
}

/* The mean of each batch, its tokens added up in order. */
static void losses_deliver(const struct work *w, double *loss)
{
	size_t tokens = 0;
	for (size_t b = 0; b < w->count; b++)
		tokens += w->rows[b];
	double *token_loss = mem_array(tokens, sizeof *token_loss), *at = token_loss;
	w->model->ops->download(token_loss, w->token_loss, tokens * sizeof *token_loss);
	for (size_t b = 0; b < w->count; b++) {
		double sum = 0;
		for (size_t t = 0; t < w->rows[b]; t++)
			sum += *at++;
		loss[b] = loss_scale(&w->batches[b]) * sum;
	}
	free(token_loss);
}

int transformer_weights(struct transformer *m, linear_visitor *visit, void *context)
{
	for (size_t i = 0; i < m->linear_count; i++) {
		struct linear_site site = {.linear = &m->linears[i], .index = i, .W = weight_of(m, &m->linears[i])};
		progress_step("linear", i, m->linear_count);
		if (visit(context, &site))
			return -1;
	}
	return m->ops->sync();
}

int transformer_forward(struct transformer *m, const struct batch *batches, size_t count, linear_visitor *visit,
	void *context)
{
	struct work w;
	int status = 0;
	if (!count)
		return 0;
	work_open(&w, m, batches, count, 2);
	w.visit = visit;
	w.context = context;
	if (run_up(&w, 1) || run_head(&w) || m->ops->sync())
		status = -1;
	work_close(&w);
	return status;
}

int transformer_backward(struct transformer *m, const struct batch *batches, size_t count, double *loss,
	linear_visitor *visit, void *context)
{
	struct work w;
	int status = 0;
	if (!count)
		return 0;
	/* The input of each layer, that of the final norm, and the gradient of the latter. */
	work_open(&w, m, batches, count, m->config->layers + 2);
	losses_open(&w);
	w.direction = BACKWARD;
	w.visit = visit;
	w.context = context;
	if (run_up(&w, 0) || run_head(&w) || run_down(&w) || m->ops->sync())
		status = -1;
	if (loss && !status) {
		losses_deliver(&w, loss);
		status = m->ops->sync();
	}
	losses_close(&w);
	work_close(&w);
	return status;
}

int transformer_logits(struct transformer *m, const struct batch *batch, float *to)
{
	struct work w;
	int status;
	work_open(&w, m, batch, 1, 2);
	status = run_up(&w, 0);
	if (!status) {
		device_weights_load_table(&m->weights, &m->weights.tensors->lm_head);
		room_open(&w.room, &w.pass, SLOT_BIT(SLOT_F) | SLOT_BIT(SLOT_LOGITS), 0, all_batches);
		room_begin(&w.room, 0);
		logits(&w, 0);
		m->ops->download(to, w.pass.frames[0].at[SLOT_LOGITS], batch->tokens * m->config->vocab_size * sizeof *to);
		room_close(&w.room);
		status = m->ops->sync();
	}
	work_close(&w);
	return status;
}
