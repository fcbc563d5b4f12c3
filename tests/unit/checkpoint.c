/* Checkpoint folders: one file and shards, five prefixes, what is missing, left over or wrong. */
#include "checkpoint/checkpoint.h"

#include <stdlib.h>

#include "../check.h"
#include "../support/make_checkpoint.h"
#include "../support/scratch.h"
#include "common/error.h"
#include "common/file.h"
#include "common/hash.h"
#include "common/memory.h"
#include "common/strbuf.h"
#include "checkpoint/lm_layout.h"
#include "checkpoint/vision_list.h"

/* Head width apart from hidden / heads, uneven sizes. */
static const struct checkpoint_spec small = {
	.hidden = 24, .layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 8, .intermediate = 40, .vocab = 33, .tied = 1,
	.vision = 1, .rope = ROPE_V5, .seed = 7,
};

enum { FILE_MAX = 16 << 20 };

/* Makes the folder anew; the caller frees the path. */
static char *make(const struct checkpoint_spec *spec)
{
	char *dir = scratch_path("checkpoint");
	scratch_remove(dir);
	if (make_checkpoint(dir, spec))
		exit(error_report(1));
	return dir;
}

/* Replaces text in a file of the folder: the first occurrence, or all. */
static void edit(const char *dir, const char *name, const char *from, const char *to, int all)
{
	char *path = path_join(dir, name), *text;
	size_t length, n = strlen(from), hits = 0;
	struct strbuf out;
	strbuf_init(&out);
	if (file_read(path, FILE_MAX, &text, &length))
		exit(error_report(1));
	for (size_t i = 0; i < length;) {
		if ((all || !hits) && length - i >= n && !memcmp(text + i, from, n)) {
			strbuf_adds(&out, to);
			i += n;
			hits++;
		} else {
			strbuf_addc(&out, text[i++]);
		}
	}
	CHECK(hits, "the test is wrong: no %s in %s", from, name);
	if (file_write(path, out.s, out.length))
		exit(error_report(1));
	strbuf_release(&out);
	free(text);
	free(path);
}

static void put(const char *dir, const char *name, const char *text)
{
	char *path = path_join(dir, name);
	if (file_write(path, text, strlen(text)))
		exit(error_report(1));
	free(path);
}

static void copy(const char *dir, const char *from, const char *to)
{
	char *source = path_join(dir, from), *target = path_join(dir, to), *text;
	size_t length;
	if (file_read(source, FILE_MAX, &text, &length) || file_write(target, text, length))
		exit(error_report(1));
	free(text);
	free(source);
	free(target);
}

static void drop(const char *dir, const char *name)
{
	char *path = path_join(dir, name);
	scratch_remove(path);
	free(path);
}

/* Opening fails with a message that holds both parts and the folder's name. */
static void refuses(const char *dir, const char *part, const char *other)
{
	struct checkpoint c;
	int bad = checkpoint_open(&c, dir);
	CHECK(bad, "accepted, expected: %s", part);
	if (bad) {
		CHECK(strstr(error_text(), part), "message is \"%s\", expected \"%s\"", error_text(), part);
		CHECK(!other || strstr(error_text(), other), "message is \"%s\", expected \"%s\"", error_text(), other);
		CHECK(strstr(error_text(), dir), "message \"%s\" does not name the folder", error_text());
	}
	CHECK(c.shard_count == 0 && !c.dir, "something is held after the failure");
	checkpoint_close(&c);
}

/* Opens and compares the table with the layout of the config. Returns 0 when it can be looked at further. */
static int opens(struct checkpoint *c, const char *dir)
{
	struct lm_tensor_spec spec;
	int bad = checkpoint_open(c, dir);
	CHECK(!bad, "refused: %s", error_text());
	if (bad)
		return -1;
	CHECK(c->tensor_count == lm_layout_count(&c->config), "%zu tensors", c->tensor_count);
	for (size_t i = 0; i < c->tensor_count; i++) {
		const struct checkpoint_tensor *t = &c->tensors[i];
		lm_layout_tensor(&c->config, i, &spec);
		CHECK_STRING(t->name, spec.name);
		CHECK(t->rank == spec.rank && t->shape[0] == spec.shape[0] && t->shape[1] == spec.shape[1], "%s: "
			"shape", t->name);
		CHECK(t->bytes == t->shape[0] * t->shape[1] * dtype_bits(t->dtype) / 8, "%s: bytes", t->name);
		CHECK(t->shard < c->shard_count && t->offset + t->bytes <= c->shards[t->shard].size, "%s: extent", t->name);
	}
	return 0;
}

