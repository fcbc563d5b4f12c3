/* The table of operations the model is written over, and the memory they work on.
 *
 * A backend is one instance of the table: the CPU (ops_cpu()) is the definition; another instance (CUDA, or the tests'
 * CPU with memory the model cannot read) fills the same table with the same contracts. The model never looks into a
 * buffer: its handles are pointers to incomplete types, so a dereference does not compile.
 *
 * Dimension letters, here and in ops/NAME.h:
 *     T tokens (rows)   H hidden size   V vocabulary   hd head width   nh query heads   nk key/value heads
 *     rows x cols, in x out of a linear: weight W[out, in], y[T, out] = x[T, in] . W^T
 * Matrices are row-major and dense. Activations are fp32 (dev_f32); a weight is kept as the backend likes (dev_weight:
 * fp32 on the CPU). Lengths are counts of elements unless they end in _bytes.
 *
 * Bits: an operation's result depends on its arguments alone, not on threads or neighbours. On the CPU products are
 * OpenBLAS sgemm on one thread, and every sum that is not a product (norms, softmax, loss, scores) is fp64 in a fixed
 * order. Threads run over independent pieces (for_each), never inside an operation.
 *
 * Buffers may not overlap unless an operation says so. Preconditions (sizes, non-NULL) are asserts; an operation cannot
 * fail on the CPU. A device that can fail reports through sync().
 */
#ifndef QG_OPS_OPS_H
#define QG_OPS_OPS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "common/dtype.h"
#include "common/pool.h"
#include "ops/fake_quant.h"

typedef struct dev_f32 dev_f32;       /* fp32 elements in device memory */
typedef struct dev_f64 dev_f64;       /* fp64 elements in device memory */
typedef struct dev_i32 dev_i32;       /* int32 elements in device memory */
typedef struct dev_weight dev_weight; /* weight elements, ops->weight_bytes each */

/* Sums over one [rows, cols] piece of the output of a linear, d the change of the output y and g its gradient; all
 * fp64. Laid out like an array of OUTPUT_SUMS doubles. */
struct output_sums {
	double score;     /* sum of (g d)^2 */
	double error2;    /* sum of d^2 */
	double output2;   /* sum of y^2 */
	double cross;     /* sum of y (y + d): with the two above gives the cosine */
	double error_max; /* max |d| */
};

enum { OUTPUT_SUMS = 5 };

static_assert(sizeof(struct output_sums) == OUTPUT_SUMS * sizeof(double), "sums are five doubles");

/* Sums over a tensor x and its de-quantized form q: how good a quantizer is on its own. Laid out like an array of
 * QUANT_SUMS doubles. */
struct quant_sums {
	double error2;    /* sum of (q - x)^2 */
	double value2;    /* sum of x^2 */
	double cross;     /* sum of x q */
	double quant2;    /* sum of q^2 */
	double error_max; /* max |q - x| */
	double count;     /* elements */
};

enum { QUANT_SUMS = 6 };

static_assert(sizeof(struct quant_sums) == QUANT_SUMS * sizeof(double), "sums are six doubles");

/* How the tokens of a packed batch are cut into sequences: s has rows start[s] .. start[s+1]-1. Host memory. */
struct packing {
	const int32_t *start; /* [sequences + 1], start[0] = 0 */
	size_t sequences;
};

struct ops {
	const char *name;     /* "cpu" */
	const char *numerics; /* class of equal results, part of action keys: "cpu-ref-openblas0.3.21-haswell-glibc2.36" */
	size_t weight_bytes;  /* bytes of one dev_weight element */
	size_t slice_rows;    /* rows of a weight worth taking at a time; a constant: products of another shape have other
	                       * bits */
	size_t pack_tokens;   /* tokens that a product should have: batches are put together up to so many. Only for a
	                       * backend that gives a row of a product the same bits whatever rows are beside it; 0: every
	                       * batch by itself */

