/* The transformer: against golden losses, logits and activation maxima of the demo model (computed elsewhere in
 * float64), against the plain model in double with gradients by finite differences, and the promises about bits: they
 * do not depend on threads, on runs, on neighbouring batches or on who owns the memory.
 */
#include "model/transformer.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"
#include "../support/make_checkpoint.h"
#include "../support/model_files.h"
#include "../support/ops_guarded.h"
#include "../support/plain_model.h"
#include "../support/scratch.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/memory.h"

static const char demo_dir[] = "models/qwen3_vl_demo/checkpoint", golden_path[] = "tests/golden/demo_small.json";

/* Of values of a few units that went through a dozen fp32 products. */
static const double golden_tolerance = 1e-5;
/* Relative to the largest element of a tensor. */
static const double value_tolerance = 1e-5, gradient_tolerance = 5e-5;

/* ---- Batches ---- */

/* Batches cut from a list of sequences; memory of their own. */
struct batches {
	struct batch *batch;
	size_t count;
	int32_t *ids, *start;
};

static struct batches batches_cut(const size_t *lengths, size_t sequences, size_t batch_size, const int32_t *ids)
{
	struct batches b = {.count = (sequences + batch_size - 1) / batch_size};
	size_t total = 0, at = 0;
	for (size_t s = 0; s < sequences; s++)
		total += lengths[s];
	b.batch = mem_array(b.count, sizeof *b.batch);
	b.ids = mem_array(total, sizeof *b.ids);
	b.start = mem_array(sequences + b.count, sizeof *b.start);
	memcpy(b.ids, ids, total * sizeof *ids);
	int32_t *start = b.start;
	for (size_t i = 0; i < b.count; i++) {
		size_t first = i * batch_size, count = sequences - first < batch_size ? sequences - first : batch_size;
		b.batch[i] = (struct batch){.ids = b.ids + at, .start = start, .sequences = count};
		*start++ = 0;
		for (size_t s = first; s < first + count; s++, start++)
			*start = start[-1] + (int32_t)lengths[s];
		b.batch[i].tokens = (size_t)start[-1];
		at += b.batch[i].tokens;
	}
	return b;
}

static void batches_free(struct batches *b)
{
	free(b->batch);
	free(b->ids);
	free(b->start);
}

/* Ids that jump about below vocab. */
static struct batches batches_random(const size_t *lengths, size_t sequences, size_t batch_size, size_t vocab)
{
	size_t total = 0;
	for (size_t s = 0; s < sequences; s++)
		total += lengths[s];
	int32_t *ids = mem_array(total, sizeof *ids);
	for (size_t i = 0; i < total; i++)
		ids[i] = (int32_t)(((i * 2654435761u + 12345) >> 7) % vocab);
	struct batches b = batches_cut(lengths, sequences, batch_size, ids);
	free(ids);
	return b;
}

static cJSON *golden;

/* What the model runs on. */
static const struct ops *instance;

static struct batches batches_golden(void)
{
	size_t lengths[64], sequences = 0, total = 0;
	const cJSON *tokens = cJSON_GetObjectItem(golden, "tokens"), *line, *id;
	int32_t ids[4096];
	cJSON_ArrayForEach(line, tokens) {
		lengths[sequences++] = (size_t)cJSON_GetArraySize(line);
		cJSON_ArrayForEach(id, line)
			ids[total++] = id->valueint;
	}
	return batches_cut(lengths, sequences, 8, ids);
}

/* ---- What a pass shows ---- */

/* By linear and batch: hashes of x, y, dy, and if wanted their values. */
struct seen {
	uint64_t x, y, dy;
	float *x_value, *y_value, *dy_value;
	int visits;
};

struct record {
	const struct ops *ops;
	size_t linears, batches;
	int values;
	struct seen *seen;     /* [linears][batches] */
	size_t *order;         /* linear of each visit */
	size_t visits;
	size_t fail_at;        /* visit that fails; 0: none */
	double *loss;
};

