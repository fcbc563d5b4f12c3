/* The operations on changes against differences of plain loops in long double: changes from far below the digits of
 * fp32 to far above the values they change, on odd sizes, with base rows in any order and shared.
 *
 *     build/tests/change [SEED]      another seed gives other numbers
 *
 * Every buffer has sentinels on both sides, and outputs hold NaN beforehand.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../check.h"
#include "../support/ops_guarded.h"
#include "common/memory.h"
#include "ops/exp.h"
#include "ops/ops.h"

static uint64_t seed = 20250601;
static const struct ops *ops;

/* Allowed difference, relative to what is said beside it. */
static const double
	rounded_tolerance = 1.5e-7,  /* fp64 inside, one rounding to fp32 */
	product_tolerance = 1e-5;    /* fp32 products before a function of them, beside the largest result */

/* Of changes, beside values of 1 or so. */
static const double scales[] = {0, 1e-12, 1e-7, 1e-3, 0.3, 1, 30};

enum { SCALES = sizeof scales / sizeof *scales, BASES = 7, EDGE = 16 };

static const size_t sizes[] = {1, 2, 7, 16, 33, 65};

enum { SIZES = sizeof sizes / sizeof *sizes };

/* Rows of the unquantized model that rows of a stack belong to. */
static const int32_t bases[] = {3, 4, 5, 0, 6, 0, 1, 2, 3, 6, 6};

enum { ROWS = sizeof bases / sizeof *bases };

/* ---- numbers and buffers ---- */

static double noise(double spread)
{
	static uint64_t counter;
	uint64_t x = seed + ++counter * 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return ((double)(int64_t)(x ^ x >> 31)) / 9.3e18 * spread;
}

static const float sentinel = 12345.678f;

struct array {
	float *host;     /* [EDGE + count + EDGE] */
	float *value;    /* host + EDGE */
	dev_f32 *memory, *at;
	size_t count;
};

static struct array array_random(size_t count, double spread)
{
	struct array a = {mem_array(count + 2 * EDGE, sizeof *a.host), NULL, f32_alloc(ops, count + 2 * EDGE), NULL, count};
	a.value = a.host + EDGE;
	a.at = f32_at(a.memory, EDGE);
	for (size_t i = 0; i < EDGE; i++)
		a.host[i] = a.value[count + i] = sentinel;
	for (size_t i = 0; i < count; i++)
		a.value[i] = (float)noise(spread);
	ops->upload(a.memory, a.host, (count + 2 * EDGE) * sizeof *a.host);
	return a;
}

static struct array array_empty(size_t count)
{
	return array_random(count, NAN);
}

static void array_upload(const struct array *a)
{
	ops->upload(a->memory, a->host, (a->count + 2 * EDGE) * sizeof *a->host);
}

/* Downloads, and looks at the sentinels. */
static void array_fetch(struct array *a, const char *what)
{
	ops->download(a->host, a->memory, (a->count + 2 * EDGE) * sizeof *a->host);
	for (size_t i = 0; i < EDGE; i++)
		CHECK(a->host[i] == sentinel && a->value[a->count + i] == sentinel, "%s: written outside", what);
}

static void array_free(struct array *a)
{
	ops->release(a->memory);
	free(a->host);
}

/* Against expected[count], within tolerance of its largest. */
static void array_check(struct array *a, const long double *expected, double tolerance, const char *what, double scale)
{
	long double largest = 0;
	array_fetch(a, what);
	for (size_t i = 0; i < a->count; i++)
		largest = fmaxl(largest, fabsl(expected[i]));
	for (size_t i = 0; i < a->count; i++)
		if (!(fabsl(a->value[i] - expected[i]) <= tolerance * largest)) {
			CHECK(0, "%s of %s at %g: element %zu of %zu is %.9g, expected %.9Lg within %g of %Lg", what, ops->name,
				scale, i, a->count, a->value[i], expected[i], tolerance, largest);
			return;
		}
}

