/* The mix: what the search chose, what came of it, and what other budgets would give. */
#include "report/markdown_page.h"

#include <stdlib.h>

#include "common/memory.h"
#include "report/pareto.h"
#include "report/words.h"

/* With so few groups all are listed, otherwise those that are not like most. */
enum { LIST_ALL = 8 };

/* Bits a weight in other budgets that people ask for. */
static const double budgets[] = {4, 4.5, 5, 6, 7, 8, 10, 12, 16};
enum { BUDGETS = sizeof budgets / sizeof *budgets };

/* --- what was chosen --- */

static double chosen_numel(const struct group_table *t, size_t choice)
{
	double numel = 0;
	for (size_t g = 0; g < t->count; g++)
		numel += t->groups[g].searched && t->groups[g].choice == choice ? t->groups[g].numel : 0;
	return numel;
}

static void add_part(const struct markdown_page *p, size_t groups, double numel)
{
	strbuf_addf(p->to, "|%zu|", groups);
	words_count(p->to, numel);
	strbuf_addc(p->to, '|');
	words_share(p->to, numel / p->table->numel);
	strbuf_adds(p->to, "|\n");
}

static void add_choice_row(const struct markdown_page *p, size_t choice)
{
	strbuf_addc(p->to, '|');
	markdown_choice(p, choice);
	add_part(p, markdown_chosen(p, choice), chosen_numel(p->table, choice));
}

static void add_choices(const struct markdown_page *p)
{
	const struct group_table *t = p->table;
	strbuf_adds(p->to, "|Choice|Groups|Weights|Share|\n|:---|---:|---:|---:|\n");
	for (size_t i = 0; i < t->format_count; i++)
		add_choice_row(p, t->order[i]);
	if (t->allow_none)
		add_choice_row(p, SEARCH_NONE);
	if (t->searched_count < markdown_groups(p)) {
		strbuf_adds(p->to, "|16 bits, excluded from the search");
		add_part(p, markdown_groups(p) - t->searched_count, t->excluded_numel);
	}
	if (t->vision_count) {
		strbuf_adds(p->to, "|16 bits, vision tower: not searched");
		add_part(p, t->vision_count, t->vision_numel);
	}
	strbuf_addc(p->to, '\n');
}

/* The choice of most searched groups; SEARCH_NONE among equals last. */
static size_t usual_choice(const struct markdown_page *p)
{
	size_t usual = SEARCH_NONE, most = 0;
	for (size_t i = 0; i <= p->table->format_count; i++) {
		size_t choice = i < p->table->format_count ? p->table->order[i] : SEARCH_NONE;
		if (markdown_chosen(p, choice) > most) {
			most = markdown_chosen(p, choice);
			usual = choice;
		}
	}
	return usual;
}

static void add_group_row(const struct markdown_page *p, size_t group)
{
	const struct group_table *t = p->table;
	const struct report_group *g = &t->groups[group];
	strbuf_addc(p->to, '|');
	markdown_name(p, group);
	strbuf_addc(p->to, '|');
	markdown_choice(p, g->choice);
	strbuf_addc(p->to, '|');
	words_count(p->to, g->numel);
	if (!t->scored)
		strbuf_adds(p->to, "|-|-|\n");
	else if (g->choice == SEARCH_NONE)
		strbuf_addf(p->to, "|0|%.3e|\n", g->formats[t->order[0]].score);
	else
		strbuf_addf(p->to, "|%.3e|%.3e|\n", g->formats[g->choice].score, g->formats[t->order[0]].score);
}

static void add_groups(const struct markdown_page *p)
{
	const struct group_table *t = p->table;
	size_t usual = usual_choice(p), unusual = t->searched_count - markdown_chosen(p, usual);
	int all = t->searched_count <= LIST_ALL;
	if (!unusual) {
		strbuf_adds(p->to, "All searched groups have the same choice.\n\n");
		return;
	}
	if (all) {
		strbuf_adds(p->to, "All searched groups, most sensitive first:\n\n");
	} else {
		strbuf_addf(p->to, "Those that are not in ");
		markdown_choice(p, usual);
		strbuf_adds(p->to, ", most sensitive first:\n\n");
	}
	strbuf_adds(p->to, "|Layer|Choice|Weights|Sensitivity as chosen|Sensitivity in ");
	markdown_choice(p, t->order[0]);
	strbuf_adds(p->to, "|\n|:---|:---|---:|---:|---:|\n");
	for (size_t i = 0; i < markdown_groups(p); i++) {
		const struct report_group *g = &t->groups[t->descending[i]];
		if (g->searched && (all || g->choice != usual))
			add_group_row(p, t->descending[i]);
	}
	strbuf_addc(p->to, '\n');
}

/* --- what came of it --- */

static void add_prediction(const struct markdown_page *p)
{
	static const char *const words[] = {"together the layers do less harm than one by one", "the scores add up",
		"together the layers do more harm than one by one"};
	const struct report_check *c = &p->table->check;
	if (!p->table->scored)
		return;
	strbuf_addf(p->to, "|Predicted by the scores|`%.4g` nats a token|\n", c->predicted);
	if (c->predicted > 0)
		strbuf_addf(p->to, "|Measured / predicted|`%.3g` %s|\n", c->ratio, words[markdown_sum(c->ratio)]);
}

