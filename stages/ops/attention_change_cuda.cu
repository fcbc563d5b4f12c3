#include "ops/attention_cuda.cuh"

#include <assert.h>
#include <math.h>

extern "C" {
#include "ops/change.h"
}

/* Changes of scores are taken relative to their mean m = sum P ds, which a softmax does not see:
 *
 *     e_j = expm1(ds_j - m),   A = sum P e,   P'_j - P_j = P_j (e_j - A) / (1 + A)
 *
 * A is not negative (exp is convex), so nothing is divided by what nearly vanished. Where a score moved so far above
 * the mean that e overflows, P' is the softmax of the changed scores, and the difference has digits enough.
 *
 * Which of two kernels a sequence gets depends on its length alone, and so do its bits.
 *
 * At most SHORT tokens (captions): a block has a sequence and G heads that share a key head, with K, dK, V and dV in
 * shared memory; a warp has a query row of these heads, its lanes four or eight columns each, so that a key is read
 * once for G heads. Scores and their changes take a sum over the lanes each; those of a key are summed together: 2 G sums of
 * G = 4 take 9 exchanges rather than 40. Then lanes have keys, for what is done to a row of scores.
 *
 * More: tiles of rows against tiles of keys, 16 x 16 threads with I x J scores each, where the heads that share keys
 * are rows of a tile like any other. Over the keys twice: for m and A, and for the result.
 *
 * No block takes more than the 99 KB of shared memory that every GPU from 8.0 on has. */

enum { SHORT = 32, SHORT_WARPS = 8, SIDE = 16 };

struct matrices {
	const float *q, *k, *v, *dq, *dk, *dv;
	const int32_t *base;
	int nh, nk, hd, wide;   /* wide: rows are 16-aligned and multiples of 4 */
	float scale;
};

/* Columns 4 lane + 128 e .. + 3 in element e, zeros behind the head's width. */
template <int G, int E> struct query {
	float4 q[G][E], d[G][E], changed[G][E];
};

/* What a lane saw of a row of scores, w = exp(s - top), changes relative to that of its largest score. */
struct seen {
	float top, sum, mean, excess, reference, most;  /* sums of w, w ds and w expm1(ds - reference); largest ds */
};

/* A row of scores: P = exp(s - top) inverse, and how P' comes of it. */
struct row {
	float top, inverse, mean, A, factor;  /* factor: 1 / (1 + A) */
	float far_top, far_inverse;           /* of the changed scores, where far */
	int far;
};

extern __shared__ float4 shared_memory[];

/* ---- device functions: rows ---- */

static __device__ int lane_of(void)
{
	return threadIdx.x % 32;
}

/* Columns c .. c+3 of a row; zeros behind its end. */
static __device__ float4 load(const float *x, int c, const struct matrices *m)
{
	if (m->wide)
		return c < m->hd ? *(const float4 *)(x + c) : make_float4(0, 0, 0, 0);
	return make_float4(c < m->hd ? x[c] : 0, c + 1 < m->hd ? x[c + 1] : 0, c + 2 < m->hd ? x[c + 2] : 0,
		c + 3 < m->hd ? x[c + 3] : 0);
}

static __device__ void store(float *y, float4 v, int c, const struct matrices *m)
{
	if (m->wide) {
		if (c < m->hd)
			*(float4 *)(y + c) = v;
		return;
	}
	const float part[4] = {v.x, v.y, v.z, v.w};
	for (int i = 0; i < 4; i++)
		if (c + i < m->hd)
			y[c + i] = part[i];
}

static __device__ float4 sum_of(float4 a, float4 b)
{
	return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

static __device__ float dot(float sum, float4 a, float4 b)
{
	return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, sum))));
}

static __device__ float4 scaled(float4 sum, float a, float4 x)
{
	return make_float4(fmaf(a, x.x, sum.x), fmaf(a, x.y, sum.y), fmaf(a, x.z, sum.z), fmaf(a, x.w, sum.w));
}

/* Keys first .. first+count-1 of the batch, and their changes, as rows STEP apart. */
template <int E, int STEP> static __device__ void stage(float4 *X, float4 *dX, const float *x, const float *dx,
	int first, int count, int kv, const struct matrices *m)
{
	for (int r = threadIdx.x / 32; r < count; r += blockDim.x / 32) {
		const size_t from = ((size_t)m->base[first + r] * m->nk + kv) * m->hd;
		const size_t from_d = ((size_t)(first + r) * m->nk + kv) * m->hd;
#pragma unroll
		for (int e = 0; e < E; e++) {
			X[r * STEP + e * 32 + lane_of()] = load(x + from, 4 * lane_of() + 128 * e, m);
			dX[r * STEP + e * 32 + lane_of()] = load(dx + from_d, 4 * lane_of() + 128 * e, m);
		}
	}
}

