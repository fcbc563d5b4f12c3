/* generate: conf/ + rules/ + overrides -> the Ninja files. Started by ./configure, and by ninja when something differs.
 *
 *     build/bin/generate [--summary] ARGS_FILE
 *
 * ARGS_FILE has one argument of ./configure a line. On success an ARGS_FILE named build/config.args.new becomes
 * build/config.args, which ninja repeats; on any error nothing that was there is changed. With --summary the last lines
 * tell what was found and what to type next.
 *
 * Exit status: 0 done, 1 the environment is wrong (missing files, disk), 2 the config is wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/pool.h"
#include "common/spell.h"
#include "config/sweep.h"
#include "graph/cell_view.h"
#include "graph/device_choice.h"
#include "graph/job.h"
#include "graph/model_choice.h"
#include "graph/ninja.h"
#include "graph/plan.h"
#include "graph/rules.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/shard_list.h"
#include "model/lm_folder.h"
#include "model/search_ahead.h"
#include "tokenizer/tokenizer.h"
#include "report/cell.h"

enum { ARGS_BYTES_MAX = 1 << 20, ARGS_MAX = 10000, STATUS_ENVIRONMENT = 1, STATUS_CONFIG = 2 };

static const char build_dir[] = "build";
static const char dry_dir[] = "build/dry"; /* job files of --dry-run, removed at its end */
static const char cache_dir[] = "cache";
static const char grid_path[] = "build/grid.json";

struct request {
	char *text;                     /* owner of the strings */
	const char *preset, *grid;
	const char **overrides;
	size_t override_count;
	int summary, cfg, dry_run, list;
	const char *list_group;
};

struct invalid_cell {
	char *name, *reason;
};

struct generator {
	struct request request;
	struct composer *composer;
	struct grid grid;
	struct rules rules;
	struct device_choice device;
	struct plan plan;
	struct search_ahead ahead;
	int readable;                   /* a checkpoint of the grid can be opened */
	struct invalid_cell *invalid;
	size_t invalid_count;
	char *overview[2];              /* JSON, Markdown */
	enum model_choice choice;
};

/* ------------------------------------------------------------------------------------------------------------------
 * Arguments */

static int read_request(struct request *r, const char *path)
{
	if (file_read(path, ARGS_BYTES_MAX, &r->text, NULL))
		return -1;
	r->overrides = mem_array(ARGS_MAX, sizeof *r->overrides);
	for (char *line = strtok(r->text, "\n"); line; line = strtok(NULL, "\n")) {
		if (!strcmp(line, "--preset"))
			r->preset = strtok(NULL, "\n");
		else if (!strcmp(line, "--grid"))
			r->grid = strtok(NULL, "\n");
		else if (!strcmp(line, "--cfg"))
			r->cfg = 1;
		else if (!strcmp(line, "--dry-run"))
			r->dry_run = 1;
		else if (!strcmp(line, "--list"))
			r->list = 1;
		else if (r->list && !r->list_group && !strchr(line, '='))
			r->list_group = line;
		else if (r->override_count == ARGS_MAX)
			return fail("more than %d arguments", ARGS_MAX);
		else
			r->overrides[r->override_count++] = line;
	}
	return 0;
}

/* ------------------------------------------------------------------------------------------------------------------
 * Cells */

/* What there is instead, with the nearest name. */
static int no_grid_file(const char *path)
{
	static const char folder[] = "conf/sweeps";
	char **names, *nearest = NULL;
	size_t count;
	struct strbuf list;
	if (dir_list(folder, &names, &count))
		return -1;
	strbuf_init(&list);
	for (size_t i = 0; i < count; i++) {
		char *whole = path_join(folder, names[i]);
		free(names[i]);
		names[i] = whole;
		strbuf_addf(&list, "%s%s", i ? ", " : "", whole);
	}
	const char *near = spell_nearest(path, (const char *const *)names, count);
	nearest = near ? mem_printf("; did you mean %s?", near) : mem_strdup("");
	fail("--grid %s: no such file%s There are: %s", path, nearest, list.s);
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
	free(nearest);
	strbuf_release(&list);
	return -1;
}

