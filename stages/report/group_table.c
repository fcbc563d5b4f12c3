#include "report/group_table.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "report/config_value.h"
#include "report/error_figures.h"
#include "report/float_json.h"
#include "report/words.h"

static const double unquantized_bits = 16;

/* Bits a weight by which a mix may store more than its budget before it is worth a warning. */
static const double over_budget_bits = 0.1;

/* --- input --- */

static int check_linears(const struct report_cell *cell)
{
	const struct scores *s = cell->scores;
	const struct calib *c = cell->calib;
	if (s->linear_count != c->linear_count)
		return fail("%s: scores of %zu linears, calib of %zu", cell->name, s->linear_count, c->linear_count);
	for (size_t i = 0; i < s->linear_count; i++)
		if (strcmp(s->linears[i].name, c->linears[i].name) || s->linears[i].in != c->linears[i].in ||
			s->linears[i].out != c->linears[i].out)
			return fail("%s: linear %zu is %s [%zu, %zu] in scores and %s [%zu, %zu] in calib", cell->name, i,
				s->linears[i].name, s->linears[i].out, s->linears[i].in, c->linears[i].name, c->linears[i].out,
				c->linears[i].in);
	if (!quantizer_equal(s->pair.weight, c->pair.weight) || !quantizer_equal(s->pair.activation, c->pair.activation))
		return fail("%s: scores and calib were made for different quantizers", cell->name);
	if (c->tokens && (c->tokens != cell->text.tokens || c->sequences != cell->text.sequences))
		return fail("%s: calib saw %zu tokens in %zu sequences, the calibration text has %zu in %zu", cell->name,
			c->tokens, c->sequences, cell->text.tokens, cell->text.sequences);
	return 0;
}

/* Bits as the peer prints them, a Python float: "8.0", "4.5". */
static char *format_name(const char *name, double bits)
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
	const char *format, *pair, *scheme = cell->scheme;
	if (config_string(cell->config, "quant_pair.format_name", cell->name, &format) ||
		config_string(cell->config, "quant_pair.name", cell->name, &pair) ||
		config_number(cell->config, "autoquant.effective_bits", cell->name, &t->wished_bits))
		return -1;
	if (!scheme)
		scheme = config_text(cell->config, "quant_pair.scheme_name");
	if (scheme && (!*scheme || strchr(scheme, '/')))
		return fail("config of %s: quant_pair.scheme_name \"%s\" names a file and must not be empty or hold '/'", cell->name,
			scheme);
	t->scheme = scheme ? mem_strdup(scheme) : mem_printf("%s_autoquant_lm", pair);
	t->search_bits = quantizer_search_bits(cell->scores->pair);
	t->format = format_name(format, t->search_bits);
	t->none = format_name("NONE", unquantized_bits);
	return 0;
}

/* --- groups --- */

static void make_vision(struct report_group *group, const struct report_cell *cell, size_t index)
{
	const struct report_vision *layer = &cell->vision[index];
	*group = (struct report_group){.name = layer->name, .member_count = 1, .cost_bits = unquantized_bits,
		.numel = (double)layer->out * (double)layer->in};
	group->members = mem_array(1, sizeof *group->members);
	group->members[0] = index;
}

static void add_member(struct report_group *group, const struct report_cell *cell, size_t index)
{
	const struct scores *s = cell->scores;
	const struct scores_linear *linear = &s->linears[index];
	double numel = (double)linear->out * (double)linear->in;
	group->members = mem_resize(group->members, group->member_count + 1, sizeof *group->members);
	group->members[group->member_count++] = index;
	group->numel += numel;
	group->cost_bits += numel * quantizer_cost_bits(s->pair.weight, linear->out, linear->in);
	for (size_t b = 0; b < s->batch_count; b++)
		output_sums_add(&group->output, &s->sums[index * s->batch_count + b]);
	quant_sums_add(&group->weight, &cell->calib->linears[index].weight);
	quant_sums_add(&group->activation, &cell->calib->linears[index].activation);
}

static void make_searched(struct report_group *group, const struct report_cell *cell, size_t index)
{
	*group = (struct report_group){.searched = 1};
	for (size_t i = 0; i < cell->scores->linear_count; i++)
		if (cell->scores->linears[i].group == index)
			add_member(group, cell, i);
	if (group->member_count) {
		group->name = cell->scores->linears[group->members[0]].name;
		group->cost_bits /= group->numel;
	}
	group->score = scores_group(cell->scores, index);
	group->normalised = scores_group_normalised(cell->scores, index);
}

