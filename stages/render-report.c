/* render-report: scores + calib + recipe + check + tokens + lm -> reports of a cell; and the overview of a grid.
 *
 *     render-report JOB               the files of one cell, into its output folder
 *     render-report --overview GRID   the overview of a grid, whatever became of its cells
 *     render-report --present GRID    both for all cells that have a result; lists the cells without. Computes nothing
 *     render-report --help
 *
 * JOB is a job file (graph/job.h); GRID is build/grid.json, written by the generator. Unlike the other stages this one
 * publishes files with names that people know, so it has no object in the cache; equal files are left alone.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/pool.h"
#include "common/progress.h"
#include "formats/lm.h"
#include "formats/tokens.h"
#include "graph/cell_log.h"
#include "graph/grid_file.h"
#include "graph/job.h"
#include "graph/progress_note.h"
#include "graph/stage.h"
#include "report/cell.h"
#include "report/overview.h"

enum { FORMATS_MAX = 1000 };

/* Scores of captions that an overview keeps in memory; those of further cells are read again where they are needed. */
#define CAPTIONS_BYTES_MAX ((size_t)256 << 20)

/* One format of the cell, open. */
struct format_inputs {
	struct calib calib;
	struct scores scores;
	cJSON *summary;
};

/* The inputs of one report, open. */
struct inputs {
	struct lm lm;
	struct tokens tokens;
	struct recipe recipe;
	struct check check;
	struct format_inputs *formats;   /* [format_count] */
	struct report_format *shown;     /* [format_count] the same for the report */
	size_t format_count;
	struct report_vision *vision;
	struct report_cell cell;
	const char *folder;
};

static void inputs_close(struct inputs *in)
{
	for (size_t f = 0; f < in->format_count; f++) {
		scores_close(&in->formats[f].scores);
		calib_close(&in->formats[f].calib);
		cJSON_Delete(in->formats[f].summary);
	}
	check_close(&in->check);
	recipe_close(&in->recipe);
	tokens_close(&in->tokens);
	lm_close(&in->lm);
	free(in->formats);
	free(in->shown);
	free(in->vision);
	*in = (struct inputs){0};
}

enum object_kind { OBJECT_LM, OBJECT_TOKENS, OBJECT_RECIPE, OBJECT_CHECK, OBJECT_CALIB, OBJECT_SCORES };

static int open_kind(struct inputs *in, struct format_inputs *f, enum object_kind kind, const char *path,
	const struct digest *content)
{
	switch (kind) {
	case OBJECT_LM: return lm_open(&in->lm, path, content);
	case OBJECT_TOKENS: return tokens_open(&in->tokens, path, content);
	case OBJECT_RECIPE: return recipe_open(&in->recipe, path, content);
	case OBJECT_CHECK: return check_open(&in->check, path, content);
	case OBJECT_CALIB: return calib_open_errors(&f->calib, path, content);
	default: return scores_open(&f->scores, path, content);
	}
}

/* One that is damaged is discarded, so that the next ninja makes it again. in: of all but calib and scores; f: of
 * these. */
static int open_input(struct inputs *in, struct format_inputs *f, enum object_kind kind, const struct job *job,
	const char *name)
{
	const struct job_input *input = job_input_need(job, name);
	if (!input)
		return -1;
	char *path = job_input_path(job, input);
	int bad = open_kind(in, f, kind, path, &input->result.content);
	free(path);
	return bad ? job_input_discard(job, input) : 0;
}

static int open_objects(struct inputs *in, const struct job *job)
{
	return open_input(in, NULL, OBJECT_LM, job, "lm") || open_input(in, NULL, OBJECT_TOKENS, job, "tokens") ||
		open_input(in, NULL, OBJECT_RECIPE, job, "recipe") ||
		(job_input_find(job, "check") && open_input(in, NULL, OBJECT_CHECK, job, "check")) ? -1 : 0;
}

static int open_format_objects(struct format_inputs *f, const struct job *job, size_t index)
{
	char *calib = mem_printf("calib.%zu", index), *scores = mem_printf("scores.%zu", index);
	int bad = open_input(NULL, f, OBJECT_CALIB, job, calib) || open_input(NULL, f, OBJECT_SCORES, job, scores);
	free(calib);
	free(scores);
	return bad ? -1 : 0;
}

