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
 *    that are proportional to costs, as measured ones never are, run into states_max.
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
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"

/* A score as a whole number of units of 2^-FIXED_BITS of (a power of two above) the largest: sums are exact. */
__extension__ typedef unsigned __int128 fixed;

enum { FIXED_BITS = 110, MANTISSA_BITS = 53 };

static_assert(FIXED_BITS + 17 <= 128 && SEARCH_GROUPS_MAX <= 1 << 17, "sums of scores fit into 128 bits");

enum { STATES_MAX_DEFAULT = 1 << 23, STATES_MAX_EVER = 1 << 30, LIMIT_START = 4096, LIMIT_GROWTH = 4 };

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

/* A step down the convex hull of an item. */
struct step {
	size_t item, from, to;   /* option indices */
	double gain;             /* score saved a unit of cost */
	uint64_t cost;
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
	size_t made, made_max;   /* states a pass has looked at, kept or not */
};

/* --- input --- */

static int check_number(double value, const char *what, size_t group, size_t choice)
{
	if (!(isfinite(value) && value >= 0))
		return fail("budget search: %s of group %zu, choice %zu is %g, expected a finite number >= 0", what, group, choice,
			value);
	return 0;
}

static int check_problem(const struct search_problem *p)
{
	double most = 0, worst = 0;
	if (p->count > SEARCH_GROUPS_MAX)
		return fail("budget search: %zu groups, at most %d are supported", p->count, SEARCH_GROUPS_MAX);
	if (!(p->budget >= 0))
		return fail("budget search: the budget is %g, expected a number >= 0", p->budget);
	for (size_t g = 0; g < p->count; g++) {
		const struct search_group *group = &p->groups[g];
		double dearest = 0, highest = 0;
		if (group->choices < 1 || group->choices > SEARCH_CHOICES_MAX)
			return fail("budget search: group %zu has %zu choices, expected 1 to %d", g, group->choices,
				SEARCH_CHOICES_MAX);
		for (size_t i = 0; i < group->choices; i++) {
			if (check_number(group->score[i], "score", g, i) || check_number(group->cost[i], "cost", g, i))
				return -1;
			if (floor(group->cost[i]) != group->cost[i])
				return fail("budget search: cost of group %zu, choice %zu is %.17g, expected a whole number", g, i,
					group->cost[i]);
			dearest = fmax(dearest, group->cost[i]);
			highest = fmax(highest, group->score[i]);
		}
		most += dearest;
		worst += highest;
	}
	if (most > 0x1p53)
		return fail("budget search: costs add up to %g, more than 2^53", most);
	if (worst > 1e300)
		return fail("budget search: scores add up to %g, more than 1e300", worst);
	return 0;
}

/* score / 2^(exponent - FIXED_BITS), exactly while score has bits above that unit, else rounded to it. */
static fixed to_fixed(double score, int exponent)
{
	int e;
	double mantissa = frexp(score, &e);
	uint64_t bits = (uint64_t)ldexp(mantissa, MANTISSA_BITS);
	int shift = e - MANTISSA_BITS - (exponent - FIXED_BITS);
	if (shift >= 0)
		return (fixed)bits << shift;
	if (shift < -MANTISSA_BITS)
		return 0;
	return (bits + (UINT64_C(1) << (-shift - 1))) >> -shift;
}

static int by_cost(const void *a, const void *b)
{
	const struct option *x = a, *y = b;
	if (x->cost != y->cost)
		return x->cost < y->cost ? -1 : 1;
	if (x->score != y->score)
		return x->score < y->score ? -1 : 1;
	return x->choice < y->choice ? -1 : 1;
}

static void make_item(struct item *item, const struct search_group *group, int exponent)
{
	struct option *options = mem_zeroed(group->choices, sizeof *options);
	size_t kept = 0;
	for (size_t i = 0; i < group->choices; i++) {
		options[i].choice = i;
		options[i].cost = (uint64_t)group->cost[i];
		options[i].score = to_fixed(group->score[i], exponent);
	}
	qsort(options, group->choices, sizeof *options, by_cost);
	for (size_t i = 0; i < group->choices; i++)
		if (!kept || options[i].score < options[kept - 1].score)
			options[kept++] = options[i];
	item->options = options;
	item->count = kept;
	item->order = mem_array(kept, sizeof *item->order);
}

