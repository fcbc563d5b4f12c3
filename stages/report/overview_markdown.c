#include "report/overview_markdown.h"

#include <string.h>

#include "report/overview_page.h"
#include "report/words.h"

static int is_scored(const struct overview_page *p, size_t cell)
{
	return overview_cell_scored(&p->grid->cells[cell]);
}

static int is_divergence(const struct overview_cell *cell)
{
	return !strcmp(cell->method, "kl_div");
}

static size_t count_status(const struct overview *o, enum overview_status status)
{
	size_t count = 0;
	for (size_t i = 0; i < o->count; i++)
		count += o->cells[i].status == status;
	return count;
}

static size_t count_scored(const struct overview *o)
{
	size_t count = 0;
	for (size_t i = 0; i < o->count; i++)
		count += (size_t)overview_cell_scored(&o->cells[i]);
	return count;
}

void overview_page_code(const struct overview_page *p, const char *text)
{
	strbuf_addc(p->to, '`');
	words_cell(p->to, text);
	strbuf_addc(p->to, '`');
}

int overview_page_granularities(const struct overview_page *p)
{
	const struct overview *o = p->grid;
	for (size_t i = 1; i < o->count; i++)
		if (strcmp(o->cells[0].granularity, o->cells[i].granularity))
			return 1;
	return 0;
}

void overview_page_format(const struct overview_page *p, const struct overview_cell *cell)
{
	int several = overview_page_granularities(p);
	strbuf_addf(p->to, "`%s%s%s`", cell->pair, several ? "." : "", several ? cell->granularity : "");
}

double overview_page_share(const struct overview_cell *cell, size_t top)
{
	return cell->sum > 0 ? cell->top[top].score / cell->sum : 0;
}

static size_t count_repeats(const struct overview_table *t, size_t setting)
{
	size_t count = 0;
	for (size_t s = 0; s < t->setting_count; s++)
		count += t->settings[s].repeats == setting;
	return count;
}

void overview_page_setting(const struct overview_page *p, size_t setting)
{
	const struct overview_table *t = p->table;
	size_t count = count_repeats(t, setting), index = 0;
	if (!*t->settings[setting].label)
		return;
	for (size_t s = 0; s < t->setting_count; s++)
		if (t->settings[s].repeats == setting)
			strbuf_addf(p->to, "%s%s", words_between(index++, count), t->settings[s].label);
	strbuf_addf(p->to, "%s:\n\n", count > 1 ? " (the same sums)" : "");
}

void overview_page_column(const struct overview_page *p, size_t column)
{
	const struct overview_column *in = &p->table->columns[column];
	size_t count = count_repeats(p->table, in->setting);
	if (*p->table->settings[in->setting].label) {
		strbuf_adds(p->to, p->table->settings[in->setting].label);
		if (count > 1)
			strbuf_addf(p->to, " and %zu more of the same sums", count - 1);
		strbuf_adds(p->to, ", ");
	}
	strbuf_adds(p->to, in->size);
}

int overview_page_equal(double worse, double better)
{
	return worse == better || worse < 1.005 * better;
}

void overview_page_factor(struct strbuf *to, double worse, double better)
{
	if (overview_page_equal(worse, better))
		strbuf_adds(to, "equal");
	else if (!(better > 0))
		strbuf_adds(to, "above 0");
	else
		strbuf_addf(to, worse < 9.95 * better ? "%.2f times" : "%.3g times", worse / better);
}

const char *overview_page_verdict(enum overview_verdict verdict)
{
	static const char *const words[] = {"no", "mostly", "yes"};
	return words[verdict];
}

/* --- top --- */

static void add_counts(const struct overview_page *p)
{
	const struct overview *o = p->grid;
	size_t ok = count_status(o, OVERVIEW_OK), failed = count_status(o, OVERVIEW_FAILED);
	size_t missing = count_status(o, OVERVIEW_MISSING), unscored = ok - count_scored(o), twins = 0;
	for (size_t i = 0; i < o->count; i++)
		twins += is_scored(p, i) && o->cells[i].same_as;
	strbuf_addf(p->to, "# %s\n\n%zu of %zu cell%s %s a result", o->grid, ok, o->count, words_s(o->count),
		o->count == 1 ? "has" : "have");
	if (twins)
		strbuf_addf(p->to, " (%zu with the scores of an earlier cell)", twins);
	if (unscored)
		strbuf_addf(p->to, ", **%zu with nothing scored**", unscored);
	if (failed)
		strbuf_addf(p->to, ", **%zu failed**", failed);
	if (missing)
		strbuf_addf(p->to, ", %zu missing", missing);
	if (o->invalid_count)
		strbuf_addf(p->to, "; %zu more cannot exist", o->invalid_count);
	strbuf_adds(p->to, ".\n\n");
}

static void add_introduction(const struct overview_page *p)
{
	size_t divergences = 0;
	for (size_t i = 0; i < p->grid->count; i++)
		divergences += is_scored(p, i) && is_divergence(&p->grid->cells[i]);
	strbuf_adds(p->to, "## What the numbers are\n\nA cell is one way to quantize the model, judged on one amount of "
		"calibration text. Its **sum** adds up the\nsensitivities of all layers: ");
	if (!divergences)
		strbuf_adds(p->to, "how much quantizing each of them disturbs the loss. ");
	else if (divergences == count_scored(p->grid))
		strbuf_adds(p->to, "how far quantizing each of them alone moves the predictions, in nats. ");
	else
		strbuf_adds(p->to, "how much quantizing each of them disturbs the loss (gradient)\nor how far it alone moves "
			"the predictions, in nats (kl_div); the two do not compare. ");
	strbuf_addf(p->to, "Smaller is better.\nSums compare cells with the same captions, batch size and scored samples: "
		"here those of one size%s. Ranks are among\nthese. Stored bits count scales too.\n\n",
		p->table->setting_count > 1 ? " in one setting" : "");
}

void overview_markdown_make(struct strbuf *to, const struct overview *overview, const struct overview_table *table,
	const struct overview_findings *findings, const char *folder)
{
	const struct overview_page page = {to, overview, table, findings, folder};
	add_counts(&page);
	if (count_scored(overview)) {
		overview_page_short(&page);
		add_introduction(&page);
		overview_page_budgets(&page);
		overview_page_cheapest(&page);
		overview_page_matrices(&page);
		overview_page_layers(&page);
		overview_page_sizes(&page);
		overview_page_methods(&page);
		overview_page_checks(&page);
	}
	overview_page_formats(&page);
	overview_page_cells(&page);
	overview_page_reasons(&page);
	overview_page_invalid(&page);
	/* Sections end with an empty line; a file does not. */
	to->s[--to->length] = '\0';
}
