/* Dataset and Quantization: what the scores were made from. */
#include "report/markdown_page.h"

#include <string.h>

#include "common/json.h"
#include "report/config_value.h"
#include "report/words.h"

/* --- dataset --- */

/* A format with fixed activation scales, which come from the calibration text. */
static int needs_calibration(const struct markdown_page *p)
{
	for (size_t f = 0; f < p->cell->format_count; f++)
		if (quantizer_is_static(p->cell->formats[f].scores->pair.activation))
			return 1;
	return 0;
}

/* Own captions: dataset.root is then that of the captions they replace. */
static const char *root_remark(const struct markdown_page *p)
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

static void add_loss(const struct markdown_page *p)
{
	if (p->table->score_targets)
		markdown_row_f(p, "Loss before quantization", "mean cross-entropy of a target, in "
			"nats", "%.4f", p->table->loss);
	else
		markdown_row(p, "Loss before quantization", "-", "there is no target");
}

void markdown_dataset(const struct markdown_page *p)
{
	const struct report_text *text = &p->cell->text;
	const struct scores *s = p->cell->formats[0].scores;
	const struct group_table *t = p->table;
	strbuf_adds(p->to, "## Dataset\n\n");
	markdown_keys(p);
	markdown_row_config(p, "Name", "dataset.name", NULL);
	markdown_row_config(p, "Size", "dataset.size", NULL);
	markdown_row_config(p, "Root", "dataset.root", root_remark(p));
	markdown_row_config(p, "Captions path", "dataset.captions_path", NULL);
	markdown_row_config(p, "Calibration seq len", "dataset.calib_seq_len", NULL);
	markdown_row_f(p, "Batch size", NULL, "%zu", s->batch_size);
	markdown_row_f(p, "Calibration batches", NULL, "%zu", (text->sequences + s->batch_size - 1) / s->batch_size);
	markdown_row_f(p, "Calibration samples (used / max)", NULL, "%zu / %zu", text->sequences, text->asked);
	markdown_row_f(p, "Calibration tokens", needs_calibration(p) ? NULL : p->cell->format_count > 1
		? "not needed by these formats: no fixed activation scales" : "not needed by this format: no fixed activation "
		"scales",
		"%zu", text->tokens);
	markdown_row_f(p, "Score batches", NULL, "%zu", s->batch_count);
	markdown_row_f(p, "Scored samples / tokens / targets", "a target is a token that is predicted", "%zu / %zu / %zu",
		t->score_sequences, t->score_tokens, t->score_targets);
	add_loss(p);
	strbuf_addc(p->to, '\n');
}

/* --- quantization --- */

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

static void add_codes(const struct markdown_page *p, const struct quantizer_pair *pair)
{
	char code[QUANTIZER_CODE_MAX];
	struct strbuf words;
	strbuf_init(&words);
	quantizer_weight_code(code, pair->weight);
	words_weight(&words, pair->weight);
	markdown_row(p, "Weight quantizer", code, words.s);
	strbuf_clear(&words);
	quantizer_activation_code(code, pair->activation);
	words_activation(&words, pair->activation);
	markdown_row(p, "Activation quantizer", code, words.s);
	strbuf_release(&words);
}

static void add_single(const struct markdown_page *p)
{
	markdown_keys(p);
	markdown_row(p, "Base format", p->cell->formats[0].format_name, NULL);
	add_codes(p, &p->cell->formats[0].scores->pair);
	markdown_row_f(p, "Bits a weight", "the smaller of weight and activation bits, no scales", "%g",
		p->table->formats[0].search_bits);
	markdown_row_f(p, "Bits stored a weight, when quantized", "scales included, mean over layers", "%.4f",
		p->table->formats[0].cost_bits);
}

static void add_format_row(const struct markdown_page *p, size_t format)
{
	const struct report_format *f = &p->cell->formats[format];
	const struct report_format_total *total = &p->table->formats[format];
	char weight[QUANTIZER_CODE_MAX], activation[QUANTIZER_CODE_MAX];
	quantizer_weight_code(weight, f->scores->pair.weight);
	quantizer_activation_code(activation, f->scores->pair.activation);
	strbuf_addc(p->to, '|');
	markdown_choice(p, format);
	strbuf_addf(p->to, "|`%s`|`%s`|`%s`|%g|%.4f|", f->format_name, weight, activation, total->search_bits,
		total->cost_bits);
	if (p->table->scored)
		strbuf_addf(p->to, "%.3e|%.3e|", total->sum, total->normalised);
	else
		strbuf_adds(p->to, "-|-|");
	if (markdown_sure(p))
		markdown_interval(p->to, total->interval);
	else
		strbuf_addc(p->to, '-');
	strbuf_adds(p->to, "|\n");
}

static void add_several(const struct markdown_page *p)
{
	strbuf_adds(p->to, "The formats, most compressed first. Bits: the smaller of weight and activation bits, no "
		"scales; Stored: bits a "
		"weight,\nscales included, mean over layers; Sum: sensitivity of all groups when all are in the format.\n\n"
		"|Format|Base format|Weights|Activations|Bits|Stored|Sum|Normalised sum|95 % interval of the sum|\n"
		"|:---|:---|:---|:---|---:|---:|---:|---:|---:|\n");
	for (size_t i = 0; i < p->table->format_count; i++)
		add_format_row(p, p->table->order[i]);
	strbuf_addc(p->to, '\n');
	markdown_keys(p);
}

void markdown_quantization(const struct markdown_page *p)
{
	const cJSON *overrides = config_value(p->cell->config, "quant_granularity.quant_cfg_overrides");
	strbuf_adds(p->to, "## Quantization\n\n");
	if (p->cell->format_count == 1)
		add_single(p);
	else
		add_several(p);
	markdown_row_config(p, "Granularity", "quant_granularity.name", NULL);
	markdown_row(p, "Quant cfg overrides", overrides && overrides->child ? "see below" : "none", NULL);
	strbuf_addc(p->to, '\n');
	if (!overrides || !overrides->child)
		return;
	strbuf_adds(p->to, "```json\n");
	add_sorted_json(p->to, overrides);
	strbuf_adds(p->to, "\n```\n\n");
}
