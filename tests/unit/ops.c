/* The operations of the model against plain loops in double, on odd sizes, on every instance of the table; backward
 * operations against finite differences of the plain forward ones. Quantizers have a test of their own (fake_quant.c).
 *
 *     build/tests/ops [SEED]      another seed gives other numbers
 *
 * Every buffer has sentinels on both sides, and outputs hold NaN beforehand unless they are added to: what is not
 * written, or read without need, shows.
 */
#include "ops/ops.h"

#include <stdint.h>
#include <stdlib.h>

#include "../check.h"
#include "../support/ops_guarded.h"
#include "../support/plain_ops.h"
#include "common/error.h"
#include "common/memory.h"
#include "ops/exp.h"

static uint64_t seed = 20240611;
static const struct ops *ops;

/* Allowed difference, relative to the largest value of the result. */
static const double
	product_tolerance = 4e-6,  /* fp32 sums of up to 600 terms: sqrt(600) * 2^-24 with room */
	rounded_tolerance = 1.2e-7, /* fp64 inside, one rounding to fp32: 2^-23 */
	softmax_tolerance = 2e-6,  /* probabilities of fp32 scores */
	gradient_tolerance = 2e-5; /* the products behind a difference dP - D, and the finite difference itself */

static const size_t sizes[] = {1, 2, 7, 13, 31, 33, 65};

enum { SIZES = sizeof sizes / sizeof *sizes };

/* ---- Numbers and buffers ---- */

