#include "report/overview_agreement.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "stats/ranking.h"

enum overview_verdict overview_verdict(size_t agree, size_t count)
{
	if (agree == count)
		return OVERVIEW_YES;
	return (double)agree >= OVERVIEW_MOSTLY * (double)count ? OVERVIEW_MOSTLY_YES : OVERVIEW_NO;
}

size_t overview_top_of(size_t groups)
{
	size_t third = groups / 3;
	if (third < 1)
		return 1;
	return third < OVERVIEW_TOP_MAX ? third : OVERVIEW_TOP_MAX;
}

/* --- two cells --- */

static double *scores_of(const struct overview_cell *cell)
{
	double *score = mem_array(cell->group_count, sizeof *score);
	for (size_t g = 0; g < cell->group_count; g++)
		score[g] = cell->groups[g].score;
	return score;
}

/* rank[n], from 1. */
static size_t *ranks_of(const double *score, size_t n)
{
	size_t *order = mem_array(n, sizeof *order), *rank = mem_array(n, sizeof *rank);
	ranking_order(score, n, order);
	for (size_t i = 0; i < n; i++)
		rank[order[i]] = i + 1;
	free(order);
	return rank;
}

static size_t distance(size_t a, size_t b)
{
	return a > b ? a - b : b - a;
}

/* Keeps the list in order; equal distances stay in module order. */
static void offer(struct overview_agreement *a, struct overview_disputed new)
{
	size_t at = a->disputed_count;
	while (at && distance(a->disputed[at - 1].rank, a->disputed[at - 1].against_rank) <
		distance(new.rank, new.against_rank))
		at--;
	if (at == OVERVIEW_DISPUTED)
		return;
	a->disputed_count += a->disputed_count < OVERVIEW_DISPUTED;
	for (size_t i = a->disputed_count - 1; i > at; i--)
		a->disputed[i] = a->disputed[i - 1];
	a->disputed[at] = new;
}

static void find_disputed(struct overview_agreement *a, const double *x, const double *y, size_t n)
{
	size_t *rank = ranks_of(x, n), *against = ranks_of(y, n);
	for (size_t g = 0; g < n; g++)
		if ((rank[g] <= a->top || against[g] <= a->top) && rank[g] != against[g])
			offer(a, (struct overview_disputed){g, rank[g], against[g]});
	free(rank);
	free(against);
}

static int same_choice(const struct overview_cell *x, const struct overview_cell *y, size_t group)
{
	return !strcmp(x->groups[group].title, y->groups[group].title);
}

static void find_moved(struct overview_agreement *a, const struct overview_cell *x, const struct overview_cell *y)
{
	double moved = 0, sum = 0, left = 0, own = 0;
	for (size_t g = 0; g < x->group_count; g++) {
		int same = same_choice(x, y, g);
		a->moved += (size_t)!same;
		moved += same ? 0 : y->groups[g].score;
		sum += y->groups[g].score;
		left += x->groups[g].choice == SEARCH_NONE ? 0 : y->groups[g].score;
		own += y->groups[g].choice == SEARCH_NONE ? 0 : y->groups[g].score;
	}
	a->moved_share = sum > 0 ? moved / sum : 0;
	a->extra = left == own ? 0 : left / own - 1;
}

void overview_agreement_make(struct overview_agreement *a, const struct overview *o, size_t cell, size_t against,
	int recipes)
{
	const struct overview_cell *x = &o->cells[cell], *y = &o->cells[against];
	size_t n = x->group_count;
	double *score = scores_of(x), *other = scores_of(y);
	*a = (struct overview_agreement){.cell = cell, .against = against, .top = overview_top_of(n)};
	a->overlap = ranking_top_overlap(score, other, n, a->top);
	a->spearman = ranking_spearman(score, other, n);
	find_disputed(a, score, other, n);
	find_moved(a, x, y);
	a->agree = (double)a->overlap >= OVERVIEW_TOP_SHARE * (double)a->top && a->spearman >= OVERVIEW_SPEARMAN &&
		(!recipes || a->extra <= OVERVIEW_EXTRA);
	free(score);
	free(other);
}

/* --- two columns --- */

static size_t find_like(const struct overview *o, const struct overview_table *t, size_t cell, size_t column)
{
	for (size_t i = 0; i < o->count; i++)
		if (t->column[i] == column && !strcmp(o->cells[i].pair, o->cells[cell].pair) &&
			!strcmp(o->cells[i].granularity, o->cells[cell].granularity))
			return i;
	return OVERVIEW_NONE;
}

/* A format with the scores of an earlier one of its column would count twice. */
static int is_twin(const struct overview *o, const struct overview_table *t, size_t cell)
{
	for (size_t i = 0; i < cell; i++)
		if (t->column[i] == t->column[cell] && overview_cell_ranked(&o->cells[i]) &&
			overview_same_scores(&o->cells[i], &o->cells[cell]))
			return 1;
	return 0;
}

