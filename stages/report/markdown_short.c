/* In short: what a reader wants to know who has 20 seconds. */
#include "report/markdown_page.h"

#include <stdlib.h>

#include "common/memory.h"
#include "report/words.h"

/* The worst two layers are named, and more till they make so much of the sum or are so many. */
static const double worst_share = 0.9;
enum { WORST = 3, KEPT = 4 };

static void add_worst(const struct markdown_page *p)
{
	const struct group_table *t = p->table;
	size_t count = 0;
	strbuf_adds(p->to, "- **Worst layers:** ");
	if (!(group_table_sum(t) > 0)) {
		strbuf_adds(p->to, "none, all scores are 0.\n");
		return;
	}
	for (double share = 0; count < WORST && count < markdown_groups(p) && (count < 2 || share < worst_share); count++)
		share += group_table_share(t, t->descending[count]);
	for (size_t i = 0; i < count; i++) {
		strbuf_adds(p->to, words_between(i, count));
		markdown_name(p, t->descending[i]);
		strbuf_adds(p->to, i ? " " : " holds ");
		words_share(p->to, group_table_share(t, t->descending[i]));
		if (!i)
			strbuf_adds(p->to, " of the sensitivity of all groups");
	}
	strbuf_adds(p->to, ".\n");
}

/* Searched groups that stay at 16 bits, most sensitive first; not vision, not excluded ones. */
static void add_kept(const struct markdown_page *p)
{
	const struct group_table *t = p->table;
	size_t *kept = mem_array(t->count, sizeof *kept), count = 0;
	for (size_t i = 0; i < markdown_groups(p); i++)
		if (t->groups[t->descending[i]].searched && t->groups[t->descending[i]].choice == SEARCH_NONE)
			kept[count++] = t->descending[i];
	if (count) {
		strbuf_addf(p->to, "%s leaves %zu at 16 bits (", t->quantized ? " and" : "", count);
		markdown_names(p, kept, count, KEPT);
		strbuf_addc(p->to, ')');
	}
	free(kept);
}

static void add_formats(const struct markdown_page *p)
{
	const struct group_table *t = p->table;
	size_t used = 0, listed = 0;
	for (size_t f = 0; f < t->format_count; f++)
		used += t->formats[f].chosen > 0;
	strbuf_adds(p->to, used ? " puts " : "");
	for (size_t i = 0; i < t->format_count; i++) {
		size_t f = t->order[i], chosen = t->formats[f].chosen;
		if (!chosen)
			continue;
		strbuf_addf(p->to, "%s%s%zu%s in ", words_between(listed, used), chosen == t->searched_count ? "all " : "",
			chosen,
			listed ? "" : chosen == 1 ? " group" : " groups");
		markdown_choice(p, f);
		listed++;
	}
}

static void add_mix(const struct markdown_page *p)
{
	const struct group_table *t = p->table;
	size_t excluded = markdown_groups(p) - t->searched_count;
	strbuf_addf(p->to, "- **The mix:** at %g bits a weight the search", t->wished_bits);
	add_formats(p);
	add_kept(p);
	if (excluded)
		strbuf_addf(p->to, "; %zu %s excluded and stay%s at 16", excluded, excluded == 1 ? "is" : "are",
			excluded == 1 ? "s" : "");
	strbuf_addf(p->to, ". That stores %.2f bits a weight, scales", t->stored_bits);
	strbuf_adds(p->to, t->vision_count ? " and vision tower included.\n" : " included.\n");
}

/* What was measured against what the scores say. */
static void add_comparison(const struct markdown_page *p, const struct report_check *c)
{
	static const char *const words[] = {"together they do less harm than one by one", "they add up",
		"together they do more harm than one by one"};
	if (!(c->predicted > 0)) {
		strbuf_adds(p->to, c->divergence > 0 && p->table->scored ? " The scores saw nothing of it.\n" : "\n");
		return;
	}
	strbuf_addf(p->to, " The scores of single layers predict %.3g: ", c->predicted);
	if (c->ratio > GROUP_TABLE_RATIO_LOW && c->ratio < GROUP_TABLE_RATIO_HIGH)
		strbuf_addf(p->to, "%s.\n", words[markdown_sum(c->ratio)]);
	else
		strbuf_adds(p->to, "far off, see the note.\n");
}

