#include "ops/quantize.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "ops/lanes.h"

void cpu_amax(dev_f32 *amax, const dev_f32 *x, size_t count)
{
	*(float *)amax = fake_quant_amax((const float *)x, count);
}

static void column_amax(float *restrict amax, const float *restrict W, size_t out, size_t in)
{
	memset(amax, 0, in * sizeof *amax);
	for (size_t r = 0; r < out; r++, W += in)
		for (size_t c = 0; c < in; c++) {
			/* The bits of magnitudes order as they do; see fake_quant_amax. */
			int32_t old, new;
			memcpy(&old, &amax[c], sizeof old);
			memcpy(&new, &W[c], sizeof new);
			new &= 0x7fffffff;
			old = new > old ? new : old;
			memcpy(&amax[c], &old, sizeof old);
		}
}

void cpu_weight_amax(float *amax, const dev_weight *W, size_t out, size_t in, struct quantizer quantizer)
{
	const float *w = (const float *)W;
	if (quantizer.element == ELEMENT_NONE)
		return;
	if (quantizer.scale == SCALE_TENSOR || quantizer.element == ELEMENT_FP4)
		amax[0] = fake_quant_amax(w, out * in);
	else if (quantizer.scale == SCALE_ROW)
		for (size_t r = 0; r < out; r++)
			amax[r] = fake_quant_amax(w + r * in, in);
	else if (quantizer.scale == SCALE_COLUMN)
		column_amax(amax, w, out, in);
	else
		assert(quantizer.scale == SCALE_BLOCK); /* weights have no tokens */
}

static void subtract(float *restrict to, const float *restrict x, size_t count)
{
	for (size_t i = 0; i < count; i++)
		to[i] -= x[i];
}

void cpu_quantize(dev_f32 *to, const dev_f32 *x, size_t rows, size_t cols, struct quantizer quantizer, float amax,
	int difference)
{
	float *t = (float *)to;
	const float *v = (const float *)x;
	assert(quantizer.scale == SCALE_TENSOR || quantizer.scale == SCALE_TOKEN || quantizer.element == ELEMENT_NONE);
	for (size_t r = 0; r < rows; r++, t += cols, v += cols) {
		float a = quantizer.scale == SCALE_TOKEN ? fake_quant_amax(v, cols) : amax;
		fake_quant_run(t, v, cols, quantizer.element, a);
		if (difference)
			subtract(t, v, cols);
	}
}

static void quantize_blocks(float *to, const float *x, size_t count, struct quantizer quantizer)
{
	for (size_t i = 0; i < count; i += quantizer.block) {
		size_t n = count - i < quantizer.block ? count - i : quantizer.block;
		fake_quant_run(to + i, x + i, n, quantizer.element, fake_quant_amax(x + i, n));
	}
}

/* One row of a weight; amax holds the maxima of the whole weight. */
static void quantize_row(float *to, const float *x, size_t row, size_t in, struct quantizer quantizer,
	const float *amax)
{
	if (quantizer.element == ELEMENT_NONE)
		fake_quant_run(to, x, in, ELEMENT_NONE, 0);
	else if (quantizer.element == ELEMENT_FP4)
		fake_quant_fp4(to, x, in, quantizer.block, amax[0]);
	else if (quantizer.scale == SCALE_COLUMN)
		fake_quant_each(to, x, in, quantizer.element, amax);
	else if (quantizer.scale == SCALE_BLOCK)
		quantize_blocks(to, x, in, quantizer);
	else
		fake_quant_run(to, x, in, quantizer.element, amax[quantizer.scale == SCALE_ROW ? row : 0]);
}

void cpu_quantize_weight(dev_weight *to, const dev_weight *W, size_t row0, size_t rows, size_t in,
	struct quantizer quantizer, const float *amax, int difference)
{
	float *t = (float *)to;
	const float *w = (const float *)W;
	assert(quantizer.scale != SCALE_TOKEN || quantizer.element == ELEMENT_NONE);
	for (size_t r = 0; r < rows; r++, t += in, w += in) {
		quantize_row(t, w, row0 + r, in, quantizer, amax);
		if (difference)
			subtract(t, w, in);
	}
}

/* What one element adds to the sums over a tensor and its quantized form. */
struct quant_lanes {
	lanes error2, value2, cross, quant2;
	float error_max[LANES];
};

static inline float larger(float a, float b)
{
	return a > b ? a : b;
}

static inline float absolute(float x)
{
	return x < 0 ? -x : x;
}

static inline void quant_add(struct quant_lanes *s, size_t k, float q, float x)
{
	double e = (double)q - x;
	s->error2[k] += e * e;
	s->value2[k] += (double)x * x;
	s->cross[k] += (double)x * q;
	s->quant2[k] += (double)q * q;
	s->error_max[k] = larger(absolute(q - x), s->error_max[k]);
}

