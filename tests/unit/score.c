/* Calibration and scoring on a small random model: against plain double loops, alone and together, with any number of
 * threads, and over memory that the engines cannot read. */
#include "../check.h"

#include <stdlib.h>

#include "../support/make_checkpoint.h"
#include "../support/model_files.h"
#include "../support/ops_guarded.h"
#include "../support/plain_model.h"
#include "../support/scratch.h"
#include "common/error.h"
#include "common/memory.h"
#include "model/calibrate.h"
#include "model/score.h"
#include "ops/quantize.h"

/* Products are fp32, the oracle's double: an element of d is within some 1e-6 of its size, and the sums hold many. */
static const double tolerance = 1e-5;

/* Rows of lm_head are more than a slice; widths are no multiples of anything. */
static const struct checkpoint_spec spec = {
	.hidden = 36, .layers = 2, .heads = 3, .kv_heads = 1, .head_dim = 10, .intermediate = 50, .vocab = 1100,
	.dtype = DTYPE_BF16, .seed = 7, .outliers = 2,
};

static const char *const weight_codes[] = {"-", "N16", "N32", "N64", "N128", "F8t", "F8r", "F8c", "F8g64", "F8g16",
	"I8t", "I8r", "I8c", "I8g64", "I4t", "I4r", "I4c", "I4g16", "I4g64", "I4g128"};
static const char *const activation_codes[] = {"-", "f8t", "f8k", "i8t", "i8k", "i4t", "i4k"};

enum {
	WEIGHTS = sizeof weight_codes / sizeof *weight_codes,
	ACTIVATIONS = sizeof activation_codes / sizeof *activation_codes,
	FORMATS = WEIGHTS * ACTIVATIONS,
	BATCHES = 4, TOKENS = 40,
};

/* One batch has a one-token sequence, one has nothing else. */
static const int32_t starts[BATCHES][5] = {{0, 7, 8, 20}, {0, 11}, {0, 1}, {0, 3, 5, 9, 16}};
static const size_t sequences[BATCHES] = {3, 1, 1, 4};
static const size_t all_batches[BATCHES] = {0, 1, 2, 3};

static const struct ops *instance; /* under test; maxima are always those of the CPU */
static int32_t ids[BATCHES][TOKENS];
static struct batch batches[BATCHES];
static struct model_files files;
static struct linear_info linears[64];
static size_t linear_total, group_total;

/* Calibrated over all batches, by code. */
static struct weight_calibration weights[WEIGHTS];
static struct activation_calibration activations[ACTIVATIONS];

static void model_make(void)
{
	char *dir = scratch_path("model");
	uint64_t seed = 11;
	if (make_checkpoint(dir, &spec))
		exit(error_report(1));
	model_files_open(&files, dir);
	free(dir);
	linear_total = linear_count(&files.checkpoint.config);
	group_total = linear_group_count(&files.checkpoint.config);
	linear_describe(linears, &files.checkpoint.config);
	for (size_t b = 0; b < BATCHES; b++) {
		batches[b] = (struct batch){ids[b], starts[b], sequences[b], (size_t)starts[b][sequences[b]]};
		for (size_t t = 0; t < batches[b].tokens; t++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			ids[b][t] = (int32_t)((seed >> 33) % spec.vocab);
		}
	}
}

static void calibrate(const struct ops *ops, struct weight_calibration *w, struct activation_calibration *a)
{
	struct transformer *model = transformer_open(ops, &files.checkpoint.config, &files.tensors);
	for (size_t i = 0; i < WEIGHTS; i++) {
		w[i] = (struct weight_calibration){0};
		CHECK(quantizer_weight_parse(weight_codes[i], &w[i].quantizer) == 0, "%s", error_text());
	}
	for (size_t i = 1; i < ACTIVATIONS; i++) {
		a[i] = (struct activation_calibration){.batch = all_batches, .batches = BATCHES};
		CHECK(quantizer_activation_parse(activation_codes[i], &a[i].quantizer) == 0, "%s", error_text());
	}
	CHECK(calibrate_weights(model, ops, linear_total, w, WEIGHTS) == 0, "%s", error_text());
	CHECK(calibrate_activations(model, ops, linear_total, batches, BATCHES, a + 1, ACTIVATIONS - 1) == 0, "%s",
		error_text());
	transformer_close(model);
}

static void calibration_free(struct weight_calibration *w, struct activation_calibration *a)
{
	for (size_t i = 0; i < WEIGHTS; i++)
		weight_calibration_release(&w[i], linear_total);
	for (size_t i = 1; i < ACTIVATIONS; i++)
		activation_calibration_release(&a[i]);
}

static size_t tokens_in(const size_t *batch, size_t count)
{
	size_t tokens = 0;
	for (size_t i = 0; i < count; i++)
		tokens += batches[batch[i]].tokens;
	return tokens;
}

/* Format n of all, with everything that can be asked for. */
static struct score_request request(size_t n, const size_t *batch, size_t count)
{
	size_t w = n / ACTIVATIONS, a = n % ACTIVATIONS;
	return (struct score_request){
		.weight_only = w && a ? mem_zeroed(linear_total * count, sizeof(struct output_sums)) : NULL,
		.activation_only = w && a ? mem_zeroed(linear_total * count, sizeof(struct output_sums)) : NULL,
		.positions = mem_array(group_total * tokens_in(batch, count), sizeof(double)),
		.pair = {weights[w].quantizer, activations[a].quantizer},
		.weight_amax = weights[w].amax,
		.activation_amax = a ? activations[a].amax : NULL,
		.batch = batch,
		.batches = count,
		.sums = mem_zeroed(linear_total * count, sizeof(struct output_sums)),
	};
}

