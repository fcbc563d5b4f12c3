#include "ops/cuda.cuh"

extern "C" {
#include "ops/rmsnorm.h"
}

/* ---- kernels: a block a row; fp64 inside, one rounding ---- */

/* 1 / sqrt(mean(x^2) + eps) */
static __device__ double inverse_rms(const float *x, size_t n, double eps)
{
	double sum = 0;
	for (size_t i = threadIdx.x; i < n; i += blockDim.x)
		sum += (double)x[i] * (double)x[i];
	return 1.0 / sqrt(block_sum(sum) / (double)n + eps);
}

/* y may be x: an element is read and written by one thread, after the sum. */
__global__ static void rmsnorm_kernel(float *y, const float *x, const float *w, double eps, size_t n)
{
	y += blockIdx.x * n, x += blockIdx.x * n;
	const double r = inverse_rms(x, n, eps);
	for (size_t i = threadIdx.x; i < n; i += blockDim.x)
		y[i] = (float)((double)x[i] * r * (double)w[i]);
}

__global__ static void rmsnorm_backward_kernel(float *dx, const float *dy, const float *x, const float *w, double eps,
	size_t n, int added)
{
	dx += blockIdx.x * n, dy += blockIdx.x * n, x += blockIdx.x * n;
	const double r = inverse_rms(x, n, eps);
	double sum = 0;
	for (size_t i = threadIdx.x; i < n; i += blockDim.x)
		sum += (double)dy[i] * (double)w[i] * (double)x[i];
	const double c = r * r * r / (double)n * block_sum(sum);
	for (size_t i = threadIdx.x; i < n; i += blockDim.x) {
		const double d = r * ((double)dy[i] * (double)w[i]) - (double)x[i] * c;
		/* What is in dx is not read unless it is added to: it may be NaN. */
		dx[i] = (float)(added ? (double)dx[i] + d : d);
	}
}

/* ---- launchers ---- */

extern "C" void cuda_rmsnorm(dev_f32 *y, const dev_f32 *x, const dev_weight *w, double eps, size_t rows, size_t n)
{
	if (rows)
		CUDA_LAUNCH(rmsnorm_kernel, (unsigned)rows, cuda_row_threads(n), 0, f32(y), f32(x), f32(w), eps, n);
}

extern "C" void cuda_rmsnorm_backward(dev_f32 *dx, const dev_f32 *dy, const dev_f32 *x, const dev_weight *w, double eps,
	size_t rows, size_t n, float beta)
{
	if (rows)
		CUDA_LAUNCH(rmsnorm_backward_kernel, (unsigned)rows, cuda_row_threads(n), 0, f32(dx), f32(dy), f32(x), f32(w),
			eps, n, beta != 0);
}
