/* Which half hurts: the weights or the activations. */
#include "report/markdown_page.h"

#include "report/words.h"

struct halves {
	double weights, activations, both;
};

static void halves_add(struct halves *to, const struct report_score *s)
{
	to->weights += s->weight_only.score;
	to->activations += s->activation_only.score;
	to->both += s->output.score; /* the gradient's also where the method is kl_div */
}

static void add_words(struct strbuf *to, const struct halves *h)
{
	static const char *const sums[] = {"partly cancel", "add up", "amplify each other"};
	double sum = h->weights + h->activations;
	if (!(sum > 0)) {
		strbuf_adds(to, "harmless");
		return;
	}
	double share = h->weights / sum;
	strbuf_adds(to, share > 0.9 ? "the weights" : share > 0.6 ? "rather the weights" : share < 0.1 ? "the activations"
		: share < 0.4 ? "rather the activations" : "both");
	strbuf_addf(to, "; they %s", sums[markdown_sum(h->both / sum)]);
}

static void add_halves(struct strbuf *to, const struct halves *h)
{
	double sum = h->weights + h->activations;
	strbuf_addf(to, "|%.3e|%.3e|%.3e|", h->weights, h->activations, h->both);
	if (sum > 0)
		strbuf_addf(to, "%.2f|", h->both / sum);
	else
		strbuf_adds(to, "-|");
	add_words(to, h);
	strbuf_adds(to, "|\n");
}

static void add_kinds(const struct markdown_page *p, const struct markdown_kinds *k, size_t format)
{
	const struct group_table *t = p->table;
	struct halves all = {0};
	strbuf_adds(p->to, "|Kind of layer|Weights alone|Activations alone|Both|Both / sum|What hurts|\n"
		"|:---|---:|---:|---:|---:|:---|\n");
	for (size_t i = 0; i < k->count; i++) {
		struct halves h = {0};
		for (size_t g = t->vision_count; g < t->count; g++)
			if (k->of[g] == i)
				halves_add(&h, &t->groups[g].formats[format]);
		strbuf_addc(p->to, '|');
		markdown_kind_name(p, &k->kinds[i]);
		add_halves(p->to, &h);
	}
	for (size_t g = t->vision_count; g < t->count; g++)
		halves_add(&all, &t->groups[g].formats[format]);
	strbuf_adds(p->to, "|all");
	add_halves(p->to, &all);
	strbuf_addc(p->to, '\n');
}

static void add_explanation(const struct markdown_page *p)
{
	strbuf_adds(p->to, "## Which half hurts\n\nWhat weights and activations do when only one of them is quantized: "
		"spend bits on the half that hurts. Where "
		"both\ntogether are more than the sum, their errors amplify each other; where they are less, they partly "
		"cancel.\n\n");
	if (p->table->divergence)
		strbuf_adds(p->to, "These are scores by the gradient, as only they tell the halves apart: compare them with "
			"each other, not with the\nsensitivities above.\n\n");
}

void markdown_halves(const struct markdown_page *p)
{
	struct markdown_kinds k;
	size_t listed = 0;
	if (!p->table->score_targets)
		return; /* without a loss there is no gradient */
	markdown_kinds_make(&k, p);
	for (size_t i = 0; i < p->table->format_count; i++) {
		size_t f = p->table->order[i];
		if (!markdown_joint(p, f))
			continue;
		if (!listed++)
			add_explanation(p);
		if (p->table->format_count > 1) {
			markdown_choice(p, f);
			strbuf_adds(p->to, ":\n\n");
		}
		add_kinds(p, &k, f);
	}
	markdown_kinds_release(&k);
}