static int load_grid(struct generator *g)
{
	const struct request *r = &g->request;
	struct grid_request request = {.preset = r->preset, .file = r->grid, .overrides = r->overrides,
		.override_count = r->override_count};
	g->composer = composer_new("conf");
	if (r->grid && !file_exists(r->grid))
		return no_grid_file(r->grid);
	if (model_choice_load(&g->grid, g->composer, &request, &g->choice) || device_choose(&g->device, &g->grid))
		return -1;
	if (!strcmp(g->device.device, "cuda") && model_choice_on_gpu(&g->grid, g->composer, &request, &g->choice))
		return -1;
	model_choice_find_checkpoints(&g->grid);
	return 0;
}

static int check_lengths(const struct grid_cell *cell)
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

static int add_cell(struct generator *g, struct grid_cell *cell)
{
	struct cell_view v;
	int bad = cell_view_make(&v, &g->grid, cell, g->device.device), impossible = !bad && v.result == RESOLVE_INVALID;
	if (!bad && !impossible) {
		enum search_ahead_result ahead = search_ahead_check(&g->ahead, v.view);
		bad = ahead == SEARCH_AHEAD_ERROR ? fail_context("%s", v.name) : 0;
		g->readable |= !g->ahead.unreadable;
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

static const struct plan *sorted_plan;

static int by_name(const void *a, const void *b)
{
	return strcmp(sorted_plan->cells[*(const size_t *)a].name, sorted_plan->cells[*(const size_t *)b].name);
}

static int by_folder(const void *a, const void *b)
{
	return strcmp(sorted_plan->cells[*(const size_t *)a].output_dir, sorted_plan->cells[*(const size_t *)b].output_dir);
}

/* Two cells of one name, or with reports in one folder, would overwrite one another. */
static int check_collisions(const struct plan *plan)
{
	size_t *order = mem_array(plan->cell_count, sizeof *order);
	int bad = 0;
	for (size_t i = 0; i < plan->cell_count; i++)
		order[i] = i;
	sorted_plan = plan;
	qsort(order, plan->cell_count, sizeof *order, by_name);
	for (size_t i = 1; i < plan->cell_count && !bad; i++)
		if (!by_name(&order[i - 1], &order[i]))
			bad = fail("two cells of the grid are both called %s: give them different names (quant_pair.name, ...)",
				plan->cells[order[i]].name);
	qsort(order, plan->cell_count, sizeof *order, by_folder);
	for (size_t i = 1; i < plan->cell_count && !bad; i++)
		if (!by_folder(&order[i - 1], &order[i]))
			bad = fail("%s and %s both write their report to %s", plan->cells[order[i - 1]].name,
				plan->cells[order[i]].name, plan->cells[order[i]].output_dir);
	free(order);
	return bad;
}

/* Where a job that writes a language model's folder writes it to; NULL for others. */
static const char *language_model_dir(const struct plan_job *job)
{
	const cJSON *dir = cJSON_GetObjectItemCaseSensitive(job->params, "output_layout.language_model_dir");
	return job->rule->publish && cJSON_IsString(dir) ? dir->valuestring : NULL;
}

/* A folder is written as a whole: not over the checkpoint, nor over other people's files, nor by two models in turn. */
static int check_folders(const struct plan *plan)
{
	for (size_t i = 0; i < plan->job_count; i++) {
		const char *dir = language_model_dir(&plan->jobs[i]);
		if (!dir)
			continue;
		if (lm_folder_check(dir, cJSON_GetObjectItemCaseSensitive(plan->jobs[i].unhashed, "model.path")->valuestring))
			return -1;
		for (size_t k = 0; k < i; k++) {
			const char *other = language_model_dir(&plan->jobs[k]);
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

static int make_plan(struct generator *g)
{
	g->invalid = mem_zeroed(g->grid.cell_count, sizeof *g->invalid);
	if (check_report_only(&g->grid))
		return -1;
	plan_init(&g->plan, &g->rules, g->request.dry_run ? dry_dir : build_dir, cache_dir, g->device.numerics, find_lister);
	for (size_t i = 0; i < g->grid.cell_count; i++)
		if (add_cell(g, &g->grid.cells[i]))
			return -1;
	/* One bad checkpoint among several fails its own cells only, in extract-lm. */
	if (!g->readable && g->ahead.unreadable)
		return fail("%s", g->ahead.unreadable);
	if (!g->plan.cell_count)
		return fail("no cell of the grid can exist; the first one: %s: %s", g->invalid[0].name, g->invalid[0].reason);
	if (check_collisions(&g->plan) || check_folders(&g->plan))
		return -1;
	/* Cells differ in quantizers far more often than in model or length. */
	for (size_t i = 0; i < g->grid.cell_count; i++) {
		const struct node *c = g->grid.cells[i].config, *previous = i ? g->grid.cells[i - 1].config : NULL;
		if (previous && !strcmp(node_string(c, "model.path"), node_string(previous, "model.path")) &&
			node_int(c, "dataset.calib_seq_len") == node_int(previous, "dataset.calib_seq_len"))
			continue;
		if (check_lengths(&g->grid.cells[i]))
			return -1;
	}
	plan_finish(&g->plan);
	return 0;
}

/* ------------------------------------------------------------------------------------------------------------------
 * Files */

static const char *view_string(const cJSON *view, const char *section, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(view, section), key)->valuestring;
}

static void report_names(const struct plan_cell *cell, char *names[REPORT_FILES])
{
	const cJSON *pair = cJSON_GetObjectItemCaseSensitive(cell->view, "quant_pair");
	const cJSON *scheme = cell->score_count == 1 ? cJSON_GetObjectItemCaseSensitive(pair, "scheme_name") : NULL;
	report_file_names(names, cJSON_IsString(scheme) ? scheme->valuestring : NULL,
		view_string(cell->view, "cell", "pair"));
	for (size_t i = 0; i < REPORT_FILES; i++) {
		char *name = names[i];
		names[i] = path_join(cell->output_dir, name);
		free(name);
	}
}

static int report_files(const struct plan *plan, const struct plan_cell *cell, char ***files, size_t *count)
{
	(void)plan;
	*files = mem_array(REPORT_FILES, sizeof **files);
	*count = REPORT_FILES;
	report_names(cell, *files);
	return 0;
}

/* The files of a language model's folder: two of its own, and those that it copies. */
static int beside_files(const struct plan *plan, const struct plan_job *job, char ***files, size_t *count)
{
	const char *dir = language_model_dir(job);
	(void)plan;
	if (!dir)
		return fail("%s: publishes, but neither from scores nor to output_layout.language_model_dir", job->rule->path);
	size_t copied = 0;
	for (size_t i = 0; i < job->input_count; i++)
		copied += job->inputs[i].file_count;
	*files = mem_array(copied + 2, sizeof **files);
	(*files)[0] = path_join(dir, CHECKPOINT_SINGLE);
	(*files)[1] = path_join(dir, CHECKPOINT_CONFIG);
	*count = 2;
	for (size_t i = 0; i < job->input_count; i++)
		for (size_t f = 0; f < job->inputs[i].file_count; f++)
			(*files)[(*count)++] = path_join(dir, job->inputs[i].files[f].name);
	return 0;
}

static cJSON *grid_cell_json(const struct plan *plan, const struct plan_cell *cell, size_t same_as)
{
	cJSON *to = cJSON_CreateObject();
	char *names[REPORT_FILES];
	report_names(cell, names);
	cJSON_AddStringToObject(to, "cell", cell->name);
	cJSON_AddStringToObject(to, "model", view_string(cell->view, "model", "name"));
	cJSON_AddStringToObject(to, "pair", view_string(cell->view, "cell", "pair"));
	cJSON_AddStringToObject(to, "granularity", view_string(cell->view, "quant_granularity", "name"));
	cJSON_AddStringToObject(to, "size", view_string(cell->view, "dataset", "size"));
	cJSON_AddItemReferenceToObject(to, "formats", cJSON_GetObjectItemCaseSensitive(cell->view, "formats"));
	if (same_as != PLAN_NO_CELL)
		cJSON_AddStringToObject(to, "same_as", plan->cells[same_as].name);
	cJSON_AddStringToObject(to, "report", plan->jobs[cell->report].job_path);
	cJSON_AddStringToObject(to, "manifest", names[REPORT_MANIFEST]);
	for (size_t i = 0; i < REPORT_FILES; i++)
		free(names[i]);
	return to;
}

static int write_grid_json(const struct generator *g)
{
	struct strbuf text;
	cJSON *grid = cJSON_CreateObject();
	cJSON_AddStringToObject(grid, "format", "quantgrid-grid/1");
	cJSON_AddStringToObject(grid, "grid", g->grid.name);
	cJSON_AddStringToObject(grid, "overview_json", g->overview[0] ? g->overview[0] : "");
	cJSON_AddStringToObject(grid, "overview_md", g->overview[1] ? g->overview[1] : "");
	cJSON *cells = cJSON_AddArrayToObject(grid, "cells");
	size_t *twin = plan_twins(&g->plan);
	for (size_t i = 0; i < g->plan.cell_count; i++)
		cJSON_AddItemToArray(cells, grid_cell_json(&g->plan, &g->plan.cells[i], twin[i]));
	free(twin);
	cJSON *invalid = cJSON_AddArrayToObject(grid, "invalid");
	for (size_t i = 0; i < g->invalid_count; i++) {
		cJSON *one = cJSON_CreateObject();
		cJSON_AddStringToObject(one, "cell", g->invalid[i].name);
		cJSON_AddStringToObject(one, "reason", g->invalid[i].reason);
		cJSON_AddItemToArray(invalid, one);
	}
	strbuf_init(&text);
	json_pretty(&text, grid);
	strbuf_addc(&text, '\n');
	int bad = file_write_if_changed(grid_path, text.s, text.length, NULL);
	strbuf_release(&text);
	cJSON_Delete(grid);
	return bad;
}

static void add_folder_names(struct strbuf *list, const char *folder)
{
	char **names;
	size_t count;
	struct stat s;
	strbuf_addf(list, "%s\n", folder);
	if (dir_list(folder, &names, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		char *path = path_join(folder, names[i]);
		if (!stat(path, &s) && S_ISDIR(s.st_mode))
			strbuf_addf(list, "%s\n", path);
		free(path);
		free(names[i]);
	}
	free(names);
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
	strbuf_adds(&list, "rules\n");
	for (size_t i = 0; i < g->rules.count; i++)
		strbuf_addf(&list, "%s\n", g->rules.rules[i].path);
	/* A source file that comes or goes changes build/sources.ninja. */
	add_folder_names(&list, "stages");
	add_folder_names(&list, "tests");
	for (size_t i = 0; i < g->plan.cell_count; i++) {
		const char *path = view_string(g->plan.cells[i].view, "model", "path");
		if (strcmp(path, last))
			strbuf_addf(&list, "%s\n", path);
		last = path;
	}
	for (size_t i = 0; i < g->plan.leaf_count; i++)
		strbuf_addf(&list, "%s\n", g->plan.leaves[i].path);
	int bad = dir_make("build/leaf") || file_write_if_changed("build/leaf/list", list.s, list.length, NULL);
	strbuf_release(&list);
	return bad ? -1 : 0;
}

static void name_overview(struct generator *g)
{
	const char *root = node_string(g->grid.cells[0].config, "output_layout.root_dir");
	if (g->grid.cell_count > 1 || g->request.grid) {
		g->overview[0] = mem_printf("%s/%s.json", root, g->grid.name);
		g->overview[1] = mem_printf("%s/%s.md", root, g->grid.name);
	}
}

static int write_files(struct generator *g)
{
	static const struct ninja_files files = {report_files, beside_files};
	struct ninja_grid grid = {.path = grid_path, .overview = (const char *const *)g->overview, .slots = 1,
		.overview_count = g->overview[0] ? 2 : 0,
		.report_only = node_bool(g->grid.cells[0].config, "runner.report_only")};
	int changed;
	if (plan_write_jobs(&g->plan) || write_grid_json(g) || write_leaf_list(g) ||
		ninja_write(&g->plan, &grid, &files, &changed))
		return -1;
	/* Ninja reads the graph again only when build.ninja itself is newer; what it includes does not count. */
	if (changed && file_exists("build.ninja") && utimensat(AT_FDCWD, "build.ninja", NULL, 0))
		return fail("build.ninja: cannot set its time: %s", strerror(errno));
	return 0;
}

/* ------------------------------------------------------------------------------------------------------------------
 * What the user sees */

static int is_cached(const struct plan *plan, size_t job_index)
{
	struct job job;
	struct cache_result result;
	if (job_open(&job, plan->jobs[job_index].job_path))
		return 0;
	int cached = ref_read(job.ref, job.cache, &result) > 0;
	if (!cached)
		cached = job_resolve(&job) > 0 && cache_find(job.cache, &job.action, job.ingredients, &result) > 0;
	job_close(&job);
	return cached;
}

static int is_cell_cached(const struct plan *plan, const struct plan_cell *cell)
{
	for (size_t i = 0; i < cell->score_count; i++)
		if (!is_cached(plan, cell->scores[i]))
			return 0;
	return 1;
}

/* Cells with the same quantizers and inputs share scores: counts the distinct ones, and those that are cached. */
static void count_scores(const struct plan *plan, size_t *distinct, size_t *cached)
{
	char *seen = mem_zeroed(plan->job_count, 1);
	*distinct = *cached = 0;
	for (size_t c = 0; c < plan->cell_count; c++)
		for (size_t i = 0; i < plan->cells[c].score_count; i++) {
			size_t job = plan->cells[c].scores[i];
			if (seen[job]++)
				continue;
			++*distinct;
			*cached += (size_t)is_cached(plan, job);
		}
	free(seen);
}

static void print_invalid(const struct generator *g)
{
	enum { SHOWN = 20 };
	for (size_t i = 0; i < g->invalid_count && i < SHOWN; i++)
		printf("    %s: %s\n", g->invalid[i].name, g->invalid[i].reason);
	if (g->invalid_count > SHOWN)
		printf("    ... and %zu more (build/grid.json lists all)\n", g->invalid_count - SHOWN);
}

/* "qwen3_vl_demo.wfp8_afp16.{default, w_per_tensor}.small": the names of a cell and its twins, with what they share
 * said once. Shared parts end at points. */
static void print_class(const struct plan *plan, const size_t *twin, size_t first)
{
	const char *name = plan->cells[first].name;
	size_t start = strlen(name), end = start;
	for (size_t c = first + 1; c < plan->cell_count; c++) {
		const char *other = plan->cells[c].name;
		size_t same = 0, length = strlen(other), tail = 0;
		if (twin[c] != first)
			continue;
		while (same < start && other[same] == name[same])
			same++;
		while (tail < end && tail < length && other[length - 1 - tail] == name[strlen(name) - 1 - tail])
			tail++;
		start = same;
		end = tail;
	}
	while (start && name[start - 1] != '.')
		start--;
	while (end && name[strlen(name) - end] != '.')
		end--;
	printf("    %.*s{", (int)start, name);
	for (size_t c = first; c < plan->cell_count; c++)
		if (c == first || twin[c] == first)
			printf("%s%.*s", c == first ? "" : ", ", (int)(strlen(plan->cells[c].name) - start - end),
				plan->cells[c].name + start);
	printf("}%s\n", name + strlen(name) - end);
}

/* Cells that differ in name only. */
static void print_twins(const struct plan *plan)
{
	enum { SHOWN = 24 };
	size_t *twin = plan_twins(plan), count = 0, classes = 0;
	char *has_twin = mem_zeroed(plan->cell_count, 1);
	for (size_t c = 0; c < plan->cell_count; c++)
		if (twin[c] != PLAN_NO_CELL) {
			count++;
			has_twin[twin[c]] = 1;
		}
	if (count)
		printf("  %-10s %zu cell%s the computation of another:\n", "", count, count == 1 ? " is" : "s are");
	for (size_t c = 0; c < plan->cell_count; c++)
		if (has_twin[c] && ++classes <= SHOWN)
			print_class(plan, twin, c);
	if (classes > SHOWN)
		printf("    ... and %zu more such sets (same_as in build/grid.json)\n", classes - SHOWN);
	free(has_twin);
	free(twin);
}

static void print_found(void)
{
	char *text;
	if (file_read("build/toolchain", ARGS_BYTES_MAX, &text, NULL))
		return;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (!strncmp(line, "# ", 2))
			puts(line + 2);
	free(text);
}

/* A rough word of warning where the CPU will be at it for minutes: a baseline forward and backward, and one product a
 * format and linear, over captions of some 14 tokens. */
static void print_estimate(const struct generator *g, size_t formats)
{
	enum { TOKENS_A_CAPTION = 14 };
	const double flops_a_second_a_thread = 50e9, worth_saying = 60;
	const struct node *first = g->grid.cells[0].config;
	struct lm_config c;
	char *path = path_join(node_string(first, "model.path"), "config.json");
	double captions = 0;
	if (!lm_config_read(&c, path)) {
		double layer = (double)c.hidden_size * (double)c.head_dim * (double)(2 * c.heads + 2 * c.kv_heads) +
			3.0 * (double)c.hidden_size * (double)c.intermediate_size;
		double weights = (double)c.layers * layer + (double)c.vocab_size * (double)c.hidden_size;
		for (size_t i = 0; i < g->plan.cell_count; i++) {
			const cJSON *view = g->plan.cells[i].view;
			double n = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(view, "autoquant"),
				"num_score_samples")->valuedouble;
			captions = n > captions ? n : captions;
		}
		double seconds = 2 * weights * captions * TOKENS_A_CAPTION * (4 + 1.5 * (double)formats) /
			((double)pool_threads() * flops_a_second_a_thread);
		if (formats && seconds > 90 * worth_saying)
			printf("  %-10s about %.0f hours on this CPU\n", "time", seconds / 3600 + 0.5);
		else if (formats && seconds > worth_saying)
			printf("  %-10s about %.0f minutes on this CPU\n", "time", seconds / 60 + 0.5);
	}
	free(path);
}

/* Why it is this model, where the user did not say. */
static void print_choice(enum model_choice choice)
{
	static const char *const why[] = {
		[MODEL_DEMO] = "the demo model: no model was named, and on a CPU the 4B checkpoint takes hours.",
		[MODEL_DEMO_ABSENT] = "the demo model: no model was named, and the 4B checkpoint is neither in models/ nor in the hub cache.",
		[MODEL_PRESET] = "no model was named: on a GPU the 4B checkpoint that is here.",
		[MODEL_PRESET_DEMO_CAPTIONS] = "no model was named: on a GPU the 4B checkpoint that is here.",
	};
	if (choice == MODEL_NAMED)
		return;
	printf("  %-10s %s\n", "", why[choice]);
	if (choice == MODEL_DEMO || choice == MODEL_DEMO_ABSENT)
		printf("  %-10s %s\n", "",
			"Your own: model=qwen3_vl_4b_instruct model.path=FOLDER dataset.captions_path=FILE");
}

static void print_summary(const struct generator *g)
{
	const struct plan *plan = &g->plan;
	const struct node *first = g->grid.cells[0].config;
	const char *const *notes;
	size_t distinct, cached, note_count = composer_notes(g->composer, &notes);
	count_scores(plan, &distinct, &cached);
	puts("found");
	print_found();
	puts("\nrun");
	printf("  %-10s %s (%s)\n", "model", node_string(first, "model.name"), node_string(first, "model.path"));
	print_choice(g->choice);
	printf("  %-10s %s\n", "captions", node_string(first, "dataset.captions_path"));
	if (g->choice == MODEL_PRESET_DEMO_CAPTIONS)
		printf("  %-10s %s\n", "", "of the demo model: the preset's are not here. Your own: dataset.captions_path=FILE");
	printf("  %-10s %s\n", "device", g->device.words);
	printf("  %-10s %s: %zu cell%s, %zu distinct computation%s: %zu already cached, %zu to compute\n", "grid",
		g->grid.name, plan->cell_count, plan->cell_count == 1 ? "" : "s", distinct, distinct == 1 ? "" : "s", cached,
		distinct - cached);
	if (!strcmp(g->device.device, "cpu"))
		print_estimate(g, distinct - cached);
	print_twins(plan);
	if (g->invalid_count) {
		printf("  %-10s %zu cell%s that cannot exist %s left out:\n", "", g->invalid_count,
			g->invalid_count == 1 ? "" : "s", g->invalid_count == 1 ? "is" : "are");
		print_invalid(g);
	}
	printf("  %-10s %s\n", "reports", plan->cell_count == 1 ? plan->cells[0].output_dir : g->overview[1]);
	for (size_t i = 0; i < plan->job_count; i++)
		if (language_model_dir(&plan->jobs[i]))
			printf("  %-10s %s (a plain Qwen3 model, for other tools)\n", "model to", language_model_dir(&plan->jobs[i]));
	for (size_t i = 0; i < note_count; i++)
		printf("  %-10s %s\n", "note", notes[i]);
	puts("\nNow type:  ninja");
}

static void print_cells(const struct generator *g)
{
	for (size_t i = 0; i < g->plan.cell_count; i++)
		printf("%-7s %s\n", is_cell_cached(&g->plan, &g->plan.cells[i]) ? "cached" : "to run", g->plan.cells[i].name);
	print_invalid(g);
}

static int print_list(struct generator *g)
{
	const char *const *options;
	char **names;
	size_t count;
	struct composer *composer = g->composer = composer_new("conf");
	if (g->request.list_group) {
		count = composer_options(composer, g->request.list_group, &options);
		for (size_t i = 0; i < count; i++)
			puts(options[i]);
		return count ? 0 : fail("conf/%s: no such group; ./configure --list shows them", g->request.list_group);
	}
	if (dir_list("conf", &names, &count))
		return -1;
	for (size_t i = 0; i < count; i++) {
		size_t n = composer_is_group(composer, names[i]) ? composer_options(composer, names[i], &options) : 0;
		if (n)
			printf("%-18s %zu options\n", names[i], n);
		free(names[i]);
	}
	free(names);
	return 0;
}

/* ------------------------------------------------------------------------------------------------------------------ */

static void release(struct generator *g)
{
	plan_release(&g->plan);
	search_ahead_release(&g->ahead);
	rules_release(&g->rules);
	grid_release(&g->grid);
	composer_free(g->composer);
	for (size_t i = 0; i < g->invalid_count; i++) {
		free(g->invalid[i].name);
		free(g->invalid[i].reason);
	}
	free(g->invalid);
	free(g->overview[0]);
	free(g->overview[1]);
	free(g->request.overrides);
	free(g->request.text);
}

/* Returns an exit status. */
static int run(struct generator *g)
{
	if (g->request.list)
		return print_list(g) ? error_report(STATUS_CONFIG) : 0;
	if (load_grid(g))
		return error_report(STATUS_CONFIG);
	if (g->request.cfg) {
		struct strbuf yaml;
		strbuf_init(&yaml);
		node_to_yaml(&yaml, g->grid.cells[0].config);
		fputs(yaml.s, stdout);
		strbuf_release(&yaml);
		return 0;
	}
	if (rules_read(&g->rules, "rules") || make_plan(g))
		return error_report(STATUS_CONFIG);
	name_overview(g);
	if (cache_prepare(cache_dir))
		return error_report(STATUS_ENVIRONMENT);
	if (g->request.dry_run) {
		if (plan_write_jobs(&g->plan))
			return error_report(STATUS_ENVIRONMENT);
		print_cells(g);
		return dir_remove(dry_dir) ? error_report(STATUS_ENVIRONMENT) : 0;
	}
	return write_files(g) ? error_report(STATUS_ENVIRONMENT) : 0;
}

int main(int argc, char **argv)
{
	static const char fresh[] = "build/config.args.new", kept[] = "build/config.args";
	struct generator g = {0};
	const char *args = argc > 1 ? argv[argc - 1] : NULL;
	program_name_set("configure");
	g.request.summary = argc == 3 && !strcmp(argv[1], "--summary");
	if (!args || argc > 3 || (argc == 3 && !g.request.summary)) {
		fprintf(stderr, "usage: generate [--summary] ARGS_FILE\n");
		return 2;
	}
	int status = read_request(&g.request, args) ? error_report(STATUS_ENVIRONMENT) : run(&g);
	int looked = g.request.list || g.request.cfg || g.request.dry_run;
	if (!status && !looked && !strcmp(args, fresh) && rename(fresh, kept)) {
		fail("%s: cannot rename %s: %s", kept, fresh, strerror(errno));
		status = error_report(STATUS_ENVIRONMENT);
	}
	if (!status && !looked && g.request.summary)
		print_summary(&g);
	release(&g);
	return status;
}
