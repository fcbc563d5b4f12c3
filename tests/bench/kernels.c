/* Every operation of the CUDA table on shapes of Qwen3-VL-4B, against what the GPU could do at most, measured first:
 *
 *     build/bench/kernels [PART]         PART: only operations whose name has it
 *
 *     OPERATION, SHAPE     MICROSECONDS     TB/s or TFLOP/s     share of copies or of products
 *
 * An operation has to move its arguments and results once, and to do its products once, in as many products of bf16
 * as its contract asks of tensor cores (linear(): three; see linear_cuda.cu). What takes longer of the two, at the speed
 * of copies and of products of bf16, is the limit; the share is that time by what was measured. Rows are 8192. Weights
 * that are multiplied are in parts already, as they are but for the first time.
 * In operations on changes four rows share one of the unchanged model, which is counted once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/error.h"
#include "common/memory.h"
#include "ops/ops.h"
#ifdef QG_CUDA
#include "ops/cuda_limits.h"
#endif

enum { T = 8192, SHARED = 4, H = 2560, I = 9728, NH = 32, NK = 8, HD = 128, V = 151936, LOGITS = 1024, BUFFERS = 8 };

static const double eps = 1e-6, theta = 5e6;

/* What operations read and write. */
static struct {
	const struct ops *ops;
	const char *part;           /* of the names wanted; "": all */
	double flops, copy;         /* of the device, a second */
	dev_f32 *x[BUFFERS];        /* [T, I] or [LOGITS, V] */
	dev_weight *W, *Q;          /* of I H elements */
	dev_weight *head;           /* [V, H] */
	dev_i32 *base, *position, *label;
	dev_f64 *rows;              /* a few a row */
	float *amax;                /* [I H / 128], host */
	struct packing captions, texts;
} b;

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Sizes of the case at hand. */
struct sizes {
	size_t in, out, rows;
	struct packing packing;
	struct quantizer quantizer;
	const dev_weight *W;
};

typedef void work(const struct sizes *s);

/* Seconds of one, in a run of at least 50 ms after one that is not counted; -1 after fail(). */
static double time_of(work *w, const struct sizes *s)
{
	w(s);
	if (b.ops->sync())
		return -1;
	for (int times = 4;; times *= 4) {
		const double start = seconds();
		for (int i = 0; i < times; i++)
			w(s);
		if (b.ops->sync())
			return -1;
		const double took = seconds() - start;
		if (took > 0.05)
			return took / times;
	}
}

/* One operation that moves so many bytes and does so many products of bf16. */
static void measure(const char *what, work *w, struct sizes s, double bytes, double flop)
{
	if (!strstr(what, b.part))
		return;
	const double took = time_of(w, &s);
	if (took < 0)
		exit(error_report(1));
	const double moving = bytes / b.copy, multiplying = flop / b.flops;
	if (moving > multiplying)
		printf("%-44s %9.1f us %8.2f TB/s    %5.1f %% of copies\n", what, 1e6 * took, 1e-12 * bytes / took,
			100 * moving / took);
	else
		printf("%-44s %9.1f us %8.0f TFLOP/s %5.1f %% of products\n", what, 1e6 * took, 1e-12 * flop / took,
			100 * multiplying / took);
	fflush(stdout);
}

/* ---- products ---- */

static void linear(const struct sizes *s)
{
	b.ops->linear(b.x[0], b.x[1], s->W, s->rows, s->in, s->out, 0);
}

static void linear_backward(const struct sizes *s)
{
	b.ops->linear_backward(b.x[0], b.x[1], s->W, s->rows, s->in, s->out, 0);
}

static const struct quantizer input_fp8 = {ELEMENT_FP8, SCALE_TENSOR, 0};

static void linear_coded(const struct sizes *s)
{
	b.ops->linear_quantized(b.x[0], b.x[2], b.x[1], s->W, s->rows, s->in, s->out, input_fp8, 4, 0);
}

static void linear_error(const struct sizes *s)
{
	b.ops->linear_quantized(b.x[0], b.x[2], b.x[1], s->W, s->rows, s->in, s->out, input_fp8, 4, 1);
}

