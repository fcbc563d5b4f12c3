/* The KL divergence of formats: against other software on the demo model, against full forward passes by plain loops on
 * a small random one, alone and together, with any number of threads, and over memory that the engine cannot read. */
#include "../check.h"

#include <stdlib.h>

#include "../support/golden.h"
#include "../support/ops_counting.h"
#include "../support/ops_guarded.h"
#include "../support/ops_packing.h"
#include "../support/plain_model.h"
#include "../support/subject.h"
#include "common/error.h"
#include "common/memory.h"
#include "model/kl.h"

/* By class of format on the demo model, of a group's sum. Weight-only: fp32 changes against fp64 models, 8e-7 was
 * measured. With quantized activations the maxima and the inputs come from an fp32 pass here and from an fp64
 * one there, which moves inputs across the borders of the grid: 2e-3. On a GPU products of changes have factors of
 * 8 bits. */
static const double golden_weight_only = 5e-6, golden_joint = 1e-2, golden_gpu = 1e-2;

/* Against plain loops in double, of a token's divergence and of a batch's sum. Weight-only: fp32 changes. An input that
 * is quantized is x^ - x away from what it was, of which the last digits of x are 1e-5 or more. OpenBLAS has other
 * kernels on other processors: 4.4e-5, 1.8e-3 and 2.4e-4 were the worst of three. */
static const double oracle_weight_only = 2e-4, oracle_joint = 1e-2, oracle_sum = 1e-3;

/* Of weight-only divergences from products of another shape. */
static const double shape_tolerance = 1e-4;

/* So many logits that a batch goes through lm_head in two parts. */
static const struct checkpoint_spec wide_spec = {
	.hidden = 8, .layers = 1, .heads = 1, .kv_heads = 1, .head_dim = 4, .intermediate = 8, .vocab = (1 << 19) + 3,
	.dtype = DTYPE_BF16, .seed = 9, .tied = 1,
};

enum {
	WEIGHTS = SUBJECT_WEIGHTS, ACTIVATIONS = SUBJECT_ACTIVATIONS, FORMATS = WEIGHTS * ACTIVATIONS,
	BATCHES = SUBJECT_BATCHES,
	PAIRS = 16,
};

static const size_t *const all_batches = subject_all_batches;

static struct subject small;

static size_t tokens_in(const struct subject *s, const size_t *batch, size_t count)
{
	size_t tokens = 0;
	for (size_t i = 0; i < count; i++)
		tokens += s->batches[batch[i]].tokens;
	return tokens;
}

/* Format n of all. */
static struct kl_request request(const struct subject *s, size_t n, const size_t *batch, size_t count)
{
	size_t w = n / ACTIVATIONS, a = n % ACTIVATIONS;
	return (struct kl_request){
		.pair = {s->weights[w].quantizer, s->activations[a].quantizer},
		.weight_amax = s->weights[w].amax,
		.activation_amax = a ? s->activations[a].amax : NULL,
		.batch = batch,
		.batches = count,
		.sum = mem_zeroed(s->groups * count, sizeof(double)),
		.positions = mem_zeroed(s->groups * tokens_in(s, batch, count), sizeof(double)),
	};
}

static void requests_free(struct kl_request *requests, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(requests[i].sum);
		free(requests[i].positions);
	}
}

static int run(const struct subject *s, const struct ops *ops, struct kl_request *requests, size_t count)
{
	return kl_run(ops, s->config, &s->files.tensors, s->batches, s->batch_count, requests, count, 0);
}

static void run_all(struct kl_request *requests, const struct ops *ops, size_t run_bytes)
{
	for (size_t n = 0; n < FORMATS; n++)
		requests[n] = request(&small, n, all_batches, BATCHES);
	CHECK(kl_run(ops, small.config, &small.files.tensors, small.batches, BATCHES, requests, FORMATS, run_bytes) == 0,
		"%s", error_text());
}

