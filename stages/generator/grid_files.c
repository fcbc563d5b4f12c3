/* The files that the generator writes. */
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file_update.h"
#include "common/file.h"
#include "common/hash.h"
#include "common/hash_map.h"
#include "common/memory.h"
#include "generator/generator.h"
#include "generator/published.h"
#include "generator/strict_tools.h"
#include "generator/turns.h"

static const char grid_path[] = "build/grid.json";

static void add_string(struct strbuf *to, const char *name, const char *value)
{
	strbuf_addc(to, '"');
	strbuf_adds(to, name);
	strbuf_adds(to, "\": ");
	json_quoted(to, value);
}

/* A cell on a line. */
static void add_cell(struct strbuf *to, struct plan *plan, const struct plan_cell *cell, size_t same_as)
{
	const char *const told[][3] = {{"model", "model", "name"}, {"pair", "cell", "pair"},
		{"granularity", "quant_granularity", "name"}, {"size", "dataset", "size"}};
	strbuf_addc(to, '{');
	add_string(to, "cell", cell->name);
	for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
		strbuf_adds(to, ", ");
		add_string(to, told[i][0], view_string(cell->view, told[i][1], told[i][2]));
	}
	strbuf_adds(to, ", \"formats\": ");
	json_texts_compact(&plan->texts, to, cJSON_GetObjectItemCaseSensitive(cell->view, "formats"), 1);
	strbuf_adds(to, ", ");
	if (same_as != PLAN_NO_CELL) {
		add_string(to, "same_as", plan->cells[same_as].name);
		strbuf_adds(to, ", ");
	}
	add_string(to, "report", plan->jobs[cell->report].job_path);
	strbuf_adds(to, ", ");
	char *manifest = published_manifest(cell);
	add_string(to, "manifest", manifest);
	free(manifest);
	strbuf_addc(to, '}');
}

static void add_invalid(struct strbuf *to, const struct invalid_cell *cell)
{
	strbuf_addc(to, '{');
	add_string(to, "cell", cell->name);
	strbuf_adds(to, ", ");
	add_string(to, "reason", cell->reason);
	strbuf_addc(to, '}');
}

/* What the file was when it was written, for build/bin/leaves to compare. */
struct digested_file {
	struct file_update file;
	struct hasher *hash;
};

/* Hands text over to the file. */
static void pass_on(struct digested_file *to, struct strbuf *text)
{
	file_update_add(&to->file, text->s, text->length);
	hasher_update(to->hash, text->s, text->length);
	strbuf_clear(text);
}

static int close_digested(struct digested_file *file)
{
	struct digest digest = hasher_digest(file->hash);
	hasher_free(file->hash);
	return file_update_close(&file->file, NULL) || dir_make("build/leaf") ||
		file_write_if_changed("build/leaf/grid", digest.hex, DIGEST_HEX, NULL) ? -1 : 0;
}

static int write_grid_json(struct generator *g)
{
	struct digested_file file = {.hash = hasher_new()};
	struct strbuf text;
	size_t *twin = plan_twins(&g->plan);
	strbuf_init(&text);
	file_update_open(&file.file, grid_path);
	strbuf_adds(&text, "{\"format\": \"quantgrid-grid/1\", ");
	add_string(&text, "grid", g->grid.name);
	strbuf_adds(&text, ",\n");
	add_string(&text, "overview_json", g->overview[0] ? g->overview[0] : "");
	strbuf_adds(&text, ",\n");
	add_string(&text, "overview_md", g->overview[1] ? g->overview[1] : "");
	strbuf_adds(&text, ",\n\"cells\": [");
	for (size_t i = 0; i < g->plan.cell_count; i++) {
		strbuf_adds(&text, i ? ",\n" : "\n");
		add_cell(&text, &g->plan, &g->plan.cells[i], twin[i]);
		pass_on(&file, &text);
	}
	free(twin);
	strbuf_adds(&text, "\n],\n\"invalid\": [");
	for (size_t i = 0; i < g->invalid_count; i++) {
		strbuf_adds(&text, i ? ",\n" : "\n");
		add_invalid(&text, &g->invalid[i]);
	}
	strbuf_adds(&text, "\n]}\n");
	pass_on(&file, &text);
	strbuf_release(&text);
	return close_digested(&file);
}

