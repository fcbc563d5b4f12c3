#include "ops/attention.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "ops/exp.h"
#include "ops/lanes.h"
#include "ops/sgemm.h"

enum { TILE = 64 }; /* query rows */

/* What one call needs besides its arguments; scores and gradients are [TILE, longest]. */
struct workspace {
	float *score;
	float *gradient;
	double *row;     /* [longest] */
};

/* One query head of one sequence: pointers at its first row; rows are q_step (k_step) elements apart. */
struct head {
	const float *q, *k, *v;
	size_t q_step, k_step, hd, length;
	double scale;
};

static struct workspace workspace_new(struct packing packing, int backward)
{
	size_t n = packing_longest(packing);
	size_t rows = n < TILE ? n : TILE;
	struct workspace w;
	w.row = mem_array(n, sizeof *w.row);
	w.score = mem_array(rows * n, sizeof *w.score);
	w.gradient = backward ? mem_array(rows * n, sizeof *w.gradient) : NULL;
	return w;
}

static void workspace_free(struct workspace *w)
{
	free(w->row);
	free(w->score);
	free(w->gradient);
}

static struct head head_at(const dev_f32 *q, const dev_f32 *k, const dev_f32 *v, struct packing packing,
	size_t sequence, size_t h, size_t nh, size_t nk, size_t hd)
{
	size_t first = (size_t)packing.start[sequence], kv = first * nk * hd + h / (nh / nk) * hd;
	return (struct head){
		.q = (const float *)q + first * nh * hd + h * hd,
		.k = (const float *)k + kv,
		.v = (const float *)v + kv,
		.q_step = nh * hd,
		.k_step = nk * hd,
		.hd = hd,
		.length = (size_t)packing.start[sequence + 1] - first,
		.scale = 1.0 / sqrt((double)hd),
	};
}

/* s[0..visible) becomes softmax(scale s), s[visible..keys) 0. Returns the log-sum-exp. The maximum is that of s, since
 * scale is positive. */
static double softmax(float *restrict s, double *restrict row, size_t visible, size_t keys, double scale)
{
	double top = largest(s, visible);
	lanes a = {0};
	for (size_t i = 0; i < visible; i++)
		row[i] = exp_double(((double)s[i] - top) * scale);
	size_t i = 0;
	for (; i + LANES <= visible; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			a[k] += row[i + k];
	for (; i < visible; i++)
		a[i % LANES] += row[i];
	double sum = lanes_sum(a), factor = 1.0 / sum;
	for (i = 0; i < visible; i++)
		s[i] = (float)(row[i] * factor);
	memset(s + visible, 0, (keys - visible) * sizeof *s);
	return top * scale + log(sum);
}

/* Probabilities of query rows first .. first+rows-1 against keys 0 .. first+rows-1 into w->score, rows of that length.
 * The backward pass calls it again and has the bits of the forward pass. lse may be NULL. */
static void probabilities(const struct workspace *w, const struct head *head, size_t first, size_t rows, float *lse,
	size_t lse_step)
{
	size_t keys = first + rows;
	sgemm(0, 1, rows, keys, head->hd, head->q + first * head->q_step, head->q_step, head->k, head->k_step, 0, w->score,
		keys);
	for (size_t r = 0; r < rows; r++) {
		double value = softmax(w->score + r * keys, w->row, first + r + 1, keys, head->scale);
		if (lse)
			lse[r * lse_step] = (float)value;
	}
}

static size_t tile_rows(const struct head *head, size_t first)
{
	return head->length - first < TILE ? head->length - first : TILE;
}

void cpu_attention(dev_f32 *o, dev_f32 *lse, const dev_f32 *q, const dev_f32 *k, const dev_f32 *v,
	struct packing packing, size_t nh, size_t nk, size_t hd)
{
	struct workspace w = workspace_new(packing, 0);
	assert(nk > 0 && nh % nk == 0);
	for (size_t s = 0; s < packing.sequences; s++)
		for (size_t h = 0; h < nh; h++) {
			struct head head = head_at(q, k, v, packing, s, h, nh, nk, hd);
			for (size_t i = 0; i < head.length; i += TILE) {
				size_t rows = tile_rows(&head, i), row = (size_t)packing.start[s] + i;
				probabilities(&w, &head, i, rows, (float *)lse + row * nh + h, nh);
				sgemm(0, 0, rows, hd, i + rows, w.score, i + rows, head.v, head.k_step, 0,
					(float *)o + row * nh * hd + h * hd, nh * hd);
			}
		}
	workspace_free(&w);
}

/* dP in w->gradient becomes scale P (dP - D), row-wise D = sum P dP; P is 0 where a key is not seen. D is also the
 * sum of dO O, but that has another rounding than dP: a row that sees one key would not get exactly 0. */
static void score_gradient(const struct workspace *w, const struct head *head, size_t rows, size_t keys)
{
	for (size_t r = 0; r < rows; r++) {
		const float *restrict p = w->score + r * keys;
		float *restrict g = w->gradient + r * keys;
		double D = sum_products(p, g, keys);
		for (size_t i = 0; i < keys; i++)
			g[i] = (float)(head->scale * (double)p[i] * ((double)g[i] - D));
	}
}

/* Query heads of one key head add to dk and dv one after the other, tile by tile: a fixed order. P comes from the
 * scores again rather than from exp(score - lse): an lse of 10 rounded to fp32 puts 5e-7 on every probability of the
 * row. */
void cpu_attention_backward(dev_f32 *dq, dev_f32 *dk, dev_f32 *dv, const dev_f32 *dO, const dev_f32 *o,
	const dev_f32 *lse, const dev_f32 *q, const dev_f32 *k, const dev_f32 *v, struct packing packing,
	size_t nh, size_t nk, size_t hd)
{
	struct workspace w = workspace_new(packing, 1);
	size_t tokens = (size_t)packing.start[packing.sequences];
	assert(nk > 0 && nh % nk == 0);
	(void)o;
	(void)lse;
	memset(dk, 0, tokens * nk * hd * sizeof(float));
	memset(dv, 0, tokens * nk * hd * sizeof(float));
	for (size_t s = 0; s < packing.sequences; s++)
		for (size_t h = 0; h < nh; h++) {
			struct head head = head_at(q, k, v, packing, s, h, nh, nk, hd);
			float *dk_head = (float *)dk + (head.k - (const float *)k);
			float *dv_head = (float *)dv + (head.k - (const float *)k);
			for (size_t i = 0; i < head.length; i += TILE) {
				size_t rows = tile_rows(&head, i), keys = i + rows;
				size_t at = ((size_t)packing.start[s] + i) * nh * hd + h * hd;
				const float *dO_tile = (const float *)dO + at;
				probabilities(&w, &head, i, rows, NULL, 0);
				sgemm(0, 1, rows, keys, hd, dO_tile, head.q_step, head.v, head.k_step, 0, w.gradient, keys);
				sgemm(1, 0, keys, hd, rows, w.score, keys, dO_tile, head.q_step, 1, dv_head, head.k_step);
				score_gradient(&w, &head, rows, keys);
				sgemm(0, 0, rows, hd, keys, w.gradient, keys, head.k, head.k_step, 0, (float *)dq + at, head.q_step);
				sgemm(1, 0, keys, hd, rows, w.gradient, keys, head.q + i * head.q_step, head.q_step, 1, dk_head,
					head.k_step);
			}
		}
	workspace_free(&w);
}
