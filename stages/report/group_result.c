#include "report/group_result.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "model/search_options.h"
#include "report/config_value.h"

/* Bits a weight by which a mix may store more than its budget before it is worth a warning. */
static const double over_budget_bits = 0.1;

/* --- what may be chosen --- */

static struct linear_info *describe_linears(const struct scores *s)
{
	struct linear_info *linears = mem_zeroed(s->linear_count, sizeof *linears);
	for (size_t i = 0; i < s->linear_count; i++) {
		snprintf(linears[i].name, sizeof linears[i].name, "%s", s->linears[i].name);
		linears[i].in = s->linears[i].in;
		linears[i].out = s->linears[i].out;
		linears[i].group = s->linears[i].group;
	}
	return linears;
}

static int make_space(struct search_space *space, const struct group_table *t, const struct report_cell *cell,
	const struct search_options *options)
{
	struct quantizer_pair *pairs = mem_array(cell->format_count, sizeof *pairs);
	struct linear_info *linears = describe_linears(cell->formats[0].scores);
	for (size_t f = 0; f < cell->format_count; f++)
		pairs[f] = cell->formats[f].scores->pair;
	int bad = search_space_make(space, linears, cell->formats[0].scores->linear_count, t->vision_numel, pairs,
		cell->format_count, options);
	free(linears);
	free(pairs);
	return bad;
}

static void take_space(struct group_table *t, const struct search_space *space)
{
	t->target_bits = space->target_bits;
	t->order = mem_array(t->format_count, sizeof *t->order);
	memcpy(t->order, space->order, t->format_count * sizeof *t->order);
	for (size_t g = 0; g < space->count; g++) {
		const struct search_space_group *from = &space->groups[g];
		struct report_group *to = &t->groups[t->vision_count + g];
		to->searched = from->searched;
		t->searched_count += (size_t)from->searched;
		t->excluded_numel += from->searched ? 0 : to->numel;
		for (size_t f = 0; f < t->format_count; f++)
			to->formats[f].cost = (t->stored_rule ? from->stored_cost : from->search_cost)[f] / to->numel;
	}
}

/* --- what was chosen --- */

/* The first format of the recipe's quantizers; SEARCH_NONE for a linear that stays. */
static int find_choice(const struct report_cell *cell, const struct recipe_linear *linear, size_t *choice)
{
	*choice = SEARCH_NONE;
	if (quantizer_pair_none(linear->pair))
		return 0;
	for (size_t f = cell->format_count; f-- > 0;)
		if (quantizer_pair_equal(cell->formats[f].scores->pair, linear->pair))
			*choice = f;
	if (*choice == SEARCH_NONE)
		return fail("%s: the recipe gives it a format that is none of the cell's", linear->name);
	return 0;
}

/* Bits a weight of the format without its scales. */
static double element_bits(const struct report_cell *cell, size_t format)
{
	return quantizer_search_bits((struct quantizer_pair){cell->formats[format].scores->pair.weight, {0}});
}

static int take_recipe(struct group_table *t, const struct report_cell *cell)
{
	double stored = 0, bare = 0;
	t->search.proven = cell->recipe->proven;
	for (size_t g = 0; g < t->count; g++) {
		struct report_group *group = &t->groups[g];
		if (!group->vision && find_choice(cell, &cell->recipe->linears[group->members[0]], &group->choice))
			return -1;
		const struct report_score *score = group->choice == SEARCH_NONE ? NULL : &group->formats[group->choice];
		stored += group->numel * (score ? score->cost_bits : QUANTIZER_NONE_BITS);
		bare += group->numel * (score ? element_bits(cell, group->choice) : QUANTIZER_NONE_BITS);
		t->search.cost += group->numel * (score ? score->cost : QUANTIZER_NONE_BITS);
		t->search.score += score ? score->score : 0;
		t->quantized += score != NULL;
		if (score)
			t->formats[group->choice].chosen++;
	}
	t->effective_bits = t->search.cost / t->numel;
	t->stored_bits = stored / t->numel;
	t->over_budget = !t->stored_rule && bare / t->numel > t->target_bits + over_budget_bits;
	return 0;
}

