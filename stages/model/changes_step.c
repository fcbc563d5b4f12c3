#include <stdlib.h>

#include "common/memory.h"
#include "model/changes_state.h"

/* What the linears of a step read: rows of x belong to the unquantized model, those of d to the range. */
struct input {
	const dev_f32 *x;
	const dev_f32 *d;    /* NULL: nothing has changed */
	size_t in;
};

/* One of the linears, and where its output goes. */
struct reader {
	size_t linear;
	const dev_weight *W;
	dev_f32 *y;
	size_t out;
	float beta;
};

/* A range at work: its rows of the buffers. */
struct at_work {
	const struct changes *c;
	const struct range *range;
	const dev_i32 *base;
	dev_f32 *quantized, *difference;
};

static struct at_work work_of(const struct changes *c, const struct change_frame *f, const struct range *range)
{
	return (struct at_work){c, range, i32_at_const(c->row_base, range->row), f->quantized, f->difference};
}

/* ---- spans: neighbouring streams that a linear treats alike ---- */

struct treatment {
	const struct mix *mix;
	const struct mix_entry *entry;   /* NULL: nothing is changed */
};

typedef int treated_alike(struct treatment a, struct treatment b);

struct span {
	size_t first, end;       /* streams */
	size_t row, rows;        /* row within the range */
	struct treatment by;     /* of the first */
};

static int quantizes_input(const struct mix_entry *e)
{
	return e && e->activation.element != ELEMENT_NONE;
}

static size_t weight_of(const struct mix_entry *e)
{
	return e ? e->weight : 0;
}

static int same_change(struct treatment a, struct treatment b)
{
	return quantizes_input(a.entry) == quantizes_input(b.entry) && a.mix->exact == b.mix->exact;
}

static int same_weight(struct treatment a, struct treatment b)
{
	return weight_of(a.entry) == weight_of(b.entry);
}

static int same_input(struct treatment a, struct treatment b)
{
	const struct mix_entry *x = a.entry, *y = b.entry;
	return x == y || (x && y && quantizer_equal(x->activation, y->activation) && x->amax == y->amax);
}

static struct treatment treatment_of(const struct at_work *w, size_t stream, size_t linear)
{
	const struct mix *mix = w->c->streams[stream].mix;
	return (struct treatment){mix, mix_entry(mix, linear)};
}

static struct span span_at(const struct at_work *w, size_t first, size_t linear, treated_alike *alike)
{
	const struct range *r = w->range;
	const struct stream *streams = w->c->streams;
	struct span s = {.first = first, .end = first + 1, .by = treatment_of(w, first, linear)};
	while (s.end < r->end && alike(s.by, treatment_of(w, s.end, linear)))
		s.end++;
	size_t from = streams[first].row, to = streams[s.end - 1].row + streams[s.end - 1].rows;
	from = from > r->row ? from : r->row;
	to = to < r->row + r->rows ? to : r->row + r->rows;
	s.row = from - r->row;
	s.rows = to - from;
	return s;
}

/* ---- linears ---- */

static const dev_f32 *rows_at(const dev_f32 *matrix, size_t row, size_t width)
{
	return matrix ? f32_at_const(matrix, row * width) : NULL;
}

/* x^, and x^ - x where the input is quantized. */
static void prepare_span(const struct at_work *w, const struct input *input, const struct span *s)
{
	const struct ops *ops = w->c->ops;
	const dev_i32 *base = i32_at_const(w->base, s->row);
	size_t in = input->in, at = s->row * in;
	dev_f32 *quantized = f32_at(w->quantized, at), *difference = f32_at(w->difference, at);
	const dev_f32 *d = rows_at(input->d, s->row, in);
	if (!quantizes_input(s->by.entry)) {
		ops->change_apply(quantized, input->x, base, d, s->rows, in);
		return;
	}
	ops->change_apply(difference, input->x, base, d, s->rows, in);
	ops->quantize(quantized, difference, s->rows, in, s->by.entry->activation, s->by.entry->amax, 0);
	ops->change_from(difference, quantized, input->x, base, s->rows, in);
}

static void prepare(const struct at_work *w, const struct input *input, size_t linear)
{
	for (size_t s = w->range->first; s < w->range->end;) {
		struct span span = span_at(w, s, linear, same_input);
		if (span.by.entry)
			prepare_span(w, input, &span);
		s = span.end;
	}
}

/* (x^ - x) . W^T. A backend may round the factors of a change, which then is wrong by a thousandth of itself. That is
 * little beside a change; but an input that is quantized goes to the other side of a border of the grid for it, and a
 * mix of many linears with 4-bit inputs then has another divergence. */
