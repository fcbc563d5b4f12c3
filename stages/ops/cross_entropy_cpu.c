#include "ops/cross_entropy.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "ops/exp.h"
#include "ops/lanes.h"

/* Sum of exp(z[i] - top). */
static double sum_exp(const float *z, size_t n, double top)
{
	lanes a = {0};
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			a[k] += exp_double((double)z[i + k] - top);
	for (; i < n; i++)
		a[i % LANES] += exp_double((double)z[i] - top);
	return lanes_sum(a);
}

/* One row with a target: returns its loss. The exponentials are computed twice, which costs less than memory for them
 * in double and keeps the gradient's one rounding. d may be z. */
static double row_run(float *d, const float *z, size_t label, double scale, size_t V)
{
	double top = largest(z, V);
	double sum = sum_exp(z, V, top);
	double loss = top + log(sum) - (double)z[label];
	double target = exp_double((double)z[label] - top);
	double factor = scale / sum;
	for (size_t i = 0; i < V; i++)
		d[i] = (float)(factor * exp_double((double)z[i] - top));
	d[label] = (float)(scale * (target / sum - 1.0));
	return loss;
}

void cpu_cross_entropy(dev_f32 *dlogits, dev_f64 *loss, const dev_f32 *logits, const dev_i32 *label,
	const dev_f64 *scale, size_t T, size_t V)
{
	const int32_t *labels = (const int32_t *)label;
	for (size_t t = 0; t < T; t++) {
		float *d = (float *)dlogits + t * V;
		double *to = (double *)loss + t;
		assert(labels[t] < 0 || (size_t)labels[t] < V);
		*to = 0;
		if (labels[t] < 0)
			memset(d, 0, V * sizeof *d);
		else
			*to = row_run(d, (const float *)logits + t * V, (size_t)labels[t], ((const double *)scale)[t], V);
	}
}
