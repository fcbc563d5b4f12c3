/* The budget problem: which format each group gets so that the total score is smallest and the model fits.
 *
 *     minimise  sum of score[g][choice[g]]   subject to   sum of cost[g][choice[g]] <= budget
 *
 * one choice a group: a multiple-choice knapsack, solved exactly (search.c says how), for one budget or for all at
 * once. The answer depends on the numbers alone: among solutions of equal total score the one of smallest cost, among
 * those the one whose choices come first, compared group by group in order. With the most compressed choice first and
 * NONE last, as manifests list them, earlier groups are quantized rather than later ones.
 *
 * Costs are whole numbers, so that sums are exact: stored bits, weights times bits a weight. Scores are compared as
 * exact sums too, not as rounded ones (those smaller than 2^-57 of the largest are rounded to 2^-110 of it).
 */
#ifndef QG_MODEL_SEARCH_H
#define QG_MODEL_SEARCH_H

#include <stddef.h>

enum { SEARCH_GROUPS_MAX = 1 << 16, SEARCH_CHOICES_MAX = 1 << 10 };

struct search_group {
	size_t choices;         /* at least 1 */
	const double *score;    /* [choices] >= 0; the largest of all groups add up to at most 1e300 */
	const double *cost;     /* [choices] whole numbers >= 0; the largest of all groups add up to at most 2^53 */
};

struct search_problem {
	const struct search_group *groups;
	size_t count;
	double budget;          /* in the unit of cost; need not be whole */
	size_t states_max;      /* bounds time and memory, 8 to 64 bytes each; 0 for the default */
};

struct search_result {
	double score, cost;     /* of the choice; scores added up in group order */
	double least_cost;      /* of the cheapest choices: the smallest budget that can be met */
	int proven;             /* 0: states_max was reached, and the choice is good but perhaps not the best */
};

enum search_status {
	SEARCH_OK = 0,
	SEARCH_INFEASIBLE = 1,  /* nothing fits, error_text() names the smallest possible budget; choice and result are
	                         * those of smallest cost (then score, then order) */
	SEARCH_ERROR = -1,      /* a score or cost is not what it must be */
};

/* Fills choice[count]. */
enum search_status search_solve(const struct search_problem *problem, size_t *choice, struct search_result *result);

/* A total that no other choice beats in both numbers. */
struct search_point {
	double cost, score;     /* those of search_solve() with a budget of this cost, bit by bit */
	int hull;               /* a corner of the lower convex hull: best at some price of a unit of cost */
};

enum { SEARCH_POINTS_MAX = 20000 };

struct search_frontier {
	struct search_point *points; /* [count] cheapest first; scores fall, as exact sums */
	size_t count;
	int complete;           /* 0: there are more, and points are the corners of the hull alone */
};

/* The whole trade-off; the budget is not read. Corners alone are given when there are more than points_max points (0:
 * SEARCH_POINTS_MAX), be it of the last few groups by themselves, or states_max was reached; a problem has at most one
 * corner for each choice. -1 after fail(); then nothing is held. */
int search_frontier(const struct search_problem *problem, size_t points_max, struct search_frontier *frontier);
void search_frontier_release(struct search_frontier *frontier);

/* Effective bits that stand for bits when weights [disabled of total] stay at 16: what the peer
 * hands to its solver, rounded up by its 0.001. bits itself when nothing or everything is disabled. */
double search_adjusted_bits(double total, double disabled, double bits);

#endif
