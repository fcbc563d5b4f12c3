#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "ops/change.h"
#include "ops/exp.h"
#include "ops/lanes.h"
#include "ops/sgemm.h"

enum { TILE = 64 }; /* query rows */

/* What one call needs besides its arguments, for the longest sequence. */
struct workspace {
	float *query;    /* [TILE, hd] changed */
	float *score;    /* [TILE, longest] then the change of the probabilities */
	float *change;   /* [TILE, longest] of the scores, then the changed probabilities */
	double *p, *u;   /* [longest] of one row */
};

/* One query head of one sequence: pointers at its first row; rows are q_step (k_step) elements apart. */
struct head {
	const float *q, *k, *v, *dq, *dk, *dv;
	float *dO;
	size_t q_step, k_step, hd, length;
	double scale;
};

static struct workspace workspace_new(struct packing packing, size_t hd)
{
	size_t n = packing_longest(packing), rows = n < TILE ? n : TILE;
	return (struct workspace){
		.query = mem_array(rows * hd, sizeof(float)),
		.score = mem_array(rows * n, sizeof(float)),
		.change = mem_array(rows * n, sizeof(float)),
		.p = mem_array(n, sizeof(double)),
		.u = mem_array(n, sizeof(double)),
	};
}

static void workspace_free(struct workspace *w)
{
	free(w->query);
	free(w->score);
	free(w->change);
	free(w->p);
	free(w->u);
}

/* p[n] = softmax(s), s in p before. */
static void softmax(double *p, size_t n)
{
	double top = largest_double(p, n);
	for (size_t i = 0; i < n; i++)
		p[i] = exp_double(p[i] - top);
	double factor = 1.0 / sum_doubles(p, n);
	for (size_t i = 0; i < n; i++)
		p[i] *= factor;
}

/* From p and u, the changes of the scores less their mean: the probabilities' changes into change, what they become
 * into after. */
static void small_change(float *change, float *after, const double *p, double *u, size_t n)
{
	for (size_t i = 0; i < n; i++)
		u[i] = exp_less_one(u[i]);
	double A = sum_products_double(p, u, n), factor = 1.0 / (1.0 + A);
	for (size_t i = 0; i < n; i++) {
		double d = p[i] * (u[i] - A) * factor;
		change[i] = (float)d;
		after[i] = (float)(p[i] + d);
	}
}

/* The same from u, the changed scores. */
static void large_change(float *change, float *after, const double *p, double *u, size_t n)
{
	softmax(u, n);
	for (size_t i = 0; i < n; i++) {
		change[i] = (float)(u[i] - p[i]);
		after[i] = (float)u[i];
	}
}

/* One row: s holds the scores of visible keys and e their changes, both unscaled; they become the changes of the
 * probabilities and the changed probabilities, 0 up to keys. */
static void row_change(const struct workspace *w, float *s, float *e, size_t visible, size_t keys, double scale)
{
	const double exp_safe = 600;
	double *p = w->p, *u = w->u;
	for (size_t i = 0; i < visible; i++) {
		p[i] = scale * (double)s[i];
		u[i] = scale * (double)e[i];
	}
	softmax(p, visible);
	double mean = sum_products_double(p, u, visible);
	if (largest_double(u, visible) - mean > exp_safe) {
		for (size_t i = 0; i < visible; i++)
			u[i] += scale * (double)s[i];
		large_change(s, e, p, u, visible);
	} else {
		for (size_t i = 0; i < visible; i++)
			u[i] -= mean;
		small_change(s, e, p, u, visible);
	}
	memset(s + visible, 0, (keys - visible) * sizeof *s);
	memset(e + visible, 0, (keys - visible) * sizeof *e);
}

/* The changed query rows first .. first+rows-1, dense. */
static void changed_queries(const struct workspace *w, const struct head *h, size_t first, size_t rows)
{
	for (size_t r = 0; r < rows; r++) {
		const float *q = h->q + (first + r) * h->q_step, *dq = h->dq + (first + r) * h->q_step;
		float *to = w->query + r * h->hd;
		for (size_t i = 0; i < h->hd; i++)
			to[i] = q[i] + dq[i];
	}
}

/* Query rows first .. first+rows-1 against keys 0 .. first+rows-1. */
static void tile(const struct workspace *w, const struct head *h, size_t first, size_t rows)
{
	size_t keys = first + rows, hd = h->hd, q = first * h->q_step;
	float *dO = h->dO + q;
	changed_queries(w, h, first, rows);
	sgemm(0, 1, rows, keys, hd, h->q + q, h->q_step, h->k, h->k_step, 0, w->score, keys);
	sgemm(0, 1, rows, keys, hd, h->dq + q, h->q_step, h->k, h->k_step, 0, w->change, keys);
	sgemm(0, 1, rows, keys, hd, w->query, hd, h->dk, h->k_step, 1, w->change, keys);
	for (size_t r = 0; r < rows; r++)
		row_change(w, w->score + r * keys, w->change + r * keys, first + r + 1, keys, h->scale);
	sgemm(0, 0, rows, hd, keys, w->score, keys, h->v, h->k_step, 0, dO, h->q_step);
	sgemm(0, 0, rows, hd, keys, w->change, keys, h->dv, h->k_step, 1, dO, h->q_step);
}

void cpu_attention_change(dev_f32 *dO, const dev_f32 *dq, const dev_f32 *dk, const dev_f32 *dv, const dev_f32 *q,
	const dev_f32 *k, const dev_f32 *v, const dev_i32 *base, struct packing packing, size_t nh, size_t nk, size_t hd)
{
	struct workspace w = workspace_new(packing, hd);
	assert(nk > 0 && nh % nk == 0);
	for (size_t s = 0; s < packing.sequences; s++)
		for (size_t h = 0; h < nh; h++) {
			size_t row = (size_t)packing.start[s], length = (size_t)packing.start[s + 1] - row;
			size_t key = h / (nh / nk) * hd;
			if (!length)
				continue;
			size_t from = (size_t)((const int32_t *)base)[row];
			struct head head = {
				.q = (const float *)q + from * nh * hd + h * hd,
				.k = (const float *)k + from * nk * hd + key,
				.v = (const float *)v + from * nk * hd + key,
				.dq = (const float *)dq + row * nh * hd + h * hd,
				.dk = (const float *)dk + row * nk * hd + key,
				.dv = (const float *)dv + row * nk * hd + key,
				.dO = (float *)dO + row * nh * hd + h * hd,
				.q_step = nh * hd,
				.k_step = nk * hd,
				.hd = hd,
				.length = length,
				.scale = 1.0 / sqrt((double)hd),
			};
			for (size_t i = 0; i < length; i += TILE)
				tile(&w, &head, i, length - i < TILE ? length - i : TILE);
		}
	workspace_free(&w);
}