static void linear_change(const struct sizes *s)
{
	b.ops->linear_change(b.x[0], b.x[1], s->W, s->rows, s->in, s->out, 0);
}

static void linear_added(const struct sizes *s)
{
	b.ops->linear_change(b.x[0], b.x[1], s->W, s->rows, s->in, s->out, 1);
}

static void product(const char *what, work *w, size_t rows, size_t in, size_t out, const dev_weight *W, double products)
{
	const struct sizes s = {.in = in, .out = out, .rows = rows, .W = W};
	const double bytes = 4.0 * (double)(rows * (in + out)) + 2.0 * (double)(in * out);
	char name[64];
	snprintf(name, sizeof name, "%s %zu x %zu -> %zu", what, rows, in, out);
	measure(name, w, s, bytes, products * 2.0 * (double)rows * (double)in * (double)out);
}

static void products(void)
{
	product("linear", linear, T, H, NH * HD, b.W, 3);
	product("linear", linear, T, H, I, b.W, 3);
	product("linear", linear, T, I, H, b.W, 3);
	product("linear_backward", linear_backward, T, H, NH * HD, b.W, 2);
	product("linear_backward", linear_backward, T, H, I, b.W, 2);
	product("linear_backward", linear_backward, T, I, H, b.W, 2);
	product("linear_change", linear_change, T, H, NH * HD, b.W, 1);
	product("linear_change", linear_change, T, H, NK * HD, b.W, 1);
	product("linear_change", linear_change, T, NH * HD, H, b.W, 1);
	product("linear_change", linear_change, T, H, I, b.W, 1);
	product("linear_change", linear_change, T / 2, H, I, b.W, 1);
	product("linear_change", linear_change, T, I, H, b.W, 1);
	product("linear_change, added", linear_added, T, I, H, b.W, 1);
	product("linear_change, head", linear_change, LOGITS, H, V, b.head, 1);
}

static void difference_products(void)
{
	b.amax[0] = 0.03f;
	b.ops->quantize_weight(b.Q, b.W, 0, I, H, (struct quantizer){ELEMENT_FP8, SCALE_TENSOR, 0}, b.amax, 1);
	product("linear, difference", linear, T, H, NH * HD, b.Q, 3);
	product("linear, difference", linear, T, H, I, b.Q, 3);
	product("linear, difference", linear, T, I, H, b.Q, 3);
	product("linear_quantized, difference", linear_coded, T, H, I, b.Q, 2);
	product("linear_quantized, error", linear_error, T, H, I, b.W, 2);
}

/* ---- rows and elements ---- */

static void embed(const struct sizes *s)
{
	b.ops->embed(b.x[0], b.head, b.label, s->rows, s->in);
}

static void add(const struct sizes *s)
{
	b.ops->add(b.x[0], b.x[1], b.x[2], s->rows * s->in);
}

static void rmsnorm(const struct sizes *s)
{
	b.ops->rmsnorm(b.x[0], b.x[1], b.W, eps, s->rows, s->in);
}

static void rmsnorm_backward(const struct sizes *s)
{
	b.ops->rmsnorm_backward(b.x[0], b.x[1], b.x[2], b.W, eps, s->rows, s->in, 0);
}

static void rope(const struct sizes *s)
{
	b.ops->rope(b.x[0], b.position, theta, s->rows, s->out, s->in, 1);
}

static void swiglu(const struct sizes *s)
{
	b.ops->swiglu(b.x[0], b.x[1], b.x[2], s->rows * s->in);
}

static void swiglu_backward(const struct sizes *s)
{
	b.ops->swiglu_backward(b.x[0], b.x[1], b.x[2], b.x[3], b.x[4], s->rows * s->in);
}

static void cross_entropy(const struct sizes *s)
{
	b.ops->cross_entropy(b.x[0], b.rows, b.x[1], b.label, f64_at(b.rows, T), s->rows, s->in);
}