static const char *demo_dir(void)
{
	static const char *const places[] = {"models/qwen3_vl_demo/checkpoint", "../shared/demo-model/checkpoint"};
	for (int i = 0; i < 2; i++)
		if (file_exists(places[i]))
			return places[i];
	check_skip("the demo checkpoint is absent");
	return NULL;
}

static float value_at(const struct checkpoint *c, size_t index, size_t element)
{
	const struct checkpoint_tensor *t = &c->tensors[index];
	float value;
	dtype_widen(t->dtype, checkpoint_bytes(c, t) + element * dtype_bits(t->dtype) / 8, 1, &value);
	return value;
}

static void test_demo(void)
{
	struct checkpoint c;
	const char *dir = demo_dir();
	if (!dir || opens(&c, dir))
		return;
	CHECK(c.tensor_count == 46 && c.config.tied == 1 && c.config.layers == 4 && c.config.head_dim == 64, "config");
	CHECK(c.config.rope_theta == 5e6 && c.config.max_position_embeddings == 4096, "config");
	CHECK_CLOSE(value_at(&c, LM_EMBED, 0), -0.10400390625, 0);
	CHECK_CLOSE(value_at(&c, LM_EMBED, 256 * 1024 - 1), -0.00189971923828125, 0);
	CHECK_CLOSE(value_at(&c, lm_layout_index(3, LM_DOWN), 777), 0.1259765625, 0);
	CHECK_CLOSE(value_at(&c, lm_layout_norm(&c.config), 5), 0.671875, 0);
	for (size_t i = 0; i < c.tensor_count; i++) {
		const struct checkpoint_tensor *t = &c.tensors[i];
		size_t count = t->shape[0] * t->shape[1];
		CHECK(dtype_find_nonfinite(t->dtype, checkpoint_bytes(&c, t), count) == count, "%s: not finite", t->name);
	}
	checkpoint_close(&c);
}

static void test_demo_vision(void)
{
	static const struct {
		const char *name, *kind;
		uint64_t out, in;
	} expected[] = {
		{"patch_embed.proj", "Conv3d", 64, 1536},
		{"blocks.0.attn.qkv", "Linear", 192, 64}, {"blocks.0.attn.proj", "Linear", 64, 64},
		{"blocks.0.mlp.linear_fc1", "Linear", 128, 64}, {"blocks.0.mlp.linear_fc2", "Linear", 64, 128},
		{"blocks.1.attn.qkv", "Linear", 192, 64}, {"blocks.1.attn.proj", "Linear", 64, 64},
		{"blocks.1.mlp.linear_fc1", "Linear", 128, 64}, {"blocks.1.mlp.linear_fc2", "Linear", 64, 128},
		{"merger.linear_fc1", "Linear", 256, 256}, {"merger.linear_fc2", "Linear", 256, 256},
		{"deepstack_merger_list.0.linear_fc1", "Linear", 256, 256},
		{"deepstack_merger_list.0.linear_fc2", "Linear", 256, 256},
		{"deepstack_merger_list.1.linear_fc1", "Linear", 256, 256},
		{"deepstack_merger_list.1.linear_fc2", "Linear", 256, 256},
	};
	enum { COUNT = sizeof expected / sizeof *expected };
	struct checkpoint c;
	const char *dir = demo_dir();
	if (!dir || opens(&c, dir))
		return;
	CHECK(c.vision_count == COUNT, "%zu vision linears, expected %d", c.vision_count, COUNT);
	for (size_t i = 0; i < c.vision_count && i < COUNT; i++) {
		CHECK_STRING(c.vision[i].name + strlen("model.visual."), expected[i].name);
		CHECK_STRING(c.vision[i].kind, expected[i].kind);
		CHECK(c.vision[i].out_features == expected[i].out && c.vision[i].in_features == expected[i].in,
			"%s: %llu x %llu", c.vision[i].name, (unsigned long long)c.vision[i].out_features,
			(unsigned long long)c.vision[i].in_features);
	}
	checkpoint_close(&c);
}

