#include "ops/cuda.cuh"

#include <float.h>
#include <math.h>

extern "C" {
#include "ops/divergence.h"
}

/* Rows are the vocabulary: a block each, four elements a thread where V is a multiple of 4. Elements are fp32, and a
 * thread's sums fp64: adding one number for four elements is what a GPU with little fp64 has time for. */

template <int N> static __device__ void load(float v[N], const float *x, size_t i)
{
	if (N == 4) {
		const float4 four = ((const float4 *)x)[i];
		v[0] = four.x, v[1 % N] = four.y, v[2 % N] = four.z, v[3 % N] = four.w;
	} else {
		v[0] = x[i];
	}
}

/* ---- kernels: a block a row ---- */

/* Largest and sum as elements come: what was summed is scaled down when a larger one appears. */
template <int N> __global__ static void softmax_kernel(float *p, const float *z, size_t V)
{
	float top = -FLT_MAX, v[N];
	double sum = 0;
	p += blockIdx.x * V, z += blockIdx.x * V;
	for (size_t i = threadIdx.x; i < V / N; i += blockDim.x) {
		float larger = top, added = 0;
		load<N>(v, z, i);
#pragma unroll
		for (int k = 0; k < N; k++)
			larger = fmaxf(larger, v[k]);
#pragma unroll
		for (int k = 0; k < N; k++)
			added += expf(v[k] - larger);
		if (larger > top)
			sum *= expf(top - larger);
		sum += added;
		top = larger;
	}
	const float all = block_largest(top);
	const double factor = 1.0 / block_sum(sum * exp((double)top - all));
	for (size_t i = threadIdx.x; i < V / N; i += blockDim.x) {
		load<N>(v, z, i);
#pragma unroll
		for (int k = 0; k < N; k++)
			v[k] = (float)factor * expf(v[k] - all);
		if (N == 4)
			((float4 *)p)[i] = make_float4(v[0], v[1 % N], v[2 % N], v[3 % N]);
		else
			p[i] = v[0];
	}
}

/* exp(x) - 1 - x for x <= 80 within 1e-6 of itself, as in ops/exp.h: with exp(x) = 2^k (tail + 1 + r) what is large
 * cancels exactly where k is 0, and elsewhere the result is above 0.05. */
static __device__ float excess(float x)
{
	const float limited = fmaxf(x, -80.0f); /* below, exp(x) is nothing beside x; a NaN is in x still */
	const float k = rintf(limited * 0x1.715476p0f);
	const float r = fmaf(-k, 0x1.7f7d1cp-20f, fmaf(-k, 0x1.62e400p-1f, limited));
	float tail = fmaf(r, 1.0f / 40320.0f, 1.0f / 5040.0f);
	tail = fmaf(tail, r, 1.0f / 720.0f);
	tail = fmaf(tail, r, 1.0f / 120.0f);
	tail = fmaf(tail, r, 1.0f / 24.0f);
	tail = fmaf(tail, r, 1.0f / 6.0f);
	tail = fmaf(tail, r, 0.5f);
	tail *= r * r;
	const float power = __int_as_float((int)(k + 127.0f) << 23);
	return fmaf(power, tail, (power - 1.0f) + fmaf(power, r, -x));
}

/* Sums over a row: of p, p u and p (exp(u) - 1 - u), u = d - shift; and the largest d. */
struct moments {
	double p, pu, excess;
	float top;
};

template <int N> static __device__ struct moments moments_of(const float *p, const float *d, float shift, size_t V)
{
	struct moments m = {0, 0, 0, -FLT_MAX};
#pragma unroll 2
	for (size_t i = threadIdx.x; i < V / N; i += blockDim.x) {
		float a[N], b[N], sum = 0, first = 0, rest = 0;
		load<N>(a, p, i);
		load<N>(b, d, i);
#pragma unroll
		for (int k = 0; k < N; k++) {
			const float u = b[k] - shift;
			m.top = fmaxf(m.top, b[k]);
			sum += a[k];
			first = fmaf(a[k], u, first);
			rest = fmaf(a[k], excess(u), rest);
		}
		m.p += sum;
		m.pu += first;
		m.excess += rest;
	}
	return {block_sum(m.p), block_sum(m.pu), block_sum(m.excess), block_largest(m.top)};
}

