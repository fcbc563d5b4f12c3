/* Recipes run for real: against full forward passes by plain loops, against the divergence of one group (kl.h) bit for
 * bit, alone and together, with any number of threads, and over memory that the engine cannot read.
 *
 *     build/tests/recipe_check [SEED]      another seed gives other mixes
 */
#include "model/recipe_check.h"

#include "../check.h"

#include <stdlib.h>

#include "../support/ops_counting.h"
#include "../support/ops_guarded.h"
#include "../support/ops_packing.h"
#include "../support/plain_model.h"
#include "../support/subject.h"
#include "common/error.h"
#include "common/memory.h"
#include "model/kl.h"

/* Sums over a sequence against the same by plain loops in double: of its loss, and of its divergence and the change of
 * its loss. On a GPU products of changes have factors of 8 bits. */
static const double loss_tolerance = 2e-6, change_tolerance = 2e-4, gpu_change_tolerance = 2e-2;

/* An input that stands at a border of the grid falls on the other side of it in fp32 than in double, and with 4 bits
 * that moves all tokens behind it visibly: so do 2 sequences of 99, by up to a fifth. So many may. */
enum { STRAYED_MOST = 5 };
static const double strayed_tolerance = 0.5;
static size_t strayed;

static double farthest; /* relative deviation of the others' divergences */

/* So many logits that a batch goes through lm_head in two parts. */
static const struct checkpoint_spec wide_spec = {
	.hidden = 8, .layers = 1, .heads = 1, .kv_heads = 1, .head_dim = 4, .intermediate = 8, .vocab = (1 << 19) + 3,
	.dtype = DTYPE_BF16, .seed = 9, .tied = 1,
};

enum {
	WEIGHTS = SUBJECT_WEIGHTS, ACTIVATIONS = SUBJECT_ACTIVATIONS, BATCHES = SUBJECT_BATCHES,
	LINEARS = 64, MIXES = 9,
};

/* Formats by number: those of a weight and of an activation. */
enum {
	NONE = 0, N16_F8T = 1 * ACTIVATIONS + 1, F8T_F8T = 2 * ACTIVATIONS + 1, I8R_F8K = 3 * ACTIVATIONS + 2,
	I4C_I4K = 4 * ACTIVATIONS + 4, FORMATS = WEIGHTS * ACTIVATIONS,
};

static const size_t *const all_batches = subject_all_batches;

static struct subject small;
static const struct ops *ops; /* the instance under test */
static uint64_t seed = 20250311;

/* Below limit; always the same for n and i. */
static size_t noise(size_t n, size_t i, size_t limit)
{
	uint64_t x = seed + (n * 1000 + i) * 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (size_t)((x ^ x >> 31) % limit);
}

/* A recipe with the request that runs it, and its results. Must not move. */
struct recipe {
	const struct subject *subject;
	struct quantizer_pair pair[LINEARS];
	float *weight_amax[LINEARS];
	float activation_amax[LINEARS];
	struct recipe_request request;
	size_t sequences;
};

/* Every linear as it is. */
static struct recipe *recipe_new(const struct subject *s, const size_t *batch, size_t batches)
{
	struct recipe *r = mem_zeroed(1, sizeof *r);
	r->subject = s;
	for (size_t i = 0; i < batches; i++)
		r->sequences += s->batches[batch[i]].sequences;
	r->request = (struct recipe_request){
		.pair = r->pair, .weight_amax = r->weight_amax, .activation_amax = r->activation_amax, .batch = batch,
		.batches = batches,
	};
	double **results[] = {&r->request.loss_before, &r->request.loss_after, &r->request.kl};
	for (size_t i = 0; i < 3; i++) {
		*results[i] = mem_array(r->sequences, sizeof(double));
		memset(*results[i], 0xff, r->sequences * sizeof(double));
	}
	return r;
}

static void recipe_free(struct recipe *r)
{
	free(r->request.loss_before);
	free(r->request.loss_after);
	free(r->request.kl);
	free(r);
}

/* What is not used is poison. */
static void recipe_set(struct recipe *r, size_t linear, size_t format)
{
	const struct subject *s = r->subject;
	size_t w = format / ACTIVATIONS, a = format % ACTIVATIONS;
	int is_static = a && s->activations[a].quantizer.scale != SCALE_TOKEN;
	r->pair[linear] = (struct quantizer_pair){s->weights[w].quantizer, s->activations[a].quantizer};
	r->weight_amax[linear] = w ? s->weights[w].amax[linear] : NULL;
	r->activation_amax[linear] = is_static ? s->activations[a].amax[linear] : NAN;
}

