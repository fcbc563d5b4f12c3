/* The budget search against enumeration of all choices, on small random problems, ties, corner cases, and problems of
 * the size and shape of a language model. */
#include "model/search.h"

#include <stdint.h>
#include <stdlib.h>

#include "../check.h"
#include "common/error.h"
#include "common/memory.h"

enum { GROUPS = 9, CHOICES = 4 };

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
	for (size_t g = 0; g < groups; g++) {
		p->groups[g].score = p->score[g];
		p->groups[g].cost = p->cost[g];
	}
	p->problem = (struct search_problem){.groups = p->groups, .count = groups};
}

/* Scores and costs are small whole numbers here, so that sums are exact and ties are many. */
static void problem_random(struct problem *p, size_t score_values, size_t cost_values)
{
	double most = 0;
	size_t groups = 1 + random_below(GROUPS);
	problem_init(p, groups);
	for (size_t g = 0; g < groups; g++) {
		p->groups[g].choices = 1 + random_below(CHOICES);
		double dearest = 0;
		for (size_t i = 0; i < p->groups[g].choices; i++) {
			p->score[g][i] = (double)random_below(score_values);
			p->cost[g][i] = (double)random_below(cost_values);
			dearest = fmax(dearest, p->cost[g][i]);
		}
		most += dearest;
	}
	p->problem.budget = (double)random_below((size_t)most + 2);
}

/* Enumerates all choices in lexicographic order; the first of the best stays. Returns whether any fits. */
static int brute_force(const struct search_problem *p, size_t *best, double *best_score, double *best_cost)
{
	size_t choice[GROUPS] = {0}, g;
	int found = 0;
	do {
		double score = 0, cost = 0;
		for (g = 0; g < p->count; g++) {
			score += p->groups[g].score[choice[g]];
			cost += p->groups[g].cost[choice[g]];
		}
		if (cost <= p->budget &&
			(!found || score < *best_score || (score == *best_score && cost < *best_cost))) {
			memcpy(best, choice, sizeof choice);
			*best_score = score;
			*best_cost = cost;
			found = 1;
		}
		for (g = p->count; g > 0 && ++choice[g - 1] == p->groups[g - 1].choices; g--)
			choice[g - 1] = 0;
	} while (g > 0);
	return found;
}

static void compare(const struct problem *p, const char *kind, int seed)
{
	size_t found[GROUPS] = {0}, expected[GROUPS] = {0};
	double score = 0, cost = 0;
	struct search_result result;
	int feasible = brute_force(&p->problem, expected, &score, &cost);
	enum search_status status = search_solve(&p->problem, found, &result);
	CHECK(status == (feasible ? SEARCH_OK : SEARCH_INFEASIBLE), "%s %d: status %d: %s", kind, seed, (int)status,
		error_text());
	if (!feasible || status != SEARCH_OK)
		return;
	CHECK(result.proven, "%s %d: not proven", kind, seed);
	CHECK(result.score == score && result.cost == cost, "%s %d: score %.17g cost %g, expected %.17g %g", kind, seed,
		result.score, result.cost, score, cost);
	for (size_t g = 0; g < p->problem.count; g++)
		CHECK(found[g] == expected[g], "%s %d: group %zu has choice %zu, expected %zu", kind, seed, g, found[g],
			expected[g]);
}

static void test_whole_numbers(void)
{
	static const struct { size_t scores, costs; } kinds[] = {{100, 100}, {5, 5}, {2, 40}, {40, 2}, {1, 9}, {3, 3}};
	struct problem p;
	for (int seed = 0; seed < 3000; seed++) {
		random_state = (uint64_t)seed;
		problem_random(&p, kinds[seed % 6].scores, kinds[seed % 6].costs);
		compare(&p, "whole numbers", seed);
	}
}

/* Score is a falling function of cost with equal gains everywhere: the relaxation prunes nothing. */
static void test_equal_gains(void)
{
	struct problem p;
	for (int seed = 0; seed < 500; seed++) {
		random_state = (uint64_t)seed;
		problem_random(&p, 2, 64);
		for (size_t g = 0; g < p.problem.count; g++)
			for (size_t i = 0; i < p.groups[g].choices; i++)
				p.score[g][i] = 3 * (64 - p.cost[g][i]);
		compare(&p, "equal gains", seed);
	}
}

