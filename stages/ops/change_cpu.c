#include "ops/change.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "ops/exp.h"
#include "ops/lanes.h"

/* The row of x, rows of n elements, that row r belongs to. */
static const float *base_row(const dev_f32 *x, const dev_i32 *base, size_t r, size_t n)
{
	const int32_t *at = (const int32_t *)base;
	assert(at[r] >= 0);
	return (const float *)x + (size_t)at[r] * n;
}

void cpu_change_apply(dev_f32 *y, const dev_f32 *x, const dev_i32 *base, const dev_f32 *d, size_t T, size_t n)
{
	for (size_t r = 0; r < T; r++) {
		const float *from = base_row(x, base, r, n), *change = d ? (const float *)d + r * n : NULL;
		float *to = (float *)y + r * n;
		if (!change)
			memcpy(to, from, n * sizeof *to);
		else
			for (size_t i = 0; i < n; i++)
				to[i] = from[i] + change[i];
	}
}

void cpu_change_from(dev_f32 *d, const dev_f32 *y, const dev_f32 *x, const dev_i32 *base, size_t T, size_t n)
{
	if (!y) {
		memset(d, 0, T * n * sizeof(float));
		return;
	}
	for (size_t r = 0; r < T; r++) {
		const float *from = base_row(x, base, r, n), *changed = (const float *)y + r * n;
		float *to = (float *)d + r * n;
		for (size_t i = 0; i < n; i++)
			to[i] = changed[i] - from[i];
	}
}

/* Sums of x^2, (x + d)^2, and their difference from terms of its own. */
struct squares {
	double before, after, change;
};

static struct squares squares_of(const float *x, const float *d, size_t n)
{
	lanes before = {0}, after = {0}, change = {0};
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (size_t k = 0; k < LANES; k++) {
			double v = x[i + k], e = d[i + k];
			before[k] += v * v;
			after[k] += (v + e) * (v + e);
			change[k] += e * (2 * v + e);
		}
	for (; i < n; i++) {
		double v = x[i], e = d[i];
		before[i % LANES] += v * v;
		after[i % LANES] += (v + e) * (v + e);
		change[i % LANES] += e * (2 * v + e);
	}
	return (struct squares){lanes_sum(before), lanes_sum(after), lanes_sum(change)};
}

static void norm_row(float *to, const float *d, const float *x, const float *w, double eps, size_t n)
{
	struct squares s = squares_of(x, d, n);
	double root = sqrt(s.before / (double)n + eps), root_after = sqrt(s.after / (double)n + eps);
	double r_after = 1.0 / root_after;
	double r_change = -s.change / (double)n / (root * root_after * (root + root_after));
	/* In place or not, elements do not meet; unsaid, the compiler would take the loop without vectors. */
#pragma GCC ivdep
	for (size_t i = 0; i < n; i++)
		to[i] = (float)((double)w[i] * ((double)x[i] * r_change + (double)d[i] * r_after));
}

void cpu_rmsnorm_change(dev_f32 *dy, const dev_f32 *d, const dev_f32 *x, const dev_i32 *base, const dev_weight *w,
	double eps, size_t T, size_t heads, size_t n)
{
	for (size_t r = 0; r < T; r++)
		for (size_t h = 0; h < heads; h++) {
			size_t at = (r * heads + h) * n;
			norm_row((float *)dy + at, (const float *)d + at, base_row(x, base, r, heads * n) + h * n,
				(const float *)w, eps, n);
		}
}

/* magnitude <= 1 ? a : b, by bits, of which the order is that of magnitudes: of a choice the compiler would make a
 * branch, and the loop around it without vectors. */
static inline double choose(double magnitude, double a, double b)
{
	const int64_t one = 0x3ff0000000000000;
	int64_t size, x, y;
	memcpy(&size, &magnitude, sizeof size);
	memcpy(&x, &a, sizeof x);
	memcpy(&y, &b, sizeof y);
	int64_t mask = -(int64_t)(size <= one), bits = (x & mask) | (y & ~mask);
	memcpy(&a, &bits, sizeof a);
	return a;
}

/* sigmoid(g + dg) - s, s = sigmoid(g). The product has all digits of a small change; of a large one the difference has,
 * where it is worth anything beside what it is added to, and nothing that overflows. after and rest are sigmoid(g + dg)
 * and 1 less that. */
static inline double sigmoid_change(double s, double dg, double after, double rest)
{
	return choose(fabs(dg), s * rest * exp_less_one(dg), after - s);
}

static void swiglu_row(float *to, const float *dg, const float *du, const float *g, const float *u, size_t n)
{
#pragma GCC ivdep
	for (size_t i = 0; i < n; i++) {
		double v = g[i], d = dg[i], up_change = du[i];
		double power = exp_double(-(v + d));
		double s = 1.0 / (1.0 + exp_double(-v)), after = 1.0 / (1.0 + power);
		double change = sigmoid_change(s, d, after, power * after);
		to[i] = (float)((v * change + d * after) * ((double)u[i] + up_change) + v * s * up_change);
	}
}

void cpu_swiglu_change(dev_f32 *da, const dev_f32 *dg, const dev_f32 *du, const dev_f32 *g, const dev_f32 *u,
	const dev_i32 *base, size_t T, size_t n)
{
	for (size_t r = 0; r < T; r++)
		swiglu_row((float *)da + r * n, (const float *)dg + r * n, (const float *)du + r * n, base_row(g, base, r, n),
			base_row(u, base, r, n), n);
}