template <int G, int E> static __device__ void query_load(struct query<G, E> *x, int row, int h,
	const struct matrices *m)
{
	const size_t from = ((size_t)m->base[row] * m->nh + h) * m->hd, from_d = ((size_t)row * m->nh + h) * m->hd;
#pragma unroll
	for (int g = 0; g < G; g++)
#pragma unroll
		for (int e = 0; e < E; e++) {
			x->q[g][e] = load(m->q + from + g * m->hd, 4 * lane_of() + 128 * e, m);
			x->d[g][e] = load(m->dq + from_d + g * m->hd, 4 * lane_of() + 128 * e, m);
			x->changed[g][e] = sum_of(x->q[g][e], x->d[g][e]);
		}
}

/* Sums of N values over the lanes; lane i has that of value i N / 32. */
template <int N> static __device__ float sums_of(float *v)
{
	int step = 16;
#pragma unroll
	for (int n = N / 2; n; n /= 2, step /= 2) {
		const int upper = lane_of() & step;
#pragma unroll
		for (int i = 0; i < n; i++) {
			const float mine = upper ? v[i + n] : v[i], other = upper ? v[i] : v[i + n];
			v[i] = mine + __shfl_xor_sync(~0u, other, step);
		}
	}
	for (; step; step /= 2)
		v[0] += __shfl_xor_sync(~0u, v[0], step);
	return v[0];
}

/* score[key][2 G]: q . k of each head, and its change. */
template <int G, int E> static __device__ void score_keys(float *score, const struct query<G, E> *x, const float4 *K,
	const float4 *dK, int keys)
{
#pragma unroll 2
	for (int j = 0; j < keys; j++) {
		float sum[2 * G] = {};
#pragma unroll
		for (int e = 0; e < E; e++) {
			const float4 k = K[(j * E + e) * 32 + lane_of()], d = dK[(j * E + e) * 32 + lane_of()];
#pragma unroll
			for (int g = 0; g < G; g++) {
				sum[g] = dot(sum[g], x->q[g][e], k);
				sum[G + g] = dot(dot(sum[G + g], x->d[g][e], k), x->changed[g][e], d);
			}
		}
		const float mine = sums_of<2 * G>(sum);
		if (lane_of() % (16 / G) == 0)
			score[j * 2 * G + lane_of() / (16 / G)] = mine;
	}
	__syncwarp();
}

/* ---- device functions: softmax; the keys of a row are spread over LANES lanes ---- */

/* Over LANES neighbouring lanes, known to all of them. */
template <int LANES> static __device__ float sum_over(float x)
{
	for (int step = LANES / 2; step; step /= 2)
		x += __shfl_xor_sync(~0u, x, step);
	return x;
}

template <int LANES> static __device__ float largest_over(float x)
{
	for (int step = LANES / 2; step; step /= 2)
		x = fmaxf(x, __shfl_xor_sync(~0u, x, step));
	return x;
}

static __device__ struct seen nothing_seen(void)
{
	return (struct seen){-INFINITY, 0, 0, 0, 0, -INFINITY};
}

/* Another score and its change. What overflows here becomes infinity or NaN in excess, and the row far. */
static __device__ void see(struct seen *a, float s, float ds)
{
	a->most = fmaxf(a->most, ds);
	if (a->sum == 0) {
		*a = (struct seen){s, 1, ds, 0, ds, ds};
	} else if (s > a->top) {
		const float keep = expf(a->top - s), back = a->reference - ds;
		a->excess = keep * (a->excess * expf(back) + a->sum * expm1f(back));
		a->sum = keep * a->sum + 1;
		a->mean = keep * a->mean + ds;
		a->top = s;
		a->reference = ds;
	} else {
		const float w = expf(s - a->top);
		a->sum += w;
		a->mean += w * ds;
		a->excess += w * expm1f(ds - a->reference);
	}
}

