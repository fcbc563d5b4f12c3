#include "ops/cuda.cuh"

#include <assert.h>
#include <cuda_bf16.h>
#include <stdlib.h>
#include <string.h>

#include "ops/matmul_cuda.cuh"
#include "ops/quantize_cuda.cuh"

extern "C" {
#include "common/memory.h"
#include "ops/change.h"
#include "ops/linear.h"
#include "ops/quantize.h"
}

/* An fp32 product on tensor cores that take bf16: a number is the sum of parts of 8 bits,
 *
 *     x = x1 + x2 + x3,   x1 = bf16(x), x2 = bf16(x - x1), x3 = bf16(x - x1 - x2)
 *
 * exactly but for what is below 2^-24 of it, and the product the sum of the products of parts that matter. Weights of a
 * bf16 checkpoint are one part, and the product costs three bf16 products. They are one product with three times the
 * columns, [x3 x2 x1] and [W W W], so that the tensor cores add them up: nothing of fp32 is written but the result.
 *
 * Tensor cores cut off what an fp32 sum cannot hold where the CPU rounds: each of some k/16 steps takes up to 2^-23
 * off, always towards zero (measured: 5e-6 of the largest result at k = 5001). The small parts therefore come first:
 * what is cut off while they are summed is small, too. Long sums are cut into runs of at most run_max, each added to
 * the ones before and rounded.
 *
 * A gradient g . W is multiplied to 16 bits, g1 and g2: gradients weigh the errors they are multiplied with, and a
 * score, the sum of thousands of (g d)^2, wants three digits. So are errors: a difference Q(W) - W, over [x2 x1 x1] and
 * [W1 W2 W1], uncut, and that of an activation, Q(x) - x, over the last places of what is there for x. A quantized
 * activation with one scale is that scale times codes of 8 bits: codes are one part, [c c] and [W2 W1].
 *
 * A change (ops.h) has digits of its own however small it is: 8 bits of each factor, one part, are 1e-3 of a result, at
 * random. */

enum { PLACES_MAX = 6, PAD = 8 };

static const size_t run_max = 4096;

/* What is multiplied: in place i part x[i] of x with part W[i] of W, counted from 0. What is left out is below 2^-24 of
 * the product of the magnitudes, or below 2^-16. */
struct pairs {
	int count;
	unsigned char x[PLACES_MAX], W[PLACES_MAX];
};

/* Activations are rounded to bf16 as the model is served: products are of one part each (cuda_products_served()). */
static int served;

/* By enum cuda_weight. */
static const struct pairs exact_pairs[] = {
	{3, {2, 1, 0}, {0, 0, 0}},
	{5, {2, 1, 1, 0, 0}, {0, 1, 0, 1, 0}},
	{6, {2, 1, 0, 1, 0, 0}, {0, 1, 2, 0, 1, 0}},
	{3, {1, 0, 0}, {0, 1, 0}},
};

static const struct pairs gradient_pairs[] = {
	{2, {1, 0}, {0, 0}},
	{3, {1, 0, 0}, {0, 1, 0}},
	{3, {1, 0, 0}, {0, 1, 0}},
	{3, {1, 0, 0}, {0, 1, 0}},
};

static const struct pairs change_pairs = {1, {0}, {0}};

static_assert(CUDA_WEIGHT_BF16 == 0 && CUDA_WEIGHT_F16 == 1 && CUDA_WEIGHT_F32 == 2 && CUDA_WEIGHT_DIFFERENCE == 3,
	"the tables are in this order");

/* Rows of x at a time, and bytes of a weight's parts. Where an output is cut does not depend on the rows: a product's
 * bits depend on its columns. Changes, of which there are many rows, have room for more, and the one part of a
 * vocabulary is kept for them. */
static const size_t rows_max = 4096, weight_bytes_max = (size_t)256 << 20;
static const size_t change_rows_max = 8192, change_kept_max = (size_t)1 << 30;

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

