#include "ops/divergence.h"

#include <math.h>

#include "ops/exp.h"
#include "ops/lanes.h"

void cpu_softmax_f64(dev_f64 *p, const dev_f64 *z, size_t T, size_t V)
{
	for (size_t t = 0; t < T; t++) {
		const double *from = (const double *)z + t * V;
		double *restrict to = (double *)p + t * V;
		double top = largest_double(from, V);
		for (size_t i = 0; i < V; i++)
			to[i] = exp_double(from[i] - top);
		double factor = 1.0 / sum_doubles(to, V);
		for (size_t i = 0; i < V; i++)
			to[i] *= factor;
	}
}

/* Sum of p (b - a). */
static double mean_change(const double *restrict p, const double *restrict a, const double *restrict b, size_t n)
{
	lanes s = {0};
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			s[k] += p[i + k] * (b[i + k] - a[i + k]);
	for (; i < n; i++)
		s[i % LANES] += p[i] * (b[i] - a[i]);
	return lanes_sum(s);
}

/* Largest b - a. */
static double largest_change(const double *restrict a, const double *restrict b, size_t n)
{
	lanes s;
	size_t i = 0;
	for (size_t k = 0; k < LANES; k++)
		s[k] = b[0] - a[0];
	for (; i + LANES <= n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			s[k] = b[i + k] - a[i + k] > s[k] ? b[i + k] - a[i + k] : s[k];
	for (; i < n; i++)
		s[0] = b[i] - a[i] > s[0] ? b[i] - a[i] : s[0];
	return lanes_largest(s);
}

/* Sum of p (exp(u) - 1 - u), u = b - a - mean. */
static double sum_excess(const double *restrict p, const double *restrict a, const double *restrict b, double mean,
	size_t n)
{
	lanes s = {0};
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			s[k] += p[i + k] * exp_excess(b[i + k] - a[i + k] - mean);
	for (; i < n; i++)
		s[i % LANES] += p[i] * exp_excess(b[i] - a[i] - mean);
	return lanes_sum(s);
}

/* Sum of p exp(b - a - top). */
static double sum_scaled(const double *restrict p, const double *restrict a, const double *restrict b, double top,
	size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += p[i] * exp_double(b[i] - a[i] - top);
	return sum;
}

/* With d = changed - z the divergence is log sum p exp(d) - sum p d. Taking the mean m = sum p d off every d leaves
 *
 *     log sum p exp(u) = log(1 + sum p (exp(u) - 1 - u)),   u = d - m,  sum p u = 0,
 *
 * where no term is negative and none is a difference of large numbers. Where exp(u) would overflow, which takes logits
 * that moved by hundreds, the first form does: it then has digits enough. */
static double row_divergence(const double *p, const double *z, const double *changed, size_t V)
{
	const double exp_safe = 600;
	double mean = mean_change(p, z, changed, V), top = largest_change(z, changed, V);
	if (top - mean > exp_safe)
		return log(sum_scaled(p, z, changed, top, V)) + (top - mean);
	return log1p(sum_excess(p, z, changed, mean, V));
}

void cpu_divergence(dev_f64 *kl, const dev_f64 *p, const dev_f64 *z, const dev_f64 *changed, size_t T, size_t V)
{
	for (size_t t = 0; t < T; t++)
		((double *)kl)[t] = row_divergence((const double *)p + t * V, (const double *)z + t * V,
			(const double *)changed + t * V, V);
}