static void compare(struct overview_comparisons *to, const struct overview *o, const struct overview_table *t,
	size_t column, size_t against, int recipes)
{
	struct overview_comparison c = {.column = column, .against = against};
	size_t capacity = 0;
	for (size_t i = 0; i < o->count; i++) {
		size_t like = t->column[i] == column && overview_cell_ranked(&o->cells[i]) && !is_twin(o, t, i)
			? find_like(o, t, i, against) : OVERVIEW_NONE;
		if (like == OVERVIEW_NONE || !overview_cell_ranked(&o->cells[like]) ||
			!overview_same_groups(&o->cells[i], &o->cells[like]))
			continue;
		MEM_GROW(c.formats, c.count, capacity);
		overview_agreement_make(&c.formats[c.count], o, i, like, recipes);
		c.agree += (size_t)c.formats[c.count++].agree;
	}
	if (!c.count)
		return;
	MEM_GROW(to->list, to->count, to->capacity);
	to->list[to->count++] = c;
}

/* --- sizes --- */

/* Captions scored in a column; 0 when nothing was. */
static size_t captions_of(const struct overview *o, const struct overview_table *t, size_t column)
{
	for (size_t i = t->columns[column].first; i < o->count; i++)
		if (t->column[i] == column && overview_cell_ranked(&o->cells[i]))
			return o->cells[i].score_sequences;
	return 0;
}

static size_t largest_column(const struct overview *o, const struct overview_table *t, size_t setting)
{
	size_t largest = OVERVIEW_NONE, most = 0;
	for (size_t c = 0; c < t->column_count; c++) {
		size_t captions = t->columns[c].setting == setting ? captions_of(o, t, c) : 0;
		if (!captions || captions < most)
			continue;
		largest = c;
		most = captions;
	}
	return largest;
}

void overview_sizes_make(struct overview_comparisons *to, const struct overview *o, const struct overview_table *t)
{
	*to = (struct overview_comparisons){0};
	for (size_t s = 0; s < t->setting_count; s++) {
		size_t largest = t->settings[s].repeats == s ? largest_column(o, t, s) : OVERVIEW_NONE;
		for (size_t c = 0; c < t->column_count && largest != OVERVIEW_NONE; c++)
			if (t->columns[c].setting == s && c != largest)
				compare(to, o, t, c, largest, 1);
	}
}

/* --- methods --- */

/* A key by itself: "autoquant=..." or "method=..." among blanks. */
static int names_method(const char *word)
{
	return !strncmp(word, "autoquant=", 10) || !strncmp(word, "method=", 7);
}

/* The next word that does not name the method; *length 0 at the end. */
static const char *next_word(const char *words, size_t *length)
{
	words += strspn(words, " ");
	while (*words && names_method(words)) {
		words += strcspn(words, " ");
		words += strspn(words, " ");
	}
	*length = strcspn(words, " ");
	return words;
}

/* Equal but for words that name the method. */
static int same_words(const char *a, const char *b)
{
	for (;;) {
		size_t length, other;
		a = next_word(a, &length);
		b = next_word(b, &other);
		if (length != other || strncmp(a, b, length))
			return 0;
		if (!length)
			return 1;
		a += length;
		b += other;
	}
}

static const char *method_of(const struct overview *o, const struct overview_table *t, size_t column)
{
	for (size_t i = t->columns[column].first; i < o->count; i++)
		if (t->column[i] == column && overview_cell_ranked(&o->cells[i]))
			return o->cells[i].method;
	return "";
}

static int is_counterpart(const struct overview *o, const struct overview_table *t, size_t column, size_t other)
{
	const struct overview_column *a = &t->columns[column], *b = &t->columns[other];
	return !strcmp(a->size, b->size) && !strcmp(o->cells[a->first].model, o->cells[b->first].model) &&
		same_words(t->settings[a->setting].words, t->settings[b->setting].words) &&
		!strcmp(method_of(o, t, other), "kl_div");
}

void overview_methods_make(struct overview_comparisons *to, const struct overview *o, const struct overview_table *t)
{
	*to = (struct overview_comparisons){0};
	for (size_t c = 0; c < t->column_count; c++) {
		if (strcmp(method_of(o, t, c), "gradient") || overview_column_repeats(t, c))
			continue;
		for (size_t k = 0; k < t->column_count; k++) {
			if (!is_counterpart(o, t, c, k))
				continue;
			compare(to, o, t, c, k, 0);
			break;
		}
	}
}

void overview_comparisons_release(struct overview_comparisons *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->list[i].formats);
	free(c->list);
	*c = (struct overview_comparisons){0};
}
