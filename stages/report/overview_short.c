#include "report/overview_page.h"

#include <stdlib.h>
#include <string.h>

#include "report/words.h"

enum { LAYERS_NAMED = 3 };

static void add_layers(const struct overview_page *p)
{
	size_t cells, count;
	struct overview_layer *layers = overview_layers_collect(p, &count, &cells);
	if (count)
		strbuf_addf(p->to, "- **The worst layers** (how many cells have them in their top %d, largest share of a "
			"sum):\n  ",
			OVERVIEW_WORST);
	for (size_t i = 0, shown = count < LAYERS_NAMED ? count : LAYERS_NAMED; i < shown; i++) {
		strbuf_adds(p->to, words_between(i, shown));
		overview_page_code(p, words_short_layer(layers[i].name));
		strbuf_addf(p->to, " (%zu of %zu, ", layers[i].cells, cells);
		words_share(p->to, layers[i].share);
		strbuf_addc(p->to, ')');
	}
	if (count)
		strbuf_adds(p->to, ".\n");
	free(layers);
}

/* --- the choice --- */

/* A score by itself says little. */
static void add_part(const struct overview_page *p, const struct overview_budget *row)
{
	double sum = p->grid->cells[row->best.cell].sum;
	if (sum > row->best.score) {
		strbuf_adds(p->to, ", ");
		words_share(p->to, row->best.score / sum);
		strbuf_adds(p->to, " of that with every layer quantized");
	}
	strbuf_addc(p->to, '.');
}

static void add_runner_up(const struct overview_page *p, const struct overview_budget *row)
{
	if (row->runner_up.cell == OVERVIEW_NONE) {
		strbuf_adds(p->to, " No other format fits.");
		return;
	}
	strbuf_adds(p->to, "\n  Runner-up ");
	overview_page_format(p, &p->grid->cells[row->runner_up.cell]);
	if (overview_page_equal(row->runner_up.score, row->best.score)) {
		strbuf_adds(p->to, " leaves as much");
	} else {
		strbuf_adds(p->to, " leaves ");
		overview_page_factor(p->to, row->runner_up.score, row->best.score);
		strbuf_adds(p->to, row->best.score > 0 ? " that" : "");
	}
	if (row->ahead < 0)
		strbuf_adds(p->to, "; there are too few captions to say how sure that is.");
	else
		strbuf_addf(p->to, "; the choice stays ahead in %.0f of 100 resampled sets of captions: %s.",
			overview_page_hundredths(row->ahead), overview_page_certainty(row->ahead));
}

static void add_together(const struct overview_page *p, const struct overview_budget *row)
{
	if (!(row->together < row->best.score) || overview_page_equal(row->best.score, row->together))
		return;
	strbuf_adds(p->to, "\n  Letting all formats compete for each layer would leave ");
	if (row->together > 0)
		overview_page_factor(p->to, row->best.score, row->together);
	strbuf_addf(p->to, "%s%s.", row->together > 0 ? " less" : "nothing",
		overview_page_granularities(p) ? " (a bound: a recipe has one granularity)" : "");
}

static void add_measured(const struct overview_page *p, const struct overview_budget *row)
{
	const struct overview_cell *best = &p->grid->cells[row->best.cell];
	if (row->measured != OVERVIEW_NONE) {
		const struct report_check *c = &p->grid->cells[row->measured].check;
		strbuf_addf(p->to, "\n  Run for real, this mix takes the loss from %.4f to %.4f and moves the predictions by "
			"%.2g nats a token.", c->loss_before, c->loss_after, c->divergence);
		return;
	}
	strbuf_addf(p->to, "\n  This mix was not run for real yet. To do so:\n  `./configure model=%s quant_pair=%s "
		"quant_granularity=%s dataset.size=%s autoquant.method=%s autoquant.effective_bits=%g "
		"autoquant.cost=cost_bits`",
		best->model, best->pair, best->granularity, best->size, best->method, row->bits);
}