/* The tower of the 4B model, fed in by name as a sorted header has it: 105 layers, 412,614,656 weights. */
static void test_vision_of_4b(void)
{
	struct checkpoint_vision list[128];
	size_t count = 0;
	char name[96];
	uint64_t total = 0;
#define TAKE(rank_, ...) do { \
		struct safetensors_tensor t = {.rank = rank_, .shape = {__VA_ARGS__}}; \
		count += (size_t)vision_list_take(&list[count], name, &t); \
	} while (0)
	for (int i = 23; i >= 0; i--) {
		snprintf(name, sizeof name, "blocks.%d.mlp.linear_fc2.weight", i);
		TAKE(2, 1024, 4096);
		snprintf(name, sizeof name, "blocks.%d.mlp.linear_fc1.weight", i);
		TAKE(2, 4096, 1024);
		snprintf(name, sizeof name, "blocks.%d.attn.proj.weight", i);
		TAKE(2, 1024, 1024);
		snprintf(name, sizeof name, "blocks.%d.attn.qkv.weight", i);
		TAKE(2, 3072, 1024);
		snprintf(name, sizeof name, "blocks.%d.attn.qkv.bias", i);
		TAKE(1, 3072);
		snprintf(name, sizeof name, "blocks.%d.norm1.weight", i);
		TAKE(1, 1024);
	}
	for (int i = -1; i < 3; i++)
		for (int fc = 1; fc <= 2; fc++) {
			if (i < 0)
				snprintf(name, sizeof name, "merger.linear_fc%d.weight", fc);
			else
				snprintf(name, sizeof name, "deepstack_merger_list.%d.linear_fc%d.weight", i, fc);
			TAKE(2, fc == 1 ? 4096 : 2560, 4096);
		}
	snprintf(name, sizeof name, "pos_embed.weight");
	TAKE(2, 2304, 1024);
	snprintf(name, sizeof name, "patch_embed.proj.weight");
	TAKE(5, 1024, 3, 2, 16, 16);
#undef TAKE
	CHECK(count == 105, "%zu vision linears, expected 105", count);
	vision_list_sort(list, count);
	CHECK_STRING(list[0].name, "model.visual.patch_embed.proj");
	CHECK_STRING(list[1].name, "model.visual.blocks.0.attn.qkv");
	CHECK_STRING(list[9].name, "model.visual.blocks.2.attn.qkv");
	CHECK_STRING(list[44].name, "model.visual.blocks.10.mlp.linear_fc2");
	CHECK_STRING(list[97].name, "model.visual.merger.linear_fc1");
	CHECK_STRING(list[104].name, "model.visual.deepstack_merger_list.2.linear_fc2");
	for (size_t i = 0; i < count; i++) {
		total += list[i].out_features * list[i].in_features;
		free(list[i].name);
	}
	CHECK(total == 412614656, "%llu weights", (unsigned long long)total);
}

