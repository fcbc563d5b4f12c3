#include "checkpoint/lm_layout.h"

#include <assert.h>
#include <stdio.h>

/* What a dimension of a layer's tensor is. */
enum extent { ONE, HIDDEN, QUERIES, KEYS, HEAD, INNER };

static const struct {
	const char *name;
	enum extent out, in;
} roles[LM_ROLES] = {
	[LM_INPUT_NORM] = {"input_layernorm", HIDDEN, ONE},
	[LM_Q] = {"self_attn.q_proj", QUERIES, HIDDEN},
	[LM_K] = {"self_attn.k_proj", KEYS, HIDDEN},
	[LM_V] = {"self_attn.v_proj", KEYS, HIDDEN},
	[LM_Q_NORM] = {"self_attn.q_norm", HEAD, ONE},
	[LM_K_NORM] = {"self_attn.k_norm", HEAD, ONE},
	[LM_O] = {"self_attn.o_proj", HIDDEN, QUERIES},
	[LM_POST_NORM] = {"post_attention_layernorm", HIDDEN, ONE},
	[LM_GATE] = {"mlp.gate_proj", INNER, HIDDEN},
	[LM_UP] = {"mlp.up_proj", INNER, HIDDEN},
	[LM_DOWN] = {"mlp.down_proj", HIDDEN, INNER},
};

static size_t extent_size(const struct lm_config *config, enum extent extent)
{
	switch (extent) {
	case HIDDEN:
		return config->hidden_size;
	case QUERIES:
		return config->heads * config->head_dim;
	case KEYS:
		return config->kv_heads * config->head_dim;
	case HEAD:
		return config->head_dim;
	case INNER:
		return config->intermediate_size;
	case ONE:
		break;
	}
	return 1;
}

size_t lm_layout_index(size_t layer, enum lm_role role)
{
	return 1 + LM_ROLES * layer + (size_t)role;
}

size_t lm_layout_norm(const struct lm_config *config)
{
	return 1 + LM_ROLES * config->layers;
}

size_t lm_layout_head(const struct lm_config *config)
{
	return config->tied ? LM_EMBED : lm_layout_norm(config) + 1;
}

size_t lm_layout_count(const struct lm_config *config)
{
	assert(config->tied == 0 || config->tied == 1);
	return lm_layout_norm(config) + (config->tied ? 1 : 2);
}

void lm_layout_tensor(const struct lm_config *config, size_t index, struct lm_tensor_spec *spec)
{
	assert(index < lm_layout_count(config));
	*spec = (struct lm_tensor_spec){.rank = 2, .shape = {config->vocab_size, config->hidden_size}};
	if (index == LM_EMBED) {
		snprintf(spec->name, sizeof spec->name, LM_PREFIX "embed_tokens.weight");
	} else if (index == lm_layout_norm(config)) {
		snprintf(spec->name, sizeof spec->name, LM_PREFIX "norm.weight");
		spec->rank = 1;
		spec->shape[0] = config->hidden_size;
		spec->shape[1] = 1;
	} else if (index > lm_layout_norm(config)) {
		snprintf(spec->name, sizeof spec->name, "lm_head.weight");
	} else {
		size_t layer = (index - 1) / LM_ROLES, role = (index - 1) % LM_ROLES;
		snprintf(spec->name, sizeof spec->name, LM_PREFIX "layers.%zu.%s.weight", layer, roles[role].name);
		spec->rank = roles[role].in == ONE ? 1 : 2;
		spec->shape[0] = extent_size(config, roles[role].out);
		spec->shape[1] = extent_size(config, roles[role].in);
	}
}