static struct recipe *recipe_uniform(const struct subject *s, size_t format, const size_t *batch, size_t batches)
{
	struct recipe *r = recipe_new(s, batch, batches);
	for (size_t i = 0; i < s->linear_count; i++)
		recipe_set(r, i, format);
	return r;
}

/* Mix n: nothing, three uniform ones, then random formats a group, then a linear; one in four stays. */
static struct recipe *recipe_mix(const struct subject *s, size_t n, const size_t *batch, size_t batches)
{
	static const size_t uniform[] = {NONE, N16_F8T, I8R_F8K, I4C_I4K};
	struct recipe *r = recipe_uniform(s, n < 4 ? uniform[n] : NONE, batch, batches);
	for (size_t i = 0; i < s->linear_count && n >= 4; i++) {
		size_t part = n < 7 ? s->linears[i].group : i;
		recipe_set(r, i, noise(n, 2 * part, 4) ? noise(n, 2 * part + 1, FORMATS) : NONE);
	}
	return r;
}

static void mixes_make(struct recipe **recipes, const size_t *batch, size_t batches)
{
	for (size_t n = 0; n < MIXES; n++)
		recipes[n] = recipe_mix(&small, n, batch, batches);
}

static void recipes_free(struct recipe **recipes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		recipe_free(recipes[i]);
}

/* Runs them together and takes the results over. */
static int run(const struct subject *s, const struct ops *on, struct recipe **recipes, size_t count, size_t run_bytes)
{
	struct recipe_request *requests = mem_array(count, sizeof *requests);
	for (size_t i = 0; i < count; i++)
		requests[i] = recipes[i]->request;
	int bad = recipe_check_run(on, s->config, &s->files.tensors, s->batches, s->batch_count, requests, count,
		run_bytes);
	for (size_t i = 0; i < count; i++)
		recipes[i]->request = requests[i];
	free(requests);
	return bad;
}

static void run_well(const struct subject *s, const struct ops *on, struct recipe **recipes, size_t count,
	size_t run_bytes)
{
	CHECK(run(s, on, recipes, count, run_bytes) == 0, "%s", error_text());
	for (size_t i = 0; i < count; i++)
		CHECK(!*recipes[i]->request.failure, "recipe %zu: %s", i, recipes[i]->request.failure);
}

/* ---- against plain loops ---- */

static void oracle_input(void *context, size_t linear, double *x, size_t rows, size_t cols)
{
	const struct recipe *r = context;
	plain_quantize_input(x, rows, cols, r->pair[linear].activation, r->activation_amax[linear]);
}

static double oracle_loss(const double *z, int32_t label, size_t V)
{
	return (double)(plain_log_sum_exp(z, V) - (long double)z[label]);
}

/* A loss changes as the logit of one token does, which is the root of the divergence or so, and cancels. */
static void check_change(const struct recipe *r, size_t sequence, double before, double after, double kl, double length)
{
	const double found = r->request.kl[sequence], found_after = r->request.loss_after[sequence];
	const double moved = fabs(after - before) + sqrt(kl * length);
	double tolerance = ops == ops_cpu() ? change_tolerance : gpu_change_tolerance;
	if (!(fabs(found - kl) <= tolerance * kl + 1e-16)) {
		strayed++;
		tolerance = strayed_tolerance;
	} else if (kl && fabs(found - kl) / kl > farthest) {
		farthest = fabs(found - kl) / kl;
	}
	CHECK(fabs(found - kl) <= tolerance * kl + 1e-16, "sequence %zu: %.17g, expected %.17g", sequence, found, kl);
	CHECK(fabs(found_after - after) <= loss_tolerance * after + tolerance * moved,
		"sequence %zu: loss %.9g after, expected %.9g", sequence, found_after, after);
}

