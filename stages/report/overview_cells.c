#include "report/overview_page.h"

#include <math.h>
#include <string.h>

#include "report/words.h"

enum { TOP_SHOWN = 3 };

/* --- formats --- */

/* A format of a cell: quantizers follow from pair and granularity. */
static int has_format(const struct overview_cell *cell, const char *name, const char *granularity, size_t before)
{
	for (size_t f = 0; f < before && !strcmp(cell->granularity, granularity); f++)
		if (!strcmp(cell->formats[f], name))
			return 1;
	return 0;
}

/* The first cell with a result of each format speaks for it. */
static int speaks(const struct overview_page *p, size_t index, size_t format)
{
	const struct overview_cell *cells = p->grid->cells, *cell = &cells[index];
	for (size_t i = 0; i < index; i++)
		if (cells[i].status == OVERVIEW_OK &&
			has_format(&cells[i], cell->formats[format], cell->granularity, cells[i].format_count))
			return 0;
	return cell->status == OVERVIEW_OK && !has_format(cell, cell->formats[format], cell->granularity, format);
}

static void add_format(const struct overview_page *p, const struct overview_cell *cell, size_t format)
{
	const struct quantizer_pair *pair = &cell->pairs[format];
	char code[QUANTIZER_CODE_MAX];
	int several = overview_page_granularities(p);
	strbuf_addf(p->to, "|`%s%s%s`", cell->formats[format], several ? "." : "", several ? cell->granularity : "");
	quantizer_weight_code(code, pair->weight);
	strbuf_addf(p->to, "|`%s` ", code);
	words_weight(p->to, pair->weight);
	quantizer_activation_code(code, pair->activation);
	strbuf_addf(p->to, "|`%s` ", code);
	words_activation(p->to, pair->activation);
	strbuf_addf(p->to, "|%g|\n", quantizer_search_bits(*pair));
}

void overview_page_formats(const struct overview_page *p)
{
	int any = 0;
	for (size_t i = 0; i < p->grid->count; i++) {
		for (size_t f = 0; f < p->grid->cells[i].format_count; f++) {
			if (!speaks(p, i, f))
				continue;
			if (!any++)
				strbuf_adds(p->to, "## Formats\n\nWhat the names stand for, with the short code of each quantizer.\n\n"
					"|Format|Weights|Activations|Bits the search counts|\n|:---|:---|:---|---:|\n");
			add_format(p, &p->grid->cells[i], f);
		}
	}
	if (any)
		strbuf_addc(p->to, '\n');
}

/* --- cells --- */

/* The cell's name, linked to its Markdown report, which stands beside the manifest. */
static void add_link(const struct overview_page *p, const struct overview_cell *cell)
{
	const char *path = cell->manifest ? overview_path(cell->manifest, p->folder) : NULL;
	const char *slash = path ? strrchr(path, '/') : NULL;
	if (!path) {
		overview_page_code(p, cell->name);
		return;
	}
	strbuf_adds(p->to, "[");
	overview_page_code(p, cell->name);
	strbuf_addf(p->to, "](<%.*sper-layer-sensitivity.md>)", slash ? (int)(slash + 1 - path) : 0, path);
}

static void add_budget(const struct overview_page *p, const struct overview_cell *cell)
{
	strbuf_addf(p->to, "%g", cell->asked_bits);
	if (cell->target_bits != cell->asked_bits)
		strbuf_addf(p->to, " (%.4f)", cell->target_bits);
	strbuf_addf(p->to, "|%.4f|%.4f%s|", cell->bits, cell->stored_bits, cell->over_budget ? " **over**" : "");
}

static void add_top(const struct overview_page *p, const struct overview_cell *cell)
{
	for (size_t k = 0; k < cell->top_count && k < TOP_SHOWN; k++) {
		strbuf_adds(p->to, k ? ", " : "");
		overview_page_code(p, words_short_layer(cell->top[k].group));
		strbuf_addc(p->to, ' ');
		words_share(p->to, overview_page_share(cell, k));
	}
}

static void add_interval(struct strbuf *to, const struct interval *i)
{
	if (isinf(i->high))
		strbuf_adds(to, "too few captions");
	else
		strbuf_addf(to, "%.1e to %.1e", i->low, i->high);
}

static void add_sums(const struct overview_page *p, size_t index)
{
	const struct overview_cell *cell = &p->grid->cells[index];
	if (overview_cell_ranked(cell)) {
		strbuf_addf(p->to, "|%.3e|", cell->sum);
		add_interval(p->to, &cell->interval);
		strbuf_addf(p->to, "|%zu of %zu|%.3e|", p->table->rank[index],
			p->table->columns[p->table->column[index]].ranked, cell->normalised);
	} else {
		strbuf_adds(p->to, "|-|-|-|-|");
	}
	if (overview_cell_scored(cell))
		strbuf_addf(p->to, "%.3e|", cell->searched_total);
	else
		strbuf_adds(p->to, "-|");
}

