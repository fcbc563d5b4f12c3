#include "synthetic/shape.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/json.h"
#include "common/spell.h"
#include "common/strbuf.h"

#define COMMON_LM .model_type = "qwen3_vl", .rms_norm_eps = 1e-6, .rope_theta = 5e6
#define PUBLISHED_LM COMMON_LM, .vocab_size = 151936, .head_dim = 128, .max_position_embeddings = 262144
#define PUBLISHED_IDS .mrope = {24, 20, 20}, .bos = 151643, .eos = 151645, .vision_start = 151652, \
	.vision_end = 151653, .image = 151655, .video = 151656
#define SMALL_VISION .depth = 24, .width = 1024, .inner = 4096, .heads = 16, .positions = 2304, \
	.deepstack = {5, 11, 17}, .deepstack_count = 3

static const struct model_shape shapes[] = {
	{
		.name = "qwen3_vl_2b", PUBLISHED_IDS,
		.lm = {PUBLISHED_LM, .hidden_size = 2048, .intermediate_size = 6144, .layers = 28, .heads = 16, .kv_heads = 8,
			.tied = 1},
		.vision = {SMALL_VISION, .out = 2048},
	}, {
		.name = "qwen3_vl_4b", PUBLISHED_IDS,
		.lm = {PUBLISHED_LM, .hidden_size = 2560, .intermediate_size = 9728, .layers = 36, .heads = 32, .kv_heads = 8,
			.tied = 1},
		.vision = {SMALL_VISION, .out = 2560},
	}, {
		.name = "qwen3_vl_8b", PUBLISHED_IDS,
		.lm = {PUBLISHED_LM, .hidden_size = 4096, .intermediate_size = 12288, .layers = 36, .heads = 32, .kv_heads = 8,
			.tied = 0},
		.vision = {.depth = 27, .width = 1152, .inner = 4304, .heads = 16, .positions = 2304, .out = 4096,
			.deepstack = {8, 16, 24}, .deepstack_count = 3},
	}, {
		.name = "qwen3_vl_demo", .mrope = {12, 10, 10},
		.bos = -1, .eos = 940, .vision_start = 941, .vision_end = 942, .image = 943, .video = 944,
		.lm = {COMMON_LM, .vocab_size = 1024, .head_dim = 64, .max_position_embeddings = 4096, .hidden_size = 256,
			.intermediate_size = 512, .layers = 4, .heads = 6, .kv_heads = 2, .tied = 1},
		.vision = {.depth = 2, .width = 64, .inner = 128, .heads = 2, .positions = 64, .out = 256,
			.deepstack = {0, 1}, .deepstack_count = 2},
	},
};

enum { SHAPES = sizeof shapes / sizeof *shapes };

char *model_shape_names(void)
{
	struct strbuf names;
	strbuf_init(&names);
	for (size_t i = 0; i < SHAPES; i++)
		strbuf_addf(&names, "%s%s", i ? ", " : "", shapes[i].name);
	return names.s;
}

const struct model_shape *model_shape_find(const char *name)
{
	const char *words[SHAPES];
	for (size_t i = 0; i < SHAPES; i++) {
		words[i] = shapes[i].name;
		if (!strcmp(name, words[i]))
			return &shapes[i];
	}
	const char *nearest = spell_nearest(name, words, SHAPES);
	char *all = model_shape_names();
	fail("\"%.80s\" is no shape known here: %s%s%s%s", name, all, nearest ? "; did you mean " : "",
		nearest ? nearest : "", nearest ? "?" : "");
	free(all);
	return NULL;
}

static void add_sizes(cJSON *to, const char *key, const size_t *sizes, size_t count)
{
	cJSON *array = cJSON_AddArrayToObject(to, key);
	for (size_t i = 0; i < count; i++)
		cJSON_AddItemToArray(array, cJSON_CreateNumber((double)sizes[i]));
}

static void add_rope(cJSON *to, const struct model_shape *shape)
{
	cJSON_AddNumberToObject(to, "rms_norm_eps", shape->lm.rms_norm_eps);
	cJSON *rope = cJSON_AddObjectToObject(to, "rope_scaling");
	cJSON_AddBoolToObject(rope, "mrope_interleaved", 1);
	add_sizes(rope, "mrope_section", shape->mrope, 3);
	cJSON_AddStringToObject(rope, "rope_type", "default");
	cJSON_AddNumberToObject(to, "rope_theta", shape->lm.rope_theta);
}

