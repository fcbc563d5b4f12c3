#include "ops/cuda.cuh"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

extern "C" {
#include "common/memory.h"
#include "ops/attention.h"
}

/* Attention in fp64: tiles of TILE query rows against tiles of TILE keys, in shared memory; 16 x 16 threads. A thread
 * has the scores of rows ty, ty + 16 and keys tx, tx + 16, and of each of its rows the columns tx, tx + 16, ... of the
 * result. */

enum { TILE = 32, SIDE = 16, HEAD_MAX = 256 };

struct tile {
	int32_t first, rows;    /* rows of the batch */
	int32_t start, length;  /* of its sequence */
};

/* ---- device functions ---- */

static __device__ double exponential(double x) { return exp(x); }

/* Rows first .. first+rows-1 of x (step elements apart) as a tile; zeros below. */
template <typename T> static __device__ void load(T *tile, const T *x, size_t first, int rows, size_t step, int hd)
{
	for (int i = threadIdx.y * SIDE + threadIdx.x; i < TILE * hd; i += SIDE * SIDE) {
		const int r = i / hd, c = i % hd;
		tile[r * (hd + 1) + c] = r < rows ? x[(first + r) * step + c] : (T)0;
	}
}

/* s[i][j] = rows ty + 16 i of a times rows tx + 16 j of b. */
template <typename T> static __device__ void dots(T s[2][2], const T *a, const T *b, int hd)
{
	const T *a0 = a + threadIdx.y * (hd + 1), *a1 = a0 + SIDE * (hd + 1);
	const T *b0 = b + threadIdx.x * (hd + 1), *b1 = b0 + SIDE * (hd + 1);
	s[0][0] = s[0][1] = s[1][0] = s[1][1] = 0;
	for (int c = 0; c < hd; c++) {
		s[0][0] = fma(a0[c], b0[c], s[0][0]);
		s[0][1] = fma(a0[c], b1[c], s[0][1]);
		s[1][0] = fma(a1[c], b0[c], s[1][0]);
		s[1][1] = fma(a1[c], b1[c], s[1][1]);
	}
}

/* Over the 16 threads of a row, known to all of them. */
template <typename T> static __device__ T row_sum(T x)
{
	for (int step = SIDE / 2; step; step /= 2)
		x += __shfl_xor_sync(~0u, x, step);
	return x;
}

template <typename T> static __device__ T row_largest(T x)
{
	for (int step = SIDE / 2; step; step /= 2)
		x = fmax(x, __shfl_xor_sync(~0u, x, step));
	return x;
}

/* acc[i][j] += row ty + 16 i of p (or column, when across) times column tx + 16 j of x, over TILE. */
template <typename T, int NJ> static __device__ void accumulate(T acc[2][NJ], const T *p, const T *x, int hd,
	int across)
{
	for (int k = 0; k < TILE; k++) {
		const T p0 = across ? p[k * (TILE + 1) + threadIdx.y] : p[threadIdx.y * (TILE + 1) + k];
		const T p1 = across ? p[k * (TILE + 1) + threadIdx.y + SIDE] : p[(threadIdx.y + SIDE) * (TILE + 1) + k];
#pragma unroll
		for (int j = 0; j < NJ; j++) {
			const int c = threadIdx.x + SIDE * j;
			const T v = c < hd ? x[k * (hd + 1) + c] : (T)0;
			acc[0][j] = fma(p0, v, acc[0][j]);
			acc[1][j] = fma(p1, v, acc[1][j]);
		}
	}
}

/* Rows ty, ty + 16 of the tile to rows first .. of y, step elements apart. */
template <typename T, int NJ> static __device__ void store(T *y, const T acc[2][NJ], size_t first, int rows,
	size_t step, int hd)
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

