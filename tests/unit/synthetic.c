/* Checkpoints of random weights: published shapes, values that depend on seed, name and index alone, the folder. */
#include "synthetic/folder.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../check.h"
#include "../support/scratch.h"
#include "checkpoint/checkpoint.h"
#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "synthetic/noise.h"
#include "synthetic/tensor_list.h"
#include "synthetic/weights.h"

static const char demo_tokenizer[] = "models/qwen3_vl_demo/checkpoint";

enum { FILE_MAX = 64 << 20 };

/* ------------------------------------------------------------------------------------------------------------------
 * Shapes */

/* Sums over the published files. */
static const struct {
	const char *name;
	size_t lm_tensors, lm_parameters, vision_tensors, vision_parameters;
} published[] = {
	{"qwen3_vl_2b", 310, 1720574976, 315, 406957056},
	{"qwen3_vl_4b", 398, 4022468096, 315, 415347712},
	{"qwen3_vl_8b", 399, 8190735360, 351, 576388336},
};

static void test_published_sizes(void)
{
	for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
		const struct model_shape *shape = model_shape_find(published[i].name);
		struct tensor_list list;
		size_t tensors[2] = {0, 0}, parameters[2] = {0, 0};
		tensor_list_make(&list, shape, shape->lm.layers);
		for (size_t t = 0; t < list.count; t++) {
			int vision = list.entries[t].part >= PART_VISION_WEIGHT;
			tensors[vision]++;
			parameters[vision] += tensor_elements(&list.entries[t]);
			CHECK(vision == !strncmp(list.entries[t].name, "model.visual.", 13), "%s", list.entries[t].name);
		}
		CHECK(tensors[0] == published[i].lm_tensors && tensors[1] == published[i].vision_tensors, "%s: %zu + %zu",
			published[i].name, tensors[0], tensors[1]);
		CHECK(parameters[0] == published[i].lm_parameters && parameters[1] == published[i].vision_parameters,
			"%s: %zu + %zu", published[i].name, parameters[0], parameters[1]);
		tensor_list_free(&list);
	}
}

static void test_config_reads_back(void)
{
	static const char *const names[] = {"qwen3_vl_2b", "qwen3_vl_4b", "qwen3_vl_8b", "qwen3_vl_demo"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const struct model_shape *shape = model_shape_find(names[i]);
		const struct lm_config *want = &shape->lm;
		struct lm_config got;
		char *text = model_shape_config(shape, 3);
		CHECK(!lm_config_parse(&got, text, strlen(text), names[i]), "%s", error_text());
		CHECK(got.layers == 3, "%s: %zu layers", names[i], got.layers);
		CHECK(got.vocab_size == want->vocab_size && got.hidden_size == want->hidden_size &&
			got.intermediate_size == want->intermediate_size && got.heads == want->heads &&
			got.kv_heads == want->kv_heads && got.head_dim == want->head_dim && got.tied == want->tied &&
			got.max_position_embeddings == want->max_position_embeddings, "%s: other sizes", names[i]);
		CHECK(got.rope_theta == 5e6 && got.rms_norm_eps == 1e-6, "%s: %g %g", names[i], got.rope_theta,
			got.rms_norm_eps);
		CHECK_STRING(got.model_type, "qwen3_vl");
		free(text);
	}
}

static void test_unknown_shape(void)
{
	CHECK(!model_shape_find("qwen3_vl_4B"), "found");
	CHECK(strstr(error_text(), "did you mean qwen3_vl_4b?"), "%s", error_text());
	CHECK(!model_shape_find("llama"), "found");
	CHECK(strstr(error_text(), "qwen3_vl_2b, qwen3_vl_4b") && !strstr(error_text(), "did you mean"), "%s",
		error_text());
}

/* ------------------------------------------------------------------------------------------------------------------
 * Values */

static float widen(uint16_t bits)
{
	float value;
	dtype_widen(DTYPE_BF16, &bits, 1, &value);
	return value;
}

/* Written a second time, plainly. */
static uint16_t noise_plain(uint64_t key, uint64_t index, float center, float spread, float row, float column)
{
	uint64_t h = noise_bits(key, index);
	int32_t sum = -2 * 65535;
	uint16_t bits;
	for (int i = 0; i < 4; i++)
		sum += (int32_t)(h >> 16 * i & 0xffff);
	float scaled = spread * ((float)sum * (1 / 37837.227f));
	float value = (center + scaled) * (row * column);
	dtype_narrow(DTYPE_BF16, &value, 1, &bits);
	return bits;
}