static void requests_free(struct score_request *requests, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(requests[i].sums);
		free(requests[i].weight_only);
		free(requests[i].activation_only);
		free(requests[i].positions);
	}
}

static int score(const struct ops *ops, struct score_request *requests, size_t count, double *loss)
{
	struct transformer *model = transformer_open(ops, &files.checkpoint.config, &files.tensors);
	int status = score_run(model, ops, linears, linear_total, batches, BATCHES, requests, count, loss);
	transformer_close(model);
	return status;
}

static void format_name(char *name, size_t size, size_t n)
{
	snprintf(name, size, "%s/%s", weight_codes[n / ACTIVATIONS], activation_codes[n % ACTIVATIONS]);
}

/* ---- the oracle: what a visit shows, quantized element by element and multiplied in double ---- */

struct oracle {
	struct score_request *requests;   /* results to be filled in, all on all batches */
	size_t count;
};

/* Tokens of all batches before one. */
static size_t tokens_before(size_t batch)
{
	return tokens_in(all_batches, batch);
}

/* x^ of one batch. */
static void oracle_activation(float *to, const float *x, size_t rows, size_t in, struct quantizer q, float amax)
{
	for (size_t r = 0; r < rows; r++) {
		float largest = 0;
		for (size_t c = 0; c < in; c++)
			largest = fmaxf(largest, fabsf(x[r * in + c]));
		fake_quant_run(to + r * in, x + r * in, in, q.element, q.scale == SCALE_TOKEN ? largest : amax);
	}
}

static double dot(const float *a, const float *b, size_t n)
{
	double sum = 0;
	for (size_t k = 0; k < n; k++)
		sum += (double)a[k] * b[k];
	return sum;
}

/* token (may be NULL) gets the scores of the rows added. */
static void oracle_sums(struct output_sums *s, double *token, const struct linear_site *site, size_t b, const float *xq,
	const float *Wq)
{
	const size_t in = site->linear->in, out = site->linear->out;
	const float *x = (const float *)site->x[b], *W = (const float *)site->W;
	const float *g = (const float *)site->dy[b], *y = (const float *)site->y[b];
	*s = (struct output_sums){0};
	for (size_t t = 0; t < site->rows[b]; t++)
		for (size_t o = 0; o < out; o++) {
			double d = dot(xq + t * in, Wq + o * in, in) - dot(x + t * in, W + o * in, in);
			double v = y[t * out + o], gd = g[t * out + o] * d;
			s->score += gd * gd;
			if (token)
				token[t] += gd * gd;
			s->error2 += d * d;
			s->output2 += v * v;
			s->cross += v * (v + d);
			s->error_max = fmax(s->error_max, fabs(d));
		}
}

static int oracle_visit(void *context, const struct linear_site *site)
{
	const struct oracle *o = context;
	const size_t in = site->linear->in, out = site->linear->out;
	float *Wq = mem_array(out * in, sizeof *Wq), *xq = mem_array(TOKENS * in, sizeof *xq);
	for (size_t i = 0; i < o->count; i++) {
		const struct score_request *r = &o->requests[i];
		cpu_quantize_weight((dev_weight *)Wq, site->W, 0, out, in, r->pair.weight, r->weight_amax[site->index], 0);
		for (size_t b = 0; b < site->count; b++) {
			size_t at = site->index * BATCHES + site->first + b;
			size_t tokens = site->linear->group * tokens_before(BATCHES) + tokens_before(site->first + b);
			oracle_activation(xq, (const float *)site->x[b], site->rows[b], in, r->pair.activation,
				r->activation_amax ? r->activation_amax[site->index] : 0);
			oracle_sums(&r->sums[at], r->positions + tokens, site, b, xq, Wq);
			if (r->weight_only) {
				oracle_sums(&r->weight_only[at], NULL, site, b, (const float *)site->x[b], Wq);
				oracle_sums(&r->activation_only[at], NULL, site, b, xq, (const float *)site->W);
			}
		}
	}
	free(Wq);
	free(xq);
	return 0;
}

/* A single token has fewer terms than a batch: what is far below the average is compared with that. */
static void check_positions(const char *name, const double *found, const double *expected)
{
	const size_t all = tokens_before(BATCHES);
	for (size_t g = 0; g < group_total; g++)
		for (size_t b = 0; b < BATCHES; b++) {
			size_t first = g * all + tokens_before(b), tokens = batches[b].tokens;
			double mean = 0;
			for (size_t t = first; t < first + tokens; t++)
				mean += expected[t] / (double)tokens;
			for (size_t t = first; t < first + tokens; t++)
				CHECK(fabs(found[t] - expected[t]) <= tolerance * (expected[t] + mean),
					"%s group %zu token %zu: %g, expected %g", name, g, t % all, found[t], expected[t]);
		}
}

