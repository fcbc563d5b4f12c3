#include "model/layer.h"

#include <assert.h>

/* Buffers begin at a multiple of this many floats: a cache line. */
enum { FLOATS_ALIGNED = 16 };

const unsigned layer_forward_slots = SLOT_BIT(SLOT_D_DOWN) - 1;
const unsigned layer_backward_slots = (SLOT_BIT(SLOT_F) - 1) & ~SLOT_BIT(SLOT_D_DOWN);

const struct linear_slots linear_slots[LINEARS_PER_LAYER + 1] = {
	[LINEAR_Q] = {SLOT_N1, SLOT_Q, SLOT_D_Q},
	[LINEAR_K] = {SLOT_N1, SLOT_K, SLOT_D_K},
	[LINEAR_V] = {SLOT_N1, SLOT_V, SLOT_D_V},
	[LINEAR_O] = {SLOT_ATTENTION, SLOT_O, SLOT_D_O},
	[LINEAR_GATE] = {SLOT_N2, SLOT_GATE, SLOT_D_GATE},
	[LINEAR_UP] = {SLOT_N2, SLOT_UP, SLOT_D_UP},
	[LINEAR_DOWN] = {SLOT_ACT, SLOT_DOWN, SLOT_D_DOWN},
	[LINEAR_LM_HEAD] = {SLOT_F, SLOT_LOGITS, SLOT_D_LOGITS},
};

unsigned layer_input_slots(void)
{
	unsigned set = 0;
	for (int kind = 0; kind < LINEARS_PER_LAYER; kind++)
		set |= SLOT_BIT(linear_slots[kind].x);
	return set;
}

unsigned layer_visible_slots(void)
{
	unsigned set = layer_input_slots();
	for (int kind = 0; kind < LINEARS_PER_LAYER; kind++)
		set |= SLOT_BIT(linear_slots[kind].y) | SLOT_BIT(linear_slots[kind].dy);
	return set & ~SLOT_BIT(SLOT_D_DOWN);
}

static size_t slot_width(const struct lm_config *c, enum slot slot)
{
	switch (slot) {
	case SLOT_Q: case SLOT_Q_TURNED: case SLOT_ATTENTION: case SLOT_D_ATTENTION: case SLOT_D_Q_TURNED: case SLOT_D_Q:
		return c->heads * c->head_dim;
	case SLOT_K: case SLOT_V: case SLOT_K_TURNED: case SLOT_D_K_TURNED: case SLOT_D_K: case SLOT_D_V:
		return c->kv_heads * c->head_dim;
	case SLOT_LSE:
		return c->heads;
	case SLOT_GATE: case SLOT_UP: case SLOT_ACT: case SLOT_D_ACT: case SLOT_D_GATE: case SLOT_D_UP:
		return c->intermediate_size;
	case SLOT_N1: case SLOT_O: case SLOT_MIDDLE: case SLOT_N2: case SLOT_DOWN: case SLOT_D_DOWN: case SLOT_D_NORM:
	case SLOT_D_O: case SLOT_F:
		return c->hidden_size;
	case SLOT_LOGITS: case SLOT_D_LOGITS:
		return c->vocab_size;
	case SLOT_NONE:
		break;
	}
	assert(!"no such slot");
	return 0;
}

static size_t slot_floats(const struct lm_config *config, enum slot slot, size_t tokens)
{
	return (slot_width(config, slot) * tokens + FLOATS_ALIGNED - 1) / FLOATS_ALIGNED * FLOATS_ALIGNED;
}

size_t frame_floats(const struct lm_config *config, unsigned set, size_t tokens)
{
	size_t floats = 0;
	for (int slot = 0; slot < SLOT_NONE; slot++)
		if (set & SLOT_BIT(slot))
			floats += slot_floats(config, (enum slot)slot, tokens);
	return floats;
}

void frame_place(struct frame *frame, const struct lm_config *config, unsigned set, size_t tokens, dev_f32 *base)
{
	for (int slot = 0; slot < SLOT_NONE; slot++)
		if (set & SLOT_BIT(slot)) {
			frame->at[slot] = base;
			base = f32_at(base, slot_floats(config, (enum slot)slot, tokens));
		}
}

struct frame frame_from(const struct frame *frame, const struct lm_config *config, unsigned set, size_t row)
{
	struct frame rest = {{0}};
	for (int slot = 0; slot < SLOT_NONE; slot++)
		if (set & SLOT_BIT(slot))
			rest.at[slot] = f32_at(frame->at[slot], row * slot_width(config, (enum slot)slot));
	return rest;
}

/* What is in a slot, as the model is served. */
static void served(const struct layer *l, const struct frame *f, enum slot slot)
{
	ops_serve(l->ops, f->at[slot], slot_width(l->config, slot) * l->tokens);
}

/* One of the layer's seven linears and its backward, from slot to slot. */
static void apply(const struct layer *l, const struct frame *f, enum linear_kind kind)
{
	const struct linear_slots *s = &linear_slots[kind];
	l->ops->linear(f->at[s->y], f->at[s->x], l->weights->linear[kind], l->tokens, slot_width(l->config, s->x),
		slot_width(l->config, s->y), 0);
	served(l, f, s->y);
}

static void apply_backward(const struct layer *l, const struct frame *f, enum slot dx, enum linear_kind kind,
	float beta)
{
	const struct linear_slots *s = &linear_slots[kind];
	l->ops->linear_backward(f->at[dx], f->at[s->dy], l->weights->linear[kind], l->tokens, slot_width(l->config, s->x),
		slot_width(l->config, s->y), beta);
}

