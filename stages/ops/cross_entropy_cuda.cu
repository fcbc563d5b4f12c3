#include "ops/cuda.cuh"

#include <math.h>

extern "C" {
#include "ops/cross_entropy.h"
}

/* A block a row; fp64 inside, one rounding. The exponentials are computed twice: memory for them would cost more. d may
 * be z: an element is read and written by one thread, and that of the label is read by all beforehand. */
__global__ static void cross_entropy_kernel(float *d, double *loss, const float *z, const int32_t *label,
	const double *scales, size_t V)
{
	d += blockIdx.x * V, z += blockIdx.x * V;
	const int target = label[blockIdx.x];
	double top = -INFINITY, sum = 0;
	if (target < 0) {
		for (size_t i = threadIdx.x; i < V; i += blockDim.x)
			d[i] = 0;
		if (threadIdx.x == 0)
			loss[blockIdx.x] = 0;
		return;
	}
	const double z_target = z[target], scale = scales[blockIdx.x];
	for (size_t i = threadIdx.x; i < V; i += blockDim.x)
		top = larger_of(top, (double)z[i]);
	top = block_largest(top);
	for (size_t i = threadIdx.x; i < V; i += blockDim.x)
		sum += exp((double)z[i] - top);
	sum = block_sum(sum);
	const double factor = scale / sum;
	for (size_t i = threadIdx.x; i < V; i += blockDim.x)
		d[i] = (float)(i == (size_t)target ? scale * (exp(z_target - top) / sum - 1.0) :
			factor * exp((double)z[i] - top));
	if (threadIdx.x == 0)
		loss[blockIdx.x] = top + log(sum) - z_target;
}

extern "C" void cuda_cross_entropy(dev_f32 *dlogits, dev_f64 *loss, const dev_f32 *logits, const dev_i32 *label,
	const dev_f64 *scale, size_t T, size_t V)
{
	if (T)
		CUDA_LAUNCH(cross_entropy_kernel, (unsigned)T, cuda_row_threads(V), 0, f32(dlogits), f64(loss), f32(logits),
			i32(label), f64(scale), V);
}
