#include "report/overview_page.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "report/words.h"

/* --- least sums --- */

static int is_ranked(const struct overview_page *p, size_t cell)
{
	return overview_cell_ranked(&p->grid->cells[cell]);
}

static int any_ranked(const struct overview_page *p)
{
	for (size_t i = 0; i < p->grid->count; i++)
		if (is_ranked(p, i))
			return 1;
	return 0;
}

/* Trailing digits of "fp8", "int4", "fp16". */
static int bits_of(const char *type)
{
	size_t length = strlen(type);
	while (length && strchr("0123456789", type[length - 1]))
		length--;
	return atoi(type + length);
}

static int same_class(const struct overview_cell *a, const struct overview_cell *b)
{
	return a->format_count == 1 && bits_of(a->weight) == bits_of(b->weight) &&
		bits_of(a->activation) == bits_of(b->activation);
}

/* Cell of least sum in a column, of the class of like unless that is NULL; the first of equals. */
static size_t find_best(const struct overview_page *p, size_t column, const struct overview_cell *like)
{
	const struct overview_cell *cells = p->grid->cells;
	size_t best = OVERVIEW_NONE;
	for (size_t i = 0; i < p->grid->count; i++)
		if (is_ranked(p, i) && p->table->column[i] == column && (!like || same_class(&cells[i], like)) &&
			(best == OVERVIEW_NONE || cells[i].sum < cells[best].sum))
			best = i;
	return best;
}

static void add_best(const struct overview_page *p, size_t best)
{
	if (best == OVERVIEW_NONE) {
		strbuf_adds(p->to, "-|");
		return;
	}
	overview_page_format(p, &p->grid->cells[best]);
	strbuf_addf(p->to, " %.3e|", p->grid->cells[best].sum);
}

static int in_setting(const struct overview_page *p, size_t column, size_t setting)
{
	return p->table->columns[column].setting == setting;
}

static void add_column_heads(const struct overview_page *p, size_t setting, const char *first)
{
	strbuf_addf(p->to, "|%s|", first);
	for (size_t c = 0; c < p->table->column_count; c++)
		if (in_setting(p, c, setting))
			strbuf_addf(p->to, "%s|", p->table->columns[c].size);
	strbuf_adds(p->to, "\n|:---|");
	for (size_t c = 0; c < p->table->column_count; c++)
		if (in_setting(p, c, setting))
			strbuf_adds(p->to, ":---|");
	strbuf_addc(p->to, '\n');
}

static void add_bests(const struct overview_page *p, size_t setting, const struct overview_cell *like)
{
	for (size_t c = 0; c < p->table->column_count; c++)
		if (in_setting(p, c, setting))
			add_best(p, find_best(p, c, like));
	strbuf_addc(p->to, '\n');
}

enum { BITS_MAX = 16 };

/* A cell of each class of formats, by bits of weights and activations; NULL where there is none. */
struct classes {
	const struct overview_cell *like[BITS_MAX + 1][BITS_MAX + 1];
};

static void find_classes(struct classes *classes, const struct overview *o)
{
	*classes = (struct classes){0};
	for (size_t i = o->count; i-- > 0;) {
		const struct overview_cell *cell = &o->cells[i];
		if (cell->format_count > 1)
			continue;
		int weight = bits_of(cell->weight), activation = bits_of(cell->activation);
		if (weight <= BITS_MAX && activation <= BITS_MAX)
			classes->like[weight][activation] = cell;
	}
}

/* One line a class, the classes by falling bits. */
static void add_classes(const struct overview_page *p, size_t setting, const struct classes *classes)
{
	for (int weight = BITS_MAX; weight > 0; weight--)
		for (int activation = BITS_MAX; activation > 0; activation--) {
			if (!classes->like[weight][activation])
				continue;
			strbuf_addf(p->to, "|W%dA%d|", weight, activation);
			add_bests(p, setting, classes->like[weight][activation]);
		}
}

static const struct overview_cell *column_sample(const struct overview_page *p, size_t column)
{
	for (size_t i = p->table->columns[column].first; i < p->grid->count; i++)
		if (p->table->column[i] == column && is_ranked(p, i))
			return &p->grid->cells[i];
	return NULL;
}

static int column_shares_text(const struct overview_page *p, size_t column, size_t other)
{
	const struct overview_cell *a = column_sample(p, column), *b = column_sample(p, other);
	return a && b && in_setting(p, other, p->table->columns[column].setting) && overview_same_text(a, b);
}

/* Sizes that score the same text would be read as "more text changes nothing". */
static void add_text_note(const struct overview_page *p, size_t column)
{
	size_t count = 0, index = 0, scored;
	for (size_t c = 0; c < p->table->column_count; c++) {
		if (!column_shares_text(p, column, c))
			continue;
		if (c < column)
			return; /* told there */
		count++;
	}
	if (count < 2)
		return;
	strbuf_adds(p->to, "> **Note:** ");
	for (size_t c = column; c < p->table->column_count; c++)
		if (column_shares_text(p, column, c))
			strbuf_addf(p->to, "%s%s", words_between(index++, count), p->table->columns[c].size);
	scored = column_sample(p, column)->score_sequences;
	strbuf_addf(p->to, " score the same %zu caption%s (at most `autoquant.score_size` are scored). They differ only\n"
		"> in the text that fixed activation scales are calibrated on, so equal sums do not say that more text is not "
		"worth it.\n\n", scored, words_s(scored));
}