/* Every prefix, with each spelling of config.json, each type, one to three shards, aligned and not. */
static void test_variants(void)
{
	static const char *const embeds[] = {"model.language_model.embed_tokens.weight",
		"language_model.model.embed_tokens.weight", "language_model.embed_tokens.weight", "model.embed_tokens.weight",
		"embed_tokens.weight"};
	static const char *const heads[] = {"lm_head.weight", "language_model.lm_head.weight", "lm_head.weight",
		"lm_head.weight", "lm_head.weight"};
	static const enum dtype types[] = {DTYPE_BF16, DTYPE_F16, DTYPE_F32};
	for (int prefix = 0; prefix <= PREFIX_BARE; prefix++)
		for (int run = 0; run < 6; run++) {
			struct checkpoint_spec spec = small;
			struct checkpoint c;
			spec.prefix = (enum name_prefix)prefix;
			spec.rope = (enum rope_spelling)(run % 3);
			spec.dtype = types[(run + prefix) % 3];
			spec.tied = run < 3;
			spec.misaligned = run % 2;
			spec.shards = (size_t)run / 2;
			char *dir = make(&spec);
			if (!opens(&c, dir)) {
				CHECK(c.config.tied == spec.tied, "tied is %d", c.config.tied);
				CHECK(c.tensors[0].dtype == spec.dtype, "dtype is %s", dtype_name(c.tensors[0].dtype));
				CHECK_STRING(c.tensors[LM_EMBED].stored_name, embeds[prefix]);
				if (!spec.tied)
					CHECK_STRING(c.tensors[lm_layout_head(&c.config)].stored_name, heads[prefix]);
				CHECK(c.vision_count == (prefix == PREFIX_BARE ? 0u : 9u), "%zu vision linears", c.vision_count);
				CHECK(c.shard_count == (spec.shards > 1 ? spec.shards : 1), "%zu shards", c.shard_count);
				CHECK(c.tensors[1].offset % 2 == (uint64_t)spec.misaligned, "offset %llu",
					(unsigned long long)c.tensors[1].offset);
				float norm = value_at(&c, lm_layout_index(1, LM_INPUT_NORM), 3);
				CHECK(norm > 0.5f && norm < 1.5f, "a norm's weight is %g", (double)norm);
				checkpoint_close(&c);
			}
			free(dir);
		}
}

static void test_maker_is_deterministic(void)
{
	struct checkpoint_spec spec = small;
	char *text, *path;
	size_t length;
	spec.outliers = 2;
	for (int run = 0; run < 2; run++) {
		char *dir = make(&spec);
		path = path_join(dir, "model.safetensors");
		CHECK(!file_read(path, FILE_MAX, &text, &length), "%s", error_text());
		CHECK_STRING(hash_bytes(text, length).hex, "a9048fda889891c3f9cb9afafb3204d5");
		free(text);
		free(path);
		free(dir);
	}
}

/* The second model of the pipeline's tests: wide heads, a head of its own, shards, the spelling of published files. */
static void test_maker_with_tokenizer(void)
{
	struct checkpoint_spec spec = {.hidden = 64, .layers = 2, .heads = 2, .kv_heads = 1, .head_dim = 128,
		.intermediate = 96, .vocab = 1024, .shards = 3, .rope = ROPE_V4, .seed = 3, .outliers = 2};
	struct checkpoint c;
	const char *demo = demo_dir();
	if (!demo)
		return;
	spec.tokenizer = demo;
	char *dir = make(&spec), *path = path_join(dir, "tokenizer.json");
	CHECK(file_exists(path), "no tokenizer.json");
	if (!opens(&c, dir)) {
		CHECK(c.config.head_dim == 128 && !c.config.tied && c.shard_count == 3 && !c.vision_count, "another model");
		size_t norm = lm_layout_index(0, LM_INPUT_NORM);
		CHECK(value_at(&c, norm, 0) > 8 && value_at(&c, norm, 32) > 8 && value_at(&c, norm, 1) < 2, "no outliers");
		checkpoint_close(&c);
	}
	spec.vocab = 100;
	CHECK(make_checkpoint(dir, &spec) && strstr(error_text(), "but the checkpoint only 100 rows"), "%s", error_text());
	free(path);
	free(dir);
}

