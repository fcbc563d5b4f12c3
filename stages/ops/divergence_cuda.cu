#include "ops/cuda.cuh"

#include <math.h>

extern "C" {
#include "ops/divergence.h"
}

/* ---- kernels: a block a row ---- */

__global__ static void softmax_kernel(double *p, const double *z, size_t V)
{
	double top = -INFINITY, sum = 0;
	p += blockIdx.x * V, z += blockIdx.x * V;
	for (size_t i = threadIdx.x; i < V; i += blockDim.x)
		top = larger_of(top, z[i]);
	top = block_largest(top);
	for (size_t i = threadIdx.x; i < V; i += blockDim.x) {
		p[i] = exp(z[i] - top);
		sum += p[i];
	}
	const double factor = 1.0 / block_sum(sum);
	for (size_t i = threadIdx.x; i < V; i += blockDim.x)
		p[i] *= factor;
}

/* exp(x) - 1 - x without cancellation, as in ops/exp.h: with exp(x) = 2^k (tail + 1 + r) what is large cancels exactly
 * where k is 0, and elsewhere the result is above 0.05. */
static __device__ double excess(double x)
{
	const double k = rint(x * 0x1.71547652b82fep0);
	const double r = (x - k * 0x1.62e42fefa0000p-1) - k * 0x1.cf79abc9e3b3ap-40;
	double tail = 1.0 / 6227020800.0;
	tail = tail * r + 1.0 / 479001600.0;
	tail = tail * r + 1.0 / 39916800.0;
	tail = tail * r + 1.0 / 3628800.0;
	tail = tail * r + 1.0 / 362880.0;
	tail = tail * r + 1.0 / 40320.0;
	tail = tail * r + 1.0 / 5040.0;
	tail = tail * r + 1.0 / 720.0;
	tail = tail * r + 1.0 / 120.0;
	tail = tail * r + 1.0 / 24.0;
	tail = tail * r + 1.0 / 6.0;
	tail = tail * r + 0.5;
	tail *= r * r;
	const double power = ldexp(1.0, (int)k);
	return power * tail + ((power - 1.0) + (power * r - x));
}

/* The formulas are those of divergence_cpu.c, which says where they come from. */
__global__ static void divergence_kernel(double *kl, const double *p, const double *z, const double *changed, size_t V)
{
	const double exp_safe = 600;
	double mean = 0, top = -INFINITY, sum = 0;
	p += blockIdx.x * V, z += blockIdx.x * V, changed += blockIdx.x * V;
	for (size_t i = threadIdx.x; i < V; i += blockDim.x) {
		const double d = changed[i] - z[i];
		mean += p[i] * d;
		top = larger_of(top, d);
	}
	mean = block_sum(mean);
	top = block_largest(top);
	const int far = top - mean > exp_safe;
	for (size_t i = threadIdx.x; i < V; i += blockDim.x) {
		const double d = changed[i] - z[i];
		sum += far ? p[i] * exp(d - top) : p[i] * excess(d - mean);
	}
	sum = block_sum(sum);
	if (threadIdx.x == 0)
		kl[blockIdx.x] = far ? log(sum) + (top - mean) : log1p(sum);
}

/* ---- launchers ---- */

extern "C" void cuda_softmax_f64(dev_f64 *p, const dev_f64 *z, size_t T, size_t V)
{
	if (T)
		CUDA_LAUNCH(softmax_kernel, (unsigned)T, cuda_row_threads(V), 0, f64(p), f64(z), V);
}

extern "C" void cuda_divergence(dev_f64 *kl, const dev_f64 *p, const dev_f64 *z, const dev_f64 *changed, size_t T,
	size_t V)
{
	if (T)
		CUDA_LAUNCH(divergence_kernel, (unsigned)T, cuda_row_threads(V), 0, f64(kl), f64(p), f64(z), f64(changed), V);
}
