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
	decltype(&cublasLtMatmulDescDestroy) MatmulDescDestroy;
	decltype(&cublasLtMatrixLayoutCreate) MatrixLayoutCreate;
	decltype(&cublasLtMatrixLayoutDestroy) MatrixLayoutDestroy;
	decltype(&cublasLtMatmulPreferenceCreate) MatmulPreferenceCreate;
	decltype(&cublasLtMatmulPreferenceSetAttribute) MatmulPreferenceSetAttribute;
	decltype(&cublasLtMatmulPreferenceDestroy) MatmulPreferenceDestroy;
	decltype(&cublasLtMatmulAlgoGetHeuristic) MatmulAlgoGetHeuristic;
	decltype(&cublasLtMatmul) Matmul;
} lt;

static cublasLtHandle_t handle;

static const size_t workspace_bytes = (size_t)32 << 20;

struct shape {
	struct matmul matmul;
	size_t added;
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
		FIND(MatmulDescDestroy) && FIND(MatrixLayoutDestroy) &&
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
	const struct matmul *s = &p->shape.matmul;
	const cudaDataType_t in = CUDA_R_16BF, out = CUDA_R_32F;
	const cublasOperation_t across = CUBLAS_OP_T;
	LT_TRY(MatmulDescCreate(&p->operation, CUBLAS_COMPUTE_32F, out));
	if (s->b_across)
		LT_TRY(MatmulDescSetAttribute(p->operation, CUBLASLT_MATMUL_DESC_TRANSA, &across, sizeof across));
	LT_TRY(MatrixLayoutCreate(&p->b, in, s->b_across ? s->k : s->n, s->b_across ? s->n : s->k, (int64_t)s->ldb));
	LT_TRY(MatrixLayoutCreate(&p->a, in, s->k, s->m, (int64_t)s->lda));
	LT_TRY(MatrixLayoutCreate(&p->c, out, s->n, s->m, (int64_t)s->ldc));
}

static void plan_forget(struct plan *p)
{
	LT_TRY(MatmulDescDestroy(p->operation));
	LT_TRY(MatrixLayoutDestroy(p->a));
	LT_TRY(MatrixLayoutDestroy(p->b));
	LT_TRY(MatrixLayoutDestroy(p->c));
}

/* The shape that stands for all that differ in m: as many rows as large products have. A kernel for other n does not
 * take every n. */
static struct shape representative(const struct shape *of)
{
	static const size_t rows = 4096;
	struct shape s = *of;
	s.matmul.m = rows;
	return s;
}

static void plan_choose(struct plan *p)
{
	const struct matmul *s = &p->shape.matmul;
	const uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_NONE, alignment = 16;
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
		cuda_refuse("cuBLASLt has no product [%zu,%zu] x [%zu,%zu]", s->m, s->k, s->k, s->n);
	else
		p->algorithm = found.algo;
}

/* All words of a shape are size_t: there is no padding in it. */
static size_t shape_hash(const struct shape *s)
{
	const unsigned char *bytes = (const unsigned char *)s;
	uint64_t h = 0;
	for (size_t i = 0; i < sizeof *s; i++)
		h = (h ^ bytes[i]) * 0x100000001b3u;
	return (size_t)(h ^ h >> 29);
}

static int shape_equal(const struct shape *a, const struct shape *b)
{
	return !memcmp(a, b, sizeof *a);
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
		struct plan typical = {};
		typical.shape = representative(s);
		plan_describe(&typical);
		plan_choose(&typical);
		plan_forget(&typical);
		p->algorithm = typical.algorithm;
		plan_describe(p);
	}
	return p;
}

static int all_aligned(const struct matmul *p, const void *a, const void *b, const void *c)
{
	const size_t in = 2, out = 4;
	const uintptr_t bits = (uintptr_t)a | (uintptr_t)b | (uintptr_t)c | p->lda * in | p->ldb * in | p->ldc * out;
	return (bits & 15) == 0;
}

void matmul_run(const struct matmul *p, float alpha, const void *a, const void *b, float beta, void *c)
{
	struct shape shape;
	shape.matmul = *p;
	shape.added = beta != 0;
	assert(all_aligned(p, a, b, c));
	const struct plan *plan = plan_find(&shape);
	LT_TRY(Matmul(handle, plan->operation, &alpha, b, plan->b, a, plan->a, &beta, c, plan->c, c, plan->c,
		&plan->algorithm, cuda_workspace(CUDA_MATMUL, workspace_bytes), workspace_bytes, cuda_stream()));
}