static void check_sums(const char *name, size_t linear, size_t b, const struct output_sums *f,
	const struct output_sums *e)
{
	const double found[] = {f->score, f->error2, f->output2, f->cross, f->error_max};
	const double expected[] = {e->score, e->error2, e->output2, e->cross, e->error_max};
	for (size_t k = 0; k < 5; k++)
		CHECK(fabs(found[k] - expected[k]) <= tolerance * fabs(expected[k]), "%s %s batch %zu sum %zu: %g, expected %g",
			name, linears[linear].name, b, k, found[k], expected[k]);
}

static void test_against_plain_loops(void)
{
	struct score_request found[FORMATS], expected[FORMATS];
	struct transformer *model = transformer_open(ops_cpu(), &files.checkpoint.config, &files.tensors);
	struct oracle oracle = {expected, 0};
	size_t used = 0;
	for (size_t n = 1; n < FORMATS; n += 3, used++) {
		found[used] = request(n, all_batches, BATCHES);
		expected[used] = request(n, all_batches, BATCHES);
		memset(expected[used].positions, 0, group_total * tokens_before(BATCHES) * sizeof(double));
	}
	oracle.count = used;
	CHECK(score(ops_cpu(), found, used, NULL) == 0, "%s", error_text());
	CHECK(transformer_backward(model, batches, BATCHES, NULL, oracle_visit, &oracle) == 0, "%s", error_text());
	for (size_t i = 0; i < used; i++) {
		char name[2 * QUANTIZER_CODE_MAX];
		format_name(name, sizeof name, 1 + 3 * i);
		for (size_t k = 0; k < linear_total * BATCHES; k++) {
			const size_t linear = k / BATCHES, b = k % BATCHES;
			check_sums(name, linear, b, &found[i].sums[k], &expected[i].sums[k]);
			if (found[i].weight_only) {
				check_sums(name, linear, b, &found[i].weight_only[k], &expected[i].weight_only[k]);
				check_sums(name, linear, b, &found[i].activation_only[k], &expected[i].activation_only[k]);
			}
		}
		check_positions(name, found[i].positions, expected[i].positions);
	}
	transformer_close(model);
	requests_free(found, used);
	requests_free(expected, used);
}

static void test_identity(void)
{
	struct score_request none = request(0, all_batches, BATCHES);
	double loss[BATCHES];
	CHECK(score(ops_cpu(), &none, 1, loss) == 0, "%s", error_text());
	for (size_t k = 0; k < linear_total * BATCHES; k++) {
		const struct output_sums *s = &none.sums[k];
		CHECK(s->score == 0 && s->error2 == 0 && s->error_max == 0, "linear %zu: score %g", k / BATCHES, s->score);
		CHECK(s->output2 > 0 && s->cross == s->output2, "linear %zu: outputs %g %g", k / BATCHES, s->output2,
			s->cross);
	}
	for (size_t t = 0; t < group_total * tokens_before(BATCHES); t++)
		CHECK(none.positions[t] == 0, "token %zu: score %g", t, none.positions[t]);
	CHECK(loss[0] > 0 && loss[1] > 0 && loss[2] == 0 && loss[3] > 0, "losses %g %g %g %g", loss[0], loss[1], loss[2],
		loss[3]);
	requests_free(&none, 1);
}

/* ---- bits ---- */

static void check_same(const char *what, size_t n, const struct score_request *a, const struct score_request *b)
{
	char name[2 * QUANTIZER_CODE_MAX];
	size_t count = linear_total * a->batches * sizeof *a->sums;
	format_name(name, sizeof name, n);
	CHECK(a->batches == b->batches && memcmp(a->sums, b->sums, count) == 0, "%s: %s has other bits", what, name);
	CHECK(!a->weight_only || (memcmp(a->weight_only, b->weight_only, count) == 0 &&
		memcmp(a->activation_only, b->activation_only, count) == 0), "%s: the halves of %s have other bits", what,
		name);
	CHECK(memcmp(a->positions, b->positions, group_total * tokens_in(a->batch, a->batches) * sizeof(double)) == 0,
		"%s: the tokens of %s have other bits", what, name);
}

static void score_all(struct score_request *requests, const struct ops *ops)
{
	for (size_t n = 0; n < FORMATS; n++)
		requests[n] = request(n, all_batches, BATCHES);
	CHECK(score(ops, requests, FORMATS, NULL) == 0, "%s", error_text());
}

static void test_alone_and_together(void)
{
	struct score_request together[FORMATS];
	score_all(together, instance);
	for (size_t n = 0; n < FORMATS; n++) {
		struct score_request alone = request(n, all_batches, BATCHES);
		CHECK(score(instance, &alone, 1, NULL) == 0, "%s", error_text());
		check_same("alone", n, &alone, &together[n]);
		requests_free(&alone, 1);
	}
	requests_free(together, FORMATS);
}

/* A half is the whole of the format that has this quantizer alone, bit for bit; and alone is as together. */
static void test_halves(void)
{
	struct score_request all[FORMATS];
	const size_t bytes = linear_total * BATCHES * sizeof *all->sums;
	score_all(all, instance);
	for (size_t n = 0; n < FORMATS; n++) {
		size_t w = n / ACTIVATIONS, a = n % ACTIVATIONS;
		if (!w || !a)
			continue;
		CHECK(memcmp(all[n].weight_only, all[w * ACTIVATIONS].sums, bytes) == 0, "%s of %s/%s", weight_codes[w],
			weight_codes[w], activation_codes[a]);
		CHECK(memcmp(all[n].activation_only, all[a].sums, bytes) == 0, "%s of %s/%s", activation_codes[a],
			weight_codes[w], activation_codes[a]);
	}
	requests_free(all, FORMATS);
}

