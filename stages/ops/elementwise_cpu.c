#include "ops/elementwise.h"

#include <assert.h>
#include <string.h>

#include "ops/exp.h"

void cpu_embed(dev_f32 *out, const dev_weight *table, const dev_i32 *ids, size_t T, size_t H)
{
	const int32_t *id = (const int32_t *)ids;
	for (size_t t = 0; t < T; t++) {
		assert(id[t] >= 0);
		memcpy((float *)out + t * H, (const float *)table + (size_t)id[t] * H, H * sizeof(float));
	}
}

void cpu_add(dev_f32 *y, const dev_f32 *a, const dev_f32 *b, size_t n)
{
	float *to = (float *)y;
	const float *p = (const float *)a, *q = (const float *)b;
	for (size_t i = 0; i < n; i++)
		to[i] = p[i] + q[i];
}

static void swiglu(float *restrict a, const float *restrict g, const float *restrict u, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double v = g[i];
		a[i] = (float)(v / (1.0 + exp_double(-v)) * (double)u[i]);
	}
}

void cpu_swiglu(dev_f32 *a, const dev_f32 *g, const dev_f32 *u, size_t n)
{
	swiglu((float *)a, (const float *)g, (const float *)u, n);
}

static void swiglu_backward(float *restrict dg, float *restrict du, const float *restrict da, const float *restrict g,
	const float *restrict u, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double v = g[i], d = da[i];
		double sigmoid = 1.0 / (1.0 + exp_double(-v));
		du[i] = (float)(d * v * sigmoid);
		dg[i] = (float)(d * (double)u[i] * sigmoid * (1.0 + v * (1.0 - sigmoid)));
	}
}

void cpu_swiglu_backward(dev_f32 *dg, dev_f32 *du, const dev_f32 *da, const dev_f32 *g, const dev_f32 *u, size_t n)
{
	swiglu_backward((float *)dg, (float *)du, (const float *)da, (const float *)g, (const float *)u, n);
}