/* item is an element of the view's formats (graph/cell_view.h). */
static int open_format(struct inputs *in, const struct job *job, size_t index, const cJSON *item,
	const cJSON *overrides)
{
	const cJSON *pair = json_member(item, "quant_pair", job->path);
	struct format_inputs *f = &in->formats[index];
	struct report_format *shown = &in->shown[index];
	*shown = (struct report_format){
		.name = json_string(item, "name", job->path),
		.weight = json_string(pair, "weight", job->path),
		.activation = json_string(pair, "activation", job->path),
		.format_name = json_string(pair, "format_name", job->path),
		.scores = &f->scores,
		.calib = &f->calib,
	};
	if (!shown->name || !shown->weight || !shown->activation || !shown->format_name ||
		open_format_objects(f, job, index))
		return -1;
	f->summary = quantizer_summary(shown->weight, shown->activation, shown->format_name, overrides);
	shown->quantizer_summary = f->summary;
	return f->summary ? 0 : -1;
}

static int open_formats(struct inputs *in, const struct job *job, const cJSON *config)
{
	const cJSON *item, *list = json_member(job->params, "formats", job->path);
	const cJSON *granularity = json_member(config, "quant_granularity", job->path);
	if (!list || !granularity)
		return -1;
	if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) < 1 || cJSON_GetArraySize(list) > FORMATS_MAX)
		return fail("%s: \"formats\" must list 1 to %d formats", job->path, FORMATS_MAX);
	in->formats = mem_zeroed((size_t)cJSON_GetArraySize(list), sizeof *in->formats);
	in->shown = mem_zeroed((size_t)cJSON_GetArraySize(list), sizeof *in->shown);
	cJSON_ArrayForEach(item, list)
		if (open_format(in, job, in->format_count++, item,
			cJSON_GetObjectItemCaseSensitive(granularity, "quant_cfg_overrides")))
			return -1;
	return 0;
}

static void list_vision(struct inputs *in)
{
	in->vision = mem_zeroed(in->lm.vision_count, sizeof *in->vision);
	for (size_t i = 0; i < in->lm.vision_count; i++)
		in->vision[i] = (struct report_vision){in->lm.vision[i].name, in->lm.vision[i].kind,
			(size_t)in->lm.vision[i].out_features, (size_t)in->lm.vision[i].in_features};
}

/* job must be resolved; in borrows from it. */
static int inputs_open(struct inputs *in, const struct job *job)
{
	*in = (struct inputs){.folder = job_unhashed_string(job, "output_dir")};
	const cJSON *config = json_member(job->params, "config", job->path);
	const char *yaml = job_unhashed_string(job, "composed_yaml"), *pair = job_param_string(job, "cell.pair");
	if (!in->folder || !config || !yaml || !pair || open_objects(in, job) || open_formats(in, job, config)) {
		inputs_close(in);
		return -1;
	}
	list_vision(in);
	in->cell = (struct report_cell){
		.name = job->cell,
		.pair = pair,
		.config = config,
		.yaml = yaml,
		.numerics = job->makers.numerics ? job->makers.numerics : "",
		.formats = in->shown,
		.format_count = in->format_count,
		.recipe = &in->recipe,
		.check = in->check.sequence_count ? &in->check : NULL,
		.text = {in->tokens.asked, in->tokens.sequences, in->tokens.count, in->tokens.truncated},
		.vision = in->vision,
		.vision_count = in->lm.vision_count,
		.tied = in->lm.config.tied,
	};
	return 0;
}

/* ------------------------------------------------------------------------------------------------------------------
 * One cell */

static int write_cell(const struct job *job)
{
	struct inputs in;
	stage_phase("load");
	if (inputs_open(&in, job))
		return -1;
	stage_phase("report");
	int bad = report_write(&in.cell, in.folder, NULL);
	if (!bad)
		stage_trace("render-report", job->cell);
	inputs_close(&in);
	return bad;
}

static int run_job(const char *path)
{
	struct job job;
	if (job_open(&job, path))
		return error_report(1);
	warn_listen(cell_log_listener(&job));
	int bad = job_check_program(&job, "render-report") || cache_use(job.cache) < 0 || job_resolve(&job) <= 0 ||
		write_cell(&job);
	if (bad)
		cell_log_failed(&job);
	else
		cell_log_succeeded(&job);
	warn_listen((struct warn_listener){NULL, NULL});
	job_close(&job);
	return bad ? error_report(1) : 0;
}

/* ------------------------------------------------------------------------------------------------------------------
 * A grid */

struct grid_cell {
	struct overview_cell shown;
	const char *report;          /* its job */
	struct digest scores;        /* content of the scores; of a cell with a result */
	char *reason;
};

struct grid {
	struct grid_file file;
	struct grid_cell *cells;     /* [file.count] */
	atomic_size_t captions_bytes; /* that cells keep */
};

