#include "make_checkpoint.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/strbuf.h"
#include "checkpoint/lm_layout.h"

enum { FILE_MAX = 64 << 20 };

/* A tensor to be written: value = center + spread * noise. */
struct plan {
	char name[160];
	unsigned rank;
	size_t shape[5];
	double center, spread;
	int is_norm;   /* over hidden channels: has the outliers */
};

struct writer {
	const char *dir;
	const struct checkpoint_spec *spec;
	struct lm_config config;
	struct plan *plans;
	size_t count, capacity;
};

static const struct {
	const char *lm, *head, *vision;
} prefixes[] = {
	[PREFIX_PUBLISHED] = {"model.language_model.", "lm_head.weight", "model.visual."},
	[PREFIX_CONVERTED] = {"language_model.model.", "language_model.lm_head.weight", "vision_tower."},
	[PREFIX_INNER] = {"language_model.", "lm_head.weight", "visual."},
	[PREFIX_PLAIN] = {"model.", "lm_head.weight", "visual."},
	[PREFIX_BARE] = {"", "lm_head.weight", NULL},
};

static enum dtype dtype_of(const struct checkpoint_spec *spec)
{
	return dtype_is_weight(spec->dtype) ? spec->dtype : DTYPE_BF16;
}

/* The output function of SplitMix64: a bijection of 64 bits that turns a counter into noise. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static uint64_t name_seed(uint64_t seed, const char *name)
{
	for (; *name; name++)
		seed = mix(seed ^ (unsigned char)*name);
	return seed;
}

/* About normal, of variance 1: the sum of four 16-bit uniforms, exact in double. */
static double noise(uint64_t seed, size_t index)
{
	uint64_t bits = mix(seed + index);
	double sum = 0;
	for (int i = 0; i < 4; i++)
		sum += (double)(bits >> (16 * i) & 0xffff) + 0.5;
	return (sum / 65536 - 2) * 1.7320508075688772;
}

static struct plan *add_plan(struct writer *w)
{
	MEM_GROW(w->plans, w->count, w->capacity);
	w->plans[w->count] = (struct plan){.spread = 1};
	return &w->plans[w->count++];
}

static double inverse_root(size_t n)
{
	double root = 1;
	for (int i = 0; i < 64; i++)
		root = 0.5 * (root + (double)n / root);
	return 1 / root;
}

static void plan_language(struct writer *w)
{
	const struct checkpoint_spec *spec = w->spec;
	struct lm_config config = w->config;
	struct lm_tensor_spec tensor;
	if (spec->stored_head)
		config.tied = 0;
	for (size_t i = 0; i < lm_layout_count(&config); i++) {
		struct plan *p = add_plan(w);
		lm_layout_tensor(&config, i, &tensor);
		if (!strncmp(tensor.name, LM_PREFIX, strlen(LM_PREFIX)))
			snprintf(p->name, sizeof p->name, "%s%s", prefixes[spec->prefix].lm, tensor.name + strlen(LM_PREFIX));
		else
			snprintf(p->name, sizeof p->name, "%s", prefixes[spec->prefix].head);
		p->rank = tensor.rank;
		p->shape[0] = tensor.shape[0];
		p->shape[1] = tensor.shape[1];
		if (tensor.rank == 1) {
			p->center = 1;
			p->spread = 0.125;
			p->is_norm = tensor.shape[0] == spec->hidden && !strstr(tensor.name, "q_norm") &&
				!strstr(tensor.name, "k_norm");
		} else {
			/* The embedding is the last product too when tied, so it takes the width of logits into account. */
			p->spread = (i == LM_EMBED || i == lm_layout_head(&config) ? 2 : 1) * inverse_root(tensor.shape[1]);
		}
	}
}

