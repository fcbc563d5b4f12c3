/* Most sensitive layers: where to look first. */
#include "report/markdown_page.h"

#include "report/words.h"

/* From here on a neighbour is likely the less sensitive one, though not surely. */
static const double likely = 0.8;

static void add_explanation(const struct markdown_page *p)
{
	strbuf_adds(p->to, "Where to look first.\n\n");
	if (markdown_sure(p))
		strbuf_adds(p->to, "- 95 % interval, Rank range: where sensitivity and rank would be with other captions of "
			"the same kind.\n"
			"- Above next: whether the group is really worse than the one below it. `yes` is sure to 97.5 %, `likely` "
			"to 80 %,\n"
			"  `open` is less.\n");
	strbuf_adds(p->to, "- Largest token, 16 largest: how much of the sensitivity comes from so few of all tokens. "
		"Where that is most of it,\n  other captions may well give another number.\n");
	if (p->table->searched_count < markdown_groups(p))
		strbuf_adds(p->to, "- *excluded*: left out of the search, stays at 16 bits.\n");
	strbuf_addc(p->to, '\n');
}

static const char *above_next(const struct markdown_page *p, const struct report_group *g)
{
	if (g->certainty.rank == markdown_groups(p))
		return "-";
	if (g->certainty.above_next >= MARKDOWN_CERTAIN)
		return "yes";
	return g->certainty.above_next >= likely ? "likely" : "open";
}

static void add_sureness(const struct markdown_page *p, const struct report_group *g)
{
	if (!markdown_sure(p))
		return;
	markdown_interval(p->to, g->formats[g->worst].interval);
	if (g->certainty.low == g->certainty.high)
		strbuf_addf(p->to, "|%zu", g->certainty.low);
	else
		strbuf_addf(p->to, "|%zu-%zu", g->certainty.low, g->certainty.high);
	strbuf_addf(p->to, "|%s|", above_next(p, g));
}

static void add_top_row(const struct markdown_page *p, size_t index)
{
	const struct group_table *t = p->table;
	const struct report_group *g = &t->groups[t->descending[index]];
	strbuf_addf(p->to, "|%zu|", index + 1);
	markdown_name(p, t->descending[index]);
	if (!g->searched)
		strbuf_adds(p->to, " *excluded*");
	strbuf_addc(p->to, '|');
	if (t->format_count > 1) {
		markdown_choice(p, g->worst);
		strbuf_addc(p->to, '|');
	}
	strbuf_addf(p->to, "%.3e|", g->score);
	add_sureness(p, g);
	words_share(p->to, group_table_share(t, t->descending[index]));
	strbuf_addc(p->to, '|');
	words_share(p->to, g->formats[g->worst].positions.largest);
	strbuf_addc(p->to, '|');
	words_share(p->to, g->formats[g->worst].positions.top);
	strbuf_adds(p->to, "|\n");
}

static void add_top(const struct markdown_page *p)
{
	int several = p->table->format_count > 1, sure = markdown_sure(p);
	strbuf_addf(p->to, "|#|Layer|%sSensitivity|%sShare of the sum|Largest token|16 largest|\n",
		several ? "Worst format|" : "", sure ? "95 % interval|Rank range|Above next|" : "");
	strbuf_addf(p->to, "|---:|:---|%s---:|%s---:|---:|---:|\n", several ? ":---|" : "", sure ? "---:|---:|:---|" : "");
	for (size_t i = 0; i < MARKDOWN_TOP && i < markdown_groups(p); i++)
		add_top_row(p, i);
	strbuf_addc(p->to, '\n');
}

static void add_kinds(const struct markdown_page *p)
{
	double sum = group_table_sum(p->table);
	struct markdown_kinds k;
	markdown_kinds_make(&k, p);
	strbuf_adds(p->to, "By kind of layer:\n\n|Kind|Groups|Sum|Share of the sum|Most sensitive|\n"
		"|:---|---:|---:|---:|:---|\n");
	for (size_t i = 0; i < k.count; i++) {
		const struct markdown_kind *kind = &k.kinds[i];
		strbuf_addc(p->to, '|');
		markdown_kind_name(p, kind);
		strbuf_addf(p->to, "|%zu|%.3e|", kind->groups, kind->sum);
		words_share(p->to, sum > 0 ? kind->sum / sum : 0);
		strbuf_addc(p->to, '|');
		markdown_name(p, kind->worst);
		strbuf_adds(p->to, "|\n");
	}
	strbuf_addc(p->to, '\n');
	markdown_kinds_release(&k);
}

void markdown_sensitive(const struct markdown_page *p)
{
	strbuf_adds(p->to, "## Most sensitive layers\n\n");
	if (!p->table->scored) {
		strbuf_adds(p->to, "Unknown: nothing was scored.\n\n");
		return;
	}
	add_explanation(p);
	add_top(p);
	add_kinds(p);
}
