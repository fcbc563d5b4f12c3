#include "report/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "report/config_value.h"
#include "report/error_figures.h"
#include "report/float_json.h"

static const double unquantized_bits = 16;

/* Adds a copy of the config's value at path, unless there is none: nulls are dropped. */
static void copy_value(cJSON *to, const char *name, const cJSON *config, const char *path)
{
	const cJSON *value = config_value(config, path);
	if (value)
		cJSON_AddItemToObject(to, name, cJSON_Duplicate(value, 1));
}

static void copy_or_string(cJSON *to, const char *name, const cJSON *config, const char *path, const char *otherwise)
{
	if (config_value(config, path))
		copy_value(to, name, config, path);
	else
		cJSON_AddStringToObject(to, name, otherwise);
}

static void copy_float(cJSON *to, const char *name, const cJSON *config, const char *path, double otherwise)
{
	const cJSON *value = config_value(config, path);
	float_json_add(to, name, cJSON_IsNumber(value) ? value->valuedouble : otherwise);
}

static void add_count(cJSON *to, const char *name, size_t value)
{
	cJSON_AddNumberToObject(to, name, (double)value);
}

static cJSON *string_list(const char *const *texts, size_t count)
{
	cJSON *list = cJSON_CreateArray();
	for (size_t i = 0; i < count; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(texts[i]));
	return list;
}

static void add_recipe(cJSON *to, const struct group_table *t, size_t group)
{
	cJSON_AddStringToObject(to, "recipe", group_table_recipe(t, group));
}

/* "....q_proj.quant_recipe": groups are called after their first member. */
static char *group_name(const struct report_group *group)
{
	return mem_printf("%s.quant_recipe", group->name);
}

static void add_error(cJSON *to, const char *name, struct error_figures figures)
{
	cJSON_AddItemToObject(to, name, error_figures_json(&figures));
}

static cJSON *scheme_json(const struct report_cell *cell, const struct group_table *t)
{
	const cJSON *config = cell->config;
	const char *format = config_text(config, "quant_pair.format_name");
	cJSON *to = cJSON_CreateObject();
	cJSON_AddStringToObject(to, "name", t->scheme);
	float_json_add(to, "auto_quantize_bits", t->target_bits);
	cJSON_AddStringToObject(to, "auto_quantize_method", cell->scores->method);
	copy_value(to, "auto_quantize_score_size", config, "autoquant.score_size");
	copy_or_string(to, "coverage_mode", config, "quant_pair.coverage_mode", "lm_only");
	copy_float(to, "coverage_fraction", config, "quant_pair.coverage_fraction", 1);
	cJSON_AddItemToObject(to, "quant_formats", string_list(&format, 1));
	return to;
}

static cJSON *model_json(const struct report_cell *cell)
{
	cJSON *to = cJSON_CreateObject();
	copy_value(to, "id", cell->config, "model.path");
	copy_value(to, "name", cell->config, "model.name");
	cJSON_AddBoolToObject(to, "tied_embeddings", cell->tied);
	return to;
}

/* --- layers --- */

static cJSON *layer_json(const struct group_table *t, size_t group, const char *kind, size_t out, size_t in)
{
	const struct report_group *g = &t->groups[group];
	cJSON *to = cJSON_CreateObject();
	char *type = mem_printf("Quant%s", kind), *name = group_name(g);
	cJSON_AddTrueToObject(to, "quantized");
	cJSON_AddStringToObject(to, "module_type", type);
	cJSON_AddBoolToObject(to, "enabled", g->searched);
	add_recipe(to, t, group);
	cJSON_AddStringToObject(to, "group", name);
	add_count(to, "out_features", out);
	add_count(to, "in_features", in);
	free(type);
	free(name);
	return to;
}

static cJSON *vision_layer_json(const struct report_cell *cell, const struct group_table *t, size_t group)
{
	const struct report_vision *layer = &cell->vision[t->groups[group].members[0]];
	cJSON *to = layer_json(t, group, layer->kind, layer->out, layer->in);
	float_json_add(to, "stored_bits", unquantized_bits);
	return to;
}

static cJSON *linear_json(const struct report_cell *cell, const struct group_table *t, size_t group, size_t index)
{
	const struct scores *s = cell->scores;
	const struct scores_linear *linear = &s->linears[index];
	const struct calib_linear *calib = &cell->calib->linears[index];
	struct output_sums output = {0};
	cJSON *to = layer_json(t, group, "Linear", linear->out, linear->in);
	for (size_t b = 0; b < s->batch_count; b++)
		output_sums_add(&output, &s->sums[index * s->batch_count + b]);
	float_json_add(to, "stored_bits", t->groups[group].quantized
		? quantizer_cost_bits(s->pair.weight, linear->out, linear->in) : unquantized_bits);
	float_json_add(to, "score", output.score);
	add_error(to, "output_error", error_figures_output(&output));
	add_error(to, "weight_error", error_figures_tensor(&calib->weight));
	if (s->pair.activation.element == ELEMENT_NONE) {
		cJSON_AddNullToObject(to, "activation_error");
		cJSON_AddNullToObject(to, "activation_amax");
	} else {
		add_error(to, "activation_error", error_figures_tensor(&calib->activation));
		float_json_add(to, "activation_amax", (double)calib->activation_amax);
	}
	return to;
}

