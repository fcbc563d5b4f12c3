#include "model/transformer.h"

#include <assert.h>
#include <stdlib.h>

#include "common/memory.h"
#include "model/layer.h"
#include "model/lm_layout.h"

static const size_t layer_run_bytes = (size_t)2 << 30, head_run_bytes = (size_t)1 << 30;
static const size_t all_batches = (size_t)-1; /* bytes of a run */
static const size_t no_layer = (size_t)-1;

struct transformer {
	const struct ops *ops;
	const struct lm_config *config;
	const struct model_tensors *tensors;
	struct linear_info *linears;
	size_t linear_count;
	size_t layer_run_bytes, head_run_bytes;
	/* Weights on the device: one layer, one table [V, H] (embeddings or lm_head), the final norm [H]. */
	dev_weight *layer_memory;
	struct layer_weights layer;
	size_t loaded_layer;
	dev_weight *table;
	const void *loaded_table;   /* its bytes in the checkpoint */
	dev_weight *final_norm;
};

size_t batch_targets(const struct batch *batch)
{
	return batch->tokens - batch->sequences;
}

/* ---- Weights ---- */

static size_t linear_elements(const struct transformer *m, enum linear_kind kind)
{
	return m->linears[kind].in * m->linears[kind].out;
}

/* Points the weights of a layer into its memory; with base NULL only counts the elements. */
static size_t layer_weights_place(struct transformer *m, dev_weight *base)
{
	const struct lm_config *c = m->config;
	struct { dev_weight **to; size_t count; } pieces[] = {
		{&m->layer.input_norm, c->hidden_size}, {&m->layer.post_norm, c->hidden_size},
		{&m->layer.q_norm, c->head_dim}, {&m->layer.k_norm, c->head_dim},
	};
	size_t used = 0;
	for (int kind = 0; kind < LINEARS_PER_LAYER; kind++) {
		m->layer.linear[kind] = base ? weight_at(m->ops, base, used) : NULL;
		used += linear_elements(m, (enum linear_kind)kind);
	}
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		*pieces[i].to = base ? weight_at(m->ops, base, used) : NULL;
		used += pieces[i].count;
	}
	return used;
}

static void load(const struct transformer *m, dev_weight *to, const struct host_tensor *from, size_t count)
{
	assert(from->count == count);
	m->ops->weight_load(to, from->bytes, from->dtype, count);
}

static void load_layer(struct transformer *m, size_t layer)
{
	const struct layer_tensors *t = &m->tensors->layer[layer];
	const struct lm_config *c = m->config;
	if (m->loaded_layer == layer)
		return;
	for (int kind = 0; kind < LINEARS_PER_LAYER; kind++)
		load(m, m->layer.linear[kind], &t->linear[kind], linear_elements(m, (enum linear_kind)kind));
	load(m, m->layer.input_norm, &t->input_norm, c->hidden_size);
	load(m, m->layer.post_norm, &t->post_norm, c->hidden_size);
	load(m, m->layer.q_norm, &t->q_norm, c->head_dim);
	load(m, m->layer.k_norm, &t->k_norm, c->head_dim);
	m->loaded_layer = layer;
}

/* Tied weights are the same bytes, and stay. */
static void load_table(struct transformer *m, const struct host_tensor *tensor)
{
	if (m->loaded_table == tensor->bytes)
		return;
	load(m, m->table, tensor, m->config->vocab_size * m->config->hidden_size);
	m->loaded_table = tensor->bytes;
}

struct transformer *transformer_open(const struct ops *ops, const struct lm_config *config,
	const struct model_tensors *tensors)
{
	struct transformer *m = mem_zeroed(1, sizeof *m);
	assert(config->layers > 0);
	m->ops = ops;
	m->config = config;
	m->tensors = tensors;
	m->linear_count = linear_count(config);
	m->linears = mem_array(m->linear_count, sizeof *m->linears);
	linear_describe(m->linears, config);
	m->layer_run_bytes = layer_run_bytes;
	m->head_run_bytes = head_run_bytes;
	m->layer_memory = ops->alloc(layer_weights_place(m, NULL) * ops->weight_bytes);
	layer_weights_place(m, m->layer_memory);
	m->loaded_layer = no_layer;
	m->table = ops->alloc(config->vocab_size * config->hidden_size * ops->weight_bytes);
	m->final_norm = ops->alloc(config->hidden_size * ops->weight_bytes);
	load(m, m->final_norm, &tensors->final_norm, config->hidden_size);
	return m;
}

