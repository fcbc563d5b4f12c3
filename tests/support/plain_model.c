#include "plain_model.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "plain_ops.h"

struct plain_layer {
	double *input_norm, *post_norm, *q_norm, *k_norm;
	double *linear[LINEARS_PER_LAYER];
};

struct plain_model {
	const struct lm_config *config;
	struct linear_info *linears;
	struct plain_layer *layers;
	double *embed, *final_norm, *head;
};

static double *widen(const struct host_tensor *tensor)
{
	float *narrow = mem_array(tensor->count, sizeof *narrow);
	double *wide = mem_array(tensor->count, sizeof *wide);
	dtype_widen(tensor->dtype, tensor->bytes, tensor->count, narrow);
	for (size_t i = 0; i < tensor->count; i++)
		wide[i] = narrow[i];
	free(narrow);
	return wide;
}

struct plain_model *plain_model_new(const struct lm_config *config, const struct model_tensors *tensors)
{
	struct plain_model *m = mem_zeroed(1, sizeof *m);
	m->config = config;
	m->linears = mem_array(linear_count(config), sizeof *m->linears);
	linear_describe(m->linears, config);
	m->layers = mem_array(config->layers, sizeof *m->layers);
	for (size_t i = 0; i < config->layers; i++) {
		const struct layer_tensors *from = &tensors->layer[i];
		struct plain_layer *to = &m->layers[i];
		to->input_norm = widen(&from->input_norm);
		to->post_norm = widen(&from->post_norm);
		to->q_norm = widen(&from->q_norm);
		to->k_norm = widen(&from->k_norm);
		for (int kind = 0; kind < LINEARS_PER_LAYER; kind++)
			to->linear[kind] = widen(&from->linear[kind]);
	}
	m->embed = widen(&tensors->embed);
	m->final_norm = widen(&tensors->final_norm);
	m->head = widen(&tensors->lm_head);
	return m;
}

void plain_model_free(struct plain_model *m)
{
	for (size_t i = 0; i < m->config->layers; i++) {
		struct plain_layer *l = &m->layers[i];
		free(l->input_norm);
		free(l->post_norm);
		free(l->q_norm);
		free(l->k_norm);
		for (int kind = 0; kind < LINEARS_PER_LAYER; kind++)
			free(l->linear[kind]);
	}
	free(m->layers);
	free(m->linears);
	free(m->embed);
	free(m->final_norm);
	free(m->head);
	free(m);
}

struct run {
	const struct plain_model *model;
	const struct batch *batch;
	const struct plain_nudge *nudge;
	const struct plain_change *change;
	struct plain_values *values;
	int32_t *position;
};

static double *copy(const double *from, size_t count)
{
	double *to = mem_array(count, sizeof *to);
	memcpy(to, from, count * sizeof *to);
	return to;
}

/* y of a linear in new memory, nudged, noted. */
static double *linear(const struct run *r, size_t index, const double *x)
{
	const struct linear_info *info = &r->model->linears[index];
	size_t T = r->batch->tokens;
	double *y = mem_array(T * info->out, sizeof *y);
	if (r->change && (r->change->group == info->group || r->change->group == PLAIN_EVERY_GROUP)) {
		double *changed = copy(x, T * info->in);
		r->change->input(r->change->context, index, changed, T, info->in);
		plain_linear(y, changed, r->change->W[index], T, info->in, info->out);
		free(changed);
	} else {
		plain_linear(y, x,
			info->kind == LINEAR_LM_HEAD ? r->model->head : r->model->layers[info->layer].linear[info->kind], T,
			info->in, info->out);
	}
	if (r->nudge && r->nudge->linear == index)
		y[r->nudge->row * info->out + r->nudge->column] += r->nudge->delta;
	if (r->values) {
		r->values->x[index] = copy(x, T * info->in);
		r->values->y[index] = copy(y, T * info->out);
	}
	return y;
}

static void attention_half(const struct run *r, size_t layer, double *x)
{
	const struct lm_config *c = r->model->config;
	const struct plain_layer *l = &r->model->layers[layer];
	size_t T = r->batch->tokens, H = c->hidden_size, hd = c->head_dim, at = LINEARS_PER_LAYER * layer;
	double *n = mem_array(T * H, sizeof *n), *o = mem_array(T * c->heads * hd, sizeof *o);
	plain_rmsnorm(n, x, l->input_norm, c->rms_norm_eps, T, H);
	double *q = linear(r, at + LINEAR_Q, n), *k = linear(r, at + LINEAR_K, n), *v = linear(r, at + LINEAR_V, n);
	plain_rmsnorm(q, q, l->q_norm, c->rms_norm_eps, T * c->heads, hd);
	plain_rmsnorm(k, k, l->k_norm, c->rms_norm_eps, T * c->kv_heads, hd);
	plain_rope(q, r->position, c->rope_theta, T, c->heads, hd);
	plain_rope(k, r->position, c->rope_theta, T, c->kv_heads, hd);
	plain_attention(o, NULL, q, k, v, r->batch->start, r->batch->sequences, c->heads, c->kv_heads, hd);
	double *y = linear(r, at + LINEAR_O, o);
	for (size_t i = 0; i < T * H; i++)
		x[i] += y[i];
	free(n);
	free(o);
	free(q);
	free(k);
	free(v);
	free(y);
}

