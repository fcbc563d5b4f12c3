#include "ops/quantize_cuda.cuh"

#include <assert.h>
#include <string.h>

extern "C" {
#include "ops/quantize.h"
}

static const unsigned THREADS = 256;

/* ---- rounding ---- */

#define E2M1_MAX 6.0f
#define E2M1_MIN_NORMAL 1.0f
#define FP4_GLOBAL 0x1.861862p-12f

/* An element with an amax of its own (a column): a zero set is multiplied away, as on the CPU. */
static __device__ float quantized_each(float x, int element, float amax)
{
	struct scaling q = scaling_of(element, element != ELEMENT_FP8 && amax < AMAX_TINY ? 1.0f : amax);
	return quantized(element != ELEMENT_FP8 ? __fmul_rn(x, amax < AMAX_TINY ? 0.0f : 1.0f) : x, q);
}

static __device__ float e2m1(float magnitude)
{
	return round_magnitude(magnitude, E2M1_MIN_NORMAL, E2M1_MAX, 22);
}

/* S of a block with maximum B under the global scale G. */
static __device__ float fp4_block_scale(float B, float G)
{
	if (!(G != 0.0f))
		return 0.0f;
	const float r = __fdiv_rn(B, __fmul_rn(6.0f, G));
	return __fmul_rn(e4m3(r > E4M3_MAX ? E4M3_MAX : r), G);
}

static __device__ float fp4_element(float x, float S)
{
	if (S == 0.0f)
		return zero_element(x);
	return with_sign_of(__fmul_rn(e2m1(__fdiv_rn(fabsf(x), S)), S), x);
}

/* ---- kernels: maxima, as bits ---- */

/* Largest of all: every block's goes into *amax, in any order. */
__global__ static void amax_kernel(int *amax, const float *x, size_t count)
{
	int top = 0;
	for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (size_t)gridDim.x * blockDim.x)
		top = larger_of(top, magnitude_bits(x[i]));
	top = block_largest(top);
	if (threadIdx.x == 0)
		atomicMax(amax, top);
}

/* Of each row. A warp a row. */
__global__ static void row_amax_kernel(int *amax, const float *x, size_t rows, size_t cols)
{
	const size_t row = ((size_t)blockIdx.x * blockDim.x + threadIdx.x) / 32;
	if (row >= rows)
		return;
	x += row * cols;
	int top = 0;
	for (size_t i = threadIdx.x % 32; i < cols; i += 32)
		top = larger_of(top, magnitude_bits(x[i]));
	top = __reduce_max_sync(~0u, top);
	if (threadIdx.x % 32 == 0)
		amax[row] = top;
}

enum { COLUMN_ROWS = 256 };

/* Of each column; a thread takes COLUMN_ROWS rows of one. */
__global__ static void column_amax_kernel(int *amax, const float *x, size_t rows, size_t cols)
{
	const size_t c = (size_t)blockIdx.x * blockDim.x + threadIdx.x, first = (size_t)blockIdx.y * COLUMN_ROWS;
	if (c >= cols)
		return;
	int top = 0;
	for (size_t r = first; r < first + COLUMN_ROWS && r < rows; r++)
		top = larger_of(top, magnitude_bits(x[r * cols + c]));
	atomicMax(&amax[c], top);
}

/* ---- kernels: quantization ---- */

/* A block a row; amax NULL: the row's own maximum. */
__global__ static void quantize_rows_kernel(float *to, const float *x, size_t cols, int element, const float *amax,
	float common, int per_row, int own, int difference)
{
	to += blockIdx.x * cols, x += blockIdx.x * cols;
	const float a = own ? row_amax(x, cols) : amax ? amax[per_row ? blockIdx.x : 0] : common;
	const struct scaling q = scaling_of(element, a);
	for (size_t i = threadIdx.x; i < cols; i += blockDim.x)
		to[i] = result(quantized(x[i], q), x[i], difference);
}

__global__ static void quantize_columns_kernel(float *to, const float *x, size_t cols, int element, const float *amax,
	int difference)
{
	to += blockIdx.x * cols, x += blockIdx.x * cols;
	for (size_t i = threadIdx.x; i < cols; i += blockDim.x)
		to[i] = result(quantized_each(x[i], element, amax[i]), x[i], difference);
}

