/* The whole matrix on the demo model against tests/golden/demo_small.json, which other software computed in float64:
 * losses, maxima, scores and output errors of all 90 distinct formats, on the CPU and, where there is one, on a GPU. */
#include "../check.h"

#include <stdlib.h>

#include "../support/golden.h"
#include "../support/model_files.h"
#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "model/calibrate.h"
#include "model/score.h"

/* Weight-only scores are as good as fp32 products. With quantized activations an activation on a rounding tie falls to
 * the other side when its last fp32 bit differs, and one flipped element weighs more where the error is small. */
struct limits {
	double weight_only_worst, joint_worst, joint_median, amax_worst, loss_worst;
	double nearer;          /* than ModelOpt's run in bf16, at the median of each pair */
};

static const struct limits cpu_limits = {1e-5, 1e-2, 1e-4, 1e-5, 1e-5, 10};
/* Tensor cores cut sums off where the CPU rounds them, and products with Q(W) - W are made to 16 bits. */
static const struct limits gpu_limits = {3e-5, 1e-2, 1e-4, 1e-5, 1e-5, 10};
/* Activations rounded to bf16 (model.dtype=bf16): their rounding moves them across the borders of quantizers. */
static const struct limits bf16_limits = {5e-2, 1, 0.2, 5e-2, 1e-2, 0.5};

static const struct ops *ops;
static const struct limits *limits;

enum { CODES_MAX = 128, BATCHES = GOLDEN_BATCHES };

struct format {
	const cJSON *golden;
	struct score_request request;
	struct output_sums *sums;   /* [linears][BATCHES] */
};

static struct model_files files;
static struct golden demo;
static struct transformer *model;
static struct linear_info *linears;
static size_t linear_total;

static const size_t both[BATCHES] = {0, 1};

static struct weight_calibration weights[CODES_MAX];
static struct activation_calibration activations[CODES_MAX];
static size_t weight_count, activation_count;
static struct format formats[CODES_MAX];
static size_t format_count;
static double loss[BATCHES];

static size_t weight_find(struct quantizer q)
{
	for (size_t i = 0; i < weight_count; i++)
		if (quantizer_equal(weights[i].quantizer, q))
			return i;
	weights[weight_count].quantizer = q;
	return weight_count++;
}

static size_t activation_find(struct quantizer q)
{
	for (size_t i = 0; i < activation_count; i++)
		if (quantizer_equal(activations[i].quantizer, q))
			return i;
	activations[activation_count] = (struct activation_calibration){.quantizer = q, .batch = both, .batches = BATCHES};
	return activation_count++;
}

/* The formats of the file, and the distinct quantizers among them. */
static void read_formats(void)
{
	const cJSON *score;
	cJSON_ArrayForEach(score, json_member(demo.json, "scores", "golden")) {
		struct format *f = &formats[format_count++];
		struct quantizer_pair *pair = &f->request.pair;
		f->golden = score;
		if (quantizer_weight_parse(json_string(score, "weight", "golden"), &pair->weight)
			|| quantizer_activation_parse(json_string(score, "activation", "golden"), &pair->activation))
			CHECK(0, "%s", error_text());
		weight_find(pair->weight);
		if (pair->activation.element != ELEMENT_NONE)
			activation_find(pair->activation);
	}
	CHECK(format_count == 90, "%zu formats", format_count);
}

static void compute(void)
{
	struct score_request requests[CODES_MAX];
	CHECK(calibrate_weights(model, ops, linear_total, weights, weight_count) == 0, "%s", error_text());
	CHECK(calibrate_activations(model, ops, linear_total, demo.batches, BATCHES, activations,
		activation_count) == 0, "%s", error_text());
	for (size_t i = 0; i < format_count; i++) {
		struct format *f = &formats[i];
		f->sums = mem_array(linear_total * BATCHES, sizeof *f->sums);
		f->request.batch = both;
		f->request.batches = BATCHES;
		f->request.sums = f->sums;
		f->request.weight_amax = weights[weight_find(f->request.pair.weight)].amax;
		if (f->request.pair.activation.element != ELEMENT_NONE)
			f->request.activation_amax = activations[activation_find(f->request.pair.activation)].amax;
		requests[i] = f->request;
	}
	CHECK(score_run(model, ops, linears, linear_total, demo.batches, BATCHES, requests, format_count, loss) == 0, "%s",
		error_text());
}

static double number_at(const cJSON *object, const char *table, size_t linear)
{
	double value = golden_number(object, table, linears[linear].name);
	CHECK(!isnan(value), "no %s of %s", table, linears[linear].name);
	return value;
}

