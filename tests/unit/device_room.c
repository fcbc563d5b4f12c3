/* Memory is known before a run: what passes say they take is what they take, and where the device has less the runs get
 * smaller, with the same results, or nothing is started. And a device that fails in the middle fails the run. */
#include "../check.h"

#include <stdlib.h>

#include "../support/make_checkpoint.h"
#include "../support/model_files.h"
#include "../support/ops_counting.h"
#include "../support/scratch.h"
#include "common/error.h"
#include "common/memory.h"
#include "model/calibrate.h"
#include "model/device_room.h"
#include "model/device_weights.h"
#include "model/kl.h"
#include "model/recipe_check.h"
#include "model/score.h"

static const struct checkpoint_spec spec = {
	.hidden = 36, .layers = 2, .heads = 3, .kv_heads = 1, .head_dim = 10, .intermediate = 50, .vocab = 1100,
	.dtype = DTYPE_BF16, .seed = 7, .outliers = 2,
};

enum { BATCHES = 5, TOKENS = 97, LINEARS = 15 };

static const int32_t starts[BATCHES][4] = {{0, 40, 41, 97}, {0, 11}, {0, 1}, {0, 3, 50, 83}, {0, 64}};
static const size_t sequences[BATCHES] = {3, 1, 1, 3, 1}, all_batches[BATCHES] = {0, 1, 2, 3, 4};
static int32_t ids[BATCHES][TOKENS];
static struct batch batches[BATCHES];
static struct model_files files;
static const struct lm_config *config;
static struct linear_info linears[LINEARS];

static void model_make(void)
{
	char *dir = scratch_path("model");
	if (make_checkpoint(dir, &spec))
		exit(error_report(1));
	model_files_open(&files, dir);
	free(dir);
	config = &files.checkpoint.config;
	linear_describe(linears, config);
	for (size_t b = 0; b < BATCHES; b++) {
		batches[b] = (struct batch){ids[b], starts[b], sequences[b], (size_t)starts[b][sequences[b]]};
		for (size_t t = 0; t < batches[b].tokens; t++)
			ids[b][t] = (int32_t)((31 * b + 17 * t * t + 5) % spec.vocab);
	}
}

static int look(void *context, const struct linear_site *site)
{
	*(size_t *)context += site->index == LINEARS - 1;
	return 0;
}

static void test_passes_take_what_they_say(void)
{
	static const size_t limits[] = {0, 1, 300000};
	for (size_t i = 0; i < 6; i++) {
		const struct ops *ops = ops_counting();
		const int backward = i >= 3;
		const size_t limit = limits[i % 3];
		size_t runs = 0, said = transformer_pass_bytes(ops, config, batches, BATCHES, backward, limit);
		struct transformer *model = transformer_open(ops, config, &files.tensors);
		if (limit)
			transformer_limit_run(model, limit);
		int status = backward ? transformer_backward(model, batches, BATCHES, NULL, look, &runs)
			: transformer_forward(model, batches, BATCHES, look, &runs);
		CHECK(!status, "%s", error_text());
		CHECK(runs == (!backward || !limit ? 1 : limit == 1 ? BATCHES : 4), "limit %zu: lm_head is seen %zu times", limit,
			runs);
		size_t took = ops_counting_most() - device_weights_bytes(ops, config);
		CHECK(took == said, "backward %d, limit %zu: said %zu bytes, took %zu", backward, limit, said, took);
		transformer_close(model);
	}
}

static size_t need_sum(const void *context, size_t run_bytes)
{
	const size_t *fixed = context;
	return *fixed + (run_bytes ? run_bytes : (size_t)3 << 30);
}

