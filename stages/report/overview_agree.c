#include "report/overview_page.h"

#include <math.h>
#include <string.h>

#include "report/words.h"

static const struct overview_cell *cell_at(const struct overview_page *p, size_t index)
{
	return &p->grid->cells[index];
}

static const char *size_of(const struct overview_page *p, size_t column)
{
	return p->table->columns[column].size;
}

static void add_spearman(struct strbuf *to, double spearman)
{
	if (isnan(spearman))
		strbuf_adds(to, "no order");
	else
		strbuf_addf(to, "%.2f", spearman);
}

/* Settings have a line in front only where there are several. */
static const char *in_setting(const struct overview_page *p, const struct overview_comparison *c)
{
	return p->table->settings[p->table->columns[c->column].setting].label;
}

/* --- sizes --- */

static void add_size_verdict(const struct overview_page *p, const struct overview_comparison *c)
{
	static const char *const words[] = {"No", "Mostly", "Yes"};
	size_t same, budgets = overview_budgets_common(&p->findings->budgets, p->grid, c->column, c->against, &same);
	const struct overview_agreement *first = &c->formats[0];
	strbuf_addf(p->to, "- %s%s**%s instead of %s: %s.** ", in_setting(p, c), *in_setting(p, c) ? ", " : "",
		size_of(p, c->column), size_of(p, c->against), words[overview_verdict(c->agree, c->count)]);
	strbuf_addf(p->to, "It says the same about the layers in %zu of %zu format%s", c->agree, c->count,
		words_s(c->count));
	if (budgets)
		strbuf_addf(p->to, ",\n  and chooses the same format at %zu of %zu budgets", same, budgets);
	if (overview_same_text(cell_at(p, first->cell), cell_at(p, first->against)))
		strbuf_addf(p->to, ".\n  But it scores the same captions: only the text that fixed activation scales are "
			"calibrated on differs");
	else
		strbuf_addf(p->to, " (%zu scored captions, %zu in %s)", cell_at(p, first->cell)->score_sequences,
			cell_at(p, first->against)->score_sequences, size_of(p, c->against));
	strbuf_adds(p->to, ".\n");
}

static void add_size_entry(const struct overview_page *p, const struct overview_agreement *a)
{
	const char *mark = a->agree ? "" : "**";
	strbuf_addf(p->to, "%s%zu of %zu, ", mark, a->overlap, a->top);
	add_spearman(p->to, a->spearman);
	if (!a->moved)
		strbuf_adds(p->to, ", same recipe");
	else if (isinf(a->extra))
		strbuf_addf(p->to, ", %zu moved (a score where none was left)", a->moved);
	else
		strbuf_addf(p->to, ", %zu moved (%+.2g %%)", a->moved, 100 * a->extra);
	strbuf_addf(p->to, "%s|", mark);
}

static int same_format(const struct overview_cell *a, const struct overview_cell *b)
{
	return !strcmp(a->pair, b->pair) && !strcmp(a->granularity, b->granularity);
}

static const struct overview_agreement *find_format(const struct overview_page *p, const struct overview_comparison *c,
	size_t against)
{
	for (size_t i = 0; i < c->count; i++)
		if (same_format(cell_at(p, c->formats[i].against), cell_at(p, against)))
			return &c->formats[i];
	return NULL;
}

static void add_size_heads(const struct overview_page *p, const struct overview_comparison *list, size_t count)
{
	strbuf_adds(p->to, "|Format|");
	for (size_t i = 0; i < count; i++)
		strbuf_addf(p->to, "%s against %s|", size_of(p, list[i].column), size_of(p, list[i].against));
	strbuf_adds(p->to, "\n|:---|");
	for (size_t i = 0; i < count; i++)
		strbuf_adds(p->to, ":---|");
	strbuf_addc(p->to, '\n');
}

/* The comparisons of one setting side by side: one line a cell of the largest size. */
static void add_size_table(const struct overview_page *p, const struct overview_comparison *list, size_t count)
{
	overview_page_setting(p, p->table->columns[list->column].setting);
	add_size_heads(p, list, count);
	for (size_t i = 0; i < p->grid->count; i++) {
		int any = 0;
		for (size_t k = 0; k < count && p->table->column[i] == list->against; k++)
			any |= find_format(p, &list[k], i) != NULL;
		if (!any)
			continue;
		strbuf_addc(p->to, '|');
		overview_page_format(p, cell_at(p, i));
		strbuf_addc(p->to, '|');
		for (size_t k = 0; k < count; k++) {
			const struct overview_agreement *a = find_format(p, &list[k], i);
			if (a)
				add_size_entry(p, a);
			else
				strbuf_adds(p->to, "-|");
		}
		strbuf_addc(p->to, '\n');
	}
	strbuf_addc(p->to, '\n');
}