static void test_noise_is_what_it_says(void)
{
	enum { COUNT = 1003 };
	const uint64_t key = noise_key(7, "a tensor"), first = 12345678901;
	uint16_t whole[COUNT], part[COUNT];
	float column[COUNT];
	for (size_t i = 0; i < COUNT; i++)
		column[i] = noise_between(key, i, 0.01f, 90);
	noise_fill_bf16(whole, COUNT, key, first, 0.25f, 1.5f, 0.3f, column);
	for (size_t i = 0; i < COUNT; i++) {
		uint16_t plain = noise_plain(key, first + i, 0.25f, 1.5f, 0.3f, column[i]);
		CHECK(whole[i] == plain, "element %zu: %04x, expected %04x", i, whole[i], plain);
	}
	for (size_t at = 0, n = 1; at < COUNT; at += n, n += 37) {
		n = n < COUNT - at ? n : COUNT - at;
		noise_fill_bf16(part, n, key, first + at, 0.25f, 1.5f, 0.3f, column + at);
		CHECK(!memcmp(part, whole + at, 2 * n), "%zu elements from %zu differ from the whole", n, at);
	}
	/* The first output of SplitMix64 from state 0, as published with it. */
	CHECK(noise_bits(0, 0) == 0xe220a8397b1dcdafu, "%llx", (unsigned long long)noise_bits(0, 0));
}

static void test_noise_is_gaussian(void)
{
	enum { COUNT = 1 << 18 };
	uint16_t *x = mem_array(COUNT, sizeof *x);
	float *one = mem_array(COUNT, sizeof *one);
	double sum = 0, square = 0, fourth = 0, neighbours = 0;
	for (size_t i = 0; i < COUNT; i++)
		one[i] = 1;
	noise_fill_bf16(x, COUNT, noise_key(1, "x"), 0, 0, 1, 1, one);
	for (size_t i = 0; i < COUNT; i++) {
		double v = widen(x[i]), next = widen(x[(i + 1) % COUNT]);
		sum += v;
		square += v * v;
		fourth += v * v * v * v;
		neighbours += v * next;
	}
	/* Six deviations of each mean; the fourth moment of a sum of four even numbers is 2.7. */
	CHECK(fabs(sum / COUNT) <= 6 / sqrt(COUNT), "mean %g", sum / COUNT);
	CHECK(fabs(square / COUNT - 1) <= 6 * sqrt(1.7 / COUNT), "variance %g", square / COUNT);
	CHECK(fabs(fourth / COUNT - 2.7) <= 0.06, "fourth moment %g", fourth / COUNT);
	CHECK(fabs(neighbours / COUNT) <= 6 / sqrt(COUNT), "neighbours %g", neighbours / COUNT);
	free(x);
	free(one);
}

/* Of the demo's shape. */
static struct tensor_entry find_tensor(const char *name)
{
	struct tensor_list list;
	struct tensor_entry found = {.rank = 0};
	const struct model_shape *shape = model_shape_find("qwen3_vl_demo");
	tensor_list_make(&list, shape, shape->lm.layers);
	for (size_t i = 0; i < list.count; i++)
		if (!strcmp(list.entries[i].name, name))
			found = list.entries[i];
	CHECK(found.rank, "no tensor %s", name);
	tensor_list_free(&list);
	return found;
}

static uint16_t *make_tensor(const struct tensor_entry *t, uint64_t seed)
{
	uint16_t *values = mem_array(tensor_elements(t), sizeof *values);
	weights_fill(model_shape_find("qwen3_vl_demo"), seed, t, 0, tensor_elements(t), values);
	return values;
}

static void test_any_part_alone(void)
{
	struct tensor_entry t = find_tensor("model.language_model.layers.2.mlp.down_proj.weight");
	size_t count = tensor_elements(&t);
	uint16_t *whole = make_tensor(&t, 3), *part = mem_array(count, sizeof *part), *other = make_tensor(&t, 4);
	for (size_t at = 0, n = 1; at < count; at += n, n = 2 * n + 11) {
		n = n < count - at ? n : count - at;
		weights_fill(model_shape_find("qwen3_vl_demo"), 3, &t, at, n, part);
		CHECK(!memcmp(part, whole + at, 2 * n), "%zu elements from %zu differ from the whole", n, at);
	}
	CHECK(memcmp(whole, other, 2 * count), "another seed gives the same");
	free(whole);
	free(part);
	free(other);
}

