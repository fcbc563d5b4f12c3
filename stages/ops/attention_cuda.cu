#include "ops/attention_cuda.cuh"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

extern "C" {
#include "common/memory.h"
#include "ops/attention.h"
}

/* Tiles of query rows against tiles of keys, in shared memory; 8 or 16 warps. A tile has 16 R rows of W columns, W the
 * width of heads rounded up (zeros behind, which change no bit).
 *
 * Products are made by tensor cores that take tf32, numbers of 11 bits: x = x1 + x2, and x1 y1 + x1 y2 + x2 y1 is the
 * product to 2^-21. They cut off sums where the CPU rounds; so a sum is over one tile, the small terms apart, and is
 * added to those before it by an addition that rounds. A warp makes 16 rows of a product, or a share of their columns;
 * between two products scores lie in shared memory, and there a thread (tx, ty) of 16 x H has those of rows ty + H i
 * and keys tx + 16 j. (Products of fp32 in registers, 4 x 4 a thread, took a third longer; the first kernels, 2 x 2,
 * almost three times as long.)
 *
 * Tiles are cut from the start of each sequence, and how large they are follows from its length, so that the bits of a
 * sequence depend on it alone. Nothing grows with the square of a length. A block is a tile and a head; those with most
 * to do come first.
 *
 * Backward, P is made from the scores again rather than from the log-sum-exp, which as fp32 puts 5e-7 on every
 * probability of a row, and D = sum P dP from the same dP that it is subtracted from: a row that sees one key gets
 * exactly 0. One kernel goes over the keys of a row for dq and leaves what it learnt of the row; another goes over the
 * rows of a key, and over the query heads that share it, for dk and dv: no sum is split over blocks. */

enum { SIDE = 16, SHORT = 32 };

/* Tiles of one size, on the device; those that see most keys come first. */
struct tiles {
	const struct tile *at;
	unsigned count;
};

/* Of a row and head: the largest score, 1 / sum of exp(scale (s - top)), and D. */
struct row_statistics {
	float top;
	double inverse, D;
};

/* What the kernels are told of the heads. */
struct heads {
	int queries, keys, width;  /* nh, nk, hd */
	int wide;                  /* everything can be read four numbers at a time */
	double scale;
};

/* ---- device functions ---- */

/* Floats from row to row of a tile of W columns, and of scores, and of scores that are read across. These are such that
 * a warp reads 32 banks: fragments (below) are at rows lane / 4 and columns lane % 4, or the other way round. */
static __host__ __device__ constexpr int pitch(int W) { return W + 4; }
static __host__ __device__ constexpr int score_pitch(int R, int across) { return SIDE * R + (across ? 4 : 8); }
static __host__ __device__ constexpr int tile_floats(int W, int R) { return SIDE * R * pitch(W); }
static __host__ __device__ constexpr int score_floats(int R) { return SIDE * R * score_pitch(R, 0); }

/* Rows first .. first+rows-1 of x (step elements apart) as a tile; zeros below and behind. */
template <int W, int R, int H> static __device__ void load(float *tile, const float *x, size_t first, int rows,
	size_t step, struct heads heads)
{
	for (int i = threadIdx.y * SIDE + threadIdx.x; i < SIDE * R * W / 4; i += SIDE * H) {
		const int r = i / (W / 4), c = i % (W / 4) * 4, left = r < rows ? heads.width - c : 0;
		const float *from = x + (first + r) * step + c;
		float4 v = make_float4(0, 0, 0, 0);
		if (heads.wide && left > 0) {
			v = *(const float4 *)from;
		} else if (left > 0) {
			v.x = from[0];
			v.y = left > 1 ? from[1] : 0;
			v.z = left > 2 ? from[2] : 0;
			v.w = left > 3 ? from[3] : 0;
		}
		*(float4 *)(tile + r * pitch(W) + c) = v;
	}
}

/* Rows of scores that a thread has, of 16 x H. */
static __host__ __device__ constexpr int rows_each(int R, int H) { return SIDE * R / H; }

/* Operands of a product [16,8] += [16,8] . [8,8] of tensor cores, in their two parts. With g = lane / 4 and t = lane % 4
 * a thread has of the first operand rows g, g + 8 at t, and both at t + 4; of the second t and t + 4 at column g; and of
 * the result columns 2 t and 2 t + 1 of row g, and of row g + 8. */
template <int N> struct operand {
	uint32_t high[N], low[N];
};

