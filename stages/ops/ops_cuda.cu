#include "ops/cuda.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/ahead_cuda.cuh"
#include "ops/matmul_cuda.cuh"

extern "C" {
#include "common/error.h"
#include "common/memory.h"
#include "ops/attention.h"
#include "ops/change.h"
#include "ops/cross_entropy.h"
#include "ops/cuda_device.h"
#include "ops/divergence.h"
#include "ops/elementwise.h"
#include "ops/linear.h"
#include "ops/quantize.h"
#include "ops/rmsnorm.h"
#include "ops/rope.h"
}

static const unsigned THREADS = 256;

/* The process has one device. Starting it makes a context and a stream, which takes 0.4 s and some hundred MB. */
static struct {
	int started;
	cudaStream_t stream;
	char failure[512];        /* of the first call that failed, or "" */
	struct {
		void *memory;
		size_t bytes;
	} workspace[CUDA_SLOTS];
} device;


/* ---- failures ---- */

void cuda_refuse(const char *format, ...)
{
	va_list list;
	if (device.failure[0])
		return;
	va_start(list, format);
	vsnprintf(device.failure, sizeof device.failure, format, list);
	va_end(list);
}

void cuda_note(cudaError_t code, const char *statement, const char *file, int line)
{
	if (code != cudaSuccess)
		cuda_refuse("%s:%d: %s: %s (%s)", file, line, statement, cudaGetErrorString(code), cudaGetErrorName(code));
}

/* ---- the device ---- */

__global__ static void nothing_kernel(void)
{
}

cudaStream_t cuda_stream(void)
{
	return device.stream;
}

static int start(void)
{
	cudaFuncAttributes attributes;
	if (device.started)
		return 0;
	device.started = 1;
	CUDA_TRY(cudaSetDevice(0));
	if (!device.failure[0] && cudaFuncGetAttributes(&attributes, nothing_kernel) != cudaSuccess)
		cuda_refuse("this build has no code for the GPU that is here (%s): run ./configure --cuda-arch=all again",
			cudaGetErrorName(cudaGetLastError()));
	if (!device.failure[0])
		CUDA_TRY(cudaStreamCreateWithFlags(&device.stream, cudaStreamNonBlocking));
	if (!device.failure[0])
		matmul_start();
	return device.failure[0] ? -1 : 0;
}

static int cuda_sync(void)
{
	if (!start())
		CUDA_TRY(cudaStreamSynchronize(device.stream));
	return device.failure[0] ? fail("GPU: %s", device.failure) : 0;
}

/* ---- memory ---- */

static void out_of_memory(size_t bytes)
{
	size_t left = 0, total = 0;
	cudaMemGetInfo(&left, &total);
	fprintf(stderr, "%s: error: out of GPU memory: %zu MiB wanted, %zu of %zu MiB are free: end what else uses the GPU, "
		"take fewer or shorter captions, or autoquant.device=cpu\n", program_name(), bytes >> 20, left >> 20, total >> 20);
	exit(1);
}

static void *cuda_alloc(size_t bytes)
{
	void *p = NULL;
	if (start() || device.failure[0]) {
		fprintf(stderr, "%s: error: GPU: %s\n", program_name(), device.failure);
		exit(1);
	}
	cudaError_t code = cudaMalloc(&p, bytes ? bytes : 1);
	if (code == cudaErrorMemoryAllocation)
		out_of_memory(bytes);
	CUDA_TRY(code);
	if (!p) {
		fprintf(stderr, "%s: error: GPU: %s\n", program_name(), device.failure);
		exit(1);
	}
	return p;
}

static void cuda_release(void *p)
{
	CUDA_TRY(cudaFree(p));
}

static size_t cuda_memory_free(void)
{
	size_t left = 0, total = 0;
	if (!start())
		CUDA_TRY(cudaMemGetInfo(&left, &total));
	return left;
}

void *cuda_resize(void *old, size_t *has, size_t bytes)
{
	if (old && bytes <= *has)
		return old;
	if (old)
		cuda_release(old);
	*has = bytes;
	return cuda_alloc(bytes);
}

void *cuda_workspace(enum cuda_slot slot, size_t bytes)
{
	device.workspace[slot].memory = cuda_resize(device.workspace[slot].memory, &device.workspace[slot].bytes, bytes);
	return device.workspace[slot].memory;
}

/* A copy from memory that is not page-locked has left it when the call returns. */
void cuda_put(void *to, const void *from, size_t bytes)
{
	if (bytes)
		CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, device.stream));
}

/* After a failure the host gets zeros rather than what was in its memory. */
void cuda_get(void *to, const void *from, size_t bytes)
{
	if (!bytes)
		return;
	CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, device.stream));
	CUDA_TRY(cudaStreamSynchronize(device.stream));
	if (device.failure[0])
		memset(to, 0, bytes);
}

