/* Layer Sensitivity Table: all groups, as published reports have them, with a few columns more. */
#include "report/markdown_page.h"

#include <math.h>

#include "report/words.h"

static void add_db(struct strbuf *to, struct error_figures f)
{
	if (f.empty)
		strbuf_adds(to, "-|");
	else if (isinf(f.sqnr_db))
		strbuf_adds(to, "exact|");
	else
		strbuf_addf(to, "%.1f|", f.sqnr_db);
}

enum value { BITS, SENSITIVITY, SIZE, NORMALISED };

static double value_of(const struct markdown_page *p, const struct report_group *g, size_t format, enum value value)
{
	double bits = p->table->formats[format].search_bits;
	switch (value) {
	case BITS:
		return bits;
	case SENSITIVITY:
		return g->formats[format].score;
	case SIZE:
		return g->numel * bits / 16;
	case NORMALISED:
		break;
	}
	return g->formats[format].normalised;
}

/* One number a format, most compressed first. */
static void add_values(const struct markdown_page *p, const struct report_group *g, enum value value)
{
	const struct group_table *t = p->table;
	int unknown = !t->scored && (value == SENSITIVITY || value == NORMALISED);
	for (size_t i = 0; i < t->format_count; i++) {
		strbuf_adds(p->to, i ? ", " : "");
		if (unknown)
			strbuf_addc(p->to, '-');
		else
			strbuf_addf(p->to, value == BITS ? "%.1f" : "%.3e", value_of(p, g, t->order[i], value));
	}
	strbuf_addc(p->to, '|');
}

static void add_single_errors(const struct markdown_page *p, const struct report_group *g)
{
	struct error_figures output = error_figures_output(&g->formats[0].output, g->outputs);
	if (output.empty)
		strbuf_adds(p->to, "-|");
	else
		strbuf_addf(p->to, "%.3f %%|", 100 * sqrt(output.relative));
	add_db(p->to, error_figures_tensor(&g->formats[0].weight));
	add_db(p->to, error_figures_tensor(&g->formats[0].activation));
}

static void add_layer(const struct markdown_page *p, size_t group)
{
	const struct report_group *g = &p->table->groups[group];
	strbuf_addc(p->to, '|');
	words_cell(p->to, g->name);
	strbuf_addc(p->to, '|');
	add_values(p, g, BITS);
	add_values(p, g, SENSITIVITY);
	add_values(p, g, SIZE);
	add_values(p, g, NORMALISED);
	if (p->cell->format_count == 1)
		add_single_errors(p, g);
	if (!g->searched)
		strbuf_adds(p->to, "excluded");
	else if (g->choice == SEARCH_NONE)
		strbuf_adds(p->to, "keep");
	else
		words_cell(p->to, p->cell->formats[g->choice].name);
	strbuf_adds(p->to, "|\n");
}

static void add_order(const struct markdown_page *p)
{
	const struct group_table *t = p->table;
	if (t->format_count == 1)
		return;
	strbuf_adds(p->to, "Where a cell has several numbers, they are those of ");
	for (size_t i = 0; i < t->format_count; i++) {
		strbuf_adds(p->to, words_between(i, t->format_count));
		markdown_choice(p, t->order[i]);
	}
	strbuf_adds(p->to, ", in this order.\n\n");
}

static void add_columns(const struct markdown_page *p)
{
	const struct group_table *t = p->table;
	strbuf_adds(p->to, "- Num Bits: bits a weight, the smaller of weight and activation. Size Cost: weights times Num "
		"Bits / 16, the size in\n  16-bit weights.\n");
	strbuf_adds(p->to, t->divergence
		? "- Normalised: sensitivity per token, independent of batch size and amount of text.\n"
		: "- Normalised: sensitivity per target if every target were a batch of its own, independent of batch size and "
		"amount of\n  text.\n");
	if (t->format_count == 1)
		strbuf_adds(p->to, "- Output Error: size of the change of the layer's output against the output itself (root "
			"mean square).\n"
			"- Weight SQNR, Input SQNR: signal to quantization noise of weight and activation alone, in dB; 6 dB more "
			"is half the\n  error, `-` is not quantized.\n");
	strbuf_adds(p->to, "- Search: the format the search chose for the group, `keep` for 16 bits");
	strbuf_adds(p->to, t->searched_count < markdown_groups(p) ? "; `excluded` stays at 16 bits "
		"unsearched.\n\n" : ".\n\n");
}

static void add_vision(const struct markdown_page *p)
{
	const struct group_table *t = p->table;
	if (!t->vision_count)
		return;
	strbuf_addf(p->to, "Not in the table: %zu layer%s of the vision tower with ", t->vision_count,
		words_s(t->vision_count));
	words_count(p->to, t->vision_numel);
	strbuf_addf(p->to, " of ");
	words_count(p->to, t->numel);
	strbuf_addf(p->to, " weights (%.1f %%): not searched,\nkept at 16 bits, counted in the budget.\n\n",
		100 * t->vision_numel / t->numel);
}

void markdown_layers(const struct markdown_page *p)
{
	int several = p->cell->format_count > 1;
	strbuf_adds(p->to, "## Layer Sensitivity Table\n\nAll groups, most sensitive first.\n\n");
	add_order(p);
	add_columns(p);
	if (p->cell->tied)
		strbuf_adds(p->to, "`lm_head` shares its weight with the embedding; it is judged and counted as a weight of "
			"its own.\n\n");
	add_vision(p);
	strbuf_addf(p->to, "|Layer|Num Bits|Sensitivity|Size "
		"Cost|Normalised|%sSearch|\n|:---|:---|:---|:---|:---|%s:---|\n",
		several ? "" : "Output Error|Weight SQNR|Input SQNR|", several ? "" : ":---|:---|:---|");
	for (size_t i = 0; i < markdown_groups(p); i++)
		add_layer(p, p->table->descending[i]);
	strbuf_addc(p->to, '\n');
}