static void format_name(char *name, size_t size, size_t n)
{
	snprintf(name, size, "%s/%s", subject_weight_codes[n / ACTIVATIONS], subject_activation_codes[n % ACTIVATIONS]);
}

/* The largest relative deviations from plain loops: weight-only, joint, of sums. */
static double farthest[3];

static void note_deviation(size_t of, double found, double expected)
{
	double deviation = fabs(found - expected) / expected;
	farthest[of] = deviation > farthest[of] ? deviation : farthest[of];
}

/* ---- the oracle: a full forward pass for every group ---- */

struct oracle {
	const struct subject *subject;
	const struct kl_request *request;
	double **W;      /* [linears] quantized */
};

static void oracle_input(void *context, size_t linear, double *x, size_t rows, size_t cols)
{
	const struct kl_request *r = ((const struct oracle *)context)->request;
	plain_quantize_input(x, rows, cols, r->pair.activation, r->activation_amax ? r->activation_amax[linear] : 0);
}

static void oracle_weights(struct oracle *o)
{
	const struct subject *s = o->subject;
	o->W = mem_array(s->linear_count, sizeof *o->W);
	for (size_t i = 0; i < s->linear_count; i++)
		o->W[i] = subject_plain_weight(s, i, o->request->pair.weight, o->request->weight_amax[i]);
}

static void oracle_release(struct oracle *o)
{
	for (size_t i = 0; i < o->subject->linear_count; i++)
		free(o->W[i]);
	free(o->W);
}

/* Compares one group on the batch of that place in the request's list, whose positions begin at first of all. */
static void check_group(const struct oracle *o, const struct plain_model *model, const double *logits, size_t place,
	size_t group, size_t first, size_t all)
{
	const struct kl_request *r = o->request;
	const struct batch *batch = &o->subject->batches[r->batch[place]];
	const struct plain_change change = {group, o->W, oracle_input, (void *)o};
	double *changed = plain_model_logits(model, batch, &change), sum = 0;
	int joint = r->pair.activation.element != ELEMENT_NONE;
	double tolerance = joint ? oracle_joint : oracle_weight_only;
	size_t V = o->subject->config->vocab_size;
	for (size_t t = 0; t < batch->tokens; t++) {
		double expected = plain_divergence(logits + t * V, changed + t * V, V);
		double found = r->positions[group * all + first + t];
		CHECK(fabs(found - expected) <= tolerance * expected + 1e-16,
			"group %zu batch %zu token %zu: %g, expected %g", group, place, t, found, expected);
		note_deviation((size_t)joint, found, expected);
		sum += expected;
	}
	note_deviation(2, r->sum[group * r->batches + place], sum);
	CHECK_CLOSE(r->sum[group * r->batches + place], sum, oracle_sum);
	free(changed);
}

/* Groups from first_group on. */
static void check_oracle(const struct subject *s, const struct plain_model *model, const struct kl_request *r,
	size_t first_group)
{
	struct oracle o = {.subject = s, .request = r};
	size_t first = 0, all = tokens_in(s, r->batch, r->batches);
	oracle_weights(&o);
	for (size_t i = 0; i < r->batches; first += s->batches[r->batch[i++]].tokens) {
		double *logits = plain_model_logits(model, &s->batches[r->batch[i]], NULL);
		for (size_t group = first_group; group < s->groups; group++)
			check_group(&o, model, logits, i, group, first, all);
		free(logits);
	}
	oracle_release(&o);
}

static void test_against_plain_loops(void)
{
	struct kl_request requests[FORMATS];
	struct plain_model *model = plain_model_new(small.config, &small.files.tensors);
	run_all(requests, ops_cpu(), 0);
	for (size_t n = 1; n < FORMATS; n += 2)
		check_oracle(&small, model, &requests[n], 0);
	fprintf(stderr, "against plain loops: weight-only %.1e, joint %.1e, sums %.1e\n", farthest[0], farthest[1],
		farthest[2]);
	plain_model_free(model);
	requests_free(requests, FORMATS);
}