void transformer_close(struct transformer *m)
{
	if (!m)
		return;
	m->ops->release(m->layer_memory);
	m->ops->release(m->table);
	m->ops->release(m->final_norm);
	free(m->linears);
	free(m);
}

void transformer_limit_run(struct transformer *m, size_t bytes)
{
	m->layer_run_bytes = m->head_run_bytes = bytes;
}

/* ---- A pass: all batches, their token data and their residual streams ---- */

/* Token data of a batch on the device. */
struct tokens {
	dev_i32 *ids, *position, *label;
};

struct pass {
	struct transformer *model;
	const struct batch *batches;
	size_t count;
	size_t longest;          /* tokens of the largest batch */
	dev_i32 *token_memory;
	struct tokens *tokens;   /* [count] */
	size_t *offset;          /* [count + 1] floats before a batch in a level */
	dev_f32 *levels;         /* [level_count][offset[count]] */
	size_t level_count;
	double *loss;            /* [count] */
	/* What visitors get, by batch. */
	struct frame *frames;
	size_t *rows;
	dev_f32 **x, **y, **dy;
};

static void tokens_fill(int32_t *ids, int32_t *position, int32_t *label, const struct batch *b, size_t vocab)
{
	for (size_t s = 0; s < b->sequences; s++) {
		assert(b->start[s] >= 0 && b->start[s] < b->start[s + 1]);
		for (int32_t t = b->start[s]; t < b->start[s + 1]; t++) {
			assert(b->ids[t] >= 0 && (size_t)b->ids[t] < vocab);
			ids[t] = b->ids[t];
			position[t] = t - b->start[s];
			label[t] = t + 1 < b->start[s + 1] ? b->ids[t + 1] : -1;
		}
	}
}

static void pass_upload(struct pass *p, size_t total)
{
	const struct ops *ops = p->model->ops;
	int32_t *host = mem_array(3 * total, sizeof *host), *at = host;
	p->token_memory = ops->alloc(3 * total * sizeof *host);
	for (size_t b = 0; b < p->count; b++) {
		size_t T = p->batches[b].tokens;
		char *device = (char *)p->token_memory + (at - host) * (ptrdiff_t)sizeof *host;
		p->tokens[b].ids = (dev_i32 *)device;
		p->tokens[b].position = (dev_i32 *)(device + T * sizeof *host);
		p->tokens[b].label = (dev_i32 *)(device + 2 * T * sizeof *host);
		tokens_fill(at, at + T, at + 2 * T, &p->batches[b], p->model->config->vocab_size);
		at += 3 * T;
	}
	ops->upload(p->token_memory, host, 3 * total * sizeof *host);
	free(host);
}

/* Level 0 is filled with the embeddings. */
static int embed_piece(void *context, size_t b, size_t worker);

static int pass_open(struct pass *p, struct transformer *m, const struct batch *batches, size_t count, size_t levels)
{
	size_t total = 0;
	*p = (struct pass){.model = m, .batches = batches, .count = count, .level_count = levels};
	p->tokens = mem_array(count, sizeof *p->tokens);
	p->offset = mem_array(count + 1, sizeof *p->offset);
	p->loss = mem_zeroed(count, sizeof *p->loss);
	p->frames = mem_zeroed(count, sizeof *p->frames);
	p->rows = mem_array(count, sizeof *p->rows);
	p->x = mem_array(3 * count, sizeof *p->x);
	p->y = p->x + count;
	p->dy = p->y + count;
	p->offset[0] = 0;
	for (size_t b = 0; b < count; b++) {
		size_t T = batches[b].tokens;
		assert(batches[b].sequences > 0 && (size_t)batches[b].start[batches[b].sequences] == T);
		p->offset[b + 1] = p->offset[b] + frame_floats(m->config, SLOT_BIT(SLOT_MIDDLE), T);
		p->longest = T > p->longest ? T : p->longest;
		p->rows[b] = T;
		total += T;
	}
	pass_upload(p, total);
	p->levels = f32_alloc(m->ops, levels * p->offset[count]);
	load_table(m, &m->tensors->embed);
	return m->ops->for_each(count, embed_piece, p);
}