/* The scores of tokens add up to those of the batches. Halves and tokens may be left out: the rest stays. */
static void test_parts_of_sums(void)
{
	struct score_request all[FORMATS], bare[FORMATS];
	score_all(all, ops_cpu());
	for (size_t n = 0; n < FORMATS; n++) {
		bare[n] = all[n];
		bare[n].sums = mem_zeroed(linear_total * BATCHES, sizeof *bare[n].sums);
		bare[n].weight_only = bare[n].activation_only = NULL;
		bare[n].positions = NULL;
	}
	CHECK(score(ops_cpu(), bare, FORMATS, NULL) == 0, "%s", error_text());
	for (size_t n = 0; n < FORMATS; n++) {
		CHECK(memcmp(bare[n].sums, all[n].sums, linear_total * BATCHES * sizeof *bare[n].sums) == 0, "format %zu", n);
		for (size_t g = 0; g < group_total; g++)
			for (size_t b = 0; b < BATCHES; b++) {
				double members = 0, tokens = 0;
				for (size_t i = 0; i < linear_total; i++)
					members += linears[i].group == g ? all[n].sums[i * BATCHES + b].score : 0;
				for (size_t t = 0; t < batches[b].tokens; t++)
					tokens += all[n].positions[g * tokens_before(BATCHES) + tokens_before(b) + t];
				CHECK_CLOSE(tokens, members, 1e-12);
			}
		free(bare[n].sums);
	}
	requests_free(all, FORMATS);
}

static void test_threads(void)
{
	static const char *const counts[] = {"2", "3", "7"};
	struct score_request one[FORMATS], many[FORMATS];
	setenv("QUANTGRID_THREADS", "1", 1);
	score_all(one, ops_cpu());
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		setenv("QUANTGRID_THREADS", counts[i], 1);
		score_all(many, ops_cpu());
		for (size_t n = 0; n < FORMATS; n++)
			check_same(counts[i], n, &many[n], &one[n]);
		requests_free(many, FORMATS);
	}
	unsetenv("QUANTGRID_THREADS");
	requests_free(one, FORMATS);
}

/* Other sets of batches, in another order, some with maxima of their own: each as in the full set. */
static void test_sets_of_batches(void)
{
	enum { F8T = 5 * ACTIVATIONS + 1 /* F8t/f8t */, N16 = 1 * ACTIVATIONS };
	static const size_t first[] = {0}, swapped[] = {3, 1};
	struct score_request full = request(F8T, all_batches, BATCHES);
	struct score_request mixed[] = {
		request(F8T, swapped, 2), request(F8T, first, 1), request(F8T, swapped, 2), request(N16, first, 1),
	};
	float *halved = mem_array(linear_total, sizeof *halved);
	double loss[BATCHES], some_loss[BATCHES];
	for (size_t i = 0; i < linear_total; i++)
		halved[i] = activations[1].amax[i] * (i % 2 ? 0.5f : 1);
	mixed[2].activation_amax = halved;
	CHECK(score(instance, &full, 1, loss) == 0 && score(instance, mixed, 4, some_loss) == 0, "%s", error_text());
	for (size_t i = 0; i < linear_total; i++) {
		const struct output_sums *s = &full.sums[i * BATCHES];
		const struct output_sums *two = &mixed[0].sums[2 * i], *half = &mixed[2].sums[2 * i];
		CHECK(memcmp(&two[0], &s[3], sizeof *s) == 0 && memcmp(&two[1], &s[1], sizeof *s) == 0, "linear %zu", i);
		CHECK(memcmp(&mixed[1].sums[i], &s[0], sizeof *s) == 0, "linear %zu", i);
		CHECK((memcmp(half, two, 2 * sizeof *s) == 0) == (i % 2 == 0), "linear %zu: own maxima", i);
		s = &full.activation_only[i * BATCHES], two = &mixed[0].activation_only[2 * i];
		CHECK(memcmp(&two[0], &s[3], sizeof *s) == 0 && memcmp(&two[1], &s[1], sizeof *s) == 0, "linear %zu: inputs",
			i);
	}
	for (size_t g = 0; g < group_total; g++) {
		const double *all = full.positions + g * tokens_before(BATCHES);
		const double *two = mixed[0].positions + g * tokens_in(swapped, 2);
		size_t first_bytes = batches[3].tokens * sizeof *all, second_bytes = batches[1].tokens * sizeof *all;
		CHECK(memcmp(two, all + tokens_before(3), first_bytes) == 0 &&
			memcmp(two + batches[3].tokens, all + tokens_before(1), second_bytes) == 0, "group %zu", g);
	}
	CHECK(some_loss[0] == loss[0] && some_loss[1] == loss[1] && some_loss[3] == loss[3], "losses");
	CHECK(some_loss[2] == 0, "loss %g of a batch nobody wanted", some_loss[2]);
	free(halved);
	requests_free(&full, 1);
	requests_free(mixed, 4);
}

/* Batches in packs, of which requests want some: near what they have alone, where another shape of a product may round
 * otherwise. */
