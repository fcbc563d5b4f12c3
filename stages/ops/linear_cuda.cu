#include "ops/cuda.cuh"

#include <assert.h>
#include <cuda_bf16.h>
#include <stdlib.h>

#include "ops/matmul_cuda.cuh"

extern "C" {
#include "common/memory.h"
#include "ops/linear.h"
}

/* An fp32 product on tensor cores that take bf16: a number is the sum of parts of 8 bits,
 *
 *     x = x1 + x2 + x3,   x1 = bf16(x), x2 = bf16(x - x1), x3 = bf16(x - x1 - x2)
 *
 * exactly but for what is below 2^-24 of it, and the product the sum of the products of parts that matter, each with
 * fp32 accumulation. Weights of a bf16 checkpoint are one part, and the product costs three bf16 products.
 *
 * Parts of x stand one below the other, so that those to be multiplied with one part of W are one matrix. Sums of
 * products of parts are fp64, rounded once. */

enum { PARTS_MAX = 3, PAD = 8 };

/* How many parts of x part j of W is multiplied with; 0: W has no such part. What is left out is below 2^-24 of the
 * product of the magnitudes, for a difference 2^-16: it is an error itself, of which scores want three digits. */
static const size_t x_parts[][PARTS_MAX] = {
	[CUDA_WEIGHT_BF16] = {3, 0, 0},
	[CUDA_WEIGHT_F16] = {3, 2, 0},
	[CUDA_WEIGHT_F32] = {3, 2, 1},
	[CUDA_WEIGHT_DIFFERENCE] = {2, 1, 0},
};

/* Rows of x at a time, and bytes of products of parts: longer inputs and wider outputs are cut. */
static const size_t rows_max = 4096, product_bytes = (size_t)256 << 20;

/* ---- what a weight is ---- */

struct range {
	uintptr_t begin, end;
	enum cuda_weight kind;
};

static struct {
	struct range *ranges;   /* disjoint, in no order */
	size_t count, capacity;
} known;

static void range_add(uintptr_t begin, uintptr_t end, enum cuda_weight kind)
{
	if (begin >= end)
		return;
	if (known.count == known.capacity) {
		known.capacity = known.capacity ? 2 * known.capacity : 64;
		known.ranges = (struct range *)mem_resize(known.ranges, known.capacity, sizeof *known.ranges);
	}
	known.ranges[known.count++] = (struct range){begin, end, kind};
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
		range_add(old.begin, old.begin < begin ? begin : old.begin, old.kind);
		range_add(old.end > end ? end : old.end, old.end, old.kind);
	}
	range_add(begin, end, kind);
}

static enum cuda_weight weight_kind(const dev_weight *W, size_t count)
{
	const uintptr_t begin = (uintptr_t)W, end = begin + count * sizeof(float);
	for (size_t i = 0; i < known.count; i++)
		if (known.ranges[i].begin <= begin && end <= known.ranges[i].end)
			return known.ranges[i].kind;
	return CUDA_WEIGHT_F32;
}

/* ---- kernels ---- */

/* parts[p][rows][ld] of x[rows][cols]; the columns behind are zeros. A block a row. Infinity and NaN are NaN in the
 * second part, and so in every product. */