	/* Memory. alloc returns device memory of at least bytes (never NULL: out of memory ends the program). */
	void *(*alloc)(size_t bytes);
	void (*release)(void *device);
	/* Bytes of device memory that are free; 0: not known, as much as there is. */
	size_t (*memory_free)(void);
	void (*upload)(void *device, const void *host, size_t bytes);
	void (*download)(void *host, const void *device, size_t bytes);
	/* A hint: weights will be loaded from these pages of host memory, which stay as they are until unpin(). May lock
	 * them, so that loading is faster; where that cannot be, nothing happens. */
	void (*pin)(const void *host, size_t bytes);
	void (*unpin)(const void *host);
	/* A hint: these bytes are among the next that weight_load() will get. */
	void (*weight_ahead)(const void *host, size_t bytes);
	/* Weight elements from a checkpoint: count elements of the given dtype at host (any alignment), kept exactly. */
	void (*weight_load)(dev_weight *to, const void *host, enum dtype dtype, size_t count);

	/* Work. Pieces must be independent; see pool.h. workers() bounds the worker argument. */
	int (*for_each)(size_t count, pool_work *work, void *context);
	size_t (*workers)(void);
	/* Waits for what was started (at first it starts the device); -1 after fail() when the device failed. */
	int (*sync)(void);

	/* Rounds n activations in place to the type they have where the model is served, to nearest even: bf16. NULL: they
	 * stay fp32. */
	void (*served)(dev_f32 *x, size_t n);

	/* out[T,H] = table[ids[t]]; ids are below the table's rows (checked by the caller on the host). */
	void (*embed)(dev_f32 *out, const dev_weight *table, const dev_i32 *ids, size_t T, size_t H);

	/* y[T,out] = x[T,in] . W^T + beta y, beta 0 or 1. */
	void (*linear)(dev_f32 *y, const dev_f32 *x, const dev_weight *W, size_t T, size_t in, size_t out, float beta);
	/* dx[T,in] = dy[T,out] . W + beta dx, beta 0 or 1. */
	void (*linear_backward)(dev_f32 *dx, const dev_f32 *dy, const dev_weight *W, size_t T, size_t in, size_t out,
		float beta);

	/* y = w * x / sqrt(mean(x^2) + eps), rows of length n; y may be x. */
	void (*rmsnorm)(dev_f32 *y, const dev_f32 *x, const dev_weight *w, double eps, size_t rows, size_t n);
	/* dx = d(rmsnorm)(x) . dy + beta dx, beta 0 or 1: with r = 1/sqrt(mean(x^2) + eps), g = dy * w,
	 * it is r g - x r^3/n sum(g x). dx may be dy when beta is 0. */
	void (*rmsnorm_backward)(dev_f32 *dx, const dev_f32 *dy, const dev_f32 *x, const dev_weight *w, double eps,
		size_t rows, size_t n, float beta);

	/* Rotates x[T, heads, hd] in place by angle position[t] * theta^(-2i/hd), pairs (i, i + hd/2); direction +1, or -1
	 * for the backward pass. Angles in fp64. */
	void (*rope)(dev_f32 *x, const dev_i32 *position, double theta, size_t T, size_t heads, size_t hd, int direction);

	/* Causal attention inside each sequence: q[T,nh,hd], k,v[T,nk,hd] -> o[T,nh,hd], lse[T,nh] (log-sum-exp of the
	 * scaled scores, for the backward pass). Query head h reads key head h / (nh/nk); scale hd^-1/2. */
	void (*attention)(dev_f32 *o, dev_f32 *lse, const dev_f32 *q, const dev_f32 *k, const dev_f32 *v,
		struct packing packing, size_t nh, size_t nk, size_t hd);
	/* With P = softmax(scale q k^T), dP = dO v^T and D = the sum of P dP over a row: dS = P (dP - D),
	 * dq = scale dS k, dk = scale dS^T q, dv = P^T dO; dk and dv sum over the query heads that share them. Writes (does
	 * not add to) dq, dk, dv. */
	void (*attention_backward)(dev_f32 *dq, dev_f32 *dk, dev_f32 *dv, const dev_f32 *dO, const dev_f32 *o,
		const dev_f32 *lse, const dev_f32 *q, const dev_f32 *k, const dev_f32 *v, struct packing packing,
		size_t nh, size_t nk, size_t hd);

