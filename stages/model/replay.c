#include "model/replay.h"

#include <assert.h>

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

void replay_frame_place(struct replay_frame *f, const struct lm_config *c, size_t tokens, struct carve *carve)
{
	size_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim, H = c->hidden_size, I = c->intermediate_size;
	size_t widest = larger(H, larger(q, I));
	struct {
		dev_f64 **to;
		size_t width;
	} wide[] = {
		{&f->norm, H}, {&f->q, q}, {&f->k, kv}, {&f->v, kv}, {&f->attention, q}, {&f->gate, I}, {&f->act, I},
		{&f->quantized, widest},
	};
	for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
		*wide[i].to = carve_take(carve, tokens * wide[i].width * sizeof(double));
	f->narrow = carve_take(carve, tokens * widest * sizeof(float));
	f->narrow_quantized = carve_take(carve, tokens * widest * sizeof(float));
}

const dev_f64 *replay_quantize(const struct ops *ops, const struct replay_frame *f, const dev_f64 *x, size_t rows,
	size_t cols, struct quantizer quantizer, float amax)
{
	if (quantizer.element == ELEMENT_NONE)
		return x;
	ops->f64->narrow(f->narrow, x, rows * cols);
	ops->quantize(f->narrow_quantized, f->narrow, rows, cols, quantizer, amax, 0);
	ops->f64->widen(f->quantized, f->narrow_quantized, rows * cols);
	return f->quantized;
}

size_t replay_head_rows(const struct lm_config *c, size_t T)
{
	const size_t elements = (size_t)1 << 23;
	size_t most = larger(elements / c->vocab_size, 1);
	size_t parts = (T + most - 1) / most;
	return (T + parts - 1) / parts;
}

/* The linears of a step that read one input, and where their outputs go. */
struct reader {
	enum linear_kind kind;
	dev_f64 *y;
	size_t out;
	double beta;
};

/* Whether the change has one form of the input for two linears. */
static int same_input(const struct replay_change *change, enum linear_kind a, enum linear_kind b)
{
	return quantizer_equal(change->pair[a].activation, change->pair[b].activation) &&
		(!change->amax || change->amax[a] == change->amax[b]);
}

/* The input is quantized once for all readers unless their quantizers or maxima differ. */
static void apply(const struct replay *r, const struct replay_frame *f, const struct replay_change *change,
	const dev_f64 *x, size_t in, const struct reader *readers, size_t count)
{
	const dev_f64 *input = x;
	for (size_t i = 0; i < count; i++) {
		const struct reader *to = &readers[i];
		if (change && (i == 0 || !same_input(change, to->kind, readers[i - 1].kind)))
			input = replay_quantize(r->ops, f, x, r->tokens, in, change->pair[to->kind].activation,
				change->amax ? change->amax[to->kind] : 0);
		r->ops->f64->linear(to->y, input, change ? change->W[to->kind] : r->W[to->kind], r->tokens, in, to->out,
			to->beta);
	}
}

static void step_qkv(const struct replay *r, const struct replay_frame *f, const dev_f64 *x,
	const struct replay_change *change)
{
	const struct lm_config *c = r->config;
	const struct ops_f64 *ops = r->ops->f64;
	size_t T = r->tokens, hd = c->head_dim, nh = c->heads, nk = c->kv_heads, H = c->hidden_size;
	const struct reader readers[] = {
		{LINEAR_Q, f->q, nh * hd, 0}, {LINEAR_K, f->k, nk * hd, 0}, {LINEAR_V, f->v, nk * hd, 0},
	};
	ops->rmsnorm(f->norm, x, r->norms->input_norm, c->rms_norm_eps, T, H);
	apply(r, f, change, f->norm, H, readers, 3);
	ops->rmsnorm(f->q, f->q, r->norms->q_norm, c->rms_norm_eps, T * nh, hd);
	ops->rmsnorm(f->k, f->k, r->norms->k_norm, c->rms_norm_eps, T * nk, hd);
	ops->rope(f->q, r->position, c->rope_theta, T, nh, hd);
	ops->rope(f->k, r->position, c->rope_theta, T, nk, hd);
	ops->attention(f->attention, f->q, f->k, f->v, r->packing, nh, nk, hd);
}

static void step_mlp(const struct replay *r, const struct replay_frame *f, const dev_f64 *x,
	const struct replay_change *change)
{
	const struct lm_config *c = r->config;
	size_t T = r->tokens, H = c->hidden_size, I = c->intermediate_size;
	const struct reader readers[] = {{LINEAR_GATE, f->gate, I, 0}, {LINEAR_UP, f->act, I, 0}};
	r->ops->f64->rmsnorm(f->norm, x, r->norms->post_norm, c->rms_norm_eps, T, H);
	apply(r, f, change, f->norm, H, readers, 2);
	r->ops->f64->swiglu(f->act, f->gate, f->act, T * I);
}

void replay_run(const struct replay *r, const struct replay_frame *f, dev_f64 *x, enum replay_step first,
	enum replay_step end, const struct replay_change *change)
{
	const struct lm_config *c = r->config;
	const struct reader o = {LINEAR_O, x, c->hidden_size, 1}, down = {LINEAR_DOWN, x, c->hidden_size, 1};
	for (enum replay_step step = first; step < end; step++)
		switch (step) {
		case REPLAY_QKV:
			step_qkv(r, f, x, change);
			break;
		case REPLAY_O:
			apply(r, f, change, f->attention, c->heads * c->head_dim, &o, 1);
			break;
		case REPLAY_MLP:
			step_mlp(r, f, x, change);
			break;
		case REPLAY_DOWN:
			apply(r, f, change, f->act, c->intermediate_size, &down, 1);
			break;
		case REPLAY_STEPS:
			assert(!"no step");
		}
}
