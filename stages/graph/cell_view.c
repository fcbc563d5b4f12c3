#include "graph/cell_view.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"

/* Keys that the fixed part of a cell's name already tells. */
static int in_base_name(const char *key)
{
	static const char *const told[] = {"model", "quant_pair", "quant_granularity", "dataset.size"};
	for (size_t i = 0; i < sizeof told / sizeof *told; i++)
		if (!strcmp(key, told[i]))
			return 1;
	return 0;
}

/* ".effective_bits=7" for every other swept key. A '/' in a value would make a folder. */
static char *suffix(const struct grid_cell *cell)
{
	struct strbuf text;
	strbuf_init(&text);
	for (size_t i = 0; i < cell->swept_count; i++) {
		const char *key = cell->swept[i].key, *dot = strrchr(key, '.');
		if (in_base_name(key))
			continue;
		strbuf_addf(&text, ".%s=", dot ? dot + 1 : key);
		for (const char *p = cell->swept[i].text; *p; p++)
			strbuf_addc(&text, strchr("/ \t$:*?\"'\\", *p) ? '_' : *p);
	}
	return text.s;
}

static char *output_dir(const struct grid_cell *cell, const char *name_suffix)
{
	const struct node *c = cell->config;
	const char *model = node_string(c, "model.name"), *pair = node_string(c, "quant_pair.name");
	const char *granularity = node_string(c, "quant_granularity.name"), *size = node_string(c, "dataset.size");
	const char *root = node_string(c, "output_layout.root_dir");
	char *path;
	if (!node_is_null(c, "runner.output_dir")) {
		path = mem_strdup(node_string(c, "runner.output_dir"));
	} else if (strcmp(node_string(c, "output_layout.mode"), "publish")) {
		path = mem_printf("%s/%s/%s/%s/%s%s", root, model, pair, granularity, size, name_suffix);
	} else {
		char *pair_dir = mem_printf("weight-%s-act-%s", node_string(c, "quant_pair.weight"),
			node_string(c, "quant_pair.activation"));
		char *run_dir = mem_printf("%s_autoquant_%s_lm_%s", model, pair, size);
		path = mem_printf("%s/%s/%s/%s%s", root, node_string_or(c, "quant_pair.publish_pair_dir", pair_dir), granularity,
			node_string_or(c, "quant_pair.publish_run_dir", run_dir), name_suffix);
		free(pair_dir);
		free(run_dir);
	}
	return path;
}

static int64_t num_samples(const struct node *c)
{
	if (!node_is_null(c, "dataset.max_calib_samples"))
		return node_int(c, "dataset.max_calib_samples");
	char *path = mem_printf("dataset.size_to_max_samples.%s", node_string(c, "dataset.size"));
	const struct node *samples = node_at(c, path);
	free(path);
	return samples && samples->kind == NODE_INT ? samples->integer : 0;
}

static int add_derived(struct cell_view *v, const struct node *c, struct quantizer_pair pair, const char *device)
{
	char weight[QUANTIZER_CODE_MAX], activation[QUANTIZER_CODE_MAX];
	int64_t samples = num_samples(c), batch = node_int(c, "autoquant.batch_size");
	int64_t scored = node_int(c, "autoquant.score_size") / batch * batch;
	if (samples < 1)
		return origin_fail(&node_at(c, "dataset.size")->at,
			"dataset.size_to_max_samples has no number for size '%s'; give one, or dataset.max_calib_samples",
			node_string(c, "dataset.size"));
	scored = scored < batch ? batch : scored;
	quantizer_weight_code(weight, pair.weight);
	quantizer_activation_code(activation, pair.activation);

	cJSON *config = node_to_json(c);
	struct strbuf yaml;
	strbuf_init(&yaml);
	node_to_yaml(&yaml, c);
	v->view = cJSON_Duplicate(config, 1);
	cJSON_AddItemToObject(v->view, "config", config);
	cJSON_AddStringToObject(v->view, "composed_yaml", yaml.s);
	strbuf_release(&yaml);
	cJSON *quantizer = cJSON_AddObjectToObject(v->view, "quantizer");
	cJSON_AddStringToObject(quantizer, "weight", weight);
	cJSON_AddStringToObject(quantizer, "activation", activation);
	cJSON *dataset = cJSON_GetObjectItemCaseSensitive(v->view, "dataset");
	cJSON_AddNumberToObject(dataset, "num_samples", (double)samples);
	cJSON *autoquant = cJSON_GetObjectItemCaseSensitive(v->view, "autoquant");
	cJSON_AddNumberToObject(autoquant, "num_score_samples", (double)(scored < samples ? scored : samples));
	cJSON_ReplaceItemInObjectCaseSensitive(autoquant, "device", cJSON_CreateString(device));
	cJSON_AddStringToObject(cJSON_AddObjectToObject(v->view, "cell"), "name", v->name);
	cJSON_AddStringToObject(v->view, "output_dir", v->output_dir);
	return 0;
}

/* Paths stand in Ninja files and lists, a line each. */
static int check_path(const struct node *c, const char *key, const char *path)
{
	for (const char *p = path; *p; p++)
		if ((unsigned char)*p < 0x20)
			return origin_fail(&node_at(c, key)->at, "%s: a path may not contain control characters", key);
	return 0;
}

int cell_view_make(struct cell_view *v, const struct grid *grid, const struct grid_cell *cell, const char *device)
{
	const struct node *c = cell->config;
	struct quantizer_pair pair;
	char *name_suffix = suffix(cell);
	*v = (struct cell_view){0};
	v->name = mem_printf("%s.%s.%s.%s%s", node_string(c, "model.name"), node_string(c, "quant_pair.name"),
		node_string(c, "quant_granularity.name"), node_string(c, "dataset.size"), name_suffix);
	v->output_dir = output_dir(cell, name_suffix);
	free(name_suffix);
	if (!node_is_null(c, "runner.output_dir") && grid->cell_count > 1)
		return origin_fail(&node_at(c, "runner.output_dir")->at,
			"runner.output_dir is for a single cell, this grid has %zu: their reports would overwrite one another",
			grid->cell_count);
	if (check_path(c, "model.path", node_string(c, "model.path")) ||
		check_path(c, "dataset.captions_path", node_string(c, "dataset.captions_path")) ||
		check_path(c, node_is_null(c, "runner.output_dir") ? "output_layout.root_dir" : "runner.output_dir",
			v->output_dir))
		return -1;
	cJSON *overrides = node_to_json(node_at(c, "quant_granularity.quant_cfg_overrides"));
	v->result = quantizer_resolve(&pair, node_string(c, "quant_pair.weight"), node_string(c, "quant_pair.activation"),
		node_string(c, "quant_pair.format_name"), overrides);
	cJSON_Delete(overrides);
	if (v->result == RESOLVE_ERROR)
		return fail_context("%s", v->name);
	return v->result == RESOLVE_INVALID ? 0 : add_derived(v, c, pair, device);
}