static void pass_close(struct pass *p)
{
	const struct ops *ops = p->model->ops;
	ops->release(p->token_memory);
	ops->release(p->levels);
	free(p->tokens);
	free(p->offset);
	free(p->loss);
	free(p->frames);
	free(p->rows);
	free(p->x);
}

/* The residual stream [tokens, H] of a batch in front of a layer; levels are used in turn. */
static dev_f32 *stream(const struct pass *p, size_t b, size_t level)
{
	return f32_at(p->levels, level % p->level_count * p->offset[p->count] + p->offset[b]);
}

static int embed_piece(void *context, size_t b, size_t worker)
{
	const struct pass *p = context;
	const struct transformer *m = p->model;
	(void)worker;
	m->ops->embed(stream(p, b, 0), m->table, p->tokens[b].ids, p->batches[b].tokens, m->config->hidden_size);
	return 0;
}

/* ---- Runs: batches whose visible buffers are in memory together ---- */

enum direction { FORWARD, BACKWARD };

/* Memory of one part of the model (layers, or lm_head) during one pass. */
struct room {
	struct pass *pass;
	unsigned visible, scratch;   /* slots kept for a run; slots a worker needs for a batch */
	size_t limit;                /* floats of a run, unless it is one batch */
	dev_f32 *run_memory, *scratch_memory;
	size_t scratch_floats;
	/* The run at hand. */
	size_t first, count;
	size_t layer;
	enum direction direction;
	int downward;                /* forward again on the way down: the output of the layer is known */
};

static size_t visible_floats(const struct room *r, size_t b)
{
	return frame_floats(r->pass->model->config, r->visible, r->pass->batches[b].tokens);
}

/* The end of the run that begins with a batch, and its floats. */
static size_t run_end(const struct room *r, size_t first, size_t *floats)
{
	size_t b = first + 1;
	*floats = visible_floats(r, first);
	for (; b < r->pass->count; b++) {
		size_t more = visible_floats(r, b);
		if (*floats + more > r->limit)
			break;
		*floats += more;
	}
	return b;
}

static void room_open(struct room *r, struct pass *p, unsigned visible, unsigned all, size_t limit_bytes)
{
	const struct transformer *m = p->model;
	size_t workers = m->ops->workers(), most = 0, floats;
	*r = (struct room){.pass = p, .visible = visible, .scratch = all & ~visible, .limit = limit_bytes / sizeof(float)};
	for (size_t b = 0; b < p->count; most = floats > most ? floats : most)
		b = run_end(r, b, &floats);
	r->scratch_floats = frame_floats(m->config, r->scratch, p->longest);
	workers = workers < p->count ? workers : p->count;
	r->run_memory = f32_alloc(m->ops, most);
	r->scratch_memory = f32_alloc(m->ops, workers * r->scratch_floats);
}

static void room_close(struct room *r)
{
	r->pass->model->ops->release(r->run_memory);
	r->pass->model->ops->release(r->scratch_memory);
}

/* Makes the run that begins with batch first the one at hand, and gives its batches their places. */
static void run_begin(struct room *r, size_t first)
{
	struct pass *p = r->pass;
	size_t floats, used = 0, end = run_end(r, first, &floats);
	r->first = first;
	r->count = end - first;
	for (size_t b = first; b < end; b++) {
		frame_place(&p->frames[b], p->model->config, r->visible, p->batches[b].tokens, f32_at(r->run_memory, used));
		used += visible_floats(r, b);
	}
}

static int visit_linear(const struct room *r, size_t index, const dev_weight *W, linear_visitor *visit, void *context)
{
	struct pass *p = r->pass;
	const struct linear_info *linear = &p->model->linears[index];
	const struct linear_slots *slots = &linear_slots[linear->kind];
	for (size_t b = r->first; b < r->first + r->count; b++) {
		p->x[b] = p->frames[b].at[slots->x];
		p->y[b] = p->frames[b].at[slots->y];
		p->dy[b] = p->frames[b].at[slots->dy];
	}
	struct linear_site site = {
		.linear = linear,
		.index = index,
		.W = W,
		.first = r->first,
		.count = r->count,
		.rows = p->rows + r->first,
		.x = p->x + r->first,
		.y = r->direction == BACKWARD ? p->y + r->first : NULL,
		.dy = r->direction == BACKWARD ? p->dy + r->first : NULL,
	};
	return visit(context, &site);
}