/* Softmax is made as keys come: what was summed is scaled down when a larger score appears. lse may be NULL. */
template <typename T, int NJ> __global__ static void attention_kernel(T *o, float *lse, const T *q, const T *k,
	const T *v, const struct tile *tiles, int nh, int nk, int hd, double scale)
{
	const struct tile t = tiles[blockIdx.x];
	const int h = blockIdx.y, kv = h / (nh / nk), offset = t.first - t.start, keys = offset + t.rows;
	const size_t q_step = (size_t)nh * hd, k_step = (size_t)nk * hd;
	T *Q = (T *)shared_memory, *KV = Q + TILE * (hd + 1), *P = KV + TILE * (hd + 1);
	T acc[2][NJ] = {}, top[2] = {(T)-INFINITY, (T)-INFINITY};
	double sum[2] = {};
	load(Q, q + h * hd, t.first, t.rows, q_step, hd);
	for (int key = 0; key < keys; key += TILE) {
		T s[2][2];
		__syncthreads();
		load(KV, k + kv * hd, (size_t)t.start + key, smaller(keys - key, TILE), k_step, hd);
		__syncthreads();
		dots(s, Q, KV, hd);
		for (int i = 0; i < 2; i++) {
			const int row = offset + threadIdx.y + SIDE * i;
			for (int j = 0; j < 2; j++)
				if (key + (int)threadIdx.x + SIDE * j > row)
					s[i][j] = (T)-INFINITY;
			const T old = top[i];
			top[i] = fmax(old, row_largest(fmax(s[i][0], s[i][1])));
			const T keep = exponential((old - top[i]) * (T)scale);
			double added = 0;
			for (int j = 0; j < 2; j++) {
				const T p = exponential((s[i][j] - top[i]) * (T)scale);
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
		accumulate<T, NJ>(acc, P, KV, hd, 0);
	}
	for (int i = 0; i < 2; i++) {
		const int r = threadIdx.y + SIDE * i;
		const double factor = 1.0 / sum[i];
#pragma unroll
		for (int j = 0; j < NJ; j++)
			acc[i][j] = (T)(acc[i][j] * factor);
		if (lse && threadIdx.x == 0 && r < t.rows)
			lse[(size_t)(t.first + r) * nh + h] = (float)(top[i] * scale + log(sum[i]));
	}
	store<T, NJ>(o + h * hd, acc, t.first, t.rows, q_step, hd);
}

/* ---- launchers ---- */

/* All tiles of all sequences, on the device. */
static const struct tile *upload_tiles(struct packing packing, unsigned *count)
{
	const size_t most = (size_t)packing.start[packing.sequences] / TILE + packing.sequences;
	struct tile *tiles = (struct tile *)mem_array(most, sizeof *tiles);
	size_t n = 0;
	for (size_t s = 0; s < packing.sequences; s++) {
		const int32_t start = packing.start[s], end = packing.start[s + 1];
		for (int32_t at = start; at < end; at += TILE)
			tiles[n++] = (struct tile){at, end - at < TILE ? end - at : TILE, start, end - start};
	}
	assert(n <= most);
	void *device = cuda_workspace(CUDA_TILES, n * sizeof *tiles);
	cuda_put(device, tiles, n * sizeof *tiles);
	free(tiles);
	*count = (unsigned)n;
	return (const struct tile *)device;
}

/* More than 48 KB has to be asked for. */
template <typename K> static void allow_shared(K *kernel, size_t bytes)
{
	CUDA_TRY(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes));
}

static int heads_fit(size_t nh, size_t nk, size_t hd)
{
	assert(nk > 0 && nh % nk == 0);
	if (hd > HEAD_MAX)
		cuda_refuse("heads are %zu wide, and on a GPU at most %d; use autoquant.device=cpu", hd, HEAD_MAX);
	return hd <= HEAD_MAX;
}

template <typename T, int NJ> static void forward(T *o, float *lse, const T *q, const T *k, const T *v,
	struct packing packing, size_t nh, size_t nk, size_t hd)
{
	const size_t shared = (2 * TILE * (hd + 1) + TILE * (TILE + 1)) * sizeof(T);
	unsigned count;
	const struct tile *tiles = upload_tiles(packing, &count);
	if (!count)
		return;
	allow_shared(attention_kernel<T, NJ>, shared);
	CUDA_LAUNCH((attention_kernel<T, NJ>), dim3(count, (unsigned)nh), dim3(SIDE, SIDE), shared, o, lse, q, k, v, tiles,
		(int)nh, (int)nk, (int)hd, 1.0 / sqrt((double)hd));
}

template <typename T> static void attention(T *o, float *lse, const T *q, const T *k, const T *v,
	struct packing packing, size_t nh, size_t nk, size_t hd)
{
	if (!heads_fit(nh, nk, hd))
		return;
	if (hd <= 64)
		forward<T, 4>(o, lse, q, k, v, packing, nh, nk, hd);
	else if (hd <= 128)
		forward<T, 8>(o, lse, q, k, v, packing, nh, nk, hd);
	else
		forward<T, 16>(o, lse, q, k, v, packing, nh, nk, hd);
}

extern "C" void cuda_attention_f64(dev_f64 *o, const dev_f64 *q, const dev_f64 *k, const dev_f64 *v,
	struct packing packing, size_t nh, size_t nk, size_t hd)
{
	attention(f64(o), (float *)NULL, f64(q), f64(k), f64(v), packing, nh, nk, hd);
}
