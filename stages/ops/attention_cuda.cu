#include "ops/attention_cuda.cuh"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

extern "C" {
#include "common/memory.h"
#include "ops/attention.h"
}

/* Tiles of TILE query rows against tiles of TILE keys, in shared memory; 16 x 16 threads. A thread has the scores of
 * rows ty, ty + 16 and keys tx, tx + 16, and of each of its rows the columns tx, tx + 16, ... of the result. Tiles are
 * cut from the start of each sequence, so that the bits of a sequence depend on it alone. Nothing grows with the square
 * of a length.
 *
 * Backward, P is made from the scores again rather than from the log-sum-exp, which as fp32 puts 5e-7 on every
 * probability of a row, and D = sum P dP from the same dP that it is subtracted from: a row that sees one key gets
 * exactly 0. One kernel goes over the keys of a row for dq and leaves what it learnt of the row; another goes over the
 * rows of a key, and over the query heads that share it, for dk and dv: no sum is split over blocks. */

enum { TILE = 32, SIDE = 16 };

/* Of a row and head: the largest score, 1 / sum of exp(scale (s - top)), and D. */
struct row_statistics {
	float top;
	double inverse, D;
};

/* ---- device functions ---- */

/* Rows first .. first+rows-1 of x (step elements apart) as a tile; zeros below. */
static __device__ void load(float *tile, const float *x, size_t first, int rows, size_t step, int hd)
{
	for (int i = threadIdx.y * SIDE + threadIdx.x; i < TILE * hd; i += SIDE * SIDE) {
		const int r = i / hd, c = i % hd;
		tile[r * (hd + 1) + c] = r < rows ? x[(first + r) * step + c] : 0;
	}
}

