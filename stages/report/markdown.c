#include "report/markdown.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/memory.h"
#include "report/config_value.h"
#include "report/error_figures.h"
#include "report/words.h"

enum { TOP = 10 };

struct page {
	struct strbuf *to;
	const struct report_cell *cell;
	const struct group_table *table;
};

static double percent(double share)
{
	return 100 * share;
}

static size_t searched_count(const struct group_table *t)
{
	return t->count - t->vision_count;
}

/* --- rows of a table Key | Value --- */

static void begin_keys(const struct page *p)
{
	strbuf_adds(p->to, "|Key|Value|\n|:---|:---|\n");
}

static void add_row(const struct page *p, const char *key, const char *value, const char *remark)
{
	strbuf_addf(p->to, "|%s|`", key);
	words_cell(p->to, value);
	strbuf_addc(p->to, '`');
	if (remark)
		strbuf_addf(p->to, " %s", remark);
	strbuf_adds(p->to, "|\n");
}

static void add_row_f(const struct page *p, const char *key, const char *remark, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void add_row_f(const struct page *p, const char *key, const char *remark, const char *format, ...)
{
	char value[128];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(value, sizeof value, format, arguments);
	va_end(arguments);
	add_row(p, key, value, remark);
}

/* Strings and numbers of the config; nothing when there is no such value. */
static void add_row_config(const struct page *p, const char *key, const char *path, const char *remark)
{
	const cJSON *value = config_value(p->cell->config, path);
	struct strbuf text;
	if (!value)
		return;
	strbuf_init(&text);
	if (cJSON_IsString(value))
		strbuf_adds(&text, value->valuestring);
	else
		json_canonical(&text, value);
	add_row(p, key, text.s, remark);
	strbuf_release(&text);
}

/* "-" when nothing was scored. */
static void add_row_score(const struct page *p, const char *key, const char *remark, double value)
{
	char text[64];
	snprintf(text, sizeof text, "%.6e", value);
	add_row(p, key, p->table->scored ? text : "-", p->table->scored ? remark : "nothing was scored");
}

/* --- title and what it means --- */

/* The file starts with an empty line, as published ones do. */
static void add_title(const struct page *p)
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

static void add_meaning(const struct page *p)
{
	strbuf_adds(p->to, p->table->divergence
		? "The **sensitivity** of a layer says how far the model's predictions move when this layer alone is quantized: the\n"
		"KL divergence of the next token's probabilities from those of the unquantized model, summed over the scored\n"
		"tokens, in nats. 0 is harmless, twice as much is twice as bad.\n\n"
		: "The **sensitivity** of a layer says how much quantizing it disturbs the model's loss: the change of its output\n"
		"times the gradient of the loss there, squared and summed over outputs, tokens and batches of the calibration\n"
		"text. It has no unit. 0 is harmless, twice as much is twice as bad. Each layer is judged alone, with everything\n"
		"before it unquantized.\n\n");
}

static void add_introduction(const struct page *p)
{
	const struct quantizer_pair *pair = &p->cell->scores->pair;
	const char *model = config_text(p->cell->config, "model.name");
	strbuf_addf(p->to, "Which layers of `%s` suffer when its linear layers are quantized.\n\n",
		model ? model : "the model");
	strbuf_adds(p->to, "- Weights: ");
	words_weight(p->to, pair->weight);
	strbuf_adds(p->to, ".\n- Activations: ");
	words_activation(p->to, pair->activation);
	strbuf_adds(p->to, ".\n\n");
	add_meaning(p);
	for (size_t i = 0; i < p->table->warning_count; i++)
		strbuf_addf(p->to, "> **Note:** %s\n%s", p->table->warnings[i],
			i + 1 < p->table->warning_count ? ">\n" : "\n");
}

static void add_sums(const struct page *p)
{
	const struct group_table *t = p->table;
	add_row_score(p, "Sum over all groups", t->divergence
		? "whatever the budget, each group quantized alone; compares cells of the same captions and scored samples"
		: "whatever the budget; compares cells of the same captions, batch size and scored samples", t->sum);
	add_row_score(p, "Normalised sum", t->divergence
		? "the same per token: independent of batch size and amount of text"
		: "what the sum would be per target if every target were a batch of its own: independent of batch size and amount "
		"of text", t->normalised);
}

static void add_budget(const struct page *p)
{
	const struct group_table *t = p->table;
	struct strbuf remark;
	strbuf_init(&remark);
	strbuf_addf(&remark, "of %g asked for%s", t->wished_bits,
		t->vision_count ? ", raised because the vision tower stays at 16" : "");
	add_row_f(p, "Budget of the search, bits a weight", remark.s, "%.4f", t->target_bits);
	strbuf_release(&remark);
}

static void add_summary(const struct page *p)
{
	const struct group_table *t = p->table;
	strbuf_adds(p->to, "## Summary\n\n");
	begin_keys(p);
	add_row(p, "Scheme", t->scheme, NULL);
	add_row_config(p, "Model", "model.path", NULL);
	add_row(p, "Cell", p->cell->name, NULL);
	add_sums(p);
	add_budget(p);
	add_row_f(p, "Effective bits (from search)", "as the search counts them", "%.4f", t->effective_bits);
	add_row_score(p, "Total AutoQuant score", "what is left of the sum when the search keeps the worst layers at 16 bits",
		t->search.score);
	add_row(p, "Constraint satisfied", t->satisfied ? "True" : "False",
		t->over_budget && t->satisfied ? "as the search counts bits, not as they are stored: see the note" : NULL);
	add_row_f(p, "Groups quantized by the search", NULL, "%zu of %zu", t->quantized, searched_count(t));
	add_row_f(p, "Bits stored a weight", t->over_budget ? "in the mix the search chose, scales included: over the budget"
		: "in the mix the search chose, scales included", "%.4f", t->stored_bits);
	strbuf_addc(p->to, '\n');
}

/* --- what stands out --- */

static void add_name(const struct page *p, size_t group)
{
	strbuf_addc(p->to, '`');
	words_cell(p->to, words_short_layer(p->table->groups[group].name));
	strbuf_addc(p->to, '`');
}

static void add_top(const struct page *p)
{
	const struct group_table *t = p->table;
	size_t top = searched_count(t) < TOP ? searched_count(t) : TOP;
	double share = 0;
	strbuf_adds(p->to, "|#|Layer|Sensitivity|Share of the sum|Shares so far|\n"
		"|---:|:---|---:|---:|---:|\n");
	for (size_t i = 0; i < top; i++) {
		size_t group = t->descending[i];
		share += group_table_share(t, group);
		strbuf_addf(p->to, "|%zu|", i + 1);
		add_name(p, group);
		strbuf_addf(p->to, "|%.3e|", t->groups[group].score);
		words_share(p->to, group_table_share(t, group));
		strbuf_addc(p->to, '|');
		words_share(p->to, share);
		strbuf_adds(p->to, "|\n");
	}
	strbuf_addc(p->to, '\n');
}

struct kind {
	const char *name;
	size_t first, worst, groups;  /* first and worst are groups */
	double sum;
};

static struct kind *kind_find(struct kind *kinds, size_t *count, const struct group_table *t, size_t group)
{
	const char *name = words_layer_kind(t->groups[group].name);
	for (size_t i = 0; i < *count; i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	kinds[*count] = (struct kind){.name = name, .first = group, .worst = group};
	return &kinds[(*count)++];
}

static void add_kind(const struct page *p, const struct kind *kind)
{
	const struct group_table *t = p->table;
	strbuf_adds(p->to, "|");
	for (size_t i = 0; i < t->groups[kind->first].member_count; i++)
		strbuf_addf(p->to, "%s`%s`", i ? " + " : "",
			words_layer_kind(group_table_member(t, p->cell, kind->first, i)));
	strbuf_addf(p->to, "|%zu|%.3e|", kind->groups, kind->sum);
	words_share(p->to, t->sum > 0 ? kind->sum / t->sum : 0);
	strbuf_addc(p->to, '|');
	add_name(p, kind->worst);
	strbuf_adds(p->to, "|\n");
}

static void add_kinds(const struct page *p)
{
	const struct group_table *t = p->table;
	struct kind *kinds = mem_array(t->count, sizeof *kinds);
	size_t count = 0;
	for (size_t g = t->vision_count; g < t->count; g++) {
		struct kind *kind = kind_find(kinds, &count, t, g);
		kind->groups++;
		kind->sum += t->groups[g].score;
		if (t->groups[g].score > t->groups[kind->worst].score)
			kind->worst = g;
	}
	strbuf_adds(p->to, "By kind of layer:\n\n|Kind|Groups|Sum|Share of the sum|Most sensitive|\n"
		"|:---|---:|---:|---:|:---|\n");
	for (size_t i = 0; i < count; i++)
		add_kind(p, &kinds[i]);
	strbuf_addc(p->to, '\n');
	free(kinds);
}

static void add_sensitive(const struct page *p)
{
	strbuf_adds(p->to, "## Most sensitive layers\n\n");
	if (p->table->scored) {
		add_top(p);
		add_kinds(p);
	} else {
		strbuf_adds(p->to, "Unknown: nothing was scored.\n\n");
	}
}

/* --- what it was made from --- */

static int is_static(struct quantizer q)
{
	return q.element != ELEMENT_NONE && q.scale != SCALE_TOKEN;
}

/* Own captions: dataset.root is then that of the captions they replace. */
static const char *root_remark(const struct page *p)
{
	const char *root = config_text(p->cell->config, "dataset.root");
	const char *captions = config_text(p->cell->config, "dataset.captions_path");
	size_t length = root ? strlen(root) : 0;
	if (!root || !captions)
		return NULL;
	while (length && root[length - 1] == '/')
		length--;
	return !strncmp(root, captions, length) && captions[length] == '/' ? NULL : "(the captions are not below it)";
}

static void add_loss(const struct page *p)
{
	if (p->table->score_targets)
		add_row_f(p, "Loss before quantization", "mean cross-entropy of a target, in nats", "%.4f", p->table->loss);
	else
		add_row(p, "Loss before quantization", "-", "there is no target");
}

static void add_dataset(const struct page *p)
{
	const struct report_text *text = &p->cell->text;
	const struct scores *s = p->cell->scores;
	const struct group_table *t = p->table;
	strbuf_adds(p->to, "## Dataset\n\n");
	begin_keys(p);
	add_row_config(p, "Name", "dataset.name", NULL);
	add_row_config(p, "Size", "dataset.size", NULL);
	add_row_config(p, "Root", "dataset.root", root_remark(p));
	add_row_config(p, "Captions path", "dataset.captions_path", NULL);
	add_row_config(p, "Calibration seq len", "dataset.calib_seq_len", NULL);
	add_row_f(p, "Batch size", NULL, "%zu", s->batch_size);
	add_row_f(p, "Calibration batches", NULL, "%zu", (text->sequences + s->batch_size - 1) / s->batch_size);
	add_row_f(p, "Calibration samples (used / max)", NULL, "%zu / %zu", text->sequences, text->asked);
	add_row_f(p, "Calibration tokens", is_static(s->pair.activation) ? NULL
		: "not needed by this format: no fixed activation scales", "%zu", text->tokens);
	add_row_f(p, "Score batches", NULL, "%zu", s->batch_count);
	add_row_f(p, "Scored samples / tokens / targets", "a target is a token that is predicted", "%zu / %zu / %zu",
		t->score_sequences, t->score_tokens, t->score_targets);
	add_loss(p);
	strbuf_addc(p->to, '\n');
}

/* Keys sorted: the canonical form, read back. */
static void add_sorted_json(struct strbuf *to, const cJSON *value)
{
	struct strbuf text;
	strbuf_init(&text);
	json_canonical(&text, value);
	cJSON *sorted = json_parse(text.s, text.length, "overrides", NULL);
	json_pretty(to, sorted ? sorted : value);
	cJSON_Delete(sorted);
	strbuf_release(&text);
}

static void add_codes(const struct page *p)
{
	const struct quantizer_pair *pair = &p->cell->scores->pair;
	char code[QUANTIZER_CODE_MAX];
	struct strbuf words;
	strbuf_init(&words);
	quantizer_weight_code(code, pair->weight);
	words_weight(&words, pair->weight);
	add_row(p, "Weight quantizer", code, words.s);
	strbuf_clear(&words);
	quantizer_activation_code(code, pair->activation);
	words_activation(&words, pair->activation);
	add_row(p, "Activation quantizer", code, words.s);
	strbuf_release(&words);
}

static void add_quantization(const struct page *p)
{
	const cJSON *overrides = config_value(p->cell->config, "quant_granularity.quant_cfg_overrides");
	strbuf_adds(p->to, "## Quantization\n\n");
	begin_keys(p);
	add_row_config(p, "Base format", "quant_pair.format_name", NULL);
	add_codes(p);
	add_row_f(p, "Bits a weight", "as the search counts: the smaller of weight and activation, no scales", "%g",
		p->table->search_bits);
	add_row_f(p, "Bits stored a weight, when quantized", "scales included, mean over layers", "%.4f",
		p->table->cost_bits);
	add_row_config(p, "Granularity", "quant_granularity.name", NULL);
	add_row(p, "Quant cfg overrides", overrides && overrides->child ? "see below" : "none", NULL);
	strbuf_addc(p->to, '\n');
	if (!overrides || !overrides->child)
		return;
	strbuf_adds(p->to, "```json\n");
	add_sorted_json(p->to, overrides);
	strbuf_adds(p->to, "\n```\n\n");
}

/* --- all layers --- */

static void add_db(struct strbuf *to, struct error_figures f)
{
	if (f.empty)
		strbuf_adds(to, "-|");
	else if (isinf(f.sqnr_db))
		strbuf_adds(to, "exact|");
	else
		strbuf_addf(to, "%.1f|", f.sqnr_db);
}

static void add_score(const struct page *p, double score)
{
	if (p->table->scored)
		strbuf_addf(p->to, "%.3e|", score);
	else
		strbuf_adds(p->to, "-|");
}

static void add_layer(const struct page *p, size_t group)
{
	const struct group_table *t = p->table;
	const struct report_group *g = &t->groups[group];
	struct error_figures output = error_figures_output(&g->output);
	strbuf_addc(p->to, '|');
	words_cell(p->to, g->name);
	strbuf_addf(p->to, "|%.1f|", t->search_bits);
	add_score(p, g->score);
	strbuf_addf(p->to, "%.3e|", g->numel * t->search_bits / 16);
	add_score(p, g->normalised);
	if (output.empty)
		strbuf_adds(p->to, "-|");
	else
		strbuf_addf(p->to, "%.3f %%|", percent(sqrt(output.relative)));
	add_db(p->to, error_figures_tensor(&g->weight));
	add_db(p->to, error_figures_tensor(&g->activation));
	strbuf_addf(p->to, "%s|\n", g->quantized ? "quantize" : "keep");
}

static void add_vision(const struct page *p)
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
		percent(t->vision_numel / t->numel));
}

