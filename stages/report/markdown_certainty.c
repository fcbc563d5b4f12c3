/* How sure: which ranks would stand with other captions, and how much hangs on few tokens. */
#include "report/markdown_page.h"

#include <stdlib.h>

#include "common/memory.h"
#include "report/words.h"

enum { NAMES = 6 };

/* Where measured coverage of the intervals is quoted for 16 captions, for 128, for both (stats/bootstrap.h). */
enum { FEW = 32, MANY = 100 };

/* A share is remarkable when it is so many times that of an even spread. */
static const double remarkable = 3;

/* --- ranks --- */

static void add_tier_line(const struct markdown_page *p, const size_t *last, size_t tiers)
{
	strbuf_adds(p->to, "All ranks, a bar where the order is certain: ");
	for (size_t i = 0, first = 1; i < tiers; first = last[i++] + 1) {
		strbuf_adds(p->to, i ? " | " : "");
		if (first == last[i])
			strbuf_addf(p->to, "%zu", first);
		else
			strbuf_addf(p->to, "%zu-%zu", first, last[i]);
	}
	strbuf_adds(p->to, "\n\n");
}

static void add_tier_table(const struct markdown_page *p, const size_t *group, const size_t *last, size_t tiers)
{
	strbuf_adds(p->to, "|Ranks|Order|Layers|\n|:---|:---|:---|\n");
	for (size_t i = 0, first = 1; i < tiers && first <= MARKDOWN_TOP; first = last[i++] + 1) {
		if (first == last[i])
			strbuf_addf(p->to, "|%zu|certain|", first);
		else
			strbuf_addf(p->to, "|%zu-%zu|open|", first, last[i]);
		markdown_names(p, group + first - 1, last[i] + 1 - first, NAMES);
		strbuf_adds(p->to, "|\n");
	}
	strbuf_addc(p->to, '\n');
}

static void add_tiers(const struct markdown_page *p)
{
	size_t n = markdown_groups(p), *group = mem_array(n, sizeof *group), *last = mem_array(n, sizeof *last);
	size_t tiers = markdown_tiers(p, group, last);
	strbuf_addf(p->to, "The %zu scored captions were drawn anew %d times, and the groups ranked each time.\n",
		p->table->score_sequences, BOOTSTRAP_RESAMPLES);
	if (tiers == n) {
		strbuf_adds(p->to, "Every rank is certain to 95 %.\n\n");
	} else if (tiers == 1) {
		strbuf_adds(p->to, "No rank is certain: take the order as a hint.\n\n");
	} else {
		strbuf_adds(p->to, "Groups in one line cannot be told apart; all of a line are surely worse than those of the "
			"lines below.\n\n");
		add_tier_table(p, group, last, tiers);
		if (last[tiers - 2] >= MARKDOWN_TOP)
			add_tier_line(p, last, tiers);
	}
	free(group);
	free(last);
}

/* What an interval of so many captions is worth was measured on data with outliers, as scores have them. */
static void add_coverage(const struct markdown_page *p)
{
	size_t captions = p->table->score_sequences;
	strbuf_adds(p->to, "On made-up data with outliers, such intervals held the truth ");
	if (captions < MANY)
		strbuf_adds(p->to, "in 73 to 94 % of the cases with 16 captions");
	if (captions >= FEW)
		strbuf_addf(p->to, "%sin 87 to 96 %% with 128", captions < MANY ? " and " : "");
	strbuf_adds(p->to, captions < MANY ? ", not\nin 95: few captions miss the rare ones that weigh most, and with "
		"more of them a score mostly grows.\n" : " captions.\n");
	strbuf_adds(p->to, "None of this says whether the captions are like the text that the model will meet.\n\n");
}

static void add_ranks(const struct markdown_page *p)
{
	if (markdown_sure(p)) {
		add_tiers(p);
		add_coverage(p);
		return;
	}
	strbuf_addf(p->to, "Unknown: of %zu scored caption%s nothing can be said, %d are the least. A larger "
		"`dataset.size` has "
		"more.\n\n", p->table->score_sequences, words_s(p->table->score_sequences), BOOTSTRAP_UNITS_MIN);
}

