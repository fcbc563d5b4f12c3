#include "model/changes_state.h"

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Quantized weights of a kind of linear in the layer with most of them. */
static size_t forms_of(const struct changes *c, size_t kind)
{
	size_t most = 0;
	for (size_t i = kind; i + 1 < c->plan.linear_count; i += LINEARS_PER_LAYER)
		most = larger(most, c->plan.weights[i].count);
	return most;
}

static size_t longest(const struct changes *c)
{
	size_t T = 0;
	for (size_t b = 0; b < c->plan.selection.count; b++)
		T = larger(T, changes_tokens(c, b));
	return T;
}

/* Rows of streams on a batch. */
static size_t rows_on(const struct changes *c, size_t batch)
{
	size_t rows = 0;
	for (size_t m = 0; m < c->plan.mix_count; m++)
		if (changes_plan_wants(&c->plan, &c->plan.mixes[m], batch))
			rows += changes_tokens(c, batch);
	return rows;
}

/* Where rows do not depend on the rows beside them, a stack is four times as large as batches are put together: between
 * the products of a layer stand a dozen operations that each take less time than it takes to start them. What is one
 * product at lm_head is bounded by memory. */
void changes_size(struct changes *c)
{
	const size_t T = longest(c), V = c->config->vocab_size, packed = c->ops->pack_tokens;
	const size_t logits = packed ? (size_t)1 << 27 : (size_t)1 << 23;
	size_t tokens = 0, rows = 0;
	for (size_t b = 0; b < c->plan.selection.count; b++) {
		tokens += changes_tokens(c, b);
		rows += rows_on(c, b);
	}
	c->stack_rows = packed ? larger(T, smaller(4 * packed, rows)) : T;
	c->head_rows = smaller(larger(logits / V, 1), c->stack_rows);
	c->chunk_rows = smaller(4 * larger(logits / V, 1), tokens);
	for (size_t kind = 0; kind < LINEARS_PER_LAYER; kind++)
		c->forms = larger(c->forms, forms_of(c, kind));
}

static void place_frame(const struct changes *c, struct change_frame *f, struct carve *carve)
{
	const struct lm_config *config = c->config;
	size_t q = config->heads * config->head_dim, kv = config->kv_heads * config->head_dim, H = config->hidden_size;
	size_t I = config->intermediate_size, widest = larger(H, larger(q, I));
	struct {
		dev_f32 **to;
		size_t width;
	} buffers[] = {
		{&f->norm, H}, {&f->q, q}, {&f->k, kv}, {&f->v, kv}, {&f->attention, q}, {&f->gate, I}, {&f->act, I},
		{&f->quantized, widest}, {&f->difference, widest},
	};
	for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
		*buffers[i].to = carve_take(carve, c->stack_rows * buffers[i].width * sizeof(float));
	f->logits = carve_take(carve, c->head_rows * config->vocab_size * sizeof(float));
}

void changes_place_shared(struct changes *c, struct carve *carve)
{
	const size_t head = c->config->vocab_size * c->config->hidden_size;
	for (size_t kind = 0; kind < LINEARS_PER_LAYER; kind++) {
		const struct linear_info *l = &c->plan.linears[kind];
		for (size_t form = 0; form < forms_of(c, kind); form++)
			c->dW[form * LINEARS_PER_LAYER + kind] = carve_take(carve, l->out * l->in * c->ops->weight_bytes);
	}
	if (c->plan.weights[c->plan.linear_count - 1].count)
		c->head_dW = carve_take(carve, head * c->ops->weight_bytes);
	c->p = carve_take(carve, c->chunk_rows * c->config->vocab_size * sizeof(float));
	c->no_scale = carve_take(carve, c->head_rows * sizeof(double));
	for (size_t w = 0; w < c->ops->workers(); w++)
		place_frame(c, &c->frames[w], carve);
}

void changes_place_run(struct changes *c, struct carve *carve)
{
	const size_t tokens = c->run.tokens, rows = c->run.rows, H = c->config->hidden_size;
	dev_f32 *frame = carve_take(carve, frame_floats(c->config, layer_forward_slots, tokens) * sizeof(float));
	if (frame)
		frame_place(&c->base, c->config, layer_forward_slots, tokens, frame);
	for (size_t i = 0; i < 2; i++)
		c->x[i] = carve_take(carve, tokens * H * sizeof(float));
	c->ids = carve_take(carve, tokens * sizeof(int32_t));
	c->position = carve_take(carve, tokens * sizeof(int32_t));
	c->label = carve_take(carve, tokens * sizeof(int32_t));
	c->before = carve_take(carve, tokens * sizeof(double));
	c->d = carve_take(carve, rows * H * sizeof(float));
	c->row_base = carve_take(carve, rows * sizeof(int32_t));
	c->row_position = carve_take(carve, rows * sizeof(int32_t));
	c->row_label = carve_take(carve, rows * sizeof(int32_t));
	c->kl = carve_take(carve, rows * sizeof(double));
	c->loss = carve_take(carve, rows * sizeof(double));
}

static size_t run_bytes(const struct changes *c, const struct run *run)
{
	struct changes counted = *c;
	struct carve carve = {0};
	counted.run = *run;
	changes_place_run(&counted, &carve);
	return carve.used;
}

/* One batch, and as many mixes as fit. */
static struct run part_of_batch(const struct changes *c, size_t batch, size_t mix)
{
	struct run run = {.batch = batch, .batches = 1, .mix = mix, .tokens = changes_tokens(c, batch)};
	for (; mix < c->plan.mix_count; mix++, run.mixes++) {
		struct run more = run;
		if (!changes_plan_wants(&c->plan, &c->plan.mixes[mix], batch))
			continue;
		more.rows += run.tokens;
		if (run.rows && run_bytes(c, &more) > c->limit_bytes)
			break;
		run.rows = more.rows;
	}
	return run;
}

struct run changes_run_at(const struct changes *c, size_t batch, size_t mix)
{
	struct run run = {.batch = batch, .mixes = c->plan.mix_count};
	for (size_t b = batch; b < c->plan.selection.count && !mix; b++) {
		struct run more = run;
		more.batches++;
		more.tokens += changes_tokens(c, b);
		more.rows += rows_on(c, b);
		if (run_bytes(c, &more) > c->limit_bytes)
			break;
		run = more;
	}
	return run.batches ? run : part_of_batch(c, batch, mix);
}

int changes_run_next(const struct changes *c, const struct run *run, size_t *batch, size_t *mix)
{
	size_t end = run->mix + run->mixes;
	*batch = end < c->plan.mix_count ? run->batch : run->batch + run->batches;
	*mix = end < c->plan.mix_count ? end : 0;
	return *batch < c->plan.selection.count;
}

size_t changes_run_most(struct changes *c)
{
	struct run run = changes_run_at(c, 0, 0);
	size_t most = 0, batch, mix;
	do {
		most = larger(most, run_bytes(c, &run));
		if (!changes_run_next(c, &run, &batch, &mix))
			return most;
		run = changes_run_at(c, batch, mix);
	} while (1);
}
