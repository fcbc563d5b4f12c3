#include "ops/cuda.cuh"

#include <assert.h>

extern "C" {
#include "ops/rope.h"
}

/* A block a token, a thread a pair: sine and cosine, which cost the most, are computed once for all heads. */
__global__ static void rope_kernel(float *x, const int32_t *position, double theta, size_t heads, size_t hd,
	double direction)
{
	const size_t half = hd / 2;
	x += blockIdx.x * heads * hd;
	for (size_t i = threadIdx.x; i < half; i += blockDim.x) {
		double sine, cosine;
		sincos((double)position[blockIdx.x] * pow(theta, -2.0 * (double)i / (double)hd), &sine, &cosine);
		sine *= direction;
		for (size_t h = 0; h < heads; h++) {
			float *low = x + h * hd + i, *high = low + half;
			const double a = *low, b = *high;
			*low = (float)(a * cosine - b * sine);
			*high = (float)(b * cosine + a * sine);
		}
	}
}

extern "C" void cuda_rope(dev_f32 *x, const dev_i32 *position, double theta, size_t T, size_t heads, size_t hd,
	int direction)
{
	assert(hd % 2 == 0 && (direction == 1 || direction == -1));
	if (T)
		CUDA_LAUNCH(rope_kernel, (unsigned)T, cuda_row_threads(hd / 2), 0, f32(x), i32(position), theta, heads, hd,
			(double)direction);
}