/* choose-recipe makes no other. */
static int check_budget(const struct group_table *t, const struct search_space *space)
{
	if (t->search.cost - QUANTIZER_NONE_BITS * space->idle_numel <= space->budget)
		return 0;
	return fail("the recipe takes %.5g bits a weight over all weights, the budget is %.5g", t->effective_bits,
		t->target_bits);
}

/* Every (bits, score) that no other choice beats in both. */
static int make_frontier(struct group_table *t, const struct search_space *space)
{
	double *score = mem_array(space->count * t->format_count, sizeof *score);
	for (size_t g = 0; g < space->count; g++)
		for (size_t f = 0; f < t->format_count; f++)
			score[g * t->format_count + f] = t->groups[t->vision_count + g].formats[f].score;
	int bad = search_space_frontier(space, score, 0, &t->frontier);
	free(score);
	return bad;
}

/* --- the mix, run for real --- */

/* What the scores of the chosen groups predict of the divergence of a token over the first captions, see struct
 * report_check. A caption's share of a gradient score is that of its batch's mean loss: N_t^2 of it, N_t the targets of
 * the batch, is what it would be if the loss were a sum, which does not depend on its company. */
static double predict(const struct group_table *t, const struct report_cell *cell, size_t captions)
{
	const struct scores *s = cell->formats[0].scores;
	double predicted = 0, count = 0;
	for (size_t c = 0, batch = 0, end = s->batch_sequences[0]; c < captions; c++) {
		double caption = 0;
		if (c == end)
			end += s->batch_sequences[++batch];
		for (size_t g = t->vision_count; g < t->count; g++)
			if (t->groups[g].choice != SEARCH_NONE)
				caption += cell->formats[t->groups[g].choice].scores->sequence_score[(g - t->vision_count) *
					s->sequence_count + c];
		double targets = (double)s->batch_targets[batch];
		predicted += t->divergence ? caption : targets * targets * caption / 2;
		count += (double)s->sequence_tokens[c] - (t->divergence ? 0 : 1);
	}
	return count > 0 ? predicted / count : 0;
}

static void take_check(struct report_check *to, const struct check *c)
{
	struct resamples resamples;
	double before = 0, after = 0, divergence = 0, tokens = 0, targets = 0;
	for (size_t s = 0; s < c->sequence_count; s++) {
		before += c->loss_before[s];
		after += c->loss_after[s];
		divergence += c->kl[s];
		tokens += (double)c->tokens[s];
		targets += (double)c->tokens[s] - 1;
	}
	to->present = 1;
	to->loss_before = targets > 0 ? before / targets : 0;
	to->loss_after = targets > 0 ? after / targets : 0;
	to->divergence = divergence / tokens;
	resamples_init(&resamples, c->sequence_count, BOOTSTRAP_RESAMPLES, BOOTSTRAP_SEED);
	bootstrap_interval(&resamples, c->kl, GROUP_TABLE_LEVEL, &to->interval);
	resamples_release(&resamples);
	to->interval.low /= tokens;
	to->interval.high /= tokens;
	to->ratio = to->predicted > 0 ? to->divergence / to->predicted : 0;
}

void group_result_check(struct group_table *t, const struct report_cell *cell)
{
	const struct check *c = cell->check;
	t->check.predicted = predict(t, cell, c ? c->sequence_count : cell->formats[0].scores->sequence_count);
	if (c)
		take_check(&t->check, c);
}

int group_result_choice(struct group_table *t, const struct report_cell *cell, int frontier)
{
	struct search_options options;
	struct search_space space;
	if (search_options_read(&options, config_value(cell->config, "autoquant"), "", "autoquant of the config"))
		return -1;
	t->wished_bits = options.effective_bits;
	t->stored_rule = options.stored;
	t->allow_none = options.allow_none;
	int bad = make_space(&space, t, cell, &options);
	if (!bad) {
		take_space(t, &space);
		bad = take_recipe(t, cell) || check_budget(t, &space) || (frontier && make_frontier(t, &space));
		search_space_release(&space);
	}
	search_options_release(&options);
	return bad;
}
