/* Calibration and scores on a model of Qwen3-VL-4B's shapes with random weights, in memory:
 *
 *     build/bench/score [DEVICE [LAYERS [CAPTIONS [TOKENS [FORMATS [kl]]]]]]      cuda 36 128 13 16
 *
 * Captions have TOKENS tokens, batches 8 captions; FORMATS 1 is wfp8_afp8 alone; kl adds their divergences,
 * with what memory they and a recipe that is run take. Prints the time of each pass and, on a GPU, what share that is
 * of what it could do at most: of products of bf16, and of loading the weights. Counted are the products of linears that
 * are made (enum products), not what attention multiplies: a faster way to the same scores makes fewer of them, and its
 * share need not rise. The most is one large product ten times in a row, measured in the same run before all else; the
 * products of a pass reach nine tenths of it. Long inputs: cuda 36 128 512 1.
 *
 * Weights lie in memory of the process, as a mapped checkpoint in the page cache would. On 2 cores take few layers: the
 * whole takes hours there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/error.h"
#include "common/memory.h"
#include "common/pool.h"
#include "model/calibrate.h"
#include "model/kl.h"
#include "model/recipe_check.h"
#include "model/score.h"
#ifdef QG_CUDA
#include "ops/cuda_limits.h"
#endif

enum { BATCH = 8, FORMATS = 16, WEIGHTS = 4, ACTIVATIONS = 4 };

/* Products of bf16 that make one of fp32 numbers with bf16 weights, of gradients with them, of errors of activations
 * with them, of activations with differences, and of quantized ones (ops/linear_cuda.cu). */
enum products { EXACT = 3, GRADIENT = 2, ERROR = 2, DIFFERENCE = 3, CODES = 2 };

static const char *const weight_codes[WEIGHTS] = {"N16", "F8t", "I4g128", "I8r"};
static const char *const activation_codes[ACTIVATIONS] = {"-", "f8t", "i8t", "i4t"};

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- weights ---- */

struct fill {
	uint16_t *at;
	size_t count;
	int norm;
};

static const size_t piece = (size_t)1 << 22;

/* bf16 of about 2^-6: sign, exponent 0x78 .. 0x7b and mantissa from a counter. Norm weights are near 1. */
static int fill_piece(void *context, size_t index, size_t worker)
{
	const struct fill *f = context;
	(void)worker;
	for (size_t i = index * piece; i < f->count && i < (index + 1) * piece; i++) {
		uint64_t x = (i + 1) * 0x9e3779b97f4a7c15u;
		x ^= x >> 29;
		f->at[i] = (uint16_t)(f->norm ? 0x3f80 | (x & 15) : 0x3c00 | (x & 0x81ff));
	}
	return 0;
}

/* All weights, one behind the other; memory NULL: counts only. */
struct store {
	uint16_t *memory;
	size_t used;
};

static struct host_tensor tensor(struct store *s, size_t count, int norm)
{
	struct fill f = {s->memory + s->used, count, norm};
	s->used += count;
	if (!s->memory)
		return (struct host_tensor){NULL, DTYPE_BF16, count};
	pool_run((count + piece - 1) / piece, fill_piece, &f);
	return (struct host_tensor){f.at, DTYPE_BF16, count};
}

static void tensors_place(struct model_tensors *t, const struct lm_config *c, struct store *s)
{
	size_t H = c->hidden_size, q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim, I = c->intermediate_size;
	const size_t counts[LINEARS_PER_LAYER] = {q * H, kv * H, kv * H, H * q, I * H, I * H, H * I};
	t->embed = tensor(s, c->vocab_size * H, 0);
	t->final_norm = tensor(s, H, 1);
	t->lm_head = t->embed;
	for (size_t l = 0; l < c->layers; l++) {
		t->layer[l].input_norm = tensor(s, H, 1);
		t->layer[l].post_norm = tensor(s, H, 1);
		t->layer[l].q_norm = tensor(s, c->head_dim, 1);
		t->layer[l].k_norm = tensor(s, c->head_dim, 1);
		for (size_t k = 0; k < LINEARS_PER_LAYER; k++)
			t->layer[l].linear[k] = tensor(s, counts[k], 0);
	}
}

static struct store tensors_make(struct model_tensors *t, const struct lm_config *c)
{
	struct store s = {0};
	t->layer = mem_zeroed(c->layers, sizeof *t->layer);
	tensors_place(t, c, &s);
	s = (struct store){mem_array(s.used, sizeof *s.memory), 0};
	tensors_place(t, c, &s);
	return s;
}

/* ---- what is measured ---- */

static struct {
	double flops, copy, upload; /* of the device; 0: not known */
	size_t most;                /* bytes in use */
	const struct ops *inside;
} device;