/* Scores over many decades, as real ones are; sums of doubles differ in the last bits, so they are compared closely. */
static void test_decades(void)
{
	struct problem p;
	for (int seed = 0; seed < 1000; seed++) {
		size_t found[GROUPS], expected[GROUPS];
		double score, cost;
		struct search_result result;
		random_state = (uint64_t)seed;
		problem_random(&p, 2, 1000);
		for (size_t g = 0; g < p.problem.count; g++)
			for (size_t i = 0; i < p.groups[g].choices; i++)
				p.score[g][i] = pow(10, 9 * random_unit() - 7);
		if (!brute_force(&p.problem, expected, &score, &cost))
			continue;
		CHECK(search_solve(&p.problem, found, &result) == SEARCH_OK, "%d: %s", seed, error_text());
		CHECK_CLOSE(result.score, score, 1e-14);
		CHECK(result.cost <= p.problem.budget, "%d: cost %g, budget %g", seed, result.cost, p.problem.budget);
	}
}

/* Sums that rounding makes equal are told apart. */
static void test_exact_sums(void)
{
	struct problem p;
	size_t choice[GROUPS];
	struct search_result result;
	problem_init(&p, 2);
	p.groups[0].choices = p.groups[1].choices = 2;
	memcpy(p.score[0], (double[]){1, 0x1p-60}, 2 * sizeof(double));
	memcpy(p.score[1], (double[]){1, 0}, 2 * sizeof(double));
	memcpy(p.cost[0], (double[]){1, 2}, 2 * sizeof(double));
	memcpy(p.cost[1], (double[]){1, 2}, 2 * sizeof(double));
	p.problem.budget = 3;
	CHECK(search_solve(&p.problem, choice, &result) == SEARCH_OK, "%s", error_text());
	/* As rounded sums both are 1; exactly, sparing the second group is better by 2^-60. */
	CHECK(choice[0] == 0 && choice[1] == 1, "choices %zu %zu", choice[0], choice[1]);
}

static void test_ties(void)
{
	struct problem p;
	size_t choice[GROUPS];
	struct search_result result;
	problem_init(&p, 4);
	for (size_t g = 0; g < 4; g++) {
		p.groups[g].choices = 2;
		p.score[g][0] = 1;
		p.score[g][1] = 0;
		p.cost[g][0] = 4;
		p.cost[g][1] = 16;
	}
	p.problem.budget = 44; /* two of four stay as they are: the later two */
	CHECK(search_solve(&p.problem, choice, &result) == SEARCH_OK, "%s", error_text());
	CHECK(choice[0] == 0 && choice[1] == 0 && choice[2] == 1 && choice[3] == 1, "choices %zu %zu %zu %zu", choice[0],
		choice[1], choice[2], choice[3]);
	/* Equal scores: the smaller cost. Equal in both: the earlier choice. */
	p.score[1][0] = 0;
	p.score[3][0] = 0;
	p.cost[3][0] = 16;
	p.problem.budget = 1000;
	CHECK(search_solve(&p.problem, choice, &result) == SEARCH_OK, "%s", error_text());
	CHECK(choice[0] == 1 && choice[1] == 0 && choice[2] == 1 && choice[3] == 0, "choices %zu %zu %zu %zu", choice[0],
		choice[1], choice[2], choice[3]);
	CHECK(result.cost == 16 + 4 + 16 + 16, "cost %g", result.cost);
}

static void test_corners(void)
{
	struct problem p;
	size_t choice[GROUPS];
	struct search_result result;
	CHECK(search_solve(&(struct search_problem){.budget = 0}, choice, &result) == SEARCH_OK, "%s", error_text());
	CHECK(result.score == 0 && result.cost == 0 && result.proven, "no groups: %g %g", result.score, result.cost);

	problem_init(&p, 1);
	p.groups[0].choices = 2;
	memcpy(p.score[0], (double[]){0.5, 0}, 2 * sizeof(double));
	memcpy(p.cost[0], (double[]){8, 16}, 2 * sizeof(double));
	static const struct { double budget; size_t choice; double score; } cases[] = {
		{8, 0, 0.5}, {15.999, 0, 0.5}, {16, 1, 0}, {1e308, 1, 0}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		p.problem.budget = cases[i].budget;
		CHECK(search_solve(&p.problem, choice, &result) == SEARCH_OK, "%s", error_text());
		CHECK(choice[0] == cases[i].choice && result.score == cases[i].score, "budget %g: choice %zu, score %g",
			cases[i].budget, choice[0], result.score);
	}
}