static int add_if_folder(void *list, const char *folder, const char *name)
{
	char *path = path_join(folder, name);
	if (dir_exists(path))
		strbuf_addf(list, "%s\n", path);
	free(path);
	return 0;
}

static int add_folder_names(struct strbuf *list, const char *folder)
{
	strbuf_addf(list, "%s\n", folder);
	return dir_each(folder, add_if_folder, list);
}

/* Everything the graph was made from, for build/bin/leaves to watch. */
static int write_leaf_list(const struct generator *g)
{
	struct strbuf list;
	const char *const *paths;
	size_t count;
	const char *last = "";
	strbuf_init(&list);
	count = composer_files(g->composer, &paths);
	for (size_t i = 0; i < count; i++)
		strbuf_addf(&list, "%s\n", paths[i]);
	count = composer_folders(g->composer, &paths);
	for (size_t i = 0; i < count; i++)
		strbuf_addf(&list, "%s\n", paths[i]);
	if (g->request.grid)
		strbuf_addf(&list, "%s\n", g->request.grid);
	/* ./configure was killed while it lasts. */
	strbuf_adds(&list, "build/unfinished\n");
	strbuf_adds(&list, "rules\n");
	for (size_t i = 0; i < g->rules.count; i++)
		strbuf_addf(&list, "%s\n", g->rules.rules[i].path);
	for (size_t i = 0; i < g->rules.count && g->request.strict_tools; i++) {
		char *path = strict_tools_path(&g->rules.rules[i]);
		strbuf_addf(&list, "%s\n", path);
		free(path);
	}
	/* A source file that comes or goes changes build/sources.ninja. */
	int bad = add_folder_names(&list, "stages") || add_folder_names(&list, "tests");
	for (size_t i = 0; i < g->plan.cell_count; i++) {
		const char *path = view_string(g->plan.cells[i].view, "model", "path");
		if (strcmp(path, last))
			strbuf_addf(&list, "%s\n", path);
		last = path;
	}
	for (size_t i = 0; i < g->plan.leaf_count; i++)
		strbuf_addf(&list, "%s\n", g->plan.leaves[i].path);
	bad = bad || dir_make("build/leaf") || file_write_if_changed("build/leaf/list", list.s, list.length, NULL);
	strbuf_release(&list);
	return bad ? -1 : 0;
}

/* Two combinations may come to one name, of which one can exist: Ninja has one target of a name. The caller frees the
 * array. */
static const char **excluded_names(const struct generator *g, size_t *count)
{
	const char **names = mem_array(g->invalid_count, sizeof *names);
	struct hash_map known = {0};
	*count = 0;
	for (size_t i = 0; i < g->plan.cell_count && g->invalid_count; i++)
		*hash_map_at(&known, g->plan.cells[i].name, strlen(g->plan.cells[i].name)) = 1;
	for (size_t i = 0; i < g->invalid_count; i++) {
		size_t *before = hash_map_at(&known, g->invalid[i].name, strlen(g->invalid[i].name));
		if (*before == HASH_MAP_NEW)
			names[(*count)++] = g->invalid[i].name;
		*before = 1;
	}
	hash_map_release(&known);
	return names;
}

int generator_write(struct generator *g)
{
	size_t excluded_count;
	const char **excluded = excluded_names(g, &excluded_count);
	struct ninja_grid grid = {.path = grid_path, .overview = (const char *const *)g->overview, .slots = 1,
		.overview_count = g->overview[0] ? 2 : 0, .excluded = excluded, .excluded_count = excluded_count,
		.report_only = node_bool(g->grid.cells[0].config, "runner.report_only")};
	/* ./configure sees whether a Ninja file is another one now, and replaces build.ninja then. */
	int bad = plan_write_jobs(&g->plan) || write_grid_json(g) || write_leaf_list(g) || turns_take(&g->plan) ||
		ninja_write(&g->plan, &grid, &published_files);
	free(excluded);
	return bad ? -1 : 0;
}