/* Where the parts of a matrix go: row r of place s from r step + s plane on, ld elements of which those behind the
 * matrix's columns are zeros. Its own rows are from_step elements apart. */
struct layout {
	size_t from_step, ld, step, plane;
	int places;
	unsigned char part[PLACES_MAX]; /* of each place */
};

template <typename T> static __device__ T chosen(int part, T a, T b, T c)
{
	return part == 0 ? a : part == 1 ? b : c;
}

/* The next part of what is left of x. */
static __device__ __nv_bfloat16 take_part(float *left)
{
	const __nv_bfloat16 part = __float2bfloat16_rn(*left);
	*left = __fsub_rn(*left, __bfloat162float(part));
	return part;
}

/* Parts of x[rows][cols]; rows behind are zeros. A block a row. Infinity and NaN are NaN in the second part, and so in
 * every product. */
__global__ static void split_kernel(__nv_bfloat16 *to, const float *x, size_t rows, size_t cols, struct layout l)
{
	const size_t row = blockIdx.x;
	for (size_t i = threadIdx.x; i < l.ld; i += blockDim.x) {
		float left = i < cols && row < rows ? x[row * l.from_step + i] : 0;
		const __nv_bfloat16 a = take_part(&left), b = take_part(&left), c = take_part(&left);
		for (int s = 0; s < l.places; s++)
			to[row * l.step + s * l.plane + i] = chosen(l.part[s], a, b, c);
	}
}

static __device__ uint2 take_parts(float4 *left)
{
	const __nv_bfloat16 a = take_part(&left->x), b = take_part(&left->y);
	const __nv_bfloat16 c = take_part(&left->z), d = take_part(&left->w);
	return make_uint2((uint32_t)__bfloat16_as_ushort(a) | (uint32_t)__bfloat16_as_ushort(b) << 16,
		(uint32_t)__bfloat16_as_ushort(c) | (uint32_t)__bfloat16_as_ushort(d) << 16);
}

static __device__ uint2 chosen(int part, uint2 a, uint2 b, uint2 c)
{
	return make_uint2(chosen(part, a.x, b.x, c.x), chosen(part, a.y, b.y, c.y));
}

/* The same, four elements a thread: cols and all of the layout multiples of 4, everything 16-aligned. */
__global__ static void split4_kernel(uint2 *to, const float4 *x, size_t rows, size_t cols, struct layout l)
{
	const size_t row = blockIdx.x;
	for (size_t i = threadIdx.x; i < l.ld / 4; i += blockDim.x) {
		float4 left = make_float4(0, 0, 0, 0);
		if (i < cols / 4 && row < rows)
			left = x[row * (l.from_step / 4) + i];
		const uint2 a = take_parts(&left), b = take_parts(&left), c = take_parts(&left);
#pragma unroll
		for (int s = 0; s < PLACES_MAX; s++)
			if (s < l.places)
				to[(row * l.step + s * l.plane) / 4 + i] = chosen(l.part[s], a, b, c);
	}
}

/* What becomes of x before it is split. */
enum form { FORM_VALUE, FORM_ERROR, FORM_CODE };

struct quantization {
	int element, own;          /* own: a row has its own maximum */
	float amax;
	enum form form;
};

static __device__ float formed(float x, struct scaling q, enum form form)
{
	return form == FORM_CODE ? code(x, q) : result(quantized(x, q), x, form == FORM_ERROR);
}

static __device__ int largest_bits(float4 v)
{
	return max(max(magnitude_bits(v.x), magnitude_bits(v.y)), max(magnitude_bits(v.z), magnitude_bits(v.w)));
}