/* ---- weights ---- */

template <typename T> __global__ static void widen_kernel(float *to, const T *from, size_t count)
{
	size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
	if (i < count)
		to[i] = (float)from[i];
}

/* bf16 is the upper half of an fp32. */
__global__ static void widen_bf16_kernel(uint32_t *to, const uint16_t *from, size_t count)
{
	size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
	if (i < count)
		to[i] = (uint32_t)from[i] << 16;
}

/* Converts what is at from, on the device. */
static void weight_widen(dev_weight *to, const void *from, enum dtype dtype, size_t count)
{
	if (dtype == DTYPE_F32)
		CUDA_TRY(cudaMemcpyAsync(to, from, count * sizeof(float), cudaMemcpyDeviceToDevice, device.stream));
	else if (dtype == DTYPE_BF16)
		CUDA_LAUNCH(widen_bf16_kernel, cuda_blocks(count, THREADS), THREADS, 0, (uint32_t *)to, (const uint16_t *)from,
			count);
	else
		CUDA_LAUNCH(widen_kernel<__half>, cuda_blocks(count, THREADS), THREADS, 0, f32(to), (const __half *)from,
			count);
	cuda_weight_mark(to, count, dtype == DTYPE_BF16 ? CUDA_WEIGHT_BF16 : dtype == DTYPE_F32 ? CUDA_WEIGHT_F32 :
		CUDA_WEIGHT_F16);
}

static void cuda_weight_load(dev_weight *to, const void *host, enum dtype dtype, size_t count)
{
	const size_t bytes = count * dtype_bits(dtype) / 8;
	if (!count)
		return;
	const void *from = cuda_ahead_take(host, bytes);
	if (from) {
		weight_widen(to, from, dtype, count);
		cuda_ahead_done(host);
		return;
	}
	void *staging = cuda_workspace(CUDA_STAGING, bytes);
	cuda_put(staging, host, bytes);
	weight_widen(to, staging, dtype, count);
}

/* ---- work ---- */

/* One thread of the host feeds the one stream. */
static int cuda_for_each(size_t count, pool_work *work, void *context)
{
	for (size_t i = 0; i < count; i++)
		if (work(context, i, 0))
			return -1;
	return 0;
}

static size_t cuda_workers(void)
{
	return 1;
}

/* ---- the table ---- */

static const struct ops table = {
	.name = "cuda",
	.weight_bytes = sizeof(float),
	.slice_rows = 16384,
	.pack_tokens = 2048,
	.alloc = cuda_alloc,
	.release = cuda_release,
	.memory_free = cuda_memory_free,
	.upload = cuda_put,
	.download = cuda_get,
	.pin = cuda_pin,
	.unpin = cuda_unpin,
	.weight_ahead = cuda_weight_ahead,
	.weight_load = cuda_weight_load,
	.for_each = cuda_for_each,
	.workers = cuda_workers,
	.sync = cuda_sync,
	.embed = cuda_embed,
	.linear = cuda_linear,
	.linear_backward = cuda_linear_backward,
	.rmsnorm = cuda_rmsnorm,
	.rmsnorm_backward = cuda_rmsnorm_backward,
	.rope = cuda_rope,
	.attention = cuda_attention,
	.attention_backward = cuda_attention_backward,
	.swiglu = cuda_swiglu,
	.swiglu_backward = cuda_swiglu_backward,
	.add = cuda_add,
	.cross_entropy = cuda_cross_entropy,
	.amax = cuda_amax,
	.weight_amax = cuda_weight_amax,
	.quantize = cuda_quantize,
	.linear_quantized = cuda_linear_quantized,
	.quantize_weight = cuda_quantize_weight,
	.weight_error = cuda_weight_error,
	.input_error = cuda_input_error,
	.output_error = cuda_output_error,
	.change_apply = cuda_change_apply,
	.change_from = cuda_change_from,
	.linear_change = cuda_linear_change,
	.rmsnorm_change = cuda_rmsnorm_change,
	.attention_change = cuda_attention_change,
	.swiglu_change = cuda_swiglu_change,
	.softmax = cuda_softmax,
	.divergence = cuda_divergence,
};

extern "C" const struct ops *ops_cuda(int bf16)
{
	static struct ops instance;
	const struct cuda_device *gpu = cuda_device_find();
	instance = table;
	if (bf16) {
		instance.name = "cuda-bf16";
		instance.served = cuda_served;
	}
	instance.numerics = bf16 ? gpu->numerics_bf16 : gpu->numerics;
	cuda_products_served(bf16);
	return &instance;
}