static void product_of_change(const struct at_work *w, const struct input *input, const struct reader *to)
{
	const struct ops *ops = w->c->ops;
	for (size_t s = w->range->first; s < w->range->end;) {
		struct span span = span_at(w, s, to->linear, same_change);
		const dev_f32 *change = quantizes_input(span.by.entry) ? w->difference : input->d;
		dev_f32 *y = f32_at(to->y, span.row * to->out);
		if (change)
			(span.by.mix->exact ? ops->linear : ops->linear_change)(y, f32_at_const(change, span.row * input->in),
				to->W, span.rows, input->in, to->out, to->beta);
		else if (!to->beta)
			ops->change_from(y, NULL, NULL, NULL, span.rows, to->out);
		s = span.end;
	}
}

static const dev_weight *weight_change(const struct changes *c, size_t linear, size_t weight)
{
	return linear + 1 == c->plan.linear_count ? c->head_dW
		: c->dW[(weight - 1) * LINEARS_PER_LAYER + linear % LINEARS_PER_LAYER];
}

/* x^ . (W^ - W)^T */
static void product_of_weight(const struct at_work *w, const struct input *input, const struct reader *to)
{
	for (size_t s = w->range->first; s < w->range->end;) {
		struct span span = span_at(w, s, to->linear, same_weight);
		if (weight_of(span.by.entry))
			w->c->ops->linear(f32_at(to->y, span.row * to->out), f32_at_const(w->quantized, span.row * input->in),
				weight_change(w->c, to->linear, span.by.entry->weight), span.rows, input->in, to->out, 1);
		s = span.end;
	}
}

/* Whether all streams have one form of the input for two linears. */
static int inputs_agree(const struct at_work *w, size_t a, size_t b)
{
	for (size_t s = w->range->first; s < w->range->end; s++)
		if (!same_input(treatment_of(w, s, a), treatment_of(w, s, b)))
			return 0;
	return 1;
}

/* The linears that read one input: it is quantized once for all of them, unless they want it differently. */
static void apply(const struct at_work *w, const struct input *input, const struct reader *readers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || !inputs_agree(w, readers[i - 1].linear, readers[i].linear))
			prepare(w, input, readers[i].linear);
		product_of_change(w, input, &readers[i]);
		product_of_weight(w, input, &readers[i]);
	}
}

static struct reader reader_of(const struct changes *c, enum linear_kind kind, dev_f32 *y, float beta)
{
	size_t linear = LINEARS_PER_LAYER * c->layer + kind;
	return (struct reader){linear, c->weights.layer.linear[kind], y, c->plan.linears[linear].out, beta};
}

/* ---- steps ---- */

/* The frame's buffers from a row on. */
static struct change_frame frame_rows(const struct changes *c, const struct change_frame *f, size_t row)
{
	const struct lm_config *config = c->config;
	size_t q = config->heads * config->head_dim, kv = config->kv_heads * config->head_dim, H = config->hidden_size;
	size_t I = config->intermediate_size;
	return (struct change_frame){
		.norm = f32_at(f->norm, row * H),
		.q = f32_at(f->q, row * q),
		.k = f32_at(f->k, row * kv),
		.v = f32_at(f->v, row * kv),
		.attention = f32_at(f->attention, row * q),
		.gate = f32_at(f->gate, row * I),
		.act = f32_at(f->act, row * I),
		.quantized = f->quantized,
		.difference = f->difference,
	};
}

/* Where the rows of a range are cut into sequences: those of its streams, all of it whole. The caller frees start. */
static struct packing sequences_of(const struct changes *c, const struct range *r)
{
	size_t count = 0;
	for (size_t s = r->first; s < r->end; s++)
		count += c->plan.selection.batches[c->streams[s].batch].sequences;
	int32_t *start = mem_array(count + 1, sizeof *start), *to = start;
	for (size_t s = r->first; s < r->end; s++) {
		const struct batch *b = &c->plan.selection.batches[c->streams[s].batch];
		for (size_t i = 0; i < b->sequences; i++)
			*to++ = (int32_t)(c->streams[s].row - r->row) + b->start[i];
	}
	*to = (int32_t)r->rows;
	return (struct packing){start, count};
}

