#include "ops/cuda.cuh"

extern "C" {
#include "ops/change.h"
}

/* All of these wait for memory: four elements a thread where rows are 16-aligned and multiples of 4 (N), one elsewhere.
 * A block or a warp a row; an output may lie where its input is, as an element is read and written by one thread. */

template <int N> struct pack {
	float at[N];
};

template <int N> static __device__ struct pack<N> load(const float *x, size_t i);

template <> __device__ struct pack<4> load<4>(const float *x, size_t i)
{
	const float4 v = ((const float4 *)x)[i];
	return {v.x, v.y, v.z, v.w};
}

template <> __device__ struct pack<1> load<1>(const float *x, size_t i)
{
	return {x[i]};
}

/* Of a stack: read once, it need not push rows out of the cache that several rows of the stack share. */
template <int N> static __device__ struct pack<N> load_once(const float *x, size_t i);

template <> __device__ struct pack<4> load_once<4>(const float *x, size_t i)
{
	const float4 v = __ldcs((const float4 *)x + i);
	return {v.x, v.y, v.z, v.w};
}

template <> __device__ struct pack<1> load_once<1>(const float *x, size_t i)
{
	return {__ldcs(x + i)};
}

static __device__ void store(float *y, size_t i, struct pack<4> v)
{
	__stcs((float4 *)y + i, make_float4(v.at[0], v.at[1], v.at[2], v.at[3]));
}

static __device__ void store(float *y, size_t i, struct pack<1> v)
{
	__stcs(y + i, v.at[0]);
}

/* ---- kernels: sums and differences; a block a row ---- */

template <int N> __global__ static void apply_kernel(float *y, const float *x, const int32_t *base, const float *d,
	size_t n)
{
	const float *from = x + (size_t)base[blockIdx.x] * n;
	y += blockIdx.x * n;
	for (size_t i = threadIdx.x; i < n / N; i += blockDim.x) {
		struct pack<N> v = load<N>(from, i);
		if (d) {
			const struct pack<N> more = load_once<N>(d + blockIdx.x * n, i);
#pragma unroll
			for (int k = 0; k < N; k++)
				v.at[k] = __fadd_rn(v.at[k], more.at[k]);
		}
		store(y, i, v);
	}
}

template <int N> __global__ static void from_kernel(float *d, const float *y, const float *x, const int32_t *base,
	size_t n)
{
	const float *from = x + (size_t)base[blockIdx.x] * n;
	y += blockIdx.x * n, d += blockIdx.x * n;
	for (size_t i = threadIdx.x; i < n / N; i += blockDim.x) {
		struct pack<N> v = load_once<N>(y, i);
		const struct pack<N> less = load<N>(from, i);
#pragma unroll
		for (int k = 0; k < N; k++)
			v.at[k] = __fsub_rn(v.at[k], less.at[k]);
		store(d, i, v);
	}
}

/* ---- kernels: rmsnorm ---- */

/* Sums of x^2, (x + d)^2, and their difference from terms of its own; the first two have no term below 0, and so keep
 * all digits where one of them is small. */
template <typename T> struct squares {
	T before, after, change;
};

template <int N, typename T> static __device__ void add_squares(struct squares<T> *s, struct pack<N> x,
	struct pack<N> d)
{
	float before = 0, after = 0, change = 0;
#pragma unroll
	for (int k = 0; k < N; k++) {
		const float y = x.at[k] + d.at[k];
		before = fmaf(x.at[k], x.at[k], before);
		after = fmaf(y, y, after);
		change = fmaf(d.at[k], fmaf(2.0f, x.at[k], d.at[k]), change);
	}
	s->before += (T)before;
	s->after += (T)after;
	s->change += (T)change;
}

/* dy = w (a x + b d), or where that would cancel w (a x + b (x + d)): the row nearly vanished. */
struct factors {
	float a, b;
	int vanished;
};

template <typename T> static __device__ struct factors factors_of(struct squares<T> s, double eps, size_t n)
{
	const float m = (float)(s.before / (T)n + (T)eps), after = (float)(s.after / (T)n + (T)eps);
	const float root = sqrtf(m), root_after = sqrtf(after);
	if (2 * root_after < root)
		return {-1.0f / root, 1.0f / root_after, 1};
	return {-(float)(s.change / (T)n) / (root * root_after * (root + root_after)), 1.0f / root_after, 0};
}

