#include "ops/cuda.cuh"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

extern "C" {
#include "common/memory.h"
#include "ops/attention.h"
}

/* Tiles of query rows against tiles of keys, in shared memory; 16 x 16 threads. A tile has 16 R rows of W columns, W the
 * width of heads rounded up (zeros behind, which change no bit). A thread has the scores of rows ty + 16 i and keys
 * tx + 16 j, R x R of them, and of R rows the columns 64 j + 4 tx .. + 3 of the result: what it reads of shared memory
 * is four numbers at a time, each used R times.
 *
 * Tiles are cut from the start of each sequence, and how large they are follows from its length, so that the bits of a
 * sequence depend on it alone. Nothing grows with the square of a length. A block is a tile and a head; those with most
 * to do come first.
 *
 * Backward, P is made from the scores again rather than from the log-sum-exp, which as fp32 puts 5e-7 on every
 * probability of a row, and D = sum P dP from the same dP that it is subtracted from: a row that sees one key gets
 * exactly 0. One kernel goes over the keys of a row for dq and leaves what it learnt of the row; another goes over the
 * rows of a key, and over the query heads that share it, for dk and dv: no sum is split over blocks. */

enum { SIDE = 16, HEAD_MAX = 256, SHORT = 32 };

struct tile {
	int32_t first, rows;    /* rows of the batch */
	int32_t start, length;  /* of its sequence */
};

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

/* Floats from row to row of a tile of W columns: rows of neighbouring threads lie in different banks. */
static __host__ __device__ constexpr int pitch(int W) { return W + 4; }
static __host__ __device__ constexpr int tile_floats(int W, int R) { return SIDE * R * pitch(W); }
static __host__ __device__ constexpr int score_floats(int R) { return SIDE * R * pitch(SIDE * R); }

template <int N> static __device__ void read(float *to, const float *from)
{
	if constexpr (N % 4 == 0) {
#pragma unroll
		for (int i = 0; i < N; i += 4)
			*(float4 *)(to + i) = *(const float4 *)(from + i);
	} else {
#pragma unroll
		for (int i = 0; i < N; i++)
			to[i] = from[i];
	}
}