static void *noting_alloc(size_t bytes)
{
	void *p = device.inside->alloc(bytes);
#ifdef QG_CUDA
	size_t used = device.flops > 0 ? cuda_limits_used() : 0;
	device.most = used > device.most ? used : device.most;
#endif
	return p;
}

static void device_measure(const struct ops *ops)
{
#ifdef QG_CUDA
	if (strcmp(ops->name, "cuda") != 0)
		return;
	struct cuda_limits limits = cuda_limits_measure();
	device.flops = limits.flops;
	device.copy = limits.copy;
	device.upload = limits.upload;
	printf("%s: products of bf16 %.0f TFLOP/s, copies %.2f TB/s, loading %.1f GB/s\n", ops->numerics,
		1e-12 * device.flops, 1e-12 * device.copy, 1e-9 * device.upload);
#else
	(void)ops;
#endif
}

/* One pass of so many products of bf16 and so many loads of all weights. */
static void line(const char *what, double time, double flop, double bytes)
{
	printf("%-32s %8.3f s", what, time);
	if (device.flops > 0)
		printf("   products %4.1f %%   loading %4.1f %%", 100 * flop / device.flops / time,
			100 * bytes / device.upload / time);
	printf("\n");
	fflush(stdout);
}

/* FLOP of one product of every linear with so many rows. */
static double product_flop(const struct linear_info *linears, size_t count, size_t tokens)
{
	double flop = 0;
	for (size_t i = 0; i < count; i++)
		flop += 2.0 * (double)tokens * (double)linears[i].in * (double)linears[i].out;
	return flop;
}

/* FLOP of the divergences of a format: each group's change, from its own linears to the top. */
static double change_flop(const struct linear_info *linears, size_t count, size_t tokens)
{
	double flop = 0;
	for (size_t i = 0; i < count; i++)
		flop += (double)(linears[i].group + 1) * product_flop(&linears[i], 1, tokens);
	return flop;
}

struct subject {
	const struct ops *ops;
	const struct lm_config *config;
	const struct model_tensors *tensors;
	const struct linear_info *linears;
	size_t linear_count;
	const struct batch *batches;
	size_t batch_count, tokens;
};

static void recipe_memory(const struct subject *s, const struct score_request *format)
{
	struct quantizer_pair *pair = mem_array(s->linear_count, sizeof *pair);
	for (size_t i = 0; i < s->linear_count; i++)
		pair[i] = format->pair;
	struct recipe_request request = {
		.pair = pair, .weight_amax = format->weight_amax, .activation_amax = format->activation_amax,
		.batch = format->batch, .batches = format->batches,
	};
	printf("memory of running a recipe: %.1f GB\n",
		1e-9 * (double)recipe_check_bytes(s->ops, s->config, s->batches, s->batch_count, &request, 1, 0));
	free(pair);
}

static int divergences(const struct subject *s, const struct score_request *formats, size_t count)
{
	struct kl_request *requests = mem_zeroed(count, sizeof *requests);
	const size_t groups = s->linears[s->linear_count - 1].group + 1;
	for (size_t i = 0; i < count; i++)
		requests[i] = (struct kl_request){
			.pair = formats[i].pair, .weight_amax = formats[i].weight_amax,
			.activation_amax = formats[i].activation_amax, .batch = formats[i].batch, .batches = formats[i].batches,
			.sum = mem_array(groups * formats[i].batches, sizeof(double)),
		};
	printf("memory of divergences: %.1f GB\n",
		1e-9 * (double)kl_bytes(s->ops, s->config, s->batches, s->batch_count, requests, count, 0));
	double at = seconds();
	if (kl_run(s->ops, s->config, s->tensors, s->batches, s->batch_count, requests, count, 0))
		return error_report(1);
	at = seconds() - at;
	char what[40];
	snprintf(what, sizeof what, "divergences of %zu formats", count);
	line(what, at, (double)count * change_flop(s->linears, s->linear_count, s->tokens), 0);
	for (size_t i = 0; i < count; i++)
		free(requests[i].sum);
	free(requests);
	return 0;
}