/* Compares the sequences of one batch, which are the request's from first on. */
static void check_batch(struct recipe *r, const struct plain_model *model, double *const *W, const struct batch *b,
	size_t first)
{
	const struct plain_change change = {PLAIN_EVERY_GROUP, W, oracle_input, r};
	double *z = plain_model_logits(model, b, NULL), *changed = plain_model_logits(model, b, &change);
	size_t V = r->subject->config->vocab_size;
	for (size_t s = 0; s < b->sequences; s++) {
		double before = 0, after = 0, kl = 0, length = b->start[s + 1] - b->start[s];
		for (size_t t = (size_t)b->start[s], end = (size_t)b->start[s + 1]; t < end; t++) {
			before += t + 1 < end ? oracle_loss(z + t * V, b->ids[t + 1], V) : 0;
			after += t + 1 < end ? oracle_loss(changed + t * V, b->ids[t + 1], V) : 0;
			kl += plain_divergence(z + t * V, changed + t * V, V);
		}
		CHECK_CLOSE(r->request.loss_before[first + s], before, loss_tolerance);
		check_change(r, first + s, before, after, kl, length);
	}
	free(z);
	free(changed);
}

static void check_oracle(struct recipe *r, const struct plain_model *model)
{
	const struct subject *s = r->subject;
	double **W = mem_array(s->linear_count, sizeof *W);
	size_t first = 0;
	for (size_t i = 0; i < s->linear_count; i++)
		W[i] = subject_plain_weight(s, i, r->pair[i].weight, r->weight_amax[i]);
	for (size_t i = 0; i < r->request.batches; first += s->batches[r->request.batch[i++]].sequences)
		check_batch(r, model, W, &s->batches[r->request.batch[i]], first);
	for (size_t i = 0; i < s->linear_count; i++)
		free(W[i]);
	free(W);
}

static void test_against_plain_loops(void)
{
	struct plain_model *model = plain_model_new(small.config, &small.files.tensors);
	struct recipe *recipes[MIXES];
	strayed = 0;
	farthest = 0;
	mixes_make(recipes, all_batches, BATCHES);
	run_well(&small, ops, recipes, MIXES, 0);
	for (size_t n = 0; n < MIXES; n++)
		check_oracle(recipes[n], model);
	fprintf(stderr, "%s against plain loops: divergences within %.1e, %zu strayed\n", ops->name, farthest, strayed);
	CHECK(strayed <= STRAYED_MOST, "%zu sequences strayed", strayed);
	plain_model_free(model);
	recipes_free(recipes, MIXES);
}

static void test_logits_in_parts(void)
{
	struct subject *wide = mem_zeroed(1, sizeof *wide);
	subject_open(wide, "wide", &wide_spec, 1);
	struct recipe *r = recipe_mix(wide, 2, all_batches, 1);
	struct plain_model *model = plain_model_new(wide->config, &wide->files.tensors);
	run_well(wide, ops, &r, 1, 0);
	check_oracle(r, model);
	plain_model_free(model);
	recipe_free(r);
	subject_close(wide);
	free(wide);
}

/* ---- against other computations ---- */

/* Sums the divergence of a group over each sequence and compares bits. */
static void check_group(const struct recipe *r, const double *positions, size_t group)
{
	size_t t = 0;
	for (size_t b = 0, s = 0; b < BATCHES; b++) {
		const int32_t *start = small.batches[b].start;
		for (size_t i = 0; i < small.batches[b].sequences; i++, s++) {
			double sum = 0;
			for (int32_t n = start[i]; n < start[i + 1]; n++)
				sum += positions[t++];
			CHECK(r->request.kl[s] == sum, "group %zu sequence %zu: %.17g, expected %.17g", group, s,
				r->request.kl[s], sum);
		}
	}
}

/* One group alone in a format has the divergence that kl.h gives. */
static void check_groups(size_t format)
{
	size_t w = format / ACTIVATIONS, a = format % ACTIVATIONS, all = 0;
	for (size_t b = 0; b < BATCHES; b++)
		all += small.batches[b].tokens;
	struct kl_request kl = {
		.pair = {small.weights[w].quantizer, small.activations[a].quantizer},
		.weight_amax = small.weights[w].amax,
		.activation_amax = a ? small.activations[a].amax : NULL,
		.batch = all_batches,
		.batches = BATCHES,
		.sum = mem_array(small.groups * BATCHES, sizeof(double)),
		.positions = mem_array(small.groups * all, sizeof(double)),
	};
	struct recipe *recipes[LINEARS];
	for (size_t g = 0; g < small.groups; g++) {
		recipes[g] = recipe_new(&small, all_batches, BATCHES);
		for (size_t i = 0; i < small.linear_count; i++)
			recipe_set(recipes[g], i, small.linears[i].group == g ? format : NONE);
	}
	CHECK(!kl_run(ops, small.config, &small.files.tensors, small.batches, BATCHES, &kl, 1, 0), "%s",
		error_text());
	run_well(&small, ops, recipes, small.groups, 0);
	for (size_t g = 0; g < small.groups; g++)
		check_group(recipes[g], kl.positions + g * all, g);
	recipes_free(recipes, small.groups);
	free(kl.sum);
	free(kl.positions);
}