/* As split4_kernel, of columns first .. of quantized rows of all columns. */
__global__ static void split_quantized_kernel(uint2 *to, const float4 *x, size_t all, size_t first, size_t cols,
	struct layout l, struct quantization how)
{
	const float4 *row = x + blockIdx.x * (all / 4);
	float amax = how.amax;
	if (how.own) {
		int top = 0;
		for (size_t i = threadIdx.x; i < all / 4; i += blockDim.x)
			top = larger_of(top, largest_bits(row[i]));
		amax = __int_as_float(block_largest(top));
	}
	const struct scaling q = scaling_of(how.element, amax);
	for (size_t i = threadIdx.x; i < l.ld / 4; i += blockDim.x) {
		float4 left = make_float4(0, 0, 0, 0);
		if (i < cols / 4) {
			const float4 v = row[first / 4 + i];
			left = make_float4(formed(v.x, q, how.form), formed(v.y, q, how.form), formed(v.z, q, how.form),
				formed(v.w, q, how.form));
		}
		const uint2 a = take_parts(&left), b = take_parts(&left);
		for (int s = 0; s < l.places; s++)
			to[(blockIdx.x * l.step + s * l.plane) / 4 + i] = l.part[s] ? b : a;
	}
}

/* y[t][c] = beta y + what was multiplied elsewhere, a row ld_p elements after the one above it. */
__global__ static void gather_kernel(float *y, const float *product, size_t cols, size_t ld_p, float beta)
{
	const size_t t = blockIdx.x;
	for (size_t c = threadIdx.x; c < cols; c += blockDim.x) {
		const float p = product[t * ld_p + c];
		/* What is in y is not read when beta is 0: it may be NaN. */
		y[t * cols + c] = beta == 0 ? p : __fadd_rn(y[t * cols + c], p);
	}
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

/* Parts of x[rows, cols], with rows behind up to rows_to. */
static void split_to(__nv_bfloat16 *to, const float *x, size_t rows, size_t rows_to, size_t cols, struct layout l)
{
	if (cols % 4 == 0 && l.from_step % 4 == 0 && aligned16(x) && aligned16(to))
		CUDA_LAUNCH(split4_kernel, (unsigned)rows_to, cuda_row_threads(l.ld / 4), 0, (uint2 *)to, (const float4 *)x,
			rows, cols, l);
	else
		CUDA_LAUNCH(split_kernel, (unsigned)rows_to, cuda_row_threads(l.ld), 0, to, x, rows, cols, l);
}

/* ---- parts of weights ---- */

/* Weights are multiplied many times as long as they stay what they are: with each batch, with each form of the input.
 * The parts of those of a layer are kept: forward and backward 9 and 11 runs, seven differences. Larger ones
 * are not. */
enum { KEPT = 32 };
static const size_t kept_bytes_max = (size_t)3 << 30; /* of all; device_room.c counts with it */

/* Parts of W[rows, cols], cut out of a weight. */
struct cut {
	const float *W;
	uint64_t version;       /* of the weight; 0: not to be kept */
	size_t rows, rows_to, cols;
	struct layout layout;
};

static struct kept {
	struct cut cut;
	__nv_bfloat16 *memory;
	size_t bytes;
	uint64_t used;
} kept[KEPT];

static size_t cut_bytes(const struct cut *c)
{
	return c->layout.places * (c->layout.plane > c->layout.ld ? c->layout.plane : c->rows_to * c->layout.ld) *
		sizeof(__nv_bfloat16);
}

static int cut_equal(const struct cut *a, const struct cut *b)
{
	const struct layout *l = &a->layout, *m = &b->layout;
	return a->W == b->W && a->version == b->version && a->rows == b->rows && a->rows_to == b->rows_to &&
		a->cols == b->cols && l->from_step == m->from_step && l->ld == m->ld && l->step == m->step &&
		l->plane == m->plane && l->places == m->places && !memcmp(l->part, m->part, sizeof l->part);
}

/* Written anew since its parts were made, or never made. */
static int kept_is_dead(const struct kept *k)
{
	return k->memory && weight_range((const dev_weight *)k->cut.W, 1).version != k->cut.version;
}

/* What is to make room: best what is dead and has the size, so that memory is not asked for layer by layer. */
static struct kept *kept_victim(size_t bytes)
{
	struct kept *best = NULL;
	int best_rank = 0;
	for (struct kept *k = kept; k < kept + KEPT; k++) {
		const int dead = kept_is_dead(k), rank = dead && k->bytes == bytes ? 4 : !k->memory ? 3 : dead ? 2 : 1;
		if (rank > best_rank || (rank == best_rank && k->used < best->used)) {
			best = k;
			best_rank = rank;
		}
	}
	return best;
}

static void kept_release(struct kept *k)
{
	CUDA_TRY(cudaFree(k->memory));
	*k = (struct kept){};
}

/* Gives up what was used longest ago until so many bytes more are not too many. */
static void kept_make_room(size_t bytes)
{
	for (;;) {
		struct kept *oldest = NULL;
		size_t all = bytes;
		for (struct kept *k = kept; k < kept + KEPT; k++) {
			all += k->bytes;
			if (k->memory && (!oldest || k->used < oldest->used))
				oldest = k;
		}
		if (all <= kept_bytes_max || !oldest)
			return;
		kept_release(oldest);
	}
}

static const __nv_bfloat16 *weight_parts(const struct cut *cut)
{
	static uint64_t uses;
	const size_t bytes = cut_bytes(cut);
	if (!cut->version) {
		__nv_bfloat16 *to = (__nv_bfloat16 *)cuda_workspace(CUDA_W_PARTS, bytes);
		split_to(to, cut->W, cut->rows, cut->rows_to, cut->cols, cut->layout);
		return to;
	}
	for (struct kept *k = kept; k < kept + KEPT; k++)
		if (k->memory && cut_equal(&k->cut, cut)) {
			k->used = ++uses;
			return k->memory;
		}
	struct kept *k = kept_victim(bytes);
	if (k->bytes != bytes) {
		kept_release(k);
		kept_make_room(bytes);
		k->memory = (__nv_bfloat16 *)cuda_resize(NULL, &k->bytes, bytes);
	}
	k->cut = *cut;
	k->used = ++uses;
	split_to(k->memory, cut->W, cut->rows, cut->rows_to, cut->cols, cut->layout);
	return k->memory;
}

/* ---- products ---- */

/* y[T,n] = x[T,k] . W + beta y, W being [k,n], or [n,k] when it is across. */
struct product {
	float *y;
	const float *x, *W;
	size_t T, k, n;
	float beta;
	size_t across;
	const struct pairs *pairs; /* of which the first skip are not multiplied, ... */
	int skip;
	const struct quantization *how; /* ... but when x is quantized here: NULL, or how ... */
	float scale;               /* ... and what the product is multiplied with */
	uint64_t version;          /* of W */
	size_t run;                /* of k at a time, a multiple of PAD */
	size_t rows_most, kept_most; /* rows at a time; bytes of parts of W that are kept */
};

/* k cut into equal runs; what is behind k is zeros. */
static size_t run_of(size_t k, size_t most)
{
	const size_t count = (k + most - 1) / most;
	assert(k > 0);
	return padded((k + count - 1) / count);
}

static struct layout layout_of(size_t from_step, size_t ld, size_t step, size_t plane, int places,
	const unsigned char *part)
{
	struct layout l = {from_step, ld, step, plane, places, {0}};
	memcpy(l.part, part, sizeof l.part);
	return l;
}

/* Columns of y whose weight's parts are not too many. */
static size_t columns_at_a_time(const struct product *p)
{
	const size_t fit = weight_bytes_max / (p->pairs->count * p->run * sizeof(__nv_bfloat16)) / 128 * 128;
	return smaller(p->n, fit ? fit : 128);
}

/* The parts of W for k from at on and columns c .. c+cols-1: [cols, places * run], or [places * run, padded(cols)]. */
static const __nv_bfloat16 *product_weight(const struct product *p, size_t at, size_t c, size_t cols)
{
	const size_t depth = smaller(p->run, p->k - at), run = p->run, places = p->pairs->count, ld = padded(cols);
	const size_t whole = places * padded(p->k) * padded(p->n) * sizeof(__nv_bfloat16);
	struct cut cut = {.W = p->across ? p->W + c * p->k + at : p->W + at * p->n + c};
	cut.version = whole <= p->kept_most ? p->version : 0;
	if (p->across) {
		cut.rows = cut.rows_to = cols;
		cut.cols = depth;
		cut.layout = layout_of(p->k, run, places * run, run, (int)places, p->pairs->W);
	} else {
		cut.rows = depth;
		cut.rows_to = run;
		cut.cols = cols;
		cut.layout = layout_of(p->n, ld, ld, run * ld, (int)places, p->pairs->W);
	}
	return weight_parts(&cut);
}

/* The parts of a run of rows t .. of x, [rows, k]. */
static const __nv_bfloat16 *product_x(const struct product *p, size_t t, size_t rows, size_t at, size_t k)
{
	__nv_bfloat16 *to = (__nv_bfloat16 *)cuda_workspace(CUDA_X_PARTS, rows * k * sizeof *to);
	const int places = p->pairs->count - p->skip;
	unsigned char part[PLACES_MAX] = {0};
	if (!p->how || p->how->form != FORM_CODE)
		memcpy(part, p->pairs->x + p->skip, (size_t)places);
	const struct layout l = layout_of(p->k, p->run, k, p->run, places, part);
	const size_t cols = smaller(p->run, p->k - at);
	const float *x = p->x + t * p->k;
	if (p->how)
		CUDA_LAUNCH(split_quantized_kernel, (unsigned)rows, cuda_row_threads(l.ld / 4), 0, (uint2 *)to,
			(const float4 *)x, p->k, at, cols, l, *p->how);
	else
		split_to(to, x + at, rows, rows, cols, l);
	return to;
}

/* to[rows, n], a row ld elements after the one above it, += a run of rows t .. of x. */
static void product_run(const struct product *p, float *to, size_t ld, size_t t, size_t rows, size_t at, float beta)
{
	const int places = p->pairs->count - p->skip;
	const size_t k = places * p->run, all = p->pairs->count * p->run, step = columns_at_a_time(p);
	const __nv_bfloat16 *x = product_x(p, t, rows, at, k);
	for (size_t c = 0, cols; c < p->n; c += cols) {
		cols = smaller(p->n - c, step);
		const struct matmul shape = {
			.b_across = p->across, .m = rows, .n = cols, .k = k, .lda = k, .ldb = p->across ? all : padded(cols), .ldc = ld,
		};
		const size_t place = p->across ? p->run : p->run * padded(cols);
		matmul_run(&shape, p->scale, x, product_weight(p, at, c, cols) + p->skip * place, beta, to + c);
	}
}

/* The tensor cores want rows that are 16-aligned; others are multiplied elsewhere. */
static void multiply(const struct product *p)
{
	const int direct = p->n % 4 == 0 && aligned16(p->y);
	const size_t ld = direct ? p->n : padded(p->n);
	for (size_t t = 0, rows; t < p->T; t += rows) {
		rows = smaller(p->T - t, p->rows_most);
		float *y = p->y + t * p->n;
		float *to = direct ? y : (float *)cuda_workspace(CUDA_PRODUCTS, rows * ld * sizeof *to);
		for (size_t at = 0; at < p->k; at += p->run)
			product_run(p, to, ld, t, rows, at, at ? 1 : direct ? p->beta : 0);
		if (!direct)
			CUDA_LAUNCH(gather_kernel, (unsigned)rows, cuda_row_threads(p->n), 0, y, to, p->n, ld, p->beta);
	}
}

extern "C" void cuda_products_served(int yes)
{
	served = yes;
}

extern "C" void cuda_linear(dev_f32 *y, const dev_f32 *x, const dev_weight *W, size_t T, size_t in, size_t out,
	float beta)
{
	if (served) {
		cuda_linear_change(y, x, W, T, in, out, beta);
		return;
	}
	const struct range known_as = weight_range(W, out * in);
	const struct product p = {
		.y = f32(y), .x = f32(x), .W = f32(W), .T = T, .k = in, .n = out, .beta = beta, .across = 1,
		.pairs = &exact_pairs[known_as.kind], .scale = 1, .version = known_as.version,
		.run = run_of(in, known_as.kind == CUDA_WEIGHT_DIFFERENCE ? in : run_max), .rows_most = rows_max,
		.kept_most = weight_bytes_max,
	};
	multiply(&p);
}

extern "C" void cuda_linear_backward(dev_f32 *dx, const dev_f32 *dy, const dev_weight *W, size_t T, size_t in,
	size_t out, float beta)
{
	const struct range known_as = weight_range(W, out * in);
	const struct product p = {
		.y = f32(dx), .x = f32(dy), .W = f32(W), .T = T, .k = out, .n = in, .beta = beta, .across = 0,
		.pairs = served ? &change_pairs : &gradient_pairs[known_as.kind], .scale = 1, .version = known_as.version,
		.run = run_of(out, served ? out : run_max),
		.rows_most = rows_max, .kept_most = weight_bytes_max,
	};
	multiply(&p);
}

/* Places at the end that make a product to 16 bits; exact_pairs has its last places in this order for it. */
static int last_places(enum cuda_weight kind)
{
	return kind == CUDA_WEIGHT_BF16 ? 2 : 3;
}

/* What quantized() multiplies codes with: as scaling_of() has it. */
static float code_scale(enum element element, float amax)
{
	if (element == ELEMENT_FP8)
		return 1.0f / (E4M3_MAX / (amax <= AMAX_TINY ? 1.0f : amax));
	return amax < AMAX_TINY ? 1.0f : 1.0f / ((element == ELEMENT_INT8 ? 127.0f : 7.0f) / amax);
}

extern "C" void cuda_linear_quantized(dev_f32 *y, dev_f32 *scratch, const dev_f32 *x, const dev_weight *W, size_t T,
	size_t in, size_t out, struct quantizer quantizer, float amax, int difference)
{
	const struct range known_as = weight_range(W, out * in);
	const int is_dW = known_as.kind == CUDA_WEIGHT_DIFFERENCE, own = quantizer.scale == SCALE_TOKEN;
	const int coded = is_dW && !difference && !own, here = in % 4 == 0 && aligned16(x);
	const struct quantization how = {(int)quantizer.element, own, amax,
		difference ? FORM_ERROR : coded ? FORM_CODE : FORM_VALUE};
	struct product p = {
		.y = f32(y), .x = f32(x), .W = f32(W), .T = T, .k = in, .n = out, .beta = 0, .across = 1,
		.pairs = &exact_pairs[known_as.kind], .how = &how, .scale = 1, .version = known_as.version,
		.run = run_of(in, is_dW ? in : run_max), .rows_most = rows_max, .kept_most = weight_bytes_max,
	};
	assert(quantizer.element != ELEMENT_NONE);
	if (served) {
		cuda_quantize(scratch, x, T, in, quantizer, amax, difference);
		cuda_linear_change(y, scratch, W, T, in, out, 0);
		return;
	}
	if (!here || (!difference && !is_dW)) {
		cuda_quantize(scratch, x, T, in, quantizer, amax, difference);
		p.x = f32(scratch);
		p.how = NULL;
	} else if (coded) {
		p.scale = code_scale(quantizer.element, amax);
	}
	if (difference || is_dW)
		p.skip = p.pairs->count - (here && coded ? 2 : last_places(known_as.kind));
	multiply(&p);
}

extern "C" void cuda_linear_change(dev_f32 *y, const dev_f32 *d, const dev_weight *W, size_t T, size_t in, size_t out,
	float beta)
{
	const struct product p = {
		.y = f32(y), .x = f32(d), .W = f32(W), .T = T, .k = in, .n = out, .beta = beta, .across = 1,
		.pairs = &change_pairs, .scale = 1, .version = weight_range(W, out * in).version, .run = run_of(in, in),
		.rows_most = change_rows_max, .kept_most = change_kept_max,
	};
	multiply(&p);
}
