#include "model/search_space.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "model/module_pattern.h"

/* Share of all bits by which rounding may have put the budget below what was meant: a few products of doubles. */
static const double budget_slack = 0x1p-48;

/* --- groups --- */

static int is_searched(const struct search_options *o, const struct linear_info *members, size_t count)
{
	int searched = o->include_count == 0;
	for (size_t i = 0; i < count; i++) {
		if (module_patterns_match(o->exclude, o->exclude_count, members[i].name))
			return 0;
		if (module_patterns_match(o->include, o->include_count, members[i].name))
			searched = 1;
	}
	return searched;
}

/* Scales are whole bits of a row, column or block; rint() takes away what the division by their number left. */
static double stored_cost(const struct linear_info *members, size_t count, struct quantizer weight)
{
	double bits = 0;
	for (size_t i = 0; i < count; i++)
		bits += rint((double)members[i].out * (double)members[i].in *
			quantizer_cost_bits(weight, members[i].out, members[i].in));
	return bits;
}

static void make_group(struct search_space *s, struct search_space_group *group, const struct linear_info *linears)
{
	const struct linear_info *members = linears + group->first;
	for (size_t i = 0; i < group->count; i++)
		group->numel += (double)members[i].out * (double)members[i].in;
	group->searched = is_searched(&s->options, members, group->count);
	group->search_cost = mem_array(s->format_count, sizeof *group->search_cost);
	group->stored_cost = mem_array(s->format_count, sizeof *group->stored_cost);
	for (size_t f = 0; f < s->format_count; f++) {
		group->search_cost[f] = group->numel * quantizer_search_bits(s->formats[f]);
		group->stored_cost[f] = stored_cost(members, group->count, s->formats[f].weight);
	}
	s->numel += group->numel;
	if (!group->searched)
		s->idle_numel += group->numel;
}

/* Linears of a group stand together, in the order of the groups. */
static void make_groups(struct search_space *s, const struct linear_info *linears, size_t linear_count)
{
	s->count = linears[linear_count - 1].group + 1;
	s->groups = mem_zeroed(s->count, sizeof *s->groups);
	for (size_t i = 0; i < linear_count; i++) {
		struct search_space_group *group = &s->groups[linears[i].group];
		if (!group->count++)
			group->first = i;
		assert(group->first + group->count == i + 1);
	}
	for (size_t g = 0; g < s->count; g++)
		make_group(s, &s->groups[g], linears);
}

const double *search_space_cost(const struct search_space *s, size_t group)
{
	return s->options.stored ? s->groups[group].stored_cost : s->groups[group].search_cost;
}

static double format_cost(const struct search_space *s, size_t format)
{
	double bits = 0;
	for (size_t g = 0; g < s->count; g++)
		if (s->groups[g].searched)
			bits += search_space_cost(s, g)[format];
	return bits;
}

static void order_formats(struct search_space *s)
{
	double *cost = mem_array(s->format_count, sizeof *cost);
	s->order = mem_array(s->format_count, sizeof *s->order);
	for (size_t f = 0; f < s->format_count; f++) {
		size_t at = f;
		cost[f] = format_cost(s, f);
		for (; at > 0 && cost[s->order[at - 1]] > cost[f]; at--)
			s->order[at] = s->order[at - 1];
		s->order[at] = f;
	}
	free(cost);
}

/* --- budget --- */

static double budget_at(const struct search_space *s, double effective_bits)
{
	double target = search_adjusted_bits(s->numel, s->idle_numel, effective_bits) * s->numel;
	return target + budget_slack * target - QUANTIZER_NONE_BITS * s->idle_numel;
}

static double least_cost(const struct search_space *s)
{
	double bits = 0;
	for (size_t g = 0; g < s->count; g++) {
		double least = s->options.allow_none ? QUANTIZER_NONE_BITS * s->groups[g].numel : INFINITY;
		for (size_t f = 0; f < s->format_count; f++)
			least = fmin(least, search_space_cost(s, g)[f]);
		if (s->groups[g].searched)
			bits += least;
	}
	return bits;
}

static void set_budget(struct search_space *s)
{
	s->target_bits = search_adjusted_bits(s->numel, s->idle_numel, s->options.effective_bits);
	s->budget = budget_at(s, s->options.effective_bits);
	s->least_cost = least_cost(s);
	s->least_bits = s->least_cost / (s->numel - s->idle_numel);
}

/* least_bits rounded up, so that typing it in does what it says. */
static double typed_bits(const struct search_space *s)
{
	double thousandths = fmax(1, ceil(1000 * s->least_bits - 1e-6));
	if (budget_at(s, thousandths / 1000) < s->least_cost)
		thousandths++;
	return thousandths / 1000;
}