static void test_one_group(void)
{
	static const size_t formats[] = {1, 4, 5, N16_F8T, F8T_F8T, 2 * ACTIVATIONS, I8R_F8K, I4C_I4K, FORMATS - 1};
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		check_groups(formats[i]);
}

static int look_away(void *context, const struct linear_site *site)
{
	(void)context, (void)site;
	return 0;
}

/* The loss before agrees with that of the scoring pass, and nothing quantized changes nothing. */
static void test_nothing_quantized(void)
{
	struct recipe *r = recipe_mix(&small, 0, all_batches, BATCHES);
	struct transformer *model = transformer_open(ops, small.config, &small.files.tensors);
	double loss[BATCHES];
	run_well(&small, ops, &r, 1, 0);
	CHECK(!transformer_backward(model, small.batches, BATCHES, loss, look_away, NULL), "%s", error_text());
	for (size_t b = 0, s = 0; b < BATCHES; b++) {
		double sum = 0;
		for (size_t i = 0; i < small.batches[b].sequences; i++, s++) {
			CHECK(r->request.kl[s] == 0, "sequence %zu: KL %g", s, r->request.kl[s]);
			CHECK(r->request.loss_after[s] == r->request.loss_before[s], "sequence %zu: loss %.17g and %.17g", s,
				r->request.loss_before[s], r->request.loss_after[s]);
			sum += r->request.loss_before[s];
		}
		CHECK_CLOSE(sum, loss[b] * (double)batch_targets(&small.batches[b]), 1e-6);
	}
	transformer_close(model);
	recipe_free(r);
}

/* Captions of one token have no target, but a divergence. */
static void test_one_token(void)
{
	struct recipe *r = recipe_mix(&small, 3, all_batches, BATCHES);
	run_well(&small, ops, &r, 1, 0);
	for (size_t s = 0; s < r->sequences; s += s ? 7 : 1) {
		int single = s == 1 || s == 8;
		CHECK((r->request.loss_before[s] == 0) == single && (r->request.loss_after[s] == 0) == single,
			"sequence %zu: losses %g and %g", s, r->request.loss_before[s], r->request.loss_after[s]);
		CHECK(r->request.kl[s] > 0, "sequence %zu: KL %g", s, r->request.kl[s]);
	}
	recipe_free(r);
}

/* Captions of a batch do not meet: in another order each has what it had, but for digits of products in other rows. */
static void test_order_of_captions(void)
{
	static const size_t order[] = {2, 0, 3, 1};
	struct subject turned = small;
	struct recipe *a = recipe_mix(&small, 8, all_batches, 1), *b = recipe_mix(&turned, 8, all_batches, 1);
	int32_t ids[SUBJECT_TOKENS], start[5] = {0};
	for (size_t s = 0; s < 4; s++) {
		const int32_t *from = subject_starts[0] + order[s];
		start[s + 1] = start[s] + from[1] - from[0];
		memcpy(ids + start[s], small.ids[0] + from[0], (size_t)(from[1] - from[0]) * sizeof *ids);
	}
	turned.batches[0].ids = ids;
	turned.batches[0].start = start;
	run_well(&small, ops, &a, 1, 0);
	run_well(&turned, ops, &b, 1, 0);
	for (size_t s = 0; s < 4; s++) {
		CHECK_CLOSE(b->request.loss_before[s], a->request.loss_before[order[s]], loss_tolerance);
		CHECK_CLOSE(b->request.loss_after[s], a->request.loss_after[order[s]], change_tolerance);
		CHECK_CLOSE(b->request.kl[s], a->request.kl[order[s]], change_tolerance);
	}
	recipe_free(a);
	recipe_free(b);
}

/* ---- bits ---- */

static void check_same(const char *what, size_t n, const struct recipe *a, const struct recipe *b)
{
	size_t bytes = a->sequences * sizeof(double);
	CHECK(a->sequences == b->sequences && !memcmp(a->request.loss_before, b->request.loss_before, bytes) &&
		!memcmp(a->request.loss_after, b->request.loss_after, bytes) && !memcmp(a->request.kl, b->request.kl, bytes),
		"%s: mix %zu has other bits", what, n);
}