static dev_i32 *integers(const int32_t *host, size_t count)
{
	dev_i32 *p = ops->alloc(count * sizeof *host);
	ops->upload(p, host, count * sizeof *host);
	return p;
}

/* ---- exp ---- */

static void test_exp_less_one(void)
{
	long double worst = 0;
	for (int i = -6000; i <= 6000; i++)
		for (int power = 0; power < 40; power += 3) {
			double x = ldexp(i / 10.0, -power);
			long double expected = expm1l(x), error = fabsl(exp_less_one(x) - expected);
			worst = fmaxl(worst, expected != 0 ? error / fabsl(expected) : error);
		}
	CHECK(worst <= 1e-15L, "relative error %Lg", worst);
	CHECK(exp_less_one(0) == 0 && isnan(exp_less_one(NAN)) && exp_less_one(-1e30) == -1, "at the ends");
}

/* ---- apply, from ---- */

static void test_apply_and_from(void)
{
	for (size_t i = 0; i < SIZES; i++) {
		size_t n = sizes[i];
		struct array x = array_random(BASES * n, 2), d = array_random(ROWS * n, 1e-3), y = array_empty(ROWS * n);
		struct array plain = array_empty(ROWS * n), back = array_empty(ROWS * n), none = array_empty(ROWS * n);
		dev_i32 *base = integers(bases, ROWS);
		ops->change_apply(y.at, x.at, base, d.at, ROWS, n);
		ops->change_apply(plain.at, x.at, base, NULL, ROWS, n);
		ops->change_from(back.at, y.at, x.at, base, ROWS, n);
		ops->change_from(none.at, NULL, NULL, NULL, ROWS, n);
		array_fetch(&y, "change_apply");
		array_fetch(&plain, "change_apply");
		array_fetch(&back, "change_from");
		array_fetch(&none, "change_from");
		for (size_t k = 0; k < ROWS * n; k++) {
			float from = x.value[(size_t)bases[k / n] * n + k % n], to = from + d.value[k];
			CHECK(y.value[k] == to && plain.value[k] == from && back.value[k] == to - from && none.value[k] == 0,
				"width %zu, element %zu: %.9g %.9g %.9g %.9g", n, k, y.value[k], plain.value[k], back.value[k],
				none.value[k]);
		}
		ops->change_apply(d.at, x.at, base, d.at, ROWS, n);
		array_fetch(&d, "change_apply in place");
		CHECK(!memcmp(d.value, y.value, ROWS * n * sizeof *d.value), "change_apply in place");
		ops->change_from(d.at, d.at, x.at, base, ROWS, n);
		array_fetch(&d, "change_from in place");
		CHECK(!memcmp(d.value, back.value, ROWS * n * sizeof *d.value), "change_from in place");
		struct array *all[] = {&x, &d, &y, &plain, &back, &none};
		for (size_t k = 0; k < 6; k++)
			array_free(all[k]);
		ops->release(base);
	}
}

/* ---- linear ---- */

static dev_weight *weight_random(float *value, size_t count)
{
	dev_weight *w = ops->alloc(count * ops->weight_bytes);
	for (size_t i = 0; i < count; i++)
		value[i] = (float)(int)noise(100) / 64;
	ops->weight_load(w, value, DTYPE_F32, count);
	return w;
}

static void test_linear(void)
{
	enum { T = 5, IN = 37, OUT = 13 };
	float W[OUT * IN];
	dev_weight *weight = weight_random(W, OUT * IN);
	for (size_t s = 0; s < SCALES; s++) {
		struct array d = array_random(T * IN, scales[s]), y = array_random(T * OUT, scales[s]);
		long double expected[T * OUT];
		for (size_t k = 0; k < T * OUT; k++) {
			expected[k] = y.value[k];
			for (size_t i = 0; i < IN; i++)
				expected[k] += (long double)d.value[k / OUT * IN + i] * W[k % OUT * IN + i];
		}
		ops->linear_change(y.at, d.at, weight, T, IN, OUT, 1);
		array_check(&y, expected, product_tolerance, "linear_change", scales[s]);
		array_free(&d);
		array_free(&y);
	}
	ops->release(weight);
}