template <int N> static __device__ void store_norm(float *dy, size_t i, struct pack<N> x, struct pack<N> d,
	struct pack<N> w, struct factors f)
{
#pragma unroll
	for (int k = 0; k < N; k++) {
		const float e = f.vanished ? x.at[k] + d.at[k] : d.at[k];
		d.at[k] = w.at[k] * fmaf(x.at[k], f.a, e * f.b);
	}
	store(dy, i, d);
}

/* Over the threads of a block, known to all of them: block_sum() of three at once, called once. */
static __device__ struct squares<double> block_squares(struct squares<double> s)
{
	__shared__ struct squares<double> part[32];
	for (int step = 16; step; step /= 2) {
		s.before += __shfl_xor_sync(~0u, s.before, step);
		s.after += __shfl_xor_sync(~0u, s.after, step);
		s.change += __shfl_xor_sync(~0u, s.change, step);
	}
	if (threadIdx.x % 32 == 0)
		part[threadIdx.x / 32] = s;
	__syncthreads();
	s = {0, 0, 0};
	for (unsigned w = 0; w < blockDim.x / 32; w++) {
		s.before += part[w].before;
		s.after += part[w].after;
		s.change += part[w].change;
	}
	return s;
}

/* A block a row; the second time the row comes from the cache. */
template <int N> __global__ static void norm_kernel(float *dy, const float *d, const float *x, const int32_t *base,
	const float *w, double eps, size_t n)
{
	const size_t at = ((size_t)blockIdx.x * gridDim.y + blockIdx.y) * n;
	struct squares<double> s = {0, 0, 0};
	x += ((size_t)base[blockIdx.x] * gridDim.y + blockIdx.y) * n, d += at, dy += at;
	for (size_t i = threadIdx.x; i < n / N; i += blockDim.x)
		add_squares<N>(&s, load<N>(x, i), load<N>(d, i));
	const struct factors f = factors_of(block_squares(s), eps, n);
	for (size_t i = threadIdx.x; i < n / N; i += blockDim.x)
		store_norm<N>(dy, i, load<N>(x, i), load<N>(d, i), load<N>(w, i), f);
}

static __device__ float warp_sum(float x)
{
	for (int step = 16; step; step /= 2)
		x += __shfl_xor_sync(~0u, x, step);
	return x;
}

/* A warp a row of at most 32 N elements: heads. */
template <int N> __global__ static void head_norm_kernel(float *dy, const float *d, const float *x, const int32_t *base,
	const float *w, double eps, size_t rows, size_t heads, size_t n)
{
	const size_t row = ((size_t)blockIdx.x * blockDim.x + threadIdx.x) / 32, i = threadIdx.x % 32;
	const int inside = i < n / N;
	struct pack<N> a = {}, b = {};
	struct squares<float> s = {0, 0, 0};
	if (row >= rows)
		return;
	if (inside) {
		a = load<N>(x + ((size_t)base[row / heads] * heads + row % heads) * n, i);
		b = load_once<N>(d + row * n, i);
	}
	add_squares<N>(&s, a, b);
	s = {warp_sum(s.before), warp_sum(s.after), warp_sum(s.change)};
	if (inside)
		store_norm<N>(dy + row * n, i, a, b, load<N>(w, i), factors_of(s, eps, n));
}

/* ---- kernels: swiglu ---- */

/* sigmoid(b) - sigmoid(a), where d is b - a with digits of its own: one of
 *     sigmoid(a) sigmoid(-b) expm1(d)   and   -sigmoid(-a) sigmoid(b) expm1(-d),
 * so that nothing overflows. */
static __device__ float swiglu_change(float dg, float du, float g, float u)
{
	const float b = g + dg;
	const float at_a = expf(-fabsf(g)), at_b = expf(-fabsf(b));
	const float large_a = 1.0f / (1.0f + at_a), large_b = 1.0f / (1.0f + at_b);   /* sigmoid(|a|), sigmoid(|b|) */
	const float small_a = at_a * large_a, small_b = at_b * large_b;
	const float up_a = g >= 0 ? large_a : small_a, down_a = g >= 0 ? small_a : large_a;
	const float up_b = b >= 0 ? large_b : small_b, down_b = b >= 0 ? small_b : large_b;
	const float least = expm1f(-fabsf(dg));
	const float change = dg > 0 ? -(down_a * up_b * least) : up_a * down_b * least;
	return fmaf(fmaf(g, change, dg * up_b), u + du, g * up_a * du);
}

