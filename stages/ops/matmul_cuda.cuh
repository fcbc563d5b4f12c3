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

enum matmul_type {
	MATMUL_BF16, /* bf16 a and b, fp32 c, fp32 inside; all pointers and rows 16-aligned */
	MATMUL_F64,  /* all fp64 */
};

/* c[m,n] = a . b + beta c, row-major: a is [m,k], b is [k,n] ([n,k] when b_across); a row begins ld elements after the
 * one above it. */
struct matmul {
	enum matmul_type type;
	int b_across;
	size_t m, n, k, lda, ldb, ldc;
	size_t count;          /* so many products of that shape, one behind the other: */
	size_t step_a, step_b, step_c; /* elements from one to the next */
};

void matmul_run(const struct matmul *p, const void *a, const void *b, double beta, void *c);

/* c = alpha a . b + beta c, of bf16. */
void matmul_run_scaled(const struct matmul *p, float alpha, const void *a, const void *b, float beta, void *c);

#endif
