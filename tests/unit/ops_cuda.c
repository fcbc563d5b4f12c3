/* Parity of the CUDA operations with the CPU's, which are the definition: every operation of both tables on the same
 * inputs, on sizes around powers of two and on some that fill the GPU. tests/unit/ops.c has the CUDA instance against
 * plain loops besides.
 *
 *     build/tests/ops_cuda [SEED [small]]      another seed gives other numbers
 *     compute-sanitizer --tool memcheck build/tests/ops_cuda 1 small      also racecheck, initcheck, synccheck
 *
 * small leaves out the sizes that fill the GPU, which take a sanitizer minutes.
 *
 * Each operation runs once on the CPU and twice on the GPU, whose two results must have the same bits. Buffers have
 * sentinels on both sides, and outputs hold NaN beforehand unless they are added to. Without a GPU all of it is skipped
 * and counted. */
#include "ops/ops.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "../check.h"
#include "common/error.h"
#include "common/memory.h"

static uint64_t seed = 20251031;
static const struct ops *gpu;
static int small;

/* Allowed difference from the CPU, relative to the largest value of the result; EXACT: bit for bit, NaN as NaN. */
static const double
	exact = 0,
	rounded = 1.2e-7,       /* fp64 inside on both sides and one rounding each: 2^-23 */
	bf16_product = 4e-6,    /* two fp32 sums of up to 2600 terms in other orders; tensor cores cut off, not round */
	difference_product = 3e-5, /* products of parts below 2^-16 are left out */
	gradient_product = 1.2e-5, /* the same, and factors to 16 bits */
	softmax_product = 4e-6, /* probabilities of fp32 scores */
	gradient = 2e-5,        /* products behind a difference dP - D */
	sums = 1e-12,           /* fp64 sums of fp32 values in another order */
	uncut_product = 1e-5,   /* as bf16_product, over up to 5000 terms in one sum */
	eight_bits = 8e-3,      /* both factors rounded to 8 bits: 2^-8 of every term */
	element_change = 1e-6,  /* some ten fp32 roundings, a fp32 exp() and expm1() */
	softmax_row = 5e-7,     /* a fp32 exp() and two roundings; of a probability x e^-x is at most 1/e */
	attention_change = 3e-6, /* fp32 scores of up to 256 terms, and their mean taken off their changes */
	far_change = 1e-3,      /* the same of scores of hundreds, 2^-24 of which is that much of a probability */
	divergence_row = 1e-5;  /* fp32 terms of one sign, each within 2e-6; fp64 sums */

