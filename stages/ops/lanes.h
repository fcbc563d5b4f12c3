/* Sums in a fixed order that vectors can do: LANES interleaved fp64 accumulators, added up in order at the end. Private
 * to the CPU operations.
 *
 *     lanes a = {0};  size_t i = 0;
 *     for (; i + LANES <= n; i += LANES)
 *             for (size_t k = 0; k < LANES; k++)
 *                     a[k] += f(i + k);
 *     for (; i < n; i++)
 *             a[i % LANES] += f(i);
 *     sum = lanes_sum(a);
 */
#ifndef QG_OPS_LANES_H
#define QG_OPS_LANES_H

#include <stddef.h>

/* gcc 12 unrolls an inner loop of 8 before it looks for vectors, and is then four times as slow. */
enum { LANES = 16 };

typedef double lanes[LANES];

static inline double lanes_sum(const lanes a)
{
	double sum = 0;
	for (size_t k = 0; k < LANES; k++)
		sum += a[k];
	return sum;
}

static inline double lanes_largest(const lanes a)
{
	double top = a[0];
	for (size_t k = 1; k < LANES; k++)
		top = a[k] > top ? a[k] : top;
	return top;
}

/* Sum of x[i]^2. */
static inline double sum_squares(const float *x, size_t n)
{
	lanes a = {0};
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			a[k] += (double)x[i + k] * (double)x[i + k];
	for (; i < n; i++)
		a[i % LANES] += (double)x[i] * (double)x[i];
	return lanes_sum(a);
}

/* Sum of x[i] y[i]. */
static inline double sum_products(const float *x, const float *y, size_t n)
{
	lanes a = {0};
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			a[k] += (double)x[i + k] * (double)y[i + k];
	for (; i < n; i++)
		a[i % LANES] += (double)x[i] * (double)y[i];
	return lanes_sum(a);
}

/* For doubles: sums of x[i] y[i] and of x[i], and the largest of n > 0, NaN left out. */
static inline double sum_products_double(const double *x, const double *y, size_t n)
{
	lanes a = {0};
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			a[k] += x[i + k] * y[i + k];
	for (; i < n; i++)
		a[i % LANES] += x[i] * y[i];
	return lanes_sum(a);
}

static inline double sum_doubles(const double *x, size_t n)
{
	lanes a = {0};
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			a[k] += x[i + k];
	for (; i < n; i++)
		a[i % LANES] += x[i];
	return lanes_sum(a);
}

static inline double largest_double(const double *x, size_t n)
{
	lanes a;
	size_t i = 0;
	for (size_t k = 0; k < LANES; k++)
		a[k] = x[0];
	for (; i + LANES <= n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			a[k] = x[i + k] > a[k] ? x[i + k] : a[k];
	for (; i < n; i++)
		a[0] = x[i] > a[0] ? x[i] : a[0];
	return lanes_largest(a);
}

/* Largest x[i] of n > 0, NaN left out. */
static inline float largest(const float *x, size_t n)
{
	float a[LANES];
	size_t i = 0;
	for (size_t k = 0; k < LANES; k++)
		a[k] = x[0];
	for (; i + LANES <= n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			a[k] = x[i + k] > a[k] ? x[i + k] : a[k];
	for (; i < n; i++)
		a[i % LANES] = x[i] > a[i % LANES] ? x[i] : a[i % LANES];
	for (size_t k = 1; k < LANES; k++)
		a[0] = a[k] > a[0] ? a[k] : a[0];
	return a[0];
}

#endif