static void test_smaller_runs(void)
{
	const struct ops *ops = ops_counting();
	const size_t fixed = 1000, gib = (size_t)1 << 30;
	size_t run = 0;
	CHECK(!device_room(ops, config, need_sum, &fixed, &run, "x") && !run, "unknown memory: run %zu", run);
	ops_counting_limit(5 * gib);
	CHECK(!device_room(ops, config, need_sum, &fixed, &run, "x") && !run, "enough memory: run %zu", run);
	ops_counting_limit(2 * gib);
	CHECK(!device_room(ops, config, need_sum, &fixed, &run, "x") && run == gib, "2 GiB: run %zu", run);
	run = 0;
	ops_counting_limit(gib);
	CHECK(!device_room(ops, config, need_sum, &fixed, &run, "x") && run == gib / 4, "1 GiB: run %zu", run);
	run = gib / 8;
	CHECK(!device_room(ops, config, need_sum, &fixed, &run, "x") && run == gib / 8, "a run of the caller's: %zu", run);
	run = 0;
	ops_counting_limit(gib / 2);
	CHECK(device_room(ops, config, need_sum, &fixed, &run, "cooking") == -1, "half a GiB: run %zu", run);
	CHECK(strstr(error_text(), "cooking takes 512 MiB of GPU memory at least, and 512 MiB are free"), "\"%s\"",
		error_text());
}

/* One format, scored where the device has so much memory besides what the weights take. */
static int score_within(size_t bytes, const struct weight_calibration *weight, struct output_sums *sums)
{
	const struct ops *ops = ops_counting();
	struct transformer *model = transformer_open(ops, config, &files.tensors);
	struct score_request request = {.pair = {.weight = weight->quantizer}, .weight_amax = weight->amax,
		.batch = all_batches, .batches = BATCHES, .sums = sums};
	ops_counting_limit(bytes ? ops_counting_live() + bytes : 0);
	int status = score_run(model, ops, linears, LINEARS, batches, BATCHES, &request, 1, NULL);
	if (bytes && !status)
		CHECK(ops_counting_most() - device_weights_bytes(ops, config) <= bytes, "%zu bytes taken, %zu there",
			ops_counting_most(), bytes);
	transformer_close(model);
	return status;
}

static void test_scores_with_little_memory(void)
{
	const struct ops *ops = ops_cpu();
	struct output_sums wide[LINEARS * BATCHES], tight[LINEARS * BATCHES];
	struct weight_calibration weight = {0};
	struct transformer *model = transformer_open(ops, config, &files.tensors);
	CHECK(!quantizer_weight_parse("I8r", &weight.quantizer), "%s", error_text());
	CHECK(!calibrate_weights(model, ops, LINEARS, &weight, 1), "%s", error_text());
	transformer_close(model);
	CHECK(!score_within(0, &weight, wide), "%s", error_text());
	/* What the workspaces of a backend and the visits want: then room for the smallest runs, but not the usual ones. */
	const size_t besides = ((size_t)512 << 20) + 2 * spec.vocab * spec.hidden + 208 * spec.intermediate * spec.hidden;
	const size_t slice = ops->slice_rows < spec.vocab ? ops->slice_rows : spec.vocab;
	const size_t visits = ops->workers() * TOKENS * (spec.intermediate + 2 * slice) * 4 + slice * spec.hidden * 4 +
		3 * (97 + 11 + 1 + 83 + 64) * sizeof *wide;
	const size_t least = transformer_pass_bytes(ops, config, batches, BATCHES, 1, 1) + visits + besides;
	CHECK(transformer_pass_bytes(ops, config, batches, BATCHES, 1, 0) + visits + besides > least + 1000000,
		"the usual runs are not larger");
	CHECK(score_within(least - 1, &weight, tight) == -1, "less than the least is enough");
	CHECK(strstr(error_text(), "scoring takes") && strstr(error_text(), "autoquant.device=cpu"), "\"%s\"", error_text());
	CHECK(!score_within(least, &weight, tight), "%s", error_text());
	CHECK(!memcmp(wide, tight, sizeof wide), "results depend on the memory");
	weight_calibration_release(&weight, LINEARS);
}

/* ---- a device that fails ---- */

static size_t syncs, fails_at, unseen; /* calls of sync(); the first that fails; downloads since */

static int failing_sync(void)
{
	unseen = 0;
	return ++syncs >= fails_at ? fail("GPU: it fell off the bus") : 0;
}

static void failing_download(void *to, const void *from, size_t bytes)
{
	unseen++;
	ops_cpu()->download(to, from, bytes);
}

