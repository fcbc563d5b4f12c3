#include "report/group_table.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "report/config_value.h"
#include "report/error_figures.h"
#include "report/float_json.h"
#include "report/group_result.h"
#include "report/group_warnings.h"

/* --- input --- */

static int check_linears(const struct report_cell *cell, const struct report_format *f)
{
	const struct scores *s = f->scores, *first = cell->formats[0].scores;
	const struct calib *c = f->calib;
	if (s->linear_count != c->linear_count || s->linear_count != first->linear_count)
		return fail("%s: scores of %zu linears, calib of %zu, the first format has %zu", f->name, s->linear_count,
			c->linear_count, first->linear_count);
	for (size_t i = 0; i < s->linear_count; i++) {
		const struct scores_linear *a = &s->linears[i], *b = &first->linears[i];
		const struct calib_linear *l = &c->linears[i];
		if (strcmp(a->name, l->name) || a->in != l->in || a->out != l->out)
			return fail("%s: linear %zu is %s [%zu, %zu] in scores and %s [%zu, %zu] in calib", f->name, i, a->name,
				a->out, a->in, l->name, l->out, l->in);
		if (strcmp(a->name, b->name) || a->in != b->in || a->out != b->out || a->group != b->group)
			return fail("%s: linear %zu is %s, that of the first format is %s", f->name, i, a->name, b->name);
	}
	if (!quantizer_pair_equal(s->pair, c->pair))
		return fail("%s: scores and calib were made for different quantizers", f->name);
	return 0;
}

/* The formats' scores must be of the same captions by the same method, or they cannot compete. */
static int check_format(const struct report_cell *cell, const struct report_format *f)
{
	const struct scores *s = f->scores, *first = cell->formats[0].scores;
	const struct calib *c = f->calib;
	if (check_linears(cell, f))
		return -1;
	if (strcmp(s->method, first->method) || s->batch_count != first->batch_count ||
		s->sequence_count != first->sequence_count ||
		memcmp(s->batch_tokens, first->batch_tokens, s->batch_count * sizeof *s->batch_tokens))
		return fail("%s: scored by another method or on other captions than %s", f->name, cell->formats[0].name);
	if (c->tokens && (c->tokens != cell->text.tokens || c->sequences != cell->text.sequences))
		return fail("%s: calib saw %zu tokens in %zu sequences, the calibration text has %zu in %zu", f->name,
			c->tokens, c->sequences, cell->text.tokens, cell->text.sequences);
	return 0;
}

static int check_recipe(const struct report_cell *cell)
{
	const struct scores *s = cell->formats[0].scores;
	const struct recipe *r = cell->recipe;
	if (r->linear_count != s->linear_count)
		return fail("the recipe has %zu linears, the scores %zu", r->linear_count, s->linear_count);
	for (size_t i = 0; i < r->linear_count; i++)
		if (strcmp(r->linears[i].name, s->linears[i].name) || r->linears[i].group != s->linears[i].group)
			return fail("linear %zu is %s in the recipe and %s in the scores", i, r->linears[i].name,
				s->linears[i].name);
	if (cell->check && cell->check->sequence_count > s->sequence_count)
		return fail("the recipe was checked on %zu captions, only %zu were scored", cell->check->sequence_count,
			s->sequence_count);
	for (size_t i = 0; cell->check && i < cell->check->sequence_count; i++)
		if (cell->check->tokens[i] != s->sequence_tokens[i])
			return fail("caption %zu has %zu tokens in the check and %zu in the scores", i + 1, cell->check->tokens[i],
				s->sequence_tokens[i]);
	return 0;
}

static int check_inputs(const struct report_cell *cell)
{
	assert(cell->format_count && cell->recipe);
	for (size_t f = 0; f < cell->format_count; f++)
		if (check_format(cell, &cell->formats[f]))
			return fail_context("%s", cell->name);
	return check_recipe(cell) ? fail_context("%s", cell->name) : 0;
}

/* Bits as the peer prints them, a Python float: "8.0", "4.5". */
static char *format_title(const char *name, double bits)
{
	struct strbuf number;
	strbuf_init(&number);
	float_print(&number, bits);
	char *text = mem_printf("%s(effective-bits: %s)", name, number.s);
	strbuf_release(&number);
	return text;
}

