/* The language model's folder: what is read back from it, the layout of its weights, and what happens to folders that
 * are there already. */
#include "model/lm_folder.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"
#include "../support/make_checkpoint.h"
#include "../support/scratch.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/lm_layout.h"
#include "checkpoint/plain_config.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/shard_list.h"
#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "model/lm_extract.h"
#include "tokenizer/tokenizer.h"

enum { FILE_MAX = 64 << 20 };

static const char demo[] = "models/qwen3_vl_demo/checkpoint";

static const struct checkpoint_spec sharded = {
	.hidden = 24, .layers = 3, .heads = 4, .kv_heads = 2, .head_dim = 8, .intermediate = 40, .vocab = 33, .tied = 0,
	.vision = 1, .shards = 3, .rope = ROPE_V4, .prefix = PREFIX_CONVERTED, .dtype = DTYPE_F16, .misaligned = 1,
	.seed = 5,
};

static char *make(const char *name, const struct checkpoint_spec *spec)
{
	char *dir = scratch_path(name);
	scratch_remove(dir);
	if (make_checkpoint(dir, spec))
		exit(error_report(1));
	return dir;
}

/* A checkpoint with all that lm_folder_write() wants of it. */
struct source {
	struct checkpoint checkpoint;
	struct lm lm;
	struct lm_companion companions[16];
	size_t count;
};

static void source_open(struct source *s, const char *dir)
{
	struct digest digests[8] = {{{0}}};
	char **names;
	if (checkpoint_open(&s->checkpoint, dir) || lm_extract(&s->lm, &s->checkpoint, digests) ||
		lm_folder_companions(dir, &names, &s->count))
		exit(error_report(1));
	for (size_t i = 0; i < s->count; i++) {
		char *path = path_join(dir, names[i]), *text;
		size_t length;
		if (file_read(path, FILE_MAX, &text, &length))
			exit(error_report(1));
		s->companions[i] = (struct lm_companion){names[i], path, hash_bytes(text, length)};
		free(text);
	}
	free(names);
}

static void source_close(struct source *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free((char *)(uintptr_t)s->companions[i].name);
		free((char *)(uintptr_t)s->companions[i].path);
	}
	lm_close(&s->lm);
	checkpoint_close(&s->checkpoint);
}

static int write_folder(const struct source *s, const char *dir, int *changed)
{
	return lm_folder_write(dir, &s->lm, s->checkpoint.dir, s->companions, s->count, changed);
}

/* Writes the model of checkpoint from to scratch/to; the caller frees the path. */
static char *materialize(const char *from, const char *to)
{
	struct source s;
	int changed = 0;
	char *dir = scratch_path(to);
	scratch_remove(dir);
	source_open(&s, from);
	CHECK(!write_folder(&s, dir, &changed), "%s", error_text());
	CHECK(changed, "a new folder is no change");
	source_close(&s);
	return dir;
}

static char *read_all(const char *dir, const char *name, size_t *length)
{
	char *path = path_join(dir, name), *text = NULL;
	CHECK(!file_read(path, FILE_MAX, &text, length), "%s", error_text());
	free(path);
	return text;
}

static int same_file(const char *a, const char *b, const char *name)
{
	size_t n = 0, m = 0;
	char *x = read_all(a, name, &n), *y = read_all(b, name, &m);
	int same = x && y && n == m && !memcmp(x, y, n);
	free(x);
	free(y);
	return same;
}

static int has(const char *dir, const char *name)
{
	char *path = path_join(dir, name);
	int there = file_exists(path);
	free(path);
	return there;
}

static void append(const char *dir, const char *name, const char *text)
{
	char *path = path_join(dir, name);
	FILE *f = fopen(path, "ab");
	if (!f || fputs(text, f) < 0 || fclose(f))
		exit(1);
	free(path);
}

static ino_t inode(const char *dir, const char *name)
{
	struct stat status = {0};
	char *path = path_join(dir, name);
	CHECK(!stat(path, &status), "%s is not there", path);
	free(path);
	return status.st_ino;
}

static void check_config(const struct lm_config *a, const struct lm_config *b)
{
	CHECK_STRING(b->model_type, "qwen3");
	CHECK(b->vocab_size == a->vocab_size && b->hidden_size == a->hidden_size && b->layers == a->layers &&
		b->intermediate_size == a->intermediate_size && b->heads == a->heads && b->kv_heads == a->kv_heads &&
		b->head_dim == a->head_dim && b->max_position_embeddings == a->max_position_embeddings,
		"a size differs (hidden %zu, %zu)", a->hidden_size, b->hidden_size);
	CHECK_CLOSE(b->rms_norm_eps, a->rms_norm_eps, 0);
	CHECK_CLOSE(b->rope_theta, a->rope_theta, 0);
	CHECK(b->tied == a->tied, "tied %d, %d", a->tied, b->tied);
}

