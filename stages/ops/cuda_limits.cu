#include "ops/cuda.cuh"
#include "ops/matmul_cuda.cuh"

extern "C" {
#include "ops/cuda_limits.h"
}

static const size_t SIDE = 8192;
static const int TIMES = 10;
static const size_t copy_bytes = (size_t)512 << 20;

/* Seconds of one of TIMES runs, after one that is not counted. */
template <typename F> static double time_of(F work)
{
	cudaEvent_t begin, end;
	float ms = 0;
	CUDA_TRY(cudaEventCreate(&begin));
	CUDA_TRY(cudaEventCreate(&end));
	work();
	CUDA_TRY(cudaEventRecord(begin, cuda_stream()));
	for (int i = 0; i < TIMES; i++)
		work();
	CUDA_TRY(cudaEventRecord(end, cuda_stream()));
	CUDA_TRY(cudaEventSynchronize(end));
	CUDA_TRY(cudaEventElapsedTime(&ms, begin, end));
	CUDA_TRY(cudaEventDestroy(begin));
	CUDA_TRY(cudaEventDestroy(end));
	return 1e-3 * ms / TIMES;
}

extern "C" struct cuda_limits cuda_limits_measure(void)
{
	const struct matmul product = {
		.b_across = 1, .m = SIDE, .n = SIDE, .k = SIDE, .lda = SIDE, .ldb = SIDE, .ldc = SIDE,
	};
	void *a = NULL, *b = NULL, *host = NULL;
	struct cuda_limits limits = {0, 0, 0};
	CUDA_TRY(cudaMalloc(&a, copy_bytes));
	CUDA_TRY(cudaMalloc(&b, copy_bytes));
	CUDA_TRY(cudaMallocHost(&host, copy_bytes));
	/* Numbers like those of a model: products of zeros draw less power. */
	uint16_t *bits = (uint16_t *)host;
	for (size_t i = 0; i < copy_bytes / 2 && host; i++)
		bits[i] = (uint16_t)(0x3c00 | ((i * 2654435761u >> 9) & 0x81ff));
	limits.upload = (double)copy_bytes / time_of([&] { cuda_put(a, host, copy_bytes); });
	limits.copy = 2.0 * (double)copy_bytes / time_of([&] {
		CUDA_TRY(cudaMemcpyAsync(b, a, copy_bytes, cudaMemcpyDeviceToDevice, cuda_stream()));
	});
	const char *second = (const char *)a + (size_t)SIDE * SIDE * 2;
	limits.flops = 2.0 * (double)(SIDE * SIDE * SIDE) / time_of([&] { matmul_run(&product, 1, a, second, 0, b); });
	CUDA_TRY(cudaFree(a));
	CUDA_TRY(cudaFree(b));
	CUDA_TRY(cudaFreeHost(host));
	return limits;
}

extern "C" size_t cuda_limits_used(void)
{
	size_t left = 0, total = 0;
	CUDA_TRY(cudaMemGetInfo(&left, &total));
	return total - left;
}