static struct record record_new(const struct ops *ops, size_t linears, size_t batches, int values)
{
	struct record r = {.ops = ops, .linears = linears, .batches = batches, .values = values};
	r.seen = mem_zeroed(linears * batches, sizeof *r.seen);
	r.order = mem_array(linears * batches, sizeof *r.order);
	r.loss = mem_zeroed(batches, sizeof *r.loss);
	return r;
}

static void record_free(struct record *r)
{
	for (size_t i = 0; i < r->linears * r->batches; i++) {
		free(r->seen[i].x_value);
		free(r->seen[i].y_value);
		free(r->seen[i].dy_value);
	}
	free(r->seen);
	free(r->order);
	free(r->loss);
}

static uint64_t take(const struct record *r, const dev_f32 *from, size_t count, float **values)
{
	float *host = mem_array(count, sizeof *host);
	r->ops->download(host, from, count * sizeof *host);
	uint64_t hash = hash_chunk(host, count * sizeof *host);
	if (r->values)
		*values = host;
	else
		free(host);
	return hash;
}

static int record_visit(void *context, const struct linear_site *site)
{
	struct record *r = context;
	r->order[r->visits++] = site->index;
	if (r->visits == r->fail_at)
		return fail("visit %zu", r->visits);
	for (size_t i = 0; i < site->count; i++) {
		struct seen *s = &r->seen[site->index * r->batches + site->first + i];
		s->visits++;
		s->x = take(r, site->x[i], site->rows[i] * site->linear->in, &s->x_value);
		if (site->y)
			s->y = take(r, site->y[i], site->rows[i] * site->linear->out, &s->y_value);
		if (site->dy)
			s->dy = take(r, site->dy[i], site->rows[i] * site->linear->out, &s->dy_value);
	}
	return 0;
}

static struct record run_backward(const struct ops *ops, const struct model_files *files, const struct batch *batches,
	size_t count, size_t limit, int values)
{
	const struct lm_config *config = &files->checkpoint.config;
	struct record r = record_new(ops, linear_count(config), count, values);
	struct transformer *m = transformer_open(ops, config, &files->tensors);
	if (limit)
		transformer_limit_run(m, limit);
	CHECK(!transformer_backward(m, batches, count, r.loss, record_visit, &r), "%s", error_text());
	transformer_close(m);
	return r;
}

/* Batches first .. first+b->batches-1 of a against all of b, bit for bit. */
static void check_equal(const struct record *a, const struct record *b, size_t first, const char *what)
{
	size_t different = 0;
	for (size_t i = 0; i < b->linears; i++)
		for (size_t j = 0; j < b->batches; j++) {
			const struct seen *s = &a->seen[i * a->batches + first + j], *t = &b->seen[i * b->batches + j];
			different += s->x != t->x || s->y != t->y || s->dy != t->dy || s->visits != 1 || t->visits != 1;
		}
	CHECK(!different, "%s: %zu of %zu inputs, outputs or gradients differ", what, different, b->linears * b->batches);
	for (size_t j = 0; j < b->batches; j++)
		CHECK(a->loss[first + j] == b->loss[j], "%s: loss %zu is %.17g and %.17g", what, j, a->loss[first + j],
			b->loss[j]);
}

/* ---- Golden data of the demo model ---- */

static struct model_files demo;

static void test_linears(void)
{
	const struct lm_config *c = &demo.checkpoint.config;
	struct linear_info linears[29];
	CHECK(linear_count(c) == 29 && linear_group_count(c) == 17, "%zu linears in %zu groups", linear_count(c),
		linear_group_count(c));
	linear_describe(linears, c);
	const cJSON *name = cJSON_GetObjectItem(golden, "amax")->child;
	for (size_t i = 0; i < 29 && name; i++, name = name->next)
		CHECK_STRING(linears[i].name, name->string);
	static const size_t inputs[] = {7, 7, 7, 10, 11, 11, 13}, groups[] = {4, 4, 4, 5, 6, 6, 7};
	static const size_t widths[][2] = {
		{256, 384}, {256, 128}, {256, 128}, {384, 256}, {256, 512}, {256, 512}, {512, 256},
	};
	for (size_t i = 0; i < 7; i++) {
		const struct linear_info *l = &linears[7 + i];
		CHECK(l->kind == (enum linear_kind)i && l->layer == 1, "kind %d of layer %zu", (int)l->kind, l->layer);
		CHECK(l->input == inputs[i] && l->group == groups[i], "%s: input %zu, group %zu", l->name, l->input, l->group);
		CHECK(l->in == widths[i][0] && l->out == widths[i][1], "%s: [%zu, %zu]", l->name, l->out, l->in);
	}
	CHECK(linears[28].input == 28 && linears[28].group == 16 && linears[28].in == 256 && linears[28].out == 1024,
		"lm_head is described wrongly");
}