static uint64_t noise_bits(void)
{
	static uint64_t counter;
	uint64_t x = seed + ++counter * 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* In (-spread, spread), of very different magnitudes: a fifth are small, some are zero. */
static double noise(double spread)
{
	uint64_t bits = noise_bits();
	double x = ((double)(bits >> 11) * 0x1p-52 - 1) * spread;
	return bits % 5 ? x : bits % 25 ? x * 1e-3 : 0;
}

/* ---- tensors ---- */

enum type { F32, F64, WEIGHT, I32 };
enum { EDGE = 16, TENSORS_MAX = 8, OUTPUTS_MAX = 3 };

struct tensor {
	enum type type;
	enum dtype dtype;     /* of a weight: what it is loaded from */
	size_t count;
	double *value;        /* [count] exact */
};

static struct tensor tensor_new(enum type type, size_t count)
{
	return (struct tensor){type, DTYPE_BF16, count, mem_array(count, sizeof(double))};
}

/* Holds what its type holds exactly. */
static struct tensor tensor_random(enum type type, size_t count, double spread)
{
	struct tensor t = tensor_new(type, count);
	for (size_t i = 0; i < count; i++)
		t.value[i] = type == F64 ? noise(spread) : (double)(float)noise(spread);
	return t;
}

static struct tensor weight_random(enum dtype dtype, size_t count, double center, double spread)
{
	struct tensor t = tensor_new(WEIGHT, count);
	float *wide = mem_array(count, sizeof *wide);
	void *narrow = mem_array(count, sizeof(float));
	t.dtype = dtype;
	for (size_t i = 0; i < count; i++)
		wide[i] = (float)(center + noise(spread));
	dtype_narrow(dtype, wide, count, narrow);
	dtype_widen(dtype, narrow, count, wide);
	for (size_t i = 0; i < count; i++)
		t.value[i] = wide[i];
	free(wide);
	free(narrow);
	return t;
}

/* For an output that is not added to. */
static struct tensor tensor_empty(enum type type, size_t count)
{
	struct tensor t = tensor_new(type, count);
	for (size_t i = 0; i < count; i++)
		t.value[i] = NAN;
	return t;
}

static size_t element_bytes(const struct ops *ops, enum type type)
{
	return type == F64 ? sizeof(double) : type == WEIGHT ? ops->weight_bytes : sizeof(float);
}

static const double sentinel = 12288; /* exact in every type */

/* values[count] as the type has them on the host. */
static void *host_form(const struct tensor *t, const double *values, size_t count)
{
	void *host = mem_array(count, sizeof(double));
	float *wide = mem_array(count, sizeof *wide);
	for (size_t i = 0; i < count; i++) {
		wide[i] = (float)values[i];
		if (t->type == F64)
			((double *)host)[i] = values[i];
		else if (t->type == I32)
			((int32_t *)host)[i] = (int32_t)values[i];
		else if (t->type == F32)
			((float *)host)[i] = wide[i];
	}
	if (t->type == WEIGHT)
		dtype_narrow(t->dtype, wide, count, host);
	free(wide);
	return host;
}

/* A buffer with EDGE sentinels on both sides; the first element is at EDGE. */
static void *tensor_put(const struct ops *ops, const struct tensor *t)
{
	size_t all = t->count + 2 * EDGE;
	double *values = mem_array(all, sizeof *values);
	for (size_t i = 0; i < all; i++)
		values[i] = i < EDGE || i >= EDGE + t->count ? sentinel : t->value[i - EDGE];
	void *host = host_form(t, values, all), *memory = ops->alloc(all * element_bytes(ops, t->type));
	if (t->type == WEIGHT)
		ops->weight_load(memory, host, t->dtype, all);
	else
		ops->upload(memory, host, all * element_bytes(ops, t->type));
	free(host);
	free(values);
	return memory;
}

/* Reads a buffer back; looks at the sentinels. */
static double *tensor_get(const struct ops *ops, const struct tensor *t, const void *memory, const char *what)
{
	size_t all = t->count + 2 * EDGE;
	double *values = mem_array(all, sizeof *values);
	if (t->type == WEIGHT)
		assert(ops->weight_bytes == sizeof(float)); /* both have fp32 */
	if (t->type == F64) {
		ops->download(values, memory, all * sizeof *values);
	} else {
		float *narrow = mem_array(all, sizeof *narrow);
		ops->download(narrow, memory, all * sizeof *narrow);
		for (size_t i = 0; i < all; i++)
			values[i] = narrow[i];
		free(narrow);
	}
	for (size_t i = 0; i < EDGE; i++)
		CHECK(values[i] == sentinel && values[EDGE + t->count + i] == sentinel, "%s of %s: written outside", what,
			ops->name);
	memmove(values, values + EDGE, t->count * sizeof *values);
	return values;
}

/* ---- one operation on both ---- */

struct call {
	size_t a, b, c, d;          /* sizes, as the operation likes */
	float beta;
	int each;                   /* of the first output every element is held to the tolerance by itself */
	struct packing packing;
	struct quantizer quantizer;
	const float *amax;
	int difference;
};

/* Runs the operation on buffers in the order of the tensors. */
typedef void operation(const struct ops *ops, const struct call *call, void *const *at);

static void at_first_element(const struct ops *ops, const struct tensor *tensors, size_t count, void **memory,
	void **at)
{
	for (size_t i = 0; i < count; i++)
		at[i] = (char *)memory[i] + EDGE * element_bytes(ops, tensors[i].type);
}

/* The outputs, which are the first tensors. */
static void run(const struct ops *ops, operation *op, const struct call *call, const struct tensor *tensors,
	size_t count, size_t outputs, double **found, const char *what)
{
	void *memory[TENSORS_MAX] = {0}, *at[TENSORS_MAX] = {0};
	for (size_t i = 0; i < count; i++)
		memory[i] = tensor_put(ops, &tensors[i]);
	at_first_element(ops, tensors, count, memory, at);
	op(ops, call, at);
	for (size_t i = 0; i < outputs; i++)
		found[i] = tensor_get(ops, &tensors[i], memory[i], what);
	for (size_t i = 0; i < count; i++)
		ops->release(memory[i]);
}

/* Within the tolerance; NaN only where NaN is expected. */
static void compare(const char *what, size_t output, const double *found, const double *expected, size_t count,
	double tolerance, int each)
{
	double largest = 0;
	for (size_t i = 0; i < count; i++)
		if (isfinite(expected[i]))
			largest = fmax(largest, fabs(expected[i]));
	for (size_t i = 0; i < count; i++) {
		if (isnan(expected[i]) ? isnan(found[i]) : found[i] == expected[i] ||
			fabs(found[i] - expected[i]) <= tolerance * (each ? fabs(expected[i]) : largest))
			continue;
		CHECK(0, "%s, output %zu: element %zu of %zu is %.9g, expected %.9g within %g of %g", what, output, i, count,
			found[i], expected[i], tolerance, largest);
		return;
	}
}

/* Takes the tensors, frees their values. */
static void parity(const char *what, operation *op, struct call call, struct tensor *tensors, size_t count,
	size_t outputs, const double *tolerance)
{
	double *expected[OUTPUTS_MAX], *found[OUTPUTS_MAX], *again[OUTPUTS_MAX];
	run(ops_cpu(), op, &call, tensors, count, outputs, expected, what);
	run(gpu, op, &call, tensors, count, outputs, found, what);
	run(gpu, op, &call, tensors, count, outputs, again, what);
	for (size_t i = 0; i < outputs; i++) {
		compare(what, i, found[i], expected[i], tensors[i].count, *tolerance, call.each && i == 0);
		CHECK(!memcmp(found[i], again[i], tensors[i].count * sizeof **found), "%s: other bits the second time", what);
		free(expected[i]);
		free(found[i]);
		free(again[i]);
	}
	for (size_t i = 0; i < count; i++)
		free(tensors[i].value);
}

#define PARITY(op, call, outputs, tolerance, ...) \
	do { \
		struct tensor tensors_[] = {__VA_ARGS__}; \
		parity(#op, op, call, tensors_, sizeof tensors_ / sizeof *tensors_, outputs, &tolerance); \
	} while (0)

static const size_t sizes[] = {1, 7, 15, 16, 17, 31, 33, 63, 65, 127, 129, 255, 257};

enum { SIZES = sizeof sizes / sizeof *sizes };

/* ---- elementwise ---- */

static void embed(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->embed(at[0], at[1], at[2], c->a, c->b);
}

static void add(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->add(at[0], at[1], at[2], c->a);
}

static void swiglu(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->swiglu(at[0], at[1], at[2], c->a);
}

static void swiglu_backward(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->swiglu_backward(at[0], at[1], at[2], at[3], at[4], c->a);
}

static struct tensor indices(size_t count, size_t below)
{
	struct tensor t = tensor_new(I32, count);
	for (size_t i = 0; i < count; i++)
		t.value[i] = (double)(noise_bits() % below);
	return t;
}

static void test_elementwise(void)
{
	for (size_t i = 0; i < SIZES; i++) {
		size_t n = sizes[i] * 37, T = sizes[SIZES - 1 - i];
		struct call c = {.a = n}, e = {.a = T, .b = sizes[i]};
		PARITY(embed, e, 1, exact, tensor_empty(F32, T * sizes[i]), weight_random(DTYPE_F32, 19 * sizes[i], 0, 1),
			indices(T, 19));
		PARITY(add, c, 1, exact, tensor_empty(F32, n), tensor_random(F32, n, 1), tensor_random(F32, n, 1e-3));
		PARITY(swiglu, c, 1, rounded, tensor_empty(F32, n), tensor_random(F32, n, 8), tensor_random(F32, n, 1));
		PARITY(swiglu_backward, c, 2, rounded, tensor_empty(F32, n), tensor_empty(F32, n), tensor_random(F32, n, 1),
			tensor_random(F32, n, 8), tensor_random(F32, n, 1));
	}
}

/* ---- products ---- */

static void linear(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->linear(at[0], at[1], at[2], c->a, c->b, c->c, c->beta);
}

static void linear_backward(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->linear_backward(at[0], at[1], at[2], c->a, c->b, c->c, c->beta);
}

static void product_case(size_t T, size_t in, size_t out, enum dtype dtype)
{
	struct call c = {.a = T, .b = in, .c = out, .beta = 0}, added = c;
	added.beta = 1;
	PARITY(linear, c, 1, bf16_product, tensor_empty(F32, T * out), tensor_random(F32, T * in, 1),
		weight_random(dtype, out * in, 0, 1));
	PARITY(linear, added, 1, bf16_product, tensor_random(F32, T * out, 1), tensor_random(F32, T * in, 1),
		weight_random(dtype, out * in, 0, 1));
	PARITY(linear_backward, c, 1, gradient_product, tensor_empty(F32, T * in), tensor_random(F32, T * out, 1),
		weight_random(dtype, out * in, 0, 1));
	PARITY(linear_backward, added, 1, gradient_product, tensor_random(F32, T * in, 1), tensor_random(F32, T * out, 1),
		weight_random(dtype, out * in, 0, 1));
}

static void test_products(void)
{
	static const enum dtype types[] = {DTYPE_BF16, DTYPE_F16, DTYPE_F32};
	for (size_t t = 0; t < 3; t++) {
		for (size_t i = 0; i < SIZES; i++)
			product_case(sizes[i], sizes[(i + 4) % SIZES], sizes[(i + 9) % SIZES], types[t]);
		if (small)
			continue;
		product_case(105, 2560, 1024, types[t]);
		product_case(33, 1000, 5001, types[t]);
	}
}

/* d = x (Q(W) - W)^T. */
static void difference_product_of(const struct ops *ops, const struct call *c, void *const *at)
{
	dev_weight *dW = ops->alloc(c->c * c->b * ops->weight_bytes);
	ops->quantize_weight(dW, at[2], 0, c->c, c->b, c->quantizer, c->amax, 1);
	ops->linear(at[0], at[1], dW, c->a, c->b, c->c, 0);
	ops->release(dW);
}

static void test_difference_products(void)
{
	float amax[1024];
	for (size_t i = 0; i < 1024; i++)
		amax[i] = 1;
	for (size_t i = 0; i < SIZES; i++) {
		size_t T = sizes[i], in = sizes[(i + 4) % SIZES] * 5, out = sizes[(i + 9) % SIZES];
		struct call c = {.a = T, .b = in, .c = out, .quantizer = {ELEMENT_INT8, SCALE_ROW, 0}, .amax = amax};
		PARITY(difference_product_of, c, 1, difference_product, tensor_empty(F32, T * out),
			tensor_random(F32, T * in, 1), weight_random(DTYPE_BF16, out * in, 0, 1));
	}
}

/* Q(x) (Q(W) - W)^T, Q(x) W^T and (Q(x) - x) W^T; the last two with W as it was loaded. */
static void quantized_product(const struct ops *ops, const struct call *c, void *const *at)
{
	struct quantizer row = {ELEMENT_INT4, SCALE_ROW, 0};
	dev_f32 *scratch = f32_alloc(ops, c->a * c->b);
	dev_weight *dW = ops->alloc(c->c * c->b * ops->weight_bytes);
	ops->quantize_weight(dW, at[2], 0, c->c, c->b, row, c->amax + 1, 1);
	ops->linear_quantized(at[0], scratch, at[1], c->d ? dW : at[2], c->a, c->b, c->c, c->quantizer, *c->amax,
		c->difference);
	ops->release(dW);
	ops->release(scratch);
}

static void test_quantized_products(void)
{
	static const struct quantizer all[] = {
		{ELEMENT_INT8, SCALE_TENSOR, 0}, {ELEMENT_INT8, SCALE_TOKEN, 0}, {ELEMENT_INT4, SCALE_TENSOR, 0},
		{ELEMENT_INT4, SCALE_TOKEN, 0}, {ELEMENT_FP8, SCALE_TENSOR, 0}, {ELEMENT_FP8, SCALE_TOKEN, 0},
	};
	static const enum dtype types[] = {DTYPE_BF16, DTYPE_F16, DTYPE_F32};
	float amax[1024];
	for (size_t i = 0; i < 1024; i++)
		amax[i] = i ? 1 : 0.9f;
	for (size_t q = 0; q < sizeof all / sizeof *all; q++)
		for (size_t i = 0; i < SIZES * 3; i++) {
			size_t T = sizes[(i + q) % SIZES], out = sizes[(i + 9) % SIZES];
			size_t in = sizes[(i + 4) % SIZES] * (i % 2 ? 4 : 1);
			if (i == 3)
				in = small ? 520 : 9728; /* several runs */
			struct call c = {.a = T, .b = in, .c = out, .d = i / SIZES == 0, .difference = i / SIZES == 2,
				.quantizer = all[q], .amax = amax};
			PARITY(quantized_product, c, 1, difference_product, tensor_empty(F32, T * out),
				tensor_random(F32, T * in, 1), weight_random(types[i % 3], out * in, 0, 1));
		}
}

/* A weight that is written anew, whole or in part, is what it was written as last. */
static void rewritten_product(const struct ops *ops, const struct call *c, void *const *at)
{
	float amax = 1;
	dev_weight *W = ops->alloc(c->c * c->b * ops->weight_bytes);
	ops->quantize_weight(W, at[2], 0, c->c, c->b, (struct quantizer){ELEMENT_INT4, SCALE_TENSOR, 0}, &amax, 1);
	ops->quantize_weight(W, at[2], 0, c->c, c->b, (struct quantizer){ELEMENT_INT8, SCALE_TENSOR, 0}, &amax, 0);
	ops->quantize_weight(weight_at(ops, W, c->b), weight_at(ops, at[2], c->b), 1, 1, c->b,
		(struct quantizer){ELEMENT_FP8, SCALE_TENSOR, 0}, &amax, 1);
	ops->linear(at[0], at[1], W, c->a, c->b, c->c, 0);
	ops->release(W);
}

static void test_rewritten(void)
{
	struct call c = {.a = 17, .b = 333, .c = 9};
	PARITY(rewritten_product, c, 1, bf16_product, tensor_empty(F32, 17 * 9), tensor_random(F32, 17 * 333, 1),
		weight_random(DTYPE_BF16, 9 * 333, 0, 1));
}

/* ---- rows ---- */

static void rmsnorm(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->rmsnorm(at[0], at[1], at[2], 1e-6, c->a, c->b);
}

static void rmsnorm_backward(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->rmsnorm_backward(at[0], at[1], at[2], at[3], 1e-6, c->a, c->b, c->beta);
}

static void rope(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->rope(at[0], at[1], 5e6, c->a, c->b, c->c, c->difference);
}

static void test_rows(void)
{
	for (size_t i = 0; i < SIZES; i++) {
		size_t rows = sizes[(i + 5) % SIZES], n = sizes[i] * (i % 3 ? 1 : 11), hd = 2 * sizes[i];
		struct call c = {.a = rows, .b = n, .beta = (float)(i % 2)};
		struct call r = {.a = rows, .b = 1 + i % 4, .c = hd, .difference = i % 2 ? 1 : -1};
		PARITY(rmsnorm, c, 1, rounded, tensor_empty(F32, rows * n), tensor_random(F32, rows * n, 3),
			weight_random(DTYPE_BF16, n, 1, 0.5));
		PARITY(rmsnorm_backward, c, 1, rounded, i % 2 ? tensor_random(F32, rows * n, 1) : tensor_empty(F32, rows * n),
			tensor_random(F32, rows * n, 1), tensor_random(F32, rows * n, 3), weight_random(DTYPE_BF16, n, 1, 0.5));
		PARITY(rope, r, 1, rounded, tensor_random(F32, rows * r.b * hd, 2), indices(rows, i % 2 ? 262144 : 40));
	}
}

static void cross_entropy(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->cross_entropy(at[0], at[1], at[2], at[3], at[4], c->a, c->b);
}

static void test_cross_entropy(void)
{
	for (size_t i = 0; i <= SIZES - (size_t)small; i++) {
		size_t T = sizes[(i + 3) % SIZES] % 40 + 1, V = i == SIZES ? 151936 : sizes[i] * 13;
		struct call c = {.a = T, .b = V};
		struct tensor label = indices(T, V);
		for (size_t t = 0; t < T; t += 3)
			label.value[t] = -1;
		PARITY(cross_entropy, c, 2, rounded, tensor_empty(F32, T * V), tensor_empty(F64, T),
			tensor_random(F32, T * V, 9), label, tensor_random(F64, T, 1));
	}
}

/* ---- attention ---- */

static void attention(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->attention(at[0], at[1], at[2], at[3], at[4], c->packing, c->a, c->b, c->c);
}

static void attention_backward(const struct ops *ops, const struct call *c, void *const *at)
{
	size_t T = (size_t)c->packing.start[c->packing.sequences];
	dev_f32 *o = f32_alloc(ops, T * c->a * c->c), *lse = f32_alloc(ops, T * c->a);
	ops->attention(o, lse, at[4], at[5], at[6], c->packing, c->a, c->b, c->c);
	ops->attention_backward(at[0], at[1], at[2], at[3], o, lse, at[4], at[5], at[6], c->packing, c->a, c->b, c->c);
	ops->release(o);
	ops->release(lse);
}

static void attention_case(const int32_t *start, size_t sequences, size_t nh, size_t nk, size_t hd)
{
	size_t T = (size_t)start[sequences], Q = T * nh * hd, K = T * nk * hd;
	struct call c = {.a = nh, .b = nk, .c = hd, .packing = {start, sequences}};
	PARITY(attention, c, 2, softmax_product, tensor_empty(F32, Q), tensor_empty(F32, T * nh), tensor_random(F32, Q, 1),
		tensor_random(F32, K, 1), tensor_random(F32, K, 1));
	PARITY(attention_backward, c, 3, gradient, tensor_empty(F32, Q), tensor_empty(F32, K), tensor_empty(F32, K),
		tensor_random(F32, Q, 1), tensor_random(F32, Q, 1), tensor_random(F32, K, 1), tensor_random(F32, K, 1));
}

static void test_attention(void)
{
	static const int32_t captions[] = {0, 13, 14, 45, 77, 110, 173, 237, 302}, one[] = {0, 1};
	static const int32_t longer[] = {0, 700, 1211};
	attention_case(one, 1, 1, 1, 2);
	attention_case(captions, 8, 4, 2, 64);
	attention_case(captions, 8, 3, 1, 66);
	attention_case(captions, 8, 8, 2, 128);
	attention_case(captions, 8, 2, 2, 130);
	attention_case(captions, 8, 2, 1, 256);
	if (!small)
		attention_case(longer, 2, 2, 1, 128);
}

/* ---- quantizers: exact ---- */

/* at[1] gets the maxima. */
static void weight_amax(const struct ops *ops, const struct call *c, void *const *at)
{
	size_t count = quantizer_amax_count(c->quantizer, c->a, c->b);
	float *amax = mem_zeroed(count, sizeof *amax);
	ops->weight_amax(amax, at[1], c->a, c->b, c->quantizer);
	ops->upload(at[0], amax, count * sizeof *amax);
	free(amax);
}

static void quantize_weight(const struct ops *ops, const struct call *c, void *const *at)
{
	size_t row0 = c->c;
	ops->quantize_weight(at[0], weight_at_const(ops, at[1], row0 * c->b), row0, c->a - row0, c->b, c->quantizer,
		c->amax, c->difference);
}

static void quantize(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->quantize(at[0], at[1], c->a, c->b, c->quantizer, *c->amax, c->difference);
}

static void amax(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->amax(at[0], at[1], c->a);
}

static const struct quantizer weight_quantizers[] = {
	{ELEMENT_NONE, SCALE_TENSOR, 0},
	{ELEMENT_INT8, SCALE_TENSOR, 0}, {ELEMENT_INT8, SCALE_ROW, 0}, {ELEMENT_INT8, SCALE_COLUMN, 0},
	{ELEMENT_INT8, SCALE_BLOCK, 64}, {ELEMENT_INT4, SCALE_TENSOR, 0}, {ELEMENT_INT4, SCALE_ROW, 0},
	{ELEMENT_INT4, SCALE_COLUMN, 0}, {ELEMENT_INT4, SCALE_BLOCK, 7}, {ELEMENT_INT4, SCALE_BLOCK, 128},
	{ELEMENT_FP8, SCALE_TENSOR, 0}, {ELEMENT_FP8, SCALE_ROW, 0}, {ELEMENT_FP8, SCALE_COLUMN, 0},
	{ELEMENT_FP8, SCALE_BLOCK, 32}, {ELEMENT_FP4, SCALE_BLOCK, 16}, {ELEMENT_FP4, SCALE_BLOCK, 32},
	{ELEMENT_FP4, SCALE_BLOCK, 5}, {ELEMENT_FP4, SCALE_BLOCK, 128},
};

/* Weights on the coarse grid of bf16, where ties are common; a row, a column and a corner of zeros. */
static struct tensor weight_for_quantizers(size_t out, size_t in)
{
	struct tensor W = weight_random(DTYPE_BF16, out * in, 0, 0.25);
	for (size_t i = 0; i < out * in; i++)
		if (i / in == 2 || i % in == 3 || (i / in > out / 2 && i % in > in / 2))
			W.value[i] = 0;
		else if (i % 11 == 0)
			W.value[i] = W.value[i] < 0 ? -0.125 : 0.1875;
	return W;
}

static struct tensor tensor_copy(const struct tensor *from)
{
	struct tensor t = *from;
	t.value = mem_array(t.count, sizeof *t.value);
	memcpy(t.value, from->value, t.count * sizeof *t.value);
	return t;
}

/* With the CPU's maxima, and one of them too small: values beyond it are clipped. */
static void weight_case(struct quantizer q, size_t out, size_t in)
{
	size_t count = quantizer_amax_count(q, out, in);
	struct tensor W = weight_for_quantizers(out, in);
	struct call c = {.a = out, .b = in, .quantizer = q};
	float *top = mem_zeroed(count + 1, sizeof *top);
	dev_weight *memory = tensor_put(ops_cpu(), &W);
	ops_cpu()->weight_amax(top, weight_at(ops_cpu(), memory, EDGE), out, in, q);
	ops_cpu()->release(memory);
	if (count)
		PARITY(weight_amax, c, 1, exact, tensor_empty(F32, count), tensor_copy(&W));
	if (count > 2)
		top[count / 2] *= 0.7f;
	c.amax = top;
	for (int difference = 0; difference < 2; difference++) {
		c.difference = difference;
		c.c = difference && out > 2 ? out / 2 : 0;
		PARITY(quantize_weight, c, 1, exact, tensor_empty(WEIGHT, (out - c.c) * in), tensor_copy(&W));
	}
	free(W.value);
	free(top);
}

static void test_weight_quantizers(void)
{
	for (size_t q = 0; q < sizeof weight_quantizers / sizeof *weight_quantizers; q++) {
		for (size_t i = 0; i < SIZES; i++)
			weight_case(weight_quantizers[q], sizes[(i + q) % SIZES], sizes[i]);
		if (!small)
			weight_case(weight_quantizers[q], 300, 1000);
	}
}

static void test_activation_quantizers(void)
{
	static const struct quantizer all[] = {
		{ELEMENT_NONE, SCALE_TENSOR, 0}, {ELEMENT_INT8, SCALE_TENSOR, 0}, {ELEMENT_INT8, SCALE_TOKEN, 0},
		{ELEMENT_INT4, SCALE_TENSOR, 0}, {ELEMENT_INT4, SCALE_TOKEN, 0}, {ELEMENT_FP8, SCALE_TENSOR, 0},
		{ELEMENT_FP8, SCALE_TOKEN, 0},
	};
	static const float tops[] = {1, 0, 0x1p-24f, 0x1.fffffep-25f, 3.3f, INFINITY, NAN};
	for (size_t q = 0; q < sizeof all / sizeof *all; q++)
		for (size_t i = 0; i < SIZES; i++) {
			size_t rows = sizes[(i + q) % SIZES], cols = sizes[i] * (i % 4 ? 1 : 41);
			struct call c = {.a = rows, .b = cols, .quantizer = all[q], .amax = &tops[i % 7],
				.difference = (int)(i % 2)};
			struct tensor x = tensor_random(F32, rows * cols, 3);
			for (size_t k = 0; k < x.count; k += 97)
				x.value[k] = k % 3 == 0 ? NAN : k % 3 == 1 ? 0x1p-149 : -1e38;
			for (size_t k = 0; k < cols; k++)
				x.value[k] = 0;
			PARITY(quantize, c, 1, exact, tensor_empty(F32, rows * cols), x);
		}
}

static void test_amax(void)
{
	for (size_t i = 0; i < SIZES; i++)
		for (int nan = 0; nan < 2; nan++) {
			size_t n = sizes[i] * sizes[i] * 3;
			struct tensor x = tensor_random(F32, n, 3);
			struct call c = {.a = n};
			if (nan)
				x.value[n / 2] = NAN;
			PARITY(amax, c, 1, exact, tensor_empty(F32, 1), x);
		}
}

/* ---- sums ---- */

/* Sequences of c->a, 0, 1 and 3 rows. */
static void input_error(const struct ops *ops, const struct call *c, void *const *at)
{
	const int32_t n = (int32_t)c->a, start[] = {0, n, n, n + 1, n + 4};
	ops->input_error(at[0], at[1], (struct packing){start, 4}, c->b, c->quantizer, 1.5f);
}

static void weight_error(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->weight_error(at[0], at[1], at[2], c->a);
}

static void output_error(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->output_error(at[0], at[1], c->difference ? at[4] : NULL, at[2], at[3], c->a, c->b, c->c, c->d);
}

static void test_sums(void)
{
	for (size_t i = 0; i < SIZES; i++) {
		size_t n = sizes[i] * sizes[i] * 3, T = sizes[(i + 5) % SIZES], cols = sizes[i], stride = cols + 13;
		struct call c = {.a = n}, o = {.a = T, .b = cols, .c = stride, .d = 5};
		struct tensor before = tensor_random(F64, T * OUTPUT_SUMS, 1);
		for (size_t k = 0; k < before.count; k++)
			before.value[k] = fabs(before.value[k]);
		for (int token = 0; token < 2; token++) {
			struct call e = {.a = T, .b = cols, .quantizer = {token ? ELEMENT_INT8 : ELEMENT_FP8,
				token ? SCALE_TOKEN : SCALE_TENSOR, 0}};
			PARITY(input_error, e, 1, sums, tensor_empty(F64, 4 * QUANT_SUMS), tensor_random(F32, (T + 4) * cols, 1));
		}
		PARITY(weight_error, c, 1, sums, tensor_empty(F64, QUANT_SUMS), weight_random(DTYPE_F32, n, 0, 1),
			weight_random(DTYPE_BF16, n, 0, 1));
		o.difference = (int)(i % 2);
		PARITY(output_error, o, 1, sums, before, tensor_random(F32, T * cols, 1e-3), tensor_random(F32, T * stride, 1),
			tensor_random(F32, T * stride, 1), tensor_random(F32, T * cols, 1e-3));
	}
}

/* ---- changes ---- */

/* Rows of the unchanged model; the rows of a stack belong to any of them. */
enum { BASE_ROWS = 29 };

/* Sizes of changes: everything must hold relative to the change. */
static const double spreads[] = {1, 1e-3, 1e-8, 1e-30, 0};

enum { SPREADS = sizeof spreads / sizeof *spreads };

static void change_apply(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->change_apply(at[0], at[2], at[3], at[1], c->a, c->b);
}

static void base_rows(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->change_apply(at[0], at[1], at[2], NULL, c->a, c->b);
}

static void apply_in_place(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->change_apply(at[0], at[1], at[2], at[0], c->a, c->b);
}

static void change_from(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->change_from(at[0], at[1], at[2], at[3], c->a, c->b);
}

static void from_in_place(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->change_from(at[0], at[0], at[1], at[2], c->a, c->b);
}

static void from_nothing(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->change_from(at[0], NULL, NULL, NULL, c->a, c->b);
}

static void test_change_rows(void)
{
	for (size_t i = 0; i < SIZES; i++) {
		size_t rows = sizes[(i + 5) % SIZES], n = sizes[i] * (i % 3 ? 4 : 11), all = BASE_ROWS * n;
		struct call c = {.a = rows, .b = n};
		double spread = spreads[i % SPREADS];
		PARITY(change_apply, c, 1, exact, tensor_empty(F32, rows * n), tensor_random(F32, rows * n, spread),
			tensor_random(F32, all, 1), indices(rows, BASE_ROWS));
		PARITY(base_rows, c, 1, exact, tensor_empty(F32, rows * n), tensor_random(F32, all, 1),
			indices(rows, BASE_ROWS));
		PARITY(apply_in_place, c, 1, exact, tensor_random(F32, rows * n, 1), tensor_random(F32, all, 1),
			indices(rows, BASE_ROWS));
		PARITY(change_from, c, 1, exact, tensor_empty(F32, rows * n), tensor_random(F32, rows * n, 1),
			tensor_random(F32, all, 1), indices(rows, BASE_ROWS));
		PARITY(from_in_place, c, 1, exact, tensor_random(F32, rows * n, 1), tensor_random(F32, all, 1),
			indices(rows, BASE_ROWS));
		PARITY(from_nothing, c, 1, exact, tensor_empty(F32, rows * n));
	}
}

static void linear_change(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->linear_change(at[0], at[1], at[2], c->a, c->b, c->c, c->beta);
}

static struct tensor tensor_of_bf16(size_t count, double spread)
{
	struct tensor t = weight_random(DTYPE_BF16, count, 0, spread);
	t.type = F32;
	return t;
}

/* Factors of 8 bits are multiplied as exactly as any. */
static void change_product_case(size_t T, size_t in, size_t out, enum dtype dtype, double spread)
{
	struct call c = {.a = T, .b = in, .c = out}, added = c;
	added.beta = 1;
	PARITY(linear_change, c, 1, eight_bits, tensor_empty(F32, T * out), tensor_random(F32, T * in, spread),
		weight_random(dtype, out * in, 0, 1));
	PARITY(linear_change, c, 1, uncut_product, tensor_empty(F32, T * out), tensor_of_bf16(T * in, spread),
		weight_random(DTYPE_BF16, out * in, 0, 1));
	PARITY(linear_change, added, 1, uncut_product, tensor_random(F32, T * out, spread), tensor_of_bf16(T * in, spread),
		weight_random(DTYPE_BF16, out * in, 0, 1));
}

static void test_change_products(void)
{
	static const enum dtype types[] = {DTYPE_BF16, DTYPE_F16, DTYPE_F32};
	for (size_t i = 0; i < SIZES; i++)
		change_product_case(sizes[i], sizes[(i + 4) % SIZES], sizes[(i + 9) % SIZES], types[i % 3],
			spreads[i % SPREADS]);
	if (small)
		return;
	change_product_case(105, 2560, 1024, DTYPE_BF16, 1e-6);
	change_product_case(33, 5001, 1000, DTYPE_BF16, 1);
}

/* The parts of a bf16 weight that one product left serve the other. */
static void both_products(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->linear(at[0], at[1], at[2], c->a, c->b, c->c, 0);
	ops->linear_change(at[0], at[1], at[2], c->a, c->b, c->c, 1);
	ops->linear(at[0], at[1], at[2], c->a, c->b, c->c, 1);
}

static void test_shared_parts(void)
{
	struct call c = {.a = 17, .b = 4500, .c = 12};
	PARITY(both_products, c, 1, uncut_product, tensor_empty(F32, 17 * 12), tensor_of_bf16(17 * 4500, 1),
		weight_random(DTYPE_BF16, 12 * 4500, 0, 1));
}

static void rmsnorm_change(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->rmsnorm_change(at[0], at[1], at[2], at[3], at[4], 1e-6, c->a, c->b, c->c);
}

static void rmsnorm_in_place(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->rmsnorm_change(at[0], at[0], at[1], at[2], at[3], 1e-6, c->a, c->b, c->c);
}

static void norm_change_case(size_t rows, size_t heads, size_t n, double spread, double x_spread)
{
	struct call c = {.a = rows, .b = heads, .c = n};
	size_t count = rows * heads * n, all = BASE_ROWS * heads * n;
	PARITY(rmsnorm_change, c, 1, element_change, tensor_empty(F32, count), tensor_random(F32, count, spread),
		tensor_random(F32, all, x_spread), indices(rows, BASE_ROWS), weight_random(DTYPE_BF16, n, 1, 0.5));
	PARITY(rmsnorm_in_place, c, 1, element_change, tensor_random(F32, count, spread),
		tensor_random(F32, all, x_spread), indices(rows, BASE_ROWS), weight_random(DTYPE_BF16, n, 1, 0.5));
}

/* Changes that undo the row but for a thousandth of it. */
static void norm_undone_case(size_t n)
{
	struct call c = {.a = 3, .b = 2, .c = n};
	struct tensor x = tensor_random(F32, 3 * 2 * n, 3), d = tensor_empty(F32, 3 * 2 * n), base = indices(3, 1);
	for (size_t i = 0; i < d.count; i++)
		d.value[i] = (float)(-x.value[i] * (1 - 1e-3 * noise(1)));
	for (size_t r = 0; r < 3; r++)
		base.value[r] = (double)r;
	PARITY(rmsnorm_change, c, 1, element_change, tensor_empty(F32, 3 * 2 * n), d, x, base,
		weight_random(DTYPE_BF16, n, 1, 0.5));
}

/* Not rows of a few elements: a norm leaves next to nothing of a change of one. */
static void test_norm_changes(void)
{
	for (size_t i = 0; i < SIZES; i++)
		for (size_t k = 0; k < SPREADS; k++) {
			norm_change_case(sizes[(i + 5) % SIZES], 1 + i % 4, sizes[i] * (i % 3 ? 4 : 11), spreads[k], 3);
			norm_change_case(sizes[(i + 5) % SIZES], 1 + i % 4, sizes[i] + 14, spreads[k], k % 2 ? 1e-4 : 100);
		}
	norm_change_case(9, 8, 128, 1e-4, 3);
	norm_undone_case(128);
	norm_undone_case(2560);
}

static void swiglu_change(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->swiglu_change(at[0], at[1], at[2], at[3], at[4], at[5], c->a, c->b);
}

static void swiglu_over_gate(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->swiglu_change(at[0], at[0], at[1], at[2], at[3], at[4], c->a, c->b);
}

static void swiglu_over_up(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->swiglu_change(at[0], at[1], at[0], at[2], at[3], at[4], c->a, c->b);
}

static void swiglu_change_case(size_t rows, size_t n, double gate, double d_gate, double d_up)
{
	struct call c = {.a = rows, .b = n};
	size_t all = BASE_ROWS * n;
	PARITY(swiglu_change, c, 1, element_change, tensor_empty(F32, rows * n), tensor_random(F32, rows * n, d_gate),
		tensor_random(F32, rows * n, d_up), tensor_random(F32, all, gate), tensor_random(F32, all, 1),
		indices(rows, BASE_ROWS));
	PARITY(swiglu_over_gate, c, 1, element_change, tensor_random(F32, rows * n, d_gate),
		tensor_random(F32, rows * n, d_up), tensor_random(F32, all, gate), tensor_random(F32, all, 1),
		indices(rows, BASE_ROWS));
	PARITY(swiglu_over_up, c, 1, element_change, tensor_random(F32, rows * n, d_up),
		tensor_random(F32, rows * n, d_gate), tensor_random(F32, all, gate), tensor_random(F32, all, 1),
		indices(rows, BASE_ROWS));
}

static void test_swiglu_changes(void)
{
	for (size_t i = 0; i < SIZES; i++)
		for (size_t k = 0; k < SPREADS; k++)
			swiglu_change_case(sizes[(i + 5) % SIZES], sizes[i] * (i % 3 ? 4 : 1), k % 2 ? 8 : 150, spreads[k],
				spreads[(k + i) % SPREADS]);
	swiglu_change_case(7, 260, 8, 300, 10);
	swiglu_change_case(7, 260, 150, 300, 0);
}

/* ---- changes of attention ---- */

static void change_of_attention(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->attention_change(at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7], c->packing, c->a, c->b, c->c);
}

/* Each sequence somewhere in rows unchanged rows. */
static struct tensor sequence_bases(struct packing packing, size_t rows)
{
	struct tensor t = tensor_new(I32, (size_t)packing.start[packing.sequences]);
	for (size_t s = 0; s < packing.sequences; s++) {
		const size_t from = (size_t)packing.start[s], length = (size_t)packing.start[s + 1] - from;
		const size_t first = (size_t)(noise_bits() % (rows - length + 1));
		for (size_t i = 0; i < length; i++)
			t.value[from + i] = (double)(first + i);
	}
	return t;
}

static void attention_change_case(struct packing packing, size_t nh, size_t nk, size_t hd, double spread,
	double tolerance)
{
	size_t rows = (size_t)packing.start[packing.sequences], base = rows + 17;
	struct call c = {.a = nh, .b = nk, .c = hd, .packing = packing};
	PARITY(change_of_attention, c, 1, tolerance, tensor_empty(F32, rows * nh * hd),
		tensor_random(F32, rows * nh * hd, spread), tensor_random(F32, rows * nk * hd, spread),
		tensor_random(F32, rows * nk * hd, spread), tensor_random(F32, base * nh * hd, 1),
		tensor_random(F32, base * nk * hd, 1), tensor_random(F32, base * nk * hd, 1), sequence_bases(packing, base));
}

static void test_attention_changes(void)
{
	static const int32_t captions[] = {0, 13, 14, 45, 45, 77, 110, 126, 143, 206, 270, 335}, one[] = {0, 1};
	static const int32_t longer[] = {0, 700, 1211};
	static const struct packing all = {captions, 11};
	attention_change_case((struct packing){one, 1}, 1, 1, 2, 1, attention_change);
	for (size_t k = 0; k < SPREADS; k++) {
		attention_change_case(all, 4, 2, 64, spreads[k], attention_change);
		attention_change_case(all, 3, 1, 66, spreads[k], attention_change);
		attention_change_case(all, 8, 2, 128, spreads[k], attention_change);
		attention_change_case(all, 2, 2, 130, spreads[k], attention_change);
		attention_change_case(all, 2, 1, 256, spreads[k], attention_change);
	}
	attention_change_case(all, 8, 2, 128, 30, far_change);
	attention_change_case(all, 2, 1, 66, 300, far_change);
	if (!small)
		attention_change_case((struct packing){longer, 2}, 4, 1, 128, 1e-3, attention_change);
}

/* ---- changes of predictions ---- */

static void softmax(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->softmax(at[0], at[1], c->a, c->b);
}

static void softmax_in_place(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->softmax(at[0], at[0], c->a, c->b);
}

static void divergence(const struct ops *ops, const struct call *c, void *const *at)
{
	ops->divergence(at[0], at[1], at[2], at[3], at[4], c->c, at[5], c->a, c->b);
}

/* Softmax of logits, as the CPU makes it. */
static struct tensor predictions(size_t rows, size_t V)
{
	struct tensor t = tensor_random(F32, rows * V, 9);
	float *p = mem_array(t.count, sizeof *p);
	for (size_t i = 0; i < t.count; i++)
		p[i] = (float)t.value[i];
	ops_cpu()->softmax((dev_f32 *)p, (dev_f32 *)p, rows, V);
	for (size_t i = 0; i < t.count; i++)
		t.value[i] = p[i];
	free(p);
	return t;
}

/* Changes of the logits around a common one, which says nothing; the last row of several has a NaN. */
static void divergence_case(size_t rows, size_t V, double spread, double common)
{
	enum { FIRST = 5 };
	struct call c = {.a = rows, .b = V, .c = FIRST, .each = 1};
	struct tensor d = tensor_random(F32, rows * V, spread), base = indices(rows, BASE_ROWS), label = indices(rows, V);
	for (size_t i = 0; i < d.count; i++)
		d.value[i] = (float)(d.value[i] + common);
	for (size_t r = 0; r < rows; r++)
		base.value[r] += FIRST;
	for (size_t r = 0; r < rows; r += 3)
		label.value[r] = -1;
	if (rows > 3)
		d.value[rows * V - 1 - V / 2] = NAN;
	PARITY(divergence, c, 2, divergence_row, tensor_empty(F64, rows), tensor_empty(F64, rows),
		predictions(BASE_ROWS, V), d, base, label);
}

static void test_predictions(void)
{
	static const double sizes_of_changes[] = {1, 1e-3, 1e-6, 1e-12, 0, 30, 300};
	for (size_t i = 0; i <= SIZES - (size_t)small; i++) {
		size_t rows = i == SIZES ? 5 : sizes[(i + 3) % SIZES] % 40 + 1, V = i == SIZES ? 151936 : sizes[i] * 13;
		struct call c = {.a = rows, .b = V};
		PARITY(softmax, c, 1, softmax_row, tensor_empty(F32, rows * V), tensor_random(F32, rows * V, 9));
		PARITY(softmax_in_place, c, 1, softmax_row, tensor_random(F32, rows * V, 30));
		for (size_t k = 0; k < sizeof sizes_of_changes / sizeof *sizes_of_changes; k++)
			divergence_case(rows, V, sizes_of_changes[k], 0);
		divergence_case(rows, V, 1e-3, 2e-3);
		divergence_case(rows, V, 0.1, 7);
		divergence_case(rows, V, 0.1, -700);
	}
}

/* ---- changes: alone and in a stack ---- */

/* Rows first .. end-1 of tensors of which row r has width[i] elements; width 0: all of it. */
static void run_rows(operation *op, struct call c, const struct tensor *tensors, const size_t *width, size_t count,
	size_t first, size_t end, double **found)
{
	struct tensor part[TENSORS_MAX];
	const int32_t start[] = {0, (int32_t)(end - first)};
	for (size_t i = 0; i < count; i++) {
		part[i] = tensors[i];
		if (width[i]) {
			part[i].value += first * width[i];
			part[i].count = (end - first) * width[i];
		}
	}
	c.packing = c.packing.sequences ? (struct packing){start, 1} : c.packing;
	if (!c.packing.sequences)
		c.a = end - first;
	run(gpu, op, &c, part, count, 1, found, "alone");
}

/* Each run of rows that cut has, by itself. Takes the tensors. */
static void alone(const char *what, operation *op, struct call c, struct tensor *tensors, const size_t *width,
	size_t count, struct packing cut)
{
	double *stack, *one;
	run(gpu, op, &c, tensors, count, 1, &stack, what);
	for (size_t s = 0; s < cut.sequences; s++) {
		const size_t first = (size_t)cut.start[s], rows = (size_t)cut.start[s + 1] - first;
		if (!rows)
			continue;
		run_rows(op, c, tensors, width, count, first, first + rows, &one);
		CHECK(!memcmp(stack + first * *width, one, rows * *width * sizeof *one),
			"%s: rows %zu .. %zu have other bits alone", what, first, first + rows - 1);
		free(one);
	}
	free(stack);
	for (size_t i = 0; i < count; i++)
		free(tensors[i].value);
}

#define ALONE(op, call, widths, ...) \
	do { \
		struct tensor tensors_[] = {__VA_ARGS__}; \
		alone(#op, op, call, tensors_, (const size_t[]){UNPACK widths}, sizeof tensors_ / sizeof *tensors_, cut); \
	} while (0)
#define UNPACK(...) __VA_ARGS__

static void test_stacks(void)
{
	static const int32_t start[] = {0, 13, 14, 31, 31, 64, 97, 170, 171, 303};
	const struct packing cut = {start, 9};
	enum { ROWS = 303, N = 260, HEADS = 3, HD = 128, NH = 4, NK = 2, OUT = 516 };
	struct call c = {.a = ROWS, .b = N}, p = {.a = ROWS, .b = N, .c = OUT}, r = {.a = ROWS, .b = HEADS, .c = HD};
	struct call a = {.a = NH, .b = NK, .c = HD, .packing = cut}, v = {.a = ROWS, .b = N, .c = 0};
	ALONE(change_apply, c, (N, N, 0, 1), tensor_empty(F32, ROWS * N), tensor_random(F32, ROWS * N, 1e-2),
		tensor_random(F32, BASE_ROWS * N, 1), indices(ROWS, BASE_ROWS));
	ALONE(linear_change, p, (OUT, N, 0), tensor_empty(F32, ROWS * OUT), tensor_random(F32, ROWS * N, 1e-2),
		weight_random(DTYPE_BF16, OUT * N, 0, 1));
	ALONE(rmsnorm_change, r, (HEADS * HD, HEADS * HD, 0, 1, 0), tensor_empty(F32, ROWS * HEADS * HD),
		tensor_random(F32, ROWS * HEADS * HD, 1e-2), tensor_random(F32, BASE_ROWS * HEADS * HD, 1),
		indices(ROWS, BASE_ROWS), weight_random(DTYPE_BF16, HD, 1, 0.5));
	ALONE(swiglu_change, c, (N, N, N, 0, 0, 1), tensor_empty(F32, ROWS * N), tensor_random(F32, ROWS * N, 1e-2),
		tensor_random(F32, ROWS * N, 1e-2), tensor_random(F32, BASE_ROWS * N, 4),
		tensor_random(F32, BASE_ROWS * N, 1), indices(ROWS, BASE_ROWS));
	ALONE(change_of_attention, a, (NH * HD, NH * HD, NK * HD, NK * HD, 0, 0, 0, 1), tensor_empty(F32, ROWS * NH * HD),
		tensor_random(F32, ROWS * NH * HD, 1e-2), tensor_random(F32, ROWS * NK * HD, 1e-2),
		tensor_random(F32, ROWS * NK * HD, 1e-2), tensor_random(F32, ROWS * NH * HD, 1),
		tensor_random(F32, ROWS * NK * HD, 1), tensor_random(F32, ROWS * NK * HD, 1), sequence_bases(cut, ROWS));
	ALONE(divergence, v, (1, 1, 0, N, 1, 1), tensor_empty(F64, ROWS), tensor_empty(F64, ROWS),
		predictions(BASE_ROWS, N), tensor_random(F32, ROWS * N, 1e-2), indices(ROWS, BASE_ROWS), indices(ROWS, N));
}

/* ---- failures ---- */

static void test_sync(void)
{
	CHECK(!gpu->sync(), "%s", error_text());
}

static void test_skipped(void)
{
	check_left_out = 1;
}

#define GPU_TEST(test) check_run(#test, gpu ? test : test_skipped)

int main(int argc, char **argv)
{
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10);
	small = argc > 2 && !strcmp(argv[2], "small");
	printf("seed %llu\n", (unsigned long long)seed);
	gpu = ops_open("cuda");
	if (!gpu)
		fprintf(stderr, "skipped: all tests of the CUDA operations: %s\n", error_text());
	GPU_TEST(test_elementwise);
	GPU_TEST(test_products);
	GPU_TEST(test_difference_products);
	GPU_TEST(test_quantized_products);
	GPU_TEST(test_rewritten);
	GPU_TEST(test_rows);
	GPU_TEST(test_cross_entropy);
	GPU_TEST(test_attention);
	GPU_TEST(test_weight_quantizers);
	GPU_TEST(test_activation_quantizers);
	GPU_TEST(test_amax);
	GPU_TEST(test_sums);
	GPU_TEST(test_change_rows);
	GPU_TEST(test_change_products);
	GPU_TEST(test_shared_parts);
	GPU_TEST(test_norm_changes);
	GPU_TEST(test_swiglu_changes);
	GPU_TEST(test_attention_changes);
	GPU_TEST(test_predictions);
	GPU_TEST(test_stacks);
	GPU_TEST(test_sync);
	return check_done();
}
