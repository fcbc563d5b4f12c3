#include "model/changes_state.h"

/* ---- the unquantized model ---- */

/* Rows of a batch of so many tokens that go through lm_head at a time: equal parts that fit. Alone with its batch it is
 * always as many, since products of another shape may have other bits. */
static size_t part_rows(const struct changes *c, size_t T)
{
	size_t parts = (T + c->head_rows - 1) / c->head_rows;
	return (T + parts - 1) / parts;
}

static int final_norm_piece(void *context, size_t index, size_t worker)
{
	const struct changes *c = context;
	const struct lm_config *config = c->config;
	const struct batch *pack = &c->packs.pack[index];
	size_t at = changes_pack_row(c, index) * config->hidden_size;
	(void)worker;
	c->ops->rmsnorm(f32_at(c->base.at[SLOT_N1], at), f32_at(c->x[config->layers % 2], at), c->weights.final_norm,
		config->rms_norm_eps, pack->tokens, config->hidden_size);
	ops_serve(c->ops, f32_at(c->base.at[SLOT_N1], at), pack->tokens * config->hidden_size);
	return 0;
}

/* Probabilities and losses of some rows of the chunk. */
static int baseline_piece(void *context, size_t index, size_t worker)
{
	const struct changes *c = context;
	const struct range *r = &c->ranges[index];
	size_t H = c->config->hidden_size, V = c->config->vocab_size;
	dev_f32 *logits = c->frames[worker].logits;
	c->ops->linear(logits, f32_at(c->base.at[SLOT_N1], r->row * H), c->weights.table, r->rows, H, V, 0);
	ops_serve(c->ops, logits, r->rows * V);
	c->ops->softmax(f32_at(c->p, (r->row - c->chunk) * V), logits, r->rows, V);
	c->ops->cross_entropy(logits, f64_at(c->before, r->row), logits, i32_at_const(c->label, r->row), c->no_scale,
		r->rows, V);
	return 0;
}

/* The chunk that begins with a row, as whole parts of batches as fit, at least one, and its parts in ranges. */
static void chunk_begin(struct changes *c, size_t first)
{
	size_t row = 0;
	c->chunk = first;
	c->chunk_tokens = 0;
	c->range_count = 0;
	for (size_t b = c->run.batch; b < c->run.batch + c->run.batches; b++) {
		size_t T = changes_tokens(c, b), end = row + T, part = part_rows(c, T);
		for (; row < end; row += end - row < part ? end - row : part) {
			const struct range more = {.row = row, .rows = end - row < part ? end - row : part};
			if (row < first)
				continue;
			if (c->chunk_tokens + more.rows > c->chunk_rows)
				return;
			changes_range_add(c, &more, c->head_rows);
			c->chunk_tokens += more.rows;
		}
	}
}

/* ---- the streams ---- */

static size_t form_of(const struct changes *c, const struct stream *s)
{
	const struct mix_entry *e = mix_entry(s->mix, c->plan.linear_count - 1);
	return e ? e->weight : 0;
}

/* The rows of a stream that belong to the chunk, part by part. */
static void stream_parts(struct changes *c, size_t stream)
{
	const struct stream *s = &c->streams[stream];
	size_t part = part_rows(c, s->rows);
	for (size_t at = 0; at < s->rows; at += part) {
		size_t row = s->base + at;
		const struct range more = {
			.first = stream,
			.end = stream + 1,
			.row = s->row + at,
			.rows = s->rows - at < part ? s->rows - at : part,
			.fresh = s->mix->start + 1 == c->plan.groups,
		};
		if (row >= c->chunk && row < c->chunk + c->chunk_tokens)
			changes_range_add(c, &more, c->head_rows);
	}
}

/* The streams that have the form of lm_head at hand. */
static void stream_ranges(struct changes *c)
{
	c->range_count = 0;
	for (size_t s = 0; s < c->stream_count; s++)
		if (c->streams[s].mix->start < c->plan.groups && form_of(c, &c->streams[s]) == c->head_form)
			stream_parts(c, s);
}

static int stream_piece(void *context, size_t index, size_t worker)
{
	const struct changes *c = context;
	const struct range *r = &c->ranges[index];
	const struct change_frame *f = &c->frames[worker];
	changes_head(c, f, r);
	c->ops->divergence(f64_at(c->kl, r->row), f64_at(c->loss, r->row), c->p, f->logits,
		i32_at_const(c->row_base, r->row), c->chunk, i32_at_const(c->row_label, r->row), r->rows,
		c->config->vocab_size);
	return 0;
}

/* Some rows of W^ - W of lm_head. */
static int weight_piece(void *context, size_t index, size_t worker)
{
	const struct changes *c = context;
	const size_t linear = c->plan.linear_count - 1, H = c->config->hidden_size, V = c->config->vocab_size;
	const size_t step = c->ops->slice_rows, row = index * step;
	const struct weight_variant *v = &c->plan.weights[linear].at[c->head_form - 1];
	(void)worker;
	c->ops->quantize_weight(weight_at(c->ops, c->head_dW, row * H), weight_at_const(c->ops, c->weights.table, row * H),
		row, V - row < step ? V - row : step, H, v->quantizer, v->amax[0], 1);
	return 0;
}

static int run_form(struct changes *c)
{
	const size_t step = c->ops->slice_rows;
	stream_ranges(c);
	if (!c->range_count)
		return 0;
	if (c->head_form && c->ops->for_each((c->config->vocab_size + step - 1) / step, weight_piece, c))
		return -1;
	return c->ops->for_each(c->range_count, stream_piece, c);
}

int changes_run_head(struct changes *c)
{
	device_weights_load_table(&c->weights, &c->weights.tensors->lm_head);
	if (c->ops->for_each(c->packs.count, final_norm_piece, c))
		return -1;
	for (size_t row = 0; row < c->run.tokens; row += c->chunk_tokens) {
		chunk_begin(c, row);
		if (c->ops->for_each(c->range_count, baseline_piece, c))
			return -1;
		for (c->head_form = 0; c->head_form <= c->plan.weights[c->plan.linear_count - 1].count; c->head_form++)
			if (run_form(c))
				return -1;
	}
	return 0;
}