/* Of a row, from what its lanes saw. */
template <int LANES> static __device__ struct row row_of(const struct seen *a)
{
	const float overflow = 80;
	struct row r = {};
	r.top = largest_over<LANES>(a->top);
	const float keep = a->sum > 0 || a->sum != a->sum ? expf(a->top - r.top) : 0;
	const float sum = sum_over<LANES>(a->sum * keep);
	r.inverse = 1.0f / sum;
	r.mean = sum_over<LANES>(a->mean * keep) * r.inverse;
	const float back = a->reference - r.mean;
	r.A = sum_over<LANES>(a->sum == 0 ? 0 : keep * (a->excess * expf(back) + a->sum * expm1f(back))) * r.inverse;
	r.factor = 1.0f / (1.0f + r.A);
	r.far = !(largest_over<LANES>(a->most) - r.mean <= overflow && r.A < INFINITY);
	return r;
}

/* The softmax of the changed scores, of which top and sum are. */
static __device__ void see_far(struct seen *a, float t)
{
	const float top = fmaxf(a->top, t);
	a->sum = (a->sum == 0 ? 0 : a->sum * expf(a->top - top)) + expf(t - top);
	a->top = top;
}

template <int LANES> static __device__ void row_far(struct row *r, const struct seen *a)
{
	r->far_top = largest_over<LANES>(a->top);
	r->far_inverse = 1.0f / sum_over<LANES>(a->sum == 0 ? 0 : a->sum * expf(a->top - r->far_top));
}

/* P' - P and P' of a key. */
static __device__ float2 weights_of(const struct row *r, float s, float ds)
{
	const float P = expf(s - r->top) * r->inverse;
	if (r->far) {
		const float changed = expf(s + ds - r->far_top) * r->far_inverse;
		return make_float2(changed - P, changed);
	}
	const float e = expm1f(ds - r->mean);
	return make_float2(P * ((e - r->A) * r->factor), P * ((1.0f + e) * r->factor));
}

/* Puts the weights in the place of scores. */
template <int G> static __device__ void weigh(float *score, const struct row *r, int keys, float scale)
{
	float *at = score + lane_of() * 2 * G;
	if (lane_of() < keys)
#pragma unroll
		for (int g = 0; g < G; g++) {
			const float2 w = weights_of(&r[g], at[g] * scale, at[G + g] * scale);
			at[g] = w.x;
			at[G + g] = w.y;
		}
	__syncwarp();
}

template <int G, int E> static __device__ void add_values(float4 sum[G][E], const float *weight, const float4 *V,
	const float4 *dV, int keys)
{
#pragma unroll 2
	for (int j = 0; j < keys; j++)
#pragma unroll
		for (int e = 0; e < E; e++) {
			const float4 v = V[(j * E + e) * 32 + lane_of()], d = dV[(j * E + e) * 32 + lane_of()];
#pragma unroll
			for (int g = 0; g < G; g++)
				sum[g][e] = scaled(scaled(sum[g][e], weight[j * 2 * G + g], v), weight[j * 2 * G + G + g], d);
		}
	__syncwarp();
}

template <int G, int E> static __device__ void store_row(float *dO, const float4 sum[G][E], int row, int h,
	const struct matrices *m)
{
#pragma unroll
	for (int g = 0; g < G; g++)
#pragma unroll
		for (int e = 0; e < E; e++)
			store(dO + ((size_t)row * m->nh + h + g) * m->hd, sum[g][e], 4 * lane_of() + 128 * e, m);
}

/* ---- kernel: short sequences ---- */

/* A tile is a sequence of at most keys tokens. Shared memory: K, dK, V, dV [keys], then scores of each warp. It waits for
 * memory: bounded to 80 registers, 6 blocks of captions fit rather than 4, and took 270 us rather than 309 (8192 rows of
 * 13 tokens, H100). */
