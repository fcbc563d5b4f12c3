/* What the CUDA instances of the operations share: the device, its one stream, launches, workspaces, sums in a fixed
 * order. Private to the .cu files here.
 *
 * All work goes to one stream, so that it runs in the order of the calls. A call that fails is noted, the first one
 * only, with statement, file and line; sync() reports it and everything afterwards is void. Kernels are compiled
 * without contraction of a multiplication and an addition (-fmad=false); where one is wanted it is written fma().
 * No sum depends on the order in which blocks run: there are no atomic additions, and maxima are taken of the bits.
 */
#ifndef QG_OPS_CUDA_CUH
#define QG_OPS_CUDA_CUH

#include <cuda_runtime.h>
#include <stddef.h>
#include <stdint.h>

extern "C" {
#include "ops/ops.h"
}

/* Memory of the device that is kept from call to call; each has one use at a time. */
enum cuda_slot {
	CUDA_STAGING,   /* a checkpoint's bytes before they are converted */
	CUDA_X_PARTS,   /* activations in bf16 parts */
	CUDA_W_PARTS,   /* a weight in bf16 parts */
	CUDA_PRODUCTS,  /* products of parts */
	CUDA_MATMUL,    /* cuBLASLt's own */
	CUDA_RESULT,    /* sums, maxima and losses on their way to the host */
	CUDA_AMAX,      /* maxima on their way to the device */
	CUDA_TILES,     /* tiles of attention */
	CUDA_STATISTICS, /* softmax rows of attention's backward pass */
	CUDA_SLOTS
};

/* At least bytes, 256-aligned; what it held is lost when it has to grow. */
void *cuda_workspace(enum cuda_slot slot, size_t bytes);

/* Memory for at least bytes: the old one (may be NULL), whose size *has says, or another in its place. */
void *cuda_resize(void *old, size_t *has, size_t bytes);

cudaStream_t cuda_stream(void);

/* Notes a failure, if code is one. */
void cuda_note(cudaError_t code, const char *statement, const char *file, int line);

/* Notes another failure, formatted as by printf. */
void cuda_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Host to device and back, after all work so far; cuda_get() waits. */
void cuda_put(void *device, const void *host, size_t bytes);
void cuda_get(void *host, const void *device, size_t bytes);

#define CUDA_TRY(statement) cuda_note((statement), #statement, __FILE__, __LINE__)

#define CUDA_LAUNCH(kernel, grid, block, shared, ...) \
	do { \
		kernel<<<(grid), (block), (shared), cuda_stream()>>>(__VA_ARGS__); \
		cuda_note(cudaGetLastError(), "launch of " #kernel, __FILE__, __LINE__); \
	} while (0)

/* Blocks of so many threads that cover n elements one by one; n > 0. */
static inline unsigned cuda_blocks(size_t n, unsigned threads)
{
	return (unsigned)((n + threads - 1) / threads);
}

/* Whether four floats there can be read at once. */
static inline int aligned16(const void *p)
{
	return ((uintptr_t)p & 15) == 0;
}

/* Threads for a block that takes a row of n: a warp for short ones. */
static inline unsigned cuda_row_threads(size_t n)
{
	return n <= 128 ? 32 : n <= 2048 ? 128 : n <= 16384 ? 256 : 1024;
}

/* How exactly a weight is known: what it came from decides how many bf16 parts hold it. */
enum cuda_weight {
	CUDA_WEIGHT_BF16,       /* one part */
	CUDA_WEIGHT_F16,        /* two */
	CUDA_WEIGHT_F32,        /* three */
	CUDA_WEIGHT_DIFFERENCE, /* Q(W) - W, multiplied to 16 bits */
};

/* Notes what the elements at W are; linear() looks it up. Elements nothing is known of are CUDA_WEIGHT_F32. */
void cuda_weight_mark(const dev_weight *W, size_t count, enum cuda_weight kind);

/* Elements of different types in one expression of the kernels. */
static inline float *f32(dev_f32 *p) { return (float *)p; }
static inline const float *f32(const dev_f32 *p) { return (const float *)p; }
static inline float *f32(dev_weight *p) { return (float *)p; }
static inline const float *f32(const dev_weight *p) { return (const float *)p; }
static inline double *f64(dev_f64 *p) { return (double *)p; }
static inline const double *f64(const dev_f64 *p) { return (const double *)p; }
static inline const int32_t *i32(const dev_i32 *p) { return (const int32_t *)p; }

#ifdef __CUDACC__

/* Sum over the threads of a block, known to all of them. The tree is fixed: the same bits on every run. Every thread
 * calls it; blocks are whole warps. */
static __device__ inline double block_sum(double x)
{
	__shared__ double part[33];
	for (int step = 16; step; step /= 2)
		x += __shfl_xor_sync(~0u, x, step);
	__syncthreads(); /* the last call's readers are done */
	if (threadIdx.x % 32 == 0)
		part[threadIdx.x / 32] = x;
	__syncthreads();
	if (threadIdx.x == 0) {
		double sum = 0;
		for (unsigned w = 0; w < blockDim.x / 32; w++)
			sum += part[w];
		part[32] = sum;
	}
	__syncthreads();
	return part[32];
}

static __device__ inline double larger_of(double a, double b) { return b > a ? b : a; }
static __device__ inline int larger_of(int a, int b) { return b > a ? b : a; }

/* Largest over the threads of a block, likewise. A NaN is left out unless it is that of the first thread. */
template <typename T> static __device__ inline T block_largest(T x)
{
	__shared__ T part[33];
	for (int step = 16; step; step /= 2)
		x = larger_of(x, __shfl_xor_sync(~0u, x, step));
	__syncthreads();
	if (threadIdx.x % 32 == 0)
		part[threadIdx.x / 32] = x;
	__syncthreads();
	if (threadIdx.x == 0) {
		T top = part[0];
		for (unsigned w = 1; w < blockDim.x / 32; w++)
			top = larger_of(top, part[w]);
		part[32] = top;
	}
	__syncthreads();
	return part[32];
}

/* |x| as bits, which order as magnitudes do, NaN above all. */
static __device__ inline int magnitude_bits(float x)
{
	return __float_as_int(x) & 0x7fffffff;
}

/* Largest |x| of a row, by the threads of a block, known to all of them; a NaN anywhere makes it NaN. */
static __device__ inline float row_amax(const float *row, size_t cols)
{
	int top = 0;
	for (size_t i = threadIdx.x; i < cols; i += blockDim.x)
		top = larger_of(top, magnitude_bits(row[i]));
	return __int_as_float(block_largest(top));
}

#endif

#endif