static void softmax(const struct sizes *s)
{
	b.ops->softmax(b.x[0], b.x[1], s->rows, s->in);
}

/* matrices of [rows, cols] floats, read or written once. */
static void rowwise(const char *what, work *w, size_t rows, size_t cols, double matrices)
{
	measure(what, w, (struct sizes){.rows = rows, .in = cols}, 4 * matrices * (double)(rows * cols), 0);
}

static void elements(void)
{
	rowwise("embed", embed, T, H, 2);
	rowwise("add", add, T, H, 3);
	rowwise("rmsnorm", rmsnorm, T, H, 2);
	rowwise("rmsnorm, heads", rmsnorm, T * NH, HD, 2);
	rowwise("rmsnorm_backward", rmsnorm_backward, T, H, 3);
	rowwise("rmsnorm_backward, heads", rmsnorm_backward, T * NH, HD, 3);
	measure("rope, heads", rope, (struct sizes){.rows = T, .in = HD, .out = NH}, 8.0 * T * NH * HD, 0);
	rowwise("swiglu", swiglu, T, I, 3);
	rowwise("swiglu_backward", swiglu_backward, T, I, 5);
	rowwise("cross_entropy", cross_entropy, LOGITS, V, 2);
	rowwise("softmax", softmax, LOGITS, V, 2);
}

/* ---- attention ---- */

static void attention(const struct sizes *s)
{
	b.ops->attention(b.x[0], b.x[1], b.x[2], b.x[3], b.x[4], s->packing, NH, NK, HD);
}

static void attention_backward(const struct sizes *s)
{
	b.ops->attention_backward(b.x[0], f32_at(b.x[1], 0), f32_at(b.x[1], T * NK * HD), b.x[2], b.x[3], b.x[4], b.x[5],
		b.x[6], b.x[7], s->packing, NH, NK, HD);
}

static void attention_change(const struct sizes *s)
{
	b.ops->attention_change(b.x[0], b.x[1], b.x[2], b.x[3], b.x[4], b.x[5], b.x[6], b.base, s->packing, NH, NK, HD);
}

/* So many products of hd columns for each pair of a query and a key it sees; queries and keys are floats a row. */
static void attend(const char *what, work *w, struct packing packing, double queries, double keys, double dots)
{
	double pairs = 0, rows = (double)packing.start[packing.sequences];
	for (size_t s = 0; s < packing.sequences; s++) {
		const double n = packing.start[s + 1] - packing.start[s];
		pairs += n * (n + 1) / 2;
	}
	measure(what, w, (struct sizes){.packing = packing}, 4 * rows * HD * (queries * NH + keys * NK),
		dots * 2 * pairs * NH * HD);
}

static void attentions(void)
{
	const double shared = 1.0 / SHARED;
	attend("attention, 13 tokens", attention, b.captions, 2, 2, 2);
	attend("attention, 512 tokens", attention, b.texts, 2, 2, 2);
	attend("attention_backward, 13 tokens", attention_backward, b.captions, 3, 4, 5);
	attend("attention_backward, 512 tokens", attention_backward, b.texts, 3, 4, 5);
	attend("attention_change, 13 tokens", attention_change, b.captions, 2 + shared, 2 + 2 * shared, 5);
	attend("attention_change, 512 tokens", attention_change, b.texts, 2 + shared, 2 + 2 * shared, 5);
}

/* ---- changes ---- */

static void change_apply(const struct sizes *s)
{
	b.ops->change_apply(b.x[0], b.x[1], b.base, b.x[2], s->rows, s->in);
}

static void change_from(const struct sizes *s)
{
	b.ops->change_from(b.x[0], b.x[1], b.x[2], b.base, s->rows, s->in);
}

static void rmsnorm_change(const struct sizes *s)
{
	b.ops->rmsnorm_change(b.x[0], b.x[1], b.x[2], b.base, b.W, eps, s->rows, s->out, s->in);
}

static void swiglu_change(const struct sizes *s)
{
	b.ops->swiglu_change(b.x[0], b.x[1], b.x[2], b.x[3], b.x[4], b.base, s->rows, s->in);
}

