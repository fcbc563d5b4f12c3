/* The lm object: written from a checkpoint, read back, damaged in its description, and held against changed weights. */
#include "formats/lm.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "../check.h"
#include "../support/make_checkpoint.h"
#include "../support/scratch.h"
#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "checkpoint/checkpoint.h"
#include "model/lm_extract.h"
#include "checkpoint/lm_layout.h"
#include "model/lm_pieces.h"
#include "model/lm_weights.h"

static const struct checkpoint_spec small = {
	.hidden = 24, .layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 8, .intermediate = 40, .vocab = 33, .tied = 0,
	.vision = 1, .rope = ROPE_V4, .seed = 11,
};

enum { FILE_MAX = 16 << 20 };

static char *make(const char *name, const struct checkpoint_spec *spec)
{
	char *dir = scratch_path(name);
	scratch_remove(dir);
	if (make_checkpoint(dir, spec))
		exit(error_report(1));
	return dir;
}

/* Opens the folder and extracts; -1 after fail(). Shard digests are made up from their number. */
static int extract(struct checkpoint *checkpoint, struct lm *lm, const char *dir)
{
	struct digest digests[8];
	if (checkpoint_open(checkpoint, dir))
		return -1;
	for (size_t i = 0; i < 8; i++)
		digests[i] = hash_bytes(&i, sizeof i);
	if (!lm_extract(lm, checkpoint, digests))
		return 0;
	checkpoint_close(checkpoint);
	return -1;
}

/* Extracts dir and writes the object; the caller frees the path. */
static char *write_lm(const char *dir, const char *name, struct digest *content, struct digest *identity)
{
	struct checkpoint checkpoint;
	struct lm lm;
	char *path = scratch_path(name);
	size_t size;
	unlink(path);
	if (extract(&checkpoint, &lm, dir) || lm_write(&lm, path, content, identity, &size))
		exit(error_report(1));
	lm_close(&lm);
	checkpoint_close(&checkpoint);
	return path;
}

static void test_round_trip(void)
{
	struct checkpoint_spec spec = small;
	struct checkpoint c;
	struct lm made, read;
	struct digest content, identity;
	size_t size;
	spec.shards = 3;
	char *dir = make("checkpoint", &spec), *path = scratch_path("round.lm");
	if (extract(&c, &made, dir) || lm_write(&made, path, &content, &identity, &size) || lm_open(&read, path, &content))
		exit(error_report(1));
	CHECK(digest_equal(&read.object.identity, &identity), "identity %s", read.object.identity.hex);
	CHECK(!memcmp(&read.config, &made.config, sizeof read.config), "the config differs");
	CHECK(read.tensor_count == 25 && read.shard_count == 3 && read.vision_count == 9, "%zu, %zu, %zu",
		read.tensor_count,
		read.shard_count, read.vision_count);
	for (size_t i = 0; i < made.tensor_count; i++) {
		const struct lm_tensor *a = &made.tensors[i], *b = &read.tensors[i];
		struct digest digest = hash_bytes(checkpoint_bytes(&c, &c.tensors[i]), (size_t)a->bytes);
		CHECK_STRING(b->name, a->name);
		CHECK_STRING(b->digest.hex, digest.hex);
		CHECK(a->dtype == b->dtype && a->rank == b->rank && a->shape[0] == b->shape[0] && a->shape[1] == b->shape[1] &&
			a->shard == b->shard && a->offset == b->offset && a->bytes == b->bytes, "%s differs", a->name);
	}
	for (size_t i = 0; i < made.vision_count; i++) {
		CHECK_STRING(read.vision[i].name, made.vision[i].name);
		CHECK_STRING(read.vision[i].kind, made.vision[i].kind);
		CHECK(read.vision[i].out_features == made.vision[i].out_features &&
			read.vision[i].in_features == made.vision[i].in_features, "%s differs", made.vision[i].name);
	}
	for (size_t i = 0; i < made.shard_count; i++) {
		CHECK_STRING(read.shards[i].name, made.shards[i].name);
		CHECK_STRING(read.shards[i].digest.hex, made.shards[i].digest.hex);
		CHECK(read.shards[i].size == made.shards[i].size, "size of %s", made.shards[i].name);
	}
	lm_close(&read);
	lm_close(&made);
	checkpoint_close(&c);
	free(path);
	free(dir);
}