static void plan_vision(struct writer *w)
{
	static const struct {
		const char *name;
		unsigned rank;
		size_t shape[5];
	} tower[] = {
		{"patch_embed.proj.weight", 5, {16, 3, 2, 4, 4}}, {"patch_embed.proj.bias", 1, {16}},
		{"pos_embed.weight", 2, {16, 16}},
		{"blocks.0.norm1.weight", 1, {16}}, {"blocks.0.norm1.bias", 1, {16}},
		{"blocks.0.norm2.weight", 1, {16}}, {"blocks.0.norm2.bias", 1, {16}},
		{"blocks.0.attn.qkv.weight", 2, {48, 16}}, {"blocks.0.attn.qkv.bias", 1, {48}},
		{"blocks.0.attn.proj.weight", 2, {16, 16}}, {"blocks.0.attn.proj.bias", 1, {16}},
		{"blocks.0.mlp.linear_fc1.weight", 2, {32, 16}}, {"blocks.0.mlp.linear_fc1.bias", 1, {32}},
		{"blocks.0.mlp.linear_fc2.weight", 2, {16, 32}}, {"blocks.0.mlp.linear_fc2.bias", 1, {16}},
		{"merger.norm.weight", 1, {16}}, {"merger.linear_fc1.weight", 2, {64, 64}},
		{"merger.linear_fc2.weight", 2, {24, 64}},
		{"deepstack_merger_list.0.norm.weight", 1, {64}}, {"deepstack_merger_list.0.linear_fc1.weight", 2, {64, 64}},
		{"deepstack_merger_list.0.linear_fc2.weight", 2, {24, 64}},
	};
	for (size_t i = 0; i < sizeof tower / sizeof *tower; i++) {
		struct plan *p = add_plan(w);
		snprintf(p->name, sizeof p->name, "%s%s", prefixes[w->spec->prefix].vision, tower[i].name);
		p->rank = tower[i].rank;
		memcpy(p->shape, tower[i].shape, sizeof p->shape);
		p->spread = 0.25;
	}
}

static size_t plan_elements(const struct plan *p)
{
	size_t n = 1;
	for (unsigned i = 0; i < p->rank; i++)
		n *= p->shape[i];
	return n;
}

/* Outlier channels are spread evenly, beginning with the first. */
static int is_outlier(const struct checkpoint_spec *spec, size_t channel)
{
	size_t step = spec->outliers ? spec->hidden / spec->outliers : 0;
	return step && channel % step == 0 && channel / step < spec->outliers;
}

static void add_values(struct strbuf *to, const struct writer *w, const struct plan *p)
{
	uint64_t seed = name_seed(w->spec->seed, p->name);
	size_t n = plan_elements(p), bytes = dtype_bits(dtype_of(w->spec)) / 8;
	unsigned char element[4];
	for (size_t i = 0; i < n; i++) {
		double value = p->center + p->spread * noise(seed, i);
		if (p->is_norm && is_outlier(w->spec, i))
			value *= 16;
		float single = (float)value;
		dtype_narrow(dtype_of(w->spec), &single, 1, element);
		strbuf_add(to, element, bytes);
	}
}

static int write_text(const char *dir, const char *name, const struct strbuf *text)
{
	char *path = path_join(dir, name);
	int bad = file_write(path, text->s, text->length);
	free(path);
	return bad;
}

static int write_json(const char *dir, const char *name, const cJSON *tree)
{
	struct strbuf text;
	strbuf_init(&text);
	json_pretty(&text, tree);
	strbuf_addc(&text, '\n');
	int bad = write_text(dir, name, &text);
	strbuf_release(&text);
	return bad;
}

static void shard_name(char *to, size_t size, const struct checkpoint_spec *spec, size_t shard)
{
	if (spec->shards > 1)
		snprintf(to, size, "model-%05zu-of-%05zu.safetensors", shard + 1, spec->shards);
	else
		snprintf(to, size, "model.safetensors");
}

/* Neighbours lie in different shards, last ones first: the order of shards is not the order of use. */
static size_t shard_of(const struct writer *w, size_t plan)
{
	return w->spec->shards > 1 ? (w->count - 1 - plan) % w->spec->shards : 0;
}

