#include "ops/cuda.cuh"

#include <cuda_bf16.h>

extern "C" {
#include "ops/elementwise.h"
}

static const unsigned THREADS = 256;

/* ---- kernels: a thread an element ---- */

#define ELEMENT(i, n) \
	const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; \
	if (i >= (n)) \
		return

/* A block a token. */
__global__ static void embed_kernel(float *out, const float *table, const int32_t *ids, size_t H)
{
	const float *from = table + (size_t)ids[blockIdx.x] * H;
	for (size_t i = threadIdx.x; i < H; i += blockDim.x)
		out[blockIdx.x * H + i] = from[i];
}

__global__ static void served_kernel(float *x, size_t n)
{
	ELEMENT(i, n);
	x[i] = __bfloat162float(__float2bfloat16_rn(x[i]));
}

__global__ static void add_kernel(float *y, const float *a, const float *b, size_t n)
{
	ELEMENT(i, n);
	y[i] = __fadd_rn(a[i], b[i]);
}

__global__ static void swiglu_kernel(float *a, const float *g, const float *u, size_t n)
{
	ELEMENT(i, n);
	const double v = g[i];
	a[i] = (float)(v / (1.0 + exp(-v)) * (double)u[i]);
}

__global__ static void swiglu_backward_kernel(float *dg, float *du, const float *da, const float *g, const float *u,
	size_t n)
{
	ELEMENT(i, n);
	const double v = g[i], d = da[i], sigmoid = 1.0 / (1.0 + exp(-v));
	du[i] = (float)(d * v * sigmoid);
	dg[i] = (float)(d * (double)u[i] * sigmoid * (1.0 + v * (1.0 - sigmoid)));
}

/* ---- launchers ---- */

#define LAUNCH(kernel, n, ...) \
	do { \
		if (n) \
			CUDA_LAUNCH(kernel, cuda_blocks(n, THREADS), THREADS, 0, __VA_ARGS__, n); \
	} while (0)

extern "C" void cuda_embed(dev_f32 *out, const dev_weight *table, const dev_i32 *ids, size_t T, size_t H)
{
	if (T)
		CUDA_LAUNCH(embed_kernel, (unsigned)T, cuda_row_threads(H), 0, f32(out), f32(table), i32(ids), H);
}

extern "C" void cuda_served(dev_f32 *x, size_t n)
{
	if (n)
		CUDA_LAUNCH(served_kernel, cuda_blocks(n, THREADS), THREADS, 0, f32(x), n);
}

extern "C" void cuda_add(dev_f32 *y, const dev_f32 *a, const dev_f32 *b, size_t n)
{
	LAUNCH(add_kernel, n, f32(y), f32(a), f32(b));
}

extern "C" void cuda_swiglu(dev_f32 *a, const dev_f32 *g, const dev_f32 *u, size_t n)
{
	LAUNCH(swiglu_kernel, n, f32(a), f32(g), f32(u));
}

extern "C" void cuda_swiglu_backward(dev_f32 *dg, dev_f32 *du, const dev_f32 *da, const dev_f32 *g, const dev_f32 *u,
	size_t n)
{
	LAUNCH(swiglu_backward_kernel, n, f32(dg), f32(du), f32(da), f32(g), f32(u));
}