/* WIDTH threads a block of n elements; A is the tensor's maximum for FP4, else NULL. */
template <int WIDTH> __global__ static void quantize_blocks_kernel(float *to, const float *x, size_t rows, size_t cols,
	size_t n, int element, const float *A, int difference)
{
	const size_t blocks = (cols + n - 1) / n, at = ((size_t)blockIdx.x * blockDim.x + threadIdx.x) / WIDTH;
	const int live = at < rows * blocks;
	const size_t first = live ? at % blocks * n : 0, end = !live ? 0 : first + n < cols ? first + n : cols;
	const size_t row = live ? at / blocks * cols : 0;
	int top = 0;
	for (size_t i = first + threadIdx.x % WIDTH; i < end; i += WIDTH)
		top = larger_of(top, magnitude_bits(x[row + i]));
	for (int step = WIDTH / 2; step; step /= 2)
		top = larger_of(top, __shfl_xor_sync(~0u, top, step));
	const float B = __int_as_float(top), S = A ? fp4_block_scale(B, __fmul_rn(*A, FP4_GLOBAL)) : 0;
	const struct scaling q = scaling_of(element, B);
	for (size_t i = first + threadIdx.x % WIDTH; i < end; i += WIDTH)
		to[row + i] = result(A ? fp4_element(x[row + i], S) : quantized(x[row + i], q), x[row + i], difference);
}

/* ---- kernels: sums ---- */

static __device__ float larger_magnitude(float top, float x)
{
	return fabsf(x) > top ? fabsf(x) : top;
}

static __device__ void quant_add(struct quant_sums *s, float *top, float q, float x)
{
	const double a = x, b = q, e = b - a;
	s->error2 += e * e;
	s->value2 += a * a;
	s->cross += a * b;
	s->quant2 += b * b;
	*top = larger_magnitude(*top, __fsub_rn(q, x));
}

/* The sums of a block's threads, by its first. */
static __device__ void quant_share(struct quant_sums *to, struct quant_sums s, float top)
{
	s.error2 = block_sum(s.error2);
	s.value2 = block_sum(s.value2);
	s.cross = block_sum(s.cross);
	s.quant2 = block_sum(s.quant2);
	s.error_max = __int_as_float(block_largest(__float_as_int(top)));
	if (threadIdx.x == 0)
		*to = s;
}

/* Each block's share, in parts[blocks]. The number of blocks depends on count alone. */
__global__ static void quant_error_kernel(struct quant_sums *parts, const float *q, const float *x, size_t count)
{
	struct quant_sums s = {0, 0, 0, 0, 0, 0};
	float top = 0;
	for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (size_t)gridDim.x * blockDim.x)
		quant_add(&s, &top, q[i], x[i]);
	quant_share(&parts[blockIdx.x], s, top);
}

enum { SHARES = 16 };

/* The shares of a sequence, in parts[sequences][SHARES]: a block takes every SHARESth row of it. own: a row has its own
 * maximum. */
__global__ static void input_error_kernel(struct quant_sums *parts, const float *x, const int32_t *start, size_t cols,
	int element, int own, float amax)
{
	struct quant_sums s = {0, 0, 0, 0, 0, 0};
	float top = 0;
	for (int32_t r = start[blockIdx.y] + (int32_t)blockIdx.x; r < start[blockIdx.y + 1]; r += SHARES) {
		const float *row = x + (size_t)r * cols;
		const struct scaling q = scaling_of(element, own ? row_amax(row, cols) : amax);
		for (size_t i = threadIdx.x; i < cols; i += blockDim.x)
			quant_add(&s, &top, quantized(row[i], q), row[i]);
	}
	quant_share(&parts[blockIdx.y * SHARES + blockIdx.x], s, top);
}

/* The sums of each sequence from its shares: a warp, of which the first threads have one. */
__global__ static void input_fold_kernel(struct quant_sums *sums, const struct quant_sums *parts, const int32_t *start,
	size_t cols)
{
	struct quant_sums s = {0, 0, 0, 0, 0, 0};
	if (threadIdx.x < SHARES)
		s = parts[blockIdx.x * SHARES + threadIdx.x];
	s.error2 = block_sum(s.error2);
	s.value2 = block_sum(s.value2);
	s.cross = block_sum(s.cross);
	s.quant2 = block_sum(s.quant2);
	s.error_max = block_largest(s.error_max);
	s.count = (double)((size_t)(start[blockIdx.x + 1] - start[blockIdx.x]) * cols);
	if (threadIdx.x == 0)
		sums[blockIdx.x] = s;
}

/* The sums from the shares of blocks; one block. */
__global__ static void quant_fold_kernel(struct quant_sums *sums, const struct quant_sums *parts, unsigned blocks,
	double count)
{
	struct quant_sums s = {0, 0, 0, 0, 0, 0};
	for (unsigned b = threadIdx.x; b < blocks; b += blockDim.x) {
		s.error2 += parts[b].error2;
		s.value2 += parts[b].value2;
		s.cross += parts[b].cross;
		s.quant2 += parts[b].quant2;
		s.error_max = larger_of(s.error_max, parts[b].error_max);
	}
	s.error2 = block_sum(s.error2);
	s.value2 = block_sum(s.value2);
	s.cross = block_sum(s.cross);
	s.quant2 = block_sum(s.quant2);
	s.error_max = block_largest(s.error_max);
	s.count = count;
	if (threadIdx.x == 0)
		*sums = s;
}