/* The same model comes out of the folder, under the plain names, each tensor at a multiple of its element's size. */
static void check_read_back(const char *from, const char *dir)
{
	struct checkpoint a, b;
	if (checkpoint_open(&a, from) || checkpoint_open(&b, dir))
		exit(error_report(1));
	check_config(&a.config, &b.config);
	CHECK(b.shard_count == 1 && b.vision_count == 0, "%zu shards, %zu vision linears", b.shard_count, b.vision_count);
	CHECK(b.shards[0].file.count == a.tensor_count, "%zu tensors stored, expected %zu", b.shards[0].file.count,
		a.tensor_count);
	for (size_t i = 0; i < a.tensor_count; i++) {
		const struct checkpoint_tensor *x = &a.tensors[i], *y = &b.tensors[i];
		CHECK_STRING(y->name, x->name);
		CHECK(!strncmp(y->stored_name, "model.", 6) ? !strncmp(y->stored_name, "model.layers.", 13) ||
			!strncmp(y->stored_name, "model.embed_tokens.", 19) || !strcmp(y->stored_name, "model.norm.weight")
			: !strcmp(y->stored_name, "lm_head.weight"), "stored as %s", y->stored_name);
		CHECK(x->dtype == y->dtype && x->rank == y->rank && x->bytes == y->bytes &&
			!memcmp(checkpoint_bytes(&a, x), checkpoint_bytes(&b, y), x->bytes), "%s differs", x->name);
		CHECK(y->offset % (dtype_bits(y->dtype) / 8) == 0, "%s at byte %llu", y->name, (unsigned long long)y->offset);
	}
	checkpoint_close(&a);
	checkpoint_close(&b);
}

/* ------------------------------------------------------------------------------------------------------------------ */

static void test_demo(void)
{
	static const char text[] = "A man riding a wave on top of a surfboard. <|im_end|> caf\xc3\xa9 1234";
	static const char *const copies[] = {"tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt",
		"generation_config.json"};
	struct token_ids a = {0}, b = {0};
	char *dir = materialize(demo, "demo"), *config;
	size_t length;
	check_read_back(demo, dir);
	for (size_t i = 0; i < sizeof copies / sizeof *copies; i++)
		CHECK(same_file(demo, dir, copies[i]), "%s is no copy", copies[i]);
	struct tokenizer *x = tokenizer_open(demo), *y = tokenizer_open(dir);
	CHECK(x && y && !tokenizer_encode(x, text, strlen(text), &a) && !tokenizer_encode(y, text, strlen(text), &b), "%s",
		error_text());
	CHECK(a.count > 10 && a.count == b.count && !memcmp(a.ids, b.ids, a.count * sizeof *a.ids), "other ids");
	config = read_all(dir, "config.json", &length);
	CHECK(config && strstr(config, "\"Qwen3ForCausalLM\"") && strstr(config, "\"torch_dtype\": \"bfloat16\"") &&
		strstr(config, "\"eos_token_id\": 940") && !strstr(config, "vision") && !strstr(config, "mrope"), "%s", config);
	free(config);
	tokenizer_close(x);
	tokenizer_close(y);
	token_ids_release(&a);
	token_ids_release(&b);
	free(dir);
}

static void test_sharded_and_untied(void)
{
	char *from = make("sharded", &sharded), *dir = materialize(from, "sharded-lm"), *config;
	size_t length;
	check_read_back(from, dir);
	CHECK(!has(dir, "tokenizer.json"), "a tokenizer from nowhere");
	config = read_all(dir, "config.json", &length);
	CHECK(config && strstr(config, "\"torch_dtype\": \"float16\"") && strstr(config, "\"tie_word_embeddings\": false"),
		"%s", config);
	free(config);
	free(from);
	free(dir);
}

/* A tied model with a head of its own in the file: tied wins, as for its readers. */
static void test_stored_head_of_a_tied_model(void)
{
	struct checkpoint_spec spec = sharded;
	spec.tied = spec.stored_head = 1;
	spec.prefix = PREFIX_PUBLISHED;
	spec.dtype = DTYPE_F32;
	char *from = make("stored-head", &spec), *dir = materialize(from, "stored-head-lm");
	check_read_back(from, dir);
	free(from);
	free(dir);
}

/* Made from what was made, nothing changes any more. */
static void test_twice(void)
{
	static const char *const files[] = {"config.json", "model.safetensors", "tokenizer.json"};
	char *once = materialize(demo, "once"), *twice = materialize(once, "twice");
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		CHECK(same_file(once, twice, files[i]), "%s differs", files[i]);
	free(once);
	free(twice);
}