template <int N> __global__ static void swiglu_kernel(float *da, const float *dg, const float *du, const float *g,
	const float *u, const int32_t *base, size_t n)
{
	const size_t from = (size_t)base[blockIdx.x] * n, at = blockIdx.x * n;
	for (size_t i = threadIdx.x; i < n / N; i += blockDim.x) {
		struct pack<N> a = load_once<N>(dg + at, i);
		const struct pack<N> b = load_once<N>(du + at, i), c = load<N>(g + from, i), d = load<N>(u + from, i);
#pragma unroll
		for (int k = 0; k < N; k++)
			a.at[k] = swiglu_change(a.at[k], b.at[k], c.at[k], d.at[k]);
		store(da + at, i, a);
	}
}

/* ---- launchers ---- */

static int wide(size_t n, const void *a, const void *b, const void *c, const void *d, const void *e)
{
	const uintptr_t bits = (uintptr_t)a | (uintptr_t)b | (uintptr_t)c | (uintptr_t)d | (uintptr_t)e;
	return n % 4 == 0 && (bits & 15) == 0;
}

/* The kernel for four elements a thread, or one. */
#define LAUNCH_WIDE(four, kernel, grid, n, ...) \
	do { \
		if (four) \
			CUDA_LAUNCH(kernel<4>, grid, cuda_row_threads((n) / 4), 0, __VA_ARGS__, n); \
		else \
			CUDA_LAUNCH(kernel<1>, grid, cuda_row_threads(n), 0, __VA_ARGS__, n); \
	} while (0)

extern "C" void cuda_change_apply(dev_f32 *y, const dev_f32 *x, const dev_i32 *base, const dev_f32 *d, size_t T,
	size_t n)
{
	if (T)
		LAUNCH_WIDE(wide(n, y, x, d, NULL, NULL), apply_kernel, (unsigned)T, n, f32(y), f32(x), i32(base), f32(d));
}

extern "C" void cuda_change_from(dev_f32 *d, const dev_f32 *y, const dev_f32 *x, const dev_i32 *base, size_t T,
	size_t n)
{
	if (!y)
		CUDA_TRY(cudaMemsetAsync(d, 0, T * n * sizeof(float), cuda_stream()));
	else if (T)
		LAUNCH_WIDE(wide(n, d, y, x, NULL, NULL), from_kernel, (unsigned)T, n, f32(d), f32(y), f32(x), i32(base));
}

extern "C" void cuda_rmsnorm_change(dev_f32 *dy, const dev_f32 *d, const dev_f32 *x, const dev_i32 *base,
	const dev_weight *w, double eps, size_t T, size_t heads, size_t n)
{
	const int four = wide(n, dy, d, x, w, NULL);
	const size_t rows = T * heads;
	if (!rows)
		return;
	if (four && n <= 128)
		CUDA_LAUNCH(head_norm_kernel<4>, cuda_blocks(rows, 8), 256, 0, f32(dy), f32(d), f32(x), i32(base), f32(w), eps,
			rows, heads, n);
	else if (n <= 32)
		CUDA_LAUNCH(head_norm_kernel<1>, cuda_blocks(rows, 8), 256, 0, f32(dy), f32(d), f32(x), i32(base), f32(w), eps,
			rows, heads, n);
	else
		LAUNCH_WIDE(four, norm_kernel, dim3((unsigned)T, (unsigned)heads), n, f32(dy), f32(d), f32(x), i32(base),
			f32(w), eps);
}

extern "C" void cuda_swiglu_change(dev_f32 *da, const dev_f32 *dg, const dev_f32 *du, const dev_f32 *g,
	const dev_f32 *u, const dev_i32 *base, size_t T, size_t n)
{
	if (T)
		LAUNCH_WIDE(wide(n, da, dg, du, g, u), swiglu_kernel, (unsigned)T, n, f32(da), f32(dg), f32(du), f32(g), f32(u),
			i32(base));
}