static int make_groups(struct group_table *t, const struct report_cell *cell)
{
	double stored = 0;
	t->vision_count = cell->vision_count;
	t->count = cell->vision_count + scores_group_count(cell->scores);
	t->groups = mem_zeroed(t->count, sizeof *t->groups);
	for (size_t g = 0; g < t->count; g++) {
		struct report_group *group = &t->groups[g];
		if (g < t->vision_count)
			make_vision(group, cell, g);
		else
			make_searched(group, cell, g - t->vision_count);
		if (!group->member_count)
			return fail("%s: scores have no linear in group %zu", cell->name, g - t->vision_count);
		if (!(isfinite(group->score) && group->score >= 0 && isfinite(group->normalised)))
			return fail("%s: the score of %s is %g, expected a finite number >= 0", cell->name, group->name,
				group->score);
		group->observed = group->searched && t->scored;
		t->numel += group->numel;
		t->sum += group->score;
		t->normalised += group->normalised;
		if (group->searched)
			stored += group->numel * group->cost_bits;
		else
			t->vision_numel += group->numel;
	}
	if (t->numel > t->vision_numel)
		t->cost_bits = stored / (t->numel - t->vision_numel);
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

/* --- order --- */

struct sort_key {
	double score;
	int searched;
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
	if (x->searched != y->searched)
		return x->searched ? -1 : 1;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static size_t *sorted(const struct group_table *t, int (*compare)(const void *, const void *))
{
	struct sort_key *keys = mem_array(t->count, sizeof *keys);
	size_t *order = mem_array(t->count, sizeof *order);
	for (size_t g = 0; g < t->count; g++)
		keys[g] = (struct sort_key){t->groups[g].score, t->groups[g].searched, g};
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

/* --- the search --- */

static void warning(struct group_table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void warning(struct group_table *t, const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	MEM_GROW(t->warnings, t->warning_count, t->warning_capacity);
	t->warnings[t->warning_count++] = mem_strdup(text);
}

/* Per group two scores and two costs: the format's and NONE's; vision has NONE alone, the second of them. */
static enum search_status run_search(struct group_table *t, size_t *choice)
{
	double (*numbers)[4] = mem_array(t->count, sizeof *numbers);
	struct search_group *groups = mem_array(t->count, sizeof *groups);
	for (size_t g = 0; g < t->count; g++) {
		const struct report_group *from = &t->groups[g];
		size_t first = from->searched ? 0 : 1;
		numbers[g][0] = from->score;
		numbers[g][1] = 0;
		numbers[g][2] = from->numel * t->search_bits;
		numbers[g][3] = from->numel * unquantized_bits;
		groups[g] = (struct search_group){2 - first, numbers[g] + first, numbers[g] + 2 + first};
	}
	struct search_problem problem = {.groups = groups, .count = t->count, .budget = t->numel * t->target_bits};
	enum search_status status = search_solve(&problem, choice, &t->search);
	free(groups);
	free(numbers);
	return status;
}

/* Bits a weight of the format without its scales. */
static double element_bits(const struct report_cell *cell)
{
	return quantizer_search_bits((struct quantizer_pair){cell->scores->pair.weight, {0}});
}

static int search(struct group_table *t, const struct report_cell *cell)
{
	double stored = 0, bare = 0;
	t->target_bits = search_adjusted_bits(t->numel, t->vision_numel, t->wished_bits);
	size_t *choice = mem_zeroed(t->count, sizeof *choice);
	enum search_status status = run_search(t, choice);
	for (size_t g = 0; g < t->count && status != SEARCH_ERROR; g++) {
		struct report_group *group = &t->groups[g];
		group->quantized = group->searched && choice[g] == 0;
		t->quantized += (size_t)group->quantized;
		stored += group->numel * (group->quantized ? group->cost_bits : unquantized_bits);
		bare += group->numel * (group->quantized ? element_bits(cell) : unquantized_bits);
	}
	free(choice);
	t->satisfied = status == SEARCH_OK;
	if (t->numel > 0) {
		t->effective_bits = t->search.cost / t->numel;
		t->stored_bits = stored / t->numel;
		t->over_budget = element_bits(cell) > t->search_bits && bare / t->numel > t->target_bits + over_budget_bits;
	}
	return status == SEARCH_ERROR ? -1 : 0;
}

/* What to ask the search for, so that what it counts as that stores what was wished: both rules are linear in the share
 * of weights that is quantized. Rounded down to 0.01. */
static double bits_to_ask(const struct group_table *t, double element)
{
	double share = (unquantized_bits - t->wished_bits) / (unquantized_bits - element);
	return floor(100 * (unquantized_bits - share * (unquantized_bits - t->search_bits))) / 100;
}

static void warn_over_budget(struct group_table *t, const struct report_cell *cell)
{
	double element = element_bits(cell), ask = bits_to_ask(t, element);
	char advice[128];
	if (ask >= t->search_bits)
		snprintf(advice, sizeof advice, "For a mix that stores what was asked for, take autoquant.effective_bits=%g.", ask);
	else
		snprintf(advice, sizeof advice, "No mix of this format stores what was asked for.");
	warning(t, "The mix that the search chose stores %.4f bits a weight, more than the budget of %.4f: the search counts "
		"a layer by the smaller of its weight and activation bits, %g here, but its weights are stored in %g. %s",
		t->stored_bits, t->target_bits, t->search_bits, element, advice);
}

static void warn_about_text(struct group_table *t, const struct report_text *text)
{
	if (text->sequences < text->asked)
		warning(t, "The captions file has %zu caption%s, fewer than the %zu asked for: it is used whole.", text->sequences,
			words_s(text->sequences), text->asked);
	if (text->truncated)
		warning(t, "%zu of %zu caption%s %s cut at dataset.calib_seq_len tokens.", text->truncated, text->sequences,
			words_s(text->sequences), text->truncated == 1 ? "was" : "were");
	if (!t->scored)
		warning(t, "Nothing could be scored: the captions have no token to predict. All scores are 0 and say nothing, nor "
			"does the result of the search.");
}

static void collect_warnings(struct group_table *t, const struct report_cell *cell)
{
	warn_about_text(t, &cell->text);
	if (!t->satisfied)
		warning(t, "autoquant.effective_bits=%g cannot be met: with every searched layer quantized there are %.4f bits "
			"a weight, the budget is %.4f. The search result is every layer quantized.", t->wished_bits,
			t->effective_bits, t->target_bits);
	if (t->over_budget)
		warn_over_budget(t, cell);
	if (!t->search.proven)
		warning(t, "The search ran out of its bound on memory: its result fits the budget, a better one may exist.");
}

/* --- table --- */

static int make(struct group_table *t, const struct report_cell *cell)
{
	if (check_linears(cell) || read_names(t, cell))
		return -1;
	count_batches(t, cell->scores);
	if (make_groups(t, cell))
		return -1;
	rank_groups(t);
	if (search(t, cell))
		return fail_context("%s", cell->name);
	collect_warnings(t, cell);
	return 0;
}

int group_table_make(struct group_table *table, const struct report_cell *cell)
{
	*table = (struct group_table){0};
	if (!make(table, cell))
		return 0;
	group_table_release(table);
	return -1;
}

void group_table_release(struct group_table *t)
{
	for (size_t g = 0; g < t->count && t->groups; g++)
		free(t->groups[g].members);
	for (size_t i = 0; i < t->warning_count; i++)
		free(t->warnings[i]);
	free(t->warnings);
	free(t->groups);
	free(t->ascending);
	free(t->descending);
	free(t->scheme);
	free(t->format);
	free(t->none);
	*t = (struct group_table){0};
}

double group_table_batch(const struct group_table *t, const struct report_cell *cell, size_t group, size_t batch)
{
	assert(batch < cell->scores->batch_count);
	return t->groups[group].searched ? scores_group_batch(cell->scores, group - t->vision_count, batch) : 0;
}

const char *group_table_member(const struct group_table *t, const struct report_cell *cell, size_t group,
	size_t member)
{
	const struct report_group *g = &t->groups[group];
	assert(member < g->member_count);
	return g->searched ? cell->scores->linears[g->members[member]].name : cell->vision[g->members[member]].name;
}

const char *group_table_recipe(const struct group_table *t, size_t group)
{
	return t->groups[group].quantized ? t->format : t->none;
}

double group_table_share(const struct group_table *t, size_t group)
{
	return t->sum > 0 ? t->groups[group].score / t->sum : 0;
}
