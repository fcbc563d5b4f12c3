#include "graph/cell_view.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/utf8.h"

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
		strbuf_addc(&text, '.');
		strbuf_adds(&text, dot ? dot + 1 : key);
		strbuf_addc(&text, '=');
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
	return mem_join(node_string(c, "model.name"), ".", pair, ".", node_string(c, "quant_granularity.name"), ".",
		node_string(c, "dataset.size"), name_suffix, NULL);
}

/* What a pair's file says of the folder, else what follows from its types or, of several pairs, from their names. */
static char *publish_dir(const struct grid_cell *cell, const char *pair)
{
	const struct node *c = cell->config;
	if (cell->pair_count)
		return mem_printf("formats-%s", pair);
	char *types = mem_join("weight-", node_string(c, "quant_pair.weight"), "-act-",
		node_string(c, "quant_pair.activation"), NULL);
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
		return mem_join(root, "/", model, "/", pair, "/", granularity, "/", size, name_suffix, NULL);
	char *pair_dir = publish_dir(cell, pair), *run_dir = mem_join(model, "_autoquant_", pair, "_lm_", size, NULL);
	char *path = mem_join(root, "/", pair_dir, "/", granularity, "/",
		cell->pair_count ? run_dir : node_string_or(c, "quant_pair.publish_run_dir", run_dir), name_suffix, NULL);
	free(pair_dir);
	free(run_dir);
	return path;
}

static int64_t num_samples(const struct node *c)
{
	if (!node_is_null(c, "dataset.max_calib_samples"))
		return node_int(c, "dataset.max_calib_samples");
	const struct node *sizes = node_at(c, "dataset.size_to_max_samples"), *samples;
	size_t i = sizes && node_is_container(sizes) ? node_child(sizes, node_string(c, "dataset.size")) : 0;
	samples = sizes && i < sizes->count ? sizes->items[i] : NULL;
	return samples && samples->kind == NODE_INT ? samples->integer : 0;
}

/* A pair's quantizers under a granularity. */
struct cell_format {
	enum resolve_result result;
	char *reason;                 /* unless RESOLVE_OK */
	cJSON *quantizer;             /* {weight, activation} */
	char *codes;                  /* "F8t/f8t" */
};

static void resolve_format(struct cell_format *f, const struct node *pair, const struct node *granularity)
{
	char weight[QUANTIZER_CODE_MAX], activation[QUANTIZER_CODE_MAX];
	struct quantizer_pair quantizers;
	cJSON *overrides = node_to_json(node_at(granularity, "quant_cfg_overrides"));
	*f = (struct cell_format){.result = quantizer_resolve(&quantizers, node_string(pair, "weight"),
		node_string(pair, "activation"), node_string(pair, "format_name"), overrides)};
	cJSON_Delete(overrides);
	if (f->result != RESOLVE_OK) {
		f->reason = mem_strdup(error_text());
		return;
	}
	quantizer_weight_code(weight, quantizers.weight);
	quantizer_activation_code(activation, quantizers.activation);
	f->quantizer = cJSON_CreateObject();
	cJSON_AddStringToObject(f->quantizer, "weight", weight);
	cJSON_AddStringToObject(f->quantizer, "activation", activation);
	f->codes = mem_printf("%s/%s", weight, activation);
}

/* Valid until the next call. */
static const struct cell_format *find_format(struct cell_views *views, const struct node *pair,
	const struct node *granularity)
{
	const struct node *key[] = {pair, granularity};
	size_t *known = hash_map_at(&views->format_index, key, sizeof key);
	if (*known == HASH_MAP_NEW) {
		MEM_GROW(views->formats, views->format_count, views->format_capacity);
		resolve_format(&views->formats[views->format_count], pair, granularity);
		*known = views->format_count++;
	}
	return &views->formats[*known];
}

/* Adds an element to the view's formats, with the pair's quantizers under the cell's granularity, and its codes. */
static enum resolve_result add_format(struct cell_views *views, cJSON *formats, cJSON *codes, const struct node *c,
	const struct node *pair, const char *name_suffix)
{
	const struct cell_format *found = find_format(views, pair, node_at(c, "quant_granularity"));
	if (found->result != RESOLVE_OK) {
		fail("%s", found->reason);
		return found->result;
	}
	cJSON *format = cJSON_CreateObject();
	cJSON_AddItemToObjectCS(format, "name", cJSON_CreateStringReference(node_string(pair, "name")));
	json_add_reference(format, "quant_pair", section_json(sections_find(&views->grid->sections, pair)));
	json_add_reference(format, "quantizer", found->quantizer);
	char *alone = cell_name(c, node_string(pair, "name"), name_suffix);
	cJSON_AddStringToObject(cJSON_AddObjectToObject(format, "cell"), "name", alone);
	free(alone);
	cJSON_AddItemToArray(formats, format);
	cJSON_AddItemToArray(codes, cJSON_CreateStringReference(found->codes));
	return RESOLVE_OK;
}

static enum resolve_result add_formats(struct cell_views *views, cJSON *view, const struct grid_cell *cell,
	const char *name_suffix)
{
	cJSON *formats = cJSON_AddArrayToObject(view, "formats");
	cJSON *codes = cJSON_AddArrayToObject(cJSON_AddObjectToObject(view, "quantizer"), "formats");
	enum resolve_result result = RESOLVE_OK;
	if (!cell->pair_count)
		return add_format(views, formats, codes, cell->config, node_at(cell->config, "quant_pair"), name_suffix);
	for (size_t i = 0; i < cell->pair_count && result == RESOLVE_OK; i++) {
		result = add_format(views, formats, codes, cell->config, cell->pairs[i], name_suffix);
		if (result != RESOLVE_OK)
			fail_context("%s", node_string(cell->pairs[i], "name"));
	}
	return result;
}

