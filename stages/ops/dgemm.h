/* fp64 products of row-major matrices by OpenBLAS; all that sgemm.h says holds here. Private to the CPU operations. */
#ifndef QG_OPS_DGEMM_H
#define QG_OPS_DGEMM_H

#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <stddef.h>

/* c[m,n] = a . b + beta c, where a is [m,k] and b is [k,n] ([n,k] when b_across); a row begins ld elements after the
 * one above it. */
static inline void dgemm(int b_across, size_t m, size_t n, size_t k, const double *a, size_t lda, const double *b,
	size_t ldb, double beta, double *c, size_t ldc)
{
	assert(m <= INT_MAX && n <= INT_MAX && k <= INT_MAX && lda <= INT_MAX && ldb <= INT_MAX && ldc <= INT_MAX);
	cblas_dgemm(CblasRowMajor, CblasNoTrans, b_across ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, 1.0, a,
		(int)lda, b, (int)ldb, beta, c, (int)ldc);
}

#endif
