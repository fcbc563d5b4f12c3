#include "ops/matmul_cuda.cuh"

#include <assert.h>
#include <cublasLt.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

extern "C" {
#include "common/memory.h"
#include "ops/cuda_device.h"
}

/* The functions of the library that are called. */
static struct {
	decltype(&cublasLtCreate) Create;
	decltype(&cublasLtMatmulDescCreate) MatmulDescCreate;
	decltype(&cublasLtMatmulDescSetAttribute) MatmulDescSetAttribute;
	decltype(&cublasLtMatrixLayoutCreate) MatrixLayoutCreate;
	decltype(&cublasLtMatmulPreferenceCreate) MatmulPreferenceCreate;
	decltype(&cublasLtMatmulPreferenceSetAttribute) MatmulPreferenceSetAttribute;
	decltype(&cublasLtMatmulPreferenceDestroy) MatmulPreferenceDestroy;
	decltype(&cublasLtMatmulAlgoGetHeuristic) MatmulAlgoGetHeuristic;
	decltype(&cublasLtMatmul) Matmul;
} lt;

static cublasLtHandle_t handle;

static const size_t workspace_bytes = (size_t)32 << 20;

struct shape {
	size_t m, n, k, lda, ldb, ldc;
	int type, b_across, added, aligned;
};

/* A shape, and how it is multiplied. */
struct plan {
	struct shape shape;
	cublasLtMatmulDesc_t operation;
	cublasLtMatrixLayout_t a, b, c;
	cublasLtMatmulAlgo_t algorithm;
	int known;
};

/* Open addressing; at most half full. */
static struct {
	struct plan *plans;
	size_t capacity, used;
} table;

/* ---- the library ---- */

template <typename F> static int find_function(F *to, const char *name)
{
	void *found = dlsym(cuda_device_find()->cublaslt, name);
	memcpy(to, &found, sizeof found);
	return found != NULL;
}

static void note(cublasStatus_t status, const char *statement, int line)
{
	if (status != CUBLAS_STATUS_SUCCESS)
		cuda_refuse("%s:%d: %s: cuBLASLt status %d", __FILE__, line, statement, (int)status);
}

#define LT_TRY(call) note((lt.call), #call, __LINE__)

void matmul_start(void)
{
#define FIND(name) find_function(&lt.name, "cublasLt" #name)
	if (FIND(Create) && FIND(MatmulDescCreate) && FIND(MatmulDescSetAttribute) && FIND(MatrixLayoutCreate) &&
		FIND(MatmulPreferenceCreate) && FIND(MatmulPreferenceSetAttribute) && FIND(MatmulPreferenceDestroy) &&
		FIND(MatmulAlgoGetHeuristic) && FIND(Matmul))
		LT_TRY(Create(&handle));
	else
		cuda_refuse("cuBLASLt: %s", dlerror());
#undef FIND
}

/* ---- plans ---- */

/* The library's matrices are column-major: c^T[n,m] = op(b)^T . a^T, where a row-major matrix is its own transpose. So
 * its first operand is our b. */
static void plan_describe(struct plan *p)
{
	const struct shape *s = &p->shape;
	const int wide = s->type == MATMUL_F64;
	const cudaDataType_t in = wide ? CUDA_R_64F : CUDA_R_16BF, out = wide ? CUDA_R_64F : CUDA_R_32F;
	const cublasOperation_t across = CUBLAS_OP_T;
	LT_TRY(MatmulDescCreate(&p->operation, wide ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F, out));
	if (s->b_across)
		LT_TRY(MatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_TRANSA, &across, sizeof across));
	LT_TRY(MatrixLayoutCreate(&p->b, in, s->b_across ? s->k : s->n, s->b_across ? s->n : s->k, (int64_t)s->ldb));
	LT_TRY(MatrixLayoutCreate(&p->a, in, s->k, s->m, (int64_t)s->lda));
	LT_TRY(MatrixLayoutCreate(&p->c, out, s->n, s->m, (int64_t)s->ldc));
}