static void attention_forward(const struct layer *l, const struct frame *f)
{
	const struct ops *ops = l->ops;
	const struct lm_config *c = l->config;
	size_t T = l->tokens, hd = c->head_dim;
	ops->rmsnorm(f->at[SLOT_Q_TURNED], f->at[SLOT_Q], l->weights->q_norm, c->rms_norm_eps, T * c->heads, hd);
	ops->rmsnorm(f->at[SLOT_K_TURNED], f->at[SLOT_K], l->weights->k_norm, c->rms_norm_eps, T * c->kv_heads, hd);
	served(l, f, SLOT_Q_TURNED);
	served(l, f, SLOT_K_TURNED);
	ops->rope(f->at[SLOT_Q_TURNED], l->position, c->rope_theta, T, c->heads, hd, 1);
	ops->rope(f->at[SLOT_K_TURNED], l->position, c->rope_theta, T, c->kv_heads, hd, 1);
	served(l, f, SLOT_Q_TURNED);
	served(l, f, SLOT_K_TURNED);
	ops->attention(f->at[SLOT_ATTENTION], f->at[SLOT_LSE], f->at[SLOT_Q_TURNED], f->at[SLOT_K_TURNED], f->at[SLOT_V],
		l->packing, c->heads, c->kv_heads, hd);
	served(l, f, SLOT_ATTENTION);
}

void layer_forward(const struct layer *l, const struct frame *f, dev_f32 *x_out, const dev_f32 *x_in)
{
	const struct ops *ops = l->ops;
	const struct lm_config *c = l->config;
	size_t T = l->tokens, H = c->hidden_size;
	ops->rmsnorm(f->at[SLOT_N1], x_in, l->weights->input_norm, c->rms_norm_eps, T, H);
	served(l, f, SLOT_N1);
	apply(l, f, LINEAR_Q);
	apply(l, f, LINEAR_K);
	apply(l, f, LINEAR_V);
	attention_forward(l, f);
	apply(l, f, LINEAR_O);
	ops->add(f->at[SLOT_MIDDLE], x_in, f->at[SLOT_O], T * H);
	served(l, f, SLOT_MIDDLE);
	ops->rmsnorm(f->at[SLOT_N2], f->at[SLOT_MIDDLE], l->weights->post_norm, c->rms_norm_eps, T, H);
	served(l, f, SLOT_N2);
	apply(l, f, LINEAR_GATE);
	apply(l, f, LINEAR_UP);
	ops->swiglu(f->at[SLOT_ACT], f->at[SLOT_GATE], f->at[SLOT_UP], T * c->intermediate_size);
	served(l, f, SLOT_ACT);
	apply(l, f, LINEAR_DOWN);
	if (x_out) {
		ops->add(x_out, f->at[SLOT_MIDDLE], f->at[SLOT_DOWN], T * H);
		ops_serve(ops, x_out, T * H);
	}
}

static void attention_backward(const struct layer *l, const struct frame *f)
{
	const struct ops *ops = l->ops;
	const struct lm_config *c = l->config;
	size_t T = l->tokens, hd = c->head_dim;
	dev_f32 *dq = f->at[SLOT_D_Q_TURNED], *dk = f->at[SLOT_D_K_TURNED];
	ops->attention_backward(dq, dk, f->at[SLOT_D_V], f->at[SLOT_D_ATTENTION], f->at[SLOT_ATTENTION], f->at[SLOT_LSE],
		f->at[SLOT_Q_TURNED], f->at[SLOT_K_TURNED], f->at[SLOT_V], l->packing, c->heads, c->kv_heads, hd);
	ops->rope(dq, l->position, c->rope_theta, T, c->heads, hd, -1);
	ops->rope(dk, l->position, c->rope_theta, T, c->kv_heads, hd, -1);
	ops->rmsnorm_backward(f->at[SLOT_D_Q], dq, f->at[SLOT_Q], l->weights->q_norm, c->rms_norm_eps, T * c->heads, hd, 0);
	ops->rmsnorm_backward(f->at[SLOT_D_K], dk, f->at[SLOT_K], l->weights->k_norm, c->rms_norm_eps, T * c->kv_heads, hd,
		0);
}

void layer_backward(const struct layer *l, const struct frame *f, dev_f32 *dx_in, const dev_f32 *x_in)
{
	const struct ops *ops = l->ops;
	const struct lm_config *c = l->config;
	size_t T = l->tokens, H = c->hidden_size;
	apply_backward(l, f, SLOT_D_ACT, LINEAR_DOWN, 0);
	ops->swiglu_backward(f->at[SLOT_D_GATE], f->at[SLOT_D_UP], f->at[SLOT_D_ACT], f->at[SLOT_GATE], f->at[SLOT_UP],
		T * c->intermediate_size);
	apply_backward(l, f, SLOT_D_NORM, LINEAR_GATE, 0);
	apply_backward(l, f, SLOT_D_NORM, LINEAR_UP, 1);
	ops->rmsnorm_backward(f->at[SLOT_D_O], f->at[SLOT_D_NORM], f->at[SLOT_MIDDLE], l->weights->post_norm,
		c->rms_norm_eps, T, H, 0);
	ops->add(f->at[SLOT_D_O], f->at[SLOT_D_O], f->at[SLOT_D_DOWN], T * H);
	apply_backward(l, f, SLOT_D_ATTENTION, LINEAR_O, 0);
	attention_backward(l, f);
	if (!dx_in)
		return;
	apply_backward(l, f, SLOT_D_NORM, LINEAR_Q, 0);
	apply_backward(l, f, SLOT_D_NORM, LINEAR_K, 1);
	apply_backward(l, f, SLOT_D_NORM, LINEAR_V, 1);
	ops->rmsnorm_backward(dx_in, f->at[SLOT_D_NORM], x_in, l->weights->input_norm, c->rms_norm_eps, T, H, 0);
	ops->add(dx_in, dx_in, f->at[SLOT_D_O], T * H);
}