/* All mixes again, with that memory, against those that were run before. */
static void check_again(const char *what, const struct ops *on, size_t run_bytes, struct recipe **before)
{
	struct recipe *recipes[MIXES];
	mixes_make(recipes, all_batches, BATCHES);
	run_well(&small, on, recipes, MIXES, run_bytes);
	for (size_t n = 0; n < MIXES; n++)
		check_same(what, n, recipes[n], before[n]);
	recipes_free(recipes, MIXES);
}

static void test_alone_and_together(void)
{
	struct recipe *together[MIXES];
	mixes_make(together, all_batches, BATCHES);
	run_well(&small, ops, together, MIXES, 0);
	for (size_t n = 0; n < MIXES; n++) {
		struct recipe *alone = recipe_mix(&small, n, all_batches, BATCHES);
		run_well(&small, ops, &alone, 1, 0);
		check_same("alone", n, alone, together[n]);
		recipe_free(alone);
	}
	recipes_free(together, MIXES);
}

static void test_several_runs(void)
{
	static const size_t bytes[] = {1, 30000, 200000};
	struct recipe *one[MIXES];
	mixes_make(one, all_batches, BATCHES);
	run_well(&small, ops, one, MIXES, 0);
	for (size_t i = 0; i < 3; i++)
		check_again("in several runs", ops, bytes[i], one);
	recipes_free(one, MIXES);
}

static void test_threads_and_memory(void)
{
	static const char *const counts[] = {"2", "3", "7"};
	static const size_t bytes[] = {1, 12000, 40000};
	struct recipe *one[MIXES];
	setenv("QUANTGRID_THREADS", "1", 1);
	mixes_make(one, all_batches, BATCHES);
	run_well(&small, ops_cpu(), one, MIXES, 0);
	for (size_t i = 0; i < 3; i++) {
		setenv("QUANTGRID_THREADS", counts[i], 1);
		check_again(counts[i], ops_cpu(), 0, one);
		check_again("in several runs", ops_cpu(), bytes[i], one);
	}
	unsetenv("QUANTGRID_THREADS");
	recipes_free(one, MIXES);
}

static void test_unreadable_memory(void)
{
	struct recipe *plain[MIXES];
	mixes_make(plain, all_batches, BATCHES);
	run_well(&small, ops_cpu(), plain, MIXES, 0);
	check_again("guarded", ops_guarded(), 0, plain);
	CHECK(ops_guarded_live() == 0, "%zu buffers were not released", ops_guarded_live());
	recipes_free(plain, MIXES);
}

/* One recipe three times, on other sets of batches in another order; and another one with maxima of its own. */
static void test_sets_of_batches(void)
{
	static const size_t swapped[] = {3, 0};
	struct recipe *whole = recipe_mix(&small, 5, all_batches, BATCHES);
	struct recipe *some[] = {
		recipe_mix(&small, 5, swapped, 2), recipe_mix(&small, 5, all_batches, 1), recipe_mix(&small, 5, swapped, 0),
		recipe_mix(&small, 1, all_batches, 1), recipe_mix(&small, 1, all_batches, 1),
	};
	some[4]->activation_amax[3] *= 0.7f;
	run_well(&small, ops, &whole, 1, 0);
	run_well(&small, ops, some, 5, 0);
	for (size_t s = 0; s < 4; s++) {
		CHECK(some[0]->request.kl[2 + s] == whole->request.kl[s] && some[1]->request.kl[s] == whole->request.kl[s],
			"sequence %zu", s);
		CHECK(some[0]->request.loss_after[2 + s] == whole->request.loss_after[s], "loss of sequence %zu", s);
		CHECK(some[3]->request.kl[s] != some[4]->request.kl[s], "sequence %zu: other maxima change nothing", s);
	}
	for (size_t s = 0; s < 2; s++)
		CHECK(some[0]->request.kl[s] == whole->request.kl[9 + s], "sequence %zu of the last batch", s);
	recipe_free(whole);
	recipes_free(some, 5);
}

/* ---- memory and errors ---- */