enum engine { CALIBRATE_WEIGHTS, CALIBRATE_ACTIVATIONS, SCORE, DIVERGENCE, RECIPE, ENGINES };

static int engine_run(enum engine engine, const struct ops *ops, struct weight_calibration *calibrated)
{
	static struct output_sums sums[LINEARS * BATCHES];
	static double kl[LINEARS * BATCHES], losses[3][BATCHES * 3], loss[BATCHES];
	static struct quantizer_pair pairs[LINEARS];
	struct quantizer_pair pair = {.weight = calibrated->quantizer};
	struct weight_calibration weight = {.quantizer = calibrated->quantizer};
	struct activation_calibration activation = {.batch = all_batches, .batches = BATCHES};
	struct score_request score = {.pair = pair, .weight_amax = calibrated->amax, .batch = all_batches,
		.batches = BATCHES, .sums = sums};
	struct kl_request divergence = {.pair = pair, .weight_amax = calibrated->amax, .batch = all_batches,
		.batches = BATCHES, .sum = kl};
	struct recipe_request recipe = {.pair = pairs, .weight_amax = calibrated->amax, .batch = all_batches,
		.batches = BATCHES, .loss_before = losses[0], .loss_after = losses[1], .kl = losses[2]};
	struct transformer *model = transformer_open(ops, config, &files.tensors);
	int status = -1;
	for (size_t i = 0; i < LINEARS; i++)
		pairs[i] = pair;
	CHECK(!quantizer_activation_parse("f8t", &activation.quantizer), "%s", error_text());
	if (engine == CALIBRATE_WEIGHTS)
		status = calibrate_weights(model, ops, LINEARS, &weight, 1);
	else if (engine == CALIBRATE_ACTIVATIONS)
		status = calibrate_activations(model, ops, LINEARS, batches, BATCHES, &activation, 1);
	else if (engine == SCORE)
		status = score_run(model, ops, linears, LINEARS, batches, BATCHES, &score, 1, loss);
	else if (engine == DIVERGENCE)
		status = kl_run(ops, config, &files.tensors, batches, BATCHES, &divergence, 1, 0);
	else
		status = recipe_check_run(ops, config, &files.tensors, batches, BATCHES, &recipe, 1, 0);
	transformer_close(model);
	weight_calibration_release(&weight, LINEARS);
	activation_calibration_release(&activation);
	return status;
}

/* Whichever answer says that the device failed, the run fails; and none takes results that no answer covers. */
static void test_device_fails(void)
{
	struct weight_calibration weight = {0};
	struct transformer *model = transformer_open(ops_cpu(), config, &files.tensors);
	struct ops ops = *ops_cpu();
	CHECK(!quantizer_weight_parse("I8r", &weight.quantizer), "%s", error_text());
	CHECK(!calibrate_weights(model, ops_cpu(), LINEARS, &weight, 1), "%s", error_text());
	transformer_close(model);
	ops.sync = failing_sync;
	ops.download = failing_download;
	for (enum engine engine = 0; engine < ENGINES; engine++) {
		syncs = unseen = 0;
		fails_at = (size_t)-1;
		CHECK(!engine_run(engine, &ops, &weight), "engine %d: %s", engine, error_text());
		CHECK(!unseen && syncs, "engine %d: %zu downloads after the last of %zu answers", engine, unseen, syncs);
		for (size_t last = syncs, at = 1; at <= last; at++) {
			fails_at = at;
			syncs = 0;
			CHECK(engine_run(engine, &ops, &weight) == -1, "engine %d: goes on after answer %zu of %zu", engine, at, last);
			CHECK(strstr(error_text(), "fell off the bus"), "engine %d: \"%s\"", engine, error_text());
		}
	}
	weight_calibration_release(&weight, LINEARS);
}

int main(void)
{
	model_make();
	TEST(test_passes_take_what_they_say);
	TEST(test_smaller_runs);
	TEST(test_scores_with_little_memory);
	TEST(test_device_fails);
	model_files_close(&files);
	return check_done();
}