template <int G, int E> __global__ static void __launch_bounds__(32 * SHORT_WARPS, 3) short_kernel(float *dO,
	struct matrices m, const struct tile *tiles, int keys)
{
	const struct tile t = tiles[blockIdx.x];
	const int h = blockIdx.y * G, kv = h / (m.nh / m.nk), warp = threadIdx.x / 32, warps = blockDim.x / 32;
	float4 *K = shared_memory, *dK = K + keys * E * 32, *V = dK + keys * E * 32, *dV = V + keys * E * 32;
	float *score = (float *)(dV + keys * E * 32) + warp * keys * 2 * G;
	stage<E, E * 32>(K, dK, m.k, m.dk, t.first, t.rows, kv, &m);
	stage<E, E * 32>(V, dV, m.v, m.dv, t.first, t.rows, kv, &m);
	__syncthreads();
	for (int i = warp; i < t.rows; i += warps) {
		struct query<G, E> x;
		struct row r[G];
		float4 sum[G][E] = {};
		query_load<G, E>(&x, t.first + i, h, &m);
		score_keys<G, E>(score, &x, K, dK, i + 1);
#pragma unroll
		for (int g = 0; g < G; g++) {
			struct seen a = nothing_seen();
			float s = 0, ds = 0;
			if (lane_of() <= i) {
				s = score[lane_of() * 2 * G + g] * m.scale;
				ds = score[lane_of() * 2 * G + G + g] * m.scale;
				see(&a, s, ds);
			}
			r[g] = row_of<32>(&a);
			if (r[g].far) {
				a = nothing_seen();
				if (lane_of() <= i)
					see_far(&a, s + ds);
				row_far<32>(&r[g], &a);
			}
		}
		__syncwarp();
		weigh<G>(score, r, i + 1, m.scale);
		add_values<G, E>(sum, score, V, dV, i + 1);
		store_row<G, E>(dO, sum, t.first + i, h, &m);
	}
}

/* ---- kernel: long sequences ---- */

/* Thread (tx, ty) has rows ty + 16 i and keys tx + 16 j of the scores, and of the result those rows and columns
 * 4 (tx + 16 e) .. + 3. Rows in shared memory are a float4 longer than a head: 8 neighbours are in different banks. */
template <int ROW_COUNT, int KEY_COUNT, int WIDTH> struct tiling {
	static const int I = ROW_COUNT, J = KEY_COUNT;            /* of a thread */
	static const int ROWS = SIDE * I, KEYS = SIDE * J;        /* of a tile */
	static const int STEP = WIDTH / 4 + 1, E = WIDTH / 128;   /* float4 from row to row, of a lane that loads one */
	static const int COLUMNS = WIDTH / (4 * SIDE);            /* float4 of a row of the result that a thread has */
	static const int WEIGHTS = ROWS + 4;                      /* floats from key to key */
	static const size_t bytes = 2 * (ROWS + KEYS) * STEP * sizeof(float4) + 2 * KEYS * WEIGHTS * sizeof(float);
};

typedef struct tiling<3, 2, 128> narrow_heads;
typedef struct tiling<1, 1, 256> wide_heads;

static_assert(narrow_heads::bytes <= 99 << 10 && wide_heads::bytes <= 99 << 10, "fits in every GPU");

/* Rows of the tile: row r / G of the batch and head h + r % G. */
template <typename F> static __device__ void stage_queries(float4 *Q, float4 *dQ, struct tile t, int h, int G,
	const struct matrices *m)
{
	for (int r = threadIdx.x / 32; r < t.rows * G; r += blockDim.x / 32) {
		const int row = t.first + r / G, head = h + r % G;
		const float *q = m->q + ((size_t)m->base[row] * m->nh + head) * m->hd;
		const float *dq = m->dq + ((size_t)row * m->nh + head) * m->hd;
#pragma unroll
		for (int c = lane_of(); c < 32 * F::E; c += 32) {
			Q[r * F::STEP + c] = load(q, 4 * c, m);
			dQ[r * F::STEP + c] = load(dq, 4 * c, m);
		}
	}
}

/* q . k, and its change. */
template <typename F> static __device__ void score_tile(float s[F::I][F::J], float ds[F::I][F::J], const float4 *Q,
	const float4 *dQ, const float4 *K, const float4 *dK, int hd)
{
	const int tx = threadIdx.x % SIDE, ty = threadIdx.x / SIDE, STEP = F::STEP;
#pragma unroll
	for (int i = 0; i < F::I; i++)
#pragma unroll
		for (int j = 0; j < F::J; j++)
			s[i][j] = ds[i][j] = 0;
	for (int c = 0; c < (hd + 3) / 4; c++) {
		float4 q[F::I], d[F::I], changed[F::I];
#pragma unroll
		for (int i = 0; i < F::I; i++) {
			q[i] = Q[(ty + SIDE * i) * STEP + c];
			d[i] = dQ[(ty + SIDE * i) * STEP + c];
			changed[i] = sum_of(q[i], d[i]);
		}
#pragma unroll
		for (int j = 0; j < F::J; j++) {
			const float4 k = K[(tx + SIDE * j) * STEP + c], dk = dK[(tx + SIDE * j) * STEP + c];
#pragma unroll
			for (int i = 0; i < F::I; i++) {
				s[i][j] = dot(s[i][j], q[i], k);
				ds[i][j] = dot(dot(ds[i][j], d[i], k), changed[i], dk);
			}
		}
	}
}

