#include "model_files.h"

#include <stdlib.h>

#include "common/error.h"
#include "common/memory.h"
#include "checkpoint/lm_layout.h"

static struct host_tensor tensor_at(const struct model_files *files, size_t index)
{
	const struct checkpoint_tensor *t = &files->checkpoint.tensors[index];
	return (struct host_tensor){checkpoint_bytes(&files->checkpoint, t), t->dtype, (size_t)(t->shape[0] * t->shape[1])};
}

void model_files_open(struct model_files *files, const char *dir)
{
	static const enum lm_role roles[LINEARS_PER_LAYER] = {
		[LINEAR_Q] = LM_Q, [LINEAR_K] = LM_K, [LINEAR_V] = LM_V, [LINEAR_O] = LM_O,
		[LINEAR_GATE] = LM_GATE, [LINEAR_UP] = LM_UP, [LINEAR_DOWN] = LM_DOWN,
	};
	const struct lm_config *config = &files->checkpoint.config;
	if (checkpoint_open(&files->checkpoint, dir))
		exit(error_report(1));
	files->tensors.layer = mem_array(config->layers, sizeof *files->tensors.layer);
	for (size_t layer = 0; layer < config->layers; layer++) {
		struct layer_tensors *to = &files->tensors.layer[layer];
		to->input_norm = tensor_at(files, lm_layout_index(layer, LM_INPUT_NORM));
		to->post_norm = tensor_at(files, lm_layout_index(layer, LM_POST_NORM));
		to->q_norm = tensor_at(files, lm_layout_index(layer, LM_Q_NORM));
		to->k_norm = tensor_at(files, lm_layout_index(layer, LM_K_NORM));
		for (int kind = 0; kind < LINEARS_PER_LAYER; kind++)
			to->linear[kind] = tensor_at(files, lm_layout_index(layer, roles[kind]));
	}
	files->tensors.embed = tensor_at(files, LM_EMBED);
	files->tensors.final_norm = tensor_at(files, lm_layout_norm(config));
	files->tensors.lm_head = tensor_at(files, lm_layout_head(config));
}

void model_files_close(struct model_files *files)
{
	free(files->tensors.layer);
	checkpoint_close(&files->checkpoint);
}