/* s[i][j] = rows ty + 16 i of a times rows tx + 16 j of b. */
static __device__ void dots(float s[2][2], const float *a, const float *b, int hd)
{
	const float *a0 = a + threadIdx.y * (hd + 1), *a1 = a0 + SIDE * (hd + 1);
	const float *b0 = b + threadIdx.x * (hd + 1), *b1 = b0 + SIDE * (hd + 1);
	s[0][0] = s[0][1] = s[1][0] = s[1][1] = 0;
	for (int c = 0; c < hd; c++) {
		s[0][0] = fmaf(a0[c], b0[c], s[0][0]);
		s[0][1] = fmaf(a0[c], b1[c], s[0][1]);
		s[1][0] = fmaf(a1[c], b0[c], s[1][0]);
		s[1][1] = fmaf(a1[c], b1[c], s[1][1]);
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

/* acc[i][j] += row ty + 16 i of p (or column, when across) times column tx + 16 j of x, over TILE. */
template <int NJ> static __device__ void accumulate(float acc[2][NJ], const float *p, const float *x, int hd,
	int across)
{
	for (int k = 0; k < TILE; k++) {
		const float p0 = across ? p[k * (TILE + 1) + threadIdx.y] : p[threadIdx.y * (TILE + 1) + k];
		const float p1 = across ? p[k * (TILE + 1) + threadIdx.y + SIDE] : p[(threadIdx.y + SIDE) * (TILE + 1) + k];
#pragma unroll
		for (int j = 0; j < NJ; j++) {
			const int c = threadIdx.x + SIDE * j;
			const float v = c < hd ? x[k * (hd + 1) + c] : 0;
			acc[0][j] = fmaf(p0, v, acc[0][j]);
			acc[1][j] = fmaf(p1, v, acc[1][j]);
		}
	}
}

/* Rows ty, ty + 16 of the tile to rows first .. of y, step elements apart. */
template <int NJ> static __device__ void store(float *y, const float acc[2][NJ], size_t first, int rows, size_t step,
	int hd)
{
	for (int i = 0; i < 2; i++) {
		const int r = threadIdx.y + SIDE * i;
#pragma unroll
		for (int j = 0; j < NJ; j++) {
			const int c = threadIdx.x + SIDE * j;
			if (r < rows && c < hd)
				y[(first + r) * step + c] = acc[i][j];
		}
	}
}

static __device__ int smaller(int a, int b)
{
	return a < b ? a : b;
}

extern __shared__ double shared_memory[];

/* ---- kernels ---- */

/* Softmax is made as keys come: what was summed is scaled down when a larger score appears. */
template <int NJ> __global__ static void attention_kernel(float *o, float *lse, const float *q, const float *k,
	const float *v, const struct tile *tiles, int nh, int nk, int hd, double scale)
{
	const struct tile t = tiles[blockIdx.x];
	const int h = blockIdx.y, kv = h / (nh / nk), offset = t.first - t.start, keys = offset + t.rows;
	const size_t q_step = (size_t)nh * hd, k_step = (size_t)nk * hd;
	float *Q = (float *)shared_memory, *KV = Q + TILE * (hd + 1), *P = KV + TILE * (hd + 1);
	float acc[2][NJ] = {}, top[2] = {-INFINITY, -INFINITY};
	double sum[2] = {};
	load(Q, q + h * hd, t.first, t.rows, q_step, hd);
	for (int key = 0; key < keys; key += TILE) {
		float s[2][2];
		__syncthreads();
		load(KV, k + kv * hd, (size_t)t.start + key, smaller(keys - key, TILE), k_step, hd);
		__syncthreads();
		dots(s, Q, KV, hd);
		for (int i = 0; i < 2; i++) {
			const int row = offset + threadIdx.y + SIDE * i;
			for (int j = 0; j < 2; j++)
				if (key + (int)threadIdx.x + SIDE * j > row)
					s[i][j] = -INFINITY;
			const float old = top[i];
			top[i] = fmaxf(old, row_largest(fmaxf(s[i][0], s[i][1])));
			const float keep = expf((old - top[i]) * (float)scale);
			double added = 0;
			for (int j = 0; j < 2; j++) {
				const float p = expf((s[i][j] - top[i]) * (float)scale);
				P[(threadIdx.y + SIDE * i) * (TILE + 1) + threadIdx.x + SIDE * j] = p;
				added += p;
			}
			sum[i] = sum[i] * keep + row_sum(added);
#pragma unroll
			for (int j = 0; j < NJ; j++)
				acc[i][j] *= keep;
		}
		__syncthreads();
		load(KV, v + kv * hd, (size_t)t.start + key, smaller(keys - key, TILE), k_step, hd);
		__syncthreads();
		accumulate<NJ>(acc, P, KV, hd, 0);
	}
	for (int i = 0; i < 2; i++) {
		const int r = threadIdx.y + SIDE * i;
		const double factor = 1.0 / sum[i];
#pragma unroll
		for (int j = 0; j < NJ; j++)
			acc[i][j] = (float)(acc[i][j] * factor);
		if (threadIdx.x == 0 && r < t.rows)
			lse[(size_t)(t.first + r) * nh + h] = (float)(top[i] * scale + log(sum[i]));
	}
	store<NJ>(o + h * hd, acc, t.first, t.rows, q_step, hd);
}

/* Once over the keys for the statistics of each row, once more for dq. */
template <int NJ> __global__ static void attention_dq_kernel(float *dq, struct row_statistics *statistics,
	const float *dO, const float *q, const float *k, const float *v, const struct tile *tiles, int nh, int nk, int hd,
	double scale)
{
	const struct tile t = tiles[blockIdx.x];
	const int h = blockIdx.y, kv = h / (nh / nk), offset = t.first - t.start, keys = offset + t.rows;
	const size_t q_step = (size_t)nh * hd, k_step = (size_t)nk * hd, area = (size_t)TILE * (hd + 1);
	float *Q = (float *)shared_memory, *G = Q + area, *K = G + area, *V = K + area, *S = V + area;
	float acc[2][NJ] = {}, top[2] = {-INFINITY, -INFINITY};
	double sum[2] = {}, D[2] = {};
	load(Q, q + h * hd, t.first, t.rows, q_step, hd);
	load(G, dO + h * hd, t.first, t.rows, q_step, hd);
	for (int again = 0; again < 2; again++) {
		for (int key = 0; key < keys; key += TILE) {
			float s[2][2], dP[2][2];
			__syncthreads();
			load(K, k + kv * hd, (size_t)t.start + key, smaller(keys - key, TILE), k_step, hd);
			load(V, v + kv * hd, (size_t)t.start + key, smaller(keys - key, TILE), k_step, hd);
			__syncthreads();
			dots(s, Q, K, hd);
			dots(dP, G, V, hd);
			for (int i = 0; i < 2; i++) {
				const int row = offset + threadIdx.y + SIDE * i;
				for (int j = 0; j < 2; j++)
					if (key + (int)threadIdx.x + SIDE * j > row)
						s[i][j] = -INFINITY;
				if (!again) {
					const float old = top[i];
					top[i] = fmaxf(old, row_largest(fmaxf(s[i][0], s[i][1])));
					const float keep = expf((old - top[i]) * (float)scale);
					const float p0 = expf((s[i][0] - top[i]) * (float)scale);
					const float p1 = expf((s[i][1] - top[i]) * (float)scale);
					sum[i] = sum[i] * keep + row_sum((double)p0 + p1);
					D[i] = D[i] * keep + row_sum((double)p0 * dP[i][0] + (double)p1 * dP[i][1]);
					continue;
				}
				for (int j = 0; j < 2; j++) {
					const double p = expf((s[i][j] - top[i]) * (float)scale) * sum[i];
					S[(threadIdx.y + SIDE * i) * (TILE + 1) + threadIdx.x + SIDE * j] =
						(float)(scale * p * ((double)dP[i][j] - D[i]));
				}
			}
			__syncthreads();
			if (again)
				accumulate<NJ>(acc, S, K, hd, 0);
		}
		for (int i = 0; i < 2 && !again; i++) {
			const int r = threadIdx.y + SIDE * i;
			sum[i] = 1.0 / sum[i];
			D[i] *= sum[i];
			if (threadIdx.x == 0 && r < t.rows)
				statistics[(size_t)(t.first + r) * nh + h] = (struct row_statistics){top[i], sum[i], D[i]};
		}
	}
	store<NJ>(dq + h * hd, acc, t.first, t.rows, q_step, hd);
}

/* A block a tile of keys and key head. */
template <int NJ> __global__ static void attention_dkv_kernel(float *dk, float *dv,
	const struct row_statistics *statistics, const float *dO, const float *q, const float *k, const float *v,
	const struct tile *tiles, int nh, int nk, int hd, double scale)
{
	const struct tile t = tiles[blockIdx.x];
	const int kv = blockIdx.y, group = nh / nk, offset = t.first - t.start;
	const size_t q_step = (size_t)nh * hd, k_step = (size_t)nk * hd, area = (size_t)TILE * (hd + 1);
	float *Q = (float *)shared_memory, *G = Q + area, *K = G + area, *V = K + area, *P = V + area;
	float *S = P + TILE * (TILE + 1);
	float acc_k[2][NJ] = {}, acc_v[2][NJ] = {};
	load(K, k + kv * hd, t.first, t.rows, k_step, hd);
	load(V, v + kv * hd, t.first, t.rows, k_step, hd);
	for (int h = kv * group; h < (kv + 1) * group; h++)
		for (int first = offset; first < t.length; first += TILE) {
			float s[2][2], dP[2][2];
			__syncthreads();
			load(Q, q + h * hd, (size_t)t.start + first, smaller(t.length - first, TILE), q_step, hd);
			load(G, dO + h * hd, (size_t)t.start + first, smaller(t.length - first, TILE), q_step, hd);
			__syncthreads();
			dots(s, Q, K, hd);
			dots(dP, G, V, hd);
			for (int i = 0; i < 2; i++) {
				const int row = first + threadIdx.y + SIDE * i;
				struct row_statistics r = {0, 0, 0};
				if (row < t.length)
					r = statistics[(size_t)(t.start + row) * nh + h];
				for (int j = 0; j < 2; j++) {
					const int key = offset + threadIdx.x + SIDE * j, at = (threadIdx.y + SIDE * i) * (TILE + 1) +
						threadIdx.x + SIDE * j;
					const int seen = row < t.length && key <= row && key < offset + t.rows;
					const double p = seen ? expf((s[i][j] - r.top) * (float)scale) * r.inverse : 0;
					P[at] = (float)p;
					S[at] = seen ? (float)(scale * p * ((double)dP[i][j] - r.D)) : 0;
				}
			}
			__syncthreads();
			accumulate<NJ>(acc_v, P, G, hd, 1);
			accumulate<NJ>(acc_k, S, Q, hd, 1);
		}
	store<NJ>(dk + kv * hd, acc_k, t.first, t.rows, k_step, hd);
	store<NJ>(dv + kv * hd, acc_v, t.first, t.rows, k_step, hd);
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

static const struct tile *all_tiles(struct packing packing, unsigned *count)
{
	return cuda_tiles(packing, TILE, 0, INT32_MAX, count);
}

int cuda_heads_fit(size_t nh, size_t nk, size_t hd)
{
	assert(nk > 0 && nh % nk == 0);
	if (hd > HEAD_MAX)
		cuda_refuse("heads are %zu wide, and on a GPU at most %d; use autoquant.device=cpu", hd, HEAD_MAX);
	return hd <= HEAD_MAX;
}

template <int NJ> static void forward(float *o, float *lse, const float *q, const float *k, const float *v,
	struct packing packing, size_t nh, size_t nk, size_t hd)
{
	const size_t shared = (2 * TILE * (hd + 1) + TILE * (TILE + 1)) * sizeof(float);
	unsigned count;
	const struct tile *tiles = all_tiles(packing, &count);
	if (!count)
		return;
	cuda_allow_shared(attention_kernel<NJ>, shared);
	CUDA_LAUNCH(attention_kernel<NJ>, dim3(count, (unsigned)nh), dim3(SIDE, SIDE), shared, o, lse, q, k, v, tiles,
		(int)nh, (int)nk, (int)hd, 1.0 / sqrt((double)hd));
}

template <int NJ> static void backward(float *dq, float *dk, float *dv, const float *dO, const float *q, const float *k,
	const float *v, struct packing packing, size_t nh, size_t nk, size_t hd)
{
	const size_t tokens = (size_t)packing.start[packing.sequences], area = TILE * (TILE + 1);
	const size_t shared = (4 * TILE * (hd + 1) + 2 * area) * sizeof(float);
	const double scale = 1.0 / sqrt((double)hd);
	unsigned count;
	const struct tile *tiles = all_tiles(packing, &count);
	if (!count)
		return;
	struct row_statistics *statistics =
		(struct row_statistics *)cuda_workspace(CUDA_STATISTICS, tokens * nh * sizeof *statistics);
	cuda_allow_shared(attention_dq_kernel<NJ>, shared);
	cuda_allow_shared(attention_dkv_kernel<NJ>, shared);
	CUDA_LAUNCH(attention_dq_kernel<NJ>, dim3(count, (unsigned)nh), dim3(SIDE, SIDE), shared, dq, statistics, dO, q, k,
		v, tiles, (int)nh, (int)nk, (int)hd, scale);
	CUDA_LAUNCH(attention_dkv_kernel<NJ>, dim3(count, (unsigned)nk), dim3(SIDE, SIDE), shared, dk, dv, statistics, dO,
		q, k, v, tiles, (int)nh, (int)nk, (int)hd, scale);
}

extern "C" void cuda_attention(dev_f32 *o, dev_f32 *lse, const dev_f32 *q, const dev_f32 *k, const dev_f32 *v,
	struct packing packing, size_t nh, size_t nk, size_t hd)
{
	if (!cuda_heads_fit(nh, nk, hd))
		return;
	if (hd <= 64)
		forward<4>(f32(o), f32(lse), f32(q), f32(k), f32(v), packing, nh, nk, hd);
	else if (hd <= 128)
		forward<8>(f32(o), f32(lse), f32(q), f32(k), f32(v), packing, nh, nk, hd);
	else
		forward<16>(f32(o), f32(lse), f32(q), f32(k), f32(v), packing, nh, nk, hd);
}

extern "C" void cuda_attention_backward(dev_f32 *dq, dev_f32 *dk, dev_f32 *dv, const dev_f32 *dO, const dev_f32 *o,
	const dev_f32 *lse, const dev_f32 *q, const dev_f32 *k, const dev_f32 *v, struct packing packing, size_t nh,
	size_t nk, size_t hd)
{
	(void)o;
	(void)lse;
	if (!cuda_heads_fit(nh, nk, hd))
		return;
	if (hd <= 64)
		backward<4>(f32(dq), f32(dk), f32(dv), f32(dO), f32(q), f32(k), f32(v), packing, nh, nk, hd);
	else if (hd <= 128)
		backward<8>(f32(dq), f32(dk), f32(dv), f32(dO), f32(q), f32(k), f32(v), packing, nh, nk, hd);
	else
		backward<16>(f32(dq), f32(dk), f32(dv), f32(dO), f32(q), f32(k), f32(v), packing, nh, nk, hd);
}
