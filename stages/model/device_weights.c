#include "model/device_weights.h"

#include <assert.h>

static const size_t no_layer = (size_t)-1;

/* Points the weights of a layer into its memory and returns their number; with base NULL only that. */
static size_t place(struct device_weights *w, dev_weight *base)
{
	const struct lm_config *c = w->config;
	struct {
		dev_weight **to;
		size_t count;
	} norms[] = {
		{&w->layer.input_norm, c->hidden_size},
		{&w->layer.post_norm, c->hidden_size},
		{&w->layer.q_norm, c->head_dim},
		{&w->layer.k_norm, c->head_dim},
	};
	size_t used = 0;
	for (int kind = 0; kind < LINEARS_PER_LAYER; kind++) {
		w->layer.linear[kind] = base ? weight_at(w->ops, base, used) : NULL;
		used += w->linear_elements[kind];
	}
	for (size_t i = 0; i < sizeof norms / sizeof *norms; i++) {
		*norms[i].to = base ? weight_at(w->ops, base, used) : NULL;
		used += norms[i].count;
	}
	return used;
}

static void load(const struct device_weights *w, dev_weight *to, const struct host_tensor *from, size_t count)
{
	assert(from->count == count);
	w->ops->weight_load(to, from->bytes, from->dtype, count);
}

/* Without memory. */
static struct device_weights describe(const struct ops *ops, const struct lm_config *config)
{
	size_t q = config->heads * config->head_dim, kv = config->kv_heads * config->head_dim, H = config->hidden_size;
	size_t I = config->intermediate_size;
	return (struct device_weights){
		.ops = ops,
		.config = config,
		.loaded_layer = no_layer,
		.linear_elements = {
			[LINEAR_Q] = q * H, [LINEAR_K] = kv * H, [LINEAR_V] = kv * H, [LINEAR_O] = H * q,
			[LINEAR_GATE] = I * H, [LINEAR_UP] = I * H, [LINEAR_DOWN] = H * I,
		},
	};
}

size_t device_weights_bytes(const struct ops *ops, const struct lm_config *config)
{
	struct device_weights w = describe(ops, config);
	return (place(&w, NULL) + (config->vocab_size + 1) * config->hidden_size) * ops->weight_bytes;
}

void device_weights_init(struct device_weights *w, const struct ops *ops, const struct lm_config *config,
	const struct model_tensors *tensors)
{
	size_t H = config->hidden_size;
	*w = describe(ops, config);
	w->tensors = tensors;
	w->layer_memory = ops->alloc(place(w, NULL) * ops->weight_bytes);
	place(w, w->layer_memory);
	w->table = ops->alloc(config->vocab_size * H * ops->weight_bytes);
	w->final_norm = ops->alloc(H * ops->weight_bytes);
	load(w, w->final_norm, &tensors->final_norm, H);
}

void device_weights_release(struct device_weights *w)
{
	w->ops->release(w->layer_memory);
	w->ops->release(w->table);
	w->ops->release(w->final_norm);
}

/* The layer that comes next when layers come one after the other. */
static void look_ahead(const struct device_weights *w, size_t layer)
{
	const int down = w->loaded_layer != no_layer && layer < w->loaded_layer;
	const size_t next = down ? layer - 1 : layer + 1;
	if (next >= w->config->layers) /* in front of 0, too */
		return;
	for (int kind = 0; kind < LINEARS_PER_LAYER; kind++) {
		const struct host_tensor *t = &w->tensors->layer[next].linear[kind];
		w->ops->weight_ahead(t->bytes, t->count * dtype_bits(t->dtype) / 8);
	}
}

void device_weights_load_layer(struct device_weights *w, size_t layer)
{
	const struct layer_tensors *t = &w->tensors->layer[layer];
	if (w->loaded_layer == layer)
		return;
	for (int kind = 0; kind < LINEARS_PER_LAYER; kind++)
		load(w, w->layer.linear[kind], &t->linear[kind], w->linear_elements[kind]);
	load(w, w->layer.input_norm, &t->input_norm, w->config->hidden_size);
	load(w, w->layer.post_norm, &t->post_norm, w->config->hidden_size);
	load(w, w->layer.q_norm, &t->q_norm, w->config->head_dim);
	load(w, w->layer.k_norm, &t->k_norm, w->config->head_dim);
	look_ahead(w, layer);
	w->loaded_layer = layer;
}

void device_weights_load_table(struct device_weights *w, const struct host_tensor *tensor)
{
	if (w->loaded_table == tensor->bytes)
		return;
	load(w, w->table, tensor, w->config->vocab_size * w->config->hidden_size);
	w->loaded_table = tensor->bytes;
}
