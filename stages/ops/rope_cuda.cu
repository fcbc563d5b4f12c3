#include "ops/cuda.cuh"

#include <assert.h>

extern "C" {
#include "ops/rope.h"
}

/* A block a token, a thread a pair: sine and cosine, which cost the most, are computed once for all heads. */
template <typename T> __global__ static void rope_kernel(T *x, const int32_t *position, double theta, size_t heads,
	size_t hd, double direction)
{
	const size_t half = hd / 2;
	x += blockIdx.x * heads * hd;
	for (size_t i = threadIdx.x; i < half; i += blockDim.x) {
		double sine, cosine;
		sincos((double)position[blockIdx.x] * pow(theta, -2.0 * (double)i / (double)hd), &sine, &cosine);
		sine *= direction;
		for (size_t h = 0; h < heads; h++) {
			T *low = x + h * hd + i, *high = low + half;
			const double a = *low, b = *high;
			*low = (T)(a * cosine - b * sine);
			*high = (T)(b * cosine + a * sine);
		}
	}
}

template <typename T> static void rope(T *x, const int32_t *position, double theta, size_t tokens, size_t heads,
	size_t hd, int direction)
{
	assert(hd % 2 == 0 && (direction == 1 || direction == -1));
	if (tokens)
		CUDA_LAUNCH(rope_kernel, (unsigned)tokens, cuda_row_threads(hd / 2), 0, x, position, theta, heads, hd,
			(double)direction);
}

extern "C" void cuda_rope(dev_f32 *x, const dev_i32 *position, double theta, size_t T, size_t heads, size_t hd,
	int direction)
{
	rope(f32(x), i32(position), theta, T, heads, hd, direction);
}

extern "C" void cuda_rope_f64(dev_f64 *x, const dev_i32 *position, double theta, size_t T, size_t heads, size_t hd)
{
	rope(f64(x), i32(position), theta, T, heads, hd, 1);
}