static int read_names(struct group_table *t, const struct report_cell *cell)
{
	const char *scheme = cell->scheme;
	if (!scheme && cell->format_count == 1)
		scheme = config_text(cell->config, "quant_pair.scheme_name");
	if (scheme && (!*scheme || strchr(scheme, '/')))
		return fail("config of %s: quant_pair.scheme_name \"%s\" names a file and must not be empty or hold '/'",
			cell->name, scheme);
	t->scheme = scheme ? mem_strdup(scheme) : mem_printf("%s_autoquant_lm", cell->pair);
	t->none = format_title("NONE", QUANTIZER_NONE_BITS);
	t->format_count = cell->format_count;
	t->formats = mem_zeroed(t->format_count, sizeof *t->formats);
	for (size_t f = 0; f < t->format_count; f++) {
		t->formats[f].search_bits = quantizer_search_bits(cell->formats[f].scores->pair);
		t->formats[f].title = format_title(cell->formats[f].format_name, t->formats[f].search_bits);
	}
	return 0;
}

/* --- groups --- */

static void make_vision(struct report_group *group, const struct report_cell *cell, size_t index)
{
	const struct report_vision *layer = &cell->vision[index];
	*group = (struct report_group){.name = layer->name, .vision = 1, .member_count = 1, .choice = SEARCH_NONE,
		.numel = (double)layer->out * (double)layer->in};
	group->members = mem_array(1, sizeof *group->members);
	group->members[0] = index;
}

static void add_outputs(struct report_score *to, const struct scores *s, size_t linear)
{
	struct output_sums all = scores_linear(s, linear);
	output_sums_add(&to->output, &all);
	output_sums_add(&to->weight_only, s->weight_only ? &s->weight_only[linear] : &all);
	if (s->activation_only)
		output_sums_add(&to->activation_only, &s->activation_only[linear]);
}

static void set_positions(struct report_positions *p, const struct scores *s, size_t group, double score)
{
	double top = 0;
	for (size_t i = 0; i < s->position_count; i++)
		top += s->position_score[group * s->position_count + i];
	if (!(score > 0))
		return;
	p->largest = s->position_count ? s->position_score[group * s->position_count] / score : 0;
	p->top = fmin(1, top / score);
	p->first = fmin(1, s->first_score[group] / score);
}

static void make_score(struct report_score *to, const struct report_format *f, const struct report_group *group,
	size_t index)
{
	const struct scores *s = f->scores;
	for (size_t i = 0; i < group->member_count; i++) {
		const struct scores_linear *linear = &s->linears[group->members[i]];
		double numel = (double)linear->out * (double)linear->in;
		to->cost_bits += numel / group->numel * quantizer_cost_bits(s->pair.weight, linear->out, linear->in);
		add_outputs(to, s, group->members[i]);
		quant_sums_add(&to->weight, &f->calib->linears[group->members[i]].weight);
		quant_sums_add(&to->activation, &f->calib->linears[group->members[i]].activation);
	}
	to->score = scores_group(s, index);
	to->normalised = scores_group_normalised(s, index);
	set_positions(&to->positions, s, index, to->score);
}

static void make_group(struct report_group *group, const struct report_cell *cell, size_t index, size_t tokens)
{
	const struct scores *s = cell->formats[0].scores;
	*group = (struct report_group){.choice = SEARCH_NONE};
	for (size_t i = 0; i < s->linear_count; i++) {
		if (s->linears[i].group != index)
			continue;
		group->members = mem_resize(group->members, group->member_count + 1, sizeof *group->members);
		group->members[group->member_count++] = i;
		group->numel += (double)s->linears[i].out * (double)s->linears[i].in;
		group->outputs += (double)s->linears[i].out * (double)tokens;
	}
	group->name = s->linears[group->members[0]].name;
	group->formats = mem_zeroed(cell->format_count, sizeof *group->formats);
	for (size_t f = 0; f < cell->format_count; f++) {
		make_score(&group->formats[f], &cell->formats[f], group, index);
		if (group->formats[f].score > group->formats[group->worst].score)
			group->worst = f;
	}
	group->score = group->formats[group->worst].score;
}