static void step_qkv(const struct at_work *w, const struct change_frame *f, const dev_f32 *d)
{
	const struct changes *c = w->c;
	const struct ops *ops = c->ops;
	const struct lm_config *config = c->config;
	const struct layer_weights *weights = &c->weights.layer;
	dev_f32 *const *base = c->base.at;
	size_t rows = w->range->rows, hd = config->head_dim, nh = config->heads, nk = config->kv_heads;
	size_t H = config->hidden_size;
	const dev_i32 *position = i32_at_const(c->row_position, w->range->row);
	const struct input input = {base[SLOT_N1], w->range->fresh ? NULL : f->norm, H};
	const struct reader readers[] = {
		reader_of(c, LINEAR_Q, f->q, 0), reader_of(c, LINEAR_K, f->k, 0), reader_of(c, LINEAR_V, f->v, 0),
	};
	if (input.d)
		ops->rmsnorm_change(f->norm, d, c->x[c->layer % 2], w->base, weights->input_norm, config->rms_norm_eps, rows, 1,
			H);
	apply(w, &input, readers, 3);
	ops->rmsnorm_change(f->q, f->q, base[SLOT_Q], w->base, weights->q_norm, config->rms_norm_eps, rows, nh, hd);
	ops->rmsnorm_change(f->k, f->k, base[SLOT_K], w->base, weights->k_norm, config->rms_norm_eps, rows, nk, hd);
	ops->rope(f->q, position, config->rope_theta, rows, nh, hd, 1);
	ops->rope(f->k, position, config->rope_theta, rows, nk, hd, 1);
	struct packing packing = sequences_of(c, w->range);
	ops->attention_change(f->attention, f->q, f->k, f->v, base[SLOT_Q_TURNED], base[SLOT_K_TURNED], base[SLOT_V],
		w->base, packing, nh, nk, hd);
	free((void *)(uintptr_t)packing.start);
}

static void step_mlp(const struct at_work *w, const struct change_frame *f, const dev_f32 *d)
{
	const struct changes *c = w->c;
	const struct lm_config *config = c->config;
	dev_f32 *const *base = c->base.at;
	size_t rows = w->range->rows;
	const struct input input = {base[SLOT_N2], w->range->fresh ? NULL : f->norm, config->hidden_size};
	const struct reader readers[] = {reader_of(c, LINEAR_GATE, f->gate, 0), reader_of(c, LINEAR_UP, f->act, 0)};
	if (input.d)
		c->ops->rmsnorm_change(f->norm, d, base[SLOT_MIDDLE], w->base, c->weights.layer.post_norm, config->rms_norm_eps,
			rows, 1, config->hidden_size);
	apply(w, &input, readers, 2);
	c->ops->swiglu_change(f->act, f->gate, f->act, base[SLOT_GATE], base[SLOT_UP], w->base, rows,
		config->intermediate_size);
}

/* o or down, whose output is added to the residual stream. */
static void step_output(const struct at_work *w, enum linear_kind kind, const dev_f32 *change, dev_f32 *d)
{
	const struct changes *c = w->c;
	const struct reader reader = reader_of(c, kind, d, 1);
	const struct input input = {c->base.at[linear_slots[kind].x], w->range->fresh ? NULL : change,
		c->plan.linears[reader.linear].in};
	apply(w, &input, &reader, 1);
}

void changes_step(const struct changes *c, const struct change_frame *frame, const struct range *range, size_t row,
	size_t step)
{
	const struct at_work w = work_of(c, frame, range);
	const struct change_frame f = frame_rows(c, frame, row);
	dev_f32 *d = f32_at(c->d, range->row * c->config->hidden_size);
	if (range->fresh)
		c->ops->change_from(d, NULL, NULL, NULL, range->rows, c->config->hidden_size);
	if (step == 0)
		step_qkv(&w, &f, d);
	else if (step == 1)
		step_output(&w, LINEAR_O, f.attention, d);
	else if (step == 2)
		step_mlp(&w, &f, d);
	else
		step_output(&w, LINEAR_DOWN, f.act, d);
}

void changes_head(const struct changes *c, const struct change_frame *frame, const struct range *range)
{
	const struct at_work w = work_of(c, frame, range);
	const struct lm_config *config = c->config;
	const struct input input = {c->base.at[SLOT_N1], range->fresh ? NULL : frame->norm, config->hidden_size};
	const struct reader reader = {c->plan.linear_count - 1, c->weights.table, frame->logits, config->vocab_size, 0};
	if (input.d)
		c->ops->rmsnorm_change(frame->norm, f32_at_const(c->d, range->row * config->hidden_size),
			c->x[config->layers % 2], w.base, c->weights.final_norm, config->rms_norm_eps, range->rows, 1,
			config->hidden_size);
	apply(&w, &input, &reader, 1);
}