static void solver_init(struct solver *s, const struct search_problem *p)
{
	double largest = 0;
	*s = (struct solver){.problem = p, .count = p->count};
	for (size_t g = 0; g < p->count; g++)
		for (size_t i = 0; i < p->groups[g].choices; i++)
			largest = fmax(largest, p->groups[g].score[i]);
	frexp(largest, &s->exponent);
	s->budget = p->budget < 0x1p60 ? (uint64_t)p->budget : UINT64_C(1) << 60;
	s->made_max = p->states_max ? p->states_max : STATES_MAX_DEFAULT;
	if (s->made_max > STATES_MAX_EVER)
		s->made_max = STATES_MAX_EVER; /* their indices have 32 bits */
	s->items = mem_zeroed(p->count, sizeof *s->items);
	s->best = mem_zeroed(p->count, sizeof *s->best);
	s->trails = mem_zeroed(p->count, sizeof *s->trails);
	for (size_t g = 0; g < p->count; g++)
		make_item(&s->items[g], &p->groups[g], s->exponent);
}

static void solver_release(struct solver *s)
{
	for (size_t g = 0; g < s->count; g++) {
		free(s->items[g].options);
		free(s->items[g].order);
	}
	free(s->items);
	free(s->best);
	free(s->trails);
	free(s->states);
	free(s->next);
}

/* --- the relaxation --- */

static double option_score(const struct solver *s, size_t item, size_t option)
{
	return s->problem->groups[item].score[s->items[item].options[option].choice];
}

