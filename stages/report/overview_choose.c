#include "report/overview_page.h"

#include <math.h>

#include "report/words.h"

/* The budget that the advice at the top is for. */
static const double advice_bits = 6;

/* Captions scored in a row's column. */
static size_t captions_of(const struct overview_page *p, const struct overview_budget *row)
{
	return p->grid->cells[row->best.cell].score_sequences;
}

const struct overview_budget *overview_page_advice(const struct overview_page *p)
{
	const struct overview_budgets *b = &p->findings->budgets;
	const struct overview_budget *advice = NULL;
	for (size_t i = 0; i < b->count; i++) {
		const struct overview_budget *row = &b->rows[i];
		if (row->bits < advice_bits || (advice && advice->column == row->column))
			continue;
		if (!advice || captions_of(p, row) >= captions_of(p, advice))
			advice = row;
	}
	return advice;
}

const char *overview_page_certainty(double ahead)
{
	static const char *const words[] = {"too few captions", "toss-up", "likely", "clear"};
	return words[overview_certainty(ahead)];
}

/* A hair is added as 100 * 0.57 is less than 57. */
double overview_page_hundredths(double share)
{
	return floor(100 * share + 1e-9);
}

static void add_sure(struct strbuf *to, double ahead)
{
	strbuf_adds(to, overview_page_certainty(ahead));
	if (ahead >= 0)
		strbuf_addf(to, " (%.0f of 100)", overview_page_hundredths(ahead));
}

static void add_rival(const struct overview_page *p, const struct overview_mix *mix, const struct overview_mix *best)
{
	if (mix->cell == OVERVIEW_NONE) {
		strbuf_adds(p->to, "-|");
	} else if (mix->cell == best->cell) {
		strbuf_adds(p->to, "the same|");
	} else {
		overview_page_format(p, &p->grid->cells[mix->cell]);
		strbuf_adds(p->to, ", ");
		overview_page_factor(p->to, mix->score, best->score);
		strbuf_addc(p->to, '|');
	}
}

static void add_together(const struct overview_page *p, const struct overview_budget *row)
{
	size_t formats = 0;
	for (size_t i = 0; i < p->grid->count; i++)
		formats += row->uses[i];
	strbuf_addf(p->to, "%.2e", row->together);
	if (row->together < row->best.score && !overview_page_equal(row->best.score, row->together)) {
		strbuf_adds(p->to, ", ");
		if (row->together > 0) {
			overview_page_factor(p->to, row->best.score, row->together);
			strbuf_adds(p->to, " less, ");
		}
		strbuf_addf(p->to, "%zu format%s", formats, words_s(formats));
	}
	strbuf_addf(p->to, "%s|\n", row->proven ? "" : " (perhaps not the best)");
}

static void add_row(const struct overview_page *p, const struct overview_budget *row)
{
	strbuf_addf(p->to, "|%g|", row->bits);
	overview_page_format(p, &p->grid->cells[row->best.cell]);
	strbuf_addf(p->to, "|%.2e|%.1e|", row->best.score, row->best.predicted);
	add_rival(p, &row->runner_up, &row->best);
	if (row->runner_up.cell == OVERVIEW_NONE)
		strbuf_addc(p->to, '-');
	else
		add_sure(p->to, row->ahead);
	strbuf_addc(p->to, '|');
	add_rival(p, &row->activations, &row->best);
	add_together(p, row);
}

static void add_table(const struct overview_page *p, size_t column)
{
	const struct overview_budgets *b = &p->findings->budgets;
	int any = 0;
	for (size_t i = 0; i < b->count; i++) {
		if (b->rows[i].column != column)
			continue;
		if (!any++) {
			overview_page_column(p, column);
			strbuf_adds(p->to, ":\n\n|Stored bits|Choose|Score left|KL predicted|Runner-up, its score|How sure|With "
				"quantized activations|All formats together|\n|---:|:---|---:|---:|:---|:---|:---|:---|\n");
		}
		add_row(p, &b->rows[i]);
	}
	if (any)
		strbuf_addc(p->to, '\n');
}

void overview_page_budgets(const struct overview_page *p)
{
	if (!p->findings->budgets.count)
		return;
	strbuf_addf(p->to, "## What to choose at which budget\n\n"
		"Formats compare at equal size: each is searched anew so that the layers, scales included, take at most so "
		"many\n"
		"stored bits a weight; the layers that it hurts most stay at 16 bits. Take the row that you can afford.\n\n"
		"- Score left: of the layers that are quantized. Smaller is better; the other formats are given as multiples "
		"of it.\n"
		"- KL predicted: how far the mix moves the predictions by these scores, in nats a token (KL divergence); see "
		"\"Recipes run for\n  real\" for how far that can be trusted.\n"
		"- How sure: in how many of 100 resampled sets of captions the choice stays ahead of the runner-up. **Clear** "
		"from %.0f on,\n  **likely** from %.0f on; below it is a **toss-up**: take whichever runs faster. This is "
		"about captions; whether the scores of\n  single layers add up to what a mix costs is measured under "
		"\"Recipes run for real\", where there are any.\n"
		"- With quantized activations: they cost score and save no storage, but may run faster.\n"
		"- All formats together: each layer has the format that suits it best%s.\n"
		"- To make a mix: `./configure quant_pair=PAIR autoquant.effective_bits=BITS autoquant.cost=cost_bits`; "
		"`autoquant.formats=[PAIR,PAIR]`\n  lets several formats compete.\n\n", 100 * OVERVIEW_CLEAR,
		100 * OVERVIEW_LIKELY,
		overview_page_granularities(p) ? ", of any granularity here; a cell has one, so this is a bound" : "");
	for (size_t c = 0; c < p->table->column_count; c++)
		add_table(p, c);
}
