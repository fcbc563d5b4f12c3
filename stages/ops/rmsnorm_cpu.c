#include "ops/rmsnorm.h"

#include <assert.h>
#include <math.h>

#include "ops/lanes.h"

/* 1 / sqrt(mean(x^2) + eps) */
static double inverse_rms(const float *x, size_t n, double eps)
{
	return 1.0 / sqrt(sum_squares(x, n) / (double)n + eps);
}

void cpu_rmsnorm(dev_f32 *y, const dev_f32 *x, const dev_weight *w, double eps, size_t rows, size_t n)
{
	const float *weight = (const float *)w;
	for (size_t row = 0; row < rows; row++) {
		const float *from = (const float *)x + row * n;
		float *to = (float *)y + row * n;
		double r = inverse_rms(from, n, eps);
		for (size_t i = 0; i < n; i++)
			to[i] = (float)((double)from[i] * r * (double)weight[i]);
	}
}

/* Sum of dy[i] w[i] x[i]. */
static double sum_weighted(const float *dy, const float *w, const float *x, size_t n)
{
	lanes a = {0};
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			a[k] += (double)dy[i + k] * (double)w[i + k] * (double)x[i + k];
	for (; i < n; i++)
		a[i % LANES] += (double)dy[i] * (double)w[i] * (double)x[i];
	return lanes_sum(a);
}

void cpu_rmsnorm_backward(dev_f32 *dx, const dev_f32 *dy, const dev_f32 *x, const dev_weight *w, double eps,
	size_t rows, size_t n, float beta)
{
	const float *weight = (const float *)w;
	assert(beta == 0 || beta == 1);
	assert(dx != dy || beta == 0);
	for (size_t row = 0; row < rows; row++) {
		const float *v = (const float *)x + row * n, *d = (const float *)dy + row * n;
		float *to = (float *)dx + row * n;
		double r = inverse_rms(v, n, eps);
		double c = r * r * r / (double)n * sum_weighted(d, weight, v, n);
		/* What is in dx is not read when beta is 0: it may be NaN. */
		if (beta == 0)
			for (size_t i = 0; i < n; i++)
				to[i] = (float)(r * ((double)d[i] * (double)weight[i]) - (double)v[i] * c);
		else
			for (size_t i = 0; i < n; i++)
				to[i] = (float)((double)to[i] + (r * ((double)d[i] * (double)weight[i]) - (double)v[i] * c));
	}
}
