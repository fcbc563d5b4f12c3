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

void cpu_copy_f64(dev_f64 *to, const dev_f64 *from, size_t n)
{
	memcpy(to, from, n * sizeof(double));
}

static void widen(double *restrict to, const float *restrict from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from[i];
}

void cpu_widen(dev_f64 *to, const dev_f32 *from, size_t n)
{
	widen((double *)to, (const float *)from, n);
}

void cpu_widen_weight(dev_f64 *to, const dev_weight *from, size_t n)
{
	widen((double *)to, (const float *)from, n);
}

static void narrow(float *restrict to, const double *restrict from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (float)from[i];
}

void cpu_narrow(dev_f32 *to, const dev_f64 *from, size_t n)
{
	narrow((float *)to, (const double *)from, n);
}

void cpu_swiglu_f64(dev_f64 *a, const dev_f64 *g, const dev_f64 *u, size_t n)
{
	double *to = (double *)a;
	const double *gate = (const double *)g, *up = (const double *)u;
	/* In place or not, elements do not meet; unsaid, the compiler would take the loop without vectors. */
#pragma GCC ivdep
	for (size_t i = 0; i < n; i++)
		to[i] = gate[i] / (1.0 + exp_double(-gate[i])) * up[i];
}