/* Why a job has no result: the failure noted for it, or for what it needs. 1 found, *reason for the caller to free. */
static int find_failure(const char *path, char **reason)
{
	struct job job;
	int found = 0;
	if (job_open(&job, path))
		return 0;
	if (job_resolve(&job) > 0)
		found = cache_failure_find(job.cache, &job.action, NULL, reason);
	for (size_t i = 0; i < job.input_count && !found; i++)
		if (job.inputs[i].job)
			found = find_failure(job.inputs[i].job, reason);
	job_close(&job);
	return found;
}

static void explain_missing(struct grid_cell *cell, const char *job_path)
{
	int failed = find_failure(job_path, &cell->reason);
	cell->shown.status = failed ? OVERVIEW_FAILED : OVERVIEW_MISSING;
	if (!failed)
		cell->reason = mem_strdup("not computed yet: run ninja");
	cell->shown.reason = cell->reason;
}

/* Cells of equal scores in all formats are twins. */
static struct digest digest_of_scores(const struct inputs *in)
{
	struct hasher *h = hasher_new();
	for (size_t f = 0; f < in->format_count; f++)
		hasher_update(h, in->formats[f].scores.object.content.hex, DIGEST_HEX);
	struct digest d = hasher_digest(h);
	hasher_free(h);
	return d;
}

static int summarize_cell(struct grid_cell *cell, const struct job *job, int write)
{
	struct inputs in;
	if (inputs_open(&in, job))
		return -1;
	int bad = in.format_count == cell->shown.format_count ? 0 : fail("%s: %zu formats in the job, %zu in the grid",
		job->cell, in.format_count, cell->shown.format_count);
	bad = bad || (write && report_write(&in.cell, in.folder, NULL));
	if (!bad)
		bad = overview_cell_fill(&cell->shown, &in.cell);
	if (!bad)
		cell->scores = digest_of_scores(&in);
	inputs_close(&in);
	return bad;
}

static int read_cell(struct grid_cell *cell, const struct grid_file_cell *of, int write)
{
	struct job job;
	*cell = (struct grid_cell){.report = of->report, .shown = {.name = of->name, .model = of->model, .pair = of->pair,
		.granularity = of->granularity, .size = of->size, .weight = of->weight, .activation = of->activation,
		.formats = of->formats, .format_count = of->format_count}};
	if (job_open(&job, of->report))
		return -1;
	struct warn_listener before = warn_listen(cell_log_listener(&job));
	int found = job_resolve(&job);
	if (found > 0 && summarize_cell(cell, &job, write)) {
		cell->shown.status = OVERVIEW_FAILED;
		cell->shown.reason = cell->reason = mem_strdup(error_text());
	} else if (found > 0) {
		cell->shown.manifest = of->manifest;
	} else {
		explain_missing(cell, of->report);
	}
	warn_listen(before);
	job_close(&job);
	return 0;
}

/* A later cell with the scores of an earlier one says so. */
static void find_twins(struct grid *grid)
{
	for (size_t i = 0; i < grid->file.count; i++) {
		for (size_t k = 0; k < i && grid->cells[i].scores.hex[0]; k++) {
			if (!digest_equal(&grid->cells[i].scores, &grid->cells[k].scores))
				continue;
			grid->cells[i].shown.same_as = grid->cells[k].shown.name;
			break;
		}
	}
}

/* Which cells keep their captions depends on which are read first; what comes of them does not. */
static void bound_captions(struct grid *grid, struct overview_cell *cell)
{
	const size_t bytes = cell->group_count * cell->unit_count * sizeof *cell->captions;
	if (!cell->captions || atomic_fetch_add(&grid->captions_bytes, bytes) + bytes <= CAPTIONS_BYTES_MAX)
		return;
	free(cell->captions);
	cell->captions = NULL;
}

/* Of a cell of one format, for struct overview. */
static int bring_captions(void *context, size_t index, double *captions)
{
	const struct grid_cell *cell = &((const struct grid *)context)->cells[index];
	struct format_inputs f = {.summary = NULL};
	struct job job;
	if (job_open(&job, cell->report))
		return -1;
	int bad = job_resolve(&job) <= 0 || open_format_objects(&f, &job, 0);
	if (!bad)
		overview_captions(captions, cell->shown.unit_count, &f.scores);
	scores_close(&f.scores);
	calib_close(&f.calib);
	job_close(&job);
	return bad ? -1 : 0;
}

/* The cells of a grid, read side by side. */
struct reading {
	struct grid *grid;
	int write;
	atomic_size_t done;          /* cells */
};

static int read_one(void *context, size_t index, size_t worker)
{
	struct reading *r = context;
	struct grid_cell *cell = &r->grid->cells[index];
	if (read_cell(cell, &r->grid->file.cells[index], r->write))
		return -1;
	bound_captions(r->grid, &cell->shown);
	size_t done = atomic_fetch_add(&r->done, 1) + 1;
	if (!worker)
		progress_step("cell", done, r->grid->file.count);
	return 0;
}