static void add_check_table(const struct markdown_page *p)
{
	const struct report_check *c = &p->table->check;
	strbuf_addf(p->to, "|Run for real on %zu caption%s|Value|\n|:---|:---|\n", p->cell->check->sequence_count,
		words_s(p->cell->check->sequence_count));
	if (p->table->score_targets)
		strbuf_addf(p->to, "|Loss before|`%.4f` nats a target|\n|Loss with the mix|`%.4f` nats a target, %.4f %s|\n",
			c->loss_before, c->loss_after, c->loss_after > c->loss_before ? c->loss_after - c->loss_before
			: c->loss_before - c->loss_after, c->loss_after < c->loss_before ? "less" : "more");
	strbuf_addf(p->to, "|KL divergence|`%.4g` nats a token", c->divergence);
	if (markdown_sure(p)) {
		strbuf_adds(p->to, ", 95 % interval ");
		markdown_interval(p->to, c->interval);
	}
	strbuf_adds(p->to, "|\n");
	add_prediction(p);
	strbuf_addc(p->to, '\n');
}

static void add_check(const struct markdown_page *p)
{
	if (!p->table->check.present) {
		strbuf_adds(p->to, "The mix was not run for real: `autoquant.check_recipe=true` does.\n\n");
		return;
	}
	add_check_table(p);
	strbuf_adds(p->to, "The KL divergence says how far the predictions of the mix are from those of the unquantized "
		"model; 0 is no change at all.\n");
	if (p->table->scored)
		strbuf_adds(p->to, p->table->divergence
			? "The prediction is what the chosen groups cause one by one, added up."
			: "The prediction is half the normalised sensitivity of the chosen groups, added up: what the divergence "
			"is to second\norder when the squared gradient stands for the curvature.");
	strbuf_adds(p->to, p->table->scored ? " The nearer to 1 measured / predicted is, the better sums of\nscores "
		"compare mixes.\n\n"
		: "\n");
}

/* --- what else there is --- */

/* Budgets of the table, with the cell's own among them. */
static size_t list_budgets(const struct group_table *t, double *list)
{
	size_t count = 0;
	int own = 0;
	for (size_t i = 0; i < BUDGETS; i++) {
		if (!own && t->wished_bits <= budgets[i]) {
			own = 1;
			if (t->wished_bits < budgets[i])
				list[count++] = t->wished_bits;
		}
		list[count++] = budgets[i];
	}
	if (!own)
		list[count++] = t->wished_bits;
	return count;
}

/* The cell's own row is its recipe: also where the curve has its corners alone. */
static void add_budget(const struct markdown_page *p, double asked, const struct search_point *point)
{
	const struct group_table *t = p->table;
	int own = asked == t->wished_bits;
	double score = own ? t->search.score : point->score;
	strbuf_addf(p->to, "|%g%s|%.2f|%.3g|", asked, own ? ", this mix" : "",
		own ? t->effective_bits : pareto_all_bits(t, point), score);
	double times = t->search.score > 0 ? score / t->search.score : 0;
	if (t->search.score > 0)
		strbuf_addf(p->to, times < 1000 ? "%.3g|\n" : "%.0f|\n", times);
	else
		strbuf_adds(p->to, "-|\n");
}

static void add_budgets(const struct markdown_page *p)
{
	const struct group_table *t = p->table;
	const struct search_point *shown = NULL, *point;
	double list[BUDGETS + 1];
	size_t count = list_budgets(t, list);
	if (!t->frontier.count || !t->scored)
		return;
	strbuf_adds(p->to, "What other budgets would leave, by the same scores:\n\n"
		"|Asked for, bits a weight|Bits over all weights|Score left|Times this mix|\n|:---|---:|---:|---:|\n");
	for (size_t i = 0; i < count; i++) {
		point = pareto_best(t, list[i]);
		if (list[i] != t->wished_bits && (!point || point == shown))
			continue;
		add_budget(p, list[i], point);
		shown = point ? point : shown;
	}
	strbuf_addf(p->to, "\nLess than %.4g bits cannot be had. Budgets that change nothing are left out; ",
		pareto_bits(t, &t->frontier.points[0]));
	strbuf_adds(p->to, t->frontier.complete ? "" : "between those\nbelow there may be better ones, as there were too "
		"many to list; ");
	strbuf_addf(p->to, "every best mix is in\n`pareto-curve.csv` and `pareto-curve.json`.\n\n");
}

void markdown_mix(const struct markdown_page *p)
{
	const struct group_table *t = p->table;
	strbuf_addf(p->to, "## The mix\n\nThe %s at %g bits a weight, where a layer counts %s:\n\n",
		t->search.proven ? "best choice" : "best known choice", t->wished_bits,
		t->stored_rule ? "what it stores, scales included" : "the smaller of its weight and activation bits");
	add_choices(p);
	add_groups(p);
	add_check(p);
	add_budgets(p);
}