static void add_price(const struct markdown_page *p)
{
	const struct report_check *c = &p->table->check;
	strbuf_adds(p->to, "- **What it costs:** ");
	if (!c->present) {
		strbuf_adds(p->to, "the mix was not run for real (`autoquant.check_recipe`)");
		if (p->table->scored)
			strbuf_addf(p->to, "; the scores of its layers predict that predictions move by %.3g nats a token (KL "
				"divergence)",
				c->predicted);
		strbuf_adds(p->to, ".\n");
		return;
	}
	strbuf_addf(p->to, "run for real on %zu caption%s, ", p->cell->check->sequence_count,
		words_s(p->cell->check->sequence_count));
	if (p->table->score_targets)
		strbuf_addf(p->to, "the loss goes from %.4f to %.4f nats a target and ", c->loss_before, c->loss_after);
	strbuf_addf(p->to, "the predictions move by %.3g nats a token (KL divergence", c->divergence);
	if (markdown_sure(p)) {
		strbuf_adds(p->to, ", 95 % interval ");
		markdown_interval(p->to, c->interval);
	}
	strbuf_adds(p->to, ").");
	add_comparison(p, c);
}

/* The tiers from the top: certain ranks, and the first that are not. */
static void add_tiers(const struct markdown_page *p)
{
	size_t n = markdown_groups(p), *group = mem_array(n, sizeof *group), *last = mem_array(n, sizeof *last);
	size_t tiers = markdown_tiers(p, group, last), certain = 0;
	while (certain < tiers && last[certain] == certain + 1)
		certain++;
	if (certain == n) {
		strbuf_adds(p->to, "every rank is certain");
	} else if (certain) {
		markdown_ranks(p->to, 1, certain);
		strbuf_adds(p->to, certain == 1 ? " is certain" : " are certain");
	}
	if (certain < tiers) {
		strbuf_adds(p->to, certain ? "; " : "");
		markdown_ranks(p->to, certain + 1, last[certain]);
		strbuf_adds(p->to, " could change places with other captions (");
		markdown_names(p, group + certain, last[certain] - certain, WORST);
		strbuf_addc(p->to, ')');
	}
	strbuf_adds(p->to, ".\n");
	free(group);
	free(last);
}

static void add_certainty(const struct markdown_page *p)
{
	strbuf_adds(p->to, "- **How sure:** ");
	if (markdown_sure(p)) {
		strbuf_addf(p->to, "with %zu captions ", p->table->score_sequences);
		add_tiers(p);
	} else {
		strbuf_adds(p->to, "unknown, see the note.\n");
	}
}

static void add_half(const struct markdown_page *p, size_t format)
{
	const struct group_table *t = p->table;
	double weights = 0, activations = 0;
	for (size_t g = t->vision_count; g < t->count; g++) {
		weights += t->groups[g].formats[format].weight_only.score;
		activations += t->groups[g].formats[format].activation_only.score;
	}
	double more = weights > activations ? weights : activations, less = weights > activations ? activations : weights;
	const char *names[2] = {weights > activations ? "the weights" : "the activations",
		weights > activations ? "the activations" : "the weights"};
	if (markdown_sum(less > 0 ? more / less : 2) == MARKDOWN_ADDS_UP || !(more > 0))
		strbuf_adds(p->to, "both about alike");
	else if (less > 0 && more / less < 1e6)
		strbuf_addf(p->to, "%s: alone they score %.3g times as much as %s", names[0], more / less, names[1]);
	else
		strbuf_addf(p->to, "%s alone", names[0]);
}

static void add_halves(const struct markdown_page *p)
{
	size_t listed = 0;
	for (size_t f = 0; f < p->cell->format_count; f++) {
		if (!p->table->score_targets || !markdown_joint(p, f))
			continue;
		strbuf_adds(p->to, listed++ ? "; " : "- **Which half hurts:** ");
		if (p->cell->format_count > 1) {
			strbuf_adds(p->to, "in ");
			markdown_choice(p, f);
			strbuf_addc(p->to, ' ');
		}
		add_half(p, f);
	}
	if (listed)
		strbuf_adds(p->to, ".\n");
}

void markdown_short(const struct markdown_page *p)
{
	strbuf_adds(p->to, "## In short\n\n");
	if (p->table->scored)
		add_worst(p);
	add_mix(p);
	add_price(p);
	if (p->table->scored) {
		add_certainty(p);
		add_halves(p);
	}
	strbuf_addc(p->to, '\n');
}