/* Until the process ends: gc waits, or is refused. The cells of a grid have one cache. */
static int use_cache(const struct grid_file *grid)
{
	struct job job;
	if (!grid->count)
		return 0;
	if (job_open(&job, grid->cells[0].report))
		return -1;
	int use = cache_use(job.cache);
	job_close(&job);
	return use < 0 ? -1 : 0;
}

/* Cells are independent of one another, and each takes some milliseconds. */
static int grid_read(struct grid *grid, const char *path, int write)
{
	struct reading r = {.grid = grid, .write = write};
	*grid = (struct grid){.cells = NULL};
	if (grid_file_open(&grid->file, path))
		return -1;
	grid->cells = mem_zeroed(grid->file.count, sizeof *grid->cells);
	if (use_cache(&grid->file) || pool_run(grid->file.count, read_one, &r))
		return -1;
	find_twins(grid);
	return 0;
}

static void grid_release(struct grid *grid)
{
	for (size_t i = 0; i < grid->file.count; i++) {
		overview_cell_release(&grid->cells[i].shown);
		free(grid->cells[i].reason);
	}
	free(grid->cells);
	grid_file_close(&grid->file);
}

static int write_overview(const struct grid *grid)
{
	const struct grid_file *file = &grid->file;
	if (!*file->overview_json)
		return 0; /* a single cell has no overview */
	const char *slash = strrchr(file->overview_json, '/');
	char *folder = slash ? mem_strndup(file->overview_json, (size_t)(slash - file->overview_json)) : mem_strdup(".");
	struct overview_cell *cells = mem_array(file->count, sizeof *cells);
	struct overview_invalid *invalid = mem_array(file->invalid_count, sizeof *invalid);
	for (size_t i = 0; i < file->count; i++)
		cells[i] = grid->cells[i].shown;
	for (size_t i = 0; i < file->invalid_count; i++)
		invalid[i] = (struct overview_invalid){file->invalid[i].name, file->invalid[i].reason};
	struct overview overview = {.grid = file->name, .cells = cells, .count = file->count, .invalid = invalid,
		.invalid_count = file->invalid_count, .captions = bring_captions, .context = (void *)(uintptr_t)grid};
	int bad = overview_write(&overview, folder, NULL);
	free(invalid);
	free(cells);
	free(folder);
	return bad;
}

static void list_missing(const struct grid *grid)
{
	size_t present = 0;
	for (size_t i = 0; i < grid->file.count; i++)
		present += grid->cells[i].shown.status == OVERVIEW_OK;
	printf("%zu of %zu reports rendered\n", present, grid->file.count);
	for (size_t i = 0; i < grid->file.count; i++)
		if (grid->cells[i].shown.status != OVERVIEW_OK)
			printf("%s  %s: %s\n", grid->cells[i].shown.status == OVERVIEW_FAILED ? "failed " : "missing",
				grid->cells[i].shown.name, grid->cells[i].shown.reason);
}

/* The build's folder is that of the grid. */
static void begin_note(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup(".");
	progress_note_begin(folder, "render-report", path, 1);
	free(folder);
}

static int run_grid(const char *path, int present)
{
	struct grid grid;
	begin_note(path);
	stage_phase("load");
	int bad = grid_read(&grid, path, present);
	stage_phase("report");
	bad = bad || write_overview(&grid);
	if (!bad && present)
		list_missing(&grid);
	grid_release(&grid);
	progress_note_end();
	return output_end(bad ? error_report(1) : 0);
}

static int usage(int status)
{
	fputs("usage: render-report JOB\n"
		"       render-report --overview GRID\n"
		"       render-report --present GRID\n\n"
		"Writes the reports of one cell; the overview of a grid; or both for all cells that have a result, listing\n"
		"those without. JOB is build/jobs/render-report.jsonl:KEY, GRID is build/grid.json; ./configure writes both.\n",
		status ? stderr : stdout);
	return status;
}

int main(int argc, char **argv)
{
	const char *what = argc == 3 ? argv[1] : "";
	const int job = argc == 2 && argv[1][0] != '-', present = !strcmp(what, "--present");
	program_name_set("render-report");
	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(0);
	if (!job && !present && strcmp(what, "--overview"))
		return usage(2);
	stage_signals();
	stage_phase("resolve");
	int status = job ? run_job(argv[1]) : run_grid(argv[2], present);
	stage_times("render-report", job ? "job" : what + strlen("--"));
	return status;
}
