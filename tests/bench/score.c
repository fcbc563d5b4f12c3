/* Calibration and scores of 16 formats on a model of Qwen3-VL-4B's shapes with random weights, in memory:
 *
 *     build/bench/score [DEVICE [LAYERS [CAPTIONS]]]      cuda 36 128
 *
 * Captions have 13 tokens, batches 8 captions. Prints the time of each pass; weights come from memory of the process,
 * as a mapped checkpoint in the page cache would. On 2 cores take few layers: the whole takes hours there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/error.h"
#include "common/memory.h"
#include "common/pool.h"
#include "model/calibrate.h"
#include "model/score.h"

enum { TOKENS = 13, BATCH = 8, FORMATS = 16 };

static const char *const weight_codes[] = {"N16", "F8t", "I4g128", "I8r"};
static const char *const activation_codes[] = {"-", "f8t", "i8t", "i4t"};

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

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

static struct host_tensor tensor(size_t count, int norm)
{
	struct fill f = {mem_array(count, sizeof(uint16_t)), count, norm};
	pool_run((count + piece - 1) / piece, fill_piece, &f);
	return (struct host_tensor){f.at, DTYPE_BF16, count};
}

static struct model_tensors tensors_make(const struct lm_config *c)
{
	size_t H = c->hidden_size, q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim, I = c->intermediate_size;
	const size_t counts[LINEARS_PER_LAYER] = {q * H, kv * H, kv * H, H * q, I * H, I * H, H * I};
	struct model_tensors t = {.embed = tensor(c->vocab_size * H, 0), .final_norm = tensor(H, 1)};
	t.lm_head = t.embed;
	t.layer = mem_zeroed(c->layers, sizeof *t.layer);
	for (size_t l = 0; l < c->layers; l++) {
		t.layer[l].input_norm = tensor(H, 1);
		t.layer[l].post_norm = tensor(H, 1);
		t.layer[l].q_norm = tensor(c->head_dim, 1);
		t.layer[l].k_norm = tensor(c->head_dim, 1);
		for (size_t k = 0; k < LINEARS_PER_LAYER; k++)
			t.layer[l].linear[k] = tensor(counts[k], 0);
	}
	return t;
}

int main(int argc, char **argv)
{
	struct lm_config c = {
		.hidden_size = 2560, .layers = argc > 2 ? (size_t)atoi(argv[2]) : 36,
		.heads = 32, .kv_heads = 8, .head_dim = 128,
		.intermediate_size = 9728, .vocab_size = 151936, .rms_norm_eps = 1e-6, .rope_theta = 5e6, .tied = 1,
	};
	size_t captions = argc > 3 ? (size_t)atoi(argv[3]) : 128, batches = (captions + BATCH - 1) / BATCH;
	const struct ops *ops = ops_open(argc > 1 ? argv[1] : "cuda");
	if (!ops || ops->sync())
		return error_report(1);
	double start = seconds(), at;
	struct model_tensors tensors = tensors_make(&c);
	size_t count = linear_count(&c);
	struct linear_info *linears = mem_array(count, sizeof *linears);
	linear_describe(linears, &c);
	int32_t *ids = mem_array(captions * TOKENS, sizeof *ids), *cut = mem_array(BATCH + 1, sizeof *cut);
	for (size_t i = 0; i < captions * TOKENS; i++)
		ids[i] = (int32_t)((i * 2654435761u >> 7) % c.vocab_size);
	for (int i = 0; i <= BATCH; i++)
		cut[i] = i * TOKENS;
	struct batch *batch = mem_array(batches, sizeof *batch);
	size_t *all = mem_array(batches, sizeof *all);
	for (size_t b = 0; b < batches; b++) {
		batch[b] = (struct batch){ids + b * BATCH * TOKENS, cut, BATCH, BATCH * TOKENS};
		all[b] = b;
	}
	static struct weight_calibration weights[4];
	static struct activation_calibration activations[3];
	static struct score_request requests[FORMATS];
	for (int i = 0; i < 4; i++)
		if (quantizer_weight_parse(weight_codes[i], &weights[i].quantizer))
			return error_report(1);
	for (int i = 0; i < 3; i++) {
		activations[i].batch = all;
		activations[i].batches = batches;
		if (quantizer_activation_parse(activation_codes[i + 1], &activations[i].quantizer))
			return error_report(1);
	}
	struct transformer *model = transformer_open(ops, &c, &tensors);
	printf("%s (%s), %zu layers, %zu captions in %zu batches\n", ops->name, ops->numerics, c.layers, captions, batches);
	printf("%-28s %7.3f s\n", "making weights", seconds() - start);
	at = seconds();
	if (calibrate_weights(model, ops, linears, count, weights, 4))
		return error_report(1);
	printf("%-28s %7.3f s\n", "calibrating 4 weights", seconds() - at);
	at = seconds();
	if (calibrate_activations(model, ops, linears, count, batch, batches, activations, 3))
		return error_report(1);
	printf("%-28s %7.3f s\n", "calibrating 3 activations", seconds() - at);
	for (int i = 0; i < FORMATS; i++) {
		int a = i % 4;
		requests[i] = (struct score_request){
			.pair.weight = weights[i / 4].quantizer,
			.pair.activation = a ? activations[a - 1].quantizer : (struct quantizer){ELEMENT_NONE, 0, 0},
			.weight_amax = weights[i / 4].amax, .activation_amax = a ? activations[a - 1].amax : NULL,
			.batch = all, .batches = batches, .sums = mem_array(count * batches, sizeof(struct output_sums)),
		};
	}
	at = seconds();
	if (score_run(model, ops, linears, count, batch, batches, requests, FORMATS, NULL))
		return error_report(1);
	printf("%-28s %7.3f s\n", "scoring 16 formats", seconds() - at);
	for (int i = 0; i < FORMATS; i++)
		if (requests[i].failure[0])
			printf("format %d: %s\n", i, requests[i].failure);
	printf("score of the first linear, formats 1 and 2: %.9g %.9g\n", requests[0].sums[0].score,
		requests[1].sums[0].score);
	transformer_close(model);
	return 0;
}