/* ---- rmsnorm ---- */

static long double mean_square(const float *x, const float *d, size_t n)
{
	long double sum = 0;
	for (size_t i = 0; i < n; i++) {
		long double v = (long double)x[i] + (d ? d[i] : 0);
		sum += v * v;
	}
	return sum / (long double)n;
}

static void rmsnorm_case(size_t heads, size_t n, double scale, int in_place)
{
	const double eps = 1e-6;
	size_t width = heads * n;
	struct array x = array_random(BASES * width, 1), d = array_random(ROWS * width, scale);
	struct array y = array_empty(ROWS * width);
	float *w = mem_array(n, sizeof *w);
	dev_weight *weight = weight_random(w, n);
	dev_i32 *base = integers(bases, ROWS);
	long double *expected = mem_array(ROWS * width, sizeof *expected);
	for (size_t r = 0; r < ROWS * heads; r++) {
		const float *v = x.value + (size_t)bases[r / heads] * width + r % heads * n, *e = d.value + r * n;
		long double before = 1 / sqrtl(mean_square(v, NULL, n) + eps), after = 1 / sqrtl(mean_square(v, e, n) + eps);
		for (size_t i = 0; i < n; i++)
			expected[r * n + i] = w[i] * (((long double)v[i] + e[i]) * after - v[i] * before);
	}
	if (in_place)
		memcpy(y.value, d.value, ROWS * width * sizeof *y.value);
	array_upload(&y);
	ops->rmsnorm_change(y.at, in_place ? y.at : d.at, x.at, base, weight, eps, ROWS, heads, n);
	/* Long double has digits left for a change of 1e-12, but not as many as the result. */
	array_check(&y, expected, scale < 1e-9 ? 2e-6 : rounded_tolerance, "rmsnorm_change", scale);
	free(expected);
	free(w);
	ops->release(weight);
	ops->release(base);
	array_free(&x);
	array_free(&d);
	array_free(&y);
}

static void test_rmsnorm(void)
{
	for (size_t i = 0; i < SIZES; i++)
		for (size_t s = 0; s < SCALES; s++)
			if (sizes[i] > 1 || scales[s] == 0 || scales[s] > 1e-4) /* of one element little but the sign is left */
				rmsnorm_case(i % 3 + 1, sizes[i], scales[s], (int)(i + s) % 2);
}

/* ---- swiglu ---- */

static void test_swiglu(void)
{
	static const double gates[] = {0, 1e-3, -1e-3, 1, -1.278, 6, -20, 50, -90, 300, -300, 900, -900};
	static const double moves[] = {0, 1e-12, -1e-12, 1e-5, 0.4, -1, 1.001, -7, 30, -120, 400, -650, 1000, -1000};
	enum { G = sizeof gates / sizeof *gates, M = sizeof moves / sizeof *moves };
	struct array g = array_empty(G), u = array_random(G, 2), dg = array_empty(M * G), du = array_empty(M * G);
	int32_t zero[M] = {0};
	dev_i32 *base = integers(zero, M);
	for (size_t k = 0; k < M * G; k++) {
		g.value[k % G] = (float)gates[k % G];
		dg.value[k] = (float)moves[k / G];
		du.value[k] = (float)(noise(1) * moves[k / G]);
	}
	array_upload(&g);
	array_upload(&dg);
	array_upload(&du);
	ops->swiglu_change(dg.at, dg.at, du.at, g.at, u.at, base, M, G);
	array_fetch(&dg, "swiglu_change");
	for (size_t k = 0; k < M * G; k++) {
		long double v = g.value[k % G], d = (float)moves[k / G], up = u.value[k % G], e = du.value[k];
		long double s = 1 / (1 + expl(-v)), after = 1 / (1 + expl(-v - d));
		/* sigmoid(v + d) - sigmoid(v) = sinh(d/2) / (2 cosh(v/2) cosh((v + d)/2)) */
		long double change = sinhl(d / 2) / (2 * coshl(v / 2) * coshl((v + d) / 2));
		long double a = v * change * (up + e), b = d * after * (up + e), c = v * s * e, expected = a + b + c;
		CHECK(fabsl(dg.value[k] - expected) <= 1.5e-7L * (fabsl(a) + fabsl(b) + fabsl(c)) + 1e-38L,
			"swiglu_change: gate %Lg + %Lg, up %Lg + %Lg: %.9g, expected %.9Lg", v, d, up, e, dg.value[k], expected);
		CHECK(d != 0 || dg.value[k] == 0, "gate %Lg: %g without a change", v, dg.value[k]);
	}
	array_free(&g);
	array_free(&u);
	array_free(&dg);
	array_free(&du);
	ops->release(base);
}