static void add_layers(const struct page *p)
{
	const struct group_table *t = p->table;
	strbuf_adds(p->to, "## Layer Sensitivity Table\n\n"
		"All groups, most sensitive first. Layers that must share a format form one group under the name of its first\n"
		"member: `q_proj` stands for q, k and v, `gate_proj` for gate and up.\n\n"
		"- Num Bits: bits a weight as the search counts them. Size Cost: weights times Num Bits / 16, the size in "
		"16-bit weights.\n");
	strbuf_adds(p->to, t->divergence
		? "- Normalised: sensitivity per token, independent of batch size and amount of text.\n"
		: "- Normalised: sensitivity per target if every target were a batch of its own, independent of batch size and "
		"amount of\n  text.\n");
	strbuf_adds(p->to,
		"- Output Error: size of the change of the layer's output against the output itself (root mean square).\n"
		"- Weight SQNR, Input SQNR: signal to quantization noise of weight and activation alone, in dB; 6 dB more is "
		"half the\n  error, `-` is not quantized.\n"
		"- Search: what the search does with the group under the budget, `quantize` or `keep` at 16 bits.\n\n");
	if (p->cell->tied)
		strbuf_adds(p->to, "`lm_head` shares its weight with the embedding; it is judged and counted as a weight of its "
			"own.\n\n");
	add_vision(p);
	strbuf_adds(p->to, "|Layer|Num Bits|Sensitivity|Size Cost|Normalised|Output Error|Weight SQNR|Input SQNR|Search|\n"
		"|:---|:---|:---|:---|:---|:---|:---|:---|:---|\n");
	for (size_t i = 0; i < searched_count(t); i++)
		add_layer(p, t->descending[i]);
	strbuf_addc(p->to, '\n');
}

static void add_config(const struct page *p)
{
	const char *yaml = p->cell->yaml;
	size_t length = strlen(yaml);
	strbuf_adds(p->to, "## Composed Config (`composed-config.yaml`)\n\n```yaml\n");
	strbuf_adds(p->to, yaml);
	strbuf_adds(p->to, length && yaml[length - 1] == '\n' ? "```\n" : "\n```\n");
}

void markdown_make(struct strbuf *to, const struct report_cell *cell, const struct group_table *table)
{
	const struct page page = {to, cell, table};
	add_title(&page);
	add_introduction(&page);
	add_summary(&page);
	add_sensitive(&page);
	add_dataset(&page);
	add_quantization(&page);
	add_layers(&page);
	add_config(&page);
}
