#include "ops/cuda.cuh"

#include <assert.h>
#include <cuda_bf16.h>
#include <stdlib.h>

#include "ops/matmul_cuda.cuh"

extern "C" {
#include "common/memory.h"
#include "ops/change.h"
#include "ops/linear.h"
}

/* An fp32 product on tensor cores that take bf16: a number is the sum of parts of 8 bits,
 *
 *     x = x1 + x2 + x3,   x1 = bf16(x), x2 = bf16(x - x1), x3 = bf16(x - x1 - x2)
 *
 * exactly but for what is below 2^-24 of it, and the product the sum of the products of parts that matter, each with
 * fp32 accumulation. Weights of a bf16 checkpoint are one part, and the product costs three bf16 products.
 *
 * Parts of x stand one below the other, so that those to be multiplied with one part of W are one matrix.
 *
 * Tensor cores cut off what an fp32 sum cannot hold where the CPU rounds: each of some k/16 steps takes up to 2^-23
 * off, always towards zero (measured: 5e-6 of the largest result at k = 5001). Long sums are therefore cut into runs of
 * at most RUN_MAX. All products of parts and runs are added up in fp64 and rounded once.
 *
 * A difference Q(W) - W wants less: its three products are one over [x1 x2 x1] and [W1 W1 W2], uncut, and there is
 * nothing left to add up. That cuts d off by 1e-5 at k = 2560 (scores of the first linear of a 4B model moved by
 * 1.7e-5), and by some 4e-5 at k = 9728. */

enum { PARTS_MAX = 3, PAD = 8, RUN_MAX = 4096 };

/* How many parts of x part j of W is multiplied with; 0: W has no such part. What is left out is below 2^-24 of the
 * product of the magnitudes, for a difference 2^-16: it is an error itself, of which scores want three digits. */
static const size_t x_parts[][PARTS_MAX] = {
	[CUDA_WEIGHT_BF16] = {3, 0, 0},
	[CUDA_WEIGHT_F16] = {3, 2, 0},
	[CUDA_WEIGHT_F32] = {3, 2, 1},
	[CUDA_WEIGHT_DIFFERENCE] = {2, 1, 0}, /* side by side when it is multiplied as it stands */
};

/* Rows of x at a time, and bytes of products of parts and runs: longer inputs and wider outputs are cut. Where an
 * output is cut does not depend on the rows: a product's bits depend on its columns. */
static const size_t rows_max = 4096, product_bytes = (size_t)512 << 20;
static const size_t change_rows_max = 8192; /* of changes, which are one part and leave no products */

/* ---- what a weight is ---- */

struct range {
	uintptr_t begin, end;
	enum cuda_weight kind;
	uint64_t version;       /* of its last writing; 0: nothing is known of it */
};

static struct {
	struct range *ranges;   /* disjoint, in no order */
	size_t count, capacity;
	uint64_t version;
} known;

static void range_add(uintptr_t begin, uintptr_t end, enum cuda_weight kind, uint64_t version)
{
	if (begin >= end)
		return;
	if (known.count == known.capacity) {
		known.capacity = known.capacity ? 2 * known.capacity : 64;
		known.ranges = (struct range *)mem_resize(known.ranges, known.capacity, sizeof *known.ranges);
	}
	known.ranges[known.count++] = (struct range){begin, end, kind, version};
}

/* Cuts the new range out of the old ones. */
void cuda_weight_mark(const dev_weight *W, size_t count, enum cuda_weight kind)
{
	const uintptr_t begin = (uintptr_t)W, end = begin + count * sizeof(float);
	for (size_t i = 0; i < known.count;) {
		const struct range old = known.ranges[i];
		if (old.end <= begin || old.begin >= end) {
			i++;
			continue;
		}
		known.ranges[i] = known.ranges[--known.count];
		range_add(old.begin, old.begin < begin ? begin : old.begin, old.kind, old.version);
		range_add(old.end > end ? end : old.end, old.end, old.kind, old.version);
	}
	range_add(begin, end, kind, ++known.version);
}

static struct range weight_range(const dev_weight *W, size_t count)
{
	const uintptr_t begin = (uintptr_t)W, end = begin + count * sizeof(float);
	for (size_t i = 0; i < known.count; i++)
		if (known.ranges[i].begin <= begin && end <= known.ranges[i].end)
			return known.ranges[i];
	return (struct range){begin, end, CUDA_WEIGHT_F32, 0};
}