static void divergence(const struct sizes *s)
{
	b.ops->divergence(b.rows, f64_at(b.rows, T), b.x[2], b.x[1], b.base, 0, b.label, s->rows, s->in);
}

static void changes(void)
{
	const double shared = 1.0 / SHARED;
	rowwise("change_apply", change_apply, T, H, 2 + shared);
	rowwise("change_apply, mlp", change_apply, T, I, 2 + shared);
	rowwise("change_from", change_from, T, H, 2 + shared);
	measure("rmsnorm_change", rmsnorm_change, (struct sizes){.rows = T, .in = H, .out = 1},
		4 * (2 + shared) * T * H, 0);
	measure("rmsnorm_change, heads", rmsnorm_change, (struct sizes){.rows = T, .in = HD, .out = NH},
		4 * (2 + shared) * T * NH * HD, 0);
	rowwise("swiglu_change", swiglu_change, T, I, 3 + 2 * shared);
	b.ops->softmax(b.x[2], b.x[0], LOGITS, V);
	rowwise("divergence", divergence, LOGITS, V, 2);
}

/* ---- quantizers ---- */

static void amax(const struct sizes *s)
{
	b.ops->amax(b.x[0], b.x[1], s->rows * s->in);
}

static void quantize(const struct sizes *s)
{
	b.ops->quantize(b.x[0], b.x[1], s->rows, s->in, s->quantizer, 0.9f, 1);
}

static void input_error(const struct sizes *s)
{
	static const int32_t start[] = {0, T / 4, T / 2, 3 * T / 4, T};
	b.ops->input_error(b.rows, b.x[0], (struct packing){start, 4}, s->in, input_fp8, 4);
}

static void output_error(const struct sizes *s)
{
	b.ops->output_error(b.rows, b.x[0], NULL, b.x[1], b.x[2], s->rows, s->in, s->in, 0);
}

static void weight_amax(const struct sizes *s)
{
	b.ops->weight_amax(b.amax, b.W, s->out, s->in, s->quantizer);
}

static void quantize_weight(const struct sizes *s)
{
	b.ops->quantize_weight(b.Q, b.W, 0, s->out, s->in, s->quantizer, b.amax, 1);
}

static void quantizers(void)
{
	static const struct {
		const char *name;
		struct quantizer quantizer;
	} weights[] = {
		{"fp8 tensor", {ELEMENT_FP8, SCALE_TENSOR, 0}}, {"int8 row", {ELEMENT_INT8, SCALE_ROW, 0}},
		{"int8 column", {ELEMENT_INT8, SCALE_COLUMN, 0}}, {"int4 block 128", {ELEMENT_INT4, SCALE_BLOCK, 128}},
		{"fp4 block 16", {ELEMENT_FP4, SCALE_BLOCK, 16}},
	};
	const struct quantizer tensor = {ELEMENT_FP8, SCALE_TENSOR, 0}, token = {ELEMENT_INT8, SCALE_TOKEN, 0};
	rowwise("amax", amax, T, I, 1);
	measure("quantize, fp8 tensor", quantize, (struct sizes){.rows = T, .in = I, .quantizer = tensor}, 8.0 * T * I, 0);
	measure("quantize, int8 token", quantize, (struct sizes){.rows = T, .in = I, .quantizer = token}, 8.0 * T * I, 0);
	rowwise("input_error, fp8 tensor", input_error, T, I, 1);
	rowwise("output_error", output_error, T, I, 3);
	for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
		const struct sizes s = {.in = H, .out = I, .quantizer = weights[i].quantizer};
		char name[64];
		snprintf(name, sizeof name, "weight_amax, %s, to the host", weights[i].name);
		measure(name, weight_amax, s, 4.0 * H * I, 0);
		b.ops->weight_amax(b.amax, b.W, I, H, s.quantizer);
		snprintf(name, sizeof name, "quantize_weight, %s", weights[i].name);
		measure(name, quantize_weight, s, 8.0 * H * I, 0);
	}
}

/* ---- buffers ---- */