	/* a = silu(g) * u, elementwise over n. */
	void (*swiglu)(dev_f32 *a, const dev_f32 *g, const dev_f32 *u, size_t n);
	void (*swiglu_backward)(dev_f32 *dg, dev_f32 *du, const dev_f32 *da, const dev_f32 *g, const dev_f32 *u, size_t n);

	/* y = a + b over n; y may be a or b. */
	void (*add)(dev_f32 *y, const dev_f32 *a, const dev_f32 *b, size_t n);

	/* Cross-entropy of logits[T,V] against label[t] (< 0: no target): loss[t] = -log softmax(logits[t])[label[t]], 0
	 * without a target. dlogits (may be logits) = scale[t] (softmax - onehot), 0 in rows without a target. */
	void (*cross_entropy)(dev_f32 *dlogits, dev_f64 *loss, const dev_f32 *logits, const dev_i32 *label,
		const dev_f64 *scale, size_t T, size_t V);

	/* *amax = the largest |x| of count elements; a NaN anywhere makes it NaN. */
	void (*amax)(dev_f32 *amax, const dev_f32 *x, size_t count);
	/* Largest |W| a tensor, row, column or block of W[out,in], as granularity and block say (fake_quant.h gives the
	 * layout of amax). amax is host memory. */
	void (*weight_amax)(float *amax, const dev_weight *W, size_t out, size_t in, struct quantizer quantizer);

	/* Activation quantizer: to = Q(x) (difference 0) or Q(x) - x (difference 1) over x[rows,cols]. amax is the static
	 * per-tensor maximum, unused by dynamic per-token quantizers. The difference is exact in fp32 or rounded once. */
	void (*quantize)(dev_f32 *to, const dev_f32 *x, size_t rows, size_t cols, struct quantizer quantizer, float amax,
		int difference);
	/* y[T,out] = Q(x) . W^T (difference 0) or (Q(x) - x) . W^T (difference 1) with Q as quantize() makes it; not for
	 * ELEMENT_NONE. scratch[T,in] is memory for Q(x). A backend may round the factors to 16 bits: where both W and this
	 * are errors, or one is, as in scores. */
	void (*linear_quantized)(dev_f32 *y, dev_f32 *scratch, const dev_f32 *x, const dev_weight *W, size_t T, size_t in,
		size_t out, struct quantizer quantizer, float amax, int difference);
	/* Weight quantizer over rows row0 .. row0+rows-1 of a weight of in columns; W and to point at row0, amax (host) at
	 * the maxima of the whole weight. difference as above. */
	void (*quantize_weight)(dev_weight *to, const dev_weight *W, size_t row0, size_t rows, size_t in,
		struct quantizer quantizer, const float *amax, int difference);

	/* sums[QUANT_SUMS], a struct quant_sums, = those over W[count] and its quantized form q. */
	void (*weight_error)(dev_f64 *sums, const dev_weight *q, const dev_weight *W, size_t count);
	/* sums[s][QUANT_SUMS] = those over rows start[s] .. start[s+1]-1 of x[., cols] and their quantized form, as quantize()
	 * makes it, for each sequence s: many in one call, as they are short. A sequence's bits depend on it alone. */
	void (*input_error)(dev_f64 *sums, const dev_f32 *x, struct packing packing, size_t cols,
		struct quantizer quantizer, float amax);

	/* Adds to sums[T,OUTPUT_SUMS], a struct output_sums a row (of error_max the larger stays), the sums over each row
	 * of d[T,cols] + e[T,cols] (rows dense; the sum is rounded; e may be NULL), with the gradient g and the output y
	 * taken at columns col0 .. col0+cols-1 of [T,stride] matrices. A row's bits depend on the row alone. */
	void (*output_error)(dev_f64 *sums, const dev_f32 *d, const dev_f32 *e, const dev_f32 *g, const dev_f32 *y,
		size_t T, size_t cols, size_t stride, size_t col0);