static void test_tied_with_stored_head(void)
{
	struct checkpoint_spec spec = small;
	struct checkpoint c;
	spec.stored_head = 1;
	char *dir = make(&spec);
	if (!opens(&c, dir)) {
		CHECK(c.config.tied == 1, "tied is %d", c.config.tied);
		CHECK(lm_layout_head(&c.config) == LM_EMBED, "the head is not the embedding");
		checkpoint_close(&c);
	}
	/* The config is silent: what is stored decides. */
	edit(dir, "config.json", "tie_word_embeddings", "tie_word_embeddingz", 1);
	if (!opens(&c, dir)) {
		CHECK(c.config.tied == 0, "tied is %d", c.config.tied);
		checkpoint_close(&c);
	}
	free(dir);
	dir = make(&small);
	edit(dir, "config.json", "tie_word_embeddings", "tie_word_embeddingz", 1);
	if (!opens(&c, dir)) {
		CHECK(c.config.tied == 1, "tied is %d", c.config.tied);
		checkpoint_close(&c);
	}
	edit(dir, "config.json", "\"tie_word_embeddingz\": true", "\"tie_word_embeddings\": false", 1);
	refuses(dir, "missing of the language model: 1 tensor, \"lm_head.weight\"", NULL);
	free(dir);
}

static void test_folders(void)
{
	char *dir = make(&small);
	char *absent = path_join(dir, "absent"), *file = path_join(dir, "config.json");
	refuses(absent, "cannot open the checkpoint folder: No such file or directory", NULL);
	refuses(file, "not a folder; expected the folder with config.json and model.safetensors", NULL);
	copy(dir, "model.safetensors", "pytorch_model.bin");
	drop(dir, "model.safetensors");
	refuses(dir, "neither model.safetensors nor model.safetensors.index.json is there; \"pytorch_model.bin\" is of a "
		"format that is not supported", NULL);
	copy(dir, "pytorch_model.bin", "model-00001-of-00002.safetensors");
	refuses(dir, "there is \"model-00001-of-00002.safetensors\": is the index missing?", NULL);
	drop(dir, "model-00001-of-00002.safetensors");
	drop(dir, "pytorch_model.bin");
	refuses(dir, "neither model.safetensors nor model.safetensors.index.json is there", NULL);
	drop(dir, "config.json");
	refuses(dir, "config.json is missing: not a checkpoint folder", NULL);
	free(absent);
	free(file);
	free(dir);
}

static void test_wrong_tensors(void)
{
	char *dir = make(&small);
	/* A name that becomes the tower's is skipped there and missed here. */
	edit(dir, "model.safetensors", "model.language_model.layers.1.mlp.up_proj.weight",
		"model.visual.xxxxxxx.layers.1.mlp.up_proj.weight", 1);
	refuses(dir, "missing of the language model: 1 tensor, \"model.language_model.layers.1.mlp.up_proj.weight\"; "
		"nearest to the first is \"model.language_model.layers.0.mlp.up_proj.weight\"", NULL);
	free(dir);

	dir = make(&small);
	edit(dir, "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 4", 1);
	refuses(dir, "missing of the language model: 22 tensors, "
		"\"model.language_model.layers.2.input_layernorm.weight\", ",
		"and 12 more");
	edit(dir, "config.json", "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 1", 1);
	refuses(dir, "neither part of a qwen3_vl language model of 1 layers nor of its vision tower: 11 tensors, \"model."
		"language_model.layers.1.", "and 1 more");
	edit(dir, "config.json", "\"num_hidden_layers\": 1", "\"num_hidden_layers\": 2", 1);
	edit(dir, "config.json", "\"intermediate_size\": 40", "\"intermediate_size\": 41", 1);
	refuses(dir, "/model.safetensors: tensor \"model.language_model.layers.0.mlp.gate_proj.weight\" has shape "
		"[40, 24], "
		"but config.json asks for [41, 24]", NULL);
	edit(dir, "config.json", "\"intermediate_size\": 41", "\"intermediate_size\": 40", 1);
	edit(dir, "model.safetensors", "\"dtype\":\"BF16\"", "\"dtype\": \"I16\"", 0);
	refuses(dir, "tensor \"model.language_model.embed_tokens.weight\" is I16; expected BF16, F16 or F32", NULL);
	free(dir);

	dir = make(&small);
	edit(dir, "model.safetensors", "[24]", "[ 8]", 0);
	refuses(dir, "data_offsets", "its shape in BF16 takes 16");
	free(dir);
}