static double row_square(const uint16_t *row, size_t columns)
{
	double square = 0;
	for (size_t i = 0; i < columns; i++)
		square += (double)widen(row[i]) * widen(row[i]);
	return square / (double)columns;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The deviation of the largest row over that of the middle one. */
static double row_outlier(const char *name, uint64_t seed)
{
	struct tensor_entry t = find_tensor(name);
	size_t rows = t.rank == 1 ? 1 : t.shape[0], columns = tensor_columns(&t);
	uint16_t *values = make_tensor(&t, seed);
	size_t count = t.rank == 1 ? columns : rows;
	double *squares = mem_array(count, sizeof *squares);
	for (size_t r = 0; r < count; r++)
		squares[r] = row_square(values + (t.rank == 1 ? r : r * columns), t.rank == 1 ? 1 : columns);
	qsort(squares, count, sizeof *squares, by_value);
	double ratio = sqrt(squares[count - 1] / squares[count / 2]);
	free(squares);
	free(values);
	return ratio;
}

/* Over many seeds: those layers that are to have outliers have them, others none, and they differ. */
static void test_outliers(void)
{
	int hot = 0;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		double norm = row_outlier("model.language_model.layers.1.input_layernorm.weight", seed);
		double up = row_outlier("model.language_model.layers.1.mlp.up_proj.weight", seed);
		double gate = row_outlier("model.language_model.layers.1.mlp.gate_proj.weight", seed);
		CHECK(norm >= 2.4 && norm <= 70, "seed %llu: norm %g", (unsigned long long)seed, norm);
		CHECK(up >= 1.4 && up <= 130, "seed %llu: up %g", (unsigned long long)seed, up);
		CHECK(gate >= 1.1 && gate <= 2, "seed %llu: gate %g", (unsigned long long)seed, gate);
		hot += up > 9;
	}
	CHECK(hot > 0 && hot < 12, "%d of 12 layers have large inner outliers", hot);
}

/* ------------------------------------------------------------------------------------------------------------------
 * The folder */

static struct folder_spec demo_spec(uint64_t seed)
{
	const struct model_shape *shape = model_shape_find("qwen3_vl_demo");
	return (struct folder_spec){shape, seed, shape->lm.layers, demo_tokenizer, FOLDER_SHARD_BYTES};
}

/* The caller frees. */
static char *fresh(const char *name)
{
	char *dir = scratch_path(name);
	scratch_remove(dir);
	return dir;
}

static char *write_fresh(const char *name, const struct folder_spec *spec, struct folder_made *made)
{
	char *dir = fresh(name);
	CHECK(!folder_write(dir, spec, made), "%s", error_text());
	return dir;
}

/* Every file of a has the same bytes in b, and there are as many. */
static int same_folders(const char *a, const char *b)
{
	char **names = NULL, **others = NULL;
	size_t count = 0, other_count = 0;
	int same = !dir_list(a, &names, &count) && !dir_list(b, &others, &other_count) && count == other_count;
	for (size_t i = 0; same && i < count; i++) {
		char *p = path_join(a, names[i]), *q = path_join(b, names[i]), *x = NULL, *y = NULL;
		size_t n = 0, m = 0;
		same = !file_read(p, FILE_MAX, &x, &n) && !file_read(q, FILE_MAX, &y, &m) && n == m && !memcmp(x, y, n);
		free(p);
		free(q);
		free(x);
		free(y);
	}
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	for (size_t i = 0; i < other_count; i++)
		free(others[i]);
	free(names);
	free(others);
	return same;
}

static void check_finite(const struct checkpoint *c)
{
	for (size_t s = 0; s < c->shard_count; s++)
		for (size_t i = 0; i < c->shards[s].file.count; i++) {
			const struct safetensors_tensor *t = &c->shards[s].file.tensors[i];
			size_t count = (size_t)(t->end - t->begin) / 2;
			CHECK(t->dtype == DTYPE_BF16, "%s", t->name);
			CHECK(dtype_find_nonfinite(DTYPE_BF16, c->shards[s].file.map.bytes + t->begin, count) == count, "%s",
				t->name);
		}
}

