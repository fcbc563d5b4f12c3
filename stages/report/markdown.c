#include "report/markdown.h"

#include <string.h>

#include "report/config_value.h"
#include "report/markdown_page.h"
#include "report/words.h"

/* The file starts with an empty line, as published ones do. */
static void add_title(const struct markdown_page *p)
{
	struct strbuf title;
	strbuf_init(&title);
	strbuf_addf(&title, "AutoQuant Layer Sensitivity (%s)", p->table->scheme);
	strbuf_addf(p->to, "\n%s\n", title.s);
	for (size_t i = 0; i < title.length; i++)
		strbuf_addc(p->to, '=');
	strbuf_adds(p->to, "\n\n");
	strbuf_release(&title);
}

static void add_format(const struct markdown_page *p, size_t format)
{
	const struct quantizer_pair *pair = &p->cell->formats[format].scores->pair;
	strbuf_adds(p->to, "- ");
	markdown_choice(p, format);
	strbuf_adds(p->to, ": weights ");
	words_weight(p->to, pair->weight);
	strbuf_adds(p->to, "; activations ");
	words_activation(p->to, pair->activation);
	strbuf_adds(p->to, ".\n");
}

static void add_meaning(const struct markdown_page *p)
{
	strbuf_adds(p->to, p->table->divergence
		? "The **sensitivity** of a layer says how far the model's predictions move when this layer alone is "
		"quantized: the\n"
		"KL divergence of the next token's probabilities from those of the unquantized model, summed over the scored\n"
		"tokens, in nats. 0 is harmless, twice as much is twice as bad."
		: "The **sensitivity** of a layer says how much quantizing it disturbs the model's loss: the change of its "
		"output\n"
		"times the gradient of the loss there, squared and summed over outputs, tokens and batches of the calibration\n"
		"text. It has no unit. 0 is harmless, twice as much is twice as bad. Each layer is judged alone, with "
		"everything\n"
		"before it unquantized.");
	strbuf_adds(p->to, "\n\nLayers that must share a format form a **group** under the name of the first: `q_proj` "
		"stands for q, k and v,\n`gate_proj` for gate and up.");
	if (p->cell->format_count > 1)
		strbuf_adds(p->to, " Where a group has one number, it is that of the format that harms it most.");
	strbuf_adds(p->to, "\n\n");
}

static void add_introduction(const struct markdown_page *p)
{
	const char *model = config_text(p->cell->config, "model.name");
	strbuf_addf(p->to, "Which layers of `%s` suffer when its linear layers are quantized%s:\n\n",
		model ? model : "the model", p->cell->format_count > 1 ? ", and which of these formats each should get" : "");
	for (size_t i = 0; i < p->table->format_count; i++)
		add_format(p, p->table->order[i]);
	strbuf_addc(p->to, '\n');
	add_meaning(p);
}

static void add_notes(const struct markdown_page *p)
{
	for (size_t i = 0; i < p->table->warning_count; i++)
		strbuf_addf(p->to, "> **Note:** %s\n%s", p->table->warnings[i],
			i + 1 < p->table->warning_count ? ">\n" : "\n");
}

/* --- summary --- */

static void add_sum(const struct markdown_page *p)
{
	struct strbuf remark;
	strbuf_init(&remark);
	if (p->cell->format_count == 1 && markdown_sure(p)) {
		strbuf_adds(&remark, "95 % interval ");
		markdown_interval(&remark, p->table->formats[0].interval);
		strbuf_adds(&remark, "; ");
	}
	strbuf_addf(&remark, "whatever the budget%s; compares cells of the same captions%s and scored samples",
		p->cell->format_count > 1 ? ", each in its worst format" : "", p->table->divergence ? "" : ", batch size");
	markdown_row_score(p, "Sum over all groups", remark.s, group_table_sum(p->table));
	strbuf_release(&remark);
	markdown_row_score(p, "Normalised sum", p->table->divergence
		? "the same per token: independent of batch size and amount of text"
		: "what the sum would be per target if every target were a batch of its own: independent of batch size and "
		"amount of text", group_table_normalised(p->table));
}

/* What is not searched stays at 16 bits; the budget is raised so that it is meant for the others. */
static void add_budget(const struct markdown_page *p)
{
	const struct group_table *t = p->table;
	size_t excluded = markdown_groups(p) - t->searched_count;
	struct strbuf remark;
	strbuf_init(&remark);
	strbuf_addf(&remark, "of %g asked for", t->wished_bits);
	if (t->vision_count || excluded)
		strbuf_adds(&remark, ", raised because ");
	if (t->vision_count)
		strbuf_addf(&remark, "the vision tower%s", excluded ? " and " : " stays at 16");
	if (excluded)
		strbuf_addf(&remark, "%zu excluded group%s stay%s at 16", excluded, words_s(excluded),
			t->vision_count || excluded > 1 ? "" : "s");
	markdown_row_f(p, "Budget of the search, bits a weight", remark.s, "%.4f", t->target_bits);
	strbuf_release(&remark);
}

static void add_summary(const struct markdown_page *p)
{
	const struct group_table *t = p->table;
	strbuf_adds(p->to, "## Summary\n\n");
	markdown_keys(p);
	markdown_row(p, "Scheme", t->scheme, NULL);
	markdown_row_config(p, "Model", "model.path", NULL);
	markdown_row(p, "Cell", p->cell->name, NULL);
	add_sum(p);
	add_budget(p);
	markdown_row_f(p, "Effective bits (from search)", t->stored_rule ? "as they are stored, scales included"
		: "as the search counts them: the smaller of weight and activation bits, no scales", "%.4f", t->effective_bits);
	markdown_row_score(p, "Total AutoQuant score", "what is left of the sum in the mix that the search chose",
		t->search.score);
	markdown_row(p, "Constraint satisfied", "True",
		t->over_budget ? "as the search counts bits, not as they are stored: see the note" : NULL);
	markdown_row_f(p, "Groups quantized by the search", NULL, "%zu of %zu", t->quantized, t->searched_count);
	markdown_row_f(p, "Bits stored a weight", t->over_budget ? "in the mix, scales included: over the budget"
		: "in the mix, scales included", "%.4f", t->stored_bits);
	strbuf_addc(p->to, '\n');
}

static void add_config(const struct markdown_page *p)
{
	const char *yaml = p->cell->yaml;
	size_t length = strlen(yaml);
	strbuf_adds(p->to, "## Composed Config (`composed-config.yaml`)\n\n```yaml\n");
	strbuf_adds(p->to, yaml);
	strbuf_adds(p->to, length && yaml[length - 1] == '\n' ? "```\n" : "\n```\n");
}

void markdown_make(struct strbuf *to, const struct report_cell *cell, const struct group_table *table)
{
	const struct markdown_page page = {to, cell, table};
	add_title(&page);
	add_introduction(&page);
	markdown_short(&page);
	add_notes(&page);
	add_summary(&page);
	markdown_sensitive(&page);
	markdown_certainty(&page);
	markdown_halves(&page);
	markdown_mix(&page);
	markdown_dataset(&page);
	markdown_quantization(&page);
	markdown_layers(&page);
	markdown_errors(&page);
	add_config(&page);
}