static void test_leftovers(void)
{
	char *dir = make(&small);
	edit(dir, "model.safetensors", "model.visual.", "model.visuals", 1);
	refuses(dir, "neither part of a qwen3_vl language model of 2 layers nor of its vision tower: 21 tensors, "
		"\"model.visualsblocks.0.attn.proj.bias\", ", "and 11 more");
	free(dir);
	dir = make(&small);
	edit(dir, "model.safetensors", "model.visual.patch_embed.proj.bias", "model.layers.0.q_proj.weight_scale", 1);
	refuses(dir, "the checkpoint is quantized, expected weights in BF16, F16 or F32; found "
		"\"model.layers.0.q_proj.weight_scale\"", NULL);
	free(dir);
	dir = make(&small);
	edit(dir, "model.safetensors", "embed_tokens", "embed_tokenz", 1);
	refuses(dir, "no embed_tokens.weight under \"model.language_model.\" or another known prefix among 45 "
		"tensors", NULL);
	free(dir);
	/* Tables that old files carry are ignored. */
	struct checkpoint c;
	dir = make(&small);
	edit(dir, "model.safetensors", "\"model.visual.deepstack_merger_list.0.linear_fc1.weight\"",
		"\"model.language_model.rotary_emb.inv_freq\"              ", 1);
	if (!opens(&c, dir)) {
		CHECK(c.vision_count == 8, "%zu vision linears", c.vision_count);
		checkpoint_close(&c);
	}
	free(dir);
}

static void test_no_tensors(void)
{
	char *dir = make(&small), *path = path_join(dir, "model.safetensors");
	if (file_write(path, "\2\0\0\0\0\0\0\0{}", 10))
		exit(error_report(1));
	refuses(dir, "no tensor in the checkpoint", NULL);
	free(path);
	free(dir);
}

#define FIRST "model-00001-of-00003.safetensors"
#define SECOND "model-00002-of-00003.safetensors"
#define INDEX "model.safetensors.index.json"

static char *make_sharded(void)
{
	struct checkpoint_spec spec = small;
	spec.shards = 3;
	return make(&spec);
}

static void test_shards(void)
{
	struct checkpoint c;
	char *dir = make_sharded();
	if (!opens(&c, dir)) {
		CHECK(c.shard_count == 3, "%zu shards", c.shard_count);
		CHECK_STRING(c.shards[1].name, SECOND);
		CHECK(c.tensors[0].shard != c.tensors[1].shard, "neighbours share a shard");
		checkpoint_close(&c);
	}
	/* With both, the index wins. */
	put(dir, "model.safetensors", "no safetensors file");
	if (!opens(&c, dir))
		checkpoint_close(&c);
	/* A tensor that only a header knows is ignored, with a warning. */
	edit(dir, INDEX, "\"model.visual.pos_embed.weight\": \"model-00001-of-00003.safetensors\",", "", 1);
	if (!opens(&c, dir))
		checkpoint_close(&c);
	drop(dir, SECOND);
	refuses(dir, "shard \"" SECOND "\" is missing; " INDEX " lists it", NULL);
	drop(dir, FIRST);
	refuses(dir, "2 of 3 shards are missing, \"" FIRST "\" first", NULL);
	free(dir);
}

static void test_wrong_shards(void)
{
	char *dir = make_sharded();
	copy(dir, FIRST, SECOND);
	refuses(dir, "is in two shards, \"" FIRST "\" and \"" SECOND "\"", "tensor \"");
	free(dir);
	dir = make_sharded();
	put(dir, SECOND, "version https://git-lfs.github.com/spec/v1\n");
	refuses(dir, SECOND ": this is a Git LFS pointer", NULL);
	free(dir);
	dir = make_sharded();
	edit(dir, INDEX, "\"model.language_model.norm.weight\": \"model-0000",
		"\"model.language_model.norm.weight\": \"modem-0000", 1);
	refuses(dir, "shard \"modem-0000", "is missing");
	free(dir);
}