int search_space_check(const struct search_space *s)
{
	const char *rule = s->options.stored ? "cost_bits" : "search_bits";
	if (s->least_cost <= s->budget)
		return 0;
	double typed = typed_bits(s);
	if (typed > QUANTIZER_NONE_BITS)
		return fail("autoquant.effective_bits=%g cannot be met, nor can any other: by autoquant.cost=%s the formats "
			"have more than 16 bits a weight. autoquant.allow_none=true lets layers stay at 16 bits",
			s->options.effective_bits, rule);
	return fail("autoquant.effective_bits=%g cannot be met: the smallest possible is %.5g bits a weight of the "
		"searched layers, by autoquant.cost=%s", s->options.effective_bits, typed, rule);
}

/* --- life --- */

static int check_options(const struct linear_info *linears, size_t linear_count, size_t format_count,
	const struct search_options *o)
{
	if (!(o->effective_bits > 0 && isfinite(o->effective_bits)))
		return fail("autoquant.effective_bits is %g, expected a number above 0", o->effective_bits);
	if (format_count < 1 || format_count >= SEARCH_CHOICES_MAX)
		return fail("%zu formats to choose from, expected 1 to %d", format_count, SEARCH_CHOICES_MAX - 1);
	return module_patterns_check("autoquant.include", o->include, o->include_count, linears, linear_count) ||
		module_patterns_check("autoquant.exclude", o->exclude, o->exclude_count, linears, linear_count) ? -1 : 0;
}

int search_space_make(struct search_space *s, const struct linear_info *linears, size_t linear_count,
	double vision_numel, const struct quantizer_pair *formats, size_t format_count,
	const struct search_options *options)
{
	assert(linear_count && vision_numel >= 0);
	*s = (struct search_space){.format_count = format_count, .numel = vision_numel, .idle_numel = vision_numel,
		.options = *options};
	if (check_options(linears, linear_count, format_count, options))
		return -1;
	s->formats = mem_array(format_count, sizeof *s->formats);
	memcpy(s->formats, formats, format_count * sizeof *s->formats);
	make_groups(s, linears, linear_count);
	order_formats(s);
	set_budget(s);
	if (s->idle_numel < s->numel)
		return 0;
	search_space_release(s);
	return fail("autoquant.include and autoquant.exclude leave nothing to search");
}

void search_space_release(struct search_space *s)
{
	for (size_t g = 0; g < s->count; g++) {
		free(s->groups[g].search_cost);
		free(s->groups[g].stored_cost);
	}
	free(s->groups);
	free(s->order);
	free(s->formats);
	*s = (struct search_space){0};
}

/* --- search --- */

/* The searched groups as a problem: formats in order, 16 bits last. */
struct problem {
	struct search_group *groups;
	double *numbers;           /* score and cost of each */
	size_t choices;
	struct search_problem problem;
};

static void fill_group(const struct search_space *s, size_t group, const double *score, double *to_score,
	double *to_cost)
{
	for (size_t i = 0; i < s->format_count; i++) {
		to_score[i] = score[group * s->format_count + s->order[i]];
		to_cost[i] = search_space_cost(s, group)[s->order[i]];
	}
	if (!s->options.allow_none)
		return;
	to_score[s->format_count] = 0;
	to_cost[s->format_count] = QUANTIZER_NONE_BITS * s->groups[group].numel;
}

static void problem_init(struct problem *p, const struct search_space *s, const double *score)
{
	size_t count = 0, choices = s->format_count + (s->options.allow_none ? 1 : 0);
	*p = (struct problem){.choices = choices, .groups = mem_array(s->count, sizeof *p->groups),
		.numbers = mem_array(2 * s->count * choices, sizeof *p->numbers)};
	for (size_t g = 0; g < s->count; g++) {
		double *to_score = p->numbers + 2 * count * choices;
		if (!s->groups[g].searched)
			continue;
		fill_group(s, g, score, to_score, to_score + choices);
		p->groups[count++] = (struct search_group){choices, to_score, to_score + choices};
	}
	p->problem = (struct search_problem){.groups = p->groups, .count = count, .budget = s->budget};
}

static void problem_release(struct problem *p)
{
	free(p->groups);
	free(p->numbers);
}

enum search_status search_space_solve(const struct search_space *s, const double *score, size_t *choice,
	struct search_result *result)
{
	struct problem p;
	problem_init(&p, s, score);
	size_t *chosen = mem_zeroed(p.problem.count, sizeof *chosen), at = 0;
	enum search_status status = search_solve(&p.problem, chosen, result);
	if (status == SEARCH_INFEASIBLE)
		search_space_check(s); /* its message tells what to type */
	for (size_t g = 0; g < s->count; g++) {
		size_t i = s->groups[g].searched ? chosen[at++] : s->format_count;
		choice[g] = i < s->format_count ? s->order[i] : SEARCH_NONE;
	}
	free(chosen);
	problem_release(&p);
	return status;
}

int search_space_frontier(const struct search_space *s, const double *score, size_t points_max,
	struct search_frontier *frontier)
{
	struct problem p;
	problem_init(&p, s, score);
	int bad = search_frontier(&p.problem, points_max, frontier);
	problem_release(&p);
	return bad;
}