static void test_memory_is_said(void)
{
	static const size_t limits[] = {0, 1, 30000};
	struct recipe *recipes[MIXES];
	struct recipe_request requests[MIXES];
	mixes_make(recipes, all_batches, BATCHES);
	for (size_t i = 0; i < 3; i++) {
		const struct ops *counting = ops_counting();
		for (size_t n = 0; n < MIXES; n++)
			requests[n] = recipes[n]->request;
		size_t said = recipe_check_bytes(counting, small.config, small.batches, BATCHES, requests, MIXES, limits[i]);
		run_well(&small, counting, recipes, MIXES, limits[i]);
		size_t most = ops_counting_most();
		CHECK(most <= said && most + 1000 >= said && !ops_counting_live(), "said %zu bytes, took %zu, left %zu", said,
			most, ops_counting_live());
	}
	recipes_free(recipes, MIXES);
}

/* A recipe that cannot be computed fails alone. */
static void test_not_finite(void)
{
	struct recipe *recipes[] = {
		recipe_mix(&small, 3, all_batches, BATCHES), recipe_mix(&small, 2, all_batches + 1, 2),
		recipe_mix(&small, 4, all_batches, BATCHES),
	};
	struct recipe *alone = recipe_mix(&small, 4, all_batches, BATCHES);
	float bad[64];
	memcpy(bad, recipes[1]->weight_amax[11], small.linears[11].out * sizeof *bad);
	bad[3] = NAN;
	recipes[1]->weight_amax[11] = bad;
	CHECK(run(&small, ops_cpu(), recipes, 3, 0) == 0, "%s", error_text());
	run_well(&small, ops_cpu(), &alone, 1, 0);
	CHECK_STRING(recipes[0]->request.failure, "");
	CHECK(!strncmp(recipes[1]->request.failure, "batch 1, token 0: the loss of the quantized model is not finite", 62),
		"failure \"%s\"", recipes[1]->request.failure);
	check_same("beside NaN", 4, recipes[2], alone);
	recipe_free(alone);
	recipes_free(recipes, 3);
}

/* A bad embedding fails all that have the token, and no others. Attention multiplies what it masks by 0, which takes it
 * to the start of the sequence. */
static void test_model_not_finite(void)
{
	struct subject bad = small;
	struct host_tensor *embed = &bad.files.tensors.embed;
	size_t bytes = embed->count * 2, row = small.config->hidden_size * 2, id = 0;
	char *copy = mem_array(bytes, 1);
	struct recipe *recipes[] = {recipe_mix(&bad, 2, all_batches + 3, 1), recipe_mix(&bad, 2, all_batches, 1)};
	for (int found = 1; found; id += (size_t)found)
		for (size_t t = found = 0; t < small.batches[0].tokens; t++)
			found |= (size_t)small.ids[0][t] == id;
	memcpy(copy, embed->bytes, bytes);
	memset(copy + id * row, 0xff, row);
	embed->bytes = copy;
	bad.ids[3][4] = (int32_t)id;
	bad.batches[3].ids = bad.ids[3];
	CHECK(run(&bad, ops_cpu(), recipes, 2, 0) == 0, "%s", error_text());
	CHECK(strstr(recipes[0]->request.failure, "batch 3, token 3") &&
		strstr(recipes[0]->request.failure, ": the loss of the unquantized model is not finite"), "failure \"%s\"",
		recipes[0]->request.failure);
	CHECK_STRING(recipes[1]->request.failure, "");
	recipes_free(recipes, 2);
	free(copy);
}

static void test_no_gpu(void)
{
	char why[600];
	snprintf(why, sizeof why, "the CUDA instance: %s", error_text());
	check_skip(why);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10);
	fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
	const struct ops *instances[] = {ops_cpu(), ops_packing(), ops_open("cuda")};
	subject_open(&small, "small", &subject_spec, BATCHES);
	for (size_t i = 0; i < 3; i++) {
		ops = instances[i];
		if (!ops) {
			TEST(test_no_gpu);
			continue;
		}
		TEST(test_against_plain_loops);
		TEST(test_logits_in_parts);
		TEST(test_one_group);
		TEST(test_nothing_quantized);
		TEST(test_one_token);
		TEST(test_order_of_captions);
		TEST(test_alone_and_together);
		TEST(test_sets_of_batches);
		TEST(test_several_runs);
	}
	TEST(test_threads_and_memory);
	TEST(test_unreadable_memory);
	TEST(test_memory_is_said);
	TEST(test_not_finite);
	TEST(test_model_not_finite);
	/* Last: what it opens holds for all that follows (ops.h). */
	ops = ops_open("cuda-bf16");
	if (ops)
		TEST(test_nothing_quantized);
	else
		TEST(test_no_gpu);
	subject_close(&small);
	return check_done();
}