void overview_page_cheapest(const struct overview_page *p)
{
	const struct overview_table *t = p->table;
	struct classes classes;
	if (!any_ranked(p))
		return;
	find_classes(&classes, p->grid);
	strbuf_adds(p->to, "## Least harmful formats\n\nFormat of the smallest sum, for each size of calibration text. "
		"W4A8: weights of 4 bits, activations of 8; A16 leaves\nactivations as they are.\n\n");
	for (size_t s = 0; s < t->setting_count; s++) {
		if (t->settings[s].repeats != s)
			continue;
		overview_page_setting(p, s);
		add_column_heads(p, s, "Class");
		strbuf_adds(p->to, "|**any**|");
		add_bests(p, s, NULL);
		add_classes(p, s, &classes);
		strbuf_addc(p->to, '\n');
		for (size_t c = 0; c < t->column_count; c++)
			if (in_setting(p, c, s))
				add_text_note(p, c);
	}
}

/* --- weights x activations --- */

struct axis {
	const char **names;
	size_t count;
};

static void axis_add(struct axis *axis, const char *name)
{
	for (size_t i = 0; i < axis->count; i++)
		if (!strcmp(axis->names[i], name))
			return;
	axis->names[axis->count++] = name;
}

static int in_matrix(const struct overview_page *p, size_t cell, size_t column, const char *granularity)
{
	return p->grid->cells[cell].format_count == 1 && p->table->column[cell] == column &&
		!strcmp(p->grid->cells[cell].granularity, granularity);
}

static size_t find_cell(const struct overview_page *p, size_t column, const char *granularity, const char *weight,
	const char *activation)
{
	for (size_t i = 0; i < p->grid->count; i++)
		if (in_matrix(p, i, column, granularity) && !strcmp(p->grid->cells[i].weight, weight) &&
			!strcmp(p->grid->cells[i].activation, activation))
			return i;
	return OVERVIEW_NONE;
}

static void add_matrix_cell(const struct overview_page *p, size_t cell)
{
	static const char *const words[] = {"nothing scored", "failed", "missing"};
	if (cell == OVERVIEW_NONE)
		strbuf_adds(p->to, "-|");
	else if (!is_ranked(p, cell))
		strbuf_addf(p->to, "%s|", words[p->grid->cells[cell].status]);
	else
		strbuf_addf(p->to, p->table->rank[cell] == 1 ? "**%.3e**|" : "%.3e|", p->grid->cells[cell].sum);
}

static void add_matrix(const struct overview_page *p, size_t column, const char *granularity,
	const struct axis *weights, const struct axis *activations)
{
	overview_page_column(p, column);
	strbuf_addf(p->to, ", granularity `%s`:\n\n|weights \\ activations|", granularity);
	for (size_t a = 0; a < activations->count; a++)
		strbuf_addf(p->to, "%s|", activations->names[a]);
	strbuf_adds(p->to, "\n|:---|");
	for (size_t a = 0; a < activations->count; a++)
		strbuf_adds(p->to, "---:|");
	strbuf_addc(p->to, '\n');
	for (size_t w = 0; w < weights->count; w++) {
		strbuf_addf(p->to, "|%s|", weights->names[w]);
		for (size_t a = 0; a < activations->count; a++)
			add_matrix_cell(p, find_cell(p, column, granularity, weights->names[w], activations->names[a]));
		strbuf_addc(p->to, '\n');
	}
	strbuf_addc(p->to, '\n');
}

/* A matrix needs two weights and two activations. Returns whether it was shown. */
static int try_matrix(const struct overview_page *p, size_t column, const char *granularity, int first)
{
	const struct overview *o = p->grid;
	struct axis weights = {mem_array(o->count, sizeof *weights.names), 0};
	struct axis activations = {mem_array(o->count, sizeof *activations.names), 0};
	for (size_t i = 0; i < o->count; i++) {
		if (!in_matrix(p, i, column, granularity))
			continue;
		axis_add(&weights, o->cells[i].weight);
		axis_add(&activations, o->cells[i].activation);
	}
	int shown = weights.count > 1 && activations.count > 1;
	if (shown && first)
		strbuf_adds(p->to, "## Weights against activations\n\nSums; the smallest of each size is bold.\n\n");
	if (shown)
		add_matrix(p, column, granularity, &weights, &activations);
	free(weights.names);
	free(activations.names);
	return shown;
}

void overview_page_matrices(const struct overview_page *p)
{
	const struct overview *o = p->grid;
	struct axis granularities = {mem_array(o->count, sizeof *granularities.names), 0};
	int shown = 0;
	for (size_t i = 0; i < o->count; i++)
		axis_add(&granularities, o->cells[i].granularity);
	for (size_t g = 0; g < granularities.count; g++)
		for (size_t c = 0; c < p->table->column_count; c++)
			if (!overview_column_repeats(p->table, c))
				shown |= try_matrix(p, c, granularities.names[g], !shown);
	free(granularities.names);
}