static void quant_error(dev_f64 *to, const float *q, const float *x, size_t count)
{
	struct quant_lanes s = {0};
	struct quant_sums *sums = (struct quant_sums *)to;
	size_t i = 0;
	*sums = (struct quant_sums){0};
	for (; i + LANES <= count; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			quant_add(&s, k, q[i + k], x[i + k]);
	for (; i < count; i++)
		quant_add(&s, i % LANES, q[i], x[i]);
	sums->error2 += lanes_sum(s.error2);
	sums->value2 += lanes_sum(s.value2);
	sums->cross += lanes_sum(s.cross);
	sums->quant2 += lanes_sum(s.quant2);
	for (size_t k = 0; k < LANES; k++)
		sums->error_max = s.error_max[k] > sums->error_max ? s.error_max[k] : sums->error_max;
	sums->count += (double)count;
}

void cpu_weight_error(dev_f64 *sums, const dev_weight *q, const dev_weight *W, size_t count)
{
	quant_error(sums, (const float *)q, (const float *)W, count);
}

void cpu_input_error(dev_f64 *sums, const dev_f32 *x, struct packing packing, size_t cols, struct quantizer quantizer,
	float amax)
{
	for (size_t s = 0; s < packing.sequences; s++) {
		const size_t rows = (size_t)(packing.start[s + 1] - packing.start[s]);
		const dev_f32 *from = f32_at_const(x, (size_t)packing.start[s] * cols);
		float *q = mem_array(rows * cols, sizeof *q);
		cpu_quantize((dev_f32 *)q, from, rows, cols, quantizer, amax, 0);
		quant_error(f64_at(sums, s * QUANT_SUMS), q, (const float *)from, rows * cols);
		free(q);
	}
}

struct output_lanes {
	lanes score, error2, output2, cross;
	float error_max[LANES];
};

static inline void output_add(struct output_lanes *s, size_t k, float d, float g, float y)
{
	double e = d, v = y, weighted = (double)g * e;
	s->score[k] += weighted * weighted;
	s->error2[k] += e * e;
	s->output2[k] += v * v;
	s->cross[k] += v * (v + e);
	s->error_max[k] = larger(absolute(d), s->error_max[k]);
}

_Static_assert(LANES == 16, "folded to four");

/* Halves on halves, which vectors can do: rows are short, and one sum after the other took as long as 100 elements. */
static inline double lanes_fold(const lanes a)
{
	double b[LANES / 2], c[LANES / 4];
	for (size_t k = 0; k < LANES / 2; k++)
		b[k] = a[k] + a[k + LANES / 2];
	for (size_t k = 0; k < LANES / 4; k++)
		c[k] = b[k] + b[k + LANES / 4];
	return (c[0] + c[2]) + (c[1] + c[3]);
}

static inline float lanes_top(const float *a)
{
	float b[LANES / 2];
	for (size_t k = 0; k < LANES / 2; k++)
		b[k] = larger(a[k], a[k + LANES / 2]);
	for (size_t k = 0; k < LANES / 4; k++)
		b[k] = larger(b[k], b[k + LANES / 4]);
	return larger(larger(b[0], b[2]), larger(b[1], b[3]));
}

/* e may be NULL. */
static void output_row(struct output_sums *sums, const float *d, const float *e, const float *g, const float *y,
	size_t cols)
{
	struct output_lanes s = {0};
	size_t i = 0;
	for (; i + LANES <= cols && !e; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			output_add(&s, k, d[i + k], g[i + k], y[i + k]);
	for (; i + LANES <= cols; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			output_add(&s, k, d[i + k] + e[i + k], g[i + k], y[i + k]);
	for (; i < cols; i++)
		output_add(&s, i % LANES, e ? d[i] + e[i] : d[i], g[i], y[i]);
	sums->score += lanes_fold(s.score);
	sums->error2 += lanes_fold(s.error2);
	sums->output2 += lanes_fold(s.output2);
	sums->cross += lanes_fold(s.cross);
	double error_max = lanes_top(s.error_max);
	sums->error_max = error_max > sums->error_max ? error_max : sums->error_max;
}

void cpu_output_error(dev_f64 *sums, const dev_f32 *d, const dev_f32 *e, const dev_f32 *g, const dev_f32 *y, size_t T,
	size_t cols, size_t stride, size_t col0)
{
	struct output_sums *row = (struct output_sums *)sums;
	for (size_t t = 0; t < T; t++)
		output_row(&row[t], (const float *)d + t * cols, e ? (const float *)e + t * cols : NULL,
			(const float *)g + t * stride + col0, (const float *)y + t * stride + col0, cols);
}
