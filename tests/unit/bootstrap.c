/* The bootstrap on data whose truth is known, against definitions written another way, and at its corners.
 *
 * Random data has fixed seeds. What a bound of a coverage test is made of stands beside it.
 */
#include "stats/bootstrap.h"

#include <stdlib.h>

#include "../check.h"
#include "common/memory.h"

enum { UNITS = 128, GROUPS = 23 };

static uint64_t random_state;

static double random_unit(void)
{
	uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return ((double)((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
}

static double exponential(void)
{
	return -log(random_unit());
}

static double lognormal(double sigma)
{
	double radius = sqrt(2 * exponential());
	return exp(sigma * radius * cos(6.283185307179586 * random_unit()));
}

static void fill_exponential(double *value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		value[i] = exponential();
}

static double sum_of(const double *value, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += value[i];
	return sum;
}

/* --- the draws --- */

static void check_draws(const uint32_t *found, const uint32_t *expected, size_t n, const char *what)
{
	for (size_t i = 0; i < n; i++)
		CHECK(found[i] == expected[i], "%s: draw %zu is %u, expected %u", what, i, found[i], expected[i]);
}

/* Expected draws come from another implementation of the same description. */
static void test_draws_known(void)
{
	static const uint32_t of_10[] = {5, 7, 9, 4, 4, 7, 8, 5, 2, 7, 4, 6, 4, 5, 4, 1};
	static const uint32_t of_128[] = {20, 72, 39, 46, 16, 25, 74, 118, 76, 125, 96, 114, 48, 36, 88, 36};
	struct resamples r;
	resamples_init(&r, 10, 2, 1);
	check_draws(r.index, of_10, 16, "of 10, seed 1");
	resamples_release(&r);
	resamples_init(&r, 128, 1, BOOTSTRAP_SEED);
	check_draws(r.index, of_128, 16, "of 128, default seed");
	resamples_release(&r);
}

/* 2^32 mod 1047553 is 1047549: as often as can be, some 255 times here, a draw must be made again to be unbiased. */
static void test_draws_made_again(void)
{
	static const uint32_t first[] = {118845, 733594, 642123}, last[] = {354705, 842703, 997354, 672971};
	const size_t n = 1047553;
	uint64_t sum = 0;
	struct resamples r;
	resamples_init(&r, n, 1, 3);
	for (size_t i = 0; i < n; i++)
		sum += r.index[i];
	check_draws(r.index, first, 3, "first of many");
	check_draws(r.index + n - 4, last, 4, "last of many");
	CHECK(sum == 548640068106, "draws add up to %llu", (unsigned long long)sum);
	resamples_release(&r);
}

/* Each unit is drawn as often as any other: chi squared of 22 degrees of freedom is below 48 in 999 of 1000 cases. */
static void test_draws_uniform(void)
{
	size_t seen[GROUPS] = {0};
	double chi = 0, expected = 1000;
	struct resamples r;
	resamples_init(&r, GROUPS, 1000, 42);
	for (size_t i = 0; i < GROUPS * 1000; i++) {
		CHECK(r.index[i] < GROUPS, "draw %zu is %u of %d", i, r.index[i], GROUPS);
		seen[r.index[i] % GROUPS]++;
	}
	for (size_t u = 0; u < GROUPS; u++)
		chi += ((double)seen[u] - expected) * ((double)seen[u] - expected) / expected;
	CHECK(chi > 5 && chi < 48, "chi squared %g", chi);
	resamples_release(&r);
}

static void test_same_bits_twice(void)
{
	double value[UNITS];
	struct resamples a, b, c;
	struct interval i, j;
	random_state = 5;
	fill_exponential(value, UNITS);
	resamples_init(&a, UNITS, 300, 9);
	resamples_init(&b, UNITS, 300, 9);
	resamples_init(&c, UNITS, 300, 10);
	CHECK(memcmp(a.index, b.index, UNITS * 300 * sizeof *a.index) == 0, "one seed, other draws");
	CHECK(memcmp(a.index, c.index, UNITS * 300 * sizeof *a.index) != 0, "another seed, the same draws");
	bootstrap_interval(&a, value, 0.95, &i);
	bootstrap_interval(&b, value, 0.95, &j);
	CHECK(memcmp(&i, &j, sizeof i) == 0, "[%.17g, %.17g], then [%.17g, %.17g]", i.low, i.high, j.low, j.high);
	bootstrap_interval(&c, value, 0.95, &j);
	CHECK(memcmp(&i, &j, sizeof i) != 0, "another seed, the same interval");
	resamples_release(&a);
	resamples_release(&b);
	resamples_release(&c);
}

/* --- intervals --- */

enum { DATA_SETS = 400, COVERAGE_RESAMPLES = 400 };

struct coverage {
	double cover, below, above; /* percent of data sets: truth within, below low, above high */
};

static struct coverage measure(size_t units, double sigma, double level)
{
	struct coverage c = {0};
	double value[UNITS], truth = (double)units * (sigma > 0 ? exp(sigma * sigma / 2) : 1), share = 100. / DATA_SETS;
	struct resamples r;
	resamples_init(&r, units, COVERAGE_RESAMPLES, BOOTSTRAP_SEED);
	random_state = 1000 + units;
	for (int set = 0; set < DATA_SETS; set++) {
		struct interval i;
		for (size_t u = 0; u < units; u++)
			value[u] = sigma > 0 ? lognormal(sigma) : exponential();
		bootstrap_interval(&r, value, level, &i);
		c.below += truth < i.low ? share : 0;
		c.above += truth > i.high ? share : 0;
		c.cover += truth >= i.low && truth <= i.high ? share : 0;
	}
	resamples_release(&r);
	return c;
}

/* The header's table says what to expect; 400 data sets leave a standard error of 1.1 at 95 % and 2.5 at 50 %. Bounds
 * are three of these away: an interval that is too wide fails as one that is too narrow does. */
static void test_coverage(void)
{
	static const struct {
		const char *name;
		size_t units;
		double sigma, level, least, most;   /* sigma 0: exponential */
	} rows[] = {
		{"exponential", 128, 0, 0.95, 91, 98},
		{"exponential", 16, 0, 0.95, 90, 98},
		{"exponential", 128, 0, 0.5, 42, 58},
		{"exponential", 16, 0, 0.5, 42, 58},
		{"lognormal 1", 128, 1, 0.95, 90, 97.5},
		{"lognormal 1", 16, 1, 0.95, 88, 96},
		{"lognormal 1.5", 128, 1.5, 0.95, 88, 96.5},
		{"lognormal 1.5", 16, 1.5, 0.95, 82, 93},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct coverage c = measure(rows[i].units, rows[i].sigma, rows[i].level);
		CHECK(c.cover >= rows[i].least && c.cover <= rows[i].most,
			"%s, %zu units, level %g: covers %.1f %%, expected %g to %g", rows[i].name, rows[i].units, rows[i].level,
			c.cover, rows[i].least, rows[i].most);
		if (rows[i].sigma <= 1) /* in the heaviest tails the truth is all but never below */
			CHECK(c.below > 0 && c.above > 0, "%s, %zu units, level %g: the truth is never on one side (%g, %g)",
				rows[i].name, rows[i].units, rows[i].level, c.below, c.above);
	}
}

static int rising(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

/* Standard error of the square root of the mean, in two passes. */
static double root_error(const double *x, size_t n, double *root)
{
	double mean = sum_of(x, n) / (double)n, squares = 0;
	for (size_t i = 0; i < n; i++)
		squares += (x[i] - mean) * (x[i] - mean);
	*root = sqrt(mean);
	return sqrt(squares / (double)(n - 1) / (double)n) / 2 / *root;
}

/* The header's description, step by step. */
static struct interval slow_interval(const struct resamples *r, const double *value, size_t outside)
{
	double drawn[UNITS], root, root_drawn, error = root_error(value, r->units, &root);
	double *t = mem_array(r->count, sizeof *t);
	for (size_t b = 0; b < r->count; b++) {
		for (size_t u = 0; u < r->units; u++)
			drawn[u] = value[r->index[b * r->units + u]];
		double drawn_error = root_error(drawn, r->units, &root_drawn);
		t[b] = (root_drawn - root) / drawn_error;
	}
	qsort(t, r->count, sizeof *t, rising);
	double low = fmax(0, root - t[r->count - outside] * error), high = fmax(0, root - t[outside - 1] * error);
	free(t);
	return (struct interval){low * low * (double)r->units, high * high * (double)r->units};
}

static void test_interval_slow(void)
{
	static const struct { double level; size_t outside; } levels[] = {{0.95, 10}, {0.9, 20}, {0.99, 2}, {0.9999, 1}};
	double value[UNITS];
	random_state = 8;
	for (size_t units = 8; units <= UNITS; units += 1 + units / 4)
		for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
			struct resamples r;
			struct interval found;
			for (size_t u = 0; u < units; u++)
				value[u] = 1e-9 * lognormal(1.5);
			resamples_init(&r, units, 400, units);
			struct interval expected = slow_interval(&r, value, levels[l].outside);
			bootstrap_interval(&r, value, levels[l].level, &found);
			CHECK_CLOSE(found.low, expected.low, 1e-9);
			CHECK_CLOSE(found.high, expected.high, 1e-9);
			resamples_release(&r);
		}
}

/* A higher level gives a wider interval, and all of them hold the sum. */
static void test_interval_nested(void)
{
	static const double levels[] = {0.01, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999999};
	double value[UNITS];
	struct resamples r;
	for (uint64_t seed = 0; seed < 60; seed++) {
		size_t units = 8 + seed * 2;
		struct interval inner = {INFINITY, 0}, i;
		random_state = seed;
		resamples_init(&r, units, 99, seed);
		for (size_t u = 0; u < units; u++)
			value[u] = lognormal(seed % 3 ? 0.3 : 2);
		double sum = sum_of(value, units);
		for (size_t l = 0; l < sizeof levels / sizeof *levels; l++, inner = i) {
			bootstrap_interval(&r, value, levels[l], &i);
			CHECK(i.low >= 0 && i.low <= sum && i.high >= sum, "seed %d, level %g: [%g, %g] does not hold %g",
				(int)seed, levels[l], i.low, i.high, sum);
			CHECK(i.low <= inner.low && i.high >= inner.high, "seed %d: [%g, %g] at %g does not hold [%g, %g]",
				(int)seed, i.low, i.high, levels[l], inner.low, inner.high);
		}
		resamples_release(&r);
	}
}

/* Units of measure change nothing, up to the ends of what a double holds. */
static void test_interval_scaled(void)
{
	static const int exponents[] = {-1000, -60, 1, 400, 1000};
	double value[UNITS], scaled[UNITS];
	struct resamples r;
	struct interval i, j;
	random_state = 77;
	fill_exponential(value, UNITS);
	resamples_init(&r, UNITS, 200, 1);
	bootstrap_interval(&r, value, 0.95, &i);
	for (size_t e = 0; e < sizeof exponents / sizeof *exponents; e++) {
		for (size_t u = 0; u < UNITS; u++)
			scaled[u] = ldexp(value[u], exponents[e]);
		bootstrap_interval(&r, scaled, 0.95, &j);
		CHECK(j.low == ldexp(i.low, exponents[e]) && j.high == ldexp(i.high, exponents[e]),
			"times 2^%d: [%g, %g] of [%g, %g]", exponents[e], j.low, j.high, i.low, i.high);
	}
	resamples_release(&r);
}

/* Another order of the captions is another choice of resamples. With other seeds the bounds of 128 exponential
 * contributions move by 1.7 % (low) and 3 % (high, root mean square) of the width: 12 % is four of the latter. */
static void test_interval_permuted(void)
{
	double value[UNITS];
	struct resamples r;
	struct interval i, j;
	random_state = 31;
	fill_exponential(value, UNITS);
	resamples_init(&r, UNITS, BOOTSTRAP_RESAMPLES, BOOTSTRAP_SEED);
	bootstrap_interval(&r, value, 0.95, &i);
	double tolerance = 0.12 * (i.high - i.low);
	for (int turn = 0; turn < 20; turn++) {
		for (size_t u = UNITS; u-- > 1;) {
			size_t other = (size_t)(random_unit() * (double)(u + 1));
			double kept = value[u];
			value[u] = value[other];
			value[other] = kept;
		}
		bootstrap_interval(&r, value, 0.95, &j);
		CHECK(fabs(j.low - i.low) <= tolerance && fabs(j.high - i.high) <= tolerance,
			"turn %d: [%g, %g], at first [%g, %g]", turn, j.low, j.high, i.low, i.high);
	}
	resamples_release(&r);
}

static void check_interval(const double *value, size_t units, double low, double high, const char *what)
{
	struct resamples r;
	struct interval i;
	resamples_init(&r, units, BOOTSTRAP_RESAMPLES, BOOTSTRAP_SEED);
	bootstrap_interval(&r, value, 0.95, &i);
	CHECK(i.low == low && i.high == high, "%s: [%.17g, %.17g], expected [%.17g, %.17g]", what, i.low, i.high, low,
		high);
	resamples_release(&r);
}

static void test_interval_corners(void)
{
	double value[UNITS] = {0};
	check_interval(value, 0, 0, INFINITY, "no unit");
	check_interval(value, 7, 0, INFINITY, "seven zeros");
	check_interval(value, 8, 0, 0, "eight zeros");
	check_interval(value, UNITS, 0, 0, "zeros");
	for (size_t u = 0; u < UNITS; u++)
		value[u] = 0.1;
	check_interval(value, 7, 0, INFINITY, "seven units");
	check_interval(value, 9, sum_of(value, 9), sum_of(value, 9), "nine of the same");
	check_interval(value, UNITS, sum_of(value, UNITS), sum_of(value, UNITS), "all the same");
}

/* Resamples without any spread: with a few units unlike the rest high is infinite, with more it is not; never NaN. */
static void test_interval_few_unlike(void)
{
	static const struct { size_t units, unlike; int infinite; } rows[] = {
		{8, 1, 1}, {8, 2, 1}, {8, 5, 0}, {16, 1, 1}, {16, 3, 1}, {16, 5, 0}, {128, 1, 1}, {128, 3, 1}, {128, 5, 0}};
	static const double rest[] = {0, 1, 5e-324, 1e300}, other[] = {3, 1e-300, 1e300, 0};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (size_t k = 0; k < sizeof rest / sizeof *rest; k++) {
			double value[UNITS], sum;
			struct resamples r;
			struct interval b;
			for (size_t u = 0; u < rows[i].units; u++)
				value[u] = u < rows[i].unlike ? other[k] : rest[k];
			sum = sum_of(value, rows[i].units);
			resamples_init(&r, rows[i].units, BOOTSTRAP_RESAMPLES, BOOTSTRAP_SEED);
			bootstrap_interval(&r, value, 0.95, &b);
			CHECK(b.low >= 0 && b.low <= sum && b.high >= sum, "row %zu, values %zu: [%g, %g] of %g", i, k, b.low,
				b.high, sum);
			if (rest[k] < other[k])
				CHECK(isinf(b.high) == rows[i].infinite, "row %zu, values %zu: high %g", i, k, b.high);
			resamples_release(&r);
		}
}

/* --- comparisons --- */

/* Three resamples of two units, written down. */
/* Several sums at once are the sums one by one, whatever stands beside them: equal units, zeros, few units. */
static void test_intervals_together(void)
{
	static const size_t units[] = {1, 7, 8, 9, 30, UNITS};
	double value[9 * UNITS];
	random_state = 77;
	for (size_t u = 0; u < sizeof units / sizeof *units; u++)
		for (size_t count = 0; count <= 9; count++) {
			const size_t n = units[u];
			struct resamples r;
			struct interval together[9], alone;
			resamples_init(&r, n, 200, 3);
			for (size_t i = 0; i < count * n; i++)
				value[i] = lognormal(2) * (i / n % 4 == 1 ? 1e-300 : 1);
			for (size_t i = 0; i < n && count > 2; i++)
				value[2 * n + i] = count > 4 ? 0 : 0.1;
			bootstrap_intervals(&r, value, count, 0.95, together);
			for (size_t k = 0; k < count; k++) {
				bootstrap_interval(&r, value + k * n, 0.95, &alone);
				CHECK(memcmp(&alone, &together[k], sizeof alone) == 0,
					"%zu units, sum %zu of %zu: [%g, %g], alone [%g, %g]", n, k, count, together[k].low, together[k].high, alone.low, alone.high);
			}
			resamples_release(&r);
		}
}

static void test_less_by_hand(void)
{
	uint32_t index[] = {0, 0, 0, 1, 1, 1};
	struct resamples r = {2, 3, index};
	static const double a[] = {1, 4}, b[] = {2, 3}, c[] = {9, 9};
	CHECK(bootstrap_less(&r, a, b) == 0.5, "2 5 8 against 4 5 6: %g", bootstrap_less(&r, a, b));
	CHECK(bootstrap_less(&r, b, a) == 0.5, "4 5 6 against 2 5 8: %g", bootstrap_less(&r, b, a));
	CHECK(bootstrap_less(&r, a, c) == 1, "against 18: %g", bootstrap_less(&r, a, c));
	CHECK(bootstrap_less(&r, c, a) == 0, "18 against: %g", bootstrap_less(&r, c, a));
	CHECK(bootstrap_less(&r, a, a) == 0.5, "against itself: %g", bootstrap_less(&r, a, a));
}

static void test_ranks_separated(void)
{
	double value[GROUPS][UNITS];
	struct rank_range ranks[GROUPS];
	struct resamples r;
	random_state = 4;
	for (size_t u = 0; u < UNITS; u++) {
		double hardness = lognormal(2); /* the caption's, felt by all: it moves sums by far more than groups differ */
		for (size_t g = 0; g < GROUPS; g++)
			value[g][u] = hardness * (1 + 0.01 * (double)(g * 7 % GROUPS));
	}
	resamples_init(&r, UNITS, BOOTSTRAP_RESAMPLES, BOOTSTRAP_SEED);
	bootstrap_ranks(&r, *value, GROUPS, 0.95, ranks);
	for (size_t g = 0; g < GROUPS; g++) {
		size_t rank = GROUPS - g * 7 % GROUPS;
		CHECK(ranks[g].rank == rank && ranks[g].low == rank && ranks[g].high == rank && ranks[g].above_next == 1,
			"group %zu: rank %zu (%zu to %zu), above the next in %g, expected %zu for certain", g, ranks[g].rank,
			ranks[g].low, ranks[g].high, ranks[g].above_next, rank);
	}
	resamples_release(&r);
}

/* Two groups that do the same share ranks 2 and 3; four that do nothing share the last ones. */
static void test_ranks_equal(void)
{
	static const double scale[] = {0, 1, 0, 5, 1, 0, 0};
	static const struct rank_range expected[] = {
		{4, 4, 7, 0.5}, {2, 2, 3, 0.5}, {5, 4, 7, 0.5}, {1, 1, 1, 1}, {3, 2, 3, 1}, {6, 4, 7, 0.5}, {7, 4, 7, 1}};
	double value[7][16];
	struct rank_range ranks[7];
	struct resamples r;
	random_state = 6;
	for (size_t u = 0; u < 16; u++) {
		double x = exponential();
		for (size_t g = 0; g < 7; g++)
			value[g][u] = scale[g] * x;
	}
	resamples_init(&r, 16, 500, 2);
	bootstrap_ranks(&r, *value, 7, 0.95, ranks);
	for (size_t g = 0; g < 7; g++)
		CHECK(ranks[g].rank == expected[g].rank && ranks[g].low == expected[g].low &&
			ranks[g].high == expected[g].high && ranks[g].above_next == expected[g].above_next,
			"group %zu: rank %zu (%zu to %zu), above the next in %g", g, ranks[g].rank, ranks[g].low, ranks[g].high,
			ranks[g].above_next);
	resamples_release(&r);
}

/* Groups alike but for chance: the first is not sure to be the first. */
static void test_ranks_alike(void)
{
	double value[GROUPS][UNITS];
	struct rank_range ranks[GROUPS];
	struct resamples r;
	size_t width = 0;
	random_state = 12;
	fill_exponential(*value, GROUPS * UNITS);
	resamples_init(&r, UNITS, BOOTSTRAP_RESAMPLES, BOOTSTRAP_SEED);
	bootstrap_ranks(&r, *value, GROUPS, 0.95, ranks);
	for (size_t g = 0; g < GROUPS; g++) {
		width += ranks[g].high - ranks[g].low + 1;
		CHECK(ranks[g].rank == GROUPS || (ranks[g].above_next > 0.4 && ranks[g].above_next < 0.99),
			"group %zu of rank %zu is above the next in %g", g, ranks[g].rank, ranks[g].above_next);
	}
	CHECK(width > GROUPS * GROUPS / 2, "ranges of %g ranks on average", (double)width / GROUPS);
	resamples_release(&r);
}

static double drawn_sum(const struct resamples *r, const double *value, size_t resample)
{
	double sum = 0;
	for (size_t u = 0; u < r->units; u++)
		sum += value[r->index[resample * r->units + u]];
	return sum;
}

/* The range of group g's ranks with at most `beyond` resamples left out on each side, by counting. */
static void slow_range(const struct resamples *r, const double *value, size_t groups, size_t g, size_t beyond,
	size_t *low, size_t *high)
{
	size_t best[GROUPS + 1] = {0}, worst[GROUPS + 1] = {0}, below = 0, above = 0;
	for (size_t b = 0; b < r->count; b++) {
		size_t larger = 0, equal = 0;
		for (size_t o = 0; o < groups; o++) {
			double sum = drawn_sum(r, value + o * r->units, b), mine = drawn_sum(r, value + g * r->units, b);
			larger += sum > mine;
			equal += sum == mine;
		}
		best[larger + 1]++;
		worst[larger + equal]++;
	}
	for (*low = 1; below + best[*low] <= beyond; ++*low)
		below += best[*low];
	for (*high = groups; above + worst[*high] <= beyond; --*high)
		above += worst[*high];
}

/* Small whole contributions: exact sums, many ties. */
static void test_ranks_slow(void)
{
	double value[GROUPS][13];
	struct rank_range ranks[GROUPS];
	for (uint64_t seed = 0; seed < 24; seed++) {
		size_t units = 1 + seed % 13, groups = 1 + seed * 5 % GROUPS, at_rank[GROUPS + 1], low, high;
		double *v = *value;
		struct resamples r;
		random_state = seed;
		for (size_t i = 0; i < groups * units; i++)
			v[i] = floor(4 * random_unit()) + (double)(i / units / 4);
		resamples_init(&r, units, 119, seed);
		bootstrap_ranks(&r, v, groups, 0.9, ranks); /* 120 * 0.05 = 6: five are left out */
		for (size_t g = 0; g < groups; g++) {
			size_t rank = 1;
			for (size_t o = 0; o < groups; o++) {
				double a = sum_of(v + o * units, units), b = sum_of(v + g * units, units);
				rank += a > b || (a == b && o < g);
			}
			at_rank[rank] = g;
			slow_range(&r, v, groups, g, 5, &low, &high);
			low = low < rank ? low : rank;
			high = high > rank ? high : rank;
			CHECK(ranks[g].rank == rank && ranks[g].low == low && ranks[g].high == high,
				"seed %d, group %zu: rank %zu (%zu to %zu), expected %zu (%zu to %zu)", (int)seed, g, ranks[g].rank,
				ranks[g].low, ranks[g].high, rank, low, high);
		}
		for (size_t rank = 1; rank <= groups; rank++) {
			double found = ranks[at_rank[rank]].above_next, expected = rank < groups
				? bootstrap_less(&r, v + at_rank[rank + 1] * units, v + at_rank[rank] * units) : 1;
			CHECK(found == expected, "seed %d, rank %zu: above the next in %g, expected %g", (int)seed, rank, found,
				expected);
		}
		resamples_release(&r);
	}
}

/* Resamples that none of the captions is in that made a group the first: its own rank stays in its range. */
static void test_ranks_hold_rank(void)
{
	uint32_t index[] = {0, 0, 0, 0, 0, 0};
	struct resamples r = {2, 3, index};
	static const double value[] = {0, 9, 1, 1};
	struct rank_range ranks[2];
	bootstrap_ranks(&r, value, 2, 0.95, ranks);
	CHECK(ranks[0].rank == 1 && ranks[0].low == 1 && ranks[0].high == 2 && ranks[0].above_next == 0,
		"the first: rank %zu (%zu to %zu), %g", ranks[0].rank, ranks[0].low, ranks[0].high, ranks[0].above_next);
	CHECK(ranks[1].rank == 2 && ranks[1].low == 1 && ranks[1].high == 2 && ranks[1].above_next == 1,
		"the second: rank %zu (%zu to %zu), %g", ranks[1].rank, ranks[1].low, ranks[1].high, ranks[1].above_next);
}

static void test_ranks_corners(void)
{
	double value[] = {3, 5};
	struct rank_range ranks[2] = {{99, 99, 99, 99}};
	struct resamples r;
	resamples_init(&r, 1, 1, 0);
	bootstrap_ranks(&r, value, 0, 0.95, ranks);
	CHECK(ranks[0].rank == 99, "ranks of no groups were written");
	bootstrap_ranks(&r, value, 2, 0.95, ranks);
	CHECK(ranks[0].rank == 2 && ranks[0].low == 2 && ranks[0].high == 2, "3 has rank %zu", ranks[0].rank);
	CHECK(ranks[1].rank == 1 && ranks[1].above_next == 1, "5 has rank %zu", ranks[1].rank);
	resamples_release(&r);
	resamples_init(&r, 0, 3, 0);
	bootstrap_ranks(&r, value, 2, 0.95, ranks);
	CHECK(ranks[0].rank == 1 && ranks[0].high == 2 && ranks[0].above_next == 0.5, "without units: rank %zu to %zu, %g",
		ranks[0].rank, ranks[0].high, ranks[0].above_next);
	resamples_release(&r);
}

int main(void)
{
	TEST(test_draws_known);
	TEST(test_draws_made_again);
	TEST(test_draws_uniform);
	TEST(test_same_bits_twice);
	TEST(test_coverage);
	TEST(test_interval_slow);
	TEST(test_interval_nested);
	TEST(test_interval_scaled);
	TEST(test_interval_permuted);
	TEST(test_interval_corners);
	TEST(test_interval_few_unlike);
	TEST(test_intervals_together);
	TEST(test_less_by_hand);
	TEST(test_ranks_separated);
	TEST(test_ranks_equal);
	TEST(test_ranks_alike);
	TEST(test_ranks_slow);
	TEST(test_ranks_hold_rank);
	TEST(test_ranks_corners);
	return check_done();
}
