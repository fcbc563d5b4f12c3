/* Orders, rank correlation and overlap: by hand, and against definitions written the slow way. */
#include "stats/ranking.h"

#include <stdint.h>
#include <stdlib.h>

#include "../check.h"

enum { MOST = 70 };

/* A fixed sequence (SplitMix64): the same values on every machine. */
static uint64_t random_state;

static uint64_t random_next(void)
{
	uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* Few different values make many ties. */
static void fill(double *value, size_t n, size_t different)
{
	for (size_t i = 0; i < n; i++)
		value[i] = (double)(random_next() % different) - 3;
}

/* How many come before item i. */
static size_t place_of(const double *value, size_t n, size_t i)
{
	size_t place = 0;
	for (size_t j = 0; j < n; j++)
		place += value[j] > value[i] || (value[j] == value[i] && j < i);
	return place;
}

static void check_order(const double *value, size_t n, const size_t *order, const char *what, int seed)
{
	for (size_t i = 0; i < n; i++)
		CHECK(order[place_of(value, n, i)] == i, "%s, seed %d, %zu items: item %zu is not at place %zu", what, seed, n,
			i, place_of(value, n, i));
}

static void test_order(void)
{
	double value[MOST];
	size_t order[MOST + 1], scratch[MOST];
	for (int seed = 0; seed < 1500; seed++) {
		random_state = (uint64_t)seed;
		size_t n = (size_t)seed % (MOST + 1);
		fill(value, n, seed % 3 ? 1000 : 5);
		order[n] = 12345;
		ranking_order(value, n, order);
		check_order(value, n, order, "order", seed);
		for (size_t i = n; i-- > 1;) {
			size_t j = random_next() % (i + 1), other = order[i];
			order[i] = order[j];
			order[j] = other;
		}
		ranking_sort(value, n, order, scratch);
		check_order(value, n, order, "sort of a shuffled order", seed);
		fill(value, n, 7);
		ranking_sort(value, n, order, scratch);
		check_order(value, n, order, "sort of another's order", seed);
		CHECK(order[n] == 12345, "seed %d: wrote behind the end", seed);
	}
}

static void test_order_infinite(void)
{
	static const double value[] = {0, -INFINITY, INFINITY, 5e-324, -0.0, INFINITY};
	static const size_t expected[] = {2, 5, 3, 0, 4, 1};
	size_t order[6];
	ranking_order(value, 6, order);
	for (size_t i = 0; i < 6; i++)
		CHECK(order[i] == expected[i], "place %zu has item %zu, expected %zu", i, order[i], expected[i]);
}

static void test_spearman_by_hand(void)
{
	static const struct {
		double a[6], b[6];
		size_t n;
		double expected;
	} rows[] = {
		{{1, 2, 3, 4, 5}, {2, 1, 4, 3, 5}, 5, 0.8},                      /* 1 - 6 * 4 / (5 * 24) */
		{{1, 2, 3, 4, 5}, {1, 2, 4, 8, 1e300}, 5, 1},
		{{1, 2, 3, 4, 5}, {9, 7, 5, 3, -INFINITY}, 5, -1},
		{{10, 20, 20, 30}, {1, 2, 3, 4}, 4, 0.94868329805051380},        /* 4.5 / sqrt(4.5 * 5) */
		{{1, 1, 2, 2}, {1, 2, 2, 3}, 4, 0.70710678118654752},            /* 3 / sqrt(4 * 4.5) */
		{{0, 0, 0, 7}, {0, 0, 0, 1}, 4, 1},
		{{0, 0, 0, 7}, {1, 1, 1, 0}, 4, -1},
		{{1, 0, 0, 0}, {0, 0, 0, 1}, 4, -0.33333333333333333},           /* -1 / 3 */
		{{3, 1, 2}, {1, 1, 2}, 3, -0.0},                                 /* 1 * -0.5 + -1 * -0.5 + 0 */
		{{1, 2}, {5, 4}, 2, -1},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		double found = ranking_spearman(rows[i].a, rows[i].b, rows[i].n);
		double turned = ranking_spearman(rows[i].b, rows[i].a, rows[i].n);
		CHECK(fabs(found - rows[i].expected) <= 1e-9, "row %zu: %.17g, expected %.17g", i, found, rows[i].expected);
		CHECK(found == turned, "row %zu: %.17g one way, %.17g the other", i, found, turned);
		if (fabs(rows[i].expected) == 1)
			CHECK(found == rows[i].expected, "row %zu: %.17g is not exactly %g", i, found, rows[i].expected);
	}
}

static void test_spearman_undefined(void)
{
	static const double rising[] = {1, 2, 3}, same[] = {4, 4, 4};
	CHECK(isnan(ranking_spearman(rising, rising, 0)), "of nothing: a number");
	CHECK(isnan(ranking_spearman(rising, rising, 1)), "of one item: a number");
	CHECK(isnan(ranking_spearman(rising, same, 3)), "with a constant: a number");
	CHECK(isnan(ranking_spearman(same, rising, 3)), "of a constant: a number");
	CHECK(isnan(ranking_spearman(same, same, 3)), "of two constants: a number");
}

static double mean_rank(const double *value, size_t n, size_t i)
{
	double above = 0, equal = 0;
	for (size_t j = 0; j < n; j++) {
		above += value[j] > value[i];
		equal += value[j] == value[i];
	}
	return above + (equal + 1) / 2;
}

/* Pearson's of the ranks, from raw moments. */
static double slow_spearman(const double *a, const double *b, size_t n)
{
	double x = 0, y = 0, xx = 0, yy = 0, xy = 0, count = (double)n;
	for (size_t i = 0; i < n; i++) {
		double p = mean_rank(a, n, i), q = mean_rank(b, n, i);
		x += p, y += q, xx += p * p, yy += q * q, xy += p * q;
	}
	return (count * xy - x * y) / sqrt((count * xx - x * x) * (count * yy - y * y));
}

static void test_spearman_random(void)
{
	double a[MOST], b[MOST];
	for (int seed = 0; seed < 1000; seed++) {
		random_state = (uint64_t)seed;
		size_t n = 2 + random_next() % (MOST - 1);
		fill(a, n, seed % 2 ? 6 : 100000);
		fill(b, n, seed % 3 ? 9 : 100000);
		double found = ranking_spearman(a, b, n), expected = slow_spearman(a, b, n);
		CHECK(isnan(found) ? isnan(expected) : fabs(found - expected) <= 1e-12,
			"seed %d, %zu items: %.17g, expected %.17g", seed, n, found, expected);
	}
}

static void test_spearman_many(void)
{
	enum { MANY = 1 << 17 };
	double *a = malloc(MANY * sizeof *a), *b = malloc(MANY * sizeof *b);
	for (size_t i = 0; i < MANY; i++) {
		a[i] = (double)(i * 77773 % MANY / 3);
		b[i] = -a[i] / 7;
	}
	CHECK(ranking_spearman(a, a, MANY) == 1, "an order with itself: %.17g", ranking_spearman(a, a, MANY));
	CHECK(ranking_spearman(a, b, MANY) == -1, "an order with its reverse: %.17g", ranking_spearman(a, b, MANY));
	free(a);
	free(b);
}

static void test_overlap(void)
{
	double a[MOST], b[MOST];
	for (int seed = 0; seed < 1000; seed++) {
		random_state = (uint64_t)seed;
		size_t n = random_next() % (MOST + 1), k = random_next() % (MOST + 9), expected = 0;
		fill(a, n, seed % 2 ? 6 : 1000);
		fill(b, n, seed % 3 ? 9 : 1000);
		for (size_t i = 0; i < n; i++)
			expected += place_of(a, n, i) < k && place_of(b, n, i) < k;
		CHECK(ranking_top_overlap(a, b, n, k) == expected, "seed %d, %zu of %zu: %zu, expected %zu", seed, k, n,
			ranking_top_overlap(a, b, n, k), expected);
	}
}

static void test_overlap_by_hand(void)
{
	static const double a[] = {5, 4, 3, 2, 1}, b[] = {1, 5, 2, 4, 3}, same[] = {7, 7, 7, 7, 7};
	static const size_t with_b[] = {0, 0, 1, 1, 3, 5, 5}, with_same[] = {0, 1, 2, 3, 4, 5, 5};
	for (size_t k = 0; k <= 6; k++) {
		CHECK(ranking_top_overlap(a, b, 5, k) == with_b[k], "top %zu: %zu, expected %zu", k,
			ranking_top_overlap(a, b, 5, k), with_b[k]);
		CHECK(ranking_top_overlap(a, same, 5, k) == with_same[k], "top %zu of ties: %zu, expected %zu", k,
			ranking_top_overlap(a, same, 5, k), with_same[k]);
	}
}

int main(void)
{
	TEST(test_order);
	TEST(test_order_infinite);
	TEST(test_spearman_by_hand);
	TEST(test_spearman_undefined);
	TEST(test_spearman_random);
	TEST(test_spearman_many);
	TEST(test_overlap);
	TEST(test_overlap_by_hand);
	return check_done();
}