static void plan_choose(struct plan *p)
{
	const struct shape *s = &p->shape;
	const uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_NONE, alignment = s->aligned ? 16 : 8;
	static const cublasLtMatmulPreferenceAttributes_t alignments[] = {
		CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
		CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
	};
	cublasLtMatmulPreference_t wish;
	cublasLtMatmulHeuristicResult_t found;
	int count = 0;
	LT_TRY(MatmulPreferenceCreate(&wish));
	LT_TRY(MatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes,
		sizeof workspace_bytes));
	LT_TRY(MatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof schemes));
	for (size_t i = 0; i < sizeof alignments / sizeof *alignments; i++)
		LT_TRY(MatmulPreferenceSetAttribute(wish, alignments[i], &alignment, sizeof alignment));
	LT_TRY(MatmulAlgoGetHeuristic(handle, p->operation, p->b, p->a, p->c, p->c, wish, 1, &found, &count));
	LT_TRY(MatmulPreferenceDestroy(wish));
	if (!count)
		cuda_refuse("cuBLASLt has no product [%zu,%zu] x [%zu,%zu] of type %d", s->m, s->k, s->k, s->n, s->type);
	else
		p->algorithm = found.algo;
}

static size_t shape_hash(const struct shape *s)
{
	const size_t values[] = {s->m, s->n, s->k, s->lda, s->ldb, s->ldc,
		(size_t)(s->type * 8 + s->b_across * 4 + s->added * 2 + s->aligned)};
	uint64_t h = 0;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		h = (h ^ values[i]) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
	return (size_t)h;
}

static int shape_equal(const struct shape *a, const struct shape *b)
{
	return a->m == b->m && a->n == b->n && a->k == b->k && a->lda == b->lda && a->ldb == b->ldb && a->ldc == b->ldc &&
		a->type == b->type && a->b_across == b->b_across && a->added == b->added && a->aligned == b->aligned;
}

static struct plan *table_place(const struct shape *s)
{
	size_t at = shape_hash(s) & (table.capacity - 1);
	while (table.plans[at].known && !shape_equal(&table.plans[at].shape, s))
		at = (at + 1) & (table.capacity - 1);
	return &table.plans[at];
}

static void table_grow(void)
{
	struct plan *old = table.plans;
	size_t count = table.capacity;
	table.capacity = count ? 2 * count : 256;
	table.plans = (struct plan *)mem_zeroed(table.capacity, sizeof *table.plans);
	for (size_t i = 0; i < count; i++)
		if (old[i].known)
			*table_place(&old[i].shape) = old[i];
	free(old);
}

static const struct plan *plan_find(const struct shape *s)
{
	if (2 * (table.used + 1) > table.capacity)
		table_grow();
	struct plan *p = table_place(s);
	if (!p->known) {
		p->shape = *s;
		p->known = 1;
		table.used++;
		plan_describe(p);
		plan_choose(p);
	}
	return p;
}

void matmul(enum matmul_type type, int b_across, size_t m, size_t n, size_t k, const void *a, size_t lda, const void *b,
	size_t ldb, double beta, void *c, size_t ldc)
{
	const uintptr_t bits = (uintptr_t)a | (uintptr_t)b | (uintptr_t)c;
	const size_t element = type == MATMUL_F64 ? 8 : 2, sum = type == MATMUL_F64 ? 8 : 4;
	const int aligned = ((bits | (lda * element) | (ldb * element) | (ldc * sum)) & 15) == 0;
	assert(type == MATMUL_F64 || aligned);
	const struct shape shape = {m, n, k, lda, ldb, ldc, (int)type, b_across, beta != 0, aligned};
	const struct plan *p = plan_find(&shape);
	const double one = 1;
	const float narrow_one = 1, narrow_beta = (float)beta;
	const void *alpha = type == MATMUL_F64 ? (const void *)&one : &narrow_one;
	const void *added = type == MATMUL_F64 ? (const void *)&beta : &narrow_beta;
	LT_TRY(Matmul(handle, p->operation, alpha, b, p->b, a, p->a, added, c, p->c, c, p->c, &p->algorithm,
		cuda_workspace(CUDA_MATMUL, workspace_bytes), workspace_bytes, cuda_stream()));
}
