#include "report/overview_page.h"

#include <math.h>

#include "report/words.h"

static void add_row(const struct overview_page *p, size_t index)
{
	const struct overview_cell *cell = &p->grid->cells[index];
	const struct report_check *c = &cell->check;
	strbuf_addf(p->to, "|`%s`|%.3f|%.4f|%.4f|%.2e|%.2e|", cell->name, cell->stored_bits, c->loss_before, c->loss_after,
		c->divergence, c->predicted);
	if (c->ratio > 0)
		strbuf_addf(p->to, "%.2f|\n", c->ratio);
	else
		strbuf_adds(p->to, "-|\n");
}

static void add_range(const struct overview_page *p, const struct overview_check_summary *s)
{
	strbuf_addf(p->to, "\n  What was measured is %.2g times what the scores add up to in the median of %zu recipe%s: "
		"from %.2g times (", s->median, s->ratios, words_s(s->ratios), s->low);
	overview_page_format(p, &p->grid->cells[s->lowest]);
	strbuf_addf(p->to, ")\n  to %.2g times (", s->high);
	overview_page_format(p, &p->grid->cells[s->highest]);
	strbuf_adds(p->to, ").");
	if (!isnan(s->order))
		strbuf_addf(p->to, " Predicted and measured rank the recipes with a correlation of %.2f (1: the same order).",
			s->order);
}

static void add_verdict(const struct overview_page *p, const struct overview_check_summary *s)
{
	static const char *const words[] = {
		"**No recipe was predicted to change anything.**",
		"**The sums are a rough guide: run a mix for real before you ship it.**",
		"**The sums rank mixes, but do not read them as nats:** all are off by about the same factor.",
		"**The sums can be trusted.**",
	};
	strbuf_addf(p->to, "- %s: %s", s->method, words[s->trust]);
	if (s->trust != OVERVIEW_NO_RATIO)
		add_range(p, s);
	strbuf_addc(p->to, '\n');
}

void overview_page_checks(const struct overview_page *p)
{
	const struct overview_checks *c = &p->findings->checks;
	if (!c->count)
		return;
	strbuf_adds(p->to, "## Recipes run for real\n\n");
	for (size_t m = 0; m < c->method_count; m++)
		add_verdict(p, &c->methods[m]);
	strbuf_adds(p->to, "\nThe mix of each cell ran once, all of its layers quantized together. Loss: mean a predicted "
		"token, without and with the\nmix. KL: how far the predictions moved, in nats a token; predicted: what the "
		"scores of the single layers add up to; ratio:\nKL divided by that.\n\n"
		"|Cell|Stored bits|Loss before|Loss after|KL a token|Predicted|Ratio|\n|:---|---:|---:|---:|---:|---:|---:|\n");
	for (size_t i = 0; i < c->count; i++)
		add_row(p, c->cells[i]);
	strbuf_addc(p->to, '\n');
}
