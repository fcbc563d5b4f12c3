#include "stats/bootstrap.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "common/memory.h"
#include "stats/ranking.h"

enum { LANES = 4, WIDE = 4 };

/* --- the draws --- */

/* SplitMix64. */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* Unbiased: x * n / 2^32 of 32 random bits x, without the lowest 2^32 mod n products, so that each quotient is left
 * with floor(2^32 / n) of them. */
static uint32_t random_below(uint64_t *state, uint32_t n)
{
	uint32_t left_out = (uint32_t)-n % n;
	uint64_t product;
	do
		product = (random_next(state) >> 32) * n;
	while ((uint32_t)product < left_out);
	return (uint32_t)(product >> 32);
}

void resamples_init(struct resamples *r, size_t units, size_t count, uint64_t seed)
{
	assert(units <= BOOTSTRAP_UNITS_MAX && count >= 1 && count <= BOOTSTRAP_RESAMPLES_MAX);
	*r = (struct resamples){units, count, mem_array(count, units * sizeof *r->index)};
	for (size_t i = 0; i < units * count; i++)
		r->index[i] = random_below(&seed, (uint32_t)units);
}

void resamples_release(struct resamples *r)
{
	free(r->index);
	r->index = NULL;
}

/* The place, from 1, of a bound among all resamples in order: the first when they are too few for the level. */
static size_t bound_place(const struct resamples *r, double level)
{
	assert(level > 0 && level < 1);
	/* 1 - level is not exact: of 119 resamples at 0.9 it would make the 5th out of the 6th. */
	size_t place = (size_t)floor((double)(r->count + 1) * (1 - level) / 2 + 1e-9);
	return place < 1 ? 1 : place;
}

/* --- the interval of a sum --- */

static double sum_of(const double *value, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += value[i];
	return sum;
}

/* Variance of the mean of n values, from sum and sum of squares of their differences to any of them. */
static double mean_variance(double sum, double squares, double n)
{
	return fmax(0, squares - sum * sum / n) / (n - 1) / n;
}

/* (sqrt(mean*) - sqrt(mean)) / (its standard error in the resample), from what a resample adds up to: differences to the
 * unit drawn first, origin, and their squares. */
static double studentized(double origin, double total, double squares, size_t n, double root)
{
	double variance = mean_variance(total, squares, (double)n);
	double root_drawn = sqrt(fmax(0, origin + total / (double)n)), difference = root_drawn - root;
	if (!(variance > 0))
		return difference == 0 ? 0 : copysign(INFINITY, difference);
	return difference * 2 * root_drawn / sqrt(variance);
}

/* Several sums side by side, one in each element. */
typedef double wide __attribute__((vector_size(WIDE * sizeof(double)), aligned(sizeof(double))));

/* WIDE sums at once, of units that draws pick for all of them: x[units].
 *
 * Differences are taken to the unit drawn first: then the variance is exactly 0 when, and only when, all draws have the
 * same value. Four partial sums take half the time of one. */
static void studentize(const struct resamples *r, const wide *x, const double root[WIDE], double *t)
{
	const size_t n = r->units;
	for (size_t b = 0; b < r->count; b++) {
		const uint32_t *index = r->index + b * n;
		const wide origin = x[index[0]];
		wide sum[LANES] = {{0}}, squares[LANES] = {{0}};
		size_t i = 0;
		for (; i + LANES <= n; i += LANES)
			for (size_t l = 0; l < LANES; l++) {
				wide d = x[index[i + l]] - origin;
				sum[l] += d;
				squares[l] += d * d;
			}
		for (; i < n; i++) {
			wide d = x[index[i]] - origin;
			sum[0] += d;
			squares[0] += d * d;
		}
		wide total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
		wide all = (squares[0] + squares[1]) + (squares[2] + squares[3]);
		for (size_t w = 0; w < WIDE; w++)
			t[w * r->count + b] = studentized(origin[w], total[w], all[w], n, root[w]);
	}
}

/* The place-th smallest of value[n], counted from 0; reorders them: no larger one stands before it, no smaller one
 * behind. Ten times as fast as sorting, and two places are all that an interval needs. */
static double select_place(double *value, size_t n, size_t place)
{
	size_t from = 0, to = n - 1;
	while (from < to) {
		double pivot = value[from + (to - from) / 2];
		size_t low = from, high = to;
		for (;;) {
			while (value[low] < pivot)
				low++;
			while (value[high] > pivot)
				high--;
			if (low >= high)
				break;
			double swapped = value[low];
			value[low++] = value[high];
			value[high--] = swapped;
		}
		/* Up to high nothing is above the pivot, from there on nothing below. */
		if (place <= high)
			to = high;
		else
			from = high + 1;
	}
	return value[place];
}