static void add_cell(const struct overview_page *p, size_t index)
{
	static const char *const words[] = {"", "**failed**", "missing"};
	const struct overview_cell *cell = &p->grid->cells[index];
	size_t same = p->table->same[index];
	strbuf_adds(p->to, "|");
	add_link(p, cell);
	if (cell->status != OVERVIEW_OK) {
		strbuf_addf(p->to, "|%s|||||||||\n", words[cell->status]);
		return;
	}
	add_sums(p, index);
	add_budget(p, cell);
	add_top(p, cell);
	if (cell->unscored)
		strbuf_adds(p->to, "**nothing scored**: its captions have no token to predict");
	else if (same != OVERVIEW_NONE)
		strbuf_addf(p->to, " (same as `%s`)", p->grid->cells[same].name);
	else if (cell->same_as)
		strbuf_addf(p->to, " (same scores as `%s`)", cell->same_as);
	strbuf_adds(p->to, "|\n");
}

/* What normalised means depends on the method. */
static void add_normalised(const struct overview_page *p)
{
	int gradient = 0, divergence = 0;
	for (size_t i = 0; i < p->grid->count; i++) {
		gradient |= overview_cell_scored(&p->grid->cells[i]) && strcmp(p->grid->cells[i].method, "kl_div");
		divergence |= overview_cell_scored(&p->grid->cells[i]) && !strcmp(p->grid->cells[i].method, "kl_div");
	}
	strbuf_adds(p->to, "- Normalised: ");
	if (gradient || !divergence)
		strbuf_adds(p->to, "what the sum would be per target (a token that is predicted) if every target were a batch "
			"of its own;\n  ");
	if (divergence)
		strbuf_addf(p->to, "%sthe sum per token; ", gradient ? "of kl_div " : "");
	strbuf_adds(p->to, "independent of batch size and amount of text.\n");
}

void overview_page_cells(const struct overview_page *p)
{
	strbuf_adds(p->to, "## Cells\n\n"
		"|Cell|Sum|Interval|Rank|Normalised|Searched total|Budget|Bits|Stored bits|Most sensitive layers, share of "
		"the sum|\n"
		"|:---|---:|:---|---:|---:|---:|---:|---:|---:|:---|\n");
	for (size_t i = 0; i < p->grid->count; i++)
		add_cell(p, i);
	strbuf_adds(p->to, "\n- Sum: over all layers, whatever the budget. A cell of several formats has none: each layer "
		"has a score for each of them.\n"
		"- Interval: how far the sum depends on which captions were drawn, at 95 % confidence.\n"
		"- Rank: by sum among the cells that compare; 1 is the least harmful.\n");
	add_normalised(p);
	strbuf_adds(p->to,
		"- Searched total: what is left of the sum when the search keeps the worst layers at 16 bits, within the "
		"budget.\n"
		"  Formats of fewer bits leave it more room, so it does not compare across formats.\n"
		"- Budget: bits a weight asked for (`autoquant.effective_bits`); in brackets the same over all weights, with "
		"the layers that\n  are not searched at 16.\n"
		"- Bits: of the mix that the search chose, as it counts them: the smaller of weight and activation bits, no "
		"scales.\n"
		"- Stored bits: what the weights of that mix really take, scales included. **over**: more than the budget even "
		"without\n  scales, because the weights are wider than the activations that the search counts.\n\n");
}

void overview_page_reasons(const struct overview_page *p)
{
	static const char *const words[] = {"", "failed", "missing"};
	int any = 0;
	for (size_t i = 0; i < p->grid->count; i++) {
		const struct overview_cell *cell = &p->grid->cells[i];
		if (cell->status == OVERVIEW_OK)
			continue;
		if (!any++)
			strbuf_adds(p->to, "## Failed or missing\n\n|Cell|What|Why|\n|:---|:---|:---|\n");
		strbuf_addf(p->to, "|`%s`|%s|", cell->name, words[cell->status]);
		words_cell(p->to, cell->reason ? cell->reason : "");
		strbuf_adds(p->to, "|\n");
	}
	if (any)
		strbuf_addc(p->to, '\n');
}

void overview_page_invalid(const struct overview_page *p)
{
	if (!p->grid->invalid_count)
		return;
	strbuf_adds(p->to, "## Cells that cannot exist\n\n|Cell|Why|\n|:---|:---|\n");
	for (size_t i = 0; i < p->grid->invalid_count; i++) {
		strbuf_addf(p->to, "|`%s`|", p->grid->invalid[i].cell);
		words_cell(p->to, p->grid->invalid[i].reason);
		strbuf_adds(p->to, "|\n");
	}
	strbuf_addc(p->to, '\n');
}