static cJSON *keep_derived(struct cell_views *views, cJSON *section)
{
	MEM_GROW(views->derived, views->derived_count, views->derived_capacity);
	return views->derived[views->derived_count++] = section;
}

static cJSON *derive_dataset(cJSON *to, int64_t samples)
{
	cJSON_AddNumberToObject(to, "num_samples", (double)samples);
	return to;
}

static cJSON *derive_autoquant(const struct node *c, cJSON *to, int64_t samples, const char *device)
{
	int64_t batch = node_int(c, "autoquant.batch_size");
	int64_t scored = node_int(c, "autoquant.score_size") / batch * batch, checked = node_int(c, "autoquant.check_size");
	scored = scored < batch ? batch : scored;
	scored = scored < samples ? scored : samples;
	cJSON_AddNumberToObject(to, "num_score_samples", (double)scored);
	cJSON_AddNumberToObject(to, "num_check_samples", (double)(checked < scored ? checked : scored));
	cJSON_ReplaceItemInObjectCaseSensitive(to, "device", cJSON_CreateString(device));
	return to;
}

/* The section as rules see it; they are made of the section and, autoquant, the number of samples. */
static const cJSON *seen_section(struct cell_views *views, const struct node *c, size_t index, int64_t samples)
{
	const struct node *value = c->items[index];
	const cJSON *json = section_json(sections_find(&views->grid->sections, value));
	const char *name = c->keys[index].text;
	int dataset = !strcmp(name, "dataset");
	if (!dataset && strcmp(name, "autoquant"))
		return json;
	struct { const struct node *value; int64_t samples; } key = {value, samples};
	size_t *known = hash_map_at(&views->derived_index, &key, sizeof key);
	if (*known == HASH_MAP_NEW) {
		cJSON *copy = keep_derived(views, cJSON_Duplicate(json, 1));
		*known = views->derived_count - 1;
		return dataset ? derive_dataset(copy, samples) : derive_autoquant(c, copy, samples, views->device);
	}
	return views->derived[*known];
}

/* The config and its text, before anything is added to it. */
static void add_config(struct cell_views *views, cJSON *view, const struct node *c)
{
	struct strbuf yaml;
	cJSON *config = cJSON_AddObjectToObject(view, "config");
	strbuf_init(&yaml);
	strbuf_addc(&yaml, '"');
	for (size_t i = 0; i < c->count; i++) {
		struct section *section = sections_find(&views->grid->sections, c->items[i]);
		json_add_reference(config, c->keys[i].text, section_json(section));
		/* The schema knows the keys: they need no quotes. */
		strbuf_adds(&yaml, c->keys[i].text);
		strbuf_addc(&yaml, ':');
		strbuf_adds(&yaml, section_yaml(section));
	}
	strbuf_addc(&yaml, '"');
	cJSON_AddRawToObject(view, "composed_yaml", yaml.s);
	strbuf_release(&yaml);
}

static int check_samples(const struct node *c, int64_t samples)
{
	return samples > 0 ? 0 : origin_fail(&node_at(c, "dataset.size")->at,
		"dataset.size_to_max_samples has no number for size '%s'; give one, or dataset.max_calib_samples",
		node_string(c, "dataset.size"));
}

static void fill_view(struct cell_views *views, struct cell_view *v, const struct node *c, const char *pair,
	int64_t samples)
{
	for (size_t i = 0; i < c->count; i++)
		json_add_reference(v->view, c->keys[i].text, seen_section(views, c, i, samples));
	add_config(views, v->view, c);
	cJSON *cell = cJSON_AddObjectToObject(v->view, "cell");
	cJSON_AddStringToObject(cell, "name", v->name);
	cJSON_AddStringToObject(cell, "pair", pair);
	cJSON_AddStringToObject(v->view, "output_dir", v->output_dir);
}

/* Paths stand in Ninja files and lists, a line each, and in JSON, which is UTF-8. */
static int check_path(const struct node *c, const char *key, const char *path)
{
	for (const char *p = path; *p; p++)
		if ((unsigned char)*p < 0x20)
			return origin_fail(&node_at(c, key)->at, "%s: a path may not contain control characters", key);
	if (utf8_valid_prefix(path, strlen(path)) < strlen(path))
		return origin_fail(&node_at(c, key)->at, "%s: a path must be UTF-8; a link with another name may lead there", key);
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

int cell_view_make(struct cell_view *v, struct cell_views *views, const struct grid_cell *cell)
{
	const struct node *c = cell->config;
	char *name_suffix = suffix(cell), *pair = pair_name(cell);
	int64_t samples = num_samples(c);
	*v = (struct cell_view){.view = cJSON_CreateObject()};
	v->name = cell_name(c, pair, name_suffix);
	v->output_dir = output_dir(cell, pair, name_suffix);
	int bad = check_cell(v, views->grid, c);
	if (!bad)
		v->result = add_formats(views, v->view, cell, name_suffix);
	if (!bad && v->result == RESOLVE_ERROR)
		bad = fail_context("%s", v->name);
	if (!bad && v->result == RESOLVE_OK)
		bad = check_samples(c, samples);
	if (!bad && v->result == RESOLVE_OK) {
		fill_view(views, v, c, pair, samples);
	} else {
		cJSON_Delete(v->view);
		v->view = NULL;
	}
	free(name_suffix);
	free(pair);
	return bad ? -1 : 0;
}

void cell_views_init(struct cell_views *views, struct grid *grid, const char *device)
{
	*views = (struct cell_views){.grid = grid, .device = device};
}