/* ---- attention ---- */

/* What attention has at row t of a sequence, for one query head; NULL: nothing is changed. Rows are steps apart. */
struct plain_head {
	const float *q, *k, *v, *dq, *dk, *dv;
	size_t q_step, k_step, hd;
};

static long double changed(const float *x, const float *d, size_t at, int with)
{
	return (long double)x[at] + (with ? d[at] : 0);
}

static void plain_attend(long double *o, long double *s, const struct plain_head *h, size_t t, int with)
{
	long double top = -INFINITY, sum = 0;
	for (size_t j = 0; j <= t; j++) {
		s[j] = 0;
		for (size_t c = 0; c < h->hd; c++)
			s[j] += changed(h->q, h->dq, t * h->q_step + c, with) * changed(h->k, h->dk, j * h->k_step + c, with);
		s[j] /= sqrtl((long double)h->hd);
		top = fmaxl(top, s[j]);
	}
	for (size_t j = 0; j <= t; j++)
		sum += s[j] = expl(s[j] - top);
	for (size_t c = 0; c < h->hd; c++) {
		o[c] = 0;
		for (size_t j = 0; j <= t; j++)
			o[c] += s[j] / sum * changed(h->v, h->dv, j * h->k_step + c, with);
	}
}

/* Sequences of a stack: rows, and the base row of the first. The last two are one sequence of the model, twice. */
static const int32_t attention_starts[] = {0, 1, 4, 74, 77, 147}, attention_bases[] = {3, 0, 4, 0, 4};

enum { SEQUENCES = 5, STACK = 147, MODEL_ROWS = 74, HD = 6 };

struct attention {
	struct array q, k, v, dq, dk, dv, dO;
	int32_t base[STACK];
	size_t nh, nk;
};

static struct attention attention_new(size_t nh, size_t nk, double scale)
{
	struct attention a = {
		.q = array_random(MODEL_ROWS * nh * HD, 2), .k = array_random(MODEL_ROWS * nk * HD, 2),
		.v = array_random(MODEL_ROWS * nk * HD, 1), .dq = array_random(STACK * nh * HD, scale),
		.dk = array_random(STACK * nk * HD, scale), .dv = array_random(STACK * nk * HD, scale),
		.dO = array_empty(STACK * nh * HD), .nh = nh, .nk = nk,
	};
	for (size_t s = 0; s < SEQUENCES; s++)
		for (int32_t t = attention_starts[s]; t < attention_starts[s + 1]; t++)
			a.base[t] = attention_bases[s] + t - attention_starts[s];
	return a;
}

static void attention_free(struct attention *a)
{
	struct array *all[] = {&a->q, &a->k, &a->v, &a->dq, &a->dk, &a->dv, &a->dO};
	for (size_t i = 0; i < 7; i++)
		array_free(all[i]);
}

static void attention_run(struct attention *a)
{
	dev_i32 *base = integers(a->base, STACK);
	ops->attention_change(a->dO.at, a->dq.at, a->dk.at, a->dv.at, a->q.at, a->k.at, a->v.at, base,
		(struct packing){attention_starts, SEQUENCES}, a->nh, a->nk, HD);
	ops->release(base);
}