/* In (-1, 1), from a counter. */
static float number(size_t i)
{
	const uint32_t x = (uint32_t)(i * 2654435761u) ^ (uint32_t)(i >> 7);
	return (float)(int32_t)(x * 2246822519u) * 0x1p-31f;
}

static void fill_buffers(void)
{
	const size_t count = (size_t)LOGITS * V;
	float *host = mem_array(count, sizeof *host);
	static_assert((size_t)LOGITS * V > (size_t)T * I, "logits are the largest");
	for (size_t i = 0; i < count; i++)
		host[i] = number(i);
	for (int k = 0; k < BUFFERS; k++) {
		b.x[k] = f32_alloc(b.ops, count);
		b.ops->upload(b.x[k], host + k, (count - (size_t)k) * sizeof *host);
	}
	free(host);
}

/* bf16 of about 2^-6. */
static dev_weight *weight(size_t count)
{
	dev_weight *W = b.ops->alloc(count * b.ops->weight_bytes);
	uint16_t *bits = mem_array(count, sizeof *bits);
	for (size_t i = 0; i < count; i++)
		bits[i] = (uint16_t)(0x3c00 | ((i * 2654435761u >> 9) & 0x81ff));
	b.ops->weight_load(W, bits, DTYPE_BF16, count);
	b.ops->sync();
	free(bits);
	return W;
}

static dev_i32 *integers(int32_t (*of)(int32_t i))
{
	static int32_t host[T];
	dev_i32 *memory = b.ops->alloc(sizeof host);
	for (int32_t i = 0; i < T; i++)
		host[i] = of(i);
	b.ops->upload(memory, host, sizeof host);
	return memory;
}

/* Whole captions and whole texts in a quarter of the rows. */
static int32_t base_of(int32_t i) { return i % (T / SHARED); }
static int32_t position_of(int32_t i) { return i % 512; }
static int32_t label_of(int32_t i) { return (int32_t)((uint32_t)i * 2654435761u % V); }

/* Sequences of length tokens, in every quarter of the rows as many as it has room for. */
static struct packing sequences(int32_t length)
{
	const size_t most = T / (size_t)length + 1 + SHARED;
	int32_t *start = mem_array(most + 1, sizeof *start);
	size_t n = 0;
	start[0] = 0;
	for (int32_t at = 0; at < T;) {
		const int32_t left = T / SHARED - at % (T / SHARED);
		at += left < length ? left : length;
		start[++n] = at;
	}
	return (struct packing){start, n};
}

static void make_buffers(void)
{
	fill_buffers();
	b.W = weight((size_t)I * H);
	b.Q = b.ops->alloc((size_t)I * H * b.ops->weight_bytes);
	b.head = weight((size_t)V * H);
	b.base = integers(base_of);
	b.position = integers(position_of);
	b.label = integers(label_of);
	b.rows = b.ops->alloc((size_t)T * OUTPUT_SUMS * sizeof(double));
	double *zeros = mem_zeroed((size_t)T * OUTPUT_SUMS, sizeof *zeros);
	b.ops->upload(b.rows, zeros, (size_t)T * OUTPUT_SUMS * sizeof *zeros);
	b.amax = mem_zeroed((size_t)I * H, sizeof *b.amax);
	b.captions = sequences(13);
	b.texts = sequences(512);
	b.ops->sync();
	free(zeros);
}

int main(int argc, char **argv)
{
	b.ops = ops_open("cuda");
	b.part = argc > 1 ? argv[1] : "";
	if (!b.ops || b.ops->sync())
		return error_report(1);
#ifdef QG_CUDA
	const struct cuda_limits limits = cuda_limits_measure();
	b.flops = limits.flops;
	b.copy = limits.copy;
#endif
	printf("%s: products of bf16 %.0f TFLOP/s, copies %.2f TB/s\n", b.ops->numerics, 1e-12 * b.flops, 1e-12 * b.copy);
	make_buffers();
	products();
	difference_products();
	elements();
	attentions();
	changes();
	quantizers();
	return 0;
}