/* A block a row. */
__global__ static void output_error_kernel(double *sums, const float *d, const float *more, const float *g,
	const float *y, size_t cols, size_t stride, size_t col0)
{
	double score = 0, error2 = 0, output2 = 0, cross = 0;
	float top = 0;
	d += blockIdx.x * cols, g += blockIdx.x * stride + col0, y += blockIdx.x * stride + col0;
	more += more ? blockIdx.x * cols : 0;
	for (size_t i = threadIdx.x; i < cols; i += blockDim.x) {
		const float change = more ? __fadd_rn(d[i], more[i]) : d[i];
		const double e = change, v = y[i], weighted = (double)g[i] * e;
		score += weighted * weighted;
		error2 += e * e;
		output2 += v * v;
		cross += v * (v + e);
		top = larger_magnitude(top, change);
	}
	score = block_sum(score);
	error2 = block_sum(error2);
	output2 = block_sum(output2);
	cross = block_sum(cross);
	const int largest = block_largest(__float_as_int(top));
	if (threadIdx.x != 0)
		return;
	sums += blockIdx.x * OUTPUT_SUMS;
	sums[0] += score;
	sums[1] += error2;
	sums[2] += output2;
	sums[3] += cross;
	sums[4] = larger_of(sums[4], (double)__int_as_float(largest));
}

/* ---- launchers: maxima ---- */

static const size_t blocks_max = 1024;

static unsigned stride_blocks(size_t count)
{
	const size_t blocks = (count + 8 * THREADS - 1) / (8 * THREADS);
	return (unsigned)(blocks > blocks_max ? blocks_max : blocks);
}

/* count maxima, zero. */
static int *amax_memory(size_t count)
{
	int *amax = (int *)cuda_workspace(CUDA_RESULT, count * sizeof *amax);
	CUDA_TRY(cudaMemsetAsync(amax, 0, count * sizeof *amax, cuda_stream()));
	return amax;
}

static void amax_of_all(int *amax, const float *x, size_t count)
{
	if (count)
		CUDA_LAUNCH(amax_kernel, stride_blocks(count), THREADS, 0, amax, x, count);
}

extern "C" void cuda_amax(dev_f32 *amax, const dev_f32 *x, size_t count)
{
	CUDA_TRY(cudaMemsetAsync(amax, 0, sizeof(float), cuda_stream()));
	amax_of_all((int *)amax, f32(x), count);
}

extern "C" void cuda_weight_amax(float *amax, const dev_weight *W, size_t out, size_t in, struct quantizer quantizer)
{
	const size_t count = quantizer_amax_count(quantizer, out, in);
	assert(quantizer.scale != SCALE_TOKEN || quantizer.element == ELEMENT_NONE);
	if (!count)
		return;
	int *device = amax_memory(count);
	if (quantizer.scale == SCALE_TENSOR || quantizer.element == ELEMENT_FP4) {
		amax_of_all(device, f32(W), out * in);
	} else if (quantizer.scale == SCALE_COLUMN) {
		const dim3 grid(cuda_blocks(in, THREADS), cuda_blocks(out, COLUMN_ROWS));
		CUDA_LAUNCH(column_amax_kernel, grid, THREADS, 0, device, f32(W), out, in);
	} else {
		CUDA_LAUNCH(row_amax_kernel, cuda_blocks(out * 32, THREADS), THREADS, 0, device, f32(W), out, in);
	}
	cuda_get(amax, device, count * sizeof *amax);
}

/* ---- launchers: quantization ---- */

extern "C" void cuda_quantize(dev_f32 *to, const dev_f32 *x, size_t rows, size_t cols, struct quantizer quantizer,
	float amax, int difference)
{
	assert(quantizer.scale == SCALE_TENSOR || quantizer.scale == SCALE_TOKEN || quantizer.element == ELEMENT_NONE);
	assert(quantizer.element != ELEMENT_FP4);
	if (rows)
		CUDA_LAUNCH(quantize_rows_kernel, (unsigned)rows, cuda_row_threads(cols), 0, f32(to), f32(x), cols,
			(int)quantizer.element, (const float *)NULL, amax, 0, quantizer.scale == SCALE_TOKEN, difference);
}