static void attention_expect(const struct attention *a, long double *expected)
{
	long double before[HD], s[MODEL_ROWS];
	for (size_t n = 0; n < SEQUENCES; n++)
		for (size_t h = 0; h < a->nh; h++) {
			size_t row = (size_t)attention_starts[n], from = (size_t)attention_bases[n], key = h * a->nk / a->nh * HD;
			size_t q = a->nh * HD, k = a->nk * HD;
			const struct plain_head head = {
				a->q.value + from * q + h * HD, a->k.value + from * k + key, a->v.value + from * k + key,
				a->dq.value + row * q + h * HD, a->dk.value + row * k + key, a->dv.value + row * k + key, q, k, HD,
			};
			for (size_t t = 0; t < (size_t)attention_starts[n + 1] - row; t++) {
				long double *to = expected + (row + t) * q + h * HD;
				plain_attend(before, s, &head, t, 0);
				plain_attend(to, s, &head, t, 1);
				for (size_t c = 0; c < HD; c++)
					to[c] -= before[c];
			}
		}
}

static void test_attention(void)
{
	static const size_t heads[][2] = {{1, 1}, {4, 2}, {3, 1}};
	for (size_t i = 0; i < 3; i++)
		for (size_t s = 0; s < SCALES; s++) {
			struct attention a = attention_new(heads[i][0], heads[i][1], scales[s]);
			long double *expected = mem_array(a.dO.count, sizeof *expected);
			attention_expect(&a, expected);
			attention_run(&a);
			/* Scores of hundreds have errors of as many digits. */
			array_check(&a.dO, expected, product_tolerance * fmax(scales[s], 1), "attention_change", scales[s]);
			for (size_t k = 0; k < a.dO.count && scales[s] == 0; k++)
				CHECK(a.dO.value[k] == 0, "element %zu: %g without a change", k, a.dO.value[k]);
			free(expected);
			attention_free(&a);
		}
}

/* Scores that move by thousands: the largest takes all. */
static void test_attention_overflow(void)
{
	struct attention a = attention_new(2, 1, 200);
	long double *expected = mem_array(a.dO.count, sizeof *expected);
	attention_expect(&a, expected);
	attention_run(&a);
	array_check(&a.dO, expected, 1e-2, "attention_change that overflows", 200);
	for (size_t k = 0; k < a.dO.count; k++)
		CHECK(isfinite(a.dO.value[k]), "element %zu: %g", k, a.dO.value[k]);
	free(expected);
	attention_free(&a);
}

/* A NaN takes the rows from its own on, in its sequence; what comes before it in its tile may be lost with them. */
static void test_attention_nan(void)
{
	struct attention a = attention_new(2, 1, 1e-3);
	a.dk.value[75 * HD + 2] = NAN;
	array_upload(&a.dk);
	attention_run(&a);
	array_fetch(&a.dO, "attention_change");
	for (size_t row = 0; row < STACK; row++)
		for (size_t c = 0; c < 2 * HD; c++)
			CHECK(row == 74 || isnan(a.dO.value[row * 2 * HD + c]) == (row == 75 || row == 76), "row %zu: %g", row,
				a.dO.value[row * 2 * HD + c]);
	attention_free(&a);
}

/* ---- softmax and divergence ---- */

static void test_softmax(void)
{
	for (size_t i = 0; i < SIZES; i++) {
		size_t V = sizes[i];
		struct array z = array_random(3 * V, 40), p = array_empty(3 * V);
		ops->softmax(p.at, z.at, 3, V);
		array_fetch(&p, "softmax");
		for (size_t k = 0; k < 3 * V; k++) {
			long double sum = 0;
			for (size_t v = 0; v < V; v++)
				sum += expl((long double)z.value[k / V * V + v] - z.value[k]);
			CHECK(fabsl(p.value[k] - 1 / sum) <= rounded_tolerance / sum, "element %zu: %.9g, expected %.9Lg", k,
				p.value[k], 1 / sum);
		}
		ops->softmax(z.at, z.at, 3, V);
		array_fetch(&z, "softmax in place");
		CHECK(!memcmp(z.value, p.value, 3 * V * sizeof *z.value), "softmax in place");
		array_free(&z);
		array_free(&p);
	}
}