/* Comparisons of one setting follow each other. */
static size_t count_run(const struct overview_page *p, const struct overview_comparisons *c, size_t from)
{
	size_t setting = p->table->columns[c->list[from].column].setting, to = from;
	while (to < c->count && p->table->columns[c->list[to].column].setting == setting)
		to++;
	return to - from;
}

void overview_page_sizes(const struct overview_page *p)
{
	const struct overview_comparisons *c = &p->findings->sizes;
	if (!c->count)
		return;
	strbuf_adds(p->to, "## Is a smaller size enough?\n\n");
	for (size_t i = 0; i < c->count; i++)
		add_size_verdict(p, &c->list[i]);
	strbuf_addf(p->to, "\nAn entry: how many of the %zu most sensitive layers are the same; how far all layers agree "
		"in order (Spearman's rank\ncorrelation, 1: the same order); and how many layers the recipe treats "
		"differently, with what that adds to the score that\nis left. **Bold** is not the same answer: less than %.0f "
		"%% of the top, a correlation below %g, or more than %.0f %% "
		"added.\n\n", c->list[0].formats[0].top, 100 * OVERVIEW_TOP_SHARE, OVERVIEW_SPEARMAN,
		100 * OVERVIEW_EXTRA);
	for (size_t i = 0; i < c->count; i += count_run(p, c, i))
		add_size_table(p, &c->list[i], count_run(p, c, i));
}

/* --- methods --- */

static void add_method_verdict(const struct overview_page *p, const struct overview_comparison *c)
{
	static const char *const words[] = {
		"No.** They name the same layers in only",
		"Mostly.** They name the same layers in",
		"Yes.** They name the same layers in",
	};
	static const char *const advice[] = {
		"Where they differ trust kl_div: it measures what gradient estimates.",
		"Where they differ trust kl_div: it measures what gradient estimates.",
		"The faster one, gradient, is enough to rank layers here.",
	};
	enum overview_verdict verdict = overview_verdict(c->agree, c->count);
	strbuf_addf(p->to, "- %s%s%s: **%s %zu of %zu format%s.\n  %s\n", in_setting(p, c), *in_setting(p, c) ? ", " : "",
		size_of(p, c->column), words[verdict], c->agree, c->count, words_s(c->count), advice[verdict]);
}

static void add_disputed(const struct overview_page *p, const struct overview_agreement *a)
{
	for (size_t i = 0; i < a->disputed_count; i++) {
		const struct overview_disputed *d = &a->disputed[i];
		strbuf_adds(p->to, i ? ", " : "");
		overview_page_code(p, words_short_layer(cell_at(p, a->cell)->groups[d->group].name));
		strbuf_addf(p->to, " (%zu, %zu)", d->rank, d->against_rank);
	}
	strbuf_adds(p->to, a->disputed_count ? "|\n" : "-|\n");
}

static void add_method_table(const struct overview_page *p, const struct overview_comparison *c)
{
	overview_page_column(p, c->column);
	strbuf_adds(p->to, ":\n\n|Format|Same at the top|Correlation|Layers they rank differently (by gradient, by "
		"kl_div)|\n"
		"|:---|---:|---:|:---|\n");
	for (size_t i = 0; i < c->count; i++) {
		const struct overview_agreement *a = &c->formats[i];
		const char *mark = a->agree ? "" : "**";
		strbuf_addc(p->to, '|');
		overview_page_format(p, cell_at(p, a->cell));
		strbuf_addf(p->to, "|%s%zu of %zu%s|", mark, a->overlap, a->top, mark);
		add_spearman(p->to, a->spearman);
		strbuf_addc(p->to, '|');
		add_disputed(p, a);
	}
	strbuf_addc(p->to, '\n');
}

void overview_page_methods(const struct overview_page *p)
{
	const struct overview_comparisons *c = &p->findings->methods;
	if (!c->count)
		return;
	strbuf_adds(p->to, "## Do the two methods agree?\n\ngradient estimates from one pass what kl_div measures layer "
		"by layer.\n\n");
	for (size_t i = 0; i < c->count; i++)
		add_method_verdict(p, &c->list[i]);
	strbuf_addf(p->to, "\nSame at the top: of the %zu most sensitive layers. Correlation: how far all layers agree in "
		"order (Spearman's, 1: the same\norder). The layers: those near the top that the two rank most differently, "
		"rank 1 is the most sensitive. **Bold** is not the\nsame answer: less than %.0f %% of the top or a "
		"correlation below %g.\n\n",
		c->list[0].formats[0].top, 100 * OVERVIEW_TOP_SHARE, OVERVIEW_SPEARMAN);
	for (size_t i = 0; i < c->count; i++)
		add_method_table(p, &c->list[i]);
}