static int visit_layer(const struct room *r, linear_visitor *visit, void *context)
{
	for (size_t kind = 0; kind < LINEARS_PER_LAYER; kind++)
		if (visit_linear(r, LINEARS_PER_LAYER * r->layer + kind, r->pass->model->layer.linear[kind], visit, context))
			return -1;
	return 0;
}

/* ---- Layers ---- */

/* The gradient of stream(level) takes the memory of stream(level + 1), which by then has had its last use. */
static int layer_piece(void *context, size_t index, size_t worker)
{
	const struct room *r = context;
	struct pass *p = r->pass;
	const struct transformer *m = p->model;
	size_t b = r->first + index;
	const struct batch *batch = &p->batches[b];
	struct frame *frame = &p->frames[b];
	struct layer layer = {
		.ops = m->ops,
		.config = m->config,
		.weights = &m->layer,
		.position = p->tokens[b].position,
		.packing = {batch->start, batch->sequences},
		.tokens = batch->tokens,
	};
	frame_place(frame, m->config, r->scratch, batch->tokens, f32_at(r->scratch_memory, worker * r->scratch_floats));
	layer_forward(&layer, frame, r->downward ? NULL : stream(p, b, r->layer + 1), stream(p, b, r->layer));
	if (r->direction == FORWARD)
		return 0;
	frame->at[SLOT_D_DOWN] = stream(p, b, r->layer + 2);
	layer_backward(&layer, frame, r->layer ? stream(p, b, r->layer + 1) : NULL, stream(p, b, r->layer));
	return 0;
}

/* All batches through one layer, run by run; visit may be NULL. */
static int run_layer(struct room *r, size_t layer, linear_visitor *visit, void *context)
{
	struct pass *p = r->pass;
	const struct ops *ops = p->model->ops;
	load_layer(p->model, layer);
	r->layer = layer;
	for (size_t b = 0; b < p->count; b += r->count) {
		run_begin(r, b);
		if (ops->for_each(r->count, layer_piece, r) || (visit && visit_layer(r, visit, context)))
			return -1;
	}
	return 0;
}

/* The way up, layer by layer. Without a visitor nothing of a layer is kept but its output. */
static int run_up(struct pass *p, linear_visitor *visit, void *context)
{
	struct room r;
	int status = 0;
	room_open(&r, p, visit ? layer_input_slots() : 0, layer_forward_slots, all_batches);
	r.direction = FORWARD;
	for (size_t layer = 0; layer < p->model->config->layers && !status; layer++)
		status = run_layer(&r, layer, visit, context);
	room_close(&r);
	return status;
}

static int run_down(struct pass *p, linear_visitor *visit, void *context)
{
	struct room r;
	int status = 0;
	room_open(&r, p, layer_visible_slots(), layer_backward_slots, p->model->layer_run_bytes);
	r.direction = BACKWARD;
	r.downward = 1;
	for (size_t layer = p->model->config->layers; layer-- > 0 && !status;)
		status = run_layer(&r, layer, visit, context);
	room_close(&r);
	return status;
}

/* ---- lm_head ---- */

static void final_norm(const struct pass *p, size_t b)
{
	const struct transformer *m = p->model;
	m->ops->rmsnorm(p->frames[b].at[SLOT_F], stream(p, b, m->config->layers), m->final_norm, m->config->rms_norm_eps,
		p->batches[b].tokens, m->config->hidden_size);
}

static int norm_piece(void *context, size_t index, size_t worker)
{
	const struct room *r = context;
	(void)worker;
	final_norm(r->pass, r->first + index);
	return 0;
}

/* Logits, loss and gradient of a batch, down to the stream behind the last layer. */
static int loss_piece(void *context, size_t index, size_t worker)
{
	const struct room *r = context;
	struct pass *p = r->pass;
	const struct transformer *m = p->model;
	const struct lm_config *c = m->config;
	size_t b = r->first + index, T = p->batches[b].tokens, targets = batch_targets(&p->batches[b]);
	double scale = targets ? 1.0 / (double)targets : 0;
	struct frame *f = &p->frames[b];
	frame_place(f, c, r->scratch, T, f32_at(r->scratch_memory, worker * r->scratch_floats));
	final_norm(p, b);
	m->ops->linear(f->at[SLOT_LOGITS], f->at[SLOT_F], m->table, T, c->hidden_size, c->vocab_size, 0);
	p->loss[b] = scale * m->ops->cross_entropy(f->at[SLOT_D_LOGITS], f->at[SLOT_LOGITS], p->tokens[b].label, scale, T,
		c->vocab_size);
	m->ops->linear_backward(f->at[SLOT_D_NORM], f->at[SLOT_D_LOGITS], m->table, T, c->hidden_size, c->vocab_size, 0);
	m->ops->rmsnorm_backward(stream(p, b, c->layers + 1), f->at[SLOT_D_NORM], stream(p, b, c->layers), m->final_norm,
		c->rms_norm_eps, T, c->hidden_size, 0);
	return 0;
}

