/* From cells to jobs, and what must hold between them. */
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/lm_config.h"
#include "generator/feasible.h"
#include "generator/generator.h"
#include "generator/own_folders.h"
#include "generator/published.h"
#include "generator/strict_tools.h"
#include "model/lm_folder.h"
#include "tokenizer/char_class.h"
#include "tokenizer/tokenizer.h"

static int check_length(const struct grid_cell *cell)
{
	struct lm_config config;
	const struct node *length = node_at(cell->config, "dataset.calib_seq_len");
	char *path = path_join(node_string(cell->config, "model.path"), "config.json");
	int bad = lm_config_read(&config, path);
	free(path);
	if (!bad && length->integer > (int64_t)config.max_position_embeddings)
		bad = origin_fail(&length->at, "dataset.calib_seq_len is %lld, the model takes at most %zu tokens",
			(long long)length->integer, config.max_position_embeddings);
	return bad;
}

/* Cells differ in quantizers far more often than in model or length. */
static int check_lengths(const struct grid *grid)
{
	for (size_t i = 0; i < grid->cell_count; i++) {
		const struct node *c = grid->cells[i].config, *previous = i ? grid->cells[i - 1].config : NULL;
		if (previous && !strcmp(node_string(c, "model.path"), node_string(previous, "model.path")) &&
			node_int(c, "dataset.calib_seq_len") == node_int(previous, "dataset.calib_seq_len"))
			continue;
		if (check_length(&grid->cells[i]))
			return -1;
	}
	return 0;
}

static int check_places(const struct generator *g)
{
	struct own_folders own = {.build_dir = g->plan.build_dir, .cache_dir = g->plan.cache_dir};
	for (size_t i = 0; i < g->grid.cell_count; i++)
		if (own_folders_check(&own, g->grid.cells[i].config))
			return -1;
	return 0;
}

static int list_checkpoint(const char *dir, char ***names, size_t *count)
{
	if (!file_exists(dir))
		return fail("%s: there is no such folder. Give model.path=FOLDER of a checkpoint (config.json and "
			"*.safetensors), or leave model out for the demo model", dir);
	return checkpoint_files(dir, names, count);
}

static int list_tokenizer(const char *dir, char ***names, size_t *count)
{
	const char *found[TOKENIZER_FILES_MAX];
	if (tokenizer_files(dir, found, count))
		return -1;
	*names = mem_array(*count, sizeof **names);
	for (size_t i = 0; i < *count; i++)
		(*names)[i] = mem_strdup(found[i]);
	return 0;
}

static plan_lister *find_lister(const char *name)
{
	if (!strcmp(name, "checkpoint"))
		return list_checkpoint;
	if (!strcmp(name, "companions"))
		return lm_folder_companions;
	return !strcmp(name, "tokenizer") ? list_tokenizer : NULL;
}

/* A cell that cannot be: an error alone, left out of a grid with its reason. */
static int leave_out(struct generator *g, const char *name)
{
	if (g->grid.cell_count == 1)
		return fail_context("%s cannot exist", name);
	g->invalid[g->invalid_count++] = (struct invalid_cell){mem_strdup(name), mem_strdup(error_text())};
	return 0;
}

static int add_cell(struct generator *g, struct feasible *feasible, const struct grid_cell *cell)
{
	struct cell_view v;
	int bad = cell_view_make(&v, &g->views, cell), impossible = !bad && v.result == RESOLVE_INVALID;
	if (!bad && !impossible) {
		enum search_ahead_result ahead = feasible_check(feasible, v.view);
		bad = ahead == SEARCH_AHEAD_ERROR ? fail_context("%s", v.name) : 0;
		impossible = ahead == SEARCH_AHEAD_IMPOSSIBLE;
	}
	if (impossible) {
		bad = leave_out(g, v.name);
	} else if (!bad) {
		bad = plan_add_cell(&g->plan, v.name, v.view, v.output_dir);
		v.view = NULL;
	}
	cJSON_Delete(v.view);
	free(v.name);
	free(v.output_dir);
	return bad;
}

