#include "report/overview_budgets.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "model/search.h"

const double overview_budget_bits[OVERVIEW_BUDGETS] = {4.5, 5, 6, 7, 8, 10, 12};

/* A search that needs more is cut short, and a row says so. With 2^16 three of seven searches of 128 formats for 145
 * groups of random scores were proven, with 2^20 six, in 0.1 s for the lot; formats by themselves need little. */
enum { STATES_MAX = 1 << 20 };

enum overview_certainty overview_certainty(double ahead)
{
	if (!(ahead >= 0))
		return OVERVIEW_UNSURE;
	if (ahead >= OVERVIEW_CLEAR)
		return OVERVIEW_IS_CLEAR;
	return ahead >= OVERVIEW_LIKELY ? OVERVIEW_IS_LIKELY : OVERVIEW_TOSS_UP;
}

/* --- one column --- */

struct column {
	const struct overview *grid;
	size_t index;            /* of the column */
	size_t *cells;           /* [count] its formats */
	size_t count;
	size_t groups;           /* searched ones */
	size_t *group;           /* [groups] */
	double numel;            /* weights of those */
	struct search_group *problem; /* [groups] */
	double *numbers;         /* scores and costs of the problem */
	size_t *choice;          /* [count][groups] of each format; 0: the format, 1: 16 bits */
	struct overview_mix *mixes; /* [count] */
	struct resamples resamples;
};

static const struct overview_cell *format_at(const struct column *c, size_t format)
{
	return &c->grid->cells[c->cells[format]];
}

static int belongs(const struct column *c, size_t cell)
{
	const struct overview_cell *new = &c->grid->cells[cell];
	if (!overview_cell_ranked(new) || (c->count && !overview_same_groups(new, format_at(c, 0))))
		return 0;
	for (size_t f = 0; f < c->count; f++)
		if (overview_same_scores(new, format_at(c, f)))
			return 0;
	return 1;
}

static void find_searched(struct column *c)
{
	const struct overview_cell *first = format_at(c, 0);
	c->group = mem_array(first->group_count, sizeof *c->group);
	for (size_t g = 0; g < first->group_count; g++) {
		if (!first->groups[g].searched)
			continue;
		c->group[c->groups++] = g;
		c->numel += first->groups[g].numel;
	}
}

static void column_make(struct column *c, const struct overview *o, const struct overview_table *t, size_t index)
{
	*c = (struct column){.grid = o, .index = index, .cells = mem_array(o->count, sizeof *c->cells)};
	for (size_t i = 0; i < o->count; i++)
		if (t->column[i] == index && belongs(c, i))
			c->cells[c->count++] = i;
	if (c->count < 2)
		return;
	find_searched(c);
	c->problem = mem_array(c->groups, sizeof *c->problem);
	c->numbers = mem_array(2 * (c->count + 1) * c->groups, sizeof *c->numbers);
	c->choice = mem_zeroed(c->count * c->groups, sizeof *c->choice);
	c->mixes = mem_zeroed(c->count, sizeof *c->mixes);
	resamples_init(&c->resamples, format_at(c, 0)->unit_count, BOOTSTRAP_RESAMPLES, BOOTSTRAP_SEED);
}

static void column_release(struct column *c)
{
	free(c->cells);
	free(c->group);
	free(c->problem);
	free(c->numbers);
	free(c->choice);
	free(c->mixes);
	resamples_release(&c->resamples);
}

/* Lets formats first.. (count of them) and 16 bits compete for each group. */
static void pose(struct column *c, size_t first, size_t count)
{
	size_t choices = count + (size_t)(format_at(c, 0)->allow_none != 0);
	for (size_t i = 0; i < c->groups; i++) {
		double *score = c->numbers + 2 * choices * i, *cost = score + choices;
		for (size_t f = 0; f < count; f++) {
			const struct overview_group *group = &format_at(c, first + f)->groups[c->group[i]];
			score[f] = group->score;
			cost[f] = group->stored_cost;
		}
		if (choices > count) {
			score[count] = 0;
			cost[count] = QUANTIZER_NONE_BITS * format_at(c, 0)->groups[c->group[i]].numel;
		}
		c->problem[i] = (struct search_group){choices, score, cost};
	}
}

