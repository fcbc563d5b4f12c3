#include "synthetic/tensor_list.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"

static struct tensor_entry *add(struct tensor_list *list, enum tensor_part part)
{
	MEM_GROW(list->entries, list->count, list->capacity);
	struct tensor_entry *t = &list->entries[list->count++];
	*t = (struct tensor_entry){.part = part, .shape = {1, 1, 1, 1, 1}};
	return t;
}

static void add_lm(struct tensor_list *list, const struct lm_config *config)
{
	for (size_t i = 0; i < lm_layout_count(config); i++) {
		struct lm_tensor_spec spec;
		int is_norm = i == lm_layout_norm(config), is_table = i == LM_EMBED || i > lm_layout_norm(config);
		struct tensor_entry *t = add(list, is_norm ? PART_FINAL_NORM : is_table ? PART_TABLE : PART_LAYER);
		lm_layout_tensor(config, i, &spec);
		snprintf(t->name, sizeof t->name, "%s", spec.name);
		t->rank = spec.rank;
		t->shape[0] = spec.shape[0];
		t->shape[1] = spec.shape[1];
		if (t->part == PART_LAYER) {
			t->layer = (i - 1) / LM_ROLES;
			t->role = (enum lm_role)((i - 1) % LM_ROLES);
		}
	}
}

/* A module "model.visual.MODULE" of the vision tower: its weight [rows, columns], or [rows] when columns is 0, and its
 * bias [rows]. */
static void add_module(struct tensor_list *list, size_t rows, size_t columns, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void add_module(struct tensor_list *list, size_t rows, size_t columns, const char *format, ...)
{
	char module[LM_NAME_MAX / 2];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(module, sizeof module, format, arguments);
	va_end(arguments);
	struct tensor_entry *weight = add(list, columns ? PART_VISION_WEIGHT : PART_VISION_NORM);
	snprintf(weight->name, sizeof weight->name, "model.visual.%s.weight", module);
	weight->rank = columns ? 2 : 1;
	weight->shape[0] = rows;
	weight->shape[1] = columns ? columns : 1;
	struct tensor_entry *bias = add(list, PART_VISION_BIAS);
	snprintf(bias->name, sizeof bias->name, "model.visual.%s.bias", module);
	bias->rank = 1;
	bias->shape[0] = rows;
}

static void add_patches(struct tensor_list *list, const struct vision_shape *v)
{
	static const size_t patch[TENSOR_RANK_MAX] = {0, VISION_CHANNELS, VISION_FRAMES, VISION_PATCH, VISION_PATCH};
	size_t weight = list->count;
	add_module(list, v->width, 1, "patch_embed.proj");
	struct tensor_entry *t = &list->entries[weight];
	t->rank = TENSOR_RANK_MAX;
	for (size_t d = 1; d < TENSOR_RANK_MAX; d++)
		t->shape[d] = patch[d];
	t = add(list, PART_VISION_WEIGHT);
	snprintf(t->name, sizeof t->name, "model.visual.pos_embed.weight");
	t->rank = 2;
	t->shape[0] = v->positions;
	t->shape[1] = v->width;
}

static void add_block(struct tensor_list *list, const struct vision_shape *v, size_t block)
{
	add_module(list, v->width, 0, "blocks.%zu.norm1", block);
	add_module(list, v->width, 0, "blocks.%zu.norm2", block);
	add_module(list, 3 * v->width, v->width, "blocks.%zu.attn.qkv", block);
	add_module(list, v->width, v->width, "blocks.%zu.attn.proj", block);
	add_module(list, v->inner, v->width, "blocks.%zu.mlp.linear_fc1", block);
	add_module(list, v->width, v->inner, "blocks.%zu.mlp.linear_fc2", block);
}

/* The merger normalizes patches, those of the deepstack what is merged of them. */
static void add_merger(struct tensor_list *list, const struct vision_shape *v, const char *module, size_t norm)
{
	size_t merged = v->width * VISION_MERGE * VISION_MERGE;
	add_module(list, norm, 0, "%s.norm", module);
	add_module(list, merged, merged, "%s.linear_fc1", module);
	add_module(list, v->out, merged, "%s.linear_fc2", module);
}

void tensor_list_make(struct tensor_list *list, const struct model_shape *shape, size_t layers)
{
	const struct vision_shape *v = &shape->vision;
	struct lm_config config = shape->lm;
	*list = (struct tensor_list){0};
	config.layers = layers;
	add_lm(list, &config);
	add_patches(list, v);
	for (size_t i = 0; i < v->depth; i++)
		add_block(list, v, i);
	add_merger(list, v, "merger", v->width);
	for (size_t i = 0; i < v->deepstack_count; i++) {
		char module[LM_NAME_MAX / 4];
		snprintf(module, sizeof module, "deepstack_merger_list.%zu", i);
		add_merger(list, v, module, v->width * VISION_MERGE * VISION_MERGE);
	}
}

void tensor_list_free(struct tensor_list *list)
{
	free(list->entries);
	*list = (struct tensor_list){0};
}

size_t tensor_columns(const struct tensor_entry *tensor)
{
	if (tensor->rank == 1)
		return tensor->shape[0];
	return tensor->shape[1] * tensor->shape[2] * tensor->shape[3] * tensor->shape[4];
}

size_t tensor_elements(const struct tensor_entry *tensor)
{
	return tensor->rank == 1 ? tensor->shape[0] : tensor->shape[0] * tensor_columns(tensor);
}
