/* Matrix products by cuBLASLt, as cuda_device_find() has opened it. Private to the CUDA operations.
 *
 * An element's bits follow from its row of a, and from b, not from m: the library is asked which kernel it has for a
 * fixed m, without the choices that would cut a sum over blocks (split-K), and that kernel runs for every m.
 */
#ifndef QG_OPS_MATMUL_CUDA_CUH
#define QG_OPS_MATMUL_CUDA_CUH

#include "ops/cuda.cuh"

/* Before the first product, on a started device. */
void matmul_start(void);

/* c[m,n] = alpha a . b + beta c, row-major: a is [m,k], b is [k,n] ([n,k] when b_across), both bf16, c and all inside fp32; a
 * row begins ld elements after the one above it. All pointers and rows are 16-aligned. */
struct matmul {
	size_t b_across;       /* 0 or 1; no padding here: plans are looked up by these bytes */
	size_t m, n, k, lda, ldb, ldc;
};

void matmul_run(const struct matmul *p, float alpha, const void *a, const void *b, float beta, void *c);

#endif
