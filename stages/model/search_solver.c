#include "model/search_solver.h"

#include <math.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/memory.h"

enum { MANTISSA_BITS = 53, STATES_MAX_DEFAULT = 1 << 22, STATES_MAX_EVER = 1 << 30 };

static int check_number(double value, const char *what, size_t group, size_t choice)
{
	if (!(isfinite(value) && value >= 0))
		return fail("budget search: %s of group %zu, choice %zu is %g, expected a finite number >= 0", what, group,
			choice, value);
	return 0;
}

int solver_check(const struct search_problem *p)
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

void solver_init(struct solver *s, const struct search_problem *p)
{
	double largest = 0;
	*s = (struct solver){.problem = p, .count = p->count};
	for (size_t g = 0; g < p->count; g++)
		for (size_t i = 0; i < p->groups[g].choices; i++)
			largest = fmax(largest, p->groups[g].score[i]);
	frexp(largest, &s->exponent);
	s->budget = p->budget < 0x1p60 ? (uint64_t)p->budget : UINT64_C(1) << 60;
	s->list_max = SIZE_MAX;
	s->made_max = p->states_max ? p->states_max : STATES_MAX_DEFAULT;
	if (s->made_max > STATES_MAX_EVER)
		s->made_max = STATES_MAX_EVER; /* their indices have 32 bits */
	s->items = mem_zeroed(p->count, sizeof *s->items);
	s->best = mem_zeroed(p->count, sizeof *s->best);
	s->trails = mem_zeroed(p->count, sizeof *s->trails);
	for (size_t g = 0; g < p->count; g++)
		make_item(&s->items[g], &p->groups[g], s->exponent);
}

void solver_release(struct solver *s)
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

double solver_score(const struct solver *s, size_t item, size_t option)
{
	return s->problem->groups[item].score[s->items[item].options[option].choice];
}

void solver_answer(const struct solver *s, size_t *choice, struct search_result *result)
{
	result->score = result->cost = 0;
	for (size_t g = 0; g < s->count; g++) {
		const struct option *option = &s->items[g].options[s->best[g]];
		if (choice)
			choice[g] = option->choice;
		result->score += s->problem->groups[g].score[option->choice];
		result->cost += (double)option->cost;
	}
}