static int run_head(struct pass *p, enum direction direction, linear_visitor *visit, void *context)
{
	struct transformer *m = p->model;
	unsigned visible = SLOT_BIT(SLOT_F), all = visible;
	struct room r;
	int status = 0;
	if (direction == BACKWARD) {
		visible |= SLOT_BIT(SLOT_LOGITS) | SLOT_BIT(SLOT_D_LOGITS);
		all = visible | SLOT_BIT(SLOT_D_NORM);
	}
	load_table(m, &m->tensors->lm_head);
	room_open(&r, p, visible, all, direction == BACKWARD ? m->head_run_bytes : all_batches);
	r.direction = direction;
	for (size_t b = 0; b < p->count && !status; b += r.count) {
		run_begin(&r, b);
		status = m->ops->for_each(r.count, direction == BACKWARD ? loss_piece : norm_piece, &r);
		if (!status)
			status = visit_linear(&r, m->linear_count - 1, m->table, visit, context);
	}
	room_close(&r);
	return status;
}

/* ---- Passes ---- */

int transformer_weights(struct transformer *m, linear_visitor *visit, void *context)
{
	for (size_t i = 0; i < m->linear_count; i++) {
		struct linear_site site = {.linear = &m->linears[i], .index = i};
		if (m->linears[i].kind == LINEAR_LM_HEAD) {
			load_table(m, &m->tensors->lm_head);
			site.W = m->table;
		} else {
			load_layer(m, m->linears[i].layer);
			site.W = m->layer.linear[m->linears[i].kind];
		}
		if (visit(context, &site))
			return -1;
	}
	return m->ops->sync();
}

int transformer_forward(struct transformer *m, const struct batch *batches, size_t count, linear_visitor *visit,
	void *context)
{
	struct pass p;
	int status = 0;
	if (!count)
		return 0;
	if (pass_open(&p, m, batches, count, 2) || run_up(&p, visit, context) || run_head(&p, FORWARD, visit, context) ||
		m->ops->sync())
		status = -1;
	pass_close(&p);
	return status;
}

int transformer_backward(struct transformer *m, const struct batch *batches, size_t count, double *loss,
	linear_visitor *visit, void *context)
{
	struct pass p;
	int status = 0;
	if (!count)
		return 0;
	/* The input of each layer, that of the final norm, and the gradient of the latter. */
	if (pass_open(&p, m, batches, count, m->config->layers + 2) || run_up(&p, NULL, NULL) ||
		run_head(&p, BACKWARD, visit, context) || run_down(&p, visit, context) || m->ops->sync())
		status = -1;
	for (size_t b = 0; loss && !status && b < count; b++)
		loss[b] = p.loss[b];
	pass_close(&p);
	return status;
}

int transformer_logits(struct transformer *m, const struct batch *batch, float *logits)
{
	size_t elements = batch->tokens * m->config->vocab_size;
	struct pass p;
	int status = 0;
	if (pass_open(&p, m, batch, 1, 2) || run_up(&p, NULL, NULL))
		status = -1;
	if (!status) {
		dev_f32 *memory = f32_alloc(m->ops, frame_floats(m->config, SLOT_BIT(SLOT_F) | SLOT_BIT(SLOT_LOGITS), batch->tokens));
		frame_place(&p.frames[0], m->config, SLOT_BIT(SLOT_F) | SLOT_BIT(SLOT_LOGITS), batch->tokens, memory);
		load_table(m, &m->tensors->lm_head);
		final_norm(&p, 0);
		m->ops->linear(p.frames[0].at[SLOT_LOGITS], p.frames[0].at[SLOT_F], m->table, batch->tokens,
			m->config->hidden_size, m->config->vocab_size, 0);
		m->ops->download(logits, p.frames[0].at[SLOT_LOGITS], elements * sizeof *logits);
		m->ops->release(memory);
		status = m->ops->sync();
	}
	pass_close(&p);
	return status;
}