static uint64_t noise_bits(void)
{
	static uint64_t counter;
	uint64_t x = seed + ++counter * 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* In (-spread, spread), with 16 significant bits or so: exact in fp32. */
static float noise(double spread)
{
	return (float)(((double)(noise_bits() >> 48) - 32767.5) / 32768 * spread);
}

enum { EDGE = 16 };
static const float sentinel = 12345.678f;

/* An array on the host in double, and in a buffer. */
struct array {
	double *value;
	float *host;
	dev_f32 *memory, *at;
	size_t count;
};

static void array_upload(struct array *a)
{
	for (size_t i = 0; i < EDGE; i++)
		a->host[i] = a->host[EDGE + a->count + i] = sentinel;
	ops->upload(a->memory, a->host, (a->count + 2 * EDGE) * sizeof *a->host);
}

static struct array array_new(size_t count)
{
	struct array a = {.count = count};
	a.value = mem_array(count, sizeof *a.value);
	a.host = mem_array(count + 2 * EDGE, sizeof *a.host);
	a.memory = f32_alloc(ops, count + 2 * EDGE);
	a.at = f32_at(a.memory, EDGE);
	return a;
}

static struct array array_random(size_t count, double spread)
{
	struct array a = array_new(count);
	for (size_t i = 0; i < count; i++)
		a.value[i] = a.host[EDGE + i] = noise(spread);
	array_upload(&a);
	return a;
}

/* For an output: NaN. */
static struct array array_empty(size_t count)
{
	struct array a = array_new(count);
	for (size_t i = 0; i < count; i++)
		a.value[i] = a.host[EDGE + i] = NAN;
	array_upload(&a);
	return a;
}

static void array_free(struct array *a)
{
	ops->release(a->memory);
	free(a->value);
	free(a->host);
}

/* Downloads into a->host + EDGE and looks at the sentinels. */
static const float *array_result(struct array *a, const char *what)
{
	ops->download(a->host, a->memory, (a->count + 2 * EDGE) * sizeof *a->host);
	for (size_t i = 0; i < EDGE; i++)
		CHECK(a->host[i] == sentinel && a->host[EDGE + a->count + i] == sentinel, "%s: written outside", what);
	return a->host + EDGE;
}

/* Compares with expected[count]. */
static void array_check(struct array *a, const double *expected, double tolerance, const char *what)
{
	const float *found = array_result(a, what);
	double largest = 0;
	for (size_t i = 0; i < a->count; i++)
		largest = fmax(largest, fabs(expected[i]));
	for (size_t i = 0; i < a->count; i++)
		if (!(fabs(found[i] - expected[i]) <= tolerance * largest)) {
			CHECK(0, "%s of %s: element %zu of %zu is %.9g, expected %.9g within %g of %g", what, ops->name, i,
				a->count, found[i], expected[i], tolerance, largest);
			return;
		}
}

/* A weight of values that bf16 holds, so that every backend keeps them exactly. */
struct weight {
	double *value;
	dev_weight *at;
};

static struct weight weight_random(size_t count, double center, double spread)
{
	struct weight w = {mem_array(count, sizeof *w.value), ops->alloc(count * ops->weight_bytes)};
	float *wide = mem_array(count, sizeof *wide);
	uint16_t *narrow = mem_array(count, sizeof *narrow);
	for (size_t i = 0; i < count; i++)
		wide[i] = (float)center + noise(spread);
	dtype_narrow(DTYPE_BF16, wide, count, narrow);
	dtype_widen(DTYPE_BF16, narrow, count, wide);
	for (size_t i = 0; i < count; i++)
		w.value[i] = wide[i];
	ops->weight_load(w.at, narrow, DTYPE_BF16, count);
	free(wide);
	free(narrow);
	return w;
}

static void weight_free(struct weight *w)
{
	free(w->value);
	ops->release(w->at);
}

static dev_i32 *integers(const int32_t *host, size_t count)
{
	dev_i32 *p = ops->alloc(count * sizeof *host);
	ops->upload(p, host, count * sizeof *host);
	return p;
}

/* ---- Finite differences ---- */

/* The scalar sum_i weight[i] y[i] of a plain operation whose inputs the context holds. */
typedef double scalar(const void *context);

/* Checks the gradient of f with respect to x[count] in found: all elements, or 60 of them. */
static void gradient_check(struct array *found, scalar *f, const void *context, double *x, size_t count,
	double tolerance, const char *what)
{
	const double step = 1e-5;
	const float *g = array_result(found, what);
	double *expected = mem_array(count, sizeof *expected), largest = 0;
	size_t stride = count / 60 + 1;
	CHECK(found->count == count, "%s: %zu elements, expected %zu", what, found->count, count);
	for (size_t i = 0; i < count; i += stride) {
		double kept = x[i];
		x[i] = kept + step;
		expected[i] = f(context);
		x[i] = kept - step;
		expected[i] = (expected[i] - f(context)) / (2 * step);
		x[i] = kept;
		largest = fmax(largest, fabs(expected[i]));
	}
	for (size_t i = 0; i < count; i += stride)
		CHECK(fabs(g[i] - expected[i]) <= tolerance * largest + 1e-9,
			"%s of %s: element %zu of %zu is %.9g, expected %.9g", what, ops->name, i, count, g[i], expected[i]);
	for (size_t i = 0; i < count; i++)
		CHECK(isfinite(g[i]), "%s: element %zu is %g", what, i, g[i]);
	free(expected);
}

static double dot(const double *a, const double *b, size_t count)
{
	double sum = 0;
	for (size_t i = 0; i < count; i++)
		sum += a[i] * b[i];
	return sum;
}

/* ---- Tests ---- */

static void test_exp(void)
{
	double worst = 0;
	for (int i = -700000; i <= 700000; i++) {
		double x = i / 1000.0 + (double)(i % 7) * 1e-5, expected = exp(x);
		double error = fabs(exp_double(x) - expected) / expected;
		if (!(error <= worst))
			worst = error;
	}
	CHECK(worst <= 4.5e-16, "relative error %g", worst);
	CHECK(exp_double(0) == 1, "exp(0) is %.17g", exp_double(0));
	CHECK(isnan(exp_double(NAN)) && isnan(exp_double(-NAN)), "NaN gives %g", exp_double(NAN));
	CHECK((float)exp_double(-INFINITY) == 0 && (float)exp_double(-1e30) == 0, "exp(-inf) is %g", exp_double(-INFINITY));
	CHECK(isinf((float)exp_double(INFINITY)), "exp(inf) is %g", exp_double(INFINITY));
}

/* Every type, at every alignment. */
static void test_weight_load(void)
{
	static const enum dtype types[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};
	enum { COUNT = 67 };
	float values[COUNT];
	unsigned char bytes[COUNT * 4 + 8];
	for (size_t i = 0; i < COUNT; i++)
		values[i] = (float)((int)(noise_bits() % 256) - 128) / 64;
	for (size_t t = 0; t < 3; t++)
		for (size_t shift = 0; shift < 4; shift++) {
			const int32_t ids[] = {0};
			struct array out = array_empty(COUNT);
			dev_weight *w = ops->alloc(COUNT * ops->weight_bytes);
			dev_i32 *id = integers(ids, 1);
			double expected[COUNT];
			dtype_narrow(types[t], values, COUNT, bytes + shift);
			ops->weight_load(w, bytes + shift, types[t], COUNT);
			ops->embed(out.at, w, id, 1, COUNT);
			for (size_t i = 0; i < COUNT; i++)
				expected[i] = values[i];
			array_check(&out, expected, 0, dtype_name(types[t]));
			ops->release(w);
			ops->release(id);
			array_free(&out);
		}
}

static void test_embed(void)
{
	const int32_t ids[] = {3, 0, 4, 4, 1};
	for (size_t i = 0; i < SIZES; i++) {
		size_t H = sizes[i];
		struct weight table = weight_random(5 * H, 0, 1);
		struct array out = array_empty(5 * H);
		dev_i32 *device = integers(ids, 5);
		double *expected = mem_array(5 * H, sizeof *expected);
		for (size_t t = 0; t < 5; t++)
			memcpy(expected + t * H, table.value + (size_t)ids[t] * H, H * sizeof *expected);
		ops->embed(out.at, table.at, device, 5, H);
		array_check(&out, expected, 0, "embed");
		free(expected);
		ops->release(device);
		array_free(&out);
		weight_free(&table);
	}
}

static void linear_case(size_t T, size_t in, size_t out, int beta)
{
	struct array x = array_random(T * in, 1), dx = beta ? array_random(T * in, 1) : array_empty(T * in);
	struct array y = beta ? array_random(T * out, 1) : array_empty(T * out), dy = array_random(T * out, 1);
	struct weight W = weight_random(out * in, 0, 1);
	double *expected = mem_array(T * out, sizeof *expected), *across = mem_array(in * out, sizeof *across);
	double *expected_dx = mem_array(T * in, sizeof *expected_dx);
	for (size_t o = 0; o < out; o++)
		for (size_t i = 0; i < in; i++)
			across[i * out + o] = W.value[o * in + i];
	plain_linear(expected, x.value, W.value, T, in, out);
	plain_linear(expected_dx, dy.value, across, T, out, in);
	for (size_t i = 0; beta && i < T * out; i++)
		expected[i] += y.value[i];
	for (size_t i = 0; beta && i < T * in; i++)
		expected_dx[i] += dx.value[i];
	ops->linear(y.at, x.at, W.at, T, in, out, (float)beta);
	ops->linear_backward(dx.at, dy.at, W.at, T, in, out, (float)beta);
	array_check(&y, expected, product_tolerance, "linear");
	array_check(&dx, expected_dx, product_tolerance, "linear_backward");
	free(expected);
	free(expected_dx);
	free(across);
	weight_free(&W);
	array_free(&x);
	array_free(&y);
	array_free(&dx);
	array_free(&dy);
}

static void test_linear(void)
{
	for (size_t i = 0; i < SIZES; i++)
		for (size_t j = 0; j < SIZES; j++) {
			linear_case(sizes[i], sizes[j], sizes[(i + j) % SIZES], (int)(i + j) % 2);
			linear_case(sizes[i], 600, sizes[j], (int)j % 2);
		}
}

struct norm_case {
	size_t rows, n;
	double eps;
	double *x, *w, *dy, *y;
};

static double norm_scalar(const void *context)
{
	const struct norm_case *c = context;
	plain_rmsnorm(c->y, c->x, c->w, c->eps, c->rows, c->n);
	return dot(c->y, c->dy, c->rows * c->n);
}

/* The gradient by beta 0, by beta 1 (which adds what was there), and in place. */
static void norm_backward_check(const struct norm_case *c, struct array *x, struct array *dy, struct weight *w)
{
	size_t count = c->rows * c->n;
	struct array dx = array_empty(count), sum = array_random(count, 4);
	double *expected = mem_array(count, sizeof *expected);
	ops->rmsnorm_backward(dx.at, dy->at, x->at, w->at, c->eps, c->rows, c->n, 0);
	gradient_check(&dx, norm_scalar, c, x->value, count, 2e-7, "rmsnorm_backward");
	for (size_t i = 0; i < count; i++)
		expected[i] = (double)dx.host[EDGE + i] + sum.value[i];
	ops->rmsnorm_backward(sum.at, dy->at, x->at, w->at, c->eps, c->rows, c->n, 1);
	array_check(&sum, expected, 2 * rounded_tolerance, "rmsnorm_backward added");
	for (size_t i = 0; i < count; i++)
		expected[i] = dx.host[EDGE + i];
	ops->rmsnorm_backward(dy->at, dy->at, x->at, w->at, c->eps, c->rows, c->n, 0);
	array_check(dy, expected, 0, "rmsnorm_backward in place");
	free(expected);
	array_free(&dx);
	array_free(&sum);
}

static void test_rmsnorm(void)
{
	for (size_t i = 0; i < SIZES; i++)
		for (size_t j = 0; j < SIZES; j++) {
			size_t rows = sizes[i], n = sizes[j];
			struct array x = array_random(rows * n, 3), y = array_empty(rows * n), dy = array_random(rows * n, 1);
			struct weight w = weight_random(n, 1, 0.5);
			struct norm_case c = {rows, n, j % 2 ? 1e-6 : 0.1, x.value, w.value, dy.value, y.value};
			norm_scalar(&c);
			ops->rmsnorm(y.at, x.at, w.at, c.eps, rows, n);
			array_check(&y, c.y, rounded_tolerance, "rmsnorm");
			norm_backward_check(&c, &x, &dy, &w);
			norm_scalar(&c);
			ops->rmsnorm(x.at, x.at, w.at, c.eps, rows, n);
			array_check(&x, c.y, rounded_tolerance, "rmsnorm in place");
			weight_free(&w);
			array_free(&x);
			array_free(&y);
			array_free(&dy);
		}
}

/* Positions of packed sequences, in any order, far away. */
static void test_rope(void)
{
	static const size_t widths[] = {2, 6, 64, 128};
	int32_t position[33];
	for (size_t i = 0; i < SIZES - 1; i++)
		for (size_t j = 0; j < 4; j++) {
			size_t T = sizes[i], heads = 1 + i % 3, hd = widths[j];
			struct array x = array_random(T * heads * hd, 2);
			double *original = mem_array(x.count, sizeof *original);
			memcpy(original, x.value, x.count * sizeof *original);
			for (size_t t = 0; t < T; t++)
				position[t] = t % 5 == 4 ? (int32_t)(noise_bits() % 262144) : (int32_t)(t % 5 == 3 ? T : t % 8);
			dev_i32 *device = integers(position, T);
			plain_rope(x.value, position, 5e6, T, heads, hd);
			ops->rope(x.at, device, 5e6, T, heads, hd, 1);
			array_check(&x, x.value, rounded_tolerance, "rope");
			ops->rope(x.at, device, 5e6, T, heads, hd, -1);
			array_check(&x, original, 2 * rounded_tolerance, "rope and back");
			ops->release(device);
			free(original);
			array_free(&x);
		}
}

struct attention_case {
	struct packing packing;
	size_t nh, nk, hd, T;
	double *q, *k, *v, *dO, *o;
};

static double attention_scalar(const void *context)
{
	const struct attention_case *c = context;
	plain_attention(c->o, NULL, c->q, c->k, c->v, c->packing.start, c->packing.sequences, c->nh, c->nk, c->hd);
	return dot(c->o, c->dO, c->T * c->nh * c->hd);
}

static void attention_case(struct packing packing, size_t nh, size_t nk, size_t hd)
{
	size_t T = (size_t)packing.start[packing.sequences], queries = T * nh * hd, keys = T * nk * hd;
	struct array q = array_random(queries, 3), k = array_random(keys, 3), v = array_random(keys, 1);
	struct array dO = array_random(queries, 1), o = array_empty(queries), lse = array_empty(T * nh);
	struct array dq = array_empty(queries), dk = array_empty(keys), dv = array_empty(keys);
	struct attention_case c = {packing, nh, nk, hd, T, q.value, k.value, v.value, dO.value, o.value};
	plain_attention(o.value, lse.value, c.q, c.k, c.v, packing.start, packing.sequences, nh, nk, hd);
	ops->attention(o.at, lse.at, q.at, k.at, v.at, packing, nh, nk, hd);
	array_check(&o, o.value, softmax_tolerance, "attention");
	array_check(&lse, lse.value, softmax_tolerance, "attention lse");
	ops->attention_backward(dq.at, dk.at, dv.at, dO.at, o.at, lse.at, q.at, k.at, v.at, packing, nh, nk, hd);
	gradient_check(&dq, attention_scalar, &c, q.value, queries, gradient_tolerance, "attention dq");
	gradient_check(&dk, attention_scalar, &c, k.value, keys, gradient_tolerance, "attention dk");
	gradient_check(&dv, attention_scalar, &c, v.value, keys, gradient_tolerance, "attention dv");
	struct array *all[] = {&q, &k, &v, &dO, &o, &lse, &dq, &dk, &dv};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		array_free(all[i]);
}

static void test_attention(void)
{
	static const int32_t one[] = {0, 1}, pair[] = {0, 2}, mixed[] = {0, 13, 14, 16, 47}, tile[] = {0, 64, 129},
		tiles[] = {0, 1, 131};
	attention_case((struct packing){one, 1}, 1, 1, 2);
	attention_case((struct packing){pair, 1}, 2, 1, 8);
	attention_case((struct packing){mixed, 4}, 6, 2, 64);
	attention_case((struct packing){mixed, 4}, 3, 3, 7);
	attention_case((struct packing){mixed, 4}, 4, 2, 128);
	attention_case((struct packing){tile, 2}, 3, 1, 6);
	attention_case((struct packing){tiles, 2}, 2, 2, 10);
}

/* The bits of a sequence do not depend on its neighbours. */
static void test_attention_alone(void)
{
	static const int32_t start[] = {0, 70, 83, 84, 200};
	enum { NH = 4, NK = 2, HD = 16, T = 200 };
	struct packing all = {start, 4};
	struct array q = array_random(T * NH * HD, 3), k = array_random(T * NK * HD, 3), v = array_random(T * NK * HD, 1);
	struct array o[2], lse[2], dq[2], dk[2], dv[2];
	for (int i = 0; i < 2; i++) {
		o[i] = array_empty(q.count), lse[i] = array_empty(T * NH);
		dq[i] = array_empty(q.count), dk[i] = array_empty(k.count), dv[i] = array_empty(k.count);
	}
	ops->attention(o[0].at, lse[0].at, q.at, k.at, v.at, all, NH, NK, HD);
	ops->attention_backward(dq[0].at, dk[0].at, dv[0].at, q.at, o[0].at, lse[0].at, q.at, k.at, v.at, all, NH, NK, HD);
	for (size_t s = 0; s < all.sequences; s++) {
		const int32_t alone[] = {0, start[s + 1] - start[s]};
		size_t row = (size_t)start[s], Q = row * NH * HD, K = row * NK * HD;
		struct packing single = {alone, 1};
		ops->attention(f32_at(o[1].at, Q), f32_at(lse[1].at, row * NH), f32_at(q.at, Q), f32_at(k.at, K),
			f32_at(v.at, K), single, NH, NK, HD);
		ops->attention_backward(f32_at(dq[1].at, Q), f32_at(dk[1].at, K), f32_at(dv[1].at, K), f32_at(q.at, Q),
			f32_at(o[1].at, Q), f32_at(lse[1].at, row * NH), f32_at(q.at, Q), f32_at(k.at, K), f32_at(v.at, K), single,
			NH, NK, HD);
	}
	struct array *pairs[] = {o, lse, dq, dk, dv};
	for (size_t i = 0; i < 5; i++) {
		const float *a = array_result(&pairs[i][0], "packed"), *b = array_result(&pairs[i][1], "alone");
		CHECK(!memcmp(a, b, pairs[i][0].count * sizeof *a), "result %zu differs", i);
		array_free(&pairs[i][0]);
		array_free(&pairs[i][1]);
	}
	array_free(&q);
	array_free(&k);
	array_free(&v);
}

/* 4096 tokens in one sequence; a few rows are compared, through a packing of one sequence that ends there. */
static void test_attention_long(void)
{
	enum { T = 4096, HD = 4 };
	static const int32_t start[] = {0, T};
	struct array q = array_random(T * HD, 3), k = array_random(T * HD, 3), v = array_random(T * HD, 1);
	struct array o = array_empty(T * HD), lse = array_empty(T), dq = array_empty(T * HD), dk = array_empty(T * HD),
		dv = array_empty(T * HD);
	struct packing packing = {start, 1};
	ops->attention(o.at, lse.at, q.at, k.at, v.at, packing, 1, 1, HD);
	plain_attention(o.value, lse.value, q.value, k.value, v.value, start, 1, 1, 1, HD);
	array_check(&o, o.value, softmax_tolerance, "long attention");
	ops->attention_backward(dq.at, dk.at, dv.at, q.at, o.at, lse.at, q.at, k.at, v.at, packing, 1, 1, HD);
	/* Shifting all keys alike changes no softmax, and probabilities sum to 1. */
	const float *gk = array_result(&dk, "long dk"), *gv = array_result(&dv, "long dv");
	for (size_t c = 0; c < HD; c++) {
		double sum = 0, size = 0, value = 0, expected = 0;
		for (size_t t = 0; t < T; t++) {
			sum += gk[t * HD + c];
			size += fabs(gk[t * HD + c]);
			value += gv[t * HD + c];
			expected += q.value[t * HD + c];
		}
		CHECK(fabs(sum) <= 1e-5 * size, "dk sums to %g of %g", sum, size);
		CHECK(fabs(value - expected) <= 1e-2, "dv sums to %g, expected %g", value, expected);
	}
	struct array *all[] = {&q, &k, &v, &o, &lse, &dq, &dk, &dv};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		array_free(all[i]);
}

struct swiglu_case {
	size_t n;
	double *g, *u, *da, *a;
};

static double swiglu_scalar(const void *context)
{
	const struct swiglu_case *c = context;
	plain_swiglu(c->a, c->g, c->u, c->n);
	return dot(c->a, c->da, c->n);
}

static void test_swiglu(void)
{
	for (size_t i = 0; i < SIZES; i++) {
		size_t n = sizes[i];
		struct array g = array_random(n, 6), u = array_random(n, 2), da = array_random(n, 1);
		struct array a = array_empty(n), dg = array_empty(n), du = array_empty(n);
		struct swiglu_case c = {n, g.value, u.value, da.value, a.value};
		swiglu_scalar(&c);
		ops->swiglu(a.at, g.at, u.at, n);
		array_check(&a, a.value, rounded_tolerance, "swiglu");
		ops->swiglu_backward(dg.at, du.at, da.at, g.at, u.at, n);
		gradient_check(&dg, swiglu_scalar, &c, g.value, n, 1e-6, "swiglu dg");
		gradient_check(&du, swiglu_scalar, &c, u.value, n, 1e-6, "swiglu du");
		struct array *all[] = {&g, &u, &da, &a, &dg, &du};
		for (size_t j = 0; j < 6; j++)
			array_free(all[j]);
	}
}

/* Where exp() overflows, silu is 0 or its argument, and its slope 0 or 1. */
static void test_swiglu_far(void)
{
	static const float far[] = {0, -0.0f, 90, -90, 1e4f, -1e4f, 3e38f, -3e38f, NAN};
	static const double silu[] = {0, 0, 90, 0, 1e4, 0, 3e38f, 0}, slope[] = {0.5, 0.5, 1, 0, 1, 0, 1, 0};
	struct array g = array_empty(9), u = array_empty(9), a = array_empty(9), dg = array_empty(9), du = array_empty(9);
	for (size_t i = 0; i < 9; i++) {
		g.host[EDGE + i] = far[i];
		u.host[EDGE + i] = 1;
	}
	array_upload(&g);
	array_upload(&u);
	ops->swiglu(a.at, g.at, u.at, 9);
	ops->swiglu_backward(dg.at, du.at, u.at, g.at, u.at, 9);
	const float *found = array_result(&a, "swiglu"), *dgs = array_result(&dg, "dg"), *dus = array_result(&du, "du");
	for (size_t i = 0; i < 8; i++) {
		CHECK(fabs(found[i] - silu[i]) <= 1e-30, "silu(%g) is %g, expected %g", far[i], found[i], silu[i]);
		CHECK(fabs(dus[i] - silu[i]) <= 1e-30, "du at %g is %g, expected %g", far[i], dus[i], silu[i]);
		CHECK(fabs(dgs[i] - slope[i]) <= 1e-30, "slope at %g is %g, expected %g", far[i], dgs[i], slope[i]);
	}
	CHECK(isnan(found[8]) && isnan(dgs[8]) && isnan(dus[8]), "NaN gives %g, %g, %g", found[8], dgs[8], dus[8]);
	struct array *all[] = {&g, &u, &a, &dg, &du};
	for (size_t i = 0; i < 5; i++)
		array_free(all[i]);
}

static void test_add(void)
{
	for (size_t i = 0; i < SIZES; i++) {
		size_t n = sizes[i];
		struct array a = array_random(n, 1), b = array_random(n, 1), y = array_empty(n);
		for (size_t j = 0; j < n; j++)
			y.value[j] = a.value[j] + b.value[j];
		ops->add(y.at, a.at, b.at, n);
		array_check(&y, y.value, rounded_tolerance, "add");
		ops->add(a.at, a.at, b.at, n);
		array_check(&a, y.value, rounded_tolerance, "add to the first");
		for (size_t j = 0; j < n; j++)
			y.value[j] += b.value[j];
		ops->add(b.at, a.at, b.at, n);
		array_check(&b, y.value, 2 * rounded_tolerance, "add to the second");
		array_free(&a);
		array_free(&b);
		array_free(&y);
	}
}

struct entropy_case {
	size_t T, V;
	double scale, *logits;
	const int32_t *label;
};

static double entropy_scalar(const void *context)
{
	const struct entropy_case *c = context;
	return c->scale * plain_cross_entropy(c->logits, c->label, c->T, c->V);
}

/* Runs it with the same scale for every row, and returns the sum of the losses. */
static double entropy_run(dev_f32 *d, const dev_f32 *z, const dev_i32 *label, double scale, size_t T, size_t V)
{
	double *host = mem_array(T, sizeof *host), sum = 0;
	dev_f64 *scales = ops->alloc(T * sizeof *host), *loss = ops->alloc(T * sizeof *host);
	for (size_t t = 0; t < T; t++)
		host[t] = scale;
	ops->upload(scales, host, T * sizeof *host);
	ops->cross_entropy(d, loss, z, label, scales, T, V);
	ops->download(host, loss, T * sizeof *host);
	for (size_t t = 0; t < T; t++)
		sum += host[t];
	ops->release(scales);
	ops->release(loss);
	free(host);
	return sum;
}

static void entropy_case(size_t T, size_t V, double spread)
{
	struct array z = array_random(T * V, spread), d = array_empty(T * V);
	int32_t *label = mem_array(T, sizeof *label);
	struct entropy_case c = {T, V, 0.125, z.value, label};
	for (size_t t = 0; t < T; t++)
		label[t] = t % 4 == 3 ? -1 : (int32_t)(noise_bits() % V);
	dev_i32 *device = integers(label, T);
	double loss = entropy_run(d.at, z.at, device, c.scale, T, V);
	CHECK(fabs(c.scale * loss - entropy_scalar(&c)) <= 1e-12 * spread * (double)T,
		"loss of [%zu, %zu] is %.15g, expected %.15g", T, V, c.scale * loss, entropy_scalar(&c));
	gradient_check(&d, entropy_scalar, &c, z.value, T * V, 1e-6, "cross_entropy");
	for (size_t t = 3; t < T; t += 4)
		for (size_t i = 0; i < V; i++)
			CHECK(d.host[EDGE + t * V + i] == 0, "gradient without a target at row %zu", t);
	for (size_t i = 0; i < T * V; i++)
		d.value[i] = d.host[EDGE + i];
	double again = entropy_run(z.at, z.at, device, c.scale, T, V);
	CHECK(again == loss, "in place the loss is %.17g, not %.17g", again, loss);
	array_check(&z, d.value, 0, "cross_entropy in place");
	ops->release(device);
	free(label);
	array_free(&z);
	array_free(&d);
}

static void test_cross_entropy(void)
{
	for (size_t i = 0; i < SIZES; i++)
		for (size_t j = 0; j < SIZES; j++)
			entropy_case(sizes[i], sizes[j], 5);
	entropy_case(3, 1025, 5);
	entropy_case(5, 13, 1000);
}

static void test_cross_entropy_nan(void)
{
	struct array z = array_random(39, 1);
	const int32_t label[] = {1, 2, 3};
	dev_i32 *device = integers(label, 3);
	z.host[EDGE + 20] = NAN;
	array_upload(&z);
	double loss = entropy_run(z.at, z.at, device, 1, 3, 13);
	CHECK(isnan(loss), "NaN among the logits gives a loss of %g", loss);
	ops->release(device);
	array_free(&z);
}

/* ---- Errors of outputs ---- */

/* Rows of five sums between sentinels, which output_error adds to. */
struct row_sums {
	double *host;               /* [EDGE + OUTPUT_SUMS T + EDGE] */
	dev_f64 *memory, *at;
	size_t count;               /* OUTPUT_SUMS T */
};

static struct row_sums row_sums_random(size_t T)
{
	struct row_sums s = {.count = OUTPUT_SUMS * T};
	s.host = mem_array(s.count + 2 * EDGE, sizeof *s.host);
	for (size_t i = 0; i < s.count + 2 * EDGE; i++)
		s.host[i] = i < EDGE || i >= EDGE + s.count ? (double)sentinel : fabs((double)noise(1));
	s.memory = ops->alloc((s.count + 2 * EDGE) * sizeof *s.host);
	s.at = f64_at(s.memory, EDGE);
	ops->upload(s.memory, s.host, (s.count + 2 * EDGE) * sizeof *s.host);
	return s;
}

/* What a plain loop adds to the sums of a row. */
static void plain_output_row(double *sums, const double *d, const double *g, const double *y, size_t cols)
{
	for (size_t c = 0; c < cols; c++) {
		sums[0] += g[c] * d[c] * (g[c] * d[c]);
		sums[1] += d[c] * d[c];
		sums[2] += y[c] * y[c];
		sums[3] += y[c] * (y[c] + d[c]);
		sums[4] = fmax(sums[4], fabs(d[c]));
	}
}

static void row_sums_check(struct row_sums *found, const double *expected, size_t cols)
{
	ops->download(found->host, found->memory, (found->count + 2 * EDGE) * sizeof *found->host);
	for (size_t i = 0; i < EDGE; i++)
		CHECK(found->host[i] == (double)sentinel && found->host[EDGE + found->count + i] == (double)sentinel,
			"output_error: written outside");
	for (size_t i = 0; i < found->count; i++) {
		double f = found->host[EDGE + i], e = expected[i];
		/* The one sum of both signs is compared with what it is made of. */
		double size = i % OUTPUT_SUMS == 3 ? fabs(e) + expected[i - 1] : fabs(e);
		CHECK(fabs(f - e) <= (i % OUTPUT_SUMS == 4 ? 0 : 1e-14 * size),
			"output_error of %s, %zu columns: sum %zu of row %zu is %.17g, expected %.17g", ops->name, cols,
			i % OUTPUT_SUMS, i / OUTPUT_SUMS, f, e);
	}
}

static void output_error_case(size_t T, size_t cols)
{
	const size_t stride = cols + 9, col0 = 4;
	struct array d = array_random(T * cols, 1), g = array_random(T * stride, 2), y = array_random(T * stride, 3);
	struct array e = array_random(T * cols, 0.01);
	const int two = cols % 2;
	struct row_sums sums = row_sums_random(T), alone = row_sums_random(1);
	double *expected = mem_array(sums.count, sizeof *expected), *first = mem_array(OUTPUT_SUMS, sizeof *first);
	memcpy(expected, sums.host + EDGE, sums.count * sizeof *expected);
	memcpy(first, alone.host + EDGE, OUTPUT_SUMS * sizeof *first);
	/* The last row alone: the same bits as among others. */
	size_t last = T - 1;
	ops->upload(f64_at(sums.at, OUTPUT_SUMS * last), first, OUTPUT_SUMS * sizeof *first);
	memcpy(expected + OUTPUT_SUMS * last, first, OUTPUT_SUMS * sizeof *first);
	for (size_t i = 0; i < T * cols && two; i++)
		e.value[i] = (float)d.value[i] + (float)e.value[i];
	ops->output_error(sums.at, d.at, two ? e.at : NULL, g.at, y.at, T, cols, stride, col0);
	ops->output_error(alone.at, f32_at(d.at, last * cols), two ? f32_at(e.at, last * cols) : NULL,
		f32_at(g.at, last * stride), f32_at(y.at, last * stride), 1, cols, stride, col0);
	for (size_t t = 0; t < T; t++)
		plain_output_row(expected + OUTPUT_SUMS * t, (two ? e.value : d.value) + t * cols, g.value + t * stride + col0,
			y.value + t * stride + col0, cols);
	row_sums_check(&sums, expected, cols);
	row_sums_check(&alone, expected + OUTPUT_SUMS * last, cols);
	CHECK(!memcmp(sums.host + EDGE + OUTPUT_SUMS * last, alone.host + EDGE, OUTPUT_SUMS * sizeof *first),
		"a row of %zu columns has other bits alone", cols);
	ops->release(sums.memory), ops->release(alone.memory);
	free(sums.host), free(alone.host), free(expected), free(first);
	array_free(&d), array_free(&e), array_free(&g), array_free(&y);
}

static void test_output_error(void)
{
	for (size_t t = 0; t < 3; t++)
		for (size_t i = 0; i < SIZES; i++)
			output_error_case(sizes[t], sizes[i]);
	output_error_case(3, 64);
	output_error_case(2, 515);
}

/* A change that is no number shows in its row's sums alone, and not as the largest. */
static void test_output_error_nan(void)
{
	struct array d = array_random(3 * 33, 1), g = array_random(3 * 33, 1), y = array_random(3 * 33, 1);
	struct row_sums sums = row_sums_random(3);
	d.host[EDGE + 33 + 32] = NAN;
	array_upload(&d);
	ops->output_error(sums.at, d.at, NULL, g.at, y.at, 3, 33, 33, 0);
	ops->download(sums.host, sums.memory, (sums.count + 2 * EDGE) * sizeof *sums.host);
	for (size_t t = 0; t < 3; t++) {
		const double *s = sums.host + EDGE + OUTPUT_SUMS * t;
		CHECK(isnan(s[0]) == (t == 1) && isnan(s[1]) == (t == 1) && isnan(s[3]) == (t == 1), "row %zu: %g %g %g", t,
			s[0], s[1], s[3]);
		CHECK(isfinite(s[2]) && isfinite(s[4]), "row %zu: %g %g", t, s[2], s[4]);
	}
	ops->release(sums.memory);
	free(sums.host);
	array_free(&d), array_free(&g), array_free(&y);
}

/* Twice the same gives the same bits, on whatever thread. */
struct repeat {
	struct array x[8];
	struct weight *W;
	dev_f32 *y[8];
};

static int repeat_piece(void *context, size_t index, size_t worker)
{
	struct repeat *r = context;
	(void)worker;
	ops->linear(r->y[index], r->x[index].at, r->W->at, 13, 65, 33, 0);
	return 0;
}

static void test_threads(void)
{
	struct weight W = weight_random(33 * 65, 0, 1);
	struct array y[8], one = array_random(13 * 65, 1);
	struct repeat r = {.W = &W};
	for (size_t i = 0; i < 8; i++) {
		r.x[i] = one;
		y[i] = array_empty(13 * 33);
		r.y[i] = y[i].at;
	}
	CHECK(!ops->for_each(8, repeat_piece, &r), "%s", error_text());
	CHECK(!ops->sync(), "%s", error_text());
	const float *first = array_result(&y[0], "first");
	for (size_t i = 0; i < 8; i++) {
		CHECK(!memcmp(first, array_result(&y[i], "other"), 13 * 33 * sizeof *first), "piece %zu differs", i);
		if (i)
			array_free(&y[i]);
	}
	array_free(&y[0]);
	array_free(&one);
	weight_free(&W);
}

static void test_no_gpu(void)
{
	char why[600];
	snprintf(why, sizeof why, "the CUDA instance: %s", error_text());
	check_skip(why);
}

/* A kernel that failed would show in what it did not write, but its message is here. */
static void test_sync(void)
{
	CHECK(!ops->sync(), "%s", error_text());
}

static void test_nothing_held(void)
{
	CHECK(!ops_guarded_live(), "%zu buffers were not released", ops_guarded_live());
}

int main(int argc, char **argv)
{
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10);
	printf("seed %llu\n", (unsigned long long)seed);
	const struct ops *instances[] = {ops_cpu(), ops_guarded(), ops_open("cuda")};
	TEST(test_exp);
	for (size_t i = 0; i < 3; i++) {
		ops = instances[i];
		if (!ops) {
			TEST(test_no_gpu);
			continue;
		}
		TEST(test_weight_load);
		TEST(test_embed);
		TEST(test_linear);
		TEST(test_rmsnorm);
		TEST(test_rope);
		TEST(test_attention);
		TEST(test_attention_alone);
		TEST(test_attention_long);
		TEST(test_swiglu);
		TEST(test_swiglu_far);
		TEST(test_add);
		TEST(test_cross_entropy);
		TEST(test_cross_entropy_nan);
		TEST(test_output_error);
		TEST(test_output_error_nan);
		TEST(test_threads);
		TEST(test_sync);
	}
	TEST(test_nothing_held);
	return check_done();
}