/* exp(u) - 1 - u */
static long double plain_excess(long double u)
{
	return fabsl(u) < 1e-4L ? u * u * (0.5L + u * (1 / 6.0L + u * (1 / 24.0L + u / 120))) : expm1l(u) - u;
}

/* What divergence has to find for a row; label < 0: none. */
static long double plain_row(const float *p, const float *d, size_t V, int32_t label, long double *loss)
{
	long double sum = 0, mean = 0, excess = 0;
	for (size_t v = 0; v < V; v++) {
		sum += p[v];
		mean += (long double)p[v] * d[v];
	}
	mean /= sum;
	for (size_t v = 0; v < V; v++)
		excess += p[v] / sum * plain_excess(d[v] - mean);
	long double kl = log1pl(excess);
	*loss = label < 0 ? 0 : kl + mean - d[label];
	return kl;
}

enum { FIRST = 2 }; /* row of the model that p begins with */

struct divergence {
	struct array p, d;      /* [BASES - FIRST,V], [ROWS,V] */
	int32_t base[ROWS], label[ROWS];
	double kl[ROWS + 2], loss[ROWS + 2];
	size_t V;
};

static struct divergence divergence_new(size_t V, double scale)
{
	struct divergence x = {.p = array_random((BASES - FIRST) * V, 10), .d = array_random(ROWS * V, scale), .V = V};
	ops->softmax(x.p.at, x.p.at, BASES - FIRST, V);
	array_fetch(&x.p, "softmax");
	for (size_t r = 0; r < ROWS; r++) {
		x.base[r] = bases[r] % (BASES - FIRST) + FIRST;
		x.label[r] = r % 4 == 2 ? -1 : (int32_t)(r * 5 % V);
	}
	return x;
}

static void divergence_run(struct divergence *x, size_t first, size_t rows)
{
	dev_i32 *base = integers(x->base + first, rows), *label = integers(x->label + first, rows);
	dev_f64 *memory = ops->alloc(2 * (rows + 2) * sizeof(double));
	for (size_t r = 0; r < rows + 2; r++)
		x->kl[r] = x->loss[r] = sentinel;
	ops->upload(memory, x->kl, (rows + 2) * sizeof(double));
	ops->upload(f64_at(memory, rows + 2), x->loss, (rows + 2) * sizeof(double));
	ops->divergence(f64_at(memory, 1), f64_at(memory, rows + 3), x->p.at, f32_at(x->d.at, first * x->V), base, FIRST,
		label, rows, x->V);
	ops->download(x->kl, memory, (rows + 2) * sizeof(double));
	ops->download(x->loss, f64_at(memory, rows + 2), (rows + 2) * sizeof(double));
	CHECK(x->kl[0] == sentinel && x->kl[rows + 1] == sentinel && x->loss[0] == sentinel &&
		x->loss[rows + 1] == sentinel, "divergence: written outside");
	ops->release(memory);
	ops->release(base);
	ops->release(label);
}

static void divergence_free(struct divergence *x)
{
	array_free(&x->p);
	array_free(&x->d);
}

static void divergence_case(size_t V, double scale)
{
	struct divergence x = divergence_new(V, scale);
	divergence_run(&x, 0, ROWS);
	for (size_t r = 0; r < ROWS; r++) {
		const float *p = x.p.value + (size_t)(x.base[r] - FIRST) * V, *d = x.d.value + r * V;
		long double loss, kl = plain_row(p, d, V, x.label[r], &loss);
		double found = x.kl[r + 1], found_loss = x.loss[r + 1];
		CHECK(found >= 0 && fabsl(found - kl) <= 1e-11L * kl + 1e-40L, "V %zu at %g, row %zu: %.17g, expected %.17Lg",
			V, scale, r, found, kl);
		CHECK(fabsl(found_loss - loss) <= 1e-13L * scale, "V %zu at %g, row %zu: loss %.17g, expected %.17Lg", V, scale,
			r, found_loss, loss);
	}
	divergence_free(&x);
}