static void test_logits_in_parts(void)
{
	struct subject *wide = mem_zeroed(1, sizeof *wide);
	subject_open(wide, "wide", &wide_spec, 1);
	struct kl_request r = request(wide, 3 * ACTIVATIONS + 1, all_batches, 1);
	struct plain_model *model = plain_model_new(wide->config, &wide->files.tensors);
	CHECK(run(wide, ops_cpu(), &r, 1) == 0, "%s", error_text());
	check_oracle(wide, model, &r, wide->groups - 2);
	plain_model_free(model);
	requests_free(&r, 1);
	subject_close(wide);
	free(wide);
}

/* ---- properties ---- */

static void test_identity(void)
{
	struct kl_request none = request(&small, 0, all_batches, BATCHES);
	memset(none.sum, 0xff, small.groups * BATCHES * sizeof *none.sum);
	CHECK(run(&small, ops_cpu(), &none, 1) == 0, "%s", error_text());
	for (size_t k = 0; k < small.groups * BATCHES; k++)
		CHECK(none.sum[k] == 0, "group %zu: %g", k / BATCHES, none.sum[k]);
	requests_free(&none, 1);
}

/* No position is negative, and each sum is that of its positions in order. */
static void test_sums(void)
{
	struct kl_request requests[FORMATS];
	size_t all = tokens_in(&small, all_batches, BATCHES);
	run_all(requests, ops_cpu(), 0);
	for (size_t n = 0; n < FORMATS; n++) {
		const double *at = requests[n].positions;
		for (size_t k = 0; k < small.groups * BATCHES; k++) {
			double sum = 0;
			for (size_t t = 0; t < small.batches[k % BATCHES].tokens; t++, at++) {
				CHECK(*at >= 0, "format %zu group %zu: %g", n, k / BATCHES, *at);
				sum += *at;
			}
			CHECK(sum == requests[n].sum[k], "format %zu group %zu: %g, positions add up to %g", n, k / BATCHES,
				requests[n].sum[k], sum);
			CHECK(n == 0 || sum > 0, "format %zu group %zu: no effect", n, k / BATCHES);
		}
		CHECK(at == requests[n].positions + small.groups * all, "positions");
	}
	requests_free(requests, FORMATS);
}

/* A sequence alone has what it has among others, but for the digits of products of another shape: the captions of a
 * batch do not meet. */
static void test_one_sequence_alone(void)
{
	enum { I4C = 4 * ACTIVATIONS };
	struct subject alone = small;
	struct kl_request whole = request(&small, I4C, all_batches, 1), part;
	static const int32_t start[] = {0, 7};
	const int32_t start_of_it = subject_starts[0][2];
	size_t all = small.batches[0].tokens;
	alone.batches[0] = (struct batch){small.ids[0] + start_of_it, start, 1, 7};
	part = request(&alone, I4C, all_batches, 1);
	CHECK(run(&small, ops_cpu(), &whole, 1) == 0 && run(&alone, ops_cpu(), &part, 1) == 0, "%s", error_text());
	for (size_t group = 0; group < small.groups; group++)
		for (size_t t = 0; t < 7; t++)
			CHECK_CLOSE(part.positions[group * 7 + t], whole.positions[group * all + (size_t)start_of_it + t],
				shape_tolerance);
	requests_free(&whole, 1);
	requests_free(&part, 1);
}

/* ---- bits ---- */

static void check_same(const char *what, size_t n, const struct kl_request *a, const struct kl_request *b)
{
	char name[2 * QUANTIZER_CODE_MAX];
	size_t all = tokens_in(&small, a->batch, a->batches);
	format_name(name, sizeof name, n);
	CHECK(memcmp(a->sum, b->sum, small.groups * a->batches * sizeof *a->sum) == 0 &&
		memcmp(a->positions, b->positions, small.groups * all * sizeof *a->positions) == 0, "%s: %s has other bits",
		what, name);
}