/* log sum p exp(d - top) / sum p + top - mean: where exp(u) overflows, which is not often. */
static __device__ double far_divergence(const float *p, const float *d, struct moments m, double mean, size_t V)
{
	double sum = 0;
	for (size_t i = threadIdx.x; i < V; i += blockDim.x)
		sum += (double)p[i] * exp((double)d[i] - m.top);
	return log(block_sum(sum) / m.p) + (m.top - mean);
}

/* log(1 + x) - x without cancellation. */
static __device__ double log1p_less(double x)
{
	if (fabs(x) < 1e-3)
		return x * x * (x * (x * (x * (1.0 / 5 - x / 6) - 1.0 / 4) + 1.0 / 3) - 0.5);
	return log1p(x) - x;
}

/* The divergence from the moments around a shift: divergence_cpu.c has the formula for a shift that is the mean. With
 * another, and the mean w of u = d - shift, it is
 *
 *     log sum p exp(u) - w = log(1 + w + s) - w = (log(1 + w) - w) + log(1 + s / (1 + w)),   s = sum p (exp(u) - 1 - u)
 *
 * where w^2 / 2 cancels. */
static __device__ double divergence_of(struct moments m)
{
	const double w = m.pu / m.p;
	return log1p_less(w) + log1p(m.excess / m.p / (1.0 + w));
}

/* The first time over the row the shift is 0, and unless the mean is large beside how d differs, that was all. */
template <int N> __global__ static void divergence_kernel(double *kl, double *loss, const float *p, const float *d,
	const int32_t *base, size_t first, const int32_t *label, size_t V)
{
	const double exp_safe = 80, cancels = 16;
	const size_t row = blockIdx.x;
	p += ((size_t)base[row] - first) * V, d += row * V;
	struct moments m = moments_of<N>(p, d, 0, V);
	double mean = m.pu / m.p, found = divergence_of(m);
	if (!(m.top <= exp_safe && mean > -0.5 && mean * mean <= 2 * cancels * found)) {
		const float shift = (float)mean;
		if (!(m.top - mean <= exp_safe)) {
			found = far_divergence(p, d, m, mean, V);
		} else {
			m = moments_of<N>(p, d, shift, V);
			mean = shift + m.pu / m.p;
			found = divergence_of(m);
		}
	}
	if (threadIdx.x != 0)
		return;
	found = found < 0 ? 0 : found;
	kl[row] = found;
	loss[row] = label[row] < 0 ? 0 : found + (mean - (double)d[label[row]]);
}

/* ---- launchers ---- */

static int wide(size_t V, const void *a, const void *b)
{
	return V % 4 == 0 && (((uintptr_t)a | (uintptr_t)b) & 15) == 0;
}

extern "C" void cuda_softmax(dev_f32 *p, const dev_f32 *z, size_t T, size_t V)
{
	if (T && wide(V, p, z))
		CUDA_LAUNCH(softmax_kernel<4>, (unsigned)T, cuda_row_threads(V), 0, f32(p), f32(z), V);
	else if (T)
		CUDA_LAUNCH(softmax_kernel<1>, (unsigned)T, cuda_row_threads(V), 0, f32(p), f32(z), V);
}

extern "C" void cuda_divergence(dev_f64 *kl, dev_f64 *loss, const dev_f32 *p, const dev_f32 *d, const dev_i32 *base,
	size_t first, const dev_i32 *label, size_t T, size_t V)
{
	if (T && wide(V, p, d))
		CUDA_LAUNCH(divergence_kernel<4>, (unsigned)T, cuda_row_threads(V), 0, f64(kl), f64(loss), f32(p), f32(d),
			i32(base), first, i32(label), V);
	else if (T)
		CUDA_LAUNCH(divergence_kernel<1>, (unsigned)T, cuda_row_threads(V), 0, f64(kl), f64(loss), f32(p), f32(d),
			i32(base), first, i32(label), V);
}