static void test_golden_loss(void)
{
	struct batches b = batches_golden();
	struct record r = run_backward(instance, &demo, b.batch, b.count, 0, 0);
	const cJSON *expected = cJSON_GetObjectItem(golden, "loss_per_batch");
	const cJSON *targets = cJSON_GetObjectItem(golden, "targets_per_batch");
	CHECK(b.count == 2, "%zu batches", b.count);
	for (size_t i = 0; i < b.count; i++) {
		double loss = cJSON_GetArrayItem(expected, (int)i)->valuedouble;
		CHECK(fabs(r.loss[i] - loss) <= golden_tolerance, "loss of batch %zu is %.9g, expected %.9g", i, r.loss[i],
			loss);
		CHECK((int)batch_targets(&b.batch[i]) == cJSON_GetArrayItem(targets, (int)i)->valueint, "%zu targets",
			batch_targets(&b.batch[i]));
	}
	record_free(&r);
	batches_free(&b);
}

/* The five largest logits of each sequence's last position, in order. */
static void test_golden_logits(void)
{
	struct batches b = batches_golden();
	size_t V = demo.checkpoint.config.vocab_size;
	float *logits = mem_array(b.batch[0].tokens * V, sizeof *logits);
	struct transformer *m = transformer_open(instance, &demo.checkpoint.config, &demo.tensors);
	CHECK(!transformer_logits(m, &b.batch[0], logits), "%s", error_text());
	const cJSON *sequence;
	cJSON_ArrayForEach(sequence, cJSON_GetObjectItem(golden, "top_logits_last_position")) {
		int s = cJSON_GetObjectItem(sequence, "seq")->valueint, rank = 0;
		const float *z = logits + ((size_t)b.batch[0].start[s + 1] - 1) * V;
		const cJSON *id;
		cJSON_ArrayForEach(id, cJSON_GetObjectItem(sequence, "ids")) {
			double expected = cJSON_GetArrayItem(cJSON_GetObjectItem(sequence, "logits"), rank)->valuedouble;
			double found = z[id->valueint];
			int above = 0;
			for (size_t i = 0; i < V; i++)
				above += (double)z[i] > found;
			CHECK(fabs(found - expected) <= golden_tolerance, "sequence %d: logit %d is %.9g, expected %.9g", s,
				id->valueint, found, expected);
			CHECK(above == rank, "sequence %d: logit %d has rank %d, expected %d", s, id->valueint, above, rank);
			rank++;
		}
	}
	transformer_close(m);
	free(logits);
	batches_free(&b);
}