static double square_above(double x)
{
	return x > 0 ? x * x : 0;
}

/* Standard error of sqrt(mean) of x[0], x[WIDE], ... */
static double root_error(const double *x, size_t n, double root)
{
	double sum = 0, squares = 0;
	for (size_t i = 0; i < n; i++) {
		double d = x[i * WIDE] - x[0];
		sum += d;
		squares += d * d;
	}
	double variance = mean_variance(sum, squares, (double)n);
	assert(variance > 0);
	return sqrt(variance) / (2 * root);
}

/* What is asked of one sum, and how its units were scaled. */
struct estimate {
	int open;               /* only resamples tell its bounds */
	double sum, largest;
};

static struct estimate estimate_of(const double *value, size_t n, struct interval *i)
{
	struct estimate e = {.sum = sum_of(value, n)};
	double least = INFINITY;
	for (size_t u = 0; u < n; u++) {
		assert(isfinite(value[u]) && value[u] >= 0);
		least = fmin(least, value[u]);
		e.largest = fmax(e.largest, value[u]);
	}
	*i = n < BOOTSTRAP_UNITS_MIN ? (struct interval){0, INFINITY} : (struct interval){e.sum, e.sum};
	e.open = n >= BOOTSTRAP_UNITS_MIN && least != e.largest;
	return e;
}

/* At most WIDE sums: value[count][units]. x[units] and t[WIDE][resamples] are scratch. */
static void few_intervals(const struct resamples *r, const double *value, size_t count, double level,
	struct interval *i, wide *x, double *t)
{
	const size_t n = r->units, place = bound_place(r, level);
	struct estimate e[WIDE] = {{0}};
	double *element = (double *)x, root[WIDE] = {0};
	int open = 0;
	for (size_t u = 0; u < n; u++)
		x[u] = (wide){0};
	for (size_t w = 0; w < count; w++) {
		e[w] = estimate_of(value + w * n, n, &i[w]);
		open |= e[w].open;
		if (!e[w].open)
			continue;
		double sum = 0;
		for (size_t u = 0; u < n; u++) /* no square overflows, and none that counts vanishes */
			sum += element[u * WIDE + w] = value[w * n + u] / e[w].largest;
		root[w] = sqrt(sum / (double)n);
	}
	if (open)
		studentize(r, x, root, t);
	for (size_t w = 0; w < count; w++) {
		if (!e[w].open)
			continue;
		double error = root_error(element + w, n, root[w]), *own = t + w * r->count, scale = (double)n;
		double low = square_above(root[w] - select_place(own, r->count, r->count - place) * error);
		double high = square_above(root[w] - select_place(own, r->count, place - 1) * error);
		i[w].low = fmin(low * scale * e[w].largest, e[w].sum);
		i[w].high = fmax(high * scale * e[w].largest, e[w].sum);
	}
}

void bootstrap_intervals(const struct resamples *r, const double *value, size_t count, double level, struct interval *i)
{
	wide *x = mem_array(r->units, sizeof *x);
	double *t = mem_array(r->count, WIDE * sizeof *t);
	for (size_t k = 0; k < count; k += WIDE)
		few_intervals(r, value + k * r->units, count - k < WIDE ? count - k : WIDE, level, i + k, x, t);
	free(t);
	free(x);
}

void bootstrap_interval(const struct resamples *r, const double *value, double level, struct interval *i)
{
	bootstrap_intervals(r, value, 1, level, i);
}

/* --- comparisons --- */

double bootstrap_less(const struct resamples *r, const double *a, const double *b)
{
	size_t twice = 0;
	for (size_t k = 0; k < r->count; k++) {
		const uint32_t *index = r->index + k * r->units;
		double sum_a = 0, sum_b = 0;
		for (size_t u = 0; u < r->units; u++) {
			sum_a += a[index[u]];
			sum_b += b[index[u]];
		}
		twice += sum_a < sum_b ? 2 : sum_a == sum_b;
	}
	return (double)twice / 2 / (double)r->count;
}

struct ranker {
	const struct resamples *r;
	size_t groups;
	double *value;           /* [units][groups]: a draw adds a row, group beside group */
	double *sum;             /* [groups] of a resample */
	size_t *place;           /* [groups] groups by rank */
	size_t *order, *scratch; /* [groups] */
	uint32_t *best, *worst;  /* [groups][count] the ranks that a group's sum has in a resample: several when others have
	                          * the same sum */
	size_t *twice_above;     /* [groups] resamples in which the group at a place is above the next, ties 1 of 2 */
	size_t *seen;            /* [groups] zeros: rank_bound()'s */
};

