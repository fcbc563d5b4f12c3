#include "stats/ranking.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

enum { SPEARMAN_MAX = 1 << 17 };

static int before(const double *value, size_t x, size_t y)
{
	return value[x] > value[y] || (value[x] == value[y] && x < y);
}

/* Merges the runs order[0, half) and order[half, n). */
static void merge(const double *value, size_t *order, size_t half, size_t n, size_t *scratch)
{
	if (before(value, order[half - 1], order[half]))
		return;
	memcpy(scratch, order, half * sizeof *order);
	size_t left = 0, right = half, to = 0;
	while (left < half && right < n)
		order[to++] = before(value, order[right], scratch[left]) ? order[right++] : scratch[left++];
	memcpy(order + to, scratch + left, (half - left) * sizeof *order);
}

/* Not qsort(): it has no place for the values, and the C library's allocates. */
void ranking_sort(const double *value, size_t n, size_t *order, size_t *scratch)
{
	for (size_t run = 1; run < n; run *= 2)
		for (size_t from = 0; n - from > run; from += 2 * run) {
			size_t length = n - from < 2 * run ? n - from : 2 * run;
			merge(value, order + from, run, length, scratch);
			if (length < 2 * run)
				break;
		}
}

void ranking_order(const double *value, size_t n, size_t *order)
{
	size_t *scratch = mem_array(n, sizeof *scratch);
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	ranking_sort(value, n, order, scratch);
	free(scratch);
}

/* Fills centred[n] with each value's mean rank, less the mean of all ranks: multiples of 1/2. Returns the sum of their
 * squares. */
static double centred_ranks(const double *value, size_t n, double *centred)
{
	double squares = 0;
	size_t *order = mem_array(n, sizeof *order);
	ranking_order(value, n, order);
	for (size_t from = 0, to; from < n; from = to) {
		for (to = from + 1; to < n && value[order[to]] == value[order[from]];)
			to++;
		double rank = ((double)(from + to) - (double)n) / 2; /* (from + 1 + to) / 2 - (n + 1) / 2 */
		for (size_t i = from; i < to; i++)
			centred[order[i]] = rank;
		squares += rank * rank * (double)(to - from);
	}
	free(order);
	return squares;
}

double ranking_spearman(const double *a, const double *b, size_t n)
{
	assert(n <= SPEARMAN_MAX);
	double *x = mem_array(n, sizeof *x), *y = mem_array(n, sizeof *y), product = 0;
	double xx = centred_ranks(a, n, x), yy = centred_ranks(b, n, y);
	for (size_t i = 0; i < n; i++)
		product += x[i] * y[i];
	free(x);
	free(y);
	/* Of equal squares the root of the product is exact; of others it may be short by a rounding. */
	return xx > 0 && yy > 0 ? fmax(-1, fmin(1, product / sqrt(xx * yy))) : NAN;
}

size_t ranking_top_overlap(const double *a, const double *b, size_t n, size_t k)
{
	size_t *order = mem_array(n, sizeof *order), both = 0;
	unsigned char *top = mem_zeroed(n, 1);
	if (k > n)
		k = n;
	ranking_order(a, n, order);
	for (size_t i = 0; i < k; i++)
		top[order[i]] = 1;
	ranking_order(b, n, order);
	for (size_t i = 0; i < k; i++)
		both += top[order[i]];
	free(order);
	free(top);
	return both;
}