static int add_cells(struct generator *g)
{
	struct feasible feasible = {0};
	int bad = 0;
	for (size_t i = 0; i < g->grid.cell_count && !bad; i++)
		bad = add_cell(g, &feasible, &g->grid.cells[i]);
	/* One bad checkpoint among several fails its own cells only, in extract-lm. */
	if (!bad && !feasible.readable && feasible.ahead.unreadable)
		bad = fail("%s", feasible.ahead.unreadable);
	feasible_release(&feasible);
	return bad;
}

/* The cell met before with this text, PLAN_NO_CELL when there was none. */
static size_t met_before(struct hash_map *met, const char *text, size_t cell)
{
	size_t *known = hash_map_at(met, text, strlen(text)), before = *known;
	*known = cell;
	return before == HASH_MAP_NEW ? PLAN_NO_CELL : before;
}

/* Two cells of one name, or with reports in one folder, would overwrite one another. */
static int check_collisions(const struct plan *plan)
{
	struct hash_map names = {0}, folders = {0};
	int bad = 0;
	for (size_t i = 0; i < plan->cell_count && !bad; i++) {
		const struct plan_cell *cell = &plan->cells[i];
		if (met_before(&names, cell->name, i) != PLAN_NO_CELL)
			bad = fail("two cells of the grid are both called %s: give them different names (quant_pair.name, ...)",
				cell->name);
		size_t other = bad ? PLAN_NO_CELL : met_before(&folders, cell->output_dir, i);
		if (other != PLAN_NO_CELL)
			bad = fail("%s and %s both write their report to %s", plan->cells[other].name, cell->name, cell->output_dir);
	}
	hash_map_release(&names);
	hash_map_release(&folders);
	return bad;
}

/* A folder is written as a whole: not over the checkpoint, nor over other people's files, nor by two models in turn. */
static int check_folders(const struct plan *plan)
{
	for (size_t i = 0; i < plan->job_count; i++) {
		const char *dir = published_model_dir(&plan->jobs[i]);
		if (!dir)
			continue;
		if (lm_folder_check(dir, cJSON_GetObjectItemCaseSensitive(plan->jobs[i].unhashed, "model.path")->valuestring))
			return -1;
		for (size_t k = 0; k < i; k++) {
			const char *other = published_model_dir(&plan->jobs[k]);
			if (other && !strcmp(other, dir))
				return fail("%s: two models of the grid would be written there; give them different names (model.name), or "
					"folders (output_layout.language_model_dir)", dir);
		}
	}
	return 0;
}

/* One graph either computes or only renders. */
static int check_report_only(const struct grid *grid)
{
	for (size_t i = 1; i < grid->cell_count; i++) {
		const struct node *value = node_at(grid->cells[i].config, "runner.report_only");
		if (value->boolean != node_bool(grid->cells[0].config, "runner.report_only"))
			return origin_fail(&value->at, "runner.report_only must be the same for all cells of a grid");
	}
	return 0;
}

static void name_overview(struct generator *g)
{
	const char *root = node_string(g->grid.cells[0].config, "output_layout.root_dir");
	if (g->grid.cell_count > 1 || g->request.grid) {
		g->overview[0] = mem_printf("%s/%s.json", root, g->grid.name);
		g->overview[1] = mem_printf("%s/%s.md", root, g->grid.name);
	}
}

int generator_plan(struct generator *g, const char *build_dir, const char *cache_dir)
{
	g->invalid = mem_zeroed(g->grid.cell_count, sizeof *g->invalid);
	if (check_report_only(&g->grid))
		return -1;
	cell_views_init(&g->views, &g->grid, g->device.device);
	plan_init(&g->plan, &g->rules, build_dir, cache_dir, g->device.numerics, unicode_version(), find_lister);
	if (g->request.strict_tools && strict_tools_take(&g->rules, g->plan.memo))
		return -1;
	if (add_cells(g))
		return -1;
	if (!g->plan.cell_count)
		return fail("no cell of the grid can exist; the first one: %s: %s", g->invalid[0].name, g->invalid[0].reason);
	if (check_collisions(&g->plan) || check_folders(&g->plan))
		return -1;
	if (check_lengths(&g->grid) || check_places(g))
		return -1;
	plan_finish(&g->plan);
	name_overview(g);
	return 0;
}