static void ranker_init(struct ranker *k, const struct resamples *r, const double *value, size_t groups)
{
	*k = (struct ranker){.r = r, .groups = groups};
	k->value = mem_array(groups, r->units * sizeof *k->value);
	k->sum = mem_array(groups, sizeof *k->sum);
	k->place = mem_array(groups, sizeof *k->place);
	k->order = mem_array(groups, sizeof *k->order);
	k->scratch = mem_array(groups, sizeof *k->scratch);
	k->best = mem_array(groups, r->count * sizeof *k->best);
	k->worst = mem_array(groups, r->count * sizeof *k->worst);
	k->twice_above = mem_zeroed(groups, sizeof *k->twice_above);
	k->seen = mem_zeroed(groups, sizeof *k->seen);
	for (size_t g = 0; g < groups; g++)
		for (size_t u = 0; u < r->units; u++)
			k->value[u * groups + g] = value[g * r->units + u];
	for (size_t g = 0; g < groups; g++)
		k->sum[g] = sum_of(value + g * r->units, r->units);
	ranking_order(k->sum, groups, k->place);
	for (size_t i = 0; i < groups; i++)
		k->order[i] = k->place[i];
}

static void ranker_release(struct ranker *k)
{
	free(k->value);
	free(k->sum);
	free(k->place);
	free(k->order);
	free(k->scratch);
	free(k->best);
	free(k->worst);
	free(k->twice_above);
	free(k->seen);
}

static void add_up(struct ranker *k, size_t resample)
{
	const uint32_t *index = k->r->index + resample * k->r->units;
	double *restrict sum = k->sum;
	for (size_t g = 0; g < k->groups; g++)
		sum[g] = 0;
	for (size_t u = 0; u < k->r->units; u++) {
		const double *restrict row = k->value + index[u] * k->groups;
		for (size_t g = 0; g < k->groups; g++)
			sum[g] += row[g];
	}
}

static void rank_resample(struct ranker *k, size_t resample)
{
	add_up(k, resample);
	ranking_sort(k->sum, k->groups, k->order, k->scratch);
	for (size_t from = 0, to; from < k->groups; from = to) {
		for (to = from + 1; to < k->groups && k->sum[k->order[to]] == k->sum[k->order[from]];)
			to++;
		for (size_t i = from; i < to; i++) {
			k->best[k->order[i] * k->r->count + resample] = (uint32_t)from;
			k->worst[k->order[i] * k->r->count + resample] = (uint32_t)(to - 1);
		}
	}
	for (size_t i = 0; i + 1 < k->groups; i++) {
		double sum = k->sum[k->place[i]], next = k->sum[k->place[i + 1]];
		k->twice_above[i] += sum > next ? 2 : sum == next;
	}
}

/* The place-th of a group's ranks, counted from 1, in rising or falling order. */
static size_t rank_bound(struct ranker *k, const uint32_t *ranks, size_t place, int falling)
{
	size_t least = k->groups, most = 0, before = 0, rank;
	for (size_t b = 0; b < k->r->count; b++) {
		k->seen[ranks[b]]++;
		least = ranks[b] < least ? ranks[b] : least;
		most = ranks[b] > most ? ranks[b] : most;
	}
	for (rank = falling ? most : least; (before += k->seen[rank]) < place;)
		rank += falling ? (size_t)-1 : 1;
	for (size_t seen = least; seen <= most; seen++)
		k->seen[seen] = 0;
	return rank;
}

void bootstrap_ranks(const struct resamples *r, const double *value, size_t groups, double level,
	struct rank_range *ranks)
{
	struct ranker k;
	size_t place = bound_place(r, level);
	ranker_init(&k, r, value, groups);
	for (size_t b = 0; b < r->count; b++)
		rank_resample(&k, b);
	for (size_t i = 0; i < groups; i++) {
		size_t g = k.place[i], low = rank_bound(&k, k.best + g * r->count, place, 0),
			   high = rank_bound(&k, k.worst + g * r->count, place, 1);
		ranks[g] = (struct rank_range){.rank = i + 1, .low = 1 + (low < i ? low : i),
			.high = 1 + (high > i ? high : i), .above_next = 1};
		if (i + 1 < groups)
			ranks[g].above_next = (double)k.twice_above[i] / 2 / (double)r->count;
	}
	ranker_release(&k);
}