static void test_loss(void)
{
	const cJSON *expected = json_member(demo.json, "loss_per_batch", "golden");
	const cJSON *targets = json_member(demo.json, "targets_per_batch", "golden");
	for (int b = 0; b < BATCHES; b++) {
		CHECK_CLOSE(loss[b], cJSON_GetArrayItem(expected, b)->valuedouble, limits->loss_worst);
		CHECK((double)batch_targets(&demo.batches[b]) == cJSON_GetArrayItem(targets, b)->valuedouble, "%zu targets",
			batch_targets(&demo.batches[b]));
	}
}

static void test_amax(void)
{
	struct quantizer tensor = {ELEMENT_INT8, SCALE_TENSOR, 0};
	for (size_t i = 0; i < linear_total; i++) {
		const cJSON *m = cJSON_GetObjectItemCaseSensitive(json_member(demo.json, "amax", "golden"), linears[i].name);
		CHECK(m, "no amax of %s", linears[i].name);
		CHECK_CLOSE(weights[weight_find(tensor)].amax[i][0], cJSON_GetObjectItem(m, "weight")->valuedouble, limits->amax_worst);
		for (size_t a = 0; a < activation_count; a++)
			CHECK_CLOSE(activations[a].amax[i], cJSON_GetObjectItem(m, "input")->valuedouble, limits->amax_worst);
	}
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Relative deviations of one class of formats. */
struct deviations {
	double *values;
	size_t count;
};

static void deviations_add(struct deviations *d, double found, double expected)
{
	double deviation = fabs(found - expected) / fabs(expected);
	d->values[d->count++] = isnan(deviation) ? INFINITY : deviation;
}

static void deviations_check(struct deviations *d, const char *what, const char *class, double worst, double median)
{
	if (!d->count)
		return;
	qsort(d->values, d->count, sizeof *d->values, by_size);
	fprintf(stderr, "%-4s %-8s %-4s %5zu values: worst %.1e, median %.1e\n", ops->name, what, class, d->count,
		d->values[d->count - 1], d->values[d->count / 2]);
	CHECK(d->values[d->count - 1] <= worst, "%s %s: worst %g", what, class, d->values[d->count - 1]);
	CHECK(d->values[d->count / 2] <= median, "%s %s: median %g", what, class, d->values[d->count / 2]);
}

static void compare(struct deviations *score, struct deviations *error, struct deviations *batch,
	const struct format *f)
{
	const cJSON *per_batch = cJSON_GetObjectItem(f->golden, "per_batch");
	for (size_t i = 0; i < linear_total; i++) {
		struct output_sums total = {0};
		const cJSON *each = per_batch ? cJSON_GetObjectItemCaseSensitive(per_batch, linears[i].name) : NULL;
		for (int b = 0; b < BATCHES; b++) {
			const struct output_sums *sums = &f->sums[i * BATCHES + (size_t)b];
			total.score += sums->score;
			total.error2 += sums->error2;
			total.output2 += sums->output2;
			if (each)
				deviations_add(batch, sums->score, cJSON_GetArrayItem(each, b)->valuedouble);
		}
		deviations_add(score, total.score, number_at(f->golden, "per_linear", i));
		deviations_add(error, total.error2 / total.output2, number_at(f->golden, "relative_output_error", i));
	}
}

static void test_scores(void)
{
	static const char *const classes[] = {"-", "f8t", "f8k", "i8t", "i8k", "i4t", "i4k"};
	size_t room = CODES_MAX * BATCHES * linear_total, seen = 0;
	struct deviations score = {mem_array(room, sizeof(double)), 0}, error = {mem_array(room, sizeof(double)), 0};
	struct deviations batch = {mem_array(room, sizeof(double)), 0};
	for (size_t c = 0; c < sizeof classes / sizeof *classes; c++) {
		double worst = c ? limits->joint_worst : limits->weight_only_worst;
		double median = c ? limits->joint_median : limits->weight_only_worst;
		score.count = error.count = batch.count = 0;
		for (size_t i = 0; i < format_count; i++)
			if (strcmp(json_string(formats[i].golden, "activation", "golden"), classes[c]) == 0) {
				compare(&score, &error, &batch, &formats[i]);
				seen++;
			}
		deviations_check(&score, "score", classes[c], worst, median);
		deviations_check(&error, "error", classes[c], worst, median);
		deviations_check(&batch, "batches", classes[c], worst, median);
	}
	CHECK(seen == format_count, "%zu of %zu formats", seen, format_count);
	free(score.values);
	free(error.values);
	free(batch.values);
}

/* The score of a group is the sum of its members'. */
static void compare_groups(struct deviations *d, const struct format *f)
{
	double found = 0, expected = 0;
	for (size_t i = 0; i < linear_total; i++) {
		for (int b = 0; b < BATCHES; b++)
			found += f->sums[i * BATCHES + (size_t)b].score;
		expected += number_at(f->golden, "per_linear", i);
		if (i + 1 == linear_total || linears[i + 1].group != linears[i].group) {
			deviations_add(d, found, expected);
			found = expected = 0;
		}
	}
}

static const struct format *format_find(const char *weight, const char *activation)
{
	for (size_t i = 0; i < format_count; i++)
		if (!strcmp(json_string(formats[i].golden, "weight", "golden"), weight) &&
			!strcmp(json_string(formats[i].golden, "activation", "golden"), activation))
			return &formats[i];
	return NULL;
}

/* The pairs users see: how far the score of a group is off. The scores of ModelOpt 0.47 in bf16 are off by the last
 * column at the median; on every pair ours are to be ten times nearer, but for activations in bf16. */
static void test_pairs(void)
{
	static const struct {
		const char *name, *weight, *activation;
		double other;
	} pairs[] = {
		{"wfp4_afp16", "N16", "-", 3.6e-03},
		{"wfp4_afp8", "N32", "f8t", 1.6e-01},
		{"wfp4_aint8", "N16", "i8t", 1.5e-02},
		{"wfp4_aint4", "N16", "i4t", 1.0e-02},
		{"wfp8_afp16", "F8t", "-", 6.7e-02},
		{"wfp8_afp8", "F8t", "f8t", 4.9e-02},
		{"wfp8_aint8", "F8t", "i8t", 4.6e-02},
		{"wfp8_aint4", "F8t", "i4t", 1.5e-02},
		{"wint4_afp16", "I4g128", "-", 5.6e-03},
		{"wint4_afp8", "I4g128", "f8t", 8.1e-03},
		{"wint4_aint8", "I4g128", "i8t", 1.3e-02},
		{"wint4_aint4", "I4g128", "i4t", 1.3e-02},
		{"wint8_afp16", "I8r", "-", 9.0e-01},
		{"wint8_afp8", "I8r", "f8t", 9.3e-02},
		{"wint8_aint8", "I8r", "i8t", 1.3e-01},
		{"wint8_aint4", "I8r", "i4t", 1.4e-02},
	};
	struct deviations d = {mem_array(linear_total, sizeof(double)), 0};
	for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++) {
		const struct format *f = format_find(pairs[p].weight, pairs[p].activation);
		CHECK(f, "no golden scores of %s", pairs[p].name);
		if (!f)
			continue;
		d.count = 0;
		compare_groups(&d, f);
		qsort(d.values, d.count, sizeof *d.values, by_size);
		fprintf(stderr, "%-9s %-12s %zu groups: median %.1e, worst %.1e; ModelOpt in bf16: median %.1e\n", ops->name,
			pairs[p].name, d.count, d.values[d.count / 2], d.values[d.count - 1], pairs[p].other);
		CHECK(limits->nearer * d.values[d.count / 2] <= pairs[p].other, "%s: median %g", pairs[p].name, d.values[d.count / 2]);
	}
	free(d.values);
}