/* Members of a group are neighbours, so going by groups is module order. */
static cJSON *layers_json(const struct report_cell *cell, const struct group_table *t)
{
	cJSON *to = cJSON_CreateObject();
	for (size_t g = 0; g < t->count; g++)
		for (size_t i = 0; i < t->groups[g].member_count; i++)
			cJSON_AddItemToObject(to, group_table_member(t, cell, g, i), t->groups[g].searched
				? linear_json(cell, t, g, t->groups[g].members[i]) : vision_layer_json(cell, t, g));
	return to;
}

/* --- search --- */

static cJSON *state_json(const struct group_table *t)
{
	static const char *const keys[] = {"candidate_stats", "best", "constraints"};
	cJSON *to = cJSON_CreateObject();
	cJSON_AddItemToObject(to, "keys", string_list(keys, 3));
	float_json_add(cJSON_AddObjectToObject(to, "constraints"), "effective_bits", t->effective_bits);
	float_json_add(to, "score", t->search.score);
	cJSON_AddBoolToObject(to, "is_satisfied", t->satisfied);
	float_json_add(to, "wished_bits", t->wished_bits);
	float_json_add(to, "target_bits", t->target_bits);
	float_json_add(to, "stored_bits", t->stored_bits);
	float_json_add(to, "total_score", t->sum);
	float_json_add(to, "total_normalised", t->normalised);
	add_count(to, "searched_groups", t->count - t->vision_count);
	add_count(to, "quantized_groups", t->quantized);
	cJSON_AddBoolToObject(to, "proven", t->search.proven);
	return to;
}

static cJSON *float_list(const double *values, int count)
{
	cJSON *list = cJSON_CreateArray();
	for (int i = 0; i < count; i++)
		cJSON_AddItemToArray(list, float_json(values[i]));
	return list;
}

static void add_choices(cJSON *to, const struct group_table *t, const struct report_group *g)
{
	const char *formats[2] = {t->format, t->none};
	double scores[2] = {g->score, 0};
	double costs[2] = {g->numel * t->search_bits / unquantized_bits, g->numel};
	int first = g->searched ? 0 : 1;
	cJSON_AddItemToObject(to, "formats", string_list(formats + first, (size_t)(2 - first)));
	cJSON_AddItemToObject(to, "scores", float_list(scores + first, 2 - first));
	cJSON_AddItemToObject(to, "costs", float_list(costs + first, 2 - first));
}

static cJSON *group_json(const struct report_cell *cell, const struct group_table *t, size_t group)
{
	const struct report_group *g = &t->groups[group];
	cJSON *to = cJSON_CreateObject();
	add_choices(to, t, g);
	float_json_add(to, "importance", g->score);
	add_count(to, "rank", g->rank);
	add_recipe(to, t, group);
	cJSON *members = cJSON_AddArrayToObject(to, "members");
	for (size_t i = 0; i < g->member_count; i++)
		cJSON_AddItemToArray(members, cJSON_CreateString(group_table_member(t, cell, group, i)));
	cJSON_AddBoolToObject(to, "observed", g->observed);
	float_json_add(to, "normalised", g->normalised);
	cJSON *batches = cJSON_AddArrayToObject(to, "score_per_batch");
	for (size_t b = 0; b < cell->scores->batch_count && g->searched; b++)
		cJSON_AddItemToArray(batches, float_json(group_table_batch(t, cell, group, b)));
	float_json_add(to, "cost_bits", g->cost_bits);
	if (g->searched)
		add_error(to, "output_error", error_figures_output(&g->output));
	else
		cJSON_AddNullToObject(to, "output_error");
	return to;
}

static void add_sensitivity(cJSON *to, const struct report_cell *cell, const struct group_table *t)
{
	cJSON *groups = cJSON_AddObjectToObject(to, "layer_sensitivity");
	cJSON *ranking = cJSON_AddArrayToObject(to, "sensitivity_ranking");
	for (size_t g = 0; g < t->count; g++) {
		char *name = group_name(&t->groups[g]);
		cJSON_AddItemToObject(groups, name, group_json(cell, t, g));
		free(name);
	}
	for (size_t i = 0; i < t->count; i++) {
		const struct report_group *g = &t->groups[t->ascending[i]];
		cJSON *entry = cJSON_CreateObject();
		char *name = group_name(g);
		cJSON_AddStringToObject(entry, "name", name);
		float_json_add(entry, "importance", g->score);
		cJSON_AddItemToArray(ranking, entry);
		free(name);
	}
}

/* --- what it was made from --- */