static int make_groups(struct group_table *t, const struct report_cell *cell)
{
	t->vision_count = cell->vision_count;
	t->count = cell->vision_count + scores_group_count(cell->formats[0].scores);
	t->groups = mem_zeroed(t->count, sizeof *t->groups);
	for (size_t g = 0; g < t->count; g++) {
		struct report_group *group = &t->groups[g];
		if (g < t->vision_count)
			make_vision(group, cell, g);
		else
			make_group(group, cell, g - t->vision_count, t->score_tokens);
		group->observed = !group->vision && t->scored;
		t->numel += group->numel;
		t->vision_numel += group->vision ? group->numel : 0;
		for (size_t f = 0; f < t->format_count && !group->vision; f++) {
			const struct report_score *score = &group->formats[f];
			if (!(isfinite(score->score) && score->score >= 0 && isfinite(score->normalised)))
				return fail("%s: the score of %s in %s is %g, expected a finite number >= 0", cell->name, group->name,
					cell->formats[f].name, score->score);
			t->formats[f].sum += score->score;
			t->formats[f].normalised += score->normalised;
			t->formats[f].cost_bits += group->numel * score->cost_bits;
		}
	}
	for (size_t f = 0; f < t->format_count && t->numel > t->vision_numel; f++)
		t->formats[f].cost_bits /= t->numel - t->vision_numel;
	return 0;
}

static void count_batches(struct group_table *t, const struct scores *s)
{
	for (size_t b = 0; b < s->batch_count; b++) {
		t->score_sequences += s->batch_sequences[b];
		t->score_tokens += s->batch_tokens[b];
		t->score_targets += s->batch_targets[b];
		t->loss += s->batch_loss[b] * (double)s->batch_targets[b];
	}
	if (t->score_targets)
		t->loss /= (double)t->score_targets;
	t->divergence = s->kl != NULL;
	t->scored = (t->divergence ? t->score_tokens : t->score_targets) > 0;
}

/* Of each group in each format. */
static void set_intervals(struct group_table *t, const struct report_cell *cell, const struct resamples *resamples)
{
	const size_t groups = t->count - t->vision_count;
	struct interval *intervals = mem_array(groups, sizeof *intervals);
	for (size_t f = 0; f < t->format_count; f++) {
		bootstrap_intervals(resamples, cell->formats[f].scores->sequence_score, groups, GROUP_TABLE_LEVEL, intervals);
		for (size_t g = 0; g < groups; g++)
			t->groups[t->vision_count + g].formats[f].interval = intervals[g];
	}
	free(intervals);
}

/* The sum of a format, caption by caption. */
static void set_sum_intervals(struct group_table *t, const struct report_cell *cell, const struct resamples *resamples)
{
	size_t captions = cell->formats[0].scores->sequence_count, groups = t->count - t->vision_count;
	double *sum = mem_array(captions, sizeof *sum);
	for (size_t f = 0; f < t->format_count; f++) {
		memset(sum, 0, captions * sizeof *sum);
		for (size_t g = 0; g < groups; g++)
			for (size_t c = 0; c < captions; c++)
				sum[c] += cell->formats[f].scores->sequence_score[g * captions + c];
		bootstrap_interval(resamples, sum, GROUP_TABLE_LEVEL, &t->formats[f].interval);
	}
	free(sum);
}

/* --- order --- */

struct sort_key {
	double score;
	int vision;
	size_t index;
};