static void mlp_half(const struct run *r, size_t layer, double *x)
{
	const struct lm_config *c = r->model->config;
	size_t T = r->batch->tokens, H = c->hidden_size, at = LINEARS_PER_LAYER * layer;
	double *n = mem_array(T * H, sizeof *n), *a = mem_array(T * c->intermediate_size, sizeof *a);
	plain_rmsnorm(n, x, r->model->layers[layer].post_norm, c->rms_norm_eps, T, H);
	double *gate = linear(r, at + LINEAR_GATE, n), *up = linear(r, at + LINEAR_UP, n);
	plain_swiglu(a, gate, up, T * c->intermediate_size);
	double *y = linear(r, at + LINEAR_DOWN, a);
	for (size_t i = 0; i < T * H; i++)
		x[i] += y[i];
	free(n);
	free(a);
	free(gate);
	free(up);
	free(y);
}

static double *embed(const struct run *r)
{
	size_t T = r->batch->tokens, H = r->model->config->hidden_size;
	double *x = mem_array(T * H, sizeof *x);
	for (size_t t = 0; t < T; t++)
		memcpy(x + t * H, r->model->embed + (size_t)r->batch->ids[t] * H, H * sizeof *x);
	return x;
}

/* Fills in the positions. */
static double *logits(struct run *r)
{
	const struct plain_model *m = r->model;
	const struct lm_config *c = m->config;
	const struct batch *batch = r->batch;
	size_t T = batch->tokens;
	r->position = mem_array(T, sizeof *r->position);
	for (size_t s = 0; s < batch->sequences; s++)
		for (int32_t t = batch->start[s]; t < batch->start[s + 1]; t++)
			r->position[t] = t - batch->start[s];
	double *x = embed(r);
	for (size_t layer = 0; layer < c->layers; layer++) {
		attention_half(r, layer, x);
		mlp_half(r, layer, x);
	}
	plain_rmsnorm(x, x, m->final_norm, c->rms_norm_eps, T, c->hidden_size);
	double *y = linear(r, linear_count(c) - 1, x);
	free(x);
	free(r->position);
	return y;
}

double *plain_model_logits(const struct plain_model *m, const struct batch *batch, const struct plain_change *change)
{
	struct run r = {.model = m, .batch = batch, .change = change};
	return logits(&r);
}

double plain_model_run(const struct plain_model *m, const struct batch *batch, const struct plain_nudge *nudge,
	struct plain_values *values)
{
	const struct lm_config *c = m->config;
	size_t T = batch->tokens, targets = 0;
	struct run r = {.model = m, .batch = batch, .nudge = nudge, .values = values};
	int32_t *label = mem_array(T, sizeof *label);
	for (size_t s = 0; s < batch->sequences; s++)
		for (int32_t t = batch->start[s]; t < batch->start[s + 1]; t++) {
			int last = t + 1 == batch->start[s + 1];
			label[t] = last ? -1 : batch->ids[t + 1];
			targets += !last;
		}
	if (values) {
		values->linears = linear_count(c);
		values->x = mem_zeroed(values->linears, sizeof *values->x);
		values->y = mem_zeroed(values->linears, sizeof *values->y);
	}
	double *y = logits(&r);
	double loss = plain_cross_entropy(y, label, T, c->vocab_size) / (double)targets;
	free(y);
	free(label);
	return loss;
}

void plain_values_free(struct plain_values *values)
{
	for (size_t i = 0; i < values->linears; i++) {
		free(values->x[i]);
		free(values->y[i]);
	}
	free(values->x);
	free(values->y);
}

double plain_model_gradient(const struct plain_model *model, const struct batch *batch, size_t linear_index, size_t row,
	size_t column)
{
	/* Rounding contributes about 1e-15 / step, curvature about step^2. */
	const double step = 1e-4;
	struct plain_nudge up = {linear_index, row, column, step}, down = {linear_index, row, column, -step};
	return (plain_model_run(model, batch, &up, NULL) - plain_model_run(model, batch, &down, NULL)) / (2 * step);
}
