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
void cpu_rope(dev_f32 *x, const dev_i32 *position, double theta, size_t T, size_t heads, size_t hd, int direction)
{
	const int32_t *at = (const int32_t *)position;
	size_t half = hd / 2, known = 0;
	assert(hd % 2 == 0 && (direction == 1 || direction == -1));
	for (size_t t = 0; t < T; t++)
		if (at[t] >= 0 && (size_t)at[t] < T && (size_t)at[t] >= known)
			known = (size_t)at[t] + 1;
	double *frequency = mem_array((known + 1) * 2 * half + half, sizeof *frequency);
	double *table = frequency + half;
	double *spare = table + known * 2 * half;
	for (size_t i = 0; i < half; i++)
		frequency[i] = pow(theta, -2.0 * (double)i / (double)hd);
	for (size_t p = 0; p < known; p++)
		turn(table + p * 2 * half, table + p * 2 * half + half, frequency, (int32_t)p, half);
	for (size_t t = 0; t < T; t++) {
		const double *row = spare;
		if (at[t] >= 0 && (size_t)at[t] < known)
			row = table + (size_t)at[t] * 2 * half;
		else
			turn(spare, spare + half, frequency, at[t], half);
		for (size_t h = 0; h < heads; h++)
			rotate((float *)x + (t * heads + h) * hd, row, row + half, direction, half);
	}
	free(frequency);
}
