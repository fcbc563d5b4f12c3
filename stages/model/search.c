/* How the budget problem is solved.
 *
 * 1. A choice that another of its group beats in score and cost is dropped.
 * 2. The linear relaxation gives a price lambda of one unit of cost: walk down the convex hulls of the groups,
 *    steepest gain first, until the budget is spent. With that price, a solution's score is
 *
 *        constant + sum of the losses of its choices + lambda * (what is left of the budget)
 *
 *    where a choice's loss is how much more score + lambda * cost it has than the best of its group. All terms are
 *    >= 0: their sum is the solution's excess over a bound that nothing can beat.
 * 3. Dynamic programming over the groups, last to first, keeps the undominated (cost, score) pairs, and only those
 *    whose excess is at most some limit. What it finds within the limit is the optimum. The limit starts small and
 *    grows: most groups then have one choice left and cost nothing, and the work depends on how far the optimum is from
 *    the bound, not on how good a first guess was. A thousand groups of sixteen formats take milliseconds; only scores
 *    that are proportional to costs within a percent, as measured ones never are, run into states_max, in less than a
 *    second (tests/bench/search.c).
 *
 * Going last to first makes the tie rule free: of equal pairs the one with the smallest choice of the present (earlier,
 * hence more significant) group stays, and the rest of it is the best of its kind by induction. Dropping dominated
 * pairs is safe for it, since a dominated pair is never part of a solution of least score and then least cost.
 *
 * Enumerating how many groups of each size are kept, which is enough for one format, was not taken: it has no answer
 * for several formats. An integer programming library stops within a tolerance, and leaves ties to chance.
 */
#include "model/search.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/memory.h"
#include "model/search_solver.h"

enum { LIMIT_START = 4096, LIMIT_GROWTH = 4 };

/* A step down the convex hull of an item. */
struct step {
	size_t item, from, to;   /* option indices */
	double gain;             /* score saved a unit of cost */
	uint64_t cost;
};

/* --- the relaxation --- */

static double gain_between(const struct solver *s, size_t item, size_t from, size_t to)
{
	const struct option *o = s->items[item].options;
	return (solver_score(s, item, from) - solver_score(s, item, to)) / (double)(o[to].cost - o[from].cost);
}

/* Appends the steps of one item: from its cheapest option on, always to that of steepest gain, the last of equals. */
static size_t item_steps(const struct solver *s, size_t item, struct step *steps)
{
	const struct item *it = &s->items[item];
	size_t made = 0;
	for (size_t from = 0, to; from + 1 < it->count; from = to) {
		double gain = 0;
		to = from + 1;
		for (size_t next = from + 1; next < it->count; next++) {
			double g = gain_between(s, item, from, next);
			if (g >= gain) {
				gain = g;
				to = next;
			}
		}
		steps[made++] = (struct step){item, from, to, gain, it->options[to].cost - it->options[from].cost};
	}
	return made;
}

static int by_gain(const void *a, const void *b)
{
	const struct step *x = a, *y = b;
	if (x->gain != y->gain)
		return x->gain > y->gain ? -1 : 1;
	if (x->item != y->item)
		return x->item < y->item ? -1 : 1;
	return x->from < y->from ? -1 : 1;
}

/* Spends the budget on the steepest steps. lambda is the gain of the first that does not fit; later ones that do are
 * taken too, which gives a first solution. */
static void relax(struct solver *s, uint64_t least)
{
	size_t count = 0, room_for = 0;
	uint64_t room = s->budget - least;
	for (size_t g = 0; g < s->count; g++)
		room_for += s->items[g].count - 1;
	struct step *steps = mem_array(room_for, sizeof *steps);
	for (size_t g = 0; g < s->count; g++)
		count += item_steps(s, g, steps + count);
	qsort(steps, count, sizeof *steps, by_gain);
	s->lambda = 0;
	for (size_t i = 0; i < count; i++) {
		const struct step *step = &steps[i];
		if (s->best[step->item] != step->from || step->cost > room) {
			if (s->lambda == 0)
				s->lambda = step->gain;
			continue;
		}
		s->best[step->item] = step->to;
		room -= step->cost;
	}
	free(steps);
}