/* ---- kernels ---- */

/* Where the parts of a matrix lie: in row r of place s from r step + s plane on, ld elements of which those behind the
 * matrix's columns are zeros. */
struct layout {
	size_t parts, ld, step, plane;
	unsigned char places[PARTS_MAX]; /* of part p: a bit each */
};

/* Parts of x[rows][cols]; rows behind are zeros. A block a row. Infinity and NaN are NaN in the second part, and so in
 * every product. */
__global__ static void split_kernel(__nv_bfloat16 *to, const float *x, size_t rows, size_t cols, struct layout l)
{
	const size_t row = blockIdx.x;
	for (size_t i = threadIdx.x; i < l.ld; i += blockDim.x) {
		float left = i < cols && row < rows ? x[row * cols + i] : 0;
		for (size_t p = 0; p < l.parts; p++) {
			const __nv_bfloat16 part = __float2bfloat16_rn(left);
			for (int s = 0; s < PARTS_MAX; s++)
				if (l.places[p] >> s & 1)
					to[row * l.step + s * l.plane + i] = part;
			left = __fsub_rn(left, __bfloat162float(part));
		}
	}
}

static __device__ uint2 four(__nv_bfloat16 a, __nv_bfloat16 b, __nv_bfloat16 c, __nv_bfloat16 d)
{
	return make_uint2((uint32_t)__bfloat16_as_ushort(a) | (uint32_t)__bfloat16_as_ushort(b) << 16,
		(uint32_t)__bfloat16_as_ushort(c) | (uint32_t)__bfloat16_as_ushort(d) << 16);
}

/* The same, four elements a thread: cols and all of the layout multiples of 4, everything 16-aligned. */
__global__ static void split4_kernel(uint2 *to, const float4 *x, size_t rows, size_t cols, struct layout l)
{
	const size_t row = blockIdx.x;
	for (size_t i = threadIdx.x; i < l.ld / 4; i += blockDim.x) {
		float4 left = make_float4(0, 0, 0, 0);
		if (i < cols / 4 && row < rows)
			left = x[row * (cols / 4) + i];
		for (size_t p = 0; p < l.parts; p++) {
			const __nv_bfloat16 a = __float2bfloat16_rn(left.x), b = __float2bfloat16_rn(left.y);
			const __nv_bfloat16 c = __float2bfloat16_rn(left.z), d = __float2bfloat16_rn(left.w);
			for (int s = 0; s < PARTS_MAX; s++)
				if (l.places[p] >> s & 1)
					to[(row * l.step + s * l.plane) / 4 + i] = four(a, b, c, d);
			left.x = __fsub_rn(left.x, __bfloat162float(a));
			left.y = __fsub_rn(left.y, __bfloat162float(b));
			left.z = __fsub_rn(left.z, __bfloat162float(c));
			left.w = __fsub_rn(left.w, __bfloat162float(d));
		}
	}
}

/* y[t][c] = beta y + the sum over products of parts, the last ones first; a row begins ld_p elements after the one
 * above it. */
__global__ static void gather_kernel(float *y, const float *products, size_t rows, size_t cols, size_t ld, size_t ld_p,
	int count, float beta)
{
	const size_t c = (size_t)blockIdx.y * blockDim.x + threadIdx.x, t = blockIdx.x;
	if (c >= cols)
		return;
	double sum = 0;
	for (int p = count - 1; p >= 0; p--)
		sum += (double)products[((size_t)p * rows + t) * ld_p + c];
	/* What is in y is not read when beta is 0: it may be NaN. */
	y[t * ld + c] = (float)(beta == 0 ? sum : (double)y[t * ld + c] + sum);
}

/* The same, four elements a thread: cols and ld multiples of 4, y 16-aligned. COUNT products when it is not 0. */
template <int COUNT> __global__ static void gather4_kernel(float4 *y, const float4 *products, size_t rows, size_t cols4,
	size_t ld4, size_t ld_p4, int count, float beta)
{
	const size_t c = (size_t)blockIdx.y * blockDim.x + threadIdx.x, t = blockIdx.x;
	double a = 0, b = 0, d = 0, e = 0;
	if (c >= cols4)
		return;
#pragma unroll
	for (int p = (COUNT ? COUNT : count) - 1; p >= 0; p--) {
		const float4 more = products[((size_t)p * rows + t) * ld_p4 + c];
		a += (double)more.x;
		b += (double)more.y;
		d += (double)more.z;
		e += (double)more.w;
	}
	if (beta != 0) {
		const float4 old = y[t * ld4 + c];
		a = (double)old.x + a;
		b = (double)old.y + b;
		d = (double)old.z + d;
		e = (double)old.w + e;
	}
	y[t * ld4 + c] = make_float4((float)a, (float)b, (float)d, (float)e);
}

