/* Errors of every linear: one table a format, one row a linear. */
#include "report/markdown_page.h"

#include <math.h>

#include "report/words.h"

/* What the columns of a format are. */
struct columns {
	int weights, inputs;         /* that half is quantized */
	int halves;                  /* both are */
};

static void add_figures(struct strbuf *to, struct error_figures f)
{
	if (f.empty)
		strbuf_adds(to, "-|-|-|-|");
	else if (isinf(f.sqnr_db))
		strbuf_addf(to, "0|exact|0|%.6f|", f.cosine);
	else
		strbuf_addf(to, "%.2e|%.1f|%.2e|%.6f|", f.mse, f.sqnr_db, f.error_max, f.cosine);
}

static void add_score(const struct markdown_page *p, double score)
{
	if (p->table->score_targets)
		strbuf_addf(p->to, "%.3e|", score);
	else
		strbuf_adds(p->to, "-|");
}

static void add_linear(const struct markdown_page *p, const struct report_format *f, const struct columns *c, size_t i)
{
	const struct scores *s = f->scores;
	const struct output_sums all = scores_linear(s, i);
	strbuf_addc(p->to, '|');
	words_cell(p->to, words_short_layer(s->linears[i].name));
	strbuf_addc(p->to, '|');
	add_score(p, all.score);
	if (c->halves) {
		add_score(p, s->weight_only[i].score);
		add_score(p, s->activation_only[i].score);
	}
	if (c->weights)
		add_figures(p->to, error_figures_tensor(&f->calib->linears[i].weight));
	if (c->inputs)
		add_figures(p->to, error_figures_tensor(&f->calib->linears[i].activation));
	add_figures(p->to, error_figures_output(&all, (double)p->table->score_tokens * (double)s->linears[i].out));
	strbuf_addc(p->to, '\n');
}

static void add_head(const struct markdown_page *p, const struct columns *c)
{
	static const char *const figures[] = {"MSE", "SQNR", "max", "cosine"};
	const char *parts[] = {c->weights ? "Weight" : NULL, c->inputs ? "Input" : NULL, "Output"};
	size_t count = 1;
	strbuf_addf(p->to, "|Linear|Score|%s", c->halves ? "Weights alone|Activations alone|" : "");
	count += c->halves ? 2 : 0;
	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; parts[i] && k < 4; k++, count++)
			strbuf_addf(p->to, "%s %s|", parts[i], figures[k]);
	strbuf_adds(p->to, "\n|:---|");
	for (size_t i = 0; i < count; i++)
		strbuf_adds(p->to, "---:|");
	strbuf_addc(p->to, '\n');
}

static void add_table(const struct markdown_page *p, size_t format)
{
	const struct report_format *f = &p->cell->formats[format];
	const struct quantizer_pair *pair = &f->scores->pair;
	const struct columns c = {pair->weight.element != ELEMENT_NONE, pair->activation.element != ELEMENT_NONE,
		markdown_joint(p, format)};
	if (p->cell->format_count > 1) {
		markdown_choice(p, format);
		strbuf_adds(p->to, ":\n\n");
	}
	add_head(p, &c);
	for (size_t i = 0; i < f->scores->linear_count; i++)
		add_linear(p, f, &c, i);
	strbuf_addc(p->to, '\n');
}

void markdown_errors(const struct markdown_page *p)
{
	strbuf_adds(p->to, "## Errors of every linear\n\n"
		"The members of the groups one by one, in the order of the model: to find what makes a group sensitive.\n\n");
	strbuf_addf(p->to, "- Score: %s.\n", p->table->divergence
		? "by the gradient, also here where groups are judged by divergence; of a group it is the sum of its members"
		: "the sensitivity; that of a group is the sum of its members");
	strbuf_adds(p->to, "- Weight, Input: error of the quantizer on its own. Output: change of the linear's output "
		"when it alone is quantized.\n"
		"- MSE: mean squared error. SQNR: signal to quantization noise in dB, 6 dB more is half the error. max: "
		"largest\n"
		"  absolute error. cosine: between before and after, 1 is the same direction.\n\n");
	for (size_t i = 0; i < p->table->format_count; i++)
		add_table(p, p->table->order[i]);
}