static void test_infeasible(void)
{
	struct problem p;
	size_t choice[GROUPS] = {9, 9};
	struct search_result result;
	problem_init(&p, 2);
	p.groups[0].choices = p.groups[1].choices = 2;
	for (int g = 0; g < 2; g++) {
		memcpy(p.score[g], (double[]){2, 0}, 2 * sizeof(double));
		memcpy(p.cost[g], (double[]){4, 16}, 2 * sizeof(double));
	}
	p.problem.budget = 7.5;
	CHECK(search_solve(&p.problem, choice, &result) == SEARCH_INFEASIBLE, "not refused");
	CHECK_STRING(error_text(), "no choice of formats fits into a budget of 7.5: the smallest possible is 8");
	CHECK(result.least_cost == 8 && result.cost == 8 && result.score == 4, "%g %g", result.least_cost, result.cost);
	CHECK(choice[0] == 0 && choice[1] == 0, "choices %zu %zu", choice[0], choice[1]);
}

static void test_bad_numbers(void)
{
	static const struct { double score, cost, budget; const char *message; } cases[] = {
		{NAN, 1, 1, "budget search: score of group 0, choice 1 is nan, expected a finite number >= 0"},
		{INFINITY, 1, 1, "budget search: score of group 0, choice 1 is inf, expected a finite number >= 0"},
		{-1, 1, 1, "budget search: score of group 0, choice 1 is -1, expected a finite number >= 0"},
		{1, -2, 1, "budget search: cost of group 0, choice 1 is -2, expected a finite number >= 0"},
		{1, 0.5, 1, "budget search: cost of group 0, choice 1 is 0.5, expected a whole number"},
		{1, 0x1p54, 1, "budget search: costs add up to 1.80144e+16, more than 2^53"},
		{1e301, 1, 1, "budget search: scores add up to 1e+301, more than 1e300"},
		{1, 1, NAN, "budget search: the budget is nan, expected a number >= 0"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t choice[1];
		struct search_result result;
		struct search_group group = {2, (double[]){1, cases[i].score}, (double[]){1, cases[i].cost}};
		struct search_problem problem = {&group, 1, cases[i].budget, 0};
		CHECK(search_solve(&problem, choice, &result) == SEARCH_ERROR, "case %zu was accepted", i);
		CHECK_STRING(error_text(), cases[i].message);
	}
}

/* --- problems of the size of a model --- */

struct model {
	double *score, *cost;
	struct search_group *groups;
	size_t count, choices;
	double numel;
};

static void model_init(struct model *m, size_t count, size_t choices)
{
	*m = (struct model){.count = count, .choices = choices};
	m->score = mem_zeroed(count * choices, sizeof *m->score);
	m->cost = mem_zeroed(count * choices, sizeof *m->cost);
	m->groups = mem_zeroed(count, sizeof *m->groups);
	for (size_t g = 0; g < count; g++)
		m->groups[g] = (struct search_group){choices, m->score + g * choices, m->cost + g * choices};
}

static void model_release(struct model *m)
{
	free(m->score);
	free(m->cost);
	free(m->groups);
}

static const double numel_4b[] = {15728640, 10485760, 49807360, 24903680};
enum { LAYERS_4B = 36 };
static const double lm_head_4b = 388956160, vision_4b = 412614656, total_4b = 4434886656;

/* The groups of Qwen3-VL-4B with one format of the given bits, the vision tower as one group of the single choice NONE;
 * scores fall over seven decades, MLP above attention. */
static void model_4b(struct model *m, double bits)
{
	static const double level[] = {-4, -5, -1, -1.2};
	model_init(m, 2 + 4 * LAYERS_4B, 2);
	for (size_t g = 0; g < m->count; g++) {
		size_t kind = (g - 1) % 4;
		int head = g + 1 == m->count;
		double numel = g == 0 ? vision_4b : head ? lm_head_4b : numel_4b[kind];
		m->numel += numel;
		m->groups[g].choices = g == 0 ? 1 : 2;
		m->score[2 * g] = g == 0 ? 0 : pow(10, head ? -2 : level[kind] + 3 * random_unit() - 1.5);
		m->cost[2 * g] = numel * (g == 0 ? 16 : bits);
		m->cost[2 * g + 1] = numel * 16;
	}
}

static int falling(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x < y) - (x > y);
}

