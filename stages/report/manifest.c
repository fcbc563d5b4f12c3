#include "report/manifest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "report/config_value.h"
#include "report/error_figures.h"
#include "report/float_json.h"

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
	cJSON *to = cJSON_CreateObject();
	cJSON_AddStringToObject(to, "name", t->scheme);
	float_json_add(to, "auto_quantize_bits", t->target_bits);
	cJSON_AddStringToObject(to, "auto_quantize_method", cell->formats[0].scores->method);
	copy_value(to, "auto_quantize_score_size", config, "autoquant.score_size");
	copy_or_string(to, "coverage_mode", config, "quant_pair.coverage_mode", "lm_only");
	copy_float(to, "coverage_fraction", config, "quant_pair.coverage_fraction", 1);
	cJSON *formats = cJSON_AddArrayToObject(to, "quant_formats");
	for (size_t f = 0; f < cell->format_count; f++)
		cJSON_AddItemToArray(formats, cJSON_CreateString(cell->formats[f].format_name));
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
	float_json_add(to, "stored_bits", QUANTIZER_NONE_BITS);
	return to;
}

/* Score and output error of a linear with one of the quantizers on; null when the pair has one quantizer only. */
static void add_half(cJSON *to, const char *name, const struct output_sums *half, double outputs)
{
	if (!half) {
		cJSON_AddNullToObject(to, name);
		return;
	}
	struct error_figures figures = error_figures_output(half, outputs);
	cJSON *object = error_figures_json(&figures);
	float_json_add(object, "score", half->score);
	cJSON_AddItemToObject(to, name, object);
}

/* What one format does to a linear. */
static void add_format(cJSON *to, const struct report_format *f, const struct group_table *t, size_t index)
{
	const struct scores *s = f->scores;
	const struct calib_linear *calib = &f->calib->linears[index];
	double outputs = (double)t->score_tokens * (double)s->linears[index].out;
	struct output_sums output = scores_linear(s, index);
	float_json_add(to, "score", output.score);
	add_error(to, "output_error", error_figures_output(&output, outputs));
	add_half(to, "weight_only", s->weight_only ? &s->weight_only[index] : NULL, outputs);
	add_half(to, "activation_only", s->activation_only ? &s->activation_only[index] : NULL, outputs);
	add_error(to, "weight_error", error_figures_tensor(&calib->weight));
	if (s->pair.activation.element == ELEMENT_NONE) {
		cJSON_AddNullToObject(to, "activation_error");
		cJSON_AddNullToObject(to, "activation_amax");
	} else {
		add_error(to, "activation_error", error_figures_tensor(&calib->activation));
		float_json_add(to, "activation_amax", (double)calib->activation_amax);
	}
}

/* With several formats their figures stand by name. */
static cJSON *linear_json(const struct report_cell *cell, const struct group_table *t, size_t group, size_t index)
{
	const struct scores_linear *linear = &cell->formats[0].scores->linears[index];
	size_t choice = t->groups[group].choice;
	cJSON *to = layer_json(t, group, "Linear", linear->out, linear->in);
	float_json_add(to, "stored_bits", choice == SEARCH_NONE ? QUANTIZER_NONE_BITS
		: quantizer_cost_bits(cell->formats[choice].scores->pair.weight, linear->out, linear->in));
	if (cell->format_count == 1) {
		add_format(to, &cell->formats[0], t, index);
		return to;
	}
	cJSON *formats = cJSON_AddObjectToObject(to, "formats");
	for (size_t f = 0; f < cell->format_count; f++)
		add_format(cJSON_AddObjectToObject(formats, cell->formats[f].name), &cell->formats[f], t, index);
	return to;
}

/* Members of a group are neighbours, so going by groups is module order. */
static cJSON *layers_json(const struct report_cell *cell, const struct group_table *t)
{
	cJSON *to = cJSON_CreateObject();
	for (size_t g = 0; g < t->count; g++)
		for (size_t i = 0; i < t->groups[g].member_count; i++)
			cJSON_AddItemToObject(to, group_table_member(t, cell, g, i), t->groups[g].vision
				? vision_layer_json(cell, t, g) : linear_json(cell, t, g, t->groups[g].members[i]));
	return to;
}

/* --- search --- */

static void add_interval(cJSON *to, const char *name, struct interval i)
{
	cJSON *list = cJSON_AddArrayToObject(to, name);
	cJSON_AddItemToArray(list, float_json(i.low));
	cJSON_AddItemToArray(list, isfinite(i.high) ? float_json(i.high) : cJSON_CreateNull());
}