/* ---- launchers ---- */

static int aligned16(const void *p)
{
	return ((uintptr_t)p & 15) == 0;
}

static size_t padded(size_t n)
{
	return (n + PAD - 1) / PAD * PAD;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static int parts_of(enum cuda_weight kind)
{
	int n = 0;
	while (n < PARTS_MAX && x_parts[kind][n])
		n++;
	return n;
}

/* A sum over k, cut into equal runs; what is behind k is zeros. */
struct runs {
	size_t count, length;
};

static struct runs runs_of(size_t k)
{
	const size_t count = (k + RUN_MAX - 1) / RUN_MAX;
	return (struct runs){count, padded((k + count - 1) / count)};
}

/* A product of two fp32 matrices in parts: x[rows, k] . W. */
struct product {
	enum cuda_weight kind;
	size_t across;                 /* W is [cols, k] rather than [k, cols] */
	size_t rows, cols;
	struct runs runs;              /* of k */
	const __nv_bfloat16 *x, *W;    /* parts; a row of x has all runs */
	size_t ldw, plane;             /* of W: elements from row to row, from part to part */
};

static size_t product_count(enum cuda_weight kind, struct runs runs)
{
	size_t n = 0;
	for (int j = 0; j < PARTS_MAX; j++)
		n += x_parts[kind][j];
	return n * runs.count;
}

/* Parts one below the other, each [rows][ld]. */
static struct layout stacked(size_t parts, size_t rows, size_t ld)
{
	return (struct layout){parts, ld, ld, rows * ld, {1, 2, 4}};
}

/* Parts side by side in rows of PARTS_MAX ld: those of x and of W for products of differences. */
static struct layout beside_x(size_t ld)
{
	return (struct layout){2, ld, PARTS_MAX * ld, ld, {1 | 4, 2, 0}};
}

static struct layout beside_W(size_t ld)
{
	return (struct layout){2, ld, PARTS_MAX * ld, ld, {1 | 2, 4, 0}};
}

static size_t layout_bytes(const struct layout *l, size_t rows)
{
	return (l->step > l->ld ? rows * l->step : l->parts * l->plane) * sizeof(__nv_bfloat16);
}

/* Parts of x[rows, cols], with rows behind up to rows_to. */
static void split_to(__nv_bfloat16 *to, const float *x, size_t rows, size_t rows_to, size_t cols, struct layout l)
{
	if (cols % 4 == 0 && aligned16(x) && aligned16(to))
		CUDA_LAUNCH(split4_kernel, (unsigned)rows_to, cuda_row_threads(cols / 4), 0, (uint2 *)to, (const float4 *)x,
			rows, cols, l);
	else
		CUDA_LAUNCH(split_kernel, (unsigned)rows_to, cuda_row_threads(cols), 0, to, x, rows, cols, l);
}

/* The same in workspace. */
static const __nv_bfloat16 *split(enum cuda_slot slot, const float *x, size_t rows, size_t rows_to, size_t cols,
	struct layout l)
{
	__nv_bfloat16 *to = (__nv_bfloat16 *)cuda_workspace(slot, layout_bytes(&l, rows_to));
	split_to(to, x, rows, rows_to, cols, l);
	return to;
}

/* ---- parts of weights ---- */

/* Weights are multiplied many times as long as they stay what they are: with each batch, with each form of the input.
 * The parts of the last few are kept, and of the last that is
 * larger than kept_bytes: a vocabulary's. */
enum { KEPT = 8 };
static const size_t kept_bytes = (size_t)256 << 20;

static struct kept {
	const float *W;
	uint64_t version;
	size_t rows, rows_to, cols;
	struct layout layout;
	__nv_bfloat16 *memory;
	size_t bytes;
	uint64_t used;
} kept[KEPT + 1];

static int kept_is(const struct kept *a, const struct kept *b)
{
	return a->W == b->W && a->version == b->version && a->rows == b->rows && a->rows_to == b->rows_to &&
		a->cols == b->cols && a->layout.parts == b->layout.parts && a->layout.step == b->layout.step &&
		a->layout.plane == b->layout.plane;
}

/* The one that is wanted, or the one to give up for it. */
static struct kept *kept_place(const struct kept *wanted)
{
	struct kept *oldest = kept;
	if (wanted->bytes > kept_bytes)
		return &kept[KEPT];
	for (struct kept *k = kept; k < kept + KEPT; k++) {
		if (k->memory && kept_is(k, wanted))
			return k;
		oldest = k->used < oldest->used ? k : oldest;
	}
	return oldest;
}

/* As split(), of a weight with the version. */
static const __nv_bfloat16 *split_weight(const float *W, uint64_t version, size_t rows, size_t rows_to, size_t cols,
	struct layout l)
{
	static uint64_t uses;
	struct kept wanted = {W, version, rows, rows_to, cols, l};
	if (!version)
		return split(CUDA_W_PARTS, W, rows, rows_to, cols, l);
	wanted.bytes = layout_bytes(&l, rows_to);
	struct kept *k = kept_place(&wanted);
	if (!k->memory || !kept_is(k, &wanted)) {
		wanted.memory = (__nv_bfloat16 *)cuda_resize(k->memory, &k->bytes, wanted.bytes);
		wanted.bytes = k->bytes;
		*k = wanted;
		split_to(k->memory, W, rows, rows_to, cols, l);
	}
	k->used = ++uses;
	return k->memory;
}

/* ---- products ---- */

/* Columns of the output at a time. */
static size_t columns_at_a_time(size_t cols, enum cuda_weight kind, struct runs runs)
{
	const size_t fit = product_bytes / (product_count(kind, runs) * rows_max * sizeof(float)) / 128 * 128;
	return smaller(cols, fit ? fit : 128);
}

static void gather(float *y, size_t ld, const float *products, size_t ldp, size_t rows, size_t cols, int count,
	float beta)
{
	const dim3 grid((unsigned)rows, cuda_blocks(cols, 256)), grid4((unsigned)rows, cuda_blocks(cols, 1024));
	float4 *y4 = (float4 *)y;
	const float4 *products4 = (const float4 *)products;
	if (cols % 4 || ld % 4 || !aligned16(y))
		CUDA_LAUNCH(gather_kernel, grid, 256, 0, y, products, rows, cols, ld, ldp, count, beta);
	else if (count == 3)
		CUDA_LAUNCH(gather4_kernel<3>, grid4, 256, 0, y4, products4, rows, cols / 4, ld / 4, ldp / 4, count, beta);
	else
		CUDA_LAUNCH(gather4_kernel<0>, grid4, 256, 0, y4, products4, rows, cols / 4, ld / 4, ldp / 4, count, beta);
}

/* y[rows, cols], a row ld elements after the one above it, = the product + beta y. */
static void multiply(float *y, size_t ld, const struct product *p, float beta)
{
	const size_t ldp = padded(p->cols), count = product_count(p->kind, p->runs);
	float *products = (float *)cuda_workspace(CUDA_PRODUCTS, count * p->rows * ldp * sizeof(float)), *at = products;
	for (int j = 0; j < parts_of(p->kind); j++) {
		const size_t m = x_parts[p->kind][j] * p->rows;
		const struct matmul shape = {
			.b_across = p->across,
			.m = m, .n = p->cols, .k = p->runs.length,
			.lda = p->runs.count * p->runs.length, .ldb = p->ldw, .ldc = ldp,
			.count = p->runs.count,
			.step_a = p->runs.length, .step_b = p->across ? p->runs.length : p->runs.length * p->ldw, .step_c = m * ldp,
		};
		matmul_run(&shape, p->x, p->W + j * p->plane, 0, at);
		at += p->runs.count * m * ldp;
	}
	gather(y, ld, products, ldp, p->rows, p->cols, (int)count, beta);
}

/* y[T,out] = x[T,in] . W^T + beta y as one product over k of W's parts [out,k] and x in the layout, so many rows at a
 * time. */
static void multiply_once(float *y, const float *x, const __nv_bfloat16 *W, size_t k, struct layout l, size_t rows_most,
	size_t T, size_t in, size_t out, float beta)
{
	const size_t ldp = padded(out);
	const int direct = out % 4 == 0 && aligned16(y);
	for (size_t t = 0, rows; t < T; t += rows) {
		rows = smaller(T - t, rows_most);
		float *to = direct ? y + t * out : (float *)cuda_workspace(CUDA_PRODUCTS, rows * ldp * sizeof(float));
		const struct matmul shape = {
			.b_across = 1, .m = rows, .n = out, .k = k, .lda = k, .ldb = k, .ldc = direct ? out : ldp, .count = 1,
		};
		matmul_run(&shape, split(CUDA_X_PARTS, x + t * in, rows, rows, in, l), W, direct ? beta : 0, to);
		if (!direct)
			gather(y + t * out, out, to, ldp, rows, out, 1, beta);
	}
}

/* y[T,out] = x . W^T + beta y for a difference W. */
static void multiply_difference(float *y, const float *x, const float *W, uint64_t version, size_t T, size_t in,
	size_t out, float beta)
{
	const size_t ld = padded(in);
	const __nv_bfloat16 *parts = split_weight(W, version, out, out, in, beside_W(ld));
	multiply_once(y, x, parts, PARTS_MAX * ld, beside_x(ld), rows_max, T, in, out, beta);
}

extern "C" void cuda_linear(dev_f32 *y, const dev_f32 *x, const dev_weight *W, size_t T, size_t in, size_t out,
	float beta)
{
	const struct range known_as = weight_range(W, out * in);
	struct product p = {.kind = known_as.kind, .across = 1, .runs = runs_of(in)};
	const size_t ld = p.runs.count * p.runs.length;
	if (known_as.kind == CUDA_WEIGHT_DIFFERENCE) {
		multiply_difference(f32(y), f32(x), f32(W), known_as.version, T, in, out, beta);
		return;
	}
	p.ldw = ld;
	for (size_t t = 0; t < T; t += p.rows) {
		p.rows = smaller(T - t, rows_max);
		p.x = split(CUDA_X_PARTS, f32(x) + t * in, p.rows, p.rows, in, stacked(x_parts[p.kind][0], p.rows, ld));
		const size_t step = columns_at_a_time(out, p.kind, p.runs);
		for (size_t c = 0; c < out; c += p.cols) {
			p.cols = smaller(out - c, step);
			p.plane = p.cols * ld;
			p.W = split_weight(f32(W) + c * in, known_as.version, p.cols, p.cols, in,
				stacked((size_t)parts_of(p.kind), p.cols, ld));
			multiply(f32(y) + t * out + c, out, &p, beta);
		}
	}
}

extern "C" void cuda_linear_backward(dev_f32 *dx, const dev_f32 *dy, const dev_weight *W, size_t T, size_t in,
	size_t out, float beta)
{
	const struct range known_as = weight_range(W, out * in);
	struct product p = {.kind = known_as.kind, .across = 0, .runs = runs_of(out)};
	const size_t ld = p.runs.count * p.runs.length;
	if (!T)
		return;
	p.ldw = padded(in);
	p.plane = ld * p.ldw;
	const __nv_bfloat16 *parts = split_weight(f32(W), known_as.version, out, ld, in,
		stacked((size_t)parts_of(p.kind), ld, p.ldw));
	for (size_t t = 0; t < T; t += p.rows) {
		p.rows = smaller(T - t, rows_max);
		p.x = split(CUDA_X_PARTS, f32(dy) + t * out, p.rows, p.rows, out, stacked(x_parts[p.kind][0], p.rows, ld));
		const size_t step = columns_at_a_time(in, p.kind, p.runs);
		for (size_t c = 0; c < in; c += p.cols) {
			p.cols = smaller(in - c, step);
			p.W = parts + c;
			multiply(f32(dx) + t * in + c, in, &p, beta);
		}
	}
}

/* One part of each, laid out as linear() lays out a bf16 weight: the parts that are kept serve both. A change has
 * digits of its own, and 8 bits of each factor are 1e-3 of the result, at random. Of its time at 4B shapes the parts of
 * d take a seventh (H100: 530 TFLOP/s with, 615 without). */
extern "C" void cuda_linear_change(dev_f32 *y, const dev_f32 *d, const dev_weight *W, size_t T, size_t in, size_t out,
	float beta)
{
	const struct runs runs = runs_of(in);
	const size_t ld = runs.count * runs.length, rows = smaller(T, change_rows_max);
	if (!T)
		return;
	const __nv_bfloat16 *parts = split_weight(f32(W), weight_range(W, out * in).version, out, out, in,
		stacked(1, out, ld));
	multiply_once(f32(y), f32(d), parts, ld, stacked(1, rows, ld), rows, T, in, out, beta);
}