static double gain_between(const struct solver *s, size_t item, size_t from, size_t to)
{
	const struct option *o = s->items[item].options;
	return (option_score(s, item, from) - option_score(s, item, to)) / (double)(o[to].cost - o[from].cost);
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
	return option_score(s, item, option) + s->lambda * (double)s->items[item].options[option].cost;
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

/* --- dynamic programming within a limit --- */

static void open_options(struct solver *s, double limit)
{
	uint64_t least = 0, most = 0;
	for (size_t g = 0; g < s->count; g++) {
		struct item *it = &s->items[g];
		it->open = 0;
		for (size_t i = 0; i < it->count; i++)
			if (it->options[i].loss <= limit)
				it->order[it->open++] = i;
		assert(it->open);
		least += it->options[it->order[0]].cost;
		most += it->options[it->order[it->open - 1]].cost;
		it->least = least;
		it->most = most;
	}
}

/* Whether a choice for the items from item on can still become a solution within the limit. */
static int worth_keeping(const struct solver *s, size_t item, const struct state *state, double limit)
{
	uint64_t least = item ? s->items[item - 1].least : 0, most = item ? s->items[item - 1].most : 0;
	if (state->cost + least > s->budget)
		return 0;
	double idle = state->cost + most < s->budget ? (double)(s->budget - state->cost - most) : 0;
	return state->loss + s->lambda * idle <= limit;
}

static struct state state_add(const struct state *state, const struct option *option, size_t before, size_t index)
{
	return (struct state){state->cost + option->cost, state->score + option->score, state->loss + option->loss,
		(uint32_t)before, (uint32_t)index};
}

static int state_before(const struct state *a, const struct state *b)
{
	return a->cost < b->cost || (a->cost == b->cost && a->score < b->score);
}

/* An item with one open option moves all states alike. */
static void shift_states(struct solver *s, size_t item)
{
	const struct option *option = &s->items[item].options[s->items[item].order[0]];
	for (size_t i = 0; i < s->state_count; i++) {
		s->states[i].cost += option->cost;
		s->states[i].score += option->score;
		s->states[i].loss += option->loss;
	}
}

/* The smallest of the heads of the lists states + option. Of equals that of the smallest choice. */
static int next_candidate(const struct solver *s, const struct item *it, const size_t *head, struct state *best,
	size_t *which)
{
	int found = 0;
	for (size_t k = 0; k < it->open; k++) {
		if (head[k] == s->state_count)
			continue;
		const struct option *option = &it->options[it->order[k]];
		struct state candidate = state_add(&s->states[head[k]], option, head[k], it->order[k]);
		int first = !found || state_before(&candidate, best);
		if (!first && !state_before(best, &candidate))
			first = option->choice < it->options[it->order[*which]].choice;
		if (first) {
			*best = candidate;
			*which = k;
			found = 1;
		}
	}
	return found;
}

/* Merges the lists states + option for each open option into the undominated ones. -1 when there are too many. */
static int merge_states(struct solver *s, size_t item, double limit)
{
	const struct item *it = &s->items[item];
	size_t head[SEARCH_CHOICES_MAX] = {0}, which = 0;
	struct state candidate;
	s->next_count = 0;
	while (next_candidate(s, it, head, &candidate, &which)) {
		head[which]++;
		if (s->made++ == s->made_max)
			return -1;
		if (s->next_count && candidate.score >= s->next[s->next_count - 1].score)
			continue;
		if (!worth_keeping(s, item, &candidate, limit))
			continue;
		MEM_GROW(s->next, s->next_count, s->next_capacity);
		s->next[s->next_count++] = candidate;
	}
	struct trail *trail = s->trails[item] = mem_array(s->next_count, sizeof *trail);
	for (size_t i = 0; i < s->next_count; i++)
		trail[i] = (struct trail){s->next[i].before, s->next[i].option};
	struct state *states = s->states;
	size_t capacity = s->state_capacity;
	s->states = s->next, s->state_count = s->next_count, s->state_capacity = s->next_capacity;
	s->next = states, s->next_capacity = capacity;
	return 0;
}

/* The last state has the least score. Follows it from the first item to the last. */
static void follow(struct solver *s)
{
	size_t at = s->state_count - 1;
	for (size_t g = 0; g < s->count; g++) {
		if (!s->trails[g]) {
			s->best[g] = s->items[g].order[0];
			continue;
		}
		s->best[g] = s->trails[g][at].option;
		at = s->trails[g][at].before;
	}
}

/* Finds the best solution of an excess up to limit, if there is one, and makes it the best known: 1 when found, 0 when
 * there is none, -1 when there were too many states. */
static int pass(struct solver *s, double limit)
{
	int bad = 0;
	open_options(s, limit);
	MEM_GROW(s->states, (size_t)0, s->state_capacity);
	s->states[0] = (struct state){0};
	s->state_count = 1;
	s->made = 0;
	for (size_t g = s->count; g-- > 0 && s->state_count && !bad;) {
		if (s->items[g].open == 1)
			shift_states(s, g);
		else
			bad = merge_states(s, g, limit);
	}
	/* Items of one option came without a check: what is too dear after the last of them is out. */
	while (s->state_count && s->states[s->state_count - 1].cost > s->budget)
		s->state_count--;
	int found = !bad && s->state_count;
	if (found)
		follow(s);
	for (size_t g = 0; g < s->count; g++) {
		free(s->trails[g]);
		s->trails[g] = NULL;
	}
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

/* --- answer --- */

static void answer(const struct solver *s, size_t *choice, struct search_result *result)
{
	result->score = result->cost = 0;
	for (size_t g = 0; g < s->count; g++) {
		const struct option *option = &s->items[g].options[s->best[g]];
		choice[g] = option->choice;
		result->score += s->problem->groups[g].score[option->choice];
		result->cost += (double)option->cost;
	}
}

enum search_status search_solve(const struct search_problem *problem, size_t *choice, struct search_result *result)
{
	struct solver s;
	uint64_t least = 0, most = 0;
	enum search_status status = SEARCH_OK;
	*result = (struct search_result){.proven = 1};
	if (check_problem(problem))
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
	answer(&s, choice, result);
	solver_release(&s);
	return status;
}

double search_adjusted_bits(double total, double disabled, double bits)
{
	if (!(disabled > 0 && disabled < total))
		return bits;
	return fmin(16, (16 * disabled + bits * (total - disabled)) / total + 0.001);
}