/* What rows row0 .. need of the maxima, on the device. */
static const float *upload_amax(struct quantizer q, const float *amax, size_t row0, size_t rows, size_t in)
{
	size_t first = 0, count = 1;
	if (!quantizer_amax_count(q, 1, 1))
		return NULL;
	if (q.element != ELEMENT_FP4 && q.scale == SCALE_ROW)
		first = row0, count = rows;
	else if (q.element != ELEMENT_FP4 && q.scale == SCALE_COLUMN)
		count = in;
	void *device = cuda_workspace(CUDA_AMAX, count * sizeof *amax);
	cuda_put(device, amax + first, count * sizeof *amax);
	return (const float *)device;
}

static void quantize_blocks(float *to, const float *x, size_t rows, size_t in, struct quantizer q, const float *A,
	int difference)
{
	const size_t n = q.block, blocks = rows * ((in + n - 1) / n);
	if (n <= 16)
		CUDA_LAUNCH(quantize_blocks_kernel<16>, cuda_blocks(blocks * 16, THREADS), THREADS, 0, to, x, rows, in, n,
			(int)q.element, A, difference);
	else
		CUDA_LAUNCH(quantize_blocks_kernel<32>, cuda_blocks(blocks * 32, THREADS), THREADS, 0, to, x, rows, in, n,
			(int)q.element, A, difference);
}

extern "C" void cuda_quantize_weight(dev_weight *to, const dev_weight *W, size_t row0, size_t rows, size_t in,
	struct quantizer quantizer, const float *amax, int difference)
{
	const int element = (int)quantizer.element;
	assert(quantizer.scale != SCALE_TOKEN || quantizer.element == ELEMENT_NONE);
	if (!rows)
		return;
	const float *device = upload_amax(quantizer, amax, row0, rows, in);
	const unsigned threads = cuda_row_threads(in);
	if (quantizer.element != ELEMENT_NONE && quantizer.scale == SCALE_BLOCK)
		quantize_blocks(f32(to), f32(W), rows, in, quantizer, device, difference);
	else if (quantizer.scale == SCALE_COLUMN)
		CUDA_LAUNCH(quantize_columns_kernel, (unsigned)rows, threads, 0, f32(to), f32(W), in, element, device,
			difference);
	else
		CUDA_LAUNCH(quantize_rows_kernel, (unsigned)rows, threads, 0, f32(to), f32(W), in, element, device, 0.0f,
			quantizer.scale == SCALE_ROW, 0, difference);
	cuda_weight_mark(to, rows * in, difference ? CUDA_WEIGHT_DIFFERENCE : CUDA_WEIGHT_F32);
}

/* ---- launchers: sums ---- */

extern "C" void cuda_weight_error(dev_f64 *sums, const dev_weight *q, const dev_weight *W, size_t count)
{
	const unsigned blocks = stride_blocks(count);
	struct quant_sums *parts = (struct quant_sums *)cuda_workspace(CUDA_RESULT, (blocks + 1) * sizeof *parts);
	if (blocks)
		CUDA_LAUNCH(quant_error_kernel, blocks, THREADS, 0, parts, f32(q), f32(W), count);
	CUDA_LAUNCH(quant_fold_kernel, 1, THREADS, 0, (struct quant_sums *)sums, parts, blocks, (double)count);
}

/* Two launches for all sequences: a batch by itself is 100 rows, and calibrating 512 captions for 16 pairs and three
 * sizes made 100,000 launches of two kernels each. */
extern "C" void cuda_input_error(dev_f64 *sums, const dev_f32 *x, struct packing packing, size_t cols,
	struct quantizer quantizer, float amax)
{
	const unsigned count = (unsigned)packing.sequences;
	if (!count)
		return;
	struct quant_sums *parts = (struct quant_sums *)cuda_workspace(CUDA_RESULT, count * SHARES * sizeof *parts);
	int32_t *start = (int32_t *)cuda_workspace(CUDA_AMAX, (count + 1) * sizeof *start);
	cuda_put(start, packing.start, (count + 1) * sizeof *start);
	CUDA_LAUNCH(input_error_kernel, dim3(SHARES, count), THREADS, 0, parts, f32(x), start, cols,
		(int)quantizer.element, quantizer.scale == SCALE_TOKEN, amax);
	CUDA_LAUNCH(input_fold_kernel, count, 32, 0, (struct quant_sums *)sums, parts, start, cols);
}

extern "C" void cuda_output_error(dev_f64 *sums, const dev_f32 *d, const dev_f32 *e, const dev_f32 *g,
	const dev_f32 *y, size_t T, size_t cols, size_t stride, size_t col0)
{
	if (T)
		CUDA_LAUNCH(output_error_kernel, (unsigned)T, cuda_row_threads(cols), 0, f64(sums), f32(d), f32(e), f32(g),
			f32(y), cols, stride, col0);
}