static void test_alone_and_together(void)
{
	struct kl_request together[FORMATS];
	run_all(together, ops_cpu(), 0);
	for (size_t n = 0; n < FORMATS; n++) {
		struct kl_request alone = request(&small, n, all_batches, BATCHES);
		CHECK(run(&small, ops_cpu(), &alone, 1) == 0, "%s", error_text());
		check_same("alone", n, &alone, &together[n]);
		requests_free(&alone, 1);
	}
	requests_free(together, FORMATS);
}

static void test_threads(void)
{
	static const char *const counts[] = {"2", "3", "7"};
	struct kl_request one[FORMATS], many[FORMATS];
	setenv("QUANTGRID_THREADS", "1", 1);
	run_all(one, ops_cpu(), 0);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		setenv("QUANTGRID_THREADS", counts[i], 1);
		run_all(many, ops_cpu(), 0);
		for (size_t n = 0; n < FORMATS; n++)
			check_same(counts[i], n, &many[n], &one[n]);
		requests_free(many, FORMATS);
	}
	unsetenv("QUANTGRID_THREADS");
	requests_free(one, FORMATS);
}

static void test_short_of_memory(void)
{
	static const size_t bytes[] = {1, 40000, 200000};
	struct kl_request whole[FORMATS], cut[FORMATS];
	run_all(whole, ops_cpu(), 0);
	for (size_t i = 0; i < 3; i++) {
		run_all(cut, ops_cpu(), bytes[i]);
		for (size_t n = 0; n < FORMATS; n++)
			check_same("in several runs", n, &cut[n], &whole[n]);
		requests_free(cut, FORMATS);
	}
	requests_free(whole, FORMATS);
}

static void test_unreadable_memory(void)
{
	enum { SOME = 3 };
	struct kl_request guarded[SOME], plain[SOME];
	for (size_t n = 0; n < SOME; n++) {
		guarded[n] = request(&small, 5 * n + 6, all_batches, BATCHES);
		plain[n] = request(&small, 5 * n + 6, all_batches, BATCHES);
	}
	CHECK(run(&small, ops_guarded(), guarded, SOME) == 0 && run(&small, ops_cpu(), plain, SOME) == 0, "%s",
		error_text());
	for (size_t n = 0; n < SOME; n++)
		check_same("guarded", 5 * n + 6, &guarded[n], &plain[n]);
	CHECK(ops_guarded_live() == 0, "%zu buffers were not released", ops_guarded_live());
	requests_free(guarded, SOME);
	requests_free(plain, SOME);
}

/* Other sets of batches in another order, one request twice, one with maxima of its own. */
static void test_sets_of_batches(void)
{
	enum { F8T = 2 * ACTIVATIONS + 1, N16 = 1 * ACTIVATIONS };
	static const size_t first[] = {0}, swapped[] = {3, 1};
	struct kl_request full = request(&small, F8T, all_batches, BATCHES);
	struct kl_request mixed[] = {
		request(&small, F8T, swapped, 2), request(&small, F8T, first, 1), request(&small, F8T, swapped, 2),
		request(&small, N16, first, 1), request(&small, F8T, swapped, 0),
	};
	float *halved = mem_array(small.linear_count, sizeof *halved);
	for (size_t i = 0; i < small.linear_count; i++)
		halved[i] = small.activations[1].amax[i] * (i % LINEARS_PER_LAYER == LINEAR_O ? 0.5f : 1);
	mixed[2].activation_amax = halved;
	CHECK(run(&small, ops_cpu(), &full, 1) == 0 && run(&small, ops_cpu(), mixed, 5) == 0, "%s", error_text());
	for (size_t g = 0; g < small.groups; g++) {
		const double *s = full.sum + g * BATCHES, *two = mixed[0].sum + 2 * g, *half = mixed[2].sum + 2 * g;
		CHECK(two[0] == s[3] && two[1] == s[1] && mixed[1].sum[g] == s[0], "group %zu", g);
		CHECK((half[0] == two[0] && half[1] == two[1]) == (g % 4 != 1), "group %zu: own maxima", g);
		CHECK(mixed[0].positions[g * 27] == full.positions[g * 48 + 32], "group %zu: positions", g);
	}
	free(halved);
	requests_free(&full, 1);
	requests_free(mixed, 5);
}