/* The file of the reference writer for these three tensors. */
static void test_layout(void)
{
	static const char header[] = "{\"__metadata__\":{\"format\":\"pt\"},"
		"\"z\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
		"\"a\":{\"dtype\":\"BF16\",\"shape\":[1,3],\"data_offsets\":[4,10]},"
		"\"b\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[10,12]}}";
	const struct safetensors_source tensors[] = {
		{"b", DTYPE_F16, 1, {1, 1}, "12", 2}, {"a", DTYPE_BF16, 2, {1, 3}, "abcdef", 6},
		{"z", DTYPE_F32, 1, {1, 1}, "ZZZZ", 4},
	};
	char *path = scratch_path("layout.safetensors"), *text;
	size_t length, padded = (strlen(header) + 7) / 8 * 8;
	CHECK(!safetensors_write(path, tensors, 3), "%s", error_text());
	if (file_read(path, FILE_MAX, &text, &length))
		exit(error_report(1));
	CHECK(length == 8 + padded + 12, "%zu bytes", length);
	CHECK((unsigned char)text[0] == padded && !text[1] && !text[7], "header length %d", (unsigned char)text[0]);
	CHECK(!memcmp(text + 8, header, strlen(header)), "header %.*s", (int)padded, text + 8);
	for (size_t i = strlen(header); i < padded; i++)
		CHECK(text[8 + i] == ' ', "padded with %d", text[8 + i]);
	CHECK(!memcmp(text + 8 + padded, "ZZZZabcdef12", 12), "data %.12s", text + 8 + padded);
	CHECK(safetensors_is(path, tensors, 3) && !safetensors_is(path, tensors, 2), "compared wrongly");
	free(text);
	free(path);
}

/* What is up to date is left alone; what is not is made anew, whatever is wrong with it. */
static void test_up_to_date(void)
{
	struct source s;
	char *from = make("source", &sharded), *dir = materialize(from, "kept");
	char *weights = path_join(dir, "model.safetensors"), *link = scratch_path("link");
	int changed = 1;
	source_open(&s, from);
	ino_t before = inode(dir, "model.safetensors");
	CHECK(!write_folder(&s, dir, &changed) && !changed, "written again: %s", error_text());
	CHECK(inode(dir, "model.safetensors") == before, "another file");

	append(dir, "config.json", "\n");
	CHECK(!write_folder(&s, dir, &changed) && changed, "an edited config.json stays: %s", error_text());
	unlink(weights);
	CHECK(!write_folder(&s, dir, &changed) && changed, "missing weights stay missing: %s", error_text());
	append(dir, "model.safetensors", "x");
	CHECK(!write_folder(&s, dir, &changed) && changed, "longer weights stay: %s", error_text());
	FILE *f = fopen(weights, "r+b");
	CHECK(f && !fseek(f, -1, SEEK_END) && fputc(0x5a, f) != EOF && !fclose(f), "cannot edit");
	CHECK(!write_folder(&s, dir, &changed) && changed, "edited weights stay: %s", error_text());
	append(dir, "vocab.json", "{}");
	CHECK(!write_folder(&s, dir, &changed) && changed && !has(dir, "vocab.json"), "an old file stays: %s", error_text());
	check_read_back(from, dir);

	/* Through a link, and with '/' at its end. */
	char *slashed = mem_printf("%s/", link);
	unlink(link);
	CHECK(!symlink(dir, link), "no link");
	append(dir, "config.json", "\n");
	CHECK(!write_folder(&s, slashed, &changed) && changed, "%s", error_text());
	struct stat status;
	CHECK(!lstat(link, &status) && S_ISLNK(status.st_mode), "the link was replaced");
	check_read_back(from, dir);
	free(slashed);
	free(link);
	free(weights);
	source_close(&s);
	free(from);
	free(dir);
}

/* What a killed run leaves is cleared by the next. */
static void test_leftovers(void)
{
	struct source s;
	char *from = make("source", &sharded), *dir = scratch_path("crashed");
	int changed;
	scratch_remove(dir);
	CHECK(!dir_make(dir), "%s", error_text()); /* empty, as Ninja makes it */
	free(scratch_write("crashed.part/model.safetensors", "half", 4));
	free(scratch_write("crashed.part/config.json.123.tmp", "half", 4));
	free(scratch_write("crashed.old/config.json", "old", 3));
	source_open(&s, from);
	CHECK(!write_folder(&s, dir, &changed) && changed, "%s", error_text());
	char *part = scratch_path("crashed.part"), *old = scratch_path("crashed.old");
	CHECK(!file_exists(part) && !file_exists(old), "leftovers");
	check_read_back(from, dir);
	source_close(&s);
	free(part);
	free(old);
	free(from);
	free(dir);
}

static void expect_refused(const struct source *s, const char *dir, const char *words)
{
	int changed = 1;
	CHECK(write_folder(s, dir, &changed) && !changed, "%s was written", dir);
	CHECK(strstr(error_text(), words) != NULL, "\"%s\" lacks \"%s\"", error_text(), words);
}