/* Forward pass: the largest input of each linear, and the bits that the backward pass computes again. */
static void test_golden_amax(void)
{
	struct batches b = batches_golden();
	struct record forward = record_new(instance, 29, b.count, 1);
	struct transformer *m = transformer_open(instance, &demo.checkpoint.config, &demo.tensors);
	CHECK(!transformer_forward(m, b.batch, b.count, record_visit, &forward), "%s", error_text());
	struct linear_info linears[29];
	linear_describe(linears, &demo.checkpoint.config);
	struct record back = run_backward(instance, &demo, b.batch, b.count, 0, 0);
	for (size_t i = 0; i < 29; i++) {
		const cJSON *entry = cJSON_GetObjectItem(cJSON_GetObjectItem(golden, "amax"), linears[i].name);
		double amax = 0;
		for (size_t j = 0; j < b.count; j++) {
			const struct seen *s = &forward.seen[i * b.count + j];
			for (size_t k = 0; k < b.batch[j].tokens * linears[i].in; k++)
				amax = fmax(amax, fabs(s->x_value[k]));
			CHECK(s->visits == 1 && !s->y_value && !s->dy_value, "%s: %d visits", linears[i].name, s->visits);
			CHECK(s->x == back.seen[i * b.count + j].x, "%s: x of the two passes differs", linears[i].name);
		}
		CHECK_CLOSE(amax, cJSON_GetObjectItem(entry, "input")->valuedouble, 1e-6);
		CHECK(forward.order[i] == i, "visit %zu is of linear %zu", i, forward.order[i]);
	}
	CHECK(forward.visits == 29, "%zu visits", forward.visits);
	transformer_close(m);
	record_free(&forward);
	record_free(&back);
	batches_free(&b);
}

/* ---- The plain model ---- */

static void check_values(const float *found, const double *expected, size_t count, const char *name, const char *what)
{
	double largest = 0, worst = 0;
	for (size_t i = 0; i < count; i++)
		largest = fmax(largest, fabs(expected[i]));
	for (size_t i = 0; i < count; i++) {
		double error = fabs(found[i] - expected[i]);
		if (!(error <= worst))
			worst = error;
	}
	CHECK(worst <= value_tolerance * largest, "%s of %s is off by %g of %g", what, name, worst, largest);
}

/* samples elements of dy spread over the tensor, first and last among them. */
static void check_gradient(const struct plain_model *plain, const struct batch *batch, const float *dy, size_t index,
	const struct linear_info *linear, size_t samples)
{
	size_t count = batch->tokens * linear->out;
	double largest = 0, worst = 0;
	for (size_t i = 0; i < samples; i++) {
		size_t at = i * (count - 1) / (samples - 1);
		double expected = plain_model_gradient(plain, batch, index, at / linear->out, at % linear->out);
		double error = fabs(dy[at] - expected);
		largest = fmax(largest, fabs(expected));
		if (!(error <= worst))
			worst = error;
	}
	CHECK(worst <= gradient_tolerance * largest + 1e-10, "dy of %s is off by %g of %g", linear->name, worst, largest);
}

/* Everything that the backward pass shows of each batch with a target, against the plain model. */
static void check_plain(const struct model_files *files, const struct batches *b, size_t samples)
{
	const struct lm_config *config = &files->checkpoint.config;
	size_t count = linear_count(config);
	struct record r = run_backward(instance, files, b->batch, b->count, 0, 1);
	struct plain_model *plain = plain_model_new(config, &files->tensors);
	struct linear_info *linears = mem_array(count, sizeof *linears);
	linear_describe(linears, config);
	for (size_t j = 0; j < b->count; j++) {
		const struct batch *batch = &b->batch[j];
		struct plain_values values;
		if (!batch_targets(batch))
			continue;
		double loss = plain_model_run(plain, batch, NULL, &values);
		CHECK_CLOSE(r.loss[j], loss, 2e-6);
		for (size_t i = 0; i < count; i++) {
			const struct seen *s = &r.seen[i * b->count + j];
			check_values(s->x_value, values.x[i], batch->tokens * linears[i].in, linears[i].name, "x");
			check_values(s->y_value, values.y[i], batch->tokens * linears[i].out, linears[i].name, "y");
			check_gradient(plain, batch, s->dy_value, i, &linears[i], samples);
		}
		plain_values_free(&values);
	}
	free(linears);
	plain_model_free(plain);
	record_free(&r);
}

static void test_plain_demo(void)
{
	static const size_t lengths[] = {4, 1, 2};
	struct batches b = batches_random(lengths, 3, 3, demo.checkpoint.config.vocab_size);
	check_plain(&demo, &b, 2);
	batches_free(&b);
}

/* A second model: heads of 128, a head of its own, RoPE keys of the other spelling, hidden size no multiple of
 * anything. */