/* ---- memory ---- */

static void test_memory_is_said(void)
{
	static const size_t limits[] = {0, 1, 100000};
	struct kl_request requests[] = {request(&small, 6, all_batches, 4), request(&small, 11, all_batches + 1, 2)};
	for (size_t i = 0; i < 3; i++) {
		const struct ops *ops = ops_counting();
		size_t said = kl_bytes(ops, small.config, small.batches, BATCHES, requests, 2, limits[i]);
		CHECK(!kl_run(ops, small.config, &small.files.tensors, small.batches, BATCHES, requests, 2, limits[i]),
			"%s", error_text());
		size_t most = ops_counting_most();
		CHECK(most <= said && most + 1000 >= said && !ops_counting_live(), "said %zu bytes, took %zu, left %zu", said,
			most, ops_counting_live());
	}
	requests_free(requests, 2);
}

/* ---- errors ---- */

static void test_not_finite(void)
{
	enum { I8R = 3 * ACTIVATIONS, BAD = 11 };
	struct kl_request r[] = {request(&small, 0, all_batches, BATCHES), request(&small, I8R, all_batches + 1, 1)};
	float saved = small.weights[3].amax[BAD][3];
	small.weights[3].amax[BAD][3] = NAN;
	CHECK(run(&small, ops_cpu(), r, 2) == -1, "NaN was taken");
	CHECK(strstr(error_text(), small.linears[BAD].name) && strstr(error_text(), "I8r/-") &&
		strstr(error_text(), "batch 1") && strstr(error_text(), "token 0"), "message \"%s\"", error_text());
	small.weights[3].amax[BAD][3] = saved;
	requests_free(r, 2);
}

/* ---- the demo model ---- */

struct demo {
	struct golden golden;
	struct model_files files;
	struct linear_info linears[64];
	size_t linear_count, groups;
	struct weight_calibration weights[PAIRS];
	struct activation_calibration activations[PAIRS];
	struct kl_request requests[PAIRS];
	const cJSON *expected[PAIRS];
	size_t count;
};

static void demo_request(struct demo *d, struct transformer *model, const cJSON *expected)
{
	static const size_t both[] = {0, 1};
	size_t i = d->count++;
	struct kl_request *r = &d->requests[i];
	const char *weight = cJSON_GetStringValue(cJSON_GetObjectItem(expected, "weight"));
	const char *activation = cJSON_GetStringValue(cJSON_GetObjectItem(expected, "activation"));
	CHECK(!quantizer_weight_parse(weight, &r->pair.weight) &&
		!quantizer_activation_parse(activation, &r->pair.activation), "%s", error_text());
	d->expected[i] = expected;
	d->weights[i].quantizer = r->pair.weight;
	d->activations[i] = (struct activation_calibration){.quantizer = r->pair.activation, .batch = both, .batches = 2};
	CHECK(!calibrate_weights(model, ops_cpu(), d->linear_count, &d->weights[i], 1), "%s", error_text());
	r->weight_amax = d->weights[i].amax;
	if (r->pair.activation.element != ELEMENT_NONE) {
		CHECK(!calibrate_activations(model, ops_cpu(), d->linear_count, d->golden.batches, GOLDEN_BATCHES,
			&d->activations[i], 1), "%s", error_text());
		r->activation_amax = d->activations[i].amax;
	}
	r->batch = both;
	r->batches = GOLDEN_BATCHES;
	r->sum = mem_array(d->groups * GOLDEN_BATCHES, sizeof *r->sum);
}