	/* Changes: what a changed model has, less what the unchanged one has, each made from the changes below it by
	 * formulas in which nothing cancels. So a change has the digits of fp32 however small it is beside the value it
	 * changes, and where all that reaches a result is 0, the result is exactly 0.
	 *
	 * The changes of several streams stand one behind the other, T rows in all; row r belongs to row base[r] of the
	 * unchanged model's matrices (x, q, k, v, g, u, p), which several rows may share. A row's bits (attention: a
	 * sequence's) depend on its own rows alone, wherever they stand in either. */

	/* y[T,n] = x[base[r]] + d[r], rounded once; d NULL: x[base[r]]. y may be d. */
	void (*change_apply)(dev_f32 *y, const dev_f32 *x, const dev_i32 *base, const dev_f32 *d, size_t T, size_t n);
	/* d[T,n] = y[r] - x[base[r]], rounded once; y NULL: 0, and x and base are not read. d may be y. */
	void (*change_from)(dev_f32 *d, const dev_f32 *y, const dev_f32 *x, const dev_i32 *base, size_t T, size_t n);

	/* y[T,out] = d[T,in] . W^T + beta y, beta 0 or 1, for a change d: on the CPU linear(). Errors stay as small beside
	 * the result as they are beside the factors, so a backend may round each factor to 8 significant bits. */
	void (*linear_change)(dev_f32 *y, const dev_f32 *d, const dev_weight *W, size_t T, size_t in, size_t out,
		float beta);

	/* The change dy of rmsnorm() over x[., heads, n], rows of length n, whose change is d[T, heads, n]. With m =
	 * mean(x^2) + eps, m' = mean((x + d)^2) + eps, r = m^-1/2, r' = m'^-1/2:
	 *
	 *     r' - r = -mean(d (2 x + d)) / (sqrt(m m') (sqrt(m) + sqrt(m'))),   dy = w (x (r' - r) + d r')
	 *
	 * dy may be d. */
	void (*rmsnorm_change)(dev_f32 *dy, const dev_f32 *d, const dev_f32 *x, const dev_i32 *base, const dev_weight *w,
		double eps, size_t T, size_t heads, size_t n);

	/* The change dO[T,nh,hd] of attention() over q, k and v of the unchanged model, as attention() reads them, whose
	 * changes are dq[T,nh,hd] and dk, dv[T,nk,hd]. packing cuts the T rows into sequences; the rows of a sequence
	 * belong to neighbouring rows of q, k and v. (Rotation is linear: the change of rope() is rope() of the change.)
	 * With P = softmax(scale q k^T), e_ij = scale (dq_i k_j + (q_i + dq_i) dk_j), u_ij = e_ij - sum_j P_ij e_ij, and
	 * A_i = sum_j P_ij (exp(u_ij) - 1), which is never negative:
	 *
	 *     dP_ij = P_ij ((exp(u_ij) - 1) - A_i) / (1 + A_i),   dO_i = sum_j dP_ij v_j + (P_ij + dP_ij) dv_j
	 *
	 * Where exp(u) would overflow, P + dP is the softmax of the changed scores. */
	void (*attention_change)(dev_f32 *dO, const dev_f32 *dq, const dev_f32 *dk, const dev_f32 *dv, const dev_f32 *q,
		const dev_f32 *k, const dev_f32 *v, const dev_i32 *base, struct packing packing, size_t nh, size_t nk,
		size_t hd);

	/* The change da[T,n] of swiglu() over g and u, [., n], whose changes are dg and du. With s = sigmoid(g), s' =
	 * sigmoid(g + dg):
	 *
	 *     s' - s = s (1 - s') (exp(dg) - 1),   da = (g (s' - s) + dg s') (u + du) + g s du
	 *
	 * da may be dg or du. */
	void (*swiglu_change)(dev_f32 *da, const dev_f32 *dg, const dev_f32 *du, const dev_f32 *g, const dev_f32 *u,
		const dev_i32 *base, size_t T, size_t n);

	/* p[t] = softmax(z[t]), rows of V; p may be z. */
	void (*softmax)(dev_f32 *p, const dev_f32 *z, size_t T, size_t V);