/* Other shards, another alignment, other vision weights: another object, the same identity. */
static void test_identity(void)
{
	struct checkpoint_spec spec = small;
	struct digest content, identity, other_content, other;
	char *dir = make("checkpoint", &spec), *path = write_lm(dir, "a.lm", &content, &identity);
	free(path);
	free(dir);

	spec.shards = 4;
	dir = make("checkpoint", &spec);
	path = write_lm(dir, "b.lm", &other_content, &other);
	CHECK(digest_equal(&identity, &other), "shards changed the identity");
	CHECK(!digest_equal(&content, &other_content), "shards did not change the content");
	free(path);
	free(dir);

	spec.shards = 0;
	spec.misaligned = 1;
	spec.rope = ROPE_V5;
	dir = make("checkpoint", &spec);
	path = write_lm(dir, "b.lm", &other_content, &other);
	CHECK(digest_equal(&identity, &other), "offsets or the spelling of config.json changed the identity");
	free(path);
	free(dir);

	spec = small;
	spec.seed++;
	dir = make("checkpoint", &spec);
	path = write_lm(dir, "b.lm", &other_content, &other);
	CHECK(!digest_equal(&identity, &other), "other weights did not change the identity");
	free(path);
	free(dir);

	spec = small;
	spec.max_positions = 99;
	dir = make("checkpoint", &spec);
	path = write_lm(dir, "b.lm", &other_content, &other);
	CHECK(!digest_equal(&identity, &other), "another config did not change the identity");
	free(path);
	free(dir);
}

/* Overwrites bytes of a file. */
static void poke(const char *path, uint64_t at, const void *bytes, size_t count)
{
	char *text;
	size_t length;
	if (file_read(path, FILE_MAX, &text, &length))
		exit(error_report(1));
	memcpy(text + at, bytes, count);
	if (file_write(path, text, length))
		exit(error_report(1));
	free(text);
}

static void test_not_finite(void)
{
	static const struct {
		enum dtype dtype;
		float value;
		const char *name;
	} cases[] = {{DTYPE_BF16, NAN, "NaN"}, {DTYPE_F16, INFINITY, "infinity"}, {DTYPE_F32, -INFINITY, "-infinity"}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct checkpoint_spec spec = small;
		struct checkpoint c;
		struct lm lm;
		unsigned char bytes[4];
		spec.dtype = cases[i].dtype;
		spec.misaligned = 1;
		char *dir = make("checkpoint", &spec);
		if (checkpoint_open(&c, dir))
			exit(error_report(1));
		const struct checkpoint_tensor *t = &c.tensors[lm_layout_index(1, LM_DOWN)];
		size_t element = dtype_bits(t->dtype) / 8;
		uint64_t at = t->offset + (5 * t->shape[1] + 7) * element;
		char *expected = mem_printf("%s/model.safetensors: byte %llu: tensor "
			"\"model.language_model.layers.1.mlp.down_proj.weight\": element 207 (row 5, column 7) is %s; expected "
			"finite weights", dir, (unsigned long long)at, cases[i].name);
		char *path = mem_strdup(c.shards[0].file.path);
		checkpoint_close(&c);
		dtype_narrow(cases[i].dtype, &cases[i].value, 1, bytes);
		poke(path, at, bytes, element);
		CHECK(extract(&c, &lm, dir), "%s was accepted", cases[i].name);
		CHECK_STRING(error_text(), expected);
		free(path);
		free(expected);
		free(dir);
	}
}

/* A NaN in the vision tower is nobody's business. */
static void test_vision_is_not_read(void)
{
	struct checkpoint c;
	struct lm lm;
	const float nan = NAN;
	unsigned char bytes[2];
	char *dir = make("checkpoint", &small), *path = path_join(dir, "model.safetensors");
	if (checkpoint_open(&c, dir))
		exit(error_report(1));
	uint64_t at = safetensors_find(&c.shards[0].file, "model.visual.merger.linear_fc1.weight")->begin;
	checkpoint_close(&c);
	dtype_narrow(DTYPE_BF16, &nan, 1, bytes);
	poke(path, at, bytes, 2);
	int bad = extract(&c, &lm, dir);
	CHECK(!bad, "%s", error_text());
	if (!bad) {
		lm_close(&lm);
		checkpoint_close(&c);
	}
	free(path);
	free(dir);
}

/* A change to the description of a good object, made by replacing text; NULL: no change. */
struct damage {
	const char *from, *to;
	const char *error;
};