/* Other columns at the same budget, and how many of them choose the same. */
static void add_elsewhere(const struct overview_page *p, const struct overview_budget *advice)
{
	const struct overview_budgets *b = &p->findings->budgets;
	const struct overview_cell *best = &p->grid->cells[advice->best.cell];
	size_t others = 0, same = 0;
	for (size_t i = 0; i < b->count; i++) {
		const struct overview_cell *other = &p->grid->cells[b->rows[i].best.cell];
		if (&b->rows[i] == advice || b->rows[i].bits != advice->bits)
			continue;
		others++;
		same += !strcmp(other->pair, best->pair) && !strcmp(other->granularity, best->granularity);
	}
	if (!others)
		return;
	strbuf_adds(p->to, "\n  That is by ");
	overview_page_column(p, advice->column);
	strbuf_addf(p->to, "; %zu of %zu other table%s below choose%s the same.", same, others, words_s(others),
		others == 1 ? "s" : "");
}

static void add_choice(const struct overview_page *p)
{
	const struct overview_budget *row = overview_page_advice(p);
	if (!row)
		return;
	strbuf_addf(p->to, "- **At %g stored bits a weight choose ", row->bits);
	overview_page_format(p, &p->grid->cells[row->best.cell]);
	strbuf_addf(p->to, ":** it leaves a score of %.2e", row->best.score);
	add_part(p, row);
	strbuf_addf(p->to, "\n  By these scores that moves the predictions by %.1e nats a token (KL divergence), next to a "
		"loss of %.3f.", row->best.predicted, p->grid->cells[row->best.cell].loss);
	add_runner_up(p, row);
	add_elsewhere(p, row);
	add_together(p, row);
	add_measured(p, row);
	strbuf_addc(p->to, '\n');
}

/* --- verdicts --- */

/* The verdict of the worst comparison speaks for all of a size. */
static void add_sizes(const struct overview_page *p)
{
	const struct overview_comparisons *c = &p->findings->sizes;
	for (size_t i = 0; i < c->count; i++) {
		const struct overview_comparison *one = &c->list[i];
		const struct overview_agreement *first = &one->formats[0];
		if (overview_same_text(&p->grid->cells[first->cell], &p->grid->cells[first->against]))
			continue;
		strbuf_addf(p->to, "- **Is %s enough?** %s: it says the same about the layers as %s in %zu of %zu format%s",
			p->table->columns[one->column].size, overview_page_verdict(overview_verdict(one->agree, one->count)),
			p->table->columns[one->against].size, one->agree, one->count, words_s(one->count));
		const char *label = p->table->settings[p->table->columns[one->column].setting].label;
		strbuf_addf(p->to, "%s%s%s.\n", *label ? " (" : "", label, *label ? ")" : "");
	}
}

static void add_methods(const struct overview_page *p)
{
	const struct overview_comparisons *c = &p->findings->methods;
	size_t agree = 0, count = 0;
	for (size_t i = 0; i < c->count; i++) {
		agree += c->list[i].agree;
		count += c->list[i].count;
	}
	if (count)
		strbuf_addf(p->to, "- **Do gradient and kl_div agree?** %s: they name the same layers in %zu of %zu cell%s.\n",
			overview_page_verdict(overview_verdict(agree, count)), agree, count, words_s(count));
}

static void add_checks(const struct overview_page *p)
{
	static const char *const words[] = {"", "to find the bad layers; run a mix for real before you ship it",
		"for ranking mixes, not as nats", "yes"};
	const struct overview_checks *c = &p->findings->checks;
	size_t shown = 0;
	for (size_t m = 0; m < c->method_count; m++) {
		const struct overview_check_summary *s = &c->methods[m];
		if (s->trust == OVERVIEW_NO_RATIO)
			continue;
		strbuf_adds(p->to, shown++ ? ";\n  " : "- **Can the sums be trusted?** ");
		if (c->method_count > 1)
			strbuf_addf(p->to, "%s: ", s->method);
		strbuf_addf(p->to, "%s (%zu recipe%s, run for real, moved the predictions %.2g to %.2g times as far as "
			"predicted, the median %.2g)", words[s->trust], s->ratios, words_s(s->ratios), s->low, s->high, s->median);
	}
	if (shown)
		strbuf_adds(p->to, ".\n");
}

void overview_page_short(const struct overview_page *p)
{
	strbuf_adds(p->to, "## In short\n\n");
	add_layers(p);
	add_choice(p);
	add_sizes(p);
	add_methods(p);
	add_checks(p);
	strbuf_addc(p->to, '\n');
}
