/* Speed of the budget search:  search [GROUPS FORMATS]
 *
 * For problems of several kinds (default 1,000 groups of 16 formats) and budgets from tight to wide: the longest and
 * the median processor time of a search, how many results are proven to be the best, and the time of the whole
 * trade-off. A search should stay below a second whatever it is given.
 *
 *     measured       few sizes of groups, scores over seven decades that fall with the bits: as models have them
 *     no noise       the same with scores that fall alike in all groups of a size
 *     any sizes      every group of a size of its own
 *     correlated     scores fall as costs rise, in straight lines, but for a percent of noise
 *     proportional   exactly in straight lines of equal slope: every choice that spends the budget is as good
 *     subset sum     the same with odd sizes, so that hardly any choice spends it
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/error.h"
#include "common/memory.h"
#include "model/search.h"

enum kind { MEASURED, NO_NOISE, ANY_SIZES, CORRELATED, PROPORTIONAL, SUBSET_SUM, KINDS };

static const char *const names[KINDS] = {"measured", "no noise", "any sizes", "correlated", "proportional",
	"subset sum"};

enum { FORMATS_MAX = 16, BUDGETS = 21 };

static const double bits[FORMATS_MAX] = {3, 3.5, 4, 4.125, 4.25, 4.5, 5, 6, 6.25, 7, 8, 8.125, 9, 10, 12, 16};
static const double sizes[] = {15728640, 10485760, 49807360, 24903680};

/* A fixed sequence (SplitMix64): the same problems on every machine. */
static uint64_t random_state = 20;

static uint64_t random_next(void)
{
	uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static double random_unit(void)
{
	return (double)(random_next() >> 11) * 0x1p-53;
}

/* Processor time of the one thread: a busy machine does not count. */
static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

struct problem {
	struct search_group *groups;
	double *score, *cost;
	double numel;
};

static double group_size(enum kind kind, size_t group)
{
	if (kind == ANY_SIZES || kind == SUBSET_SUM)
		return 8 * (double)(1000 + random_next() % 5000000);
	return sizes[group % 4];
}

static double choice_score(enum kind kind, double level, double numel, double b)
{
	switch (kind) {
	case NO_NOISE:
		return level * exp2(-2 * b);
	case CORRELATED:
		return numel * (16 - b) * (0.99 + 0.02 * random_unit());
	case PROPORTIONAL:
	case SUBSET_SUM:
		return numel * (16 - b);
	default:
		return level * (0.5 + random_unit()) * exp2(-2 * b);
	}
}

/* Formats are spread over all bits, the last of them 16 with score 0. */
static void problem_fill(struct problem *p, size_t groups, size_t formats, enum kind kind)
{
	p->numel = 0;
	for (size_t g = 0; g < groups; g++) {
		double numel = group_size(kind, g), level = pow(10, 7 * random_unit() - 5);
		p->numel += numel;
		for (size_t i = 0; i < formats; i++) {
			double b = bits[FORMATS_MAX - formats + i];
			p->cost[g * formats + i] = numel * b;
			p->score[g * formats + i] = i + 1 == formats ? 0 : choice_score(kind, level, numel, b);
		}
		p->groups[g] = (struct search_group){formats, p->score + g * formats, p->cost + g * formats};
	}
}

static int measure(const struct problem *p, size_t groups, size_t formats, const char *name)
{
	double spent[BUDGETS], low = bits[FORMATS_MAX - formats];
	size_t *choice = mem_array(groups, sizeof *choice), proven = 0;
	struct search_frontier frontier;
	struct search_problem problem = {.groups = p->groups, .count = groups};
	for (size_t i = 0; i < BUDGETS; i++) {
		struct search_result result;
		double begin = seconds();
		problem.budget = p->numel * (low + (16 - low) * ((double)i + 0.37) / BUDGETS);
		if (search_solve(&problem, choice, &result) != SEARCH_OK)
			return -1;
		spent[i] = seconds() - begin;
		proven += result.proven != 0;
	}
	free(choice);
	double begin = seconds();
	if (search_frontier(&problem, 0, &frontier))
		return -1;
	double all = seconds() - begin;
	qsort(spent, BUDGETS, sizeof *spent, by_value);
	printf("search %zu x %zu, %s: %.3f s longest, %.4f s median, %zu of %d proven; trade-off %.3f s, %zu %s\n", groups,
		formats, name, spent[BUDGETS - 1], spent[BUDGETS / 2], proven, BUDGETS, all, frontier.count,
		frontier.complete ? "points" : "corners");
	search_frontier_release(&frontier);
	return 0;
}

int main(int argc, char **argv)
{
	program_name_set(argv[0]);
	long groups = argc == 3 ? atol(argv[1]) : 1000, formats = argc == 3 ? atol(argv[2]) : FORMATS_MAX;
	if ((argc != 1 && argc != 3) || groups < 1 || groups > SEARCH_GROUPS_MAX || formats < 2 || formats > FORMATS_MAX) {
		fprintf(stderr, "usage: %s [GROUPS FORMATS]   (1 to %d, 2 to %d)\n", program_name(), SEARCH_GROUPS_MAX,
			FORMATS_MAX);
		return 2;
	}
	size_t numbers = (size_t)groups * (size_t)formats;
	struct problem p = {.groups = mem_array((size_t)groups, sizeof *p.groups),
		.score = mem_array(numbers, sizeof *p.score), .cost = mem_array(numbers, sizeof *p.cost)};
	int bad = 0;
	for (enum kind kind = MEASURED; kind < KINDS && !bad; kind++) {
		problem_fill(&p, (size_t)groups, (size_t)formats, kind);
		bad = measure(&p, (size_t)groups, (size_t)formats, names[kind]);
	}
	free(p.groups);
	free(p.score);
	free(p.cost);
	return bad ? error_report(1) : 0;
}