static const struct checkpoint_spec other_spec = {
	.hidden = 36, .layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 128, .intermediate = 50, .vocab = 61,
	.rope = ROPE_V4, .dtype = DTYPE_BF16, .seed = 7,
};

static void open_other(struct model_files *files, enum dtype dtype)
{
	struct checkpoint_spec spec = other_spec;
	char *name = mem_printf("other_%s_%s", dtype_name(dtype), instance->name), *dir = scratch_path(name);
	spec.dtype = dtype;
	if (make_checkpoint(dir, &spec))
		exit(error_report(1));
	free(name);
	model_files_open(files, dir);
	free(dir);
}

/* The last batch is not full, and one caption is a single token. */
static void plain_other(enum dtype dtype)
{
	static const size_t lengths[] = {5, 1, 4, 3};
	struct model_files files;
	open_other(&files, dtype);
	CHECK(!files.checkpoint.config.tied && files.checkpoint.config.head_dim == 128, "not the model that was asked for");
	struct batches b = batches_random(lengths, 4, 3, 61);
	check_plain(&files, &b, 20);
	batches_free(&b);
	model_files_close(&files);
}

static void test_plain_other(void)
{
	plain_other(DTYPE_BF16);
}

/* Checkpoints of the other types, whose values bf16 does not hold. */
static void test_plain_types(void)
{
	plain_other(DTYPE_F16);
	plain_other(DTYPE_F32);
}

/* Nothing to predict: loss and gradients are 0, inputs and outputs as ever. */
static void test_no_target(void)
{
	static const size_t lengths[] = {1, 1, 1};
	struct batches b = batches_random(lengths, 3, 3, demo.checkpoint.config.vocab_size);
	struct record r = run_backward(instance, &demo, b.batch, b.count, 0, 1);
	CHECK(r.loss[0] == 0, "loss is %g", r.loss[0]);
	for (size_t i = 0; i < 29; i++)
		for (size_t k = 0; k < 3 * 128; k++)
			CHECK(r.seen[i].dy_value[k] == 0 && isfinite(r.seen[i].y_value[k]), "linear %zu: dy %g, y %g", i,
				r.seen[i].dy_value[k], r.seen[i].y_value[k]);
	record_free(&r);
	batches_free(&b);
}

/* ---- Bits ---- */

static struct batches batches_mixed(size_t vocab)
{
	static const size_t lengths[] = {13, 9, 1, 30, 2, 2, 17, 70, 5, 1, 11};
	return batches_random(lengths, 11, 3, vocab);
}

static void test_order(void)
{
	struct batches b = batches_mixed(1024);
	struct record r = run_backward(instance, &demo, b.batch, b.count, 0, 0);
	CHECK(r.visits == 29 && r.order[0] == 28, "%zu visits, first of linear %zu", r.visits, r.order[0]);
	for (size_t i = 1; i < r.visits; i++) {
		size_t layer = 3 - (i - 1) / 7;
		CHECK(r.order[i] == 7 * layer + (i - 1) % 7, "visit %zu is of linear %zu", i, r.order[i]);
	}
	record_free(&r);
	batches_free(&b);
}

static void test_guarded(void)
{
	struct batches b = batches_mixed(1024);
	struct record cpu = run_backward(instance, &demo, b.batch, b.count, 0, 0);
	struct record guarded = run_backward(ops_guarded(), &demo, b.batch, b.count, 0, 0);
	check_equal(&cpu, &guarded, 0, "guarded memory");
	CHECK(!ops_guarded_live(), "%zu buffers were not released", ops_guarded_live());
	record_free(&cpu);
	record_free(&guarded);
	batches_free(&b);
}

/* The guard of the test above can fail: a look into a buffer ends a process. */
static void test_guard_bites(void)
{
	const struct ops *ops = ops_guarded();
	dev_f32 *buffer = f32_alloc(ops, 4);
	fflush(NULL);
	pid_t child = fork();
	if (!child) {
		struct rlimit none = {0, 0};
		setrlimit(RLIMIT_CORE, &none);
		fclose(stderr);
		_exit(*(volatile float *)buffer == 0 ? 0 : 0);
	}
	int status = 0;
	CHECK(child > 0 && waitpid(child, &status, 0) == child, "no child process");
	CHECK(status != 0, "reading a buffer did no harm");
	ops->release(buffer);
}