static double priced(const struct solver *s, size_t item, size_t option)
{
	return solver_score(s, item, option) + s->lambda * (double)s->items[item].options[option].cost;
}

static void set_losses(struct solver *s)
{
	s->magnitude = s->lambda * (double)s->budget;
	for (size_t g = 0; g < s->count; g++) {
		struct item *it = &s->items[g];
		double least = priced(s, g, 0);
		for (size_t i = 1; i < it->count; i++)
			least = fmin(least, priced(s, g, i));
		for (size_t i = 0; i < it->count; i++)
			it->options[i].loss = priced(s, g, i) - least;
		s->magnitude += least;
	}
}

/* Bounds what rounding can do to an excess of at most limit: every loss is the difference of two numbers that are at
 * most limit above what magnitude has for its group. */
static double rounding(const struct solver *s, double limit)
{
	return 4 * DBL_EPSILON * (double)(s->count + 8) * (s->magnitude + limit);
}

static double excess_of_best(const struct solver *s)
{
	double loss = 0;
	uint64_t cost = 0;
	for (size_t g = 0; g < s->count; g++) {
		loss += s->items[g].options[s->best[g]].loss;
		cost += s->items[g].options[s->best[g]].cost;
	}
	return loss + s->lambda * (double)(s->budget - cost);
}

/* --- up to a limit, and further --- */

/* Finds the best solution of an excess up to limit, if there is one, and makes it the best known: 1 when found, 0 when
 * there is none, -1 when there were too many states. */
static int pass(struct solver *s, double limit)
{
	int bad = solver_pass(s, limit), found = !bad && s->state_count;
	if (found)
		solver_follow(s, s->state_count - 1); /* the last has the least score */
	solver_pass_end(s);
	return bad ? -1 : found;
}

/* Whether the best solution known is proven to be the best. */
static int solve(struct solver *s, uint64_t least)
{
	relax(s, least);
	set_losses(s);
	s->best_excess = excess_of_best(s);
	for (double limit = s->best_excess / LIMIT_START;; limit *= LIMIT_GROWTH) {
		if (!(limit < s->best_excess))
			limit = s->best_excess;
		double slack = rounding(s, limit);
		int found = pass(s, limit + 2 * slack);
		if (found < 0)
			return 0;
		assert(found || limit < s->best_excess);
		if (!found)
			continue;
		s->best_excess = excess_of_best(s);
		if (s->best_excess <= limit + slack)
			return 1;
	}
}

enum search_status search_solve(const struct search_problem *problem, size_t *choice, struct search_result *result)
{
	struct solver s;
	uint64_t least = 0, most = 0;
	enum search_status status = SEARCH_OK;
	*result = (struct search_result){.proven = 1};
	if (solver_check(problem))
		return SEARCH_ERROR;
	solver_init(&s, problem);
	for (size_t g = 0; g < s.count; g++) {
		least += s.items[g].options[0].cost;
		most += s.items[g].options[s.items[g].count - 1].cost;
	}
	result->least_cost = (double)least;
	if (least > s.budget) {
		fail("no choice of formats fits into a budget of %.15g: the smallest possible is %.15g", problem->budget,
			(double)least);
		status = SEARCH_INFEASIBLE;
	} else if (most <= s.budget) {
		for (size_t g = 0; g < s.count; g++)
			s.best[g] = s.items[g].count - 1;
	} else {
		result->proven = solve(&s, least);
	}
	solver_answer(&s, choice, result);
	solver_release(&s);
	return status;
}

double search_adjusted_bits(double total, double disabled, double bits)
{
	if (!(disabled > 0 && disabled < total))
		return bits;
	return fmin(16, (16 * disabled + bits * (total - disabled)) / total + 0.001);
}