/* --- tokens --- */

enum { LARGEST, TOP, FIRST, SHARES };

static double share_of(const struct report_group *g, int which)
{
	const struct report_positions *s = &g->formats[g->worst].positions;
	return which == LARGEST ? s->largest : which == TOP ? s->top : s->first;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(const struct markdown_page *p, int which)
{
	size_t n = markdown_groups(p);
	double *values = mem_array(n, sizeof *values);
	for (size_t i = 0; i < n; i++)
		values[i] = share_of(&p->table->groups[p->table->vision_count + i], which);
	qsort(values, n, sizeof *values, by_value);
	double middle = (values[(n - 1) / 2] + values[n / 2]) / 2;
	free(values);
	return middle;
}

static size_t largest(const struct markdown_page *p, int which)
{
	const struct group_table *t = p->table;
	size_t best = t->vision_count;
	for (size_t g = t->vision_count; g < t->count; g++)
		if (share_of(&t->groups[g], which) > share_of(&t->groups[best], which))
			best = g;
	return best;
}

static void add_share_row(const struct markdown_page *p, int which, double tokens)
{
	size_t most = largest(p, which);
	strbuf_addc(p->to, '|');
	words_share(p->to, tokens / (double)p->table->score_tokens);
	strbuf_addc(p->to, '|');
	words_share(p->to, median(p, which));
	strbuf_addc(p->to, '|');
	words_share(p->to, share_of(&p->table->groups[most], which));
	strbuf_adds(p->to, " in ");
	markdown_name(p, most);
	strbuf_adds(p->to, "|\n");
}

static void add_token_verdict(const struct markdown_page *p, size_t few)
{
	const struct group_table *t = p->table;
	size_t *hang = mem_array(t->count, sizeof *hang), count = 0;
	double even = (double)t->score_sequences / (double)t->score_tokens;
	for (size_t i = 0; i < markdown_groups(p); i++)
		if (share_of(&t->groups[t->descending[i]], TOP) > 0.5)
			hang[count++] = t->descending[i];
	if (few == t->score_tokens || !count) {
		strbuf_adds(p->to, "No score hangs on a handful of tokens.");
	} else {
		strbuf_addf(p->to, "Half and more of the score hangs on %zu tokens in %zu of %zu groups (", few, count,
			markdown_groups(p));
		markdown_names(p, hang, count, NAMES / 2);
		strbuf_adds(p->to, "): expect other captions\nto move it.");
	}
	if (median(p, FIRST) > remarkable * even)
		strbuf_adds(p->to, "\nFirst tokens weigh far more than their number: models often have outliers there, which "
			"quantizers do not get right.");
	strbuf_adds(p->to, "\n\n");
	free(hang);
}

/* A massive activation at one position can rule a score. */
static void add_tokens(const struct markdown_page *p)
{
	const struct group_table *t = p->table;
	size_t few = t->score_tokens < SCORES_POSITIONS ? t->score_tokens : SCORES_POSITIONS;
	strbuf_addf(p->to, "How much of a group's sensitivity comes from few of the %zu tokens, against what an even "
		"spread would give them:\n\n|Tokens|Even spread|Middle group|Most|\n|:---|---:|---:|:---|\n", t->score_tokens);
	strbuf_adds(p->to, "|the largest one");
	add_share_row(p, LARGEST, 1);
	if (few < t->score_tokens) {
		strbuf_addf(p->to, "|the %zu largest", few);
		add_share_row(p, TOP, (double)few);
	}
	strbuf_addf(p->to, "|the first one of each caption");
	add_share_row(p, FIRST, (double)t->score_sequences);
	strbuf_addc(p->to, '\n');
	add_token_verdict(p, few);
}

void markdown_certainty(const struct markdown_page *p)
{
	if (!p->table->scored)
		return;
	strbuf_adds(p->to, "## How sure\n\n");
	add_ranks(p);
	add_tokens(p);
}