/* Weights of keys key .. : P' - P, and P' behind it; 0 of keys that a row does not see. [key][ty][i] */
template <typename F> static __device__ void weigh_tile(float *W, const float s[F::I][F::J], const float ds[F::I][F::J],
	const struct row *r, const int *visible, int key, float scale)
{
	const int tx = threadIdx.x % SIDE, ty = threadIdx.x / SIDE;
#pragma unroll
	for (int j = 0; j < F::J; j++)
#pragma unroll
		for (int i = 0; i < F::I; i++) {
			float2 w = make_float2(0, 0);
			if (key + tx + SIDE * j < visible[i])
				w = weights_of(&r[i], s[i][j] * scale, ds[i][j] * scale);
			float *at = W + (tx + SIDE * j) * F::WEIGHTS + ty * F::I + i;
			at[0] = w.x;
			at[F::KEYS * F::WEIGHTS] = w.y;
		}
}

template <typename F> static __device__ void add_tile(float4 sum[F::I][F::COLUMNS], const float *W, const float4 *V,
	const float4 *dV, int keys)
{
	const int tx = threadIdx.x % SIDE, ty = threadIdx.x / SIDE, STEP = F::STEP;
#pragma unroll 2
	for (int k = 0; k < keys; k++) {
		const float *change = W + k * F::WEIGHTS + ty * F::I;
		const float *after = change + F::KEYS * F::WEIGHTS;
#pragma unroll
		for (int e = 0; e < F::COLUMNS; e++) {
			const float4 v = V[k * STEP + tx + SIDE * e], d = dV[k * STEP + tx + SIDE * e];
#pragma unroll
			for (int i = 0; i < F::I; i++)
				sum[i][e] = scaled(scaled(sum[i][e], change[i], v), after[i], d);
		}
	}
}

/* A block G heads of a tile. Shared memory: rows and keys, which values take the place of, then weights. Where all keys
 * are one tile their scores stay in registers. */
template <typename F> __global__ static void __launch_bounds__(SIDE * SIDE, 2) long_kernel(float *dO, struct matrices m,
	const struct tile *tiles, int G)
{
	enum { LOOK, LOOK_FAR, ADD };
	const struct tile t = tiles[blockIdx.x];
	const int h = blockIdx.y * G, kv = h / (m.nh / m.nk), offset = t.first - t.start, all = offset + t.rows;
	const int tx = threadIdx.x % SIDE, ty = threadIdx.x / SIDE;
	float4 *Q = shared_memory, *dQ = Q + F::ROWS * F::STEP, *K = dQ + F::ROWS * F::STEP, *dK = K + F::KEYS * F::STEP;
	float *W = (float *)(dK + F::KEYS * F::STEP), s[F::I][F::J], ds[F::I][F::J];
	float4 sum[F::I][F::COLUMNS] = {};
	struct seen a[F::I];
	struct row r[F::I] = {};
	int visible[F::I];
#pragma unroll
	for (int i = 0; i < F::I; i++) {
		visible[i] = (ty + SIDE * i) / G < t.rows ? offset + (ty + SIDE * i) / G + 1 : 0;
		a[i] = nothing_seen();
	}
	stage_queries<F>(Q, dQ, t, h, G, &m);
	for (int pass = LOOK; pass <= ADD; pass++) {
		for (int key = 0; key < all; key += F::KEYS) {
			const int staged = min(F::KEYS, all - key);
			if (pass == LOOK || all > F::KEYS) {
				__syncthreads();
				stage<F::E, F::STEP>(K, dK, m.k, m.dk, t.start + key, staged, kv, &m);
				__syncthreads();
				score_tile<F>(s, ds, Q, dQ, K, dK, m.hd);
			}
			if (pass == ADD) {
				weigh_tile<F>(W, s, ds, r, visible, key, m.scale);
				__syncthreads();
				stage<F::E, F::STEP>(K, dK, m.v, m.dv, t.start + key, staged, kv, &m);
				__syncthreads();
				add_tile<F>(sum, W, K, dK, staged);
				continue;
			}
#pragma unroll
			for (int i = 0; i < F::I; i++)
#pragma unroll
				for (int j = 0; j < F::J; j++)
					if (key + tx + SIDE * j < visible[i]) {
						if (pass == LOOK)
							see(&a[i], s[i][j] * m.scale, ds[i][j] * m.scale);
						else
							see_far(&a[i], s[i][j] * m.scale + ds[i][j] * m.scale);
					}
		}
		int far = 0;
#pragma unroll
		for (int i = 0; i < F::I && pass != ADD; i++) {
			if (pass == LOOK)
				r[i] = row_of<SIDE>(&a[i]);
			else
				row_far<SIDE>(&r[i], &a[i]);
			a[i] = nothing_seen();
			far |= visible[i] && r[i].far;
		}
		if (pass == LOOK && !__syncthreads_or(far))
			pass = LOOK_FAR;
	}
#pragma unroll
	for (int i = 0; i < F::I; i++)
#pragma unroll
		for (int e = 0; e < F::COLUMNS; e++)
			if (visible[i])
				store(dO + ((size_t)(t.start + visible[i] - 1) * m.nh + h + (ty + SIDE * i) % G) * m.hd, sum[i][e],
					4 * (tx + SIDE * e), &m);
}

