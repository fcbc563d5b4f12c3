#include "ops/divergence.h"

#include <assert.h>
#include <math.h>

#include "ops/exp.h"
#include "ops/lanes.h"

/* Sum of exp(z - top). */
static double sum_exp(const float *z, double top, size_t n)
{
	lanes s = {0};
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			s[k] += exp_double((double)z[i + k] - top);
	for (; i < n; i++)
		s[i % LANES] += exp_double((double)z[i] - top);
	return lanes_sum(s);
}

/* The exponentials are computed twice, which costs less than memory for them in double. */
void cpu_softmax(dev_f32 *p, const dev_f32 *z, size_t T, size_t V)
{
	for (size_t t = 0; t < T; t++) {
		const float *from = (const float *)z + t * V;
		float *to = (float *)p + t * V;
		double top = largest(from, V), factor = 1.0 / sum_exp(from, top, V);
		/* In place or not, elements do not meet; unsaid, the compiler would take the loop without vectors. */
#pragma GCC ivdep
		for (size_t i = 0; i < V; i++)
			to[i] = (float)(factor * exp_double((double)from[i] - top));
	}
}

/* Sum of p. */
static double sum_floats(const float *p, size_t n)
{
	lanes s = {0};
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			s[k] += (double)p[i + k];
	for (; i < n; i++)
		s[i % LANES] += (double)p[i];
	return lanes_sum(s);
}

/* Sum of p (exp(u) - 1 - u), u = d - mean. */
static double sum_excess(const float *restrict p, const float *restrict d, double mean, size_t n)
{
	lanes s = {0};
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			s[k] += (double)p[i + k] * exp_excess((double)d[i + k] - mean);
	for (; i < n; i++)
		s[i % LANES] += (double)p[i] * exp_excess((double)d[i] - mean);
	return lanes_sum(s);
}

/* Sum of p exp(d - top). */
static double sum_scaled(const float *restrict p, const float *restrict d, double top, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (double)p[i] * exp_double((double)d[i] - top);
	return sum;
}

/* The divergence is log sum p exp(d) - sum p d. Taking the mean m = sum p d off every d leaves
 *
 *     log sum p exp(u) = log(1 + sum p (exp(u) - 1 - u)),   u = d - m,  sum p u = 0,
 *
 * where no term is negative and none is a difference of large numbers. Where exp(u) would overflow, which takes logits
 * that moved by hundreds, the first form does: it then has digits enough. All for p of sum 1, which rounding makes it
 * miss by 1e-7. */
static double row_divergence(const float *p, const float *d, double mean, double sum, size_t V)
{
	const double exp_safe = 600;
	double top = largest(d, V);
	if (top - mean > exp_safe)
		return log(sum_scaled(p, d, top, V) / sum) + (top - mean);
	return log1p(sum_excess(p, d, mean, V) / sum);
}

void cpu_divergence(dev_f64 *kl, dev_f64 *loss, const dev_f32 *p, const dev_f32 *d, const dev_i32 *base, size_t first,
	const dev_i32 *label, size_t T, size_t V)
{
	const int32_t *rows = (const int32_t *)base, *labels = (const int32_t *)label;
	for (size_t r = 0; r < T; r++) {
		assert(rows[r] >= 0 && (size_t)rows[r] >= first && (labels[r] < 0 || (size_t)labels[r] < V));
		const float *before = (const float *)p + ((size_t)rows[r] - first) * V, *change = (const float *)d + r * V;
		double sum = sum_floats(before, V), mean = sum_products(before, change, V) / sum;
		double divergence = row_divergence(before, change, mean, sum, V);
		((double *)kl)[r] = divergence;
		((double *)loss)[r] = labels[r] < 0 ? 0 : divergence + (mean - (double)change[labels[r]]);
	}
}