/* Nothing of other people's is replaced. */
static void test_refused(void)
{
	struct source s;
	char *from = make("source", &sharded), *dir = materialize(from, "foreign");
	source_open(&s, from);
	append(dir, "notes.txt", "mine");
	append(dir, "config.json", "\n");
	expect_refused(&s, dir, "\"notes.txt\"");
	CHECK(has(dir, "notes.txt"), "notes.txt is gone");
	expect_refused(&s, from, "over the checkpoint");
	char *file = scratch_write("file", "x", 1);
	expect_refused(&s, file, "not a folder");
	free(file);

	/* A tensor that is not what was extracted: the checkpoint was edited since. */
	const struct lm_tensor *norm = &s.lm.tensors[lm_layout_norm(&s.lm.config)];
	char *shard = path_join(from, s.lm.shards[norm->shard].name), *other = scratch_path("other");
	scratch_remove(other);
	FILE *f = fopen(shard, "r+b");
	CHECK(f && !fseek(f, (long)norm->offset, SEEK_SET) && fputc(0x21, f) != EOF && !fclose(f), "cannot edit");
	expect_refused(&s, other, "changed since it was extracted");
	CHECK(!file_exists(other), "%s is there", other);
	source_close(&s);
	free(other);
	free(shard);
	free(from);
	free(dir);
}

static void test_companion_changed(void)
{
	struct source s;
	char *from = materialize(demo, "edited"), *dir = scratch_path("edited-lm");
	scratch_remove(dir);
	source_open(&s, from);
	append(from, "tokenizer_config.json", "\n");
	expect_refused(&s, dir, "tokenizer_config.json: changed since");
	CHECK(!file_exists(dir), "%s is there", dir);
	source_close(&s);
	free(from);
	free(dir);
}

/* No room for the weights, as a limit of the process: the folder that was there stays, and nothing is left. */
static void test_no_room(void)
{
	struct source s;
	char *from = make("source", &sharded), *dir = materialize(from, "full"), *part = scratch_path("full.part");
	char *fresh = scratch_path("fresh");
	scratch_remove(fresh);
	CHECK(!dir_make(fresh), "%s", error_text()); /* empty, as Ninja makes it */
	source_open(&s, from);
	append(dir, "config.json", "\n");
	fflush(NULL);
	pid_t child = fork();
	if (!child) {
		struct rlimit limit = {4096, 4096};
		int changed = 0;
		signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &limit))
			_exit(2);
		int refused = write_folder(&s, dir, &changed) &&
			strstr(error_text(), "full.part/model.safetensors: cannot write") && write_folder(&s, fresh, &changed) &&
			strstr(error_text(), "cannot write") && !changed;
		_exit(refused ? 0 : 1);
	}
	int status = -1;
	CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0, "status %d", status);
	CHECK(!file_exists(part) && !file_exists(fresh), "a part is left");
	check_read_back(from, dir);
	source_close(&s);
	free(fresh);
	free(part);
	free(from);
	free(dir);
}

/* Ids are found where the published files have them; a mixture of types is loaded in the widest. */
static void test_config_text(void)
{
	struct lm_config config = {.model_type = "qwen3_vl", .vocab_size = 8, .hidden_size = 4, .intermediate_size = 4,
		.layers = 1, .heads = 1, .kv_heads = 1, .head_dim = 4, .max_position_embeddings = 16, .rms_norm_eps = 1e-6,
		.rope_theta = 5e6, .tied = 1};
	static const char source[] = "{\"bos_token_id\": 1, \"pad_token_id\": \"none\", "
		"\"text_config\": {\"bos_token_id\": null, \"eos_token_id\": [2, 3]}}";
	char *path = scratch_write("ids.json", source, strlen(source));
	char *text = plain_config_text(&config, DTYPE_F32, path);
	CHECK(text && strstr(text, "\"bos_token_id\": 1") && strstr(text, "\"torch_dtype\": \"float32\"") &&
		!strstr(text, "pad_token_id"), "%s", text ? text : error_text());
	struct lm_config back;
	CHECK(text && !lm_config_parse(&back, text, strlen(text), "text"), "%s", error_text());
	check_config(&config, &back);
	char *again = scratch_write("again.json", text, strlen(text)), *second = plain_config_text(&back, DTYPE_F32, again);
	CHECK_STRING(second, text);
	free(second);
	free(again);
	free(text);
	free(path);
}

int main(void)
{
	TEST(test_demo);
	TEST(test_sharded_and_untied);
	TEST(test_stored_head_of_a_tied_model);
	TEST(test_twice);
	TEST(test_layout);
	TEST(test_config_text);
	TEST(test_up_to_date);
	TEST(test_leftovers);
	TEST(test_refused);
	TEST(test_companion_changed);
	TEST(test_no_room);
	return check_done();
}