int main(int argc, char **argv)
{
	struct lm_config c = {
		.hidden_size = 2560, .layers = argc > 2 ? (size_t)atoi(argv[2]) : 36,
		.heads = 32, .kv_heads = 8, .head_dim = 128,
		.intermediate_size = 9728, .vocab_size = 151936, .rms_norm_eps = 1e-6, .rope_theta = 5e6, .tied = 1,
	};
	size_t captions = argc > 3 ? (size_t)atoi(argv[3]) : 128, tokens = argc > 4 ? (size_t)atoi(argv[4]) : 13;
	size_t batches = captions / BATCH;
	const int formats = argc > 5 ? atoi(argv[5]) : FORMATS;
	if (!batches || !tokens || (formats != 1 && formats != FORMATS)) {
		fprintf(stderr, "usage: score [DEVICE [LAYERS [CAPTIONS [TOKENS [1 or 16 [kl]]]]]], 8 captions at least\n");
		return 2;
	}
	double start = seconds(), at;
	const struct ops *inside = ops_open(argc > 1 ? argv[1] : "cuda");
	if (!inside || inside->sync())
		return error_report(1);
	printf("%-32s %8.3f s\n", "starting the device", seconds() - start);
	device_measure(inside);
	struct ops noting = *inside;
	const struct ops *ops = &noting;
	device.inside = inside;
	noting.alloc = noting_alloc;
	struct model_tensors tensors;
	struct store store = tensors_make(&tensors, &c);
	const double bytes = (double)store.used * sizeof *store.memory;
	size_t count = linear_count(&c);
	struct linear_info *linears = mem_array(count, sizeof *linears);
	linear_describe(linears, &c);
	int32_t *ids = mem_array(captions * tokens, sizeof *ids), *cut = mem_array(BATCH + 1, sizeof *cut);
	for (size_t i = 0; i < captions * tokens; i++)
		ids[i] = (int32_t)((i * 2654435761u >> 7) % c.vocab_size);
	for (int i = 0; i <= BATCH; i++)
		cut[i] = i * (int32_t)tokens;
	struct batch *batch = mem_array(batches, sizeof *batch);
	size_t *all = mem_array(batches, sizeof *all);
	for (size_t b = 0; b < batches; b++) {
		batch[b] = (struct batch){ids + b * BATCH * tokens, cut, BATCH, BATCH * tokens};
		all[b] = b;
	}
	static struct weight_calibration weights[WEIGHTS];
	static struct activation_calibration activations[ACTIVATIONS];
	static struct score_request requests[FORMATS];
	for (int i = 0; i < WEIGHTS; i++)
		if (quantizer_weight_parse(weight_codes[i], &weights[i].quantizer))
			return error_report(1);
	for (int i = 1; i < ACTIVATIONS; i++) {
		activations[i].batch = all;
		activations[i].batches = batches;
		if (quantizer_activation_parse(activation_codes[i], &activations[i].quantizer))
			return error_report(1);
	}
	at = seconds();
	ops->pin(store.memory, store.used * sizeof *store.memory);
	printf("%zu layers, %zu captions of %zu tokens\n", c.layers, captions, tokens);
	printf("%-32s %8.3f s\n", "locking weights", seconds() - at);
	struct transformer *model = transformer_open(ops, &c, &tensors);
	const double flop = product_flop(linears, count, captions * tokens);
	const double head = product_flop(&linears[count - 1], 1, captions * tokens);
	at = seconds();
	if (calibrate_weights(model, ops, count, weights, WEIGHTS))
		return error_report(1);
	line("calibrating 4 weights", seconds() - at, 0, bytes);
	at = seconds();
	if (calibrate_activations(model, ops, count, batch, batches, activations + 1, ACTIVATIONS - 1))
		return error_report(1);
	line("calibrating 3 activations", seconds() - at, EXACT * (flop - head), bytes);
	for (int i = 0; i < formats; i++) {
		const int w = formats == 1 ? 1 : i / 4, a = formats == 1 ? 1 : i % 4;
		requests[i] = (struct score_request){
			.pair = {weights[w].quantizer, activations[a].quantizer},
			.weight_amax = weights[w].amax, .activation_amax = activations[a].amax,
			.batch = all, .batches = batches, .sums = mem_array(count * batches, sizeof(struct output_sums)),
		};
	}
	const double differences = formats == 1 ? ERROR + CODES : 3 * ERROR + 4 * DIFFERENCE + 12 * CODES;
	/* Layers go up, up again and down, the head up and down. */
	const double products = (2 * EXACT + GRADIENT + differences) * flop - EXACT * head;
	char what[40];
	snprintf(what, sizeof what, "scoring %d formats", formats);
	at = seconds();
	if (score_run(model, ops, linears, count, batch, batches, requests, (size_t)formats, NULL))
		return error_report(1);
	line(what, seconds() - at, products, 2 * bytes);
	for (int i = 0; i < formats; i++)
		if (requests[i].failure[0])
			printf("format %d: %s\n", i, requests[i].failure);
	printf("score of the first linear in the first and last format: %.9g %.9g\n", requests[0].sums[0].score,
		requests[formats - 1].sums[0].score);
	if (device.most)
		printf("memory: %.1f GB at most\n", 1e-9 * (double)device.most);
	transformer_close(model);
	const struct subject subject = {ops, &c, &tensors, linears, count, batch, batches, captions * tokens};
	if (argc > 6) {
		recipe_memory(&subject, &requests[formats - 1]);
		if (divergences(&subject, requests, (size_t)formats))
			return 1;
	}
	ops->unpin(store.memory);
	return 0;
}