/* What compute() made. */
static void results_release(void)
{
	for (size_t i = 0; i < weight_count; i++)
		weight_calibration_release(&weights[i], linear_total);
	for (size_t i = 0; i < activation_count; i++)
		activation_calibration_release(&activations[i]);
	for (size_t i = 0; i < format_count; i++)
		free(formats[i].sums);
}

static void test_read(void)
{
	read_formats();
}

static void test_run(void)
{
	model = transformer_open(ops, &files.checkpoint.config, &files.tensors);
	compute();
	transformer_close(model);
}

static void test_no_gpu(void)
{
	char why[600];
	snprintf(why, sizeof why, "the matrix on a GPU: %s", error_text());
	check_skip(why);
}

static void run_on(const struct ops *instance, const struct limits *allowed)
{
	ops = instance;
	limits = allowed;
	TEST(test_run);
	TEST(test_loss);
	TEST(test_amax);
	TEST(test_scores);
	TEST(test_pairs);
	results_release();
}

int main(void)
{
	golden_open(&demo);
	model_files_open(&files, "models/qwen3_vl_demo/checkpoint");
	linear_total = linear_count(&files.checkpoint.config);
	linears = mem_array(linear_total, sizeof *linears);
	linear_describe(linears, &files.checkpoint.config);
	TEST(test_read);
	run_on(ops_cpu(), &cpu_limits);
	const struct ops *gpu = ops_open("cuda");
	if (gpu) {
		run_on(gpu, &gpu_limits);
		run_on(ops_open("cuda-bf16"), &bf16_limits);
	} else {
		TEST(test_no_gpu);
	}
	free(linears);
	model_files_close(&files);
	golden_close(&demo);
	return check_done();
}
