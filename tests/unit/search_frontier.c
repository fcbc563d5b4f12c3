/* The whole trade-off against enumeration of all choices, against the search for single budgets, and cut short. */
#include "model/search.h"

#include <stdint.h>
#include <stdlib.h>

#include "../check.h"
#include "common/error.h"
#include "common/memory.h"

enum { GROUPS = 40, CHOICES = 4 };

struct problem {
	double score[GROUPS][CHOICES], cost[GROUPS][CHOICES];
	struct search_group groups[GROUPS];
	struct search_problem problem;
};

/* A fixed sequence (SplitMix64): the same problems on every machine. */
static uint64_t random_state;

static uint64_t random_next(void)
{
	uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static size_t random_below(size_t n)
{
	return (size_t)(random_next() % n);
}

static double random_unit(void)
{
	return (double)(random_next() >> 11) * 0x1p-53;
}

static void problem_init(struct problem *p, size_t groups)
{
	p->problem = (struct search_problem){.groups = p->groups, .count = groups, .budget = NAN};
	for (size_t g = 0; g < groups; g++)
		p->groups[g] = (struct search_group){CHOICES, p->score[g], p->cost[g]};
}

static void problem_random(struct problem *p, size_t groups, size_t score_values, size_t cost_values)
{
	problem_init(p, groups);
	for (size_t g = 0; g < groups; g++) {
		p->groups[g].choices = 1 + random_below(CHOICES);
		for (size_t i = 0; i < CHOICES; i++) {
			p->score[g][i] = (double)random_below(score_values);
			p->cost[g][i] = (double)random_below(cost_values);
		}
	}
}

/* Groups of few sizes in formats of few bits, as models have them, with scores over seven decades. */
static void problem_model(struct problem *p, size_t groups)
{
	static const double sizes[] = {12, 8, 38, 19}, bits[CHOICES] = {4, 4.5, 8, 16};
	problem_init(p, groups);
	for (size_t g = 0; g < groups; g++) {
		double level = pow(10, 7 * random_unit() - 5);
		for (size_t i = 0; i < CHOICES; i++) {
			p->cost[g][i] = 2 * sizes[g % 4] * bits[i];
			p->score[g][i] = i + 1 == CHOICES ? 0 : level * (0.5 + random_unit()) * exp2(-2 * bits[i]);
		}
	}
}

/* --- against enumeration --- */

static int by_cost(const void *a, const void *b)
{
	const struct search_point *x = a, *y = b;
	if (x->cost != y->cost)
		return x->cost < y->cost ? -1 : 1;
	return (x->score > y->score) - (x->score < y->score);
}

/* All totals, sorted, without those that another beats. */
static size_t enumerate(const struct search_problem *p, struct search_point *points)
{
	size_t choice[GROUPS] = {0}, g, count = 0, kept = 0;
	do {
		points[count] = (struct search_point){0};
		for (g = 0; g < p->count; g++) {
			points[count].score += p->groups[g].score[choice[g]];
			points[count].cost += p->groups[g].cost[choice[g]];
		}
		count++;
		for (g = p->count; g > 0 && ++choice[g - 1] == p->groups[g - 1].choices; g--)
			choice[g - 1] = 0;
	} while (g > 0);
	qsort(points, count, sizeof *points, by_cost);
	for (size_t i = 0; i < count; i++)
		if (!kept || points[i].score < points[kept - 1].score)
			points[kept++] = points[i];
	return kept;
}

/* A corner lies below every segment between a cheaper and a dearer point. Whole numbers: products are exact. */
static int is_corner(const struct search_point *points, size_t count, size_t at)
{
	const struct search_point *p = &points[at];
	for (size_t a = 0; a < at; a++)
		for (size_t c = at + 1; c < count; c++)
			if ((points[a].score - p->score) * (points[c].cost - p->cost) <=
				(p->score - points[c].score) * (p->cost - points[a].cost))
				return 0;
	return 1;
}

static void compare(const struct problem *p, const char *kind, int seed)
{
	enum { POINTS = 4096 };
	static struct search_point expected[POINTS];
	struct search_frontier f;
	size_t count = enumerate(&p->problem, expected);
	if (search_frontier(&p->problem, 0, &f))
		exit(error_report(1));
	CHECK(f.complete && f.count == count, "%s %d: %zu points, expected %zu", kind, seed, f.count, count);
	for (size_t i = 0; i < count && f.count == count; i++)
		CHECK(f.points[i].cost == expected[i].cost && f.points[i].score == expected[i].score &&
			f.points[i].hull == is_corner(expected, count, i), "%s %d: point %zu is (%g, %g) %d, expected (%g, %g) %d",
			kind, seed, i, f.points[i].cost, f.points[i].score, f.points[i].hull, expected[i].cost, expected[i].score,
			is_corner(expected, count, i));
	search_frontier_release(&f);
}

static void test_whole_numbers(void)
{
	static const struct { size_t scores, costs; } kinds[] = {{100, 100}, {5, 5}, {2, 40}, {40, 2}, {1, 9}, {3, 3}};
	struct problem p;
	for (int seed = 0; seed < 1200; seed++) {
		random_state = (uint64_t)seed;
		problem_random(&p, 1 + random_below(6), kinds[seed % 6].scores, kinds[seed % 6].costs);
		compare(&p, "whole numbers", seed);
	}
}

/* All on one line: two corners, whatever lies between them. */
static void test_equal_gains(void)
{
	struct problem p;
	for (int seed = 0; seed < 200; seed++) {
		random_state = (uint64_t)seed;
		problem_random(&p, 1 + random_below(6), 2, 64);
		for (size_t g = 0; g < p.problem.count; g++)
			for (size_t i = 0; i < CHOICES; i++)
				p.score[g][i] = 3 * (64 - p.cost[g][i]);
		compare(&p, "equal gains", seed);
	}
}

/* --- against single budgets --- */

static void compare_searches(struct search_problem problem, const struct search_frontier *f, int seed)
{
	size_t choice[GROUPS];
	struct search_result result;
	for (size_t i = 0; i < f->count; i++) {
		problem.budget = f->points[i].cost;
		CHECK(search_solve(&problem, choice, &result) == SEARCH_OK && result.proven, "seed %d: %s", seed, error_text());
		CHECK(result.cost == f->points[i].cost && result.score == f->points[i].score,
			"seed %d, point %zu: (%.17g, %.17g), the search finds (%.17g, %.17g)", seed, i, f->points[i].cost,
			f->points[i].score, result.cost, result.score);
		/* One bit less leads to the point before. */
		problem.budget -= 1;
		if (i && search_solve(&problem, choice, &result) == SEARCH_OK)
			CHECK(result.cost == f->points[i - 1].cost && result.score == f->points[i - 1].score,
				"seed %d: between points %zu and %zu lies (%.17g, %.17g)", seed, i - 1, i, result.cost, result.score);
	}
}

static void test_searches(void)
{
	struct problem p;
	struct search_frontier f;
	for (int seed = 0; seed < 40; seed++) {
		random_state = (uint64_t)seed;
		if (seed % 2)
			problem_model(&p, 3 + random_below(8));
		else
			problem_random(&p, 8, 60, 60);
		if (search_frontier(&p.problem, 0, &f))
			exit(error_report(1));
		CHECK(f.complete && f.points[0].hull && f.points[f.count - 1].hull, "seed %d: %zu points", seed, f.count);
		compare_searches(p.problem, &f, seed);
		search_frontier_release(&f);
	}
}

/* --- cut short --- */

/* With no room for all points the corners alone, the same ones bit by bit. */
static void compare_corners(const struct problem *p, size_t points_max, size_t states_max, int seed)
{
	struct search_frontier all, some;
	struct search_problem bounded = p->problem;
	size_t at = 0;
	bounded.states_max = states_max;
	if (search_frontier(&p->problem, 0, &all) || search_frontier(&bounded, points_max, &some))
		exit(error_report(1));
	CHECK(all.complete && !some.complete, "seed %d: complete %d and %d", seed, all.complete, some.complete);
	for (size_t i = 0; i < all.count; i++) {
		if (!all.points[i].hull)
			continue;
		CHECK(at < some.count && some.points[at].cost == all.points[i].cost &&
			some.points[at].score == all.points[i].score && some.points[at].hull,
			"seed %d: corner (%.17g, %.17g) is missing", seed, all.points[i].cost, all.points[i].score);
		at++;
	}
	CHECK(at == some.count, "seed %d: %zu corners, expected %zu", seed, some.count, at);
	search_frontier_release(&all);
	search_frontier_release(&some);
}

static void test_corners_alone(void)
{
	struct problem p;
	for (int seed = 0; seed < 100; seed++) {
		random_state = (uint64_t)seed;
		problem_model(&p, 4 + random_below(GROUPS - 4));
		compare_corners(&p, 2, 0, seed);
		compare_corners(&p, 0, 20, seed);
		problem_random(&p, 8, 1000, 30);
		for (size_t g = 0; g < 8; g++)
			p.groups[g].choices = CHOICES;
		compare_corners(&p, 2, 0, seed);
		for (size_t g = 0; g < 8; g++) /* two gains, each of many steps: points on edges are no corners */
			for (size_t i = 0; i < CHOICES; i++)
				p.score[g][i] = (double)(1 + g % 2) * (30 - p.cost[g][i]);
		compare_corners(&p, 2, 0, seed);
	}
}

static void test_bound(void)
{
	struct problem p;
	struct search_frontier all, exact;
	random_state = 5;
	problem_model(&p, GROUPS);
	if (search_frontier(&p.problem, 0, &all) || search_frontier(&p.problem, all.count, &exact))
		exit(error_report(1));
	CHECK(all.complete && exact.complete && exact.count == all.count, "%zu and %zu points", all.count, exact.count);
	CHECK(all.count > 500, "%zu points", all.count);
	search_frontier_release(&exact);
	if (search_frontier(&p.problem, all.count - 1, &exact))
		exit(error_report(1));
	CHECK(!exact.complete && exact.count < all.count, "%zu points", exact.count);
	search_frontier_release(&exact);
	search_frontier_release(&all);
}

/* 2^52 for 2^52 - 1 is a better gain than 2^52 + 1 for 2^52, by 2^-104; as doubles they are equal, and there would
 * be no corner between. */
static void test_exact_corners(void)
{
	struct problem p;
	struct search_frontier f;
	problem_init(&p, 2);
	p.groups[0].choices = p.groups[1].choices = 2;
	memcpy(p.score[0], (double[]){0x1p52 + 1, 0}, 2 * sizeof(double));
	memcpy(p.cost[0], (double[]){0, 0x1p52}, 2 * sizeof(double));
	memcpy(p.score[1], (double[]){0x1p52, 0}, 2 * sizeof(double));
	memcpy(p.cost[1], (double[]){0, 0x1p52 - 1}, 2 * sizeof(double));
	for (size_t points_max = 1; points_max <= 4; points_max += 3) {
		if (search_frontier(&p.problem, points_max, &f))
			exit(error_report(1));
		CHECK(f.complete == (points_max == 4) && f.count == 3 + (size_t)f.complete, "%zu points", f.count);
		CHECK(f.points[1].cost == 0x1p52 - 1 && f.points[1].score == 0x1p52 + 1 && f.points[1].hull,
			"(%.17g, %.17g) %d", f.points[1].cost, f.points[1].score, f.points[1].hull);
		CHECK(!f.complete || !f.points[2].hull, "the other group first is a corner, too");
		search_frontier_release(&f);
	}
}

static void test_little(void)
{
	struct problem p;
	struct search_frontier f;
	CHECK(search_frontier(&(struct search_problem){.budget = -1}, 0, &f) == 0, "%s", error_text());
	CHECK(f.count == 1 && f.complete && f.points[0].cost == 0 && f.points[0].score == 0 && f.points[0].hull, "%zu",
		f.count);
	search_frontier_release(&f);
	random_state = 1;
	problem_random(&p, 3, 10, 10);
	p.score[2][0] = NAN;
	CHECK(search_frontier(&p.problem, 0, &f) == -1 && !f.points, "NaN was accepted");
	CHECK_STRING(error_text(), "budget search: score of group 2, choice 0 is nan, expected a finite number >= 0");
}

int main(void)
{
	TEST(test_whole_numbers);
	TEST(test_equal_gains);
	TEST(test_searches);
	TEST(test_corners_alone);
	TEST(test_bound);
	TEST(test_exact_corners);
	TEST(test_little);
	return check_done();
}