static void test_packs(void)
{
	static const size_t tokens[] = {1, 16, 30, 1000}, outer[] = {3, 0};
	enum { F8T = 5 * ACTIVATIONS + 1 };
	struct score_request full = request(F8T, all_batches, BATCHES);
	double loss[BATCHES], packed_loss[BATCHES];
	CHECK(score(ops_cpu(), &full, 1, loss) == 0, "%s", error_text());
	for (size_t n = 0; n < sizeof tokens / sizeof *tokens; n++) {
		struct ops packing = *ops_cpu();
		struct score_request packed[] = {request(F8T, all_batches, BATCHES), request(F8T, outer, 2)};
		packing.pack_tokens = tokens[n];
		CHECK(score(&packing, packed, 2, packed_loss) == 0, "%s", error_text());
		for (size_t b = 0; b < BATCHES; b++)
			CHECK_CLOSE(packed_loss[b], loss[b], 1e-6);
		for (size_t i = 0; i < linear_total; i++) {
			/* A sum of few tokens: an input that rounds to the other side of a tie shows. */
			for (size_t b = 0; b < BATCHES; b++)
				CHECK_CLOSE(packed[0].sums[i * BATCHES + b].score, full.sums[i * BATCHES + b].score, 1e-3);
			for (size_t b = 0; b < 2; b++)
				CHECK(!memcmp(&packed[1].sums[2 * i + b], &packed[0].sums[i * BATCHES + outer[b]],
					sizeof *full.sums), "linear %zu, batch %zu of some", i, outer[b]);
		}
		requests_free(packed, 2);
	}
	requests_free(&full, 1);
}

/* Gradients by finite differences, errors from inputs in double: the scores of tokens of o in the last layer, some of
 * each caption of a batch, from the description of the model alone. */
static void test_against_plain_model(void)
{
	enum { W = 11 /* I8r */, BATCH = 3, LINEAR = LINEARS_PER_LAYER + LINEAR_O };
	static const size_t picked[] = {0, 3, 7, 9, 14}, batch[] = {BATCH};
	const struct linear_info *o = &linears[LINEAR];
	struct plain_model *plain = plain_model_new(&files.checkpoint.config, &files.tensors);
	struct score_request r = request(W * ACTIVATIONS, batch, 1);
	struct plain_values values;
	float *W32 = mem_array(o->out * o->in, sizeof *W32), *Wq = mem_array(o->out * o->in, sizeof *Wq);
	const double *found = r.positions + o->group * batches[BATCH].tokens;
	CHECK(score(ops_cpu(), &r, 1, NULL) == 0, "%s", error_text());
	plain_model_run(plain, &batches[BATCH], NULL, &values);
	dtype_widen(DTYPE_BF16, files.tensors.layer[1].linear[LINEAR_O].bytes, o->out * o->in, W32);
	cpu_quantize_weight((dev_weight *)Wq, (const dev_weight *)W32, 0, o->out, o->in, r.pair.weight,
		r.weight_amax[LINEAR], 1);
	for (size_t k = 0; k < sizeof picked / sizeof *picked; k++) {
		double expected = 0;
		for (size_t c = 0; c < o->out; c++) {
			double d = 0, g = plain_model_gradient(plain, &batches[BATCH], LINEAR, picked[k], c);
			for (size_t i = 0; i < o->in; i++)
				d += values.x[LINEAR][picked[k] * o->in + i] * (double)Wq[c * o->in + i];
			expected += g * d * (g * d);
		}
		CHECK(expected > 0 && fabs(found[picked[k]] - expected) <= 2e-4 * expected, "token %zu: %g, expected %g",
			picked[k], found[picked[k]], expected);
	}
	free(W32), free(Wq);
	plain_values_free(&values);
	plain_model_free(plain);
	requests_free(&r, 1);
}

/* The captions of batch 0 in another order: every token keeps its score but for the rounding of products, of which an
 * element that is quantized on a tie makes more. */
static void test_permuted(void)
{
	enum { CAPTIONS = 3 };
	static const size_t order[CAPTIONS] = {2, 0, 1}, first[] = {0};
	static const struct { size_t format; double tolerance; } cases[] = {
		{1 * ACTIVATIONS, 1e-4}, {6 * ACTIVATIONS, 1e-4}, {11 * ACTIVATIONS + 4, 2e-2},
	};
	const struct batch saved = batches[0];
	int32_t moved[TOKENS], start[CAPTIONS + 1] = {0};
	size_t came_from[TOKENS], T = 0;
	for (size_t i = 0; i < CAPTIONS; i++) {
		for (int32_t t = saved.start[order[i]]; t < saved.start[order[i] + 1]; t++, T++) {
			moved[T] = saved.ids[t];
			came_from[T] = (size_t)t;
		}
		start[i + 1] = (int32_t)T;
	}
	for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
		struct score_request a = request(cases[n].format, first, 1), b = request(cases[n].format, first, 1);
		CHECK(score(instance, &a, 1, NULL) == 0, "%s", error_text());
		batches[0] = (struct batch){moved, start, CAPTIONS, T};
		CHECK(score(instance, &b, 1, NULL) == 0, "%s", error_text());
		batches[0] = saved;
		for (size_t i = 0; i < linear_total; i++)
			CHECK_CLOSE(b.sums[i].score, a.sums[i].score, cases[n].tolerance);
		for (size_t k = 0; k < group_total * T; k++) {
			double was = a.positions[k / T * T + came_from[k % T]];
			CHECK(fabs(b.positions[k] - was) <= cases[n].tolerance * was,
				"format %zu, group %zu, token %zu: %g, it was %g", cases[n].format, k / T, k % T, b.positions[k], was);
		}
		requests_free(&a, 1);
		requests_free(&b, 1);
	}
}