/* The other exact way, for one format and few sizes: of each size keep the k most sensitive groups, for every k. */
static double enumerate_4b(const struct model *m, double budget)
{
	double sorted[4][LAYERS_4B], kept[4][LAYERS_4B + 1], spare[4], best = INFINITY;
	double base = 0, all = 0, head = 2.0 * (double)(m->count - 1);
	size_t k[4];
	for (size_t kind = 0; kind < 4; kind++) {
		for (size_t layer = 0; layer < LAYERS_4B; layer++)
			sorted[kind][layer] = m->score[2 * (1 + 4 * layer + kind)];
		qsort(sorted[kind], LAYERS_4B, sizeof(double), falling);
		kept[kind][0] = 0;
		for (size_t layer = 0; layer < LAYERS_4B; layer++)
			kept[kind][layer + 1] = kept[kind][layer] + sorted[kind][layer];
		spare[kind] = m->cost[2 * (1 + kind) + 1] - m->cost[2 * (1 + kind)];
	}
	for (size_t g = 0; g < m->count; g++) {
		base += m->cost[2 * g];
		all += m->score[2 * g];
	}
	for (int keep_head = 0; keep_head < 2; keep_head++)
		for (k[0] = 0; k[0] <= LAYERS_4B; k[0]++)
			for (k[1] = 0; k[1] <= LAYERS_4B; k[1]++)
				for (k[2] = 0; k[2] <= LAYERS_4B; k[2]++) {
					double cost = base + keep_head * (m->cost[(size_t)head + 1] - m->cost[(size_t)head]);
					double score = all - keep_head * m->score[(size_t)head];
					for (size_t kind = 0; kind < 3; kind++) {
						cost += (double)k[kind] * spare[kind];
						score -= kept[kind][k[kind]];
					}
					if (cost > budget)
						continue;
					k[3] = (size_t)fmin(LAYERS_4B, floor((budget - cost) / spare[3]));
					best = fmin(best, score - kept[3][k[3]]);
				}
	return best;
}

static void test_4b(void)
{
	struct model m;
	struct search_result result;
	size_t choice[2 + 4 * LAYERS_4B];
	CHECK(search_adjusted_bits(total_4b, vision_4b, 8) == 8.74530701482171, "%.17g",
		search_adjusted_bits(total_4b, vision_4b, 8));
	for (uint64_t seed = 1; seed <= 3; seed++) {
		random_state = seed;
		model_4b(&m, 4);
		CHECK(m.numel == total_4b, "%.0f weights", m.numel);
		double budget = total_4b * search_adjusted_bits(total_4b, vision_4b, 8);
		struct search_problem problem = {m.groups, m.count, budget, 0};
		CHECK(search_solve(&problem, choice, &result) == SEARCH_OK && result.proven, "%s", error_text());
		CHECK(result.cost <= budget, "cost %.17g, budget %.17g", result.cost, budget);
		double expected = enumerate_4b(&m, budget), all = 0;
		CHECK_CLOSE(result.score, expected, 1e-11);
		for (size_t g = 0; g < m.count; g++)
			all += m.score[2 * g];
		CHECK(result.score < all / 2, "the search kept %.17g of %.17g", result.score, all);
		model_release(&m);
		/* 8 bits: everything fits into the adjusted target, and the result is what manifests show. */
		model_4b(&m, 8);
		problem.groups = m.groups;
		CHECK(search_solve(&problem, choice, &result) == SEARCH_OK && result.proven, "%s", error_text());
		for (size_t g = 0; g < m.count; g++)
			CHECK(choice[g] == 0, "group %zu is not quantized", g);
		CHECK_CLOSE(result.cost / total_4b, 8.7443, 1e-5);
		model_release(&m);
	}
}