static void demo_open(struct demo *d)
{
	const cJSON *expected;
	golden_open(&d->golden);
	model_files_open(&d->files, "models/qwen3_vl_demo/checkpoint");
	d->linear_count = linear_count(&d->files.checkpoint.config);
	d->groups = linear_group_count(&d->files.checkpoint.config);
	linear_describe(d->linears, &d->files.checkpoint.config);
	struct transformer *model = transformer_open(ops_cpu(), &d->files.checkpoint.config, &d->files.tensors);
	cJSON_ArrayForEach(expected, cJSON_GetObjectItem(d->golden.json, "kl_div"))
		demo_request(d, model, expected);
	CHECK(d->count == PAIRS, "%zu pairs", d->count);
	transformer_close(model);
}

static void demo_close(struct demo *d)
{
	for (size_t i = 0; i < d->count; i++) {
		weight_calibration_release(&d->weights[i], d->linear_count);
		activation_calibration_release(&d->activations[i]);
		free(d->requests[i].sum);
	}
	model_files_close(&d->files);
	golden_close(&d->golden);
}

/* Worst relative deviation of a pair's groups. */
static double demo_worst(const struct demo *d, size_t pair)
{
	double worst = 0;
	for (size_t i = 0; i < d->linear_count; i++) {
		const struct linear_info *l = &d->linears[i];
		const double *sum = d->requests[pair].sum + l->group * GOLDEN_BATCHES;
		if (i && d->linears[i - 1].group == l->group)
			continue;
		double expected = golden_number(d->expected[pair], "kl_sum", l->name);
		double deviation = fabs(sum[0] + sum[1] - expected) / expected;
		worst = deviation <= worst ? worst : isnan(deviation) ? INFINITY : deviation;
	}
	return worst;
}

static void golden_on(const struct ops *ops, double weight_only)
{
	struct demo *d = mem_zeroed(1, sizeof *d);
	demo_open(d);
	const struct lm_config *config = &d->files.checkpoint.config;
	CHECK(d->golden.batches[0].tokens + d->golden.batches[1].tokens ==
		(size_t)cJSON_GetObjectItem(d->golden.json, "kl_positions")->valuedouble, "positions");
	CHECK(!kl_run(ops, config, &d->files.tensors, d->golden.batches, GOLDEN_BATCHES, d->requests, d->count, 0),
		"%s", error_text());
	for (size_t i = 0; i < d->count; i++) {
		const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(d->expected[i], "pair"));
		double limit = d->requests[i].pair.activation.element == ELEMENT_NONE ? weight_only : golden_joint;
		double worst = demo_worst(d, i);
		fprintf(stderr, "%-4s %-12s worst %.1e\n", ops->name, name, worst);
		CHECK(worst <= limit, "%s: worst %g", name, worst);
	}
	demo_close(d);
	free(d);
}

static void test_golden(void)
{
	golden_on(ops_cpu(), golden_weight_only);
}

/* Half a minute under the sanitizers, which see the same code in recipe_check, on a smaller model. */
static void test_golden_packing(void)
{
#ifndef __SANITIZE_ADDRESS__
	golden_on(ops_packing(), golden_gpu);
#else
	check_skip("divergences of the demo model, packed: plain only");
#endif
}

static void test_golden_gpu(void)
{
	const struct ops *gpu = ops_open("cuda");
	char why[600];
	if (gpu) {
		golden_on(gpu, golden_gpu);
		return;
	}
	snprintf(why, sizeof why, "the divergences on a GPU: %s", error_text());
	check_skip(why);
}

int main(void)
{
	subject_open(&small, "small", &subject_spec, BATCHES);
	TEST(test_golden);
	TEST(test_golden_packing);
	TEST(test_golden_gpu);
	TEST(test_against_plain_loops);
	TEST(test_logits_in_parts);
	TEST(test_identity);
	TEST(test_sums);
	TEST(test_one_sequence_alone);
	TEST(test_alone_and_together);
	TEST(test_threads);
	TEST(test_short_of_memory);
	TEST(test_unreadable_memory);
	TEST(test_sets_of_batches);
	TEST(test_memory_is_said);
	TEST(test_not_finite);
	subject_close(&small);
	return check_done();
}