static cJSON *dataset_json(const struct report_cell *cell)
{
	const size_t batch_size = cell->scores->batch_size;
	cJSON *to = cJSON_CreateObject();
	copy_value(to, "name", cell->config, "dataset.name");
	copy_value(to, "size", cell->config, "dataset.size");
	copy_value(to, "root", cell->config, "dataset.root");
	copy_value(to, "captions_path", cell->config, "dataset.captions_path");
	add_count(to, "max_calib_samples", cell->text.asked);
	add_count(to, "num_calib_samples", cell->text.sequences);
	copy_value(to, "calib_seq_len", cell->config, "dataset.calib_seq_len");
	add_count(to, "batch_size", batch_size);
	add_count(to, "num_calib_batches", (cell->text.sequences + batch_size - 1) / batch_size);
	add_count(to, "num_calib_tokens", cell->text.tokens);
	add_count(to, "num_truncated_samples", cell->text.truncated);
	return to;
}

static cJSON *overrides_json(const cJSON *config)
{
	const cJSON *overrides = config_value(config, "quant_granularity.quant_cfg_overrides");
	return overrides ? cJSON_Duplicate(overrides, 1) : cJSON_CreateObject();
}

static cJSON *quantization_json(const struct report_cell *cell, const struct group_table *t)
{
	const cJSON *config = cell->config;
	const struct quantizer_pair *pair = &cell->scores->pair;
	const char *format = config_text(config, "quant_pair.format_name");
	const char *weight = config_text(config, "quant_pair.weight");
	const char *activation = config_text(config, "quant_pair.activation");
	char code[QUANTIZER_CODE_MAX];
	cJSON *to = cJSON_CreateObject(), *granularity;
	cJSON_AddStringToObject(to, "base_format_name", format);
	granularity = cJSON_AddObjectToObject(to, "quant_granularity");
	copy_or_string(granularity, "name", config, "quant_granularity.name", "default");
	cJSON_AddItemToObject(granularity, "quant_cfg_overrides", overrides_json(config));
	cJSON_AddItemToObject(to, "effective_quantizer_summary", cJSON_Duplicate(cell->quantizer_summary, 1));
	if (weight && activation)
		cJSON_AddStringToObject(to, "recipe_name", quantizer_recipe_name(format, weight, activation,
			config_value(config, "quant_granularity.quant_cfg_overrides")));
	quantizer_weight_code(code, pair->weight);
	cJSON_AddStringToObject(to, "weight", code);
	quantizer_activation_code(code, pair->activation);
	cJSON_AddStringToObject(to, "activation", code);
	float_json_add(to, "search_bits", t->search_bits);
	float_json_add(to, "cost_bits", t->cost_bits);
	return to;
}

/* A mean over no targets is null. */
static void add_loss(cJSON *to, double loss, size_t targets)
{
	cJSON_AddItemToObject(to, "loss", targets ? float_json(loss) : cJSON_CreateNull());
}

static cJSON *scoring_json(const struct report_cell *cell, const struct group_table *t)
{
	const struct scores *s = cell->scores;
	cJSON *to = cJSON_CreateObject();
	cJSON_AddStringToObject(to, "method", s->method);
	cJSON_AddStringToObject(to, "numerics", cell->numerics);
	add_count(to, "batch_size", s->batch_size);
	add_count(to, "num_batches", s->batch_count);
	add_count(to, "num_sequences", t->score_sequences);
	add_count(to, "num_tokens", t->score_tokens);
	add_count(to, "num_targets", t->score_targets);
	add_loss(to, t->loss, t->score_targets);
	cJSON *batches = cJSON_AddArrayToObject(to, "batches");
	for (size_t b = 0; b < s->batch_count; b++) {
		cJSON *batch = cJSON_CreateObject();
		add_count(batch, "sequences", s->batch_sequences[b]);
		add_count(batch, "tokens", s->batch_tokens[b]);
		add_count(batch, "targets", s->batch_targets[b]);
		add_loss(batch, s->batch_loss[b], s->batch_targets[b]);
		cJSON_AddItemToArray(batches, batch);
	}
	return to;
}

cJSON *manifest_make(const struct report_cell *cell, const struct group_table *t)
{
	const char *id;
	if (config_string(cell->config, "model.path", cell->name, &id))
		return NULL;
	cJSON *to = cJSON_CreateObject(), *layers = layers_json(cell, t);
	cJSON_AddItemToObject(to, "scheme", scheme_json(cell, t));
	cJSON_AddItemToObject(to, "model", model_json(cell));
	add_count(to, "num_quantized_layers", t->vision_count + cell->scores->linear_count);
	cJSON_AddItemToObject(to, "layers", layers);
	cJSON_AddItemToObject(to, "autoquant_state", state_json(t));
	add_sensitivity(to, cell, t);
	cJSON_AddItemToObject(to, "dataset", dataset_json(cell));
	cJSON_AddItemToObject(to, "quantization", quantization_json(cell, t));
	cJSON_AddStringToObject(cJSON_AddObjectToObject(to, "run_config"), "composed_yaml_path", "composed-config.yaml");
	cJSON_AddItemToObject(to, "scoring", scoring_json(cell, t));
	cJSON_AddStringToObject(to, "cell", cell->name);
	cJSON_AddItemToObject(to, "warnings", string_list((const char *const *)t->warnings, t->warning_count));
	return to;
}
