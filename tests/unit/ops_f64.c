/* The fp64 operations against plain loops on odd sizes, on every instance of the table; the divergence against its
 * definition in long double.
 *
 *     build/tests/ops_f64 [SEED]      another seed gives other numbers
 */
#include "ops/ops_f64.h"

#include <float.h>
#include <stdlib.h>

#include "../check.h"
#include "../support/ops_guarded.h"
#include "../support/plain_ops.h"
#include "common/error.h"
#include "common/memory.h"
#include "ops/exp.h"

static uint64_t seed = 20250307;
static const struct ops *ops;

/* Relative to the largest value of the result: sums of up to 600 terms of size one. */
static const double tolerance = 1e-14;

static const size_t sizes[] = {1, 2, 7, 13, 31, 33, 65};

enum { SIZES = sizeof sizes / sizeof *sizes, EDGE = 8 };
static const double sentinel = 12345.678;

static uint64_t noise_bits(void)
{
	static uint64_t counter;
	uint64_t x = seed + ++counter * 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static double noise(double spread)
{
	return ((double)(noise_bits() >> 11) * 0x1p-52 - 1) * spread;
}

/* An array on the host and in a buffer, with sentinels on both sides. */
struct array {
	double *host;     /* [count], inside memory of its own */
	dev_f64 *memory, *at;
	size_t count;
};

static struct array array_of(size_t count, const double *values, double spread)
{
	struct array a = {.count = count};
	double *all = mem_array(count + 2 * EDGE, sizeof *all);
	a.host = all + EDGE;
	for (size_t i = 0; i < EDGE; i++)
		all[i] = a.host[count + i] = sentinel;
	for (size_t i = 0; i < count; i++)
		a.host[i] = values ? values[i] : isnan(spread) ? NAN : noise(spread);
	a.memory = ops->alloc((count + 2 * EDGE) * sizeof *all);
	a.at = f64_at(a.memory, EDGE);
	ops->upload(a.memory, all, (count + 2 * EDGE) * sizeof *all);
	return a;
}

static struct array array_random(size_t count, double spread)
{
	return array_of(count, NULL, spread);
}

/* For an output. */
static struct array array_empty(size_t count)
{
	return array_of(count, NULL, NAN);
}

static void array_free(struct array *a)
{
	ops->release(a->memory);
	free(a->host - EDGE);
}

/* Downloads and looks at the sentinels. */
static const double *array_result(struct array *a, const char *what)
{
	ops->download(a->host - EDGE, a->memory, (a->count + 2 * EDGE) * sizeof *a->host);
	for (size_t i = 0; i < EDGE; i++)
		CHECK(a->host[i - EDGE] == sentinel && a->host[a->count + i] == sentinel, "%s: written outside", what);
	return a->host;
}

static void array_check(struct array *a, const double *expected, const char *what)
{
	const double *found = array_result(a, what);
	double largest = 0;
	for (size_t i = 0; i < a->count; i++)
		largest = fmax(largest, fabs(expected[i]));
	for (size_t i = 0; i < a->count; i++)
		CHECK(fabs(found[i] - expected[i]) <= tolerance * largest, "%s: element %zu of %zu is %.17g, expected %.17g",
			what, i, a->count, found[i], expected[i]);
}

static void test_convert(void)
{
	for (size_t i = 0; i < SIZES; i++) {
		size_t n = sizes[i];
		struct array x = array_random(n, 3), wide = array_empty(n), weight = array_empty(n), same = array_empty(n);
		double *rounded = mem_array(n, sizeof *rounded);
		dev_f32 *narrow = f32_alloc(ops, n);
		dev_weight *w = ops->alloc(n * ops->weight_bytes);
		float *host = mem_array(n, sizeof *host);
		for (size_t k = 0; k < n; k++)
			rounded[k] = host[k] = (float)x.host[k];
		ops->weight_load(w, host, DTYPE_F32, n);
		ops->f64->narrow(narrow, x.at, n);
		ops->f64->widen(wide.at, narrow, n);
		ops->f64->widen_weight(weight.at, w, n);
		ops->f64->copy(same.at, x.at, n);
		CHECK(!memcmp(array_result(&wide, "widen"), rounded, n * sizeof *rounded), "narrow and widen");
		CHECK(!memcmp(array_result(&weight, "weight"), rounded, n * sizeof *rounded), "widen_weight");
		CHECK(!memcmp(array_result(&same, "copy"), x.host, n * sizeof *rounded), "copy");
		ops->release(narrow);
		ops->release(w);
		free(host);
		free(rounded);
		array_free(&x);
		array_free(&wide);
		array_free(&weight);
		array_free(&same);
	}
}

static void test_linear(void)
{
	for (size_t i = 0; i < SIZES; i++) {
		size_t T = sizes[i], in = sizes[(i + 3) % SIZES], out = sizes[(i + 5) % SIZES];
		struct array x = array_random(T * in, 1), W = array_random(out * in, 1), y = array_empty(T * out);
		double *expected = mem_array(T * out, sizeof *expected);
		plain_linear(expected, x.host, W.host, T, in, out);
		ops->f64->linear(y.at, x.at, W.at, T, in, out, 0);
		array_check(&y, expected, "linear");
		ops->f64->linear(y.at, x.at, W.at, T, in, out, 1);
		for (size_t k = 0; k < T * out; k++)
			expected[k] *= 2;
		array_check(&y, expected, "linear added");
		free(expected);
		array_free(&x);
		array_free(&W);
		array_free(&y);
	}
}

static void test_rmsnorm(void)
{
	for (size_t i = 0; i < SIZES; i++) {
		size_t rows = 5, n = sizes[i];
		struct array x = array_random(rows * n, 2), y = array_empty(rows * n);
		double *expected = mem_array(rows * n, sizeof *expected), *w = mem_array(n, sizeof *w);
		float *narrow = mem_array(n, sizeof *narrow);
		dev_weight *weight = ops->alloc(n * ops->weight_bytes);
		for (size_t k = 0; k < n; k++)
			w[k] = narrow[k] = (float)noise(1);
		ops->weight_load(weight, narrow, DTYPE_F32, n);
		plain_rmsnorm(expected, x.host, w, 1e-3, rows, n);
		ops->f64->rmsnorm(y.at, x.at, weight, 1e-3, rows, n);
		array_check(&y, expected, "rmsnorm");
		ops->f64->rmsnorm(x.at, x.at, weight, 1e-3, rows, n);
		array_check(&x, expected, "rmsnorm in place");
		ops->release(weight);
		free(expected);
		free(w);
		free(narrow);
		array_free(&x);
		array_free(&y);
	}
}

static void test_rope(void)
{
	static const int32_t position[] = {0, 1, 2, 0, 1, 40000, 3};
	enum { T = sizeof position / sizeof *position };
	dev_i32 *at = ops->alloc(sizeof position);
	ops->upload(at, position, sizeof position);
	for (size_t hd = 2; hd <= 34; hd += 8) {
		struct array x = array_random(T * 3 * hd, 1);
		double *expected = mem_array(x.count, sizeof *expected);
		memcpy(expected, x.host, x.count * sizeof *expected);
		plain_rope(expected, position, 5e6, T, 3, hd);
		ops->f64->rope(x.at, at, 5e6, T, 3, hd);
		/* The angle 40000 has lost 5 digits before its sine is taken. */
		array_result(&x, "rope");
		for (size_t k = 0; k < x.count; k++)
			CHECK(fabs(x.host[k] - expected[k]) <= 1e-11, "rope: element %zu is %.17g, expected %.17g", k, x.host[k],
				expected[k]);
		free(expected);
		array_free(&x);
	}
	ops->release(at);
}

static void test_attention(void)
{
	static const int32_t start[] = {0, 1, 14, 16, 216};
	static const size_t heads[][2] = {{1, 1}, {6, 2}, {5, 5}};
	const struct packing packing = {start, 4};
	const size_t T = 216;
	for (size_t i = 0; i < 3; i++)
		for (size_t hd = 2; hd <= 10; hd += 8) {
			size_t nh = heads[i][0], nk = heads[i][1];
			struct array q = array_random(T * nh * hd, 4), k = array_random(T * nk * hd, 4);
			struct array v = array_random(T * nk * hd, 1), o = array_empty(T * nh * hd);
			double *expected = mem_array(o.count, sizeof *expected);
			plain_attention(expected, NULL, q.host, k.host, v.host, start, 4, nh, nk, hd);
			ops->f64->attention(o.at, q.at, k.at, v.at, packing, nh, nk, hd);
			array_check(&o, expected, "attention");
			free(expected);
			array_free(&q);
			array_free(&k);
			array_free(&v);
			array_free(&o);
		}
}

static void test_swiglu(void)
{
	for (size_t i = 0; i < SIZES; i++) {
		size_t n = sizes[i];
		struct array g = array_random(n, 30), u = array_random(n, 1), a = array_empty(n);
		double *expected = mem_array(n, sizeof *expected);
		plain_swiglu(expected, g.host, u.host, n);
		ops->f64->swiglu(a.at, g.at, u.at, n);
		array_check(&a, expected, "swiglu");
		ops->f64->swiglu(u.at, g.at, u.at, n);
		array_check(&u, expected, "swiglu in place");
		free(expected);
		array_free(&g);
		array_free(&u);
		array_free(&a);
	}
}

/* ---- Cross-entropy and divergence ---- */

static void plain_log_softmax(long double *to, const double *z, size_t V)
{
	long double top = z[0], sum = 0;
	for (size_t i = 0; i < V; i++)
		top = z[i] > top ? z[i] : top;
	for (size_t i = 0; i < V; i++)
		sum += expl(z[i] - top);
	for (size_t i = 0; i < V; i++)
		to[i] = z[i] - top - logl(sum);
}

static double plain_divergence(const double *z, const double *changed, size_t V)
{
	long double *p = mem_array(V, sizeof *p), *q = mem_array(V, sizeof *q), sum = 0;
	plain_log_softmax(p, z, V);
	plain_log_softmax(q, changed, V);
	for (size_t i = 0; i < V; i++)
		sum += expl(p[i]) * (p[i] - q[i]);
	free(p);
	free(q);
	return (double)sum;
}

static void check_cross_entropy(size_t V, double spread)
{
	enum { T = 5 };
	struct array z = array_random(T * V, spread), loss = array_empty(T);
	long double *expected = mem_array(V, sizeof *expected);
	int32_t label[T];
	for (size_t t = 0; t < T; t++)
		label[t] = t % 3 == 1 ? -1 : (int32_t)(noise_bits() % V);
	dev_i32 *at = ops->alloc(sizeof label);
	ops->upload(at, label, sizeof label);
	ops->f64->cross_entropy(loss.at, z.at, at, T, V);
	array_result(&loss, "cross-entropy");
	for (size_t t = 0; t < T; t++) {
		plain_log_softmax(expected, z.host + t * V, V);
		double row = label[t] < 0 ? 0 : (double)-expected[label[t]];
		CHECK(loss.host[t] >= 0 && fabs(loss.host[t] - row) <= 1e-14 * (1 + row), "%zu logits, spread %g, row %zu: "
			"%.17g, expected %.17g", V, spread, t, loss.host[t], row);
		CHECK(label[t] >= 0 || loss.host[t] == 0, "a row without target has %g", loss.host[t]);
	}
	ops->release(at);
	free(expected);
	array_free(&z);
	array_free(&loss);
}

static void test_cross_entropy(void)
{
	static const double spreads[] = {0, 1e-9, 1, 12, 1000, 1e200};
	for (size_t i = 0; i < sizeof spreads / sizeof *spreads; i++)
		for (size_t n = 0; n < SIZES; n++)
			check_cross_entropy(sizes[n], spreads[i]);
}

/* Wherever the NaN or infinity is, and although another element is the target. */
static void test_cross_entropy_not_finite(void)
{
	static const double bad[] = {NAN, INFINITY};
	static const int32_t label[] = {5};
	dev_i32 *at = ops->alloc(sizeof label);
	ops->upload(at, label, sizeof label);
	for (size_t i = 0; i < 2 * 20; i++) {
		double values[20] = {0};
		values[i / 2] = bad[i % 2];
		struct array z = array_of(20, values, 0), loss = array_empty(1);
		ops->f64->cross_entropy(loss.at, z.at, at, 1, 20);
		CHECK(isnan(array_result(&loss, "not finite")[0]), "%g at %zu gives %g", bad[i % 2], i / 2, loss.host[0]);
		array_free(&z);
		array_free(&loss);
	}
	ops->release(at);
}

/* Rows of logits that move by about spread; what the definition itself loses in long double is allowed on top. */
static void check_divergence(size_t V, double spread)
{
	enum { T = 3 };
	struct array z = array_random(T * V, 12), p = array_empty(T * V), kl = array_empty(T);
	double *moved = mem_array(T * V, sizeof *moved);
	for (size_t i = 0; i < T * V; i++)
		moved[i] = z.host[i] + noise(spread);
	struct array changed = array_of(T * V, moved, 0);
	ops->f64->softmax(p.at, z.at, T, V);
	array_result(&p, "softmax");
	ops->f64->divergence(kl.at, p.at, z.at, changed.at, T, V);
	array_result(&kl, "divergence");
	for (size_t t = 0; t < T; t++) {
		double expected = plain_divergence(z.host + t * V, moved + t * V, V), sum = 0;
		for (size_t i = 0; i < V; i++)
			sum += p.host[t * V + i];
		CHECK(fabs(sum - 1) <= 1e-14, "probabilities add up to %.17g", sum);
		CHECK(kl.host[t] >= 0, "divergence %g", kl.host[t]);
		CHECK(fabs(kl.host[t] - expected) <= 1e-11 * expected + 64 * (double)LDBL_EPSILON * (1 + spread),
			"%zu logits moved by %g: divergence %.17g, expected %.17g", V, spread, kl.host[t], expected);
	}
	free(moved);
	array_free(&z);
	array_free(&p);
	array_free(&kl);
	array_free(&changed);
}

static void test_divergence(void)
{
	static const double spreads[] = {1e-9, 1e-6, 1e-4, 1e-2, 0.3, 1, 10, 100, 1000, 30000};
	for (size_t i = 0; i < sizeof spreads / sizeof *spreads; i++)
		for (size_t n = 0; n < SIZES; n++)
			check_divergence(sizes[n] + 1, spreads[i]);
}

/* The same predictions, and two outcomes whose divergence is known in closed form, however small. */
static void test_divergence_known(void)
{
	const double half[] = {3, 3};
	struct array z = array_of(2, half, 0), p = array_empty(2), kl = array_empty(1);
	ops->f64->softmax(p.at, z.at, 1, 2);
	ops->f64->divergence(kl.at, p.at, z.at, z.at, 1, 2);
	CHECK(array_result(&kl, "equal")[0] == 0, "equal logits: %g", kl.host[0]);
	for (int e = -1; e >= -40; e--) {
		/* log cosh(h) where the two logits part by 2 h */
		double h = ldexp(1, e), moved[] = {3 + h, 3 - h};
		double expected = e > -8 ? (double)logl(coshl(h)) : h * h / 2 - pow(h, 4) / 12 + pow(h, 6) / 45;
		struct array changed = array_of(2, moved, 0);
		ops->f64->divergence(kl.at, p.at, z.at, changed.at, 1, 2);
		CHECK_CLOSE(array_result(&kl, "known")[0], expected, 1e-13);
		array_free(&changed);
	}
	array_free(&z);
	array_free(&p);
	array_free(&kl);
}

static void test_divergence_nan(void)
{
	double values[20] = {0};
	struct array z = array_of(20, values, 0), p = array_empty(20), kl = array_empty(1);
	ops->f64->softmax(p.at, z.at, 1, 20);
	for (size_t i = 0; i < 20; i += 19) {
		values[i] = NAN;
		struct array changed = array_of(20, values, 0);
		ops->f64->divergence(kl.at, p.at, z.at, changed.at, 1, 20);
		CHECK(isnan(array_result(&kl, "NaN")[0]), "NaN gives %g", kl.host[0]);
		values[i] = 0;
		array_free(&changed);
	}
	array_free(&z);
	array_free(&p);
	array_free(&kl);
}

static void test_exp_excess(void)
{
	double worst = 0;
	for (int i = -700000; i <= 700000; i++) {
		double x = i / 1000.0 + (double)(i % 7) * 1e-5;
		long double expected = expm1l(x) - (long double)x;
		double error = i ? fabs((double)((exp_excess(x) - expected) / expected)) : exp_excess(x);
		if (!(error <= worst))
			worst = error;
	}
	CHECK(worst <= 1e-14, "relative error %g", worst);
	for (int e = -2; e > -300; e--) {
		double x = ldexp(noise(1), e);
		long double expected = (long double)x * x * (0.5L + x * (1 / 6.0L + x * (1 / 24.0L + x * (1 / 120.0L + x *
			(1 / 720.0L + x * (1 / 5040.0L + x / 40320.0L))))));
		CHECK(fabs(exp_excess(x) - (double)expected) <= 1e-14 * (double)expected || e > -6, "excess of %g is %g", x,
			exp_excess(x));
		CHECK(exp_excess(x) >= 0, "excess of %g is %g", x, exp_excess(x));
	}
	CHECK(exp_excess(0) == 0, "excess of 0 is %g", exp_excess(0));
	CHECK(isnan(exp_excess(NAN)) && isnan(exp_excess(-NAN)), "NaN gives %g", exp_excess(NAN));
	CHECK_CLOSE(exp_excess(-1e4), 9999.0, 1e-14);
}

static void test_no_gpu(void)
{
	char why[600];
	snprintf(why, sizeof why, "the CUDA instance: %s", error_text());
	check_skip(why);
}

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
	TEST(test_exp_excess);
	for (size_t i = 0; i < 3; i++) {
		ops = instances[i];
		if (!ops) {
			TEST(test_no_gpu);
			continue;
		}
		TEST(test_convert);
		TEST(test_linear);
		TEST(test_rmsnorm);
		TEST(test_rope);
		TEST(test_attention);
		TEST(test_swiglu);
		TEST(test_cross_entropy);
		TEST(test_cross_entropy_not_finite);
		TEST(test_divergence);
		TEST(test_divergence_known);
		TEST(test_divergence_nan);
		TEST(test_sync);
	}
	TEST(test_nothing_held);
	return check_done();
}