/* The chosen mix run for real; null when it was not. */
static void add_check(cJSON *to, const struct group_table *t)
{
	const struct report_check *c = &t->check;
	if (!c->present) {
		cJSON_AddNullToObject(to, "checked");
		return;
	}
	cJSON *checked = cJSON_AddObjectToObject(to, "checked");
	float_json_add(checked, "loss_before", c->loss_before);
	float_json_add(checked, "loss_after", c->loss_after);
	float_json_add(checked, "kl_per_token", c->divergence);
	add_interval(checked, "kl_per_token_interval", c->interval);
	float_json_add(checked, "kl_per_token_predicted", c->predicted);
	cJSON_AddItemToObject(checked, "additivity_ratio", c->predicted > 0 ? float_json(c->ratio) : cJSON_CreateNull());
}

static cJSON *state_json(const struct report_cell *cell, const struct group_table *t)
{
	static const char *const keys[] = {"candidate_stats", "best", "constraints"};
	cJSON *to = cJSON_CreateObject();
	cJSON_AddItemToObject(to, "keys", string_list(keys, 3));
	float_json_add(cJSON_AddObjectToObject(to, "constraints"), "effective_bits", t->effective_bits);
	float_json_add(to, "score", t->search.score);
	cJSON_AddTrueToObject(to, "is_satisfied"); /* as published; a budget that cannot be met has no manifest */
	float_json_add(to, "wished_bits", t->wished_bits);
	float_json_add(to, "target_bits", t->target_bits);
	float_json_add(to, "stored_bits", t->stored_bits);
	cJSON_AddStringToObject(to, "cost", t->stored_rule ? "cost_bits" : "search_bits");
	cJSON_AddBoolToObject(to, "allow_none", t->allow_none);
	float_json_add(to, "total_score", group_table_sum(t));
	float_json_add(to, "total_normalised", group_table_normalised(t));
	if (cell->format_count == 1)
		add_interval(to, "total_score_interval", t->formats[0].interval);
	add_count(to, "searched_groups", t->searched_count);
	add_count(to, "quantized_groups", t->quantized);
	cJSON_AddBoolToObject(to, "proven", t->search.proven);
	add_check(to, t);
	return to;
}

/* Formats most compressed first, NONE last: parallel lists, as published. */
static void add_choices(cJSON *to, const struct group_table *t, const struct report_group *g)
{
	cJSON *formats = cJSON_AddArrayToObject(to, "formats"), *scores = cJSON_AddArrayToObject(to, "scores");
	cJSON *costs = cJSON_AddArrayToObject(to, "costs");
	for (size_t i = 0; i < t->format_count && !g->vision; i++) {
		const struct report_score *score = &g->formats[t->order[i]];
		cJSON_AddItemToArray(formats, cJSON_CreateString(t->formats[t->order[i]].title));
		cJSON_AddItemToArray(scores, float_json(score->score));
		cJSON_AddItemToArray(costs, float_json(g->numel * score->cost / QUANTIZER_NONE_BITS));
	}
	cJSON_AddItemToArray(formats, cJSON_CreateString(t->none));
	cJSON_AddItemToArray(scores, float_json(0));
	cJSON_AddItemToArray(costs, float_json(g->numel));
}

/* How sure the group's score and place are, and how much of it comes from few tokens. */
static cJSON *certainty_json(const struct report_group *g)
{
	const struct report_score *score = &g->formats[g->worst];
	cJSON *to = cJSON_CreateObject();
	add_interval(to, "score_interval", score->interval);
	add_count(to, "harm_rank", g->certainty.rank);
	add_count(to, "harm_rank_low", g->certainty.low);
	add_count(to, "harm_rank_high", g->certainty.high);
	float_json_add(to, "above_next", g->certainty.above_next);
	float_json_add(to, "share_of_largest_token", score->positions.largest);
	float_json_add(to, "share_of_largest_tokens", score->positions.top);
	float_json_add(to, "share_of_first_tokens", score->positions.first);
	return to;
}

