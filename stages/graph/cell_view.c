#include "graph/cell_view.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/hash.h"
#include "common/memory.h"

/* Keys that the fixed part of a cell's name already tells. */
static int in_base_name(const char *key)
{
	static const char *const told[] = {"model", "quant_pair", "autoquant.formats", "quant_granularity", "dataset.size"};
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

/* "wfp4_afp16+wfp8_afp8"; when that is no fit name for a file, the first of them, how many more, and a hash of all. */
static char *pair_name(const struct grid_cell *cell)
{
	enum { LONGEST = 96, HASH = 8 };
	struct strbuf all;
	if (!cell->pair_count)
		return mem_strdup(node_string(cell->config, "quant_pair.name"));
	strbuf_init(&all);
	for (size_t i = 0; i < cell->pair_count; i++)
		strbuf_addf(&all, "%s%s", i ? "+" : "", node_string(cell->pairs[i], "name"));
	if (all.length > LONGEST) {
		struct digest d = hash_bytes(all.s, all.length);
		strbuf_clear(&all);
		strbuf_addf(&all, "%s+%zumore-%.*s", node_string(cell->pairs[0], "name"), cell->pair_count - 1, HASH, d.hex);
	}
	return all.s;
}

static char *cell_name(const struct node *c, const char *pair, const char *name_suffix)
{
	return mem_printf("%s.%s.%s.%s%s", node_string(c, "model.name"), pair, node_string(c, "quant_granularity.name"),
		node_string(c, "dataset.size"), name_suffix);
}

/* What a pair's file says of the folder, else what follows from its types or, of several pairs, from their names. */
static char *publish_dir(const struct grid_cell *cell, const char *pair)
{
	const struct node *c = cell->config;
	if (cell->pair_count)
		return mem_printf("formats-%s", pair);
	char *types = mem_printf("weight-%s-act-%s", node_string(c, "quant_pair.weight"),
		node_string(c, "quant_pair.activation"));
	char *dir = mem_strdup(node_string_or(c, "quant_pair.publish_pair_dir", types));
	free(types);
	return dir;
}

static char *output_dir(const struct grid_cell *cell, const char *pair, const char *name_suffix)
{
	const struct node *c = cell->config;
	const char *model = node_string(c, "model.name"), *granularity = node_string(c, "quant_granularity.name");
	const char *size = node_string(c, "dataset.size"), *root = node_string(c, "output_layout.root_dir");
	if (!node_is_null(c, "runner.output_dir"))
		return mem_strdup(node_string(c, "runner.output_dir"));
	if (strcmp(node_string(c, "output_layout.mode"), "publish"))
		return mem_printf("%s/%s/%s/%s/%s%s", root, model, pair, granularity, size, name_suffix);
	char *pair_dir = publish_dir(cell, pair), *run_dir = mem_printf("%s_autoquant_%s_lm_%s", model, pair, size);
	char *path = mem_printf("%s/%s/%s/%s%s", root, pair_dir, granularity,
		cell->pair_count ? run_dir : node_string_or(c, "quant_pair.publish_run_dir", run_dir), name_suffix);
	free(pair_dir);
	free(run_dir);
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

/* One element of the view's formats, with the pair's quantizers under the cell's granularity. NULL unless *result says
 * RESOLVE_OK. */
static cJSON *make_format(const struct grid_cell *cell, const struct node *pair, const char *name_suffix,
	enum resolve_result *result)
{
	const struct node *c = cell->config;
	char weight[QUANTIZER_CODE_MAX], activation[QUANTIZER_CODE_MAX];
	struct quantizer_pair quantizers;
	cJSON *overrides = node_to_json(node_at(c, "quant_granularity.quant_cfg_overrides"));
	*result = quantizer_resolve(&quantizers, node_string(pair, "weight"), node_string(pair, "activation"),
		node_string(pair, "format_name"), overrides);
	cJSON_Delete(overrides);
	if (*result != RESOLVE_OK)
		return NULL;
	quantizer_weight_code(weight, quantizers.weight);
	quantizer_activation_code(activation, quantizers.activation);
	cJSON *format = cJSON_CreateObject();
	cJSON_AddStringToObject(format, "name", node_string(pair, "name"));
	cJSON_AddItemToObject(format, "quant_pair", node_to_json(pair));
	cJSON *quantizer = cJSON_AddObjectToObject(format, "quantizer");
	cJSON_AddStringToObject(quantizer, "weight", weight);
	cJSON_AddStringToObject(quantizer, "activation", activation);
	char *alone = cell_name(c, node_string(pair, "name"), name_suffix);
	cJSON_AddStringToObject(cJSON_AddObjectToObject(format, "cell"), "name", alone);
	free(alone);
	return format;
}

static cJSON *make_formats(const struct grid_cell *cell, const char *name_suffix, enum resolve_result *result)
{
	cJSON *formats = cJSON_CreateArray();
	size_t count = cell->pair_count ? cell->pair_count : 1;
	for (size_t i = 0; i < count; i++) {
		const struct node *pair = cell->pair_count ? cell->pairs[i] : node_at(cell->config, "quant_pair");
		cJSON *format = make_format(cell, pair, name_suffix, result);
		if (!format) {
			if (cell->pair_count)
				fail_context("%s", node_string(pair, "name"));
			cJSON_Delete(formats);
			return NULL;
		}
		cJSON_AddItemToArray(formats, format);
	}
	return formats;
}

static void add_codes(cJSON *view, const cJSON *formats)
{
	const cJSON *format;
	cJSON *codes = cJSON_AddArrayToObject(cJSON_AddObjectToObject(view, "quantizer"), "formats");
	cJSON_ArrayForEach(format, formats) {
		const cJSON *quantizer = cJSON_GetObjectItemCaseSensitive(format, "quantizer");
		char *both = mem_printf("%s/%s", cJSON_GetObjectItemCaseSensitive(quantizer, "weight")->valuestring,
			cJSON_GetObjectItemCaseSensitive(quantizer, "activation")->valuestring);
		cJSON_AddItemToArray(codes, cJSON_CreateString(both));
		free(both);
	}
}

/* Takes formats over. */
static int add_derived(struct cell_view *v, const struct node *c, const char *pair, const char *device,
	cJSON *formats)
{
	int64_t samples = num_samples(c), batch = node_int(c, "autoquant.batch_size");
	int64_t scored = node_int(c, "autoquant.score_size") / batch * batch, checked = node_int(c, "autoquant.check_size");
	if (samples < 1) {
		cJSON_Delete(formats);
		return origin_fail(&node_at(c, "dataset.size")->at,
			"dataset.size_to_max_samples has no number for size '%s'; give one, or dataset.max_calib_samples",
			node_string(c, "dataset.size"));
	}
	scored = scored < batch ? batch : scored;
	scored = scored < samples ? scored : samples;

	cJSON *config = node_to_json(c);
	struct strbuf yaml;
	strbuf_init(&yaml);
	node_to_yaml(&yaml, c);
	v->view = cJSON_Duplicate(config, 1);
	cJSON_AddItemToObject(v->view, "config", config);
	cJSON_AddStringToObject(v->view, "composed_yaml", yaml.s);
	strbuf_release(&yaml);
	cJSON_AddItemToObject(v->view, "formats", formats);
	add_codes(v->view, formats);
	cJSON *dataset = cJSON_GetObjectItemCaseSensitive(v->view, "dataset");
	cJSON_AddNumberToObject(dataset, "num_samples", (double)samples);
	cJSON *autoquant = cJSON_GetObjectItemCaseSensitive(v->view, "autoquant");
	cJSON_AddNumberToObject(autoquant, "num_score_samples", (double)scored);
	cJSON_AddNumberToObject(autoquant, "num_check_samples", (double)(checked < scored ? checked : scored));
	cJSON_ReplaceItemInObjectCaseSensitive(autoquant, "device", cJSON_CreateString(device));
	cJSON *cell = cJSON_AddObjectToObject(v->view, "cell");
	cJSON_AddStringToObject(cell, "name", v->name);
	cJSON_AddStringToObject(cell, "pair", pair);
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

static int check_cell(const struct cell_view *v, const struct grid *grid, const struct node *c)
{
	if (!node_is_null(c, "runner.output_dir") && grid->cell_count > 1)
		return origin_fail(&node_at(c, "runner.output_dir")->at,
			"runner.output_dir is for a single cell, this grid has %zu: their reports would overwrite one another",
			grid->cell_count);
	return check_path(c, "model.path", node_string(c, "model.path")) ||
		check_path(c, "dataset.captions_path", node_string(c, "dataset.captions_path")) ||
		check_path(c, node_is_null(c, "runner.output_dir") ? "output_layout.root_dir" : "runner.output_dir",
			v->output_dir) ? -1 : 0;
}

int cell_view_make(struct cell_view *v, const struct grid *grid, const struct grid_cell *cell, const char *device)
{
	const struct node *c = cell->config;
	char *name_suffix = suffix(cell), *pair = pair_name(cell);
	*v = (struct cell_view){0};
	v->name = cell_name(c, pair, name_suffix);
	v->output_dir = output_dir(cell, pair, name_suffix);
	int bad = check_cell(v, grid, c);
	cJSON *formats = bad ? NULL : make_formats(cell, name_suffix, &v->result);
	if (formats)
		bad = add_derived(v, c, pair, device, formats);
	else if (!bad && v->result == RESOLVE_ERROR)
		bad = fail_context("%s", v->name);
	free(name_suffix);
	free(pair);
	return bad ? -1 : 0;
}