template <int N> static __device__ void operand_set(operand<N> *to, int i, float x)
{
	to->high[i] = (__float_as_uint(x) + 0x1000) & 0xffffe000;
	to->low[i] = __float_as_uint(__fsub_rn(x, __uint_as_float(to->high[i])));
}

static __device__ void multiply_add(float c[4], const uint32_t a[4], const uint32_t b[2])
{
	asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
		"{%0, %1, %2, %3};"
		: "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
		: "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* Sums of large and of small terms. */
struct fragment {
	float large[4], small[4];
};

/* Products that follow one another do not wait for one another. */
template <int COUNT> static __device__ void fragments_add(struct fragment c[COUNT], const operand<4> &a,
	const operand<2> b[COUNT])
{
#pragma unroll
	for (int n = 0; n < COUNT; n++)
		multiply_add(c[n].small, a.low, b[n].high);
#pragma unroll
	for (int n = 0; n < COUNT; n++)
		multiply_add(c[n].large, a.high, b[n].high);
#pragma unroll
	for (int n = 0; n < COUNT; n++)
		multiply_add(c[n].small, a.high, b[n].low);
}

/* Which part of a product a thread's warp makes: 16 rows, and of as many shares of their columns as there are warps for
 * these rows, one. */
struct share {
	int row, part, g, t;
};

template <int R, int H> static __device__ struct share share_of(void)
{
	const int thread = threadIdx.y * SIDE + threadIdx.x, warp = thread / 32, lane = thread % 32;
	constexpr int SHARES = H / 2 / R;
	return (struct share){warp / SHARES * 16, warp % SHARES, lane / 4, lane % 4};
}

/* s = rows of a times rows of b. */
template <int W, int R, int H> static __device__ void dots(float *s, int s_pitch, const float *a, const float *b)
{
	constexpr int COUNT = 4 * R * R < H ? 1 : 4 * R * R / H;
	const struct share w = share_of<R, H>();
	struct fragment c[COUNT] = {};
	if (w.part * COUNT >= 2 * R)
		return;
	a += (w.row + w.g) * pitch(W) + w.t;
	b += (w.part * COUNT * 8 + w.g) * pitch(W) + w.t;
#pragma unroll 4
	for (int k = 0; k < W; k += 8) {
		operand<4> p;
		operand_set(&p, 0, a[k]);
		operand_set(&p, 1, a[8 * pitch(W) + k]);
		operand_set(&p, 2, a[k + 4]);
		operand_set(&p, 3, a[8 * pitch(W) + k + 4]);
		operand<2> q[COUNT];
#pragma unroll
		for (int n = 0; n < COUNT; n++) {
			operand_set(&q[n], 0, b[8 * n * pitch(W) + k]);
			operand_set(&q[n], 1, b[8 * n * pitch(W) + k + 4]);
		}
		fragments_add<COUNT>(c, p, q);
	}
	s += (w.row + w.g) * s_pitch + w.part * COUNT * 8 + 2 * w.t;
#pragma unroll
	for (int n = 0; n < COUNT; n++)
#pragma unroll
		for (int i = 0; i < 4; i++)
			s[i / 2 * 8 * s_pitch + 8 * n + i % 2] = __fadd_rn(c[n].large[i], c[n].small[i]);
}

/* Fragments of 8 columns that a thread has of the result. */
static __host__ __device__ constexpr int fragments(int W, int R, int H) { return R * W / (4 * H); }

/* acc += p . x, or p^T . x. What the tensor cores take for k = t and t + 4 are rows 2 t and 2 t + 1 of x: the order of
 * a sum is free. */
template <int W, int R, int H, int ACROSS> static __device__ void accumulate(float acc[][4], const float *p,
	const float *x)
{
	constexpr int COUNT = fragments(W, R, H) < 4 ? fragments(W, R, H) : 4, PITCH = score_pitch(R, ACROSS);
	constexpr int DOWN = ACROSS ? 1 : PITCH, ALONG = ACROSS ? PITCH : 1;
	const struct share w = share_of<R, H>();
	p += (w.row + w.g) * DOWN + 2 * w.t * ALONG;
	x += 2 * w.t * pitch(W) + w.part * fragments(W, R, H) * 8 + w.g;
#pragma unroll
	for (int first = 0; first < fragments(W, R, H); first += COUNT) {
		struct fragment c[COUNT] = {};
#pragma unroll 2
		for (int k = 0; k < SIDE * R; k += 8) {
			operand<4> a;
			operand_set(&a, 0, p[k * ALONG]);
			operand_set(&a, 1, p[8 * DOWN + k * ALONG]);
			operand_set(&a, 2, p[(k + 1) * ALONG]);
			operand_set(&a, 3, p[8 * DOWN + (k + 1) * ALONG]);
			operand<2> b[COUNT];
#pragma unroll
			for (int n = 0; n < COUNT; n++) {
				operand_set(&b[n], 0, x[k * pitch(W) + 8 * (first + n)]);
				operand_set(&b[n], 1, x[(k + 1) * pitch(W) + 8 * (first + n)]);
			}
			fragments_add<COUNT>(c, a, b);
		}
#pragma unroll
		for (int n = 0; n < COUNT; n++)
#pragma unroll
			for (int i = 0; i < 4; i++)
				acc[first + n][i] = __fadd_rn(acc[first + n][i], __fadd_rn(c[n].large[i], c[n].small[i]));
	}
}

/* The thread's part of a result to rows 0 .. rows-1 of y, step elements apart. */
template <int W, int R, int H> static __device__ void store(float *y, const float acc[][4], int rows, size_t step,
	struct heads heads)
{
	const struct share w = share_of<R, H>();
#pragma unroll
	for (int n = 0; n < fragments(W, R, H); n++)
#pragma unroll
		for (int i = 0; i < 2; i++) {
			const int r = w.row + w.g + 8 * i, c = (w.part * fragments(W, R, H) + n) * 8 + 2 * w.t;
			float *to = y + r * step + c;
			if (heads.wide && r < rows && c < heads.width)
				*(float2 *)to = make_float2(acc[n][2 * i], acc[n][2 * i + 1]);
			else if (r < rows && c < heads.width)
				to[0] = acc[n][2 * i];
			if (!heads.wide && r < rows && c + 1 < heads.width)
				to[1] = acc[n][2 * i + 1];
		}
}

/* Over the 16 threads of a row, known to all of them. */
static __device__ double row_sum(double x)
{
	for (int step = SIDE / 2; step; step /= 2)
		x += __shfl_xor_sync(~0u, x, step);
	return x;
}

static __device__ float row_largest(float x)
{
	for (int step = SIDE / 2; step; step /= 2)
		x = fmaxf(x, __shfl_xor_sync(~0u, x, step));
	return x;
}

static __device__ int smaller(int a, int b)
{
	return a < b ? a : b;
}

/* The thread's scores, without those of keys behind the rows. */
template <int R, int H> static __device__ void scores_seen(float s[rows_each(R, H)][R], const float *scores,
	int s_pitch, int first_row, int first_key)
{
#pragma unroll
	for (int i = 0; i < rows_each(R, H); i++)
#pragma unroll
		for (int j = 0; j < R; j++) {
			const int r = threadIdx.y + H * i, c = threadIdx.x + SIDE * j;
			s[i][j] = first_key + c > first_row + r ? -INFINITY : scores[r * s_pitch + c];
		}
}

template <int R> static __device__ float largest(const float s[R])
{
	float top = s[0];
#pragma unroll
	for (int j = 1; j < R; j++)
		top = fmaxf(top, s[j]);
	return row_largest(top);
}

/* Rows g and g + 8 of a result. */
template <int COUNT> static __device__ void scale_rows(float acc[COUNT][4], const double *factor)
{
#pragma unroll
	for (int n = 0; n < COUNT; n++)
#pragma unroll
		for (int i = 0; i < 4; i++)
			acc[n][i] = (float)(acc[n][i] * factor[i / 2 * 8]);
}

extern __shared__ float4 shared_memory[];

/* ---- kernels ---- */

/* Softmax is made as keys come: what was summed is scaled down when a larger score appears. A thread sums its own keys;
 * the 16 sums of a row are added up at the end. */
template <int W, int R, int H> __global__ static void __launch_bounds__(SIDE * H, R * W <= 512 ? 2 : 1)
attention_kernel(float *o, float *lse, const float *q, const float *k, const float *v, struct tiles tiles,
	struct heads heads)
{
	const struct tile t = tiles.at[blockIdx.x / heads.queries];
	const int h = blockIdx.x % heads.queries, kv = h / (heads.queries / heads.keys), hd = heads.width;
	const int offset = t.first - t.start, keys = offset + t.rows;
	const size_t q_step = (size_t)heads.queries * hd, k_step = (size_t)heads.keys * hd;
	const float scale = (float)heads.scale;
	constexpr int PITCH = score_pitch(R, 0);
	float *Q = (float *)shared_memory, *KV = Q + tile_floats(W, R), *P = KV + tile_floats(W, R);
	double *factor = (double *)(P + score_floats(R)); /* of each row */
	const struct share w = share_of<R, H>();
	float acc[fragments(W, R, H)][4] = {}, top[rows_each(R, H)];
	double sum[rows_each(R, H)] = {};
#pragma unroll
	for (int i = 0; i < rows_each(R, H); i++)
		top[i] = -INFINITY;
	load<W, R, H>(Q, q + h * hd, t.first, t.rows, q_step, heads);
	for (int key = 0; key < keys; key += SIDE * R) {
		float s[rows_each(R, H)][R];
		__syncthreads();
		load<W, R, H>(KV, k + kv * hd, (size_t)t.start + key, smaller(keys - key, SIDE * R), k_step, heads);
		__syncthreads();
		dots<W, R, H>(P, PITCH, Q, KV);
		__syncthreads();
		load<W, R, H>(KV, v + kv * hd, (size_t)t.start + key, smaller(keys - key, SIDE * R), k_step, heads);
		scores_seen<R, H>(s, P, PITCH, offset, key);
#pragma unroll
		for (int i = 0; i < rows_each(R, H); i++) {
			const float old = top[i];
			top[i] = fmaxf(old, largest<R>(s[i]));
			const float keep = expf((old - top[i]) * scale);
			if (threadIdx.x == 0)
				factor[threadIdx.y + H * i] = keep;
			sum[i] *= keep;
#pragma unroll
			for (int j = 0; j < R; j++) {
				const float p = expf((s[i][j] - top[i]) * scale);
				P[(threadIdx.y + H * i) * PITCH + threadIdx.x + SIDE * j] = p;
				sum[i] += p;
			}
		}
		__syncthreads();
		scale_rows<fragments(W, R, H)>(acc, factor + w.row + w.g);
		accumulate<W, R, H, 0>(acc, P, KV);
	}
	__syncthreads();
#pragma unroll
	for (int i = 0; i < rows_each(R, H); i++) {
		const int r = threadIdx.y + H * i;
		sum[i] = row_sum(sum[i]);
		if (threadIdx.x == 0)
			factor[r] = 1.0 / sum[i];
		if (threadIdx.x == 0 && r < t.rows)
			lse[(size_t)(t.first + r) * heads.queries + h] = (float)(top[i] * heads.scale + log(sum[i]));
	}
	__syncthreads();
	scale_rows<fragments(W, R, H)>(acc, factor + w.row + w.g);
	store<W, R, H>(o + h * hd + t.first * q_step, acc, t.rows, q_step, heads);
}

/* Once over the keys for the statistics of each row, once more for dq. */
template <int W, int R, int H> __global__ static void __launch_bounds__(SIDE * H)
attention_dq_kernel(float *dq, struct row_statistics *statistics, const float *dO, const float *q, const float *k,
	const float *v, struct tiles tiles, struct heads heads)
{
	const struct tile t = tiles.at[blockIdx.x / heads.queries];
	const int h = blockIdx.x % heads.queries, kv = h / (heads.queries / heads.keys), hd = heads.width;
	const int offset = t.first - t.start, keys = offset + t.rows;
	const size_t q_step = (size_t)heads.queries * hd, k_step = (size_t)heads.keys * hd;
	const float scale = (float)heads.scale;
	float *Q = (float *)shared_memory, *G = Q + tile_floats(W, R), *K = G + tile_floats(W, R);
	float *V = K + tile_floats(W, R), *S = V + tile_floats(W, R), *dP = S + score_floats(R);
	constexpr int PITCH = score_pitch(R, 0);
	float acc[fragments(W, R, H)][4] = {}, top[rows_each(R, H)];
	double sum[rows_each(R, H)] = {}, D[rows_each(R, H)] = {};
#pragma unroll
	for (int i = 0; i < rows_each(R, H); i++)
		top[i] = -INFINITY;
	load<W, R, H>(Q, q + h * hd, t.first, t.rows, q_step, heads);
	load<W, R, H>(G, dO + h * hd, t.first, t.rows, q_step, heads);
	for (int again = 0; again < 2; again++) {
		for (int key = 0; key < keys; key += SIDE * R) {
			float s[rows_each(R, H)][R];
			__syncthreads();
			load<W, R, H>(K, k + kv * hd, (size_t)t.start + key, smaller(keys - key, SIDE * R), k_step, heads);
			load<W, R, H>(V, v + kv * hd, (size_t)t.start + key, smaller(keys - key, SIDE * R), k_step, heads);
			__syncthreads();
			dots<W, R, H>(S, PITCH, Q, K);
			dots<W, R, H>(dP, PITCH, G, V);
			__syncthreads();
			scores_seen<R, H>(s, S, PITCH, offset, key);
#pragma unroll
			for (int i = 0; i < rows_each(R, H); i++) {
				if (!again) {
					const float old = top[i];
					top[i] = fmaxf(old, largest<R>(s[i]));
					const float keep = expf((old - top[i]) * scale);
					sum[i] *= keep;
					D[i] *= keep;
				}
#pragma unroll
				for (int j = 0; j < R; j++) {
					const int at = (threadIdx.y + H * i) * PITCH + threadIdx.x + SIDE * j;
					const double p = expf((s[i][j] - top[i]) * scale);
					if (again) {
						S[at] = (float)(heads.scale * (p * sum[i]) * ((double)dP[at] - D[i]));
					} else {
						sum[i] += p;
						D[i] += p * dP[at];
					}
				}
			}
			if (again) {
				__syncthreads();
				accumulate<W, R, H, 0>(acc, S, K);
			}
		}
#pragma unroll
		for (int i = 0; i < rows_each(R, H) && !again; i++) {
			const int r = threadIdx.y + H * i;
			sum[i] = 1.0 / row_sum(sum[i]);
			D[i] = row_sum(D[i]) * sum[i];
			if (threadIdx.x == 0 && r < t.rows)
				statistics[(size_t)(t.first + r) * heads.queries + h] = (struct row_statistics){top[i], sum[i], D[i]};
		}
	}
	store<W, R, H>(dq + h * hd + t.first * q_step, acc, t.rows, q_step, heads);
}

/* A block a tile of keys and key head. */
template <int W, int R, int H> __global__ static void __launch_bounds__(SIDE * H)
attention_dkv_kernel(float *dk, float *dv, const struct row_statistics *statistics, const float *dO, const float *q,
	const float *k, const float *v, struct tiles tiles, struct heads heads)
{
	/* The first keys are seen by most rows. */
	const struct tile t = tiles.at[tiles.count - 1 - blockIdx.x / heads.keys];
	const int kv = blockIdx.x % heads.keys, group = heads.queries / heads.keys, hd = heads.width;
	const int offset = t.first - t.start;
	const size_t q_step = (size_t)heads.queries * hd, k_step = (size_t)heads.keys * hd;
	float *Q = (float *)shared_memory, *G = Q + tile_floats(W, R), *K = G + tile_floats(W, R);
	float *V = K + tile_floats(W, R), *P = V + tile_floats(W, R), *S = P + score_floats(R);
	constexpr int PITCH = score_pitch(R, 1);
	float acc_k[fragments(W, R, H)][4] = {}, acc_v[fragments(W, R, H)][4] = {};
	load<W, R, H>(K, k + kv * hd, t.first, t.rows, k_step, heads);
	load<W, R, H>(V, v + kv * hd, t.first, t.rows, k_step, heads);
	for (int h = kv * group; h < (kv + 1) * group; h++)
		for (int first = offset; first < t.length; first += SIDE * R) {
			const int rows = smaller(t.length - first, SIDE * R);
			__syncthreads();
			load<W, R, H>(Q, q + h * hd, (size_t)t.start + first, rows, q_step, heads);
			load<W, R, H>(G, dO + h * hd, (size_t)t.start + first, rows, q_step, heads);
			__syncthreads();
			dots<W, R, H>(P, PITCH, Q, K);
			dots<W, R, H>(S, PITCH, G, V); /* dP for now */
			__syncthreads();
#pragma unroll
			for (int i = 0; i < rows_each(R, H); i++) {
				const int row = first + threadIdx.y + H * i;
				struct row_statistics r = {0, 0, 0};
				if (row < t.length)
					r = statistics[(size_t)(t.start + row) * heads.queries + h];
#pragma unroll
				for (int j = 0; j < R; j++) {
					const int key = offset + threadIdx.x + SIDE * j;
					const int at = (threadIdx.y + H * i) * PITCH + threadIdx.x + SIDE * j;
					const int seen = row < t.length && key <= row && key < offset + t.rows;
					const double p = seen ? expf((P[at] - r.top) * (float)heads.scale) * r.inverse : 0;
					P[at] = (float)p;
					S[at] = seen ? (float)(heads.scale * p * ((double)S[at] - r.D)) : 0;
				}
			}
			__syncthreads();
			accumulate<W, R, H, 1>(acc_v, P, G);
			accumulate<W, R, H, 1>(acc_k, S, Q);
		}
	store<W, R, H>(dk + kv * hd + t.first * k_step, acc_k, t.rows, k_step, heads);
	store<W, R, H>(dv + kv * hd + t.first * k_step, acc_v, t.rows, k_step, heads);
}

/* ---- launchers ---- */

const struct tile *cuda_tiles(struct packing packing, int32_t rows, int32_t above, int32_t most, unsigned *count)
{
	const size_t room = (size_t)(packing.start[packing.sequences] / rows) + packing.sequences;
	struct tile *tiles = (struct tile *)mem_array(room, sizeof *tiles);
	size_t n = 0;
	for (size_t s = 0; s < packing.sequences; s++) {
		const int32_t start = packing.start[s], end = packing.start[s + 1], length = end - start;
		for (int32_t at = start; at < end && length > above && length <= most; at += rows)
			tiles[n++] = (struct tile){at, end - at < rows ? end - at : rows, start, length};
	}
	assert(n <= room);
	void *device = cuda_workspace(CUDA_TILES, n * sizeof *tiles);
	cuda_put(device, tiles, n * sizeof *tiles);
	free(tiles);
	*count = (unsigned)n;
	return (const struct tile *)device;
}

int cuda_heads_fit(size_t nh, size_t nk, size_t hd)
{
	assert(nk > 0 && nh % nk == 0);
	if (hd > HEAD_MAX)
		cuda_refuse("heads are %zu wide, and on a GPU at most %d; use autoquant.device=cpu", hd, HEAD_MAX);
	return hd <= HEAD_MAX;
}

/* Tiles of side rows of the sequences of more than shorter and up to longest tokens, the last of each first. */
static size_t tiles_list(struct tile *to, struct packing packing, int32_t side, int32_t shorter, int32_t longest)
{
	size_t n = 0;
	for (int32_t at = (longest - 1) / side * side; at >= 0; at -= side)
		for (size_t s = 0; s < packing.sequences; s++) {
			const int32_t start = packing.start[s], length = packing.start[s + 1] - start;
			if (length > shorter && length <= longest && at < length)
				to[n++] = (struct tile){start + at, length - at < side ? length - at : side, start, length};
		}
	return n;
}

/* All tiles of all sequences: those of the long ones, and those of the short ones. */
static void upload_tiles(struct packing packing, int32_t side, struct tiles *longs, struct tiles *shorts)
{
	const size_t most = (size_t)packing.start[packing.sequences] / SIDE + packing.sequences;
	struct tile *tiles = (struct tile *)mem_array(most, sizeof *tiles);
	const int32_t longest = (int32_t)packing_longest(packing);
	longs->count = longest > SHORT ? (unsigned)tiles_list(tiles, packing, side, SHORT, longest) : 0;
	shorts->count = (unsigned)tiles_list(tiles + longs->count, packing, SIDE, 0, SHORT);
	const size_t n = (size_t)longs->count + shorts->count;
	assert(n <= most);
	struct tile *device = (struct tile *)cuda_workspace(CUDA_TILES, n * sizeof *tiles);
	cuda_put(device, tiles, n * sizeof *tiles);
	free(tiles);
	longs->at = device;
	shorts->at = device + longs->count;
}

static size_t shared_most(void)
{
	static int most;
	if (!most)
		CUDA_TRY(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
	return (size_t)most;
}

/* Pointers of a call; of the forward pass the first five. */
struct tensors {
	float *o, *lse;
	const float *q, *k, *v;
	const float *dO;
	float *dq, *dk, *dv;
	struct row_statistics *statistics;
};

static constexpr size_t forward_shared(int W, int R)
{
	return (2 * tile_floats(W, R) + score_floats(R)) * sizeof(float) + SIDE * R * sizeof(double);
}

static constexpr size_t backward_shared(int W, int R)
{
	return (4 * tile_floats(W, R) + 2 * score_floats(R)) * sizeof(float);
}

template <int W, int R> static void forward(const struct tensors *x, struct tiles tiles, struct heads heads)
{
	const size_t shared = forward_shared(W, R);
	if (!tiles.count)
		return;
	cuda_allow_shared(attention_kernel<W, R, SIDE>, shared);
	CUDA_LAUNCH((attention_kernel<W, R, SIDE>), tiles.count * heads.queries, dim3(SIDE, SIDE), shared, x->o, x->lse,
		x->q, x->k, x->v, tiles, heads);
}

template <int W, int R> static void backward(const struct tensors *x, struct tiles tiles, struct heads heads)
{
	constexpr int H = R == 4 ? 2 * SIDE : SIDE; /* one block is all that fits, and needs more warps */
	const size_t shared = backward_shared(W, R);
	if (!tiles.count)
		return;
	cuda_allow_shared(attention_dq_kernel<W, R, H>, shared);
	cuda_allow_shared(attention_dkv_kernel<W, R, H>, shared);
	CUDA_LAUNCH((attention_dq_kernel<W, R, H>), tiles.count * heads.queries, dim3(SIDE, H), shared, x->dq,
		x->statistics, x->dO, x->q, x->k, x->v, tiles, heads);
	CUDA_LAUNCH((attention_dkv_kernel<W, R, H>), tiles.count * heads.keys, dim3(SIDE, H), shared, x->dk, x->dv,
		x->statistics, x->dO, x->q, x->k, x->v, tiles, heads);
}

template <int W, int R> static void pass(const struct tensors *x, struct tiles tiles, struct heads heads)
{
	if (x->dO)
		backward<W, R>(x, tiles, heads);
	else
		forward<W, R>(x, tiles, heads);
}

/* Large tiles for the long sequences, where the GPU has the shared memory for them. */
template <int W, int R> static void sequences_pass(const struct tensors *x, struct packing packing, struct heads heads)
{
	const int large = shared_most() >= backward_shared(W, R);
	struct tiles longs, shorts;
	upload_tiles(packing, SIDE * (large ? R : R / 2), &longs, &shorts);
	if (large)
		pass<W, R>(x, longs, heads);
	else
		pass<W, R / 2>(x, longs, heads);
	pass<W, 1>(x, shorts, heads);
}

static void attention(const struct tensors *x, struct packing packing, size_t nh, size_t nk, size_t hd)
{
	const int wide = hd % 4 == 0 && aligned16(x->o) && aligned16(x->q) && aligned16(x->k) && aligned16(x->v) &&
		aligned16(x->dO) && aligned16(x->dq) && aligned16(x->dk) && aligned16(x->dv);
	const struct heads heads = {(int)nh, (int)nk, (int)hd, wide, 1.0 / sqrt((double)hd)};
	if (!packing.sequences || !packing.start[packing.sequences] || !cuda_heads_fit(nh, nk, hd))
		return;
	if (hd <= 128)
		sequences_pass<128, 4>(x, packing, heads);
	else
		sequences_pass<256, 2>(x, packing, heads);
}

extern "C" void cuda_attention(dev_f32 *o, dev_f32 *lse, const dev_f32 *q, const dev_f32 *k, const dev_f32 *v,
	struct packing packing, size_t nh, size_t nk, size_t hd)
{
	const struct tensors x = {.o = f32(o), .lse = f32(lse), .q = f32(q), .k = f32(k), .v = f32(v)};
	attention(&x, packing, nh, nk, hd);
}

extern "C" void cuda_attention_backward(dev_f32 *dq, dev_f32 *dk, dev_f32 *dv, const dev_f32 *dO, const dev_f32 *o,
	const dev_f32 *lse, const dev_f32 *q, const dev_f32 *k, const dev_f32 *v, struct packing packing, size_t nh,
	size_t nk, size_t hd)
{
	const size_t rows = (size_t)packing.start[packing.sequences] * nh;
	struct tensors x = {.q = f32(q), .k = f32(k), .v = f32(v), .dO = f32(dO), .dq = f32(dq), .dk = f32(dk),
		.dv = f32(dv)};
	(void)o;
	(void)lse;
	x.statistics = (struct row_statistics *)cuda_workspace(CUDA_STATISTICS, rows * sizeof *x.statistics);
	attention(&x, packing, nh, nk, hd);
}