__global__ static void split_kernel(__nv_bfloat16 *parts, const float *x, size_t cols, size_t ld, size_t plane,
	int count)
{
	const size_t row = blockIdx.x;
	for (size_t i = threadIdx.x; i < ld; i += blockDim.x) {
		float left = i < cols ? x[row * cols + i] : 0;
		for (int p = 0; p < count; p++) {
			const __nv_bfloat16 part = __float2bfloat16_rn(left);
			parts[p * plane + row * ld + i] = part;
			left = __fsub_rn(left, __bfloat162float(part));
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

/* ---- launchers ---- */

static size_t padded(size_t n)
{
	return (n + PAD - 1) / PAD * PAD;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Into to[parts][rows][padded(cols)]. */
static void split(__nv_bfloat16 *to, const float *x, size_t rows, size_t cols, int parts)
{
	const size_t ld = padded(cols);
	CUDA_LAUNCH(split_kernel, (unsigned)rows, cuda_row_threads(cols), 0, to, x, cols, ld, rows * ld, parts);
}

static int parts_of(enum cuda_weight kind)
{
	int n = 0;
	while (n < PARTS_MAX && x_parts[kind][n])
		n++;
	return n;
}

static size_t product_count(enum cuda_weight kind)
{
	size_t n = 0;
	for (int j = 0; j < PARTS_MAX; j++)
		n += x_parts[kind][j];
	return n;
}

/* Columns of the output at a time. */
static size_t columns_at_a_time(size_t rows, size_t cols, enum cuda_weight kind)
{
	const size_t fit = product_bytes / (product_count(kind) * rows * sizeof(float)) / 128 * 128;
	return smaller(cols, fit ? fit : 128);
}

/* y[rows, cols] (rows ld apart) = parts of x . parts of W + beta y. x is [x_parts[0]][rows][k], W [parts][..][ldw]. */
static void multiply(float *y, size_t ld, const __nv_bfloat16 *x, size_t ldx, const __nv_bfloat16 *W, size_t ldw,
	size_t plane, int across, size_t rows, size_t cols, size_t k, enum cuda_weight kind, float beta)
{
	const size_t ldp = padded(cols), count = product_count(kind);
	float *products = (float *)cuda_workspace(CUDA_PRODUCTS, count * rows * ldp * sizeof(float)), *at = products;
	for (int j = 0; j < parts_of(kind); j++) {
		const size_t m = x_parts[kind][j] * rows;
		matmul(MATMUL_BF16, across, m, cols, k, x, ldx, W + j * plane, ldw, 0, at, ldp);
		at += m * ldp;
	}
	const dim3 grid((unsigned)rows, cuda_blocks(cols, 256));
	CUDA_LAUNCH(gather_kernel, grid, 256, 0, y, products, rows, cols, ld, ldp, (int)count, beta);
}

extern "C" void cuda_linear(dev_f32 *y, const dev_f32 *x, const dev_weight *W, size_t T, size_t in, size_t out,
	float beta)
{
	const enum cuda_weight kind = weight_kind(W, out * in);
	const size_t ld = padded(in), most = smaller(T, rows_max);
	for (size_t t = 0; t < T; t += most) {
		const size_t rows = smaller(T - t, most), step = columns_at_a_time(rows, out, kind);
		__nv_bfloat16 *xs = (__nv_bfloat16 *)cuda_workspace(CUDA_X_PARTS, x_parts[kind][0] * rows * ld * 2);
		split(xs, f32(x) + t * in, rows, in, (int)x_parts[kind][0]);
		for (size_t c = 0; c < out; c += step) {
			const size_t cols = smaller(out - c, step);
			__nv_bfloat16 *Ws = (__nv_bfloat16 *)cuda_workspace(CUDA_W_PARTS, parts_of(kind) * cols * ld * 2);
			split(Ws, f32(W) + c * in, cols, in, parts_of(kind));
			multiply(f32(y) + t * out + c, out, xs, ld, Ws, ld, cols * ld, 1, rows, cols, ld, kind, beta);
		}
	}
}

extern "C" void cuda_linear_backward(dev_f32 *dx, const dev_f32 *dy, const dev_weight *W, size_t T, size_t in,
	size_t out, float beta)
{
	const enum cuda_weight kind = weight_kind(W, out * in);
	const size_t ld = padded(out), ldw = padded(in), most = smaller(T, rows_max);
	if (!T)
		return;
	__nv_bfloat16 *Ws = (__nv_bfloat16 *)cuda_workspace(CUDA_W_PARTS, parts_of(kind) * out * ldw * 2);
	split(Ws, f32(W), out, in, parts_of(kind));
	for (size_t t = 0; t < T; t += most) {
		const size_t rows = smaller(T - t, most), step = columns_at_a_time(rows, in, kind);
		__nv_bfloat16 *dys = (__nv_bfloat16 *)cuda_workspace(CUDA_X_PARTS, x_parts[kind][0] * rows * ld * 2);
		split(dys, f32(dy) + t * out, rows, out, (int)x_parts[kind][0]);
		for (size_t c = 0; c < in; c += step)
			multiply(f32(dx) + t * in + c, in, dys, ld, Ws + c, ldw, out * ldw, 0, rows, smaller(in - c, step), out,
				kind, beta);
	}
}

extern "C" void cuda_linear_f64(dev_f64 *y, const dev_f64 *x, const dev_f64 *W, size_t T, size_t in, size_t out,
	double beta)
{
	matmul(MATMUL_F64, 1, T, out, in, x, in, W, in, beta, y, out);
}
