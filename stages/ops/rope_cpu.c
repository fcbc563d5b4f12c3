#include "ops/rope.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "common/memory.h"

/* cosine[hd/2] and sine[hd/2] of one position. */
static void turn(double *cosine, double *sine, const double *frequency, int32_t position, size_t half)
{
	for (size_t i = 0; i < half; i++)
		sincos((double)position * frequency[i], &sine[i], &cosine[i]);
}

static void rotate(float *restrict x, const double *restrict cosine, const double *restrict sine, double sign,
	size_t half)
{
	float *restrict low = x, *restrict high = x + half;
	for (size_t i = 0; i < half; i++) {
		double a = low[i], b = high[i], s = sign * sine[i];
		low[i] = (float)(a * cosine[i] - b * s);
		high[i] = (float)(b * cosine[i] + a * s);
	}
}

/* Sine and cosine cost more than all the rest, and sequences that stand side by side have the same positions: each
 * position below T, which in a packed batch is each position, is computed once a call. */
struct turns {
	double *frequency;  /* [half]; owns all */
	double *table;      /* [known][2][half] cosine, sine */
	double *spare;      /* [2][half] */
	size_t known, half;
};

static struct turns turns_make(const int32_t *position, double theta, size_t T, size_t hd)
{
	struct turns t = {.half = hd / 2};
	size_t half = t.half;
	for (size_t i = 0; i < T; i++)
		if (position[i] >= 0 && (size_t)position[i] < T && (size_t)position[i] >= t.known)
			t.known = (size_t)position[i] + 1;
	t.frequency = mem_array((t.known + 1) * 2 * half + half, sizeof *t.frequency);
	t.table = t.frequency + half;
	t.spare = t.table + t.known * 2 * half;
	for (size_t i = 0; i < half; i++)
		t.frequency[i] = pow(theta, -2.0 * (double)i / (double)hd);
	for (size_t p = 0; p < t.known; p++)
		turn(t.table + p * 2 * half, t.table + p * 2 * half + half, t.frequency, (int32_t)p, half);
	return t;
}

/* Cosines of a position, and behind them the sines; until the next call. */
static const double *turns_at(const struct turns *t, int32_t position)
{
	if (position >= 0 && (size_t)position < t->known)
		return t->table + (size_t)position * 2 * t->half;
	turn(t->spare, t->spare + t->half, t->frequency, position, t->half);
	return t->spare;
}

void cpu_rope(dev_f32 *x, const dev_i32 *position, double theta, size_t T, size_t heads, size_t hd, int direction)
{
	const int32_t *at = (const int32_t *)position;
	assert(hd % 2 == 0 && (direction == 1 || direction == -1));
	struct turns turns = turns_make(at, theta, T, hd);
	for (size_t t = 0; t < T; t++) {
		const double *row = turns_at(&turns, at[t]);
		for (size_t h = 0; h < heads; h++)
			rotate((float *)x + (t * heads + h) * hd, row, row + hd / 2, direction, hd / 2);
	}
	free(turns.frequency);
}