static void test_alone(void)
{
	struct batches b = batches_mixed(1024);
	struct record all = run_backward(instance, &demo, b.batch, b.count, 0, 0);
	for (size_t j = 0; j < b.count; j++) {
		struct record one = run_backward(instance, &demo, &b.batch[j], 1, 0, 0);
		check_equal(&all, &one, j, "a batch alone");
		record_free(&one);
	}
	record_free(&all);
	batches_free(&b);
}

static void test_threads_and_runs(void)
{
	static const char *const threads[] = {"1", "4", "3"};
	static const size_t limits[] = {0, 0, 1, 3000000};
	struct batches b = batches_mixed(1024);
	struct record reference = run_backward(instance, &demo, b.batch, b.count, 0, 0);
	struct ops unpacked = *instance;
	unpacked.pack_tokens = 0;
	for (size_t i = 0; i < 3; i++)
		for (size_t j = 1; j < 4; j++) {
			setenv("QUANTGRID_THREADS", threads[i], 1);
			struct record r = run_backward(&unpacked, &demo, b.batch, b.count, limits[j], 0);
			check_equal(&reference, &r, 0, threads[i]);
			CHECK(limits[j] != 1 || r.visits == 29 * b.count, "%zu visits in runs of one batch", r.visits);
			CHECK(limits[j] != 3000000 || (r.visits > 29 && r.visits < 29 * b.count), "%zu visits", r.visits);
			record_free(&r);
		}
	unsetenv("QUANTGRID_THREADS");
	record_free(&reference);
	batches_free(&b);
}

/* A head of its own with the same numbers is the same model. */
static void test_tied(void)
{
	struct batches b = batches_mixed(1024);
	struct model_files untied = demo;
	size_t bytes = demo.tensors.embed.count * 2;
	void *copy = mem_array(bytes, 1);
	memcpy(copy, demo.tensors.embed.bytes, bytes);
	CHECK(demo.tensors.embed.bytes == demo.tensors.lm_head.bytes, "the demo model is tied");
	untied.tensors.lm_head.bytes = copy;
	struct record r = run_backward(instance, &demo, b.batch, b.count, 0, 0);
	struct record s = run_backward(instance, &untied, b.batch, b.count, 0, 0);
	check_equal(&r, &s, 0, "untied");
	record_free(&r);
	record_free(&s);
	free(copy);
	batches_free(&b);
}

/* One transformer, several passes: nothing of one is left in the next. */
static void test_again(void)
{
	struct batches b = batches_mixed(1024);
	struct record first = run_backward(instance, &demo, b.batch, b.count, 0, 0);
	struct record last = record_new(instance, 29, b.count, 0), forward = record_new(instance, 29, b.count, 0);
	struct transformer *m = transformer_open(instance, &demo.checkpoint.config, &demo.tensors);
	CHECK(!transformer_forward(m, b.batch, b.count, record_visit, &forward), "%s", error_text());
	CHECK(!transformer_backward(m, b.batch, b.count, last.loss, record_visit, &last), "%s", error_text());
	check_equal(&first, &last, 0, "after a forward pass");
	transformer_close(m);
	record_free(&first);
	record_free(&last);
	record_free(&forward);
	batches_free(&b);
}

/* ---- Weights, failures, nothing ---- */

struct weights_seen {
	size_t next;
	int wrong;
};

static int weights_visit(void *context, const struct linear_site *site)
{
	struct weights_seen *seen = context;
	const struct host_tensor *t = site->linear->kind == LINEAR_LM_HEAD ? &demo.tensors.lm_head :
		&demo.tensors.layer[site->linear->layer].linear[site->linear->kind];
	size_t count = site->linear->in * site->linear->out;
	float *found = mem_array(count, sizeof *found), *expected = mem_array(count, sizeof *expected);
	ops_guarded()->download(found, (const dev_f32 *)site->W, count * sizeof *found);
	dtype_widen(t->dtype, t->bytes, count, expected);
	seen->wrong += memcmp(found, expected, count * sizeof *found) || site->index != seen->next++ || site->count ||
		site->x;
	free(found);
	free(expected);
	return 0;
}