static enum search_status solve(const struct column *c, double bits, size_t *choice, struct search_result *result)
{
	struct search_problem problem = {.groups = c->problem, .count = c->groups, .budget = bits * c->numel,
		.states_max = STATES_MAX};
	return search_solve(&problem, choice, result);
}

/* --- one budget --- */

static double predicted(const struct column *c, size_t format)
{
	double sum = 0;
	for (size_t i = 0; i < c->groups; i++)
		if (c->choice[format * c->groups + i] == 0)
			sum += format_at(c, format)->groups[c->group[i]].predicted;
	return sum;
}

static int solve_formats(struct column *c, struct overview_budget *row)
{
	for (size_t f = 0; f < c->count; f++) {
		struct search_result result;
		pose(c, f, 1);
		enum search_status status = solve(c, row->bits, c->choice + f * c->groups, &result);
		if (status == SEARCH_ERROR)
			return fail_context("%s", format_at(c, f)->name);
		c->mixes[f] = (struct overview_mix){status == SEARCH_OK ? c->cells[f] : OVERVIEW_NONE, result.score,
			predicted(c, f), result.cost / c->numel};
		row->proven &= status != SEARCH_OK || result.proven;
	}
	return 0;
}

static int solve_together(struct column *c, struct overview_budget *row)
{
	struct search_result result;
	size_t *choice = mem_array(c->groups, sizeof *choice);
	pose(c, 0, c->count);
	int bad = solve(c, row->bits, choice, &result) == SEARCH_ERROR;
	row->together = bad ? 0 : result.score;
	row->proven &= bad || result.proven;
	row->uses = mem_zeroed(c->grid->count, 1);
	for (size_t i = 0; i < c->groups && !bad; i++)
		if (choice[i] < c->count)
			row->uses[c->cells[choice[i]]] = 1;
	free(choice);
	return bad ? -1 : 0;
}

static int quantizes_activations(const struct overview_cell *cell)
{
	return cell->pairs[0].activation.element != ELEMENT_NONE;
}

/* The format of the best mix, but for `not` and, if asked so, those that leave activations alone. */
static size_t find_best(const struct column *c, size_t not, int activations)
{
	size_t best = OVERVIEW_NONE;
	for (size_t f = 0; f < c->count; f++) {
		const struct overview_mix *mix = &c->mixes[f];
		if (mix->cell == OVERVIEW_NONE || f == not || (activations && !quantizes_activations(format_at(c, f))))
			continue;
		if (best == OVERVIEW_NONE || mix->score < c->mixes[best].score ||
			(mix->score == c->mixes[best].score && mix->bits < c->mixes[best].bits))
			best = f;
	}
	return best;
}

/* What each caption contributes to a format's mix; for the caller to free. NULL after fail(). */
static double *mix_captions(const struct column *c, size_t format)
{
	const struct overview_cell *cell = format_at(c, format);
	const double *captions = cell->captions;
	double *brought = NULL, *sum = NULL;
	if (!captions) {
		captions = brought = mem_array(cell->group_count * cell->unit_count, sizeof *brought);
		if (c->grid->captions(c->grid->context, c->cells[format], brought)) {
			free(brought);
			return NULL;
		}
	}
	sum = mem_zeroed(cell->unit_count, sizeof *sum);
	for (size_t i = 0; i < c->groups; i++)
		for (size_t u = 0; u < cell->unit_count && !c->choice[format * c->groups + i]; u++)
			sum[u] += captions[c->group[i] * cell->unit_count + u];
	free(brought);
	return sum;
}

static int find_ahead(const struct column *c, size_t best, size_t runner_up, double *ahead)
{
	size_t units = c->resamples.units;
	*ahead = -1;
	if (runner_up == OVERVIEW_NONE || units < BOOTSTRAP_UNITS_MIN || format_at(c, best)->unit_count != units ||
		format_at(c, runner_up)->unit_count != units)
		return 0;
	double *a = mix_captions(c, best), *b = a ? mix_captions(c, runner_up) : NULL;
	if (b)
		*ahead = bootstrap_less(&c->resamples, a, b);
	free(a);
	free(b);
	return b ? 0 : -1;
}