/* ---- errors that do not meet ---- */

/* Layer 0 reads two sorts of tokens. Even ids live in the first half of the channels, where weights are of one size in
 * a column, so that a scale for each column leaves them as they are; odd ids in the other half, with values of one
 * size, so that a scale for each token leaves those as they are. */
struct sorts {
	struct model_tensors tensors;
	struct layer_tensors layers[2];
	float embed[1100 * 36], norm[36], qkv[3][30 * 36];
};

static float noise(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (float)(*state >> 40) / (float)(1 << 23) - 1;
}

static void sorts_make(struct sorts *s)
{
	uint64_t state = 5;
	s->tensors = files.tensors;
	s->tensors.layer = s->layers;
	memcpy(s->layers, files.tensors.layer, sizeof s->layers);
	for (size_t i = 0; i < spec.vocab * spec.hidden; i++) {
		size_t id = i / spec.hidden, second = i % spec.hidden >= spec.hidden / 2;
		float x = noise(&state);
		s->embed[i] = second != id % 2 ? 0 : second ? x < 0 ? -0.5f : 0.5f : x;
	}
	for (size_t i = 0; i < spec.hidden; i++)
		s->norm[i] = 1;
	s->tensors.embed = (struct host_tensor){s->embed, DTYPE_F32, spec.vocab * spec.hidden};
	s->layers[0].input_norm = (struct host_tensor){s->norm, DTYPE_F32, spec.hidden};
	for (size_t k = LINEAR_Q; k <= LINEAR_V; k++) {
		size_t count = linears[k].out * spec.hidden;
		for (size_t i = 0; i < count; i++) {
			float x = noise(&state);
			s->qkv[k][i] = i % spec.hidden >= spec.hidden / 2 ? x : x < 0 ? -0.25f : 0.25f;
		}
		s->layers[0].linear[k] = (struct host_tensor){s->qkv[k], DTYPE_F32, count};
	}
}

/* Then even ids have the error of inputs alone, odd ones that of weights alone, and sums are the sums of both. What a
 * value of its scale's size loses by rounding is a millionth of the error of another. */
static void test_orthogonal(void)
{
	enum { W = 16 /* I4c */, A = 6 /* i4k */ };
	struct sorts *s = mem_zeroed(1, sizeof *s);
	struct score_request r[] = {request(W * ACTIVATIONS + A, all_batches, BATCHES),
		request(W * ACTIVATIONS, all_batches, BATCHES), request(A, all_batches, BATCHES)};
	struct weight_calibration c = {.quantizer = r[0].pair.weight};
	sorts_make(s);
	struct transformer *model = transformer_open(ops_cpu(), &files.checkpoint.config, &s->tensors);
	CHECK(calibrate_weights(model, ops_cpu(), linear_total, &c, 1) == 0, "%s", error_text());
	r[0].weight_amax = r[1].weight_amax = c.amax;
	CHECK(score_run(model, ops_cpu(), linears, linear_total, batches, BATCHES, r, 3, NULL) == 0, "%s", error_text());
	for (size_t i = 0; i < 3 * BATCHES; i++) {
		double weight = r[0].weight_only[i].score, activation = r[0].activation_only[i].score;
		CHECK((weight > 0 && activation > 0) || i % BATCHES == 2, "%s: %g, %g", linears[i / BATCHES].name, weight,
			activation);
		CHECK_CLOSE(r[0].sums[i].score, weight + activation, 1e-5);
		CHECK_CLOSE(r[0].sums[i].error2, r[0].weight_only[i].error2 + r[0].activation_only[i].error2, 1e-5);
	}
	for (size_t b = 0, t = 0; b < BATCHES; b++)
		for (size_t k = 0; k < batches[b].tokens; k++, t++)
			CHECK_CLOSE(r[0].positions[t], r[ids[b][k] % 2 ? 1 : 2].positions[t], 1e-5);
	weight_calibration_release(&c, linear_total);
	transformer_close(model);
	requests_free(r, 3);
	free(s);
}

/* On the way back batches come run by run when memory is short. */
static void test_short_of_memory(void)
{
	struct score_request whole[FORMATS], cut[FORMATS];
	struct transformer *model = transformer_open(ops_cpu(), &files.checkpoint.config, &files.tensors);
	transformer_limit_run(model, 1);
	score_all(whole, ops_cpu());
	for (size_t n = 0; n < FORMATS; n++)
		cut[n] = request(n, all_batches, BATCHES);
	CHECK(score_run(model, ops_cpu(), linears, linear_total, batches, BATCHES, cut, FORMATS, NULL) == 0, "%s",
		error_text());
	for (size_t n = 0; n < FORMATS; n++)
		check_same("run by run", n, &cut[n], &whole[n]);
	transformer_close(model);
	requests_free(whole, FORMATS);
	requests_free(cut, FORMATS);
}