static int by_score(const void *a, const void *b)
{
	const struct sort_key *x = a, *y = b;
	if (x->score != y->score)
		return x->score < y->score ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static int by_harm(const void *a, const void *b)
{
	const struct sort_key *x = a, *y = b;
	if (x->vision != y->vision)
		return x->vision ? 1 : -1;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static size_t *sorted(const struct group_table *t, int (*compare)(const void *, const void *))
{
	struct sort_key *keys = mem_array(t->count, sizeof *keys);
	size_t *order = mem_array(t->count, sizeof *order);
	for (size_t g = 0; g < t->count; g++)
		keys[g] = (struct sort_key){t->groups[g].score, t->groups[g].vision, g};
	qsort(keys, t->count, sizeof *keys, compare);
	for (size_t i = 0; i < t->count; i++)
		order[i] = keys[i].index;
	free(keys);
	return order;
}

static void rank_groups(struct group_table *t)
{
	t->ascending = sorted(t, by_score);
	t->descending = sorted(t, by_harm);
	for (size_t i = 0; i < t->count; i++)
		t->groups[t->ascending[i]].rank = i + 1;
}

/* Scores of the captions of a group in its worst format, [score_sequences]. */
static const double *caption_scores(const struct group_table *t, const struct report_cell *cell, size_t group)
{
	const struct scores *s = cell->formats[t->groups[group].worst].scores;
	return s->sequence_score + (group - t->vision_count) * s->sequence_count;
}

/* How sure the ranks are: captions are drawn anew, for all groups the same ones. */
static void set_certainty(struct group_table *t, const struct report_cell *cell, const struct resamples *resamples)
{
	size_t groups = t->count - t->vision_count, captions = cell->formats[0].scores->sequence_count;
	double *values = mem_array(groups * captions, sizeof *values);
	struct rank_range *ranks = mem_array(groups, sizeof *ranks);
	for (size_t g = 0; g < groups; g++)
		memcpy(values + g * captions, caption_scores(t, cell, t->vision_count + g), captions * sizeof *values);
	bootstrap_ranks(resamples, values, groups, GROUP_TABLE_LEVEL, ranks);
	for (size_t g = 0; g < groups; g++)
		t->groups[t->vision_count + g].certainty = ranks[g];
	free(values);
	free(ranks);
}

/* --- table --- */

static int make(struct group_table *t, const struct report_cell *cell, int totals)
{
	struct resamples resamples;
	if (check_inputs(cell) || read_names(t, cell))
		return -1;
	count_batches(t, cell->formats[0].scores);
	resamples_init(&resamples, cell->formats[0].scores->sequence_count, BOOTSTRAP_RESAMPLES, BOOTSTRAP_SEED);
	int bad = make_groups(t, cell);
	if (!bad) {
		rank_groups(t);
		if (!totals) {
			set_intervals(t, cell, &resamples);
			set_certainty(t, cell, &resamples);
		}
		set_sum_intervals(t, cell, &resamples);
		bad = group_result_choice(t, cell, !totals) ? fail_context("%s", cell->name) : 0;
	}
	if (!bad) {
		group_result_check(t, cell);
		if (!totals)
			group_warnings_collect(t, cell);
	}
	resamples_release(&resamples);
	return bad;
}

static int make_or_release(struct group_table *t, const struct report_cell *cell, int totals)
{
	*t = (struct group_table){0};
	if (!make(t, cell, totals))
		return 0;
	group_table_release(t);
	return -1;
}

int group_table_make(struct group_table *table, const struct report_cell *cell)
{
	return make_or_release(table, cell, 0);
}

int group_table_totals(struct group_table *table, const struct report_cell *cell)
{
	return make_or_release(table, cell, 1);
}

void group_table_release(struct group_table *t)
{
	for (size_t g = 0; g < t->count && t->groups; g++) {
		free(t->groups[g].members);
		free(t->groups[g].formats);
	}
	for (size_t f = 0; f < t->format_count && t->formats; f++)
		free(t->formats[f].title);
	for (size_t i = 0; i < t->warning_count; i++)
		free(t->warnings[i]);
	search_frontier_release(&t->frontier);
	free(t->warnings);
	free(t->groups);
	free(t->formats);
	free(t->order);
	free(t->ascending);
	free(t->descending);
	free(t->scheme);
	free(t->none);
	*t = (struct group_table){0};
}

double group_table_batch(const struct group_table *t, const struct report_cell *cell, size_t group, size_t format,
	size_t batch)
{
	assert(batch < cell->formats[format].scores->batch_count);
	return t->groups[group].vision ? 0
		: scores_group_batch(cell->formats[format].scores, group - t->vision_count, batch);
}

const char *group_table_member(const struct group_table *t, const struct report_cell *cell, size_t group,
	size_t member)
{
	const struct report_group *g = &t->groups[group];
	assert(member < g->member_count);
	return g->vision ? cell->vision[g->members[member]].name
		: cell->formats[0].scores->linears[g->members[member]].name;
}

const char *group_table_recipe(const struct group_table *t, size_t group)
{
	size_t choice = t->groups[group].choice;
	return choice == SEARCH_NONE ? t->none : t->formats[choice].title;
}

double group_table_sum(const struct group_table *t)
{
	double sum = 0;
	for (size_t g = t->vision_count; g < t->count; g++)
		sum += t->groups[g].score;
	return sum;
}

double group_table_normalised(const struct group_table *t)
{
	double sum = 0;
	for (size_t g = t->vision_count; g < t->count; g++)
		sum += t->groups[g].formats[t->groups[g].worst].normalised;
	return sum;
}

double group_table_share(const struct group_table *t, size_t group)
{
	double sum = group_table_sum(t);
	return sum > 0 ? t->groups[group].score / sum : 0;
}