static void test_weights(void)
{
	struct weights_seen seen = {0};
	struct transformer *m = transformer_open(ops_guarded(), &demo.checkpoint.config, &demo.tensors);
	CHECK(!transformer_weights(m, weights_visit, &seen), "%s", error_text());
	CHECK(seen.next == 29 && !seen.wrong, "%zu visits, %d wrong", seen.next, seen.wrong);
	transformer_close(m);
}

static void test_failing_visit(void)
{
	struct batches b = batches_mixed(1024);
	struct transformer *m = transformer_open(ops_guarded(), &demo.checkpoint.config, &demo.tensors);
	for (size_t at = 1; at <= 3; at++) {
		struct record r = record_new(ops_guarded(), 29, b.count, 0);
		double loss[] = {-1};
		char message[16];
		r.fail_at = at;
		snprintf(message, sizeof message, "visit %zu", at);
		CHECK(transformer_backward(m, b.batch, b.count, loss, record_visit, &r) == -1, "succeeded");
		CHECK_STRING(error_text(), message);
		CHECK(r.visits == at && loss[0] == -1, "%zu visits, loss %g", r.visits, loss[0]);
		r.visits = 0;
		CHECK(transformer_forward(m, b.batch, b.count, record_visit, &r) == -1 && r.visits == at, "%zu visits",
			r.visits);
		record_free(&r);
	}
	transformer_close(m);
	CHECK(!ops_guarded_live(), "%zu buffers were not released", ops_guarded_live());
	batches_free(&b);
}

static void test_no_batches(void)
{
	struct record r = record_new(instance, 29, 1, 0);
	struct transformer *m = transformer_open(instance, &demo.checkpoint.config, &demo.tensors);
	CHECK(!transformer_forward(m, NULL, 0, record_visit, &r), "%s", error_text());
	CHECK(!transformer_backward(m, NULL, 0, NULL, record_visit, &r), "%s", error_text());
	CHECK(!r.visits, "%zu visits", r.visits);
	transformer_close(m);
	record_free(&r);
}

static void test_no_gpu(void)
{
	char why[600];
	snprintf(why, sizeof why, "the model on a GPU: %s", error_text());
	check_skip(why);
}

/* The same model over the other table. */
static void run_on_gpu(void)
{
	instance = ops_open("cuda");
	if (!instance) {
		TEST(test_no_gpu);
		return;
	}
	TEST(test_golden_loss);
	TEST(test_golden_logits);
	TEST(test_golden_amax);
	TEST(test_plain_demo);
	TEST(test_plain_other);
	TEST(test_plain_types);
	TEST(test_no_target);
	TEST(test_order);
	TEST(test_alone);
	TEST(test_threads_and_runs);
	TEST(test_tied);
	TEST(test_again);
}

int main(void)
{
	instance = ops_cpu();
	golden = json_read(golden_path, (size_t)16 << 20);
	if (!golden)
		return error_report(1);
	model_files_open(&demo, demo_dir);
	TEST(test_linears);
	TEST(test_golden_loss);
	TEST(test_golden_logits);
	TEST(test_golden_amax);
	TEST(test_plain_demo);
	TEST(test_plain_other);
	TEST(test_plain_types);
	TEST(test_no_target);
	TEST(test_order);
	TEST(test_guarded);
	TEST(test_guard_bites);
	TEST(test_alone);
	TEST(test_threads_and_runs);
	TEST(test_tied);
	TEST(test_again);
	TEST(test_weights);
	TEST(test_failing_visit);
	TEST(test_no_batches);
	run_on_gpu();
	model_files_close(&demo);
	cJSON_Delete(golden);
	return check_done();
}