static void check_calibration(const char *what, const struct weight_calibration *w,
	const struct activation_calibration *a)
{
	for (size_t n = 0; n < WEIGHTS; n++)
		for (size_t i = 0; i < linear_total; i++) {
			size_t count = quantizer_amax_count(w[n].quantizer, linears[i].out, linears[i].in);
			CHECK(memcmp(w[n].amax[i], weights[n].amax[i], count * sizeof(float)) == 0 &&
				memcmp(&w[n].sums[i], &weights[n].sums[i], sizeof *w[n].sums) == 0, "%s: %s of linear %zu has other bits",
				what, weight_codes[n], i);
		}
	for (size_t n = 1; n < ACTIVATIONS; n++)
		CHECK(memcmp(a[n].amax, activations[n].amax, linear_total * sizeof(float)) == 0 &&
			memcmp(a[n].sums, activations[n].sums, linear_total * sizeof *a[n].sums) == 0, "%s: %s has other bits", what,
			activation_codes[n]);
}

static void test_unreadable_memory(void)
{
	struct weight_calibration w[WEIGHTS];
	struct activation_calibration a[ACTIVATIONS];
	struct score_request guarded[FORMATS], plain[FORMATS];
	calibrate(ops_guarded(), w, a);
	check_calibration("guarded", w, a);
	calibration_free(w, a);
	score_all(guarded, ops_guarded());
	score_all(plain, ops_cpu());
	for (size_t n = 0; n < FORMATS; n++)
		check_same("guarded", n, &guarded[n], &plain[n]);
	CHECK(ops_guarded_live() == 0, "%zu buffers were not released", ops_guarded_live());
	requests_free(guarded, FORMATS);
	requests_free(plain, FORMATS);
}

/* ---- calibration ---- */

/* Largest |x| and the input of every linear of a batch, from a forward pass. */
struct inputs {
	float *x[BATCHES][64];
};

static int inputs_visit(void *context, const struct linear_site *site)
{
	struct inputs *inputs = context;
	for (size_t b = 0; b < site->count; b++) {
		size_t count = site->rows[b] * site->linear->in;
		inputs->x[site->first + b][site->index] = mem_array(count, sizeof(float));
		memcpy(inputs->x[site->first + b][site->index], site->x[b], count * sizeof(float));
	}
	return 0;
}

/* Adds count elements to expected, and compares with it unless found is NULL. */
static void check_quant_sums(const char *what, const struct quant_sums *found, const float *q, const float *x,
	size_t count, struct quant_sums *expected)
{
	for (size_t i = 0; i < count; i++) {
		double e = (double)q[i] - x[i];
		expected->error2 += e * e;
		expected->value2 += (double)x[i] * x[i];
		expected->cross += (double)x[i] * q[i];
		expected->quant2 += (double)q[i] * q[i];
		expected->error_max = fmax(expected->error_max, fabs((double)(q[i] - x[i])));
		expected->count++;
	}
	if (!found)
		return;
	CHECK(found->count == expected->count && found->error_max == expected->error_max, "%s: %g elements, largest %g", what,
		found->count, found->error_max);
	CHECK(fabs(found->error2 - expected->error2) <= 1e-12 * expected->error2, "%s: error2 %g", what, found->error2);
	CHECK_CLOSE(found->value2, expected->value2, 1e-12);
	CHECK_CLOSE(found->cross, expected->cross, 1e-12);
	CHECK_CLOSE(found->quant2, expected->quant2, 1e-12);
}

static void check_activation_linear(const struct inputs *inputs, const struct activation_calibration *a, size_t i)
{
	const size_t in = linears[i].in;
	float amax = 0, q[TOKENS * 64];
	struct quant_sums expected = {0};
	for (size_t n = 0; n < a->batches; n++)
		for (size_t k = 0; k < batches[a->batch[n]].tokens * in; k++)
			amax = fmaxf(amax, fabsf(inputs->x[a->batch[n]][i][k]));
	CHECK(a->amax[i] == amax, "%s: amax %g, expected %g", linears[i].name, (double)a->amax[i], (double)amax);
	for (size_t n = 0; n < a->batches; n++) {
		size_t b = a->batch[n], count = batches[b].tokens * in;
		oracle_activation(q, inputs->x[b][i], batches[b].tokens, in, a->quantizer, amax);
		check_quant_sums(linears[i].name, n + 1 == a->batches ? &a->sums[i] : NULL, q, inputs->x[b][i], count,
			&expected);
	}
}

/* Nested and overlapping sets in one pass, each equal to itself alone. */
static void test_calibrate_activations(void)
{
	static const size_t one[] = {1}, three[] = {0, 1, 3}, order[] = {3, 0};
	static const struct {
		const size_t *batch;
		size_t batches, code;
	} wishes[] = {
		{one, 1, 3}, {three, 3, 3}, {order, 2, 1}, {three, 3, 2}, {one, 1, 4}, {three, 3, 6}, {one, 1, 3}, {three, 0, 1},
	};
	enum { WISHES = sizeof wishes / sizeof *wishes };
	struct activation_calibration together[WISHES];
	struct transformer *model = transformer_open(ops_cpu(), &files.checkpoint.config, &files.tensors);
	struct inputs *inputs = mem_zeroed(1, sizeof *inputs);
	CHECK(transformer_forward(model, batches, BATCHES, inputs_visit, inputs) == 0, "%s", error_text());
	for (size_t n = 0; n < WISHES; n++)
		together[n] = (struct activation_calibration){activations[wishes[n].code].quantizer, wishes[n].batch,
			wishes[n].batches, NULL, NULL};
	CHECK(calibrate_activations(model, ops_cpu(), linear_total, batches, BATCHES, together, WISHES) == 0, "%s",
		error_text());
	for (size_t n = 0; n < WISHES; n++) {
		struct activation_calibration alone = together[n];
		CHECK(calibrate_activations(model, ops_cpu(), linear_total, batches, BATCHES, &alone, 1) == 0, "%s",
			error_text());
		CHECK(memcmp(alone.amax, together[n].amax, linear_total * sizeof(float)) == 0 &&
			memcmp(alone.sums, together[n].sums, linear_total * sizeof *alone.sums) == 0, "wish %zu has other bits", n);
		for (size_t i = 0; i < linear_total; i++)
			check_activation_linear(inputs, &together[n], i);
		activation_calibration_release(&alone);
		activation_calibration_release(&together[n]);
	}
	for (size_t k = 0; k < BATCHES * 64; k++)
		free(inputs->x[k / 64][k % 64]);
	free(inputs);
	transformer_close(model);
}