/* How many tensors of a and b with one name have equal bytes. */
static size_t equal_tensors(const struct checkpoint *a, const struct checkpoint *b)
{
	size_t equal = 0;
	for (size_t i = 0; i < a->tensor_count; i++)
		for (size_t j = 0; j < b->tensor_count; j++)
			equal += !strcmp(a->tensors[i].name, b->tensors[j].name) && a->tensors[i].bytes == b->tensors[j].bytes &&
				!memcmp(checkpoint_bytes(a, &a->tensors[i]), checkpoint_bytes(b, &b->tensors[j]),
					(size_t)a->tensors[i].bytes);
	return equal;
}

static void test_opens(void)
{
	struct folder_spec spec = demo_spec(1);
	struct folder_made made;
	struct checkpoint real, c;
	char *dir = write_fresh("opens", &spec, &made);
	if (checkpoint_open(&c, dir) || checkpoint_open(&real, demo_tokenizer))
		exit(error_report(1));
	CHECK(made.shards == 1 && made.tensors == 91 && c.shard_count == 1, "%zu files, %zu tensors", made.shards,
		made.tensors);
	CHECK(made.bytes == c.shards[0].size && made.bytes == real.shards[0].size, "%llu bytes, the real model has %llu",
		(unsigned long long)made.bytes, (unsigned long long)real.shards[0].size);
	CHECK(c.tensor_count == real.tensor_count && c.vision_count == real.vision_count, "%zu, %zu", c.tensor_count,
		c.vision_count);
	CHECK(c.shards[0].file.count == real.shards[0].file.count, "%zu tensors", c.shards[0].file.count);
	for (size_t i = 0; i < real.shards[0].file.count; i++) {
		const struct safetensors_tensor *want = &real.shards[0].file.tensors[i];
		const struct safetensors_tensor *got = safetensors_find(&c.shards[0].file, want->name);
		CHECK(got && got->rank == want->rank && !memcmp(got->shape, want->shape, want->rank * sizeof *want->shape),
			"%s: missing or of another shape", want->name);
	}
	check_finite(&c);
	checkpoint_close(&c);
	checkpoint_close(&real);
	free(dir);
}

static void test_same_bits(void)
{
	struct folder_spec spec = demo_spec(1), other = demo_spec(UINT64_MAX);
	struct folder_made made;
	char *a, *b, *c;
	setenv("QUANTGRID_THREADS", "1", 1);
	a = write_fresh("one-thread", &spec, &made);
	setenv("QUANTGRID_THREADS", "5", 1);
	b = write_fresh("five-threads", &spec, &made);
	c = write_fresh("other-seed", &other, &made);
	unsetenv("QUANTGRID_THREADS");
	CHECK(same_folders(a, b), "other bits with other threads");
	CHECK(!same_folders(a, c), "the seed changes nothing");
	CHECK(!folder_write(c, &spec, &made), "%s", error_text());
	CHECK(same_folders(a, c), "a folder written over differs from a fresh one");
	free(a);
	free(b);
	free(c);
}

static void test_shards_and_layers(void)
{
	struct folder_spec spec = demo_spec(9), cut = demo_spec(9);
	struct folder_made made, in_shards;
	struct checkpoint whole, c;
	cut.shard_bytes = 700000;
	cut.layers = 2;
	char *a = write_fresh("whole", &spec, &made), *b = write_fresh("cut", &cut, &in_shards);
	if (checkpoint_open(&whole, a) || checkpoint_open(&c, b))
		exit(error_report(1));
	CHECK(in_shards.shards > 3 && c.shard_count == in_shards.shards, "%zu shards", in_shards.shards);
	for (size_t i = 0; i < c.shard_count; i++)
		CHECK(c.shards[i].size <= 700000 + 8192, "shard %zu of %llu bytes", i, (unsigned long long)c.shards[i].size);
	CHECK(c.config.layers == 2 && c.tensor_count == 2 * 11 + 2, "%zu layers", c.config.layers);
	CHECK(equal_tensors(&c, &whole) == c.tensor_count, "%zu of %zu tensors are those of the whole model",
		equal_tensors(&c, &whole), c.tensor_count);
	check_finite(&c);
	checkpoint_close(&whole);
	checkpoint_close(&c);
	/* From shards to one file: none of them stays. */
	CHECK(!folder_write(b, &spec, &made), "%s", error_text());
	CHECK(same_folders(a, b), "something is left of the shards");
	free(a);
	free(b);
}