/* Whether the recipe of a cell is the format's mix. */
static int is_recipe(const struct column *c, size_t format, const struct overview_cell *cell)
{
	const struct overview_cell *of = format_at(c, format);
	if (strcmp(cell->model, of->model) || strcmp(cell->granularity, of->granularity) ||
		cell->group_count != of->group_count)
		return 0;
	for (size_t g = 0, i = 0; g < cell->group_count; g++) {
		int quantized = i < c->groups && c->group[i] == g ? !c->choice[format * c->groups + i++] : 0;
		size_t choice = cell->groups[g].choice;
		if (quantized != (choice != SEARCH_NONE) || (quantized && strcmp(cell->formats[choice], of->pair)))
			return 0;
	}
	return overview_same_groups(cell, of); /* last: choices differ soon, and many cells are asked */
}

/* A check is of the captions that were scored: the column's own cells come first. */
static size_t find_measured(const struct column *c, const struct overview_table *t, size_t format)
{
	size_t found = OVERVIEW_NONE;
	for (size_t i = 0; i < c->grid->count; i++) {
		const struct overview_cell *cell = &c->grid->cells[i];
		if (cell->status != OVERVIEW_OK || !cell->check.present || !is_recipe(c, format, cell))
			continue;
		if (t->column[i] == c->index)
			return i;
		found = found == OVERVIEW_NONE ? i : found;
	}
	return found;
}

static struct overview_mix mix_at(const struct column *c, size_t format)
{
	return format == OVERVIEW_NONE ? (struct overview_mix){.cell = OVERVIEW_NONE} : c->mixes[format];
}

static int add_row(struct overview_budgets *b, struct column *c, const struct overview_table *t, double bits)
{
	struct overview_budget row = {.column = c->index, .bits = bits, .proven = 1};
	if (solve_formats(c, &row))
		return -1;
	size_t best = find_best(c, OVERVIEW_NONE, 0), runner_up = find_best(c, best, 0);
	if (best == OVERVIEW_NONE)
		return 0;
	row.best = mix_at(c, best);
	row.runner_up = mix_at(c, runner_up);
	row.activations = mix_at(c, find_best(c, OVERVIEW_NONE, 1));
	if (find_ahead(c, best, runner_up, &row.ahead))
		return -1;
	row.measured = find_measured(c, t, best);
	int bad = solve_together(c, &row);
	MEM_GROW(b->rows, b->count, b->capacity);
	b->rows[b->count++] = row;
	return bad;
}

static int add_column(struct overview_budgets *b, const struct overview *o, const struct overview_table *t,
	size_t column)
{
	struct column c;
	int bad = 0;
	column_make(&c, o, t, column);
	for (size_t i = 0; i < OVERVIEW_BUDGETS && c.groups && !bad; i++)
		bad = add_row(b, &c, t, overview_budget_bits[i]);
	column_release(&c);
	return bad;
}

/* --- all --- */

int overview_budgets_make(struct overview_budgets *b, const struct overview *o, const struct overview_table *t)
{
	*b = (struct overview_budgets){0};
	for (size_t c = 0; c < t->column_count; c++) {
		if (overview_column_repeats(t, c) || !add_column(b, o, t, c))
			continue;
		overview_budgets_release(b);
		return -1;
	}
	return 0;
}

void overview_budgets_release(struct overview_budgets *b)
{
	for (size_t i = 0; i < b->count; i++)
		free(b->rows[i].uses);
	free(b->rows);
	*b = (struct overview_budgets){0};
}

size_t overview_budgets_common(const struct overview_budgets *b, const struct overview *o, size_t column, size_t other,
	size_t *same)
{
	size_t common = 0;
	*same = 0;
	for (size_t i = 0; i < b->count; i++) {
		for (size_t k = 0; k < b->count && b->rows[i].column == column; k++) {
			if (b->rows[k].column != other || b->rows[k].bits != b->rows[i].bits)
				continue;
			const struct overview_cell *x = &o->cells[b->rows[i].best.cell], *y = &o->cells[b->rows[k].best.cell];
			common++;
			*same += !strcmp(x->pair, y->pair) && !strcmp(x->granularity, y->granularity);
		}
	}
	return common;
}