static int write_shard(const struct writer *w, size_t shard)
{
	struct strbuf header, data, file;
	char name[64];
	strbuf_init(&header);
	strbuf_init(&data);
	strbuf_init(&file);
	strbuf_adds(&header, "{\"__metadata__\":{\"format\":\"pt\"}");
	for (size_t i = 0; i < w->count; i++) {
		const struct plan *p = &w->plans[i];
		if (shard_of(w, i) != shard)
			continue;
		size_t begin = data.length;
		add_values(&data, w, p);
		strbuf_addf(&header, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", p->name, dtype_name(dtype_of(w->spec)));
		for (unsigned d = 0; d < p->rank; d++)
			strbuf_addf(&header, "%s%zu", d ? "," : "", p->shape[d]);
		strbuf_addf(&header, "],\"data_offsets\":[%zu,%zu]}", begin, data.length);
	}
	strbuf_addc(&header, '}');
	while (header.length % 8 != (w->spec->misaligned ? 1 : 0))
		strbuf_addc(&header, ' ');
	for (int i = 0; i < 8; i++)
		strbuf_addc(&file, (char)(header.length >> (8 * i) & 0xff));
	strbuf_add(&file, header.s, header.length);
	strbuf_add(&file, data.s, data.length);
	shard_name(name, sizeof name, w->spec, shard);
	int bad = write_text(w->dir, name, &file);
	strbuf_release(&header);
	strbuf_release(&data);
	strbuf_release(&file);
	return bad;
}

static int write_index(const struct writer *w)
{
	cJSON *tree = cJSON_CreateObject();
	cJSON *metadata = cJSON_AddObjectToObject(tree, "metadata");
	cJSON *map = cJSON_AddObjectToObject(tree, "weight_map");
	char name[64];
	size_t total = 0;
	for (size_t i = 0; i < w->count; i++) {
		shard_name(name, sizeof name, w->spec, shard_of(w, i));
		cJSON_AddStringToObject(map, w->plans[i].name, name);
		total += plan_elements(&w->plans[i]) * dtype_bits(dtype_of(w->spec)) / 8;
	}
	cJSON_AddNumberToObject(metadata, "total_size", (double)total);
	int bad = write_json(w->dir, "model.safetensors.index.json", tree);
	cJSON_Delete(tree);
	return bad;
}

static void add_rope(cJSON *text, const struct checkpoint_spec *spec)
{
	if (spec->rope != ROPE_V5)
		cJSON_AddNumberToObject(text, "rope_theta", 5000000);
	if (spec->rope == ROPE_PLAIN) {
		cJSON_AddNullToObject(text, "rope_scaling");
		return;
	}
	cJSON *rope = cJSON_AddObjectToObject(text, spec->rope == ROPE_V4 ? "rope_scaling" : "rope_parameters");
	cJSON_AddTrueToObject(rope, "mrope_interleaved");
	cJSON *sections = cJSON_AddArrayToObject(rope, "mrope_section");
	size_t third = spec->head_dim / 2 / 3, rest = spec->head_dim / 2 - 2 * third;
	cJSON_AddItemToArray(sections, cJSON_CreateNumber((double)rest));
	cJSON_AddItemToArray(sections, cJSON_CreateNumber((double)third));
	cJSON_AddItemToArray(sections, cJSON_CreateNumber((double)third));
	if (spec->rope == ROPE_V5)
		cJSON_AddNumberToObject(rope, "rope_theta", 5000000);
	cJSON_AddStringToObject(rope, "rope_type", "default");
}

static int write_config(const struct writer *w)
{
	const struct lm_config *c = &w->config;
	cJSON *top = cJSON_CreateObject();
	cJSON_AddStringToObject(top, "model_type", c->model_type);
	cJSON_AddBoolToObject(top, "tie_word_embeddings", c->tied);
	cJSON *text = w->spec->rope == ROPE_PLAIN ? top : cJSON_AddObjectToObject(top, "text_config");
	cJSON_AddBoolToObject(text, "attention_bias", 0);
	cJSON_AddNumberToObject(text, "head_dim", (double)c->head_dim);
	cJSON_AddStringToObject(text, "hidden_act", "silu");
	cJSON_AddNumberToObject(text, "hidden_size", (double)c->hidden_size);
	cJSON_AddNumberToObject(text, "intermediate_size", (double)c->intermediate_size);
	cJSON_AddNumberToObject(text, "max_position_embeddings", (double)c->max_position_embeddings);
	cJSON_AddNumberToObject(text, "num_attention_heads", (double)c->heads);
	cJSON_AddNumberToObject(text, "num_hidden_layers", (double)c->layers);
	cJSON_AddNumberToObject(text, "num_key_value_heads", (double)c->kv_heads);
	cJSON_AddNumberToObject(text, "rms_norm_eps", 1e-6);
	add_rope(text, w->spec);
	cJSON_AddNumberToObject(text, "vocab_size", (double)c->vocab_size);
	int bad = write_json(w->dir, "config.json", top);
	cJSON_Delete(top);
	return bad;
}

static double id_max(double so_far, const cJSON *value)
{
	return cJSON_IsNumber(value) && value->valuedouble > so_far ? value->valuedouble : so_far;
}

static int copy_tokenizer(const struct writer *w)
{
	char *from = path_join(w->spec->tokenizer, "tokenizer.json"), *to = path_join(w->dir, "tokenizer.json");
	char *text = NULL;
	const cJSON *item;
	double most = -1;
	size_t length = 0;
	int bad = file_read(from, FILE_MAX, &text, &length);
	cJSON *tree = bad ? NULL : json_parse(text, length, from, NULL);
	if (tree) {
		cJSON_ArrayForEach(item, cJSON_GetObjectItem(cJSON_GetObjectItem(tree, "model"), "vocab"))
			most = id_max(most, item);
		cJSON_ArrayForEach(item, cJSON_GetObjectItem(tree, "added_tokens"))
			most = id_max(most, cJSON_GetObjectItem(item, "id"));
		if (most >= (double)w->spec->vocab)
			bad = fail("%s: has id %.0f, but the checkpoint only %zu rows", from, most, w->spec->vocab);
		else
			bad = file_write(to, text, length);
	} else {
		bad = -1;
	}
	cJSON_Delete(tree);
	free(text);
	free(from);
	free(to);
	return bad;
}

static int write_all(struct writer *w)
{
	if (dir_make(w->dir) || write_config(w))
		return -1;
	plan_language(w);
	if (w->spec->vision && prefixes[w->spec->prefix].vision)
		plan_vision(w);
	for (size_t shard = 0; shard == 0 || shard < w->spec->shards; shard++)
		if (write_shard(w, shard))
			return -1;
	if (w->spec->shards > 1 && write_index(w))
		return -1;
	return w->spec->tokenizer ? copy_tokenizer(w) : 0;
}

int make_checkpoint(const char *dir, const struct checkpoint_spec *spec)
{
	struct writer w = {.dir = dir, .spec = spec};
	w.config = (struct lm_config){
		.vocab_size = spec->vocab, .hidden_size = spec->hidden, .intermediate_size = spec->intermediate,
		.layers = spec->layers, .heads = spec->heads, .kv_heads = spec->kv_heads, .head_dim = spec->head_dim,
		.max_position_embeddings = spec->max_positions ? spec->max_positions : 4096, .rms_norm_eps = 1e-6,
		.rope_theta = 5e6, .tied = spec->tied,
	};
	snprintf(w.config.model_type, sizeof w.config.model_type, "%s", spec->rope == ROPE_PLAIN ? "qwen3" : "qwen3_vl");
	int bad = lm_config_check(&w.config) || write_all(&w) ? -1 : 0;
	free(w.plans);
	return bad;
}