static void test_untied_head(void)
{
	struct model_shape shape = *model_shape_find("qwen3_vl_demo");
	struct folder_spec spec = demo_spec(1);
	struct folder_made made;
	struct checkpoint c;
	shape.lm.tied = 0;
	spec.shape = &shape;
	char *dir = write_fresh("untied", &spec, &made);
	if (checkpoint_open(&c, dir))
		exit(error_report(1));
	CHECK(!c.config.tied && c.tensor_count == 4 * 11 + 3, "%zu tensors", c.tensor_count);
	checkpoint_close(&c);
	free(dir);
}

/* ------------------------------------------------------------------------------------------------------------------
 * What is refused, and what is left behind */

static void check_refused(const char *dir, const struct folder_spec *spec, const char *why)
{
	struct folder_made made;
	CHECK(folder_write(dir, spec, &made) == -1, "%s: written", dir);
	CHECK(strstr(error_text(), why), "\"%s\" does not say \"%s\"", error_text(), why);
}

static void test_foreign_folders(void)
{
	struct folder_spec spec = demo_spec(1);
	struct folder_made made;
	struct stat status;
	char *notes = scratch_write("notes/config.json", "mine", 4), *dir = scratch_path("notes");
	check_refused(dir, &spec, "not written by make-checkpoint: holds \"config.json\"");
	CHECK(!stat(notes, &status) && status.st_size == 4, "the file was touched");
	check_refused(notes, &spec, "not a folder");
	char *ours = write_fresh("ours", &spec, &made);
	free(scratch_write("ours/model.safetensors.part", "x", 1));
	free(scratch_write("ours/config.json.123.tmp", "x", 1));
	CHECK(!folder_write(ours, &spec, &made), "left-overs of a crash: %s", error_text());
	free(scratch_write("ours/model.safetensor", "x", 1));
	check_refused(ours, &spec, "\"model.safetensor\"");
	free(notes);
	free(dir);
	free(ours);
}

static void test_impossible_specs(void)
{
	struct model_shape shape = *model_shape_find("qwen3_vl_demo");
	struct folder_spec spec = demo_spec(1);
	char *dir = fresh("never");
	spec.shape = &shape;
	shape.lm.vocab_size = 900;
	check_refused(dir, &spec, "has 900 words only");
	shape.lm.vocab_size = (size_t)1 << 40;
	check_refused(dir, &spec, "GB are needed");
	spec = demo_spec(1);
	spec.tokenizer = "models";
	check_refused(dir, &spec, "the tokenizer to copy");
	CHECK(!file_exists(dir), "a refusal leaves a folder behind");
	free(dir);
}

static void test_failed_write(void)
{
	struct folder_spec spec = demo_spec(1);
	struct rlimit kept, small;
	char **names, *dir = fresh("new"), *old = fresh("empty");
	size_t count = 1;
	spec.shard_bytes = 700000;
	CHECK(!dir_make(old), "%s", error_text());
	getrlimit(RLIMIT_FSIZE, &kept);
	small = kept;
	small.rlim_cur = 600000;   /* some shards are smaller: the failure is not the first of them */
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	check_refused(dir, &spec, "cannot write");
	check_refused(old, &spec, "cannot write");
	setrlimit(RLIMIT_FSIZE, &kept);
	CHECK(!file_exists(dir), "the folder is left");
	CHECK(!dir_list(old, &names, &count) && count == 0, "%zu files are left, \"%s\"", count, count ? names[0] : "");
	free(names);
	free(dir);
	free(old);
}

int main(void)
{
	TEST(test_published_sizes);
	TEST(test_config_reads_back);
	TEST(test_unknown_shape);
	TEST(test_noise_is_what_it_says);
	TEST(test_noise_is_gaussian);
	TEST(test_any_part_alone);
	TEST(test_outliers);
	TEST(test_opens);
	TEST(test_same_bits);
	TEST(test_shards_and_layers);
	TEST(test_untied_head);
	TEST(test_foreign_folders);
	TEST(test_impossible_specs);
	TEST(test_failed_write);
	return check_done();
}
