/* What the parts of the budget search share. Private to search.c, search_solver.c, search_pass.c and search_frontier.c.
 *
 * search_solver.c turns a problem into items, search_pass.c finds what is possible within a limit by dynamic
 * programming; search.c drives it to the optimum of a budget, search_frontier.c to all optima at once.
 */
#ifndef QG_MODEL_SEARCH_SOLVER_H
#define QG_MODEL_SEARCH_SOLVER_H

#include <assert.h>
#include <stdint.h>

#include "model/search.h"

/* A score as a whole number of units of 2^-FIXED_BITS of (a power of two above) the largest: sums are exact. */
__extension__ typedef unsigned __int128 fixed;

enum { FIXED_BITS = 110 };

static_assert(FIXED_BITS + 17 <= 128 && SEARCH_GROUPS_MAX <= 1 << 17, "sums of scores fit into 128 bits");

/* A choice that no other of its group beats. */
struct option {
	size_t choice;
	uint64_t cost;
	fixed score;
	double loss;
};

/* A group's options, by cost; their scores fall strictly. */
struct item {
	struct option *options;
	size_t count;
	size_t open;             /* options within the limit, the first ones of order[] */
	size_t *order;           /* [count] these, by cost */
	uint64_t least, most;    /* cost of open options of this item and all before it, added up */
};

/* A choice for the items from some index on. */
struct state {
	uint64_t cost;
	fixed score;
	double loss;
	uint32_t before;         /* index into the states of the item after */
	uint32_t option;
};

struct trail {
	uint32_t before, option;
};

struct solver {
	const struct search_problem *problem;
	struct item *items;      /* [count] */
	size_t count;
	int exponent;            /* every score < 2^exponent */
	uint64_t budget;
	double lambda;
	double magnitude;        /* of the numbers that losses are differences of */
	size_t *best;            /* [count] option of each item: the best solution known */
	double best_excess;
	struct trail **trails;   /* [count] of a pass; NULL for items with one open option */
	struct state *states, *next;
	size_t state_count, next_count, state_capacity, next_capacity;
	size_t list_max;         /* states kept at a time */
	size_t made, made_max;   /* states a pass has looked at, kept or not */
};

/* -1 after fail() when a number of the problem is not what search.h says. */
int solver_check(const struct search_problem *problem);

/* The problem is borrowed and checked. Every item starts at its cheapest option, with price and losses 0. */
void solver_init(struct solver *s, const struct search_problem *problem);
void solver_release(struct solver *s);

double solver_score(const struct solver *s, size_t item, size_t option);

/* Choices, score and cost of s->best. choice may be NULL. */
void solver_answer(const struct solver *s, size_t *choice, struct search_result *result);

/* Makes states those of all items: the undominated (cost, score), cheapest first, of an excess up to limit (INFINITY:
 * all) and within the budget. -1 when there were too many. solver_pass_end() follows in any case. */
int solver_pass(struct solver *s, double limit);

/* Makes the choice behind a state the best known. */
void solver_follow(struct solver *s, size_t state);
void solver_pass_end(struct solver *s);

#endif