/* The index places a tensor in a shard that does not hold it. */
static void test_misplaced(void)
{
	char *dir = make_sharded(), *path = path_join(dir, INDEX), *text;
	size_t length;
	if (file_read(path, FILE_MAX, &text, &length))
		exit(error_report(1));
	char *at = strstr(text, "\"model.language_model.norm.weight\": \"model-0000");
	CHECK(at, "the test is wrong");
	if (at) {
		char *digit = at + strlen("\"model.language_model.norm.weight\": \"model-0000");
		*digit = *digit == '1' ? '2' : '1';
		if (file_write(path, text, length))
			exit(error_report(1));
		refuses(dir, "tensor \"model.language_model.norm.weight\" is not in shard \"model-0000",
			"where model.safetensors.index.json places it");
	}
	free(text);
	free(path);
	free(dir);
}

static void test_bad_indexes(void)
{
	static const struct {
		const char *text, *error;
	} indexes[] = {
		{"", INDEX ":1:1: byte 0: not JSON"},
		{"[]", INDEX ": key \"weight_map\" is missing"},
		{"{\"weight_map\": []}", "\"weight_map\" must be an object"},
		{"{\"weight_map\": {}}", "weight_map is empty"},
		{"{\"weight_map\": {\"a\": 1}}", "\"a\" must be a string"},
		{"{\"weight_map\": {\"a\": \"../" FIRST "\"}}", "\"a\": \"../" FIRST "\" is not the plain name of a file"},
		{"{\"weight_map\": {\"a\": \"/etc/passwd\"}}", "is not the plain name of a file"},
		{"{\"weight_map\": {\"a\": \"x\\\\y\"}}", "is not the plain name of a file"},
		{"{\"weight_map\": {\"a\": \".\"}}", "is not the plain name of a file"},
		{"{\"weight_map\": {\"a\": \"..\"}}", "is not the plain name of a file"},
		{"{\"weight_map\": {\"a\": \"\"}}", "is not the plain name of a file"},
		{"{\"weight_map\": {\"a\": \"x\\u0000y\"}}", "\\u0000 is not supported"},
		{"{\"weight_map\": {\"a\": \"" FIRST "\", \"a\": \"" FIRST "\"}}", "duplicate key \"a\""},
		{"{\"weight_map\": {\"a\": \"absent\"}}", "shard \"absent\" is missing"},
		{"{\"weight_map\": {\"a\": \"" FIRST "\"}}", "no embed_tokens.weight"},
	};
	char *dir = make_sharded();
	for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
		put(dir, INDEX, indexes[i].text);
		refuses(dir, indexes[i].error, NULL);
	}
	free(dir);
}

static void check_names(const char *dir, const char *const *expected, size_t count)
{
	char **names;
	size_t found;
	CHECK(!checkpoint_files(dir, &names, &found), "%s", error_text());
	CHECK(found == count, "%zu names, expected %zu", found, count);
	for (size_t i = 0; i < found; i++) {
		CHECK_STRING(names[i], i < count ? expected[i] : "");
		free(names[i]);
	}
	free(names);
}

static void test_files(void)
{
	static const char *const one[] = {"config.json", "model.safetensors"};
	static const char *const many[] = {"config.json", INDEX, FIRST, SECOND, "model-00003-of-00003.safetensors"};
	char **names, *dir = make(&small);
	size_t count;
	check_names(dir, one, 2);
	/* Only looked for, not read. */
	put(dir, "model.safetensors", "");
	check_names(dir, one, 2);
	drop(dir, "model.safetensors");
	CHECK(checkpoint_files(dir, &names, &count) && !names && !count, "accepted a folder without weights");
	free(dir);
	dir = make_sharded();
	check_names(dir, many, 5);
	free(dir);
}

int main(void)
{
	TEST(test_demo);
	TEST(test_demo_vision);
	TEST(test_vision_of_4b);
	TEST(test_variants);
	TEST(test_maker_is_deterministic);
	TEST(test_maker_with_tokenizer);
	TEST(test_tied_with_stored_head);
	TEST(test_folders);
	TEST(test_wrong_tensors);
	TEST(test_leftovers);
	TEST(test_no_tensors);
	TEST(test_shards);
	TEST(test_wrong_shards);
	TEST(test_misplaced);
	TEST(test_bad_indexes);
	TEST(test_files);
	return check_done();
}