static const struct damage damages[] = {
	{NULL, NULL, NULL},
	{"\"config\"", "\"konfig\"", "key \"config\" is missing"},
	{"\"qwen3_vl\"", "\"qwen4_vl\"", "config: model_type \"qwen4_vl\" is not supported"},
	{"\"qwen3_vl\"", "\"qwen3_vl_and_much_more\"", "model_type \"qwen3_vl_and_much_more\" is too long"},
	{"\"hidden_size\":24", "\"hidden_size\":0", "config: hidden_size: found 0, expected an integer from 1 to 131072"},
	{"\"hidden_size\":24", "\"hidden_size\":-1", "\"hidden_size\" must be an integer from 0 to 2^53, found -1"},
	{"\"hidden_size\":24", "\"hidden_size\":25", "tensor \"model.language_model.embed_tokens.weight\" has "
		"another shape"},
	{"\"num_hidden_layers\":2", "\"num_hidden_layers\":3", "25 tensors, the config asks for 36"},
	{"\"num_hidden_layers\":2", "\"num_hidden_layers\":1", "\"tensors\" must be an array of at most 14 entries"},
	{"\"tie_word_embeddings\":false", "\"tie_word_embeddings\":0", "\"tie_word_embeddings\" must be true or false"},
	{"\"rope_theta\":5000000", "\"rope_theta\":0", "config: rope_theta: found 0"},
	{"layers.0.self_attn.q_proj", "layers.0.self_attn.k_proj", "tensor 2 is \"model.language_model.layers.0.self_attn."
		"k_proj.weight\", expected \"model.language_model.layers.0.self_attn.q_proj.weight\""},
	{"\"BF16\"", "\"BF61\"", "unknown dtype \"BF61\"; did you mean \"BF16\"?"},
	{"\"BF16\"", "\"I16\"", "tensor \"model.language_model.embed_tokens.weight\" is I16, expected F32, F16 or BF16"},
	{"\"BF16\"", "\"F32\"", "tensor \"model.language_model.embed_tokens.weight\" has 1584 bytes, which is not "
		"its shape"},
	{"\"bytes\":1584", "\"bytes\":1586", "has 1586 bytes, which is not its shape"},
	{"\"shard\":0", "\"shard\":1", "is in shard 1 of 1"},
	{"\"offset\":", "\"offset\":9", "lies outside its shard"},
	{"\"digest\":\"", "\"digest\":\"x", "is not 32 hex digits"},
	{"\"shape\":[33,24]", "\"shape\":[24,33]", "has another shape than the config asks for"},
	{"\"shape\":[33,24]", "\"shape\":[33]", "has another shape than the config asks for"},
	{"\"name\":\"model.safetensors\"", "\"name\":\"../model.safetensors\"", "is not the plain name of a file"},
	{"\"kind\":\"Conv3d\"", "\"kind\":\"Conv4d\"", "vision layer \"model.visual.patch_embed.proj\" is a \"Conv4d\""},
	{"\"vision\":[", "\"vision\":[3,", "\"vision\" must be an array of objects"},
	{"\"out_features\":16", "\"out_features\":1.5", "\"out_features\" must be an integer from 0 to 2^53, found 1.5"},
};

static char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = from ? strstr(text, from) : NULL;
	CHECK(!from || at, "the test is wrong: no %s", from);
	if (!at)
		return mem_strdup(text);
	return mem_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void test_damaged(void)
{
	struct checkpoint c;
	struct lm lm;
	struct object_writer w;
	struct strbuf text;
	struct digest content, identity;
	size_t size;
	char *dir = make("checkpoint", &small), *path = scratch_path("damaged.lm");
	if (extract(&c, &lm, dir))
		exit(error_report(1));
	lm_describe(&lm, &w);
	strbuf_init(&text);
	json_canonical(&text, w.description);
	object_writer_release(&w);
	lm_close(&lm);
	checkpoint_close(&c);
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		char *changed = replaced(text.s, damages[i].from, damages[i].to);
		object_writer_init(&w, "lm");
		cJSON_Delete(w.description);
		w.description = json_parse(changed, strlen(changed), "test", NULL);
		unlink(path);
		if (!w.description || object_write(&w, path, &content, &identity, &size))
			exit(error_report(1));
		int bad = lm_open(&lm, path, &content);
		if (!damages[i].error) {
			CHECK(!bad, "refused: %s", error_text());
		} else {
			CHECK(bad, "accepted: %s", damages[i].to);
			CHECK(!bad || (strstr(error_text(), damages[i].error) && strstr(error_text(), path)),
				"message is \"%s\", expected \"%s\"", error_text(), damages[i].error);
		}
		lm_close(&lm);
		object_writer_release(&w);
		free(changed);
	}
	strbuf_release(&text);
	free(path);
	free(dir);
}