static int weights_visit(void *context, const struct linear_site *site)
{
	const size_t in = site->linear->in, out = site->linear->out;
	float *amax = mem_array(out * in, sizeof *amax), *q = mem_array(out * in, sizeof *q);
	(void)context;
	for (size_t n = 0; n < WEIGHTS; n++) {
		struct quantizer quantizer = weights[n].quantizer;
		size_t count = quantizer_amax_count(quantizer, out, in);
		struct quant_sums expected = {0};
		cpu_weight_amax(amax, site->W, out, in, quantizer);
		CHECK(memcmp(amax, weights[n].amax[site->index], count * sizeof *amax) == 0, "%s of %s", weight_codes[n],
			site->linear->name);
		cpu_quantize_weight((dev_weight *)q, site->W, 0, out, in, quantizer, amax, 0);
		check_quant_sums(weight_codes[n], &weights[n].sums[site->index], q, (const float *)site->W, out * in, &expected);
	}
	free(amax);
	free(q);
	return 0;
}

static void test_calibrate_weights(void)
{
	struct transformer *model = transformer_open(ops_cpu(), &files.checkpoint.config, &files.tensors);
	struct weight_calibration alone = {.quantizer = weights[7].quantizer};
	CHECK(transformer_weights(model, weights_visit, NULL) == 0, "%s", error_text());
	CHECK(calibrate_weights(model, ops_cpu(), linear_total, &alone, 1) == 0, "%s", error_text());
	CHECK(memcmp(alone.sums, weights[7].sums, linear_total * sizeof *alone.sums) == 0, "alone: other bits");
	weight_calibration_release(&alone, linear_total);
	transformer_close(model);
}

static void test_calibration_threads(void)
{
	struct weight_calibration w[WEIGHTS];
	struct activation_calibration a[ACTIVATIONS];
	setenv("QUANTGRID_THREADS", "5", 1);
	calibrate(ops_cpu(), w, a);
	unsetenv("QUANTGRID_THREADS");
	check_calibration("5 threads", w, a);
	calibration_free(w, a);
}

/* A maximum that is no number reaches every sum of its row: that format says where, the other goes on. */
static void test_not_finite(void)
{
	enum { F8R = 6 * ACTIVATIONS, BAD = 4 };
	struct score_request r[] = {request(0, all_batches, BATCHES), request(F8R, all_batches + 1, 1)};
	float saved = weights[6].amax[BAD][3];
	weights[6].amax[BAD][3] = NAN;
	CHECK(score(instance, r, 2, NULL) == 0, "%s", error_text());
	CHECK(strstr(r[1].failure, linears[BAD].name) && strstr(r[1].failure, "F8r/-") && strstr(r[1].failure, "batch 1"),
		"message \"%s\"", r[1].failure);
	CHECK(!*r[0].failure, "another format fails too: %s", r[0].failure);
	CHECK(strstr(r[1].failure, "the score is not finite"), "message \"%s\"", r[1].failure);
	weights[6].amax[BAD][3] = saved;
	requests_free(r, 2);
}

static void test_no_gpu(void)
{
	char why[600];
	snprintf(why, sizeof why, "scores on a GPU: %s", error_text());
	check_skip(why);
}

/* The bits of a GPU do not depend on what is computed together either. */
static void run_on_gpu(void)
{
	instance = ops_open("cuda");
	if (!instance) {
		TEST(test_no_gpu);
		return;
	}
	TEST(test_alone_and_together);
	TEST(test_halves);
	TEST(test_sets_of_batches);
	TEST(test_not_finite);
}

int main(void)
{
	instance = ops_cpu();
	model_make();
	calibrate(ops_cpu(), weights, activations);
	TEST(test_calibrate_weights);
	TEST(test_calibrate_activations);
	TEST(test_calibration_threads);
	TEST(test_against_plain_loops);
	TEST(test_identity);
	TEST(test_alone_and_together);
	TEST(test_halves);
	TEST(test_parts_of_sums);
	TEST(test_against_plain_model);
	TEST(test_permuted);
	TEST(test_orthogonal);
	TEST(test_threads);
	TEST(test_sets_of_batches);
	TEST(test_short_of_memory);
	TEST(test_unreadable_memory);
	TEST(test_not_finite);
	TEST(test_packs);
	run_on_gpu();
	calibration_free(weights, activations);
	model_files_close(&files);
	return check_done();
}