static void test_adjusted(void)
{
	CHECK(search_adjusted_bits(100, 0, 8) == 8, "nothing disabled");
	CHECK(search_adjusted_bits(100, 100, 8) == 8, "everything disabled");
	CHECK(search_adjusted_bits(100, 50, 8) == 12.001, "%.17g", search_adjusted_bits(100, 50, 8));
	CHECK(search_adjusted_bits(100, 99.999, 16) == 16, "never above 16");
}

/* 1,000 groups of 16 formats: the answer must be proven, fit, and leave no room for any single improvement. */
static void fill_large(struct model *m, int kind)
{
	static const double bits[] = {3, 3.5, 4, 4.125, 4.25, 4.5, 5, 6, 6.25, 7, 8, 8.125, 9, 10, 12, 16};
	for (size_t g = 0; g < m->count; g++) {
		double numel = kind == 2 ? (double)(1000 + random_below(50000000)) * 8 : numel_4b[g % 4];
		double level = pow(10, 7 * random_unit() - 5);
		m->numel += numel;
		for (size_t i = 0; i < m->choices; i++) {
			double noise = kind == 1 ? 1 : 0.5 + random_unit();
			m->cost[g * m->choices + i] = numel * bits[i];
			m->score[g * m->choices + i] = i + 1 == m->choices ? 0 : level * noise * exp2(-2 * bits[i]);
		}
	}
}

static void test_large(void)
{
	enum { COUNT = 1000, FORMATS = 16 };
	for (int kind = 0; kind < 3; kind++) {
		struct model m;
		struct search_result result, again;
		size_t choice[COUNT], second[COUNT];
		random_state = 77 + (uint64_t)kind;
		model_init(&m, COUNT, FORMATS);
		fill_large(&m, kind);
		for (double bits = 4; bits < 10; bits += 2.7) {
			struct search_problem problem = {m.groups, COUNT, m.numel * bits, 0};
			CHECK(search_solve(&problem, choice, &result) == SEARCH_OK, "%s", error_text());
			CHECK(result.proven, "kind %d, %g bits: not proven", kind, bits);
			CHECK(result.cost <= problem.budget, "kind %d, %g bits: too dear", kind, bits);
			CHECK(search_solve(&problem, second, &again) == SEARCH_OK && !memcmp(choice, second, sizeof choice),
				"kind %d, %g bits: another answer the second time", kind, bits);
			for (size_t g = 0; g < COUNT; g++)
				for (size_t i = 0; i < FORMATS; i++)
					CHECK(m.groups[g].score[i] >= m.groups[g].score[choice[g]] ||
						result.cost - m.groups[g].cost[choice[g]] + m.groups[g].cost[i] > problem.budget,
						"kind %d, %g bits: group %zu is better off with %zu than with %zu", kind, bits, g, i,
						choice[g]);
		}
		model_release(&m);
	}
}

/* With too little memory the answer still fits, and says that it is not proven. */
static void test_unproven(void)
{
	struct problem p;
	size_t choice[GROUPS];
	struct search_result result;
	int unproven = 0;
	for (int seed = 0; seed < 200; seed++) {
		random_state = (uint64_t)seed;
		problem_random(&p, 100, 100);
		p.problem.states_max = 2;
		enum search_status status = search_solve(&p.problem, choice, &result);
		if (status != SEARCH_OK)
			continue;
		CHECK(result.cost <= p.problem.budget, "seed %d: cost %g, budget %g", seed, result.cost, p.problem.budget);
		unproven += !result.proven;
	}
	CHECK(unproven > 5, "only %d", unproven);
}

int main(void)
{
	TEST(test_whole_numbers);
	TEST(test_equal_gains);
	TEST(test_decades);
	TEST(test_exact_sums);
	TEST(test_ties);
	TEST(test_corners);
	TEST(test_infeasible);
	TEST(test_bad_numbers);
	TEST(test_4b);
	TEST(test_adjusted);
	TEST(test_large);
	TEST(test_unproven);
	return check_done();
}
