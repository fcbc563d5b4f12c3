#include "report/layers_json.h"

#include "report/error_figures.h"
#include "report/float_json.h"

static cJSON *by_format(const struct report_cell *cell, const struct report_group *g)
{
	cJSON *to = cJSON_CreateObject();
	for (size_t f = 0; f < cell->format_count; f++)
		float_json_add(to, cell->formats[f].name, g->formats[f].score);
	return to;
}

static cJSON *row(const struct report_cell *cell, const struct group_table *t, size_t group)
{
	const struct report_group *g = &t->groups[group];
	const struct report_score *score = g->vision ? NULL : &g->formats[g->worst];
	struct error_figures output = {0};
	double bits = g->vision ? QUANTIZER_NONE_BITS : t->formats[g->worst].search_bits;
	if (score)
		output = error_figures_output(&score->output, g->outputs);
	cJSON *to = cJSON_CreateObject();
	cJSON_AddStringToObject(to, "layer", g->name);
	float_json_add(to, "num_bits", bits);
	float_json_add(to, "sensitivity", g->score);
	float_json_add(to, "size_cost", g->numel * bits / QUANTIZER_NONE_BITS);
	float_json_add(to, "share", group_table_share(t, group));
	float_json_add(to, "normalised", score ? score->normalised : 0);
	cJSON_AddStringToObject(to, "recipe", group_table_recipe(t, group));
	cJSON_AddBoolToObject(to, "observed", g->observed);
	cJSON_AddBoolToObject(to, "searched", g->searched);
	float_json_add(to, "cost_bits", score ? score->cost_bits : QUANTIZER_NONE_BITS);
	cJSON *members = cJSON_AddArrayToObject(to, "members");
	for (size_t i = 0; i < g->member_count; i++)
		cJSON_AddItemToArray(members, cJSON_CreateString(group_table_member(t, cell, group, i)));
	cJSON_AddItemToObject(to, "output_error", score ? error_figures_json(&output) : cJSON_CreateNull());
	if (cell->format_count > 1)
		cJSON_AddItemToObject(to, "sensitivity_by_format", score ? by_format(cell, g) : cJSON_CreateNull());
	return to;
}

cJSON *layers_json_make(const struct report_cell *cell, const struct group_table *t, const cJSON *manifest)
{
	static const char *const sections[] = {"scheme", "model", "dataset", "quantization", "run_config",
		"autoquant_state", "scoring", "cell", "warnings"};
	cJSON *to = cJSON_CreateObject();
	for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
		cJSON_AddItemToObject(to, sections[i],
			cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(manifest, sections[i]), 1));
	cJSON *rows = cJSON_AddArrayToObject(to, "layer_sensitivity");
	for (size_t i = 0; i < t->count; i++)
		cJSON_AddItemToArray(rows, row(cell, t, t->descending[i]));
	return to;
}