/* Rows first .. first+rows-1 of x (step elements apart) as a tile; zeros below and behind. */
template <int W, int R> static __device__ void load(float *tile, const float *x, size_t first, int rows, size_t step,
	struct heads heads)
{
	for (int i = threadIdx.y * SIDE + threadIdx.x; i < SIDE * R * W / 4; i += SIDE * SIDE) {
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

/* s[i][j] = rows ty + 16 i of a times rows tx + 16 j of b. */
template <int W, int R> static __device__ void dots(float s[R][R], const float *a, const float *b)
{
	a += threadIdx.y * pitch(W);
	b += threadIdx.x * pitch(W);
#pragma unroll
	for (int i = 0; i < R; i++)
#pragma unroll
		for (int j = 0; j < R; j++)
			s[i][j] = 0;
#pragma unroll 4
	for (int c = 0; c < W; c += 4) {
		float p[R][4], q[R][4];
#pragma unroll
		for (int i = 0; i < R; i++) {
			read<4>(p[i], a + SIDE * i * pitch(W) + c);
			read<4>(q[i], b + SIDE * i * pitch(W) + c);
		}
#pragma unroll
		for (int k = 0; k < 4; k++)
#pragma unroll
			for (int i = 0; i < R; i++)
#pragma unroll
				for (int j = 0; j < R; j++)
					s[i][j] = fmaf(p[i][k], q[j][k], s[i][j]);
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

/* acc[i][..] += p[i] times a row of x at the thread's columns. */
template <int W, int R> static __device__ void add_row(float acc[R][W / SIDE], const float p[R], const float *x)
{
#pragma unroll
	for (int j = 0; j < W / SIDE; j += 4) {
		float v[4];
		read<4>(v, x + SIDE * j + 4 * threadIdx.x);
#pragma unroll
		for (int i = 0; i < R; i++)
#pragma unroll
			for (int m = 0; m < 4; m++)
				acc[i][j + m] = fmaf(p[i], v[m], acc[i][j + m]);
	}
}

/* acc += p . x for rows ty + 16 i of p. */
template <int W, int R> static __device__ void accumulate(float acc[R][W / SIDE], const float *p, const float *x)
{
	p += threadIdx.y * pitch(SIDE * R);
#pragma unroll 2
	for (int k = 0; k < SIDE * R; k += 4) {
		float a[R][4];
#pragma unroll
		for (int i = 0; i < R; i++)
			read<4>(a[i], p + SIDE * i * pitch(SIDE * R) + k);
#pragma unroll
		for (int n = 0; n < 4; n++) {
			float column[R];
#pragma unroll
			for (int i = 0; i < R; i++)
				column[i] = a[i][n];
			add_row<W, R>(acc, column, x + (k + n) * pitch(W));
		}
	}
}

/* acc += p^T . x for columns R ty + i of p. */
template <int W, int R> static __device__ void accumulate_across(float acc[R][W / SIDE], const float *p, const float *x)
{
#pragma unroll 4
	for (int k = 0; k < SIDE * R; k++) {
		float a[R];
		read<R>(a, p + k * pitch(SIDE * R) + R * threadIdx.y);
		add_row<W, R>(acc, a, x + k * pitch(W));
	}
}

/* A row of the thread to y. */
template <int W> static __device__ void store(float *y, const float acc[W / SIDE], struct heads heads)
{
#pragma unroll
	for (int j = 0; j < W / SIDE; j += 4) {
		const int c = SIDE * j + 4 * threadIdx.x;
		if (heads.wide && c < heads.width)
			*(float4 *)(y + c) = make_float4(acc[j], acc[j + 1], acc[j + 2], acc[j + 3]);
#pragma unroll
		for (int m = 0; m < 4; m++)
			if (!heads.wide && c + m < heads.width)
				y[c + m] = acc[j + m];
	}
}

static __device__ int smaller(int a, int b)
{
	return a < b ? a : b;
}

/* Hides the keys behind the rows. */
template <int R> static __device__ void hide(float s[R][R], int first_row, int first_key)
{
#pragma unroll
	for (int i = 0; i < R; i++)
#pragma unroll
		for (int j = 0; j < R; j++)
			if (first_key + (int)threadIdx.x + SIDE * j > first_row + (int)threadIdx.y + SIDE * i)
				s[i][j] = -INFINITY;
}

template <int R> static __device__ float largest(const float s[R])
{
	float top = s[0];
#pragma unroll
	for (int j = 1; j < R; j++)
		top = fmaxf(top, s[j]);
	return row_largest(top);
}

extern __shared__ float4 shared_memory[];

/* ---- kernels ---- */

/* Softmax is made as keys come: what was summed is scaled down when a larger score appears. A thread sums its own keys;
 * the 16 sums of a row are added up at the end. */
template <int W, int R> __global__ static void __launch_bounds__(SIDE * SIDE, R * W <= 512 ? 2 : 1)
attention_kernel(float *o, float *lse, const float *q, const float *k, const float *v, struct tiles tiles,
	struct heads heads)
{
	const struct tile t = tiles.at[blockIdx.x / heads.queries];
	const int h = blockIdx.x % heads.queries, kv = h / (heads.queries / heads.keys), hd = heads.width;
	const int offset = t.first - t.start, keys = offset + t.rows;
	const size_t q_step = (size_t)heads.queries * hd, k_step = (size_t)heads.keys * hd;
	const float scale = (float)heads.scale;
	float *Q = (float *)shared_memory, *KV = Q + tile_floats(W, R), *P = KV + tile_floats(W, R);
	float acc[R][W / SIDE] = {}, top[R];
	double sum[R] = {};
#pragma unroll
	for (int i = 0; i < R; i++)
		top[i] = -INFINITY;
	load<W, R>(Q, q + h * hd, t.first, t.rows, q_step, heads);
	for (int key = 0; key < keys; key += SIDE * R) {
		float s[R][R];
		__syncthreads();
		load<W, R>(KV, k + kv * hd, (size_t)t.start + key, smaller(keys - key, SIDE * R), k_step, heads);
		__syncthreads();
		dots<W, R>(s, Q, KV);
		hide<R>(s, offset, key);
#pragma unroll
		for (int i = 0; i < R; i++) {
			const float old = top[i];
			top[i] = fmaxf(old, largest<R>(s[i]));
			const float keep = expf((old - top[i]) * scale);
			sum[i] *= keep;
#pragma unroll
			for (int j = 0; j < R; j++) {
				const float p = expf((s[i][j] - top[i]) * scale);
				P[(threadIdx.y + SIDE * i) * pitch(SIDE * R) + threadIdx.x + SIDE * j] = p;
				sum[i] += p;
			}
#pragma unroll
			for (int j = 0; j < W / SIDE; j++)
				acc[i][j] *= keep;
		}
		__syncthreads();
		load<W, R>(KV, v + kv * hd, (size_t)t.start + key, smaller(keys - key, SIDE * R), k_step, heads);
		__syncthreads();
		accumulate<W, R>(acc, P, KV);
	}
#pragma unroll
	for (int i = 0; i < R; i++) {
		const int r = threadIdx.y + SIDE * i;
		sum[i] = row_sum(sum[i]);
		const double factor = 1.0 / sum[i];
#pragma unroll
		for (int j = 0; j < W / SIDE; j++)
			acc[i][j] = (float)(acc[i][j] * factor);
		if (r >= t.rows)
			continue;
		if (threadIdx.x == 0)
			lse[(size_t)(t.first + r) * heads.queries + h] = (float)(top[i] * heads.scale + log(sum[i]));
		store<W>(o + h * hd + (t.first + r) * q_step, acc[i], heads);
	}
}

/* Once over the keys for the statistics of each row, once more for dq. */
template <int W, int R> __global__ static void __launch_bounds__(SIDE * SIDE)
attention_dq_kernel(float *dq, struct row_statistics *statistics, const float *dO, const float *q, const float *k,
	const float *v, struct tiles tiles, struct heads heads)
{
	const struct tile t = tiles.at[blockIdx.x / heads.queries];
	const int h = blockIdx.x % heads.queries, kv = h / (heads.queries / heads.keys), hd = heads.width;
	const int offset = t.first - t.start, keys = offset + t.rows;
	const size_t q_step = (size_t)heads.queries * hd, k_step = (size_t)heads.keys * hd;
	const float scale = (float)heads.scale;
	float *Q = (float *)shared_memory, *G = Q + tile_floats(W, R), *K = G + tile_floats(W, R);
	float *V = K + tile_floats(W, R), *S = V + tile_floats(W, R);
	float acc[R][W / SIDE] = {}, top[R];
	double sum[R] = {}, D[R] = {};
#pragma unroll
	for (int i = 0; i < R; i++)
		top[i] = -INFINITY;
	load<W, R>(Q, q + h * hd, t.first, t.rows, q_step, heads);
	load<W, R>(G, dO + h * hd, t.first, t.rows, q_step, heads);
	for (int again = 0; again < 2; again++) {
		for (int key = 0; key < keys; key += SIDE * R) {
			float s[R][R], dP[R][R];
			__syncthreads();
			load<W, R>(K, k + kv * hd, (size_t)t.start + key, smaller(keys - key, SIDE * R), k_step, heads);
			load<W, R>(V, v + kv * hd, (size_t)t.start + key, smaller(keys - key, SIDE * R), k_step, heads);
			__syncthreads();
			dots<W, R>(s, Q, K);
			dots<W, R>(dP, G, V);
			hide<R>(s, offset, key);
#pragma unroll
			for (int i = 0; i < R; i++) {
				if (!again) {
					const float old = top[i];
					top[i] = fmaxf(old, largest<R>(s[i]));
					const float keep = expf((old - top[i]) * scale);
					sum[i] *= keep;
					D[i] *= keep;
				}
#pragma unroll
				for (int j = 0; j < R; j++) {
					const double p = expf((s[i][j] - top[i]) * scale);
					if (again) {
						S[(threadIdx.y + SIDE * i) * pitch(SIDE * R) + threadIdx.x + SIDE * j] =
							(float)(heads.scale * (p * sum[i]) * ((double)dP[i][j] - D[i]));
					} else {
						sum[i] += p;
						D[i] += p * dP[i][j];
					}
				}
			}
			if (again) {
				__syncthreads();
				accumulate<W, R>(acc, S, K);
			}
		}
#pragma unroll
		for (int i = 0; i < R && !again; i++) {
			const int r = threadIdx.y + SIDE * i;
			sum[i] = 1.0 / row_sum(sum[i]);
			D[i] = row_sum(D[i]) * sum[i];
			if (threadIdx.x == 0 && r < t.rows)
				statistics[(size_t)(t.first + r) * heads.queries + h] = (struct row_statistics){top[i], sum[i], D[i]};
		}
	}
#pragma unroll
	for (int i = 0; i < R; i++)
		if ((int)threadIdx.y + SIDE * i < t.rows)
			store<W>(dq + h * hd + (t.first + threadIdx.y + SIDE * i) * q_step, acc[i], heads);
}

/* A block a tile of keys and key head. */
template <int W, int R> __global__ static void __launch_bounds__(SIDE * SIDE)
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
	float acc_k[R][W / SIDE] = {}, acc_v[R][W / SIDE] = {};
	load<W, R>(K, k + kv * hd, t.first, t.rows, k_step, heads);
	load<W, R>(V, v + kv * hd, t.first, t.rows, k_step, heads);
	for (int h = kv * group; h < (kv + 1) * group; h++)
		for (int first = offset; first < t.length; first += SIDE * R) {
			const int rows = smaller(t.length - first, SIDE * R);
			float s[R][R], dP[R][R];
			__syncthreads();
			load<W, R>(Q, q + h * hd, (size_t)t.start + first, rows, q_step, heads);
			load<W, R>(G, dO + h * hd, (size_t)t.start + first, rows, q_step, heads);
			__syncthreads();
			dots<W, R>(s, Q, K);
			dots<W, R>(dP, G, V);
#pragma unroll
			for (int i = 0; i < R; i++) {
				const int row = first + threadIdx.y + SIDE * i;
				struct row_statistics r = {0, 0, 0};
				if (row < t.length)
					r = statistics[(size_t)(t.start + row) * heads.queries + h];
#pragma unroll
				for (int j = 0; j < R; j++) {
					const int key = offset + threadIdx.x + SIDE * j;
					const int at = (threadIdx.y + SIDE * i) * pitch(SIDE * R) + threadIdx.x + SIDE * j;
					const int seen = row < t.length && key <= row && key < offset + t.rows;
					const double p = seen ? expf((s[i][j] - r.top) * (float)heads.scale) * r.inverse : 0;
					P[at] = (float)p;
					S[at] = seen ? (float)(heads.scale * p * ((double)dP[i][j] - r.D)) : 0;
				}
			}
			__syncthreads();
			accumulate_across<W, R>(acc_v, P, G);
			accumulate_across<W, R>(acc_k, S, Q);
		}
#pragma unroll
	for (int i = 0; i < R; i++) {
		const int r = R * threadIdx.y + i;
		if (r >= t.rows)
			continue;
		store<W>(dk + kv * hd + (t.first + r) * k_step, acc_k[i], heads);
		store<W>(dv + kv * hd + (t.first + r) * k_step, acc_v[i], heads);
	}
}

/* ---- launchers ---- */

/* Tiles of side rows of the sequences of up to longest tokens and more than shorter, the last of each sequence first. */
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
	int32_t longest = 0;
	for (size_t s = 0; s < packing.sequences; s++)
		longest = packing.start[s + 1] - packing.start[s] > longest ? packing.start[s + 1] - packing.start[s] : longest;
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

/* More than 48 KB has to be asked for. */
template <typename K> static void allow_shared(K *kernel, size_t bytes)
{
	CUDA_TRY(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes));
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
	return (2 * tile_floats(W, R) + score_floats(R)) * sizeof(float);
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
	allow_shared(attention_kernel<W, R>, shared);
	CUDA_LAUNCH((attention_kernel<W, R>), tiles.count * heads.queries, dim3(SIDE, SIDE), shared, x->o, x->lse, x->q,
		x->k, x->v, tiles, heads);
}

template <int W, int R> static void backward(const struct tensors *x, struct tiles tiles, struct heads heads)
{
	const size_t shared = backward_shared(W, R);
	if (!tiles.count)
		return;
	allow_shared(attention_dq_kernel<W, R>, shared);
	allow_shared(attention_dkv_kernel<W, R>, shared);
	CUDA_LAUNCH((attention_dq_kernel<W, R>), tiles.count * heads.queries, dim3(SIDE, SIDE), shared, x->dq,
		x->statistics, x->dO, x->q, x->k, x->v, tiles, heads);
	CUDA_LAUNCH((attention_dkv_kernel<W, R>), tiles.count * heads.keys, dim3(SIDE, SIDE), shared, x->dk, x->dv,
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

static int aligned16(const void *p)
{
	return ((uintptr_t)p & 15) == 0;
}

static void attention(const struct tensors *x, struct packing packing, size_t nh, size_t nk, size_t hd)
{
	const int wide = hd % 4 == 0 && aligned16(x->o) && aligned16(x->q) && aligned16(x->k) && aligned16(x->v) &&
		aligned16(x->dO) && aligned16(x->dq) && aligned16(x->dk) && aligned16(x->dv);
	const struct heads heads = {(int)nh, (int)nk, (int)hd, wide, 1.0 / sqrt((double)hd)};
	assert(nk > 0 && nh % nk == 0);
	if (!packing.sequences || !packing.start[packing.sequences])
		return;
	if (hd > HEAD_MAX)
		cuda_refuse("heads are %zu wide, and on a GPU at most %d; use autoquant.device=cpu", hd, HEAD_MAX);
	else if (hd <= 128)
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
