/* fp32 products of row-major matrices by OpenBLAS, which ops_cpu() has set to one thread. Private to the CPU
 * operations.
 *
 * The bits of a product depend on its shape as well as on its values: which kernel runs, and in which pieces the sum is
 * cut, follow from m, n and k. They do not depend on leading dimensions, addresses or neighbouring rows.
 */
#ifndef QG_OPS_SGEMM_H
#define QG_OPS_SGEMM_H

#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <stddef.h>

/* c[m,n] = a . b + beta c, where a is [m,k] ([k,m] when a_across) and b is [k,n] ([n,k] when b_across); a row begins ld
 * elements after the one above it. */
static inline void sgemm(int a_across, int b_across, size_t m, size_t n, size_t k, const float *a, size_t lda,
	const float *b, size_t ldb, float beta, float *c, size_t ldc)
{
	assert(m <= INT_MAX && n <= INT_MAX && k <= INT_MAX && lda <= INT_MAX && ldb <= INT_MAX && ldc <= INT_MAX);
	cblas_sgemm(CblasRowMajor, a_across ? CblasTrans : CblasNoTrans, b_across ? CblasTrans : CblasNoTrans, (int)m,
		(int)n, (int)k, 1.0f, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

#endif