/* The untied sizes say so at the top alone, the tied ones here as well. */
static void add_text(cJSON *to, const struct model_shape *shape, size_t layers)
{
	const struct lm_config *c = &shape->lm;
	cJSON *text = cJSON_AddObjectToObject(to, "text_config");
	cJSON_AddBoolToObject(text, "attention_bias", 0);
	cJSON_AddNumberToObject(text, "attention_dropout", 0);
	if (shape->bos >= 0)
		cJSON_AddNumberToObject(text, "bos_token_id", shape->bos);
	cJSON_AddStringToObject(text, "dtype", "bfloat16");
	cJSON_AddNumberToObject(text, "eos_token_id", shape->eos);
	cJSON_AddNumberToObject(text, "head_dim", (double)c->head_dim);
	cJSON_AddStringToObject(text, "hidden_act", "silu");
	cJSON_AddNumberToObject(text, "hidden_size", (double)c->hidden_size);
	cJSON_AddNumberToObject(text, "initializer_range", 0.02);
	cJSON_AddNumberToObject(text, "intermediate_size", (double)c->intermediate_size);
	cJSON_AddNumberToObject(text, "max_position_embeddings", (double)c->max_position_embeddings);
	cJSON_AddStringToObject(text, "model_type", "qwen3_vl_text");
	cJSON_AddNumberToObject(text, "num_attention_heads", (double)c->heads);
	cJSON_AddNumberToObject(text, "num_hidden_layers", (double)layers);
	cJSON_AddNumberToObject(text, "num_key_value_heads", (double)c->kv_heads);
	add_rope(text, shape);
	if (c->tied)
		cJSON_AddBoolToObject(text, "tie_word_embeddings", 1);
	cJSON_AddBoolToObject(text, "use_cache", 1);
	cJSON_AddNumberToObject(text, "vocab_size", (double)c->vocab_size);
}

static void add_vision(cJSON *to, const struct vision_shape *v)
{
	cJSON *vision = cJSON_AddObjectToObject(to, "vision_config");
	add_sizes(vision, "deepstack_visual_indexes", v->deepstack, v->deepstack_count);
	cJSON_AddNumberToObject(vision, "depth", (double)v->depth);
	cJSON_AddStringToObject(vision, "hidden_act", "gelu_pytorch_tanh");
	cJSON_AddNumberToObject(vision, "hidden_size", (double)v->width);
	cJSON_AddNumberToObject(vision, "in_channels", VISION_CHANNELS);
	cJSON_AddNumberToObject(vision, "initializer_range", 0.02);
	cJSON_AddNumberToObject(vision, "intermediate_size", (double)v->inner);
	cJSON_AddStringToObject(vision, "model_type", "qwen3_vl");
	cJSON_AddNumberToObject(vision, "num_heads", (double)v->heads);
	cJSON_AddNumberToObject(vision, "num_position_embeddings", (double)v->positions);
	cJSON_AddNumberToObject(vision, "out_hidden_size", (double)v->out);
	cJSON_AddNumberToObject(vision, "patch_size", VISION_PATCH);
	cJSON_AddNumberToObject(vision, "spatial_merge_size", VISION_MERGE);
	cJSON_AddNumberToObject(vision, "temporal_patch_size", VISION_FRAMES);
}

char *model_shape_config(const struct model_shape *shape, size_t layers)
{
	cJSON *to = cJSON_CreateObject();
	cJSON *architectures = cJSON_AddArrayToObject(to, "architectures");
	cJSON_AddItemToArray(architectures, cJSON_CreateString("Qwen3VLForConditionalGeneration"));
	cJSON_AddNumberToObject(to, "image_token_id", shape->image);
	cJSON_AddStringToObject(to, "model_type", shape->lm.model_type);
	add_text(to, shape, layers);
	cJSON_AddBoolToObject(to, "tie_word_embeddings", shape->lm.tied);
	cJSON_AddStringToObject(to, "transformers_version", "4.57.0.dev0");
	cJSON_AddNumberToObject(to, "video_token_id", shape->video);
	add_vision(to, &shape->vision);
	cJSON_AddNumberToObject(to, "vision_end_token_id", shape->vision_end);
	cJSON_AddNumberToObject(to, "vision_start_token_id", shape->vision_start);
	return json_pretty_text(to);
}

char *model_shape_generation(const struct model_shape *shape)
{
	cJSON *to = cJSON_CreateObject();
	if (shape->bos >= 0) {
		cJSON_AddNumberToObject(to, "bos_token_id", shape->bos);
		cJSON_AddNumberToObject(to, "pad_token_id", shape->bos);
	}
	cJSON_AddBoolToObject(to, "do_sample", 1);
	cJSON_AddNumberToObject(to, "eos_token_id", shape->eos);
	cJSON_AddNumberToObject(to, "top_k", 20);
	cJSON_AddNumberToObject(to, "top_p", 0.8);
	cJSON_AddNumberToObject(to, "temperature", 0.7);
	cJSON_AddStringToObject(to, "transformers_version", "4.57.0.dev0");
	return json_pretty_text(to);
}
