/* Matrix products by cuBLASLt, as cuda_device_find() has opened it. Private to the CUDA operations.
 *
 * The kernel that runs, and with it the bits, follow from the shape alone: the library is asked once for each, without
 * the choices that would cut a sum over blocks (split-K).
 */
#ifndef QG_OPS_MATMUL_CUDA_CUH
#define QG_OPS_MATMUL_CUDA_CUH

#include "ops/cuda.cuh"

/* Before the first product, on a started device. */
void matmul_start(void);

enum matmul_type {
	MATMUL_BF16, /* bf16 a and b, fp32 c, fp32 inside; all pointers and rows 16-aligned */
	MATMUL_F64,  /* all fp64 */
};

/* c[m,n] = a . b + beta c, row-major: a is [m,k], b is [k,n] ([n,k] when b_across); a row begins ld elements after the
 * one above it. */
void matmul(enum matmul_type type, int b_across, size_t m, size_t n, size_t k, const void *a, size_t lda, const void *b,
	size_t ldb, double beta, void *c, size_t ldc);

#endif