static void test_divergence(void)
{
	for (size_t i = 0; i < SIZES; i++) {
		for (size_t s = 0; s < SCALES; s++)
			divergence_case(sizes[i], scales[s]);
		divergence_case(sizes[i], 500);
		divergence_case(sizes[i], 5000);
	}
}

static void test_divergence_nan(void)
{
	struct divergence x = divergence_new(33, 0.1);
	x.d.value[1 * 33 + 32] = x.d.value[2 * 33] = x.p.value[(size_t)(x.base[4] - FIRST) * 33 + 7] = NAN;
	array_upload(&x.d);
	array_upload(&x.p);
	divergence_run(&x, 0, ROWS);
	for (size_t r = 0; r < ROWS; r++) {
		int bad = r == 1 || r == 2 || x.base[r] == x.base[4];
		CHECK(isnan(x.kl[r + 1]) == bad && isnan(x.loss[r + 1]) == (bad && x.label[r] >= 0), "row %zu: %g and %g", r,
			x.kl[r + 1], x.loss[r + 1]);
	}
	divergence_free(&x);
}

/* ---- bits ---- */

/* A row has the bits that it has alone. */
static void test_rows_alone(void)
{
	enum { V = 65 };
	struct divergence x = divergence_new(V, 0.2);
	double kl[ROWS], loss[ROWS];
	divergence_run(&x, 0, ROWS);
	memcpy(kl, x.kl + 1, sizeof kl);
	memcpy(loss, x.loss + 1, sizeof loss);
	for (size_t r = 0; r < ROWS; r++) {
		divergence_run(&x, r, 1);
		CHECK(x.kl[1] == kl[r] && x.loss[1] == loss[r], "row %zu", r);
	}
	divergence_free(&x);
}

/* A sequence has the bits that it has beside others, which stand in other rows. */
static void test_sequence_alone(void)
{
	struct attention a = attention_new(4, 2, 0.1);
	const size_t first = (size_t)attention_starts[4], rows = STACK - first, q = 4 * HD, k = 2 * HD;
	const int32_t start[] = {0, (int32_t)rows};
	struct array alone = array_empty(rows * q);
	dev_i32 *base = integers(a.base + first, rows);
	attention_run(&a);
	array_fetch(&a.dO, "attention_change");
	ops->attention_change(alone.at, f32_at(a.dq.at, first * q), f32_at(a.dk.at, first * k), f32_at(a.dv.at, first * k),
		a.q.at, a.k.at, a.v.at, base, (struct packing){start, 1}, 4, 2, HD);
	array_fetch(&alone, "attention_change alone");
	CHECK(!memcmp(alone.value, a.dO.value + first * q, rows * q * sizeof *alone.value), "other bits");
	ops->release(base);
	array_free(&alone);
	attention_free(&a);
}

int main(int argc, char **argv)
{
	const struct ops *instances[] = {ops_cpu(), ops_guarded()};
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10);
	fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
	TEST(test_exp_less_one);
	for (size_t i = 0; i < 2; i++) {
		ops = instances[i];
		TEST(test_apply_and_from);
		TEST(test_linear);
		TEST(test_rmsnorm);
		TEST(test_swiglu);
		TEST(test_attention);
		TEST(test_attention_overflow);
		TEST(test_attention_nan);
		TEST(test_softmax);
		TEST(test_divergence);
		TEST(test_divergence_nan);
		TEST(test_rows_alone);
		TEST(test_sequence_alone);
	}
	CHECK(ops_guarded_live() == 0, "%zu buffers were not released", ops_guarded_live());
	return check_done();
}