/* What a format does to a group. */
static void add_format_group(cJSON *to, const struct report_cell *cell, const struct group_table *t, size_t group,
	size_t format)
{
	const struct report_score *score = &t->groups[group].formats[format];
	double outputs = t->groups[group].outputs;
	float_json_add(to, "normalised", score->normalised);
	cJSON *batches = cJSON_AddArrayToObject(to, "score_per_batch");
	for (size_t b = 0; b < cell->formats[format].scores->batch_count; b++)
		cJSON_AddItemToArray(batches, float_json(group_table_batch(t, cell, group, format, b)));
	float_json_add(to, "cost_bits", score->cost_bits);
	add_error(to, "output_error", error_figures_output(&score->output, outputs));
	add_half(to, "weight_only", &score->weight_only, outputs);
	add_half(to, "activation_only", &score->activation_only, outputs);
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
	cJSON_AddBoolToObject(to, "searched", g->searched);
	if (g->vision) {
		cJSON_AddNullToObject(to, "certainty");
		return to;
	}
	cJSON_AddItemToObject(to, "certainty", certainty_json(g));
	if (cell->format_count == 1) {
		add_format_group(to, cell, t, group, 0);
		return to;
	}
	cJSON *formats = cJSON_AddObjectToObject(to, "by_format");
	for (size_t f = 0; f < cell->format_count; f++)
		add_format_group(cJSON_AddObjectToObject(formats, cell->formats[f].name), cell, t, group, f);
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
	const size_t batch_size = cell->formats[0].scores->batch_size;
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

/* What a format is: names, codes, bits. */
static void add_format_names(cJSON *to, const struct report_cell *cell, const struct group_table *t, size_t format)
{
	const struct report_format *f = &cell->formats[format];
	char code[QUANTIZER_CODE_MAX];
	cJSON_AddItemToObject(to, "effective_quantizer_summary", cJSON_Duplicate(f->quantizer_summary, 1));
	cJSON_AddStringToObject(to, "recipe_name", quantizer_recipe_name(f->format_name, f->weight, f->activation,
		config_value(cell->config, "quant_granularity.quant_cfg_overrides")));
	quantizer_weight_code(code, f->scores->pair.weight);
	cJSON_AddStringToObject(to, "weight", code);
	quantizer_activation_code(code, f->scores->pair.activation);
	cJSON_AddStringToObject(to, "activation", code);
	float_json_add(to, "search_bits", t->formats[format].search_bits);
	float_json_add(to, "cost_bits", t->formats[format].cost_bits);
}

/* As published where there is one format; several stand in a list. */
static cJSON *quantization_json(const struct report_cell *cell, const struct group_table *t)
{
	cJSON *to = cJSON_CreateObject(), *granularity;
	if (cell->format_count == 1)
		cJSON_AddStringToObject(to, "base_format_name", cell->formats[0].format_name);
	granularity = cJSON_AddObjectToObject(to, "quant_granularity");
	copy_or_string(granularity, "name", cell->config, "quant_granularity.name", "default");
	cJSON_AddItemToObject(granularity, "quant_cfg_overrides", overrides_json(cell->config));
	if (cell->format_count == 1) {
		add_format_names(to, cell, t, 0);
		return to;
	}
	cJSON *formats = cJSON_AddArrayToObject(to, "formats");
	for (size_t f = 0; f < cell->format_count; f++) {
		cJSON *one = cJSON_CreateObject();
		cJSON_AddItemToArray(formats, one);
		cJSON_AddStringToObject(one, "name", cell->formats[f].name);
		cJSON_AddStringToObject(one, "base_format_name", cell->formats[f].format_name);
		add_format_names(one, cell, t, f);
		float_json_add(one, "total_score", t->formats[f].sum);
		float_json_add(one, "total_normalised", t->formats[f].normalised);
		add_interval(one, "total_score_interval", t->formats[f].interval);
		add_count(one, "chosen_groups", t->formats[f].chosen);
	}
	return to;
}

/* A mean over no targets is null. */
static void add_loss(cJSON *to, double loss, size_t targets)
{
	cJSON_AddItemToObject(to, "loss", targets ? float_json(loss) : cJSON_CreateNull());
}

static cJSON *scoring_json(const struct report_cell *cell, const struct group_table *t)
{
	const struct scores *s = cell->formats[0].scores;
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
	add_count(to, "num_quantized_layers", t->vision_count + cell->formats[0].scores->linear_count);
	cJSON_AddItemToObject(to, "layers", layers);
	cJSON_AddItemToObject(to, "autoquant_state", state_json(cell, t));
	add_sensitivity(to, cell, t);
	cJSON_AddItemToObject(to, "dataset", dataset_json(cell));
	cJSON_AddItemToObject(to, "quantization", quantization_json(cell, t));
	cJSON_AddStringToObject(cJSON_AddObjectToObject(to, "run_config"), "composed_yaml_path", "composed-config.yaml");
	cJSON_AddItemToObject(to, "scoring", scoring_json(cell, t));
	cJSON_AddStringToObject(to, "cell", cell->name);
	cJSON_AddItemToObject(to, "warnings", string_list((const char *const *)t->warnings, t->warning_count));
	return to;
}