/* Pieces lie end to end; a tensor of one piece has its digest, one of several that of theirs. */
static void test_pieces(void)
{
	enum { P = LM_PIECE_BYTES };
	static const struct lm_tensor tensors[] = {{.bytes = 1}, {.bytes = P}, {.bytes = P + 2ull}, {.bytes = 7},
		{.bytes = 3ull * P}};
	static const size_t expected[] = {1, 1, 2, 1, 3};
	enum { TENSORS = sizeof tensors / sizeof *tensors };
	struct lm_pieces p;
	struct strbuf text;
	lm_pieces_make(&p, tensors, TENSORS);
	CHECK(p.count == 8 && p.first[TENSORS] == 8, "%zu pieces", p.count);
	for (size_t i = 0; i < p.count; i++)
		p.pieces[i].digest = hash_bytes(&i, sizeof i);
	for (size_t t = 0; t < TENSORS; t++) {
		uint64_t at = 0;
		strbuf_init(&text);
		CHECK(p.first[t + 1] - p.first[t] == expected[t], "tensor %zu has %zu pieces", t, p.first[t + 1] - p.first[t]);
		for (size_t i = p.first[t]; i < p.first[t + 1]; i++) {
			CHECK(p.pieces[i].tensor == t && p.pieces[i].at == at && p.pieces[i].bytes && p.pieces[i].bytes <= P,
				"piece %zu of tensor %zu at %llu", i, t, (unsigned long long)p.pieces[i].at);
			at += p.pieces[i].bytes;
			strbuf_adds(&text, p.pieces[i].digest.hex);
		}
		CHECK(at == tensors[t].bytes, "tensor %zu: %llu bytes", t, (unsigned long long)at);
		struct digest d = lm_pieces_digest(&p, t), of_text = hash_bytes(text.s, text.length);
		CHECK_STRING(d.hex, expected[t] == 1 ? p.pieces[p.first[t]].digest.hex : of_text.hex);
		strbuf_release(&text);
	}
	lm_pieces_release(&p);
}

static void test_weights(void)
{
	struct checkpoint_spec spec = small;
	struct checkpoint c;
	struct lm lm;
	struct lm_weights weights;
	struct digest content, identity;
	spec.shards = 2;
	char *dir = make("checkpoint", &spec), *path = write_lm(dir, "w.lm", &content, &identity);
	if (lm_open(&lm, path, &content) || lm_weights_open(&weights, &lm, dir) || checkpoint_open(&c, dir))
		exit(error_report(1));
	for (size_t i = 0; i < lm.tensor_count; i++)
		CHECK(!memcmp(lm_weights_bytes(&weights, i), checkpoint_bytes(&c, &c.tensors[i]), (size_t)lm.tensors[i].bytes),
			"%s differs", lm.tensors[i].name);
	uint64_t at = c.tensors[lm_layout_norm(&c.config)].offset;
	char *shard = mem_strdup(c.shards[c.tensors[lm_layout_norm(&c.config)].shard].file.path);
	checkpoint_close(&c);
	lm_weights_close(&weights);

	/* The folder moves: nothing happens. */
	char *moved = scratch_path("moved");
	scratch_remove(moved);
	CHECK(!rename(dir, moved), "rename");
	CHECK(!lm_weights_open(&weights, &lm, moved), "%s", error_text());
	lm_weights_close(&weights);
	CHECK(lm_weights_open(&weights, &lm, dir) && strstr(error_text(), "cannot open"), "%s", error_text());
	CHECK(!rename(moved, dir), "rename");

	/* Written to while it is mapped: found out before anything is committed, whatever the clock's grain. */
	struct timespec other[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	CHECK(!lm_weights_open(&weights, &lm, dir), "%s", error_text());
	CHECK(!lm_weights_check(&weights), "%s", error_text());
	poke(shard, at + 1, "\x11", 1);
	CHECK(!utimensat(AT_FDCWD, shard, other, 0), "utimensat");
	CHECK(lm_weights_check(&weights) && strstr(error_text(), "changed while it was read; run ninja again"), "%s",
		error_text());
	lm_weights_close(&weights);
	CHECK(lm_weights_open(&weights, &lm, dir) && strstr(error_text(),
		"tensor \"model.language_model.norm.weight\" changed since it was extracted; run ninja again"), "%s",
			error_text());
	CHECK(!truncate(shard, (off_t)at), "truncate");
	CHECK(lm_weights_open(&weights, &lm, dir) && strstr(error_text(), "the checkpoint changed; run ninja again"), "%s",
		error_text());
	lm_close(&lm);
	free(moved);
	free(shard);
	free(path);
	free(dir);
}

int main(void)
{
	TEST(test_round_trip);
	TEST(test_identity);
	TEST(test_not_finite);
	TEST(test_vision_is_not_read);
	TEST(test_damaged);
	TEST(test_pieces);
	TEST(test_weights);
	return check_done();
}
