#include "config/schema_table.h"

#include <assert.h>
#include <string.h>

#include "config/schema.h"

#define SAMPLES_MAX 1e6
#define LENGTH_MAX 1048576

/* The whole of what a config may say. */
const struct schema_rule schema_rules[] = {
	{"experiment", TYPE_NAME, REQUIRED, NULL, NULL, 0, 0, "names the folder of results below tmp/"},

	{"model.name", TYPE_NAME, REQUIRED, NULL, NULL, 0, 0, "in cell names and folders"},
	{"model.family", TYPE_WORD, REQUIRED, "qwen", NULL, 0, 0, "which architecture reads the checkpoint"},
	{"model.variant", TYPE_STRING, REQUIRED, NULL, NULL, 0, 0, "for people"},
	{"model.format", TYPE_WORD, REQUIRED, "pytorch", NULL, 0, 0, "a folder with config.json and safetensors"},
	{"model.path", TYPE_STRING, REQUIRED, NULL, NULL, 0, 0, "the checkpoint's folder"},
	{"model.hub", TYPE_STRING, NULLABLE, NULL, NULL, 0, 0, "hub name, for when path is missing"},
	{"model.dtype", TYPE_WORD, REQUIRED, "fp32|bf16", NULL, 0, 0, "activations on a GPU: fp32, or bf16 as served"},

	{"dataset.name", TYPE_NAME, REQUIRED, NULL, NULL, 0, 0, "in cell names"},
	{"dataset.root", TYPE_STRING, REQUIRED, NULL, NULL, 0, 0, "folder of the captions"},
	{"dataset.size", TYPE_NAME, REQUIRED, NULL, NULL, 0, 0, "a key of size_to_max_samples"},
	{"dataset.captions_path", TYPE_STRING, REQUIRED, NULL, NULL, 0, 0, "text file, one caption a line"},
	{"dataset.size_to_max_samples", TYPE_MAP, REQUIRED, NULL, NULL, 0, 0, "captions used by each size"},
	{"dataset.size_to_max_samples.*", TYPE_INT, 0, NULL, NULL, 1, SAMPLES_MAX, "captions of that size"},
	{"dataset.max_calib_samples", TYPE_INT, REQUIRED | NULLABLE, NULL, NULL, 1, SAMPLES_MAX,
		"captions used, whatever the size says"},
	{"dataset.calib_seq_len", TYPE_INT, REQUIRED, NULL, NULL, 2, LENGTH_MAX, "tokens a caption is cut to"},

	{"quant_pair.name", TYPE_NAME, REQUIRED, NULL, NULL, 0, 0, "in cell names and folders"},
	{"quant_pair.weight", TYPE_WORD, REQUIRED, "fp4|fp8|int4|int8", NULL, 0, 0, "type of quantized weights"},
	{"quant_pair.activation", TYPE_WORD, REQUIRED, "fp16|fp8|int8|int4", NULL, 0, 0,
		"type of quantized inputs; fp16: left alone"},
	{"quant_pair.format_name", TYPE_NAME, REQUIRED, NULL, NULL, 0, 0, "recipe that the pair stands for"},
	{"quant_pair.experimental", TYPE_BOOL, REQUIRED, NULL, NULL, 0, 0, "no usual deployment"},
	{"quant_pair.scheme_name", TYPE_NAME, NULLABLE, NULL, NULL, 0, 0, "name of the manifest"},
	{"quant_pair.publish_pair_dir", TYPE_NAME, NULLABLE, NULL, NULL, 0, 0, "folder of the pair when published"},
	{"quant_pair.publish_run_dir", TYPE_NAME, NULLABLE, NULL, NULL, 0, 0, "folder of the run when published"},
	{"quant_pair.coverage_mode", TYPE_WORD, 0, "lm_only", "full|lm_default", 0, 0, "which linears are searched"},
	{"quant_pair.coverage_fraction", TYPE_FLOAT, ABOVE_MIN, NULL, NULL, 0, 1, "printed in the manifest"},

	{"quant_granularity.name", TYPE_NAME, REQUIRED, NULL, NULL, 0, 0, "in cell names and folders"},
	{"quant_granularity.quant_cfg_overrides", TYPE_MAP, REQUIRED, NULL, NULL, 0, 0, "attributes laid over the recipe's"},
	{"quant_granularity.quant_cfg_overrides.*weight_quantizer", TYPE_MAP, 0, NULL, NULL, 0, 0, "of weights"},
	{"quant_granularity.quant_cfg_overrides.*input_quantizer", TYPE_MAP, 0, NULL, NULL, 0, 0, "of activations"},
	{"quant_granularity.quant_cfg_overrides.default", TYPE_MAP, 0, NULL, NULL, 0, 0, "of all others"},
	{"quant_granularity.quant_cfg_overrides.*.axis", TYPE_INT, NULLABLE, NULL, NULL, -1, 1,
		"one scale a row (0), a column (1), or one for all (null)"},
	{"quant_granularity.quant_cfg_overrides.*.block_sizes", TYPE_ANY, 0, NULL, NULL, 0, 0, "{-1: 64}: blocks of 64"},
	{"quant_granularity.quant_cfg_overrides.*.type", TYPE_WORD, 0, "static|dynamic", NULL, 0, 0,
		"scales from calibration, or from each input"},
	{"quant_granularity.quant_cfg_overrides.*.num_bits", TYPE_ANY, 0, NULL, NULL, 0, 0, "8, 4, [4, 3] or [2, 1]"},
	{"quant_granularity.quant_cfg_overrides.*.enable", TYPE_BOOL, 0, NULL, NULL, 0, 0, "false switches it off"},

	{"autoquant.method", TYPE_WORD, REQUIRED, "gradient|kl_div", NULL, 0, 0, "how a format's harm is scored"},
	{"autoquant.device", TYPE_WORD, REQUIRED, "auto|cpu|cuda", NULL, 0, 0, "where it is computed"},
	{"autoquant.batch_size", TYPE_INT, REQUIRED, NULL, NULL, 1, 65536, "captions a batch"},
	{"autoquant.effective_bits", TYPE_FLOAT, REQUIRED | ABOVE_MIN, NULL, NULL, 0, 16,
		"budget of the search, bits a weight"},
	{"autoquant.score_size", TYPE_INT, REQUIRED, NULL, NULL, 1, SAMPLES_MAX, "captions scored, in whole batches"},
	{"autoquant.formats", TYPE_TEXTS, REQUIRED | NULLABLE, NULL, NULL, 0, 0,
		"quant_pairs that compete for each layer; null: quant_pair alone"},
	{"autoquant.cost", TYPE_WORD, REQUIRED, "search_bits|cost_bits", NULL, 0, 0,
		"how the search counts: the smaller of weight and activation bits, or stored bits with scales"},
	{"autoquant.allow_none", TYPE_BOOL, REQUIRED, NULL, NULL, 0, 0, "a layer may stay at 16 bits"},
	{"autoquant.include", TYPE_TEXTS, REQUIRED | NULLABLE, NULL, NULL, 0, 0,
		"patterns of module names: only these layers are searched"},
	{"autoquant.exclude", TYPE_TEXTS, REQUIRED | NULLABLE, NULL, NULL, 0, 0,
		"patterns of module names: these layers stay at 16 bits"},
	{"autoquant.check_recipe", TYPE_BOOL, REQUIRED, NULL, NULL, 0, 0, "run the chosen mix once for real"},
	{"autoquant.check_size", TYPE_INT, REQUIRED, NULL, NULL, 1, SAMPLES_MAX, "captions that the mix is run on at most"},

	{"output_layout.name", TYPE_NAME, REQUIRED, NULL, NULL, 0, 0, "for people"},
	{"output_layout.mode", TYPE_WORD, REQUIRED, "tmp|publish", NULL, 0, 0, "which folders results go to"},
	{"output_layout.root_dir", TYPE_STRING, REQUIRED, NULL, NULL, 0, 0, "the folder above them"},
	{"output_layout.language_model_dir", TYPE_STRING, REQUIRED, NULL, NULL, 0, 0,
		"where extract.materialize writes the model"},

	{"extract.materialize", TYPE_BOOL, REQUIRED, NULL, NULL, 0, 0, "write a plain language model folder as well"},
	{"runner.report_only", TYPE_BOOL, REQUIRED, NULL, NULL, 0, 0, "render from what exists"},
	{"runner.output_dir", TYPE_STRING, REQUIRED | NULLABLE, NULL, NULL, 0, 0, "folder of a single cell's results"},
};

const size_t schema_rule_count = sizeof schema_rules / sizeof *schema_rules;

static_assert(sizeof schema_rules / sizeof *schema_rules <= SCHEMA_RULES_MAX, "schema.c has arrays of them");

const char *schema_key(size_t index)
{
	return index < schema_rule_count ? schema_rules[index].path : NULL;
}

const char *schema_words(const char *path)
{
	size_t i = 0;
	while (i < schema_rule_count && strcmp(schema_rules[i].path, path))
		i++;
	if (i == schema_rule_count)
		return NULL;
	return schema_rules[i].type == TYPE_BOOL ? "true|false" : schema_rules[i].words;
}