	/* What the change d[T,V] of logits does to predictions p = softmax(z); row r belongs to row base[r] - first of p.
	 * With the mean m = sum p d / sum p and u = d - m:
	 *
	 *     kl[r]   = log(1 + sum p (exp(u) - 1 - u) / sum p): sum over v of p (log p - log q), q = softmax(z + d)
	 *     loss[r] = kl[r] + m - d[label[r]]: the change of the cross-entropy; 0 where label[r] < 0: no target
	 *
	 * kl is a sum of terms that are not negative. NaN anywhere in a row of p or d gives NaN in both (where there is a
	 * target). What is below the range of fp32 in p counts as 0. */
	void (*divergence)(dev_f64 *kl, dev_f64 *loss, const dev_f32 *p, const dev_f32 *d, const dev_i32 *base,
		size_t first, const dev_i32 *label, size_t T, size_t V);
};

/* The CPU instance. Plain memory, OpenBLAS, threads by pool.h. */
const struct ops *ops_cpu(void);

/* The CUDA instance, for ops_open(). With bf16 it has served(), products of factors rounded to bf16, and a class of its
 * own; otherwise products are fp32-grade. The last call says which of the two all work is. Only builds with CUDA have
 * it, and it may be called only where cuda_device_find() is not NULL. The GPU is not touched before the first alloc() or
 * sync(), which start it. All work is one stream, fed by one thread of the host: for_each() runs its pieces in order.
 * After a failure results are void, and sync() says why. */
const struct ops *ops_cuda(int bf16);

/* The instance for a device, "cpu", "cuda", or "cuda-bf16"; NULL after fail() when there is no such device here
 * (cuda_device.h). */
const struct ops *ops_open(const char *device);

/* As the model is served, where the instance does that. */
static inline void ops_serve(const struct ops *ops, dev_f32 *x, size_t n)
{
	if (ops->served)
		ops->served(x, n);
}

/* Rows of the longest sequence; 0 of none. */
static inline size_t packing_longest(struct packing packing)
{
	size_t n = 0;
	for (size_t s = 0; s < packing.sequences; s++) {
		assert(packing.start[s + 1] >= packing.start[s]);
		size_t length = (size_t)(packing.start[s + 1] - packing.start[s]);
		n = length > n ? length : n;
	}
	return n;
}

/* Element number n of a buffer. */
static inline dev_f32 *f32_at(dev_f32 *p, size_t n)
{
	return (dev_f32 *)((char *)p + n * sizeof(float));
}

static inline const dev_f32 *f32_at_const(const dev_f32 *p, size_t n)
{
	return (const dev_f32 *)((const char *)p + n * sizeof(float));
}

static inline dev_f64 *f64_at(dev_f64 *p, size_t n)
{
	return (dev_f64 *)((char *)p + n * sizeof(double));
}

static inline const dev_f64 *f64_at_const(const dev_f64 *p, size_t n)
{
	return (const dev_f64 *)((const char *)p + n * sizeof(double));
}

static inline const dev_i32 *i32_at_const(const dev_i32 *p, size_t n)
{
	return (const dev_i32 *)((const char *)p + n * sizeof(int32_t));
}

static inline dev_weight *weight_at(const struct ops *ops, dev_weight *p, size_t n)
{
	return (dev_weight *)((char *)p + n * ops->weight_bytes);
}

static inline const dev_weight *weight_at_const(const struct ops *ops, const dev_weight *p, size_t n)
{
	return (const dev_weight *)((const char *)p + n * ops->weight_bytes);
}

static inline dev_f32 *f32_alloc(const struct ops *ops, size_t count)
{
	return (dev_f32 *)ops->alloc(count * sizeof(float));
}

/* Adds the sums over further rows or columns. */
static inline void output_sums_add(struct output_sums *to, const struct output_sums *more)
{
	to->score += more->score;
	to->error2 += more->error2;
	to->output2 += more->output2;
	to->cross += more->cross;
	to->error_max = more->error_max > to->error_max ? more->error_max : to->error_max;
}

static inline void quant_sums_add(struct quant_sums *to, const struct quant_sums *more)
{
	to->error2 += more->error2;
	to->value2 += more->value2;
	to->cross += more->cross;
	to->quant2 += more->quant2;
	to->error_max = more->error_max > to->error_max ? more->error_max : to->error_max;
	to->count += more->count;
}

#endif
