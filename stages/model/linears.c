#include <assert.h>
#include <string.h>

#include "checkpoint/lm_layout.h"
#include "model/transformer.h"

enum { GROUPS_PER_LAYER = 4 };

/* By kind, lm_head left out: its tensor, the first linear with the same input, and its group within the layer. */
static const struct {
	enum lm_role role;
	enum linear_kind input;
	unsigned group;
} kinds[LINEARS_PER_LAYER] = {
	[LINEAR_Q] = {LM_Q, LINEAR_Q, 0},
	[LINEAR_K] = {LM_K, LINEAR_Q, 0},
	[LINEAR_V] = {LM_V, LINEAR_Q, 0},
	[LINEAR_O] = {LM_O, LINEAR_O, 1},
	[LINEAR_GATE] = {LM_GATE, LINEAR_GATE, 2},
	[LINEAR_UP] = {LM_UP, LINEAR_GATE, 2},
	[LINEAR_DOWN] = {LM_DOWN, LINEAR_DOWN, 3},
};

size_t linear_count(const struct lm_config *config)
{
	return LINEARS_PER_LAYER * config->layers + 1;
}

size_t linear_group_count(const struct lm_config *config)
{
	return GROUPS_PER_LAYER * config->layers + 1;
}

/* A module is called as its weight without ".weight". */
static void name_module(char *name, const char *tensor)
{
	static const char suffix[] = ".weight";
	size_t length = strlen(tensor);
	assert(length >= sizeof suffix && !strcmp(tensor + length - (sizeof suffix - 1), suffix));
	length -= sizeof suffix - 1;
	assert(length < LINEAR_NAME_MAX);
	memcpy(name, tensor, length);
	name[length] = '\0';
}

static void describe_kind(struct linear_info *info, const struct lm_config *config, size_t layer, enum linear_kind kind)
{
	struct lm_tensor_spec spec;
	lm_layout_tensor(config, lm_layout_index(layer, kinds[kind].role), &spec);
	name_module(info->name, spec.name);
	info->kind = kind;
	info->layer = layer;
	info->out = spec.shape[0];
	info->in = spec.shape[1];
	info->input = LINEARS_PER_LAYER * layer + kinds[kind].input;
	info->group = GROUPS_PER_LAYER * layer + kinds[kind].group;
}

void linear_describe(struct linear_info *info, const struct lm_config *config)
{
	for (size_t layer = 0; layer < config->layers; layer++)
		for (int kind = 0; kind < LINEARS_PER_LAYER; kind++)
			describe_kind(info++, config, layer, (enum linear_kind)kind);
	*info = (struct linear_info){
		.name = "lm_head",
		.kind = LINEAR_LM_HEAD,
		.in = config->hidden_size,
		.out = config->vocab_size,
		.input = LINEARS_PER_LAYER * config->layers,
		.group = GROUPS_PER_LAYER * config->layers,
	};
}