/* ---- launchers ---- */

template <int G, int E> static void short_sequences(float *dO, const struct matrices *m, struct packing packing,
	int above, int most)
{
	const unsigned warps = most <= SHORT / 2 ? SHORT_WARPS / 2 : SHORT_WARPS;
	const size_t shared = (size_t)most * (4 * E * 32 * sizeof(float4) + warps * 2 * G * sizeof(float));
	unsigned count;
	const struct tile *tiles = cuda_tiles(packing, most, above, most, &count);
	cuda_allow_shared(short_kernel<G, E>, shared);
	if (count)
		CUDA_LAUNCH((short_kernel<G, E>), dim3(count, (unsigned)(m->nh / G)), 32 * warps, shared, dO, *m, tiles, most);
}

template <typename F> static void long_sequences(float *dO, const struct matrices *m, struct packing packing,
	int above)
{
	const int group = m->nh / m->nk, G = group <= F::ROWS ? group : 1;
	unsigned count;
	const struct tile *tiles = cuda_tiles(packing, F::ROWS / G, above, INT32_MAX, &count);
	cuda_allow_shared(long_kernel<F>, F::bytes);
	if (count)
		CUDA_LAUNCH(long_kernel<F>, dim3(count, (unsigned)(m->nh / G)), SIDE * SIDE, F::bytes, dO, *m, tiles, G);
}

template <int G> static void narrow_sequences(float *dO, const struct matrices *m, struct packing packing)
{
	short_sequences<G, 1>(dO, m, packing, 0, SHORT / 2);
	short_sequences<G, 1>(dO, m, packing, SHORT / 2, SHORT);
	long_sequences<narrow_heads>(dO, m, packing, SHORT);
}

template <int G> static void wide_sequences(float *dO, const struct matrices *m, struct packing packing)
{
	short_sequences<G, 2>(dO, m, packing, 0, SHORT / 2);
	long_sequences<wide_heads>(dO, m, packing, SHORT / 2);
}

extern "C" void cuda_attention_change(dev_f32 *dO, const dev_f32 *dq, const dev_f32 *dk, const dev_f32 *dv,
	const dev_f32 *q, const dev_f32 *k, const dev_f32 *v, const dev_i32 *base, struct packing packing, size_t nh,
	size_t nk, size_t hd)
{
	if (!cuda_heads_fit(nh, nk, hd))
		return;
	const int wide = hd % 4 == 0 && aligned16(dO) && aligned16(dq) && aligned16(dk) && aligned16(dv) && aligned16(q) &&
		aligned16(k) && aligned16(v);
	const struct matrices m = {
		f32(q), f32(k), f32(v), f32(dq), f32(dk), f32(dv), i32(base), (int)nh, (int)nk, (int)hd, wide,
		(float)(1.0 / sqrt((double)hd)),
	};
	const size_t group = nh / nk;
	if (hd <= 128 && group % 4 == 0)
		narrow_sequences<4>(f32(dO), &m, packing);
	else if (hd <= 128 && group % 2 == 0)
		narrow_sequences<2>(f32(dO), &m, packing);
	else if (hd <= 128)
		narrow_sequences<1>(f32(dO), &m, packing);
	else if (group % 2 == 0)
		wide_sequences<2>(f32(dO), &m, packing);
	else
		wide_sequences<1>(f32(dO), &m, packing);
}
