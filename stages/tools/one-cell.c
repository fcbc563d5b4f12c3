/* one-cell: a cell by itself. Runs the stages of a report one after the other, without groups: ninja cells/NAME.
 *
 *     build/bin/one-cell JOB         JOB: of the report
 *     build/bin/one-cell CELL        the name of a cell of the grid, with or without "cells/" in front
 *
 * The programs are those in its own folder. A stage finds what is cached, so that this costs a few milliseconds a stage
 * where nothing is missing. Ends with the status of the first stage that fails.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/spell.h"
#include "graph/grid_file.h"
#include "graph/job.h"

enum { DEPTH_MAX = 16 };

extern char **environ;

struct chain {
	const char *folder;     /* of the programs */
	char **done;            /* jobs that were run */
	size_t count, capacity;
};

/* 0, or the exit status; -1 after fail(). */
static int run_stage(const struct chain *chain, const char *stage, const char *name)
{
	char *program = mem_printf("%s/%s", chain->folder, stage), *job = mem_strdup(name);
	char *const arguments[] = {program, job, NULL};
	int status = 0;
	pid_t pid;
	int bad = posix_spawn(&pid, program, NULL, NULL, arguments, environ);
	if (bad)
		bad = fail("%s: cannot start: %s", program, strerror(bad));
	while (!bad && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			bad = fail("%s: %s", program, strerror(errno));
	free(program);
	free(job);
	return bad ? -1 : WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* The job's inputs, each once, then the job. */
static int run_job(struct chain *chain, const char *name, int depth)
{
	struct job job;
	int status = 0;
	for (size_t i = 0; i < chain->count; i++)
		if (!strcmp(chain->done[i], name))
			return 0;
	if (depth > DEPTH_MAX)
		return fail("%s: jobs depend on one another in a circle", name);
	if (job_open(&job, name))
		return -1;
	for (size_t i = 0; i < job.input_count && !status; i++)
		if (job.inputs[i].job)
			status = run_job(chain, job.inputs[i].job, depth + 1);
	if (!status)
		status = run_stage(chain, job.stage, name);
	job_close(&job);
	MEM_GROW(chain->done, chain->count, chain->capacity);
	chain->done[chain->count++] = mem_strdup(name);
	return status;
}

/* ---- by name ---- */

/* Why there is no such cell. */
static int no_cell(const struct grid_file *grid, const char *name)
{
	for (size_t i = 0; i < grid->invalid_count; i++)
		if (!strcmp(grid->invalid[i].name, name))
			return fail("%s cannot exist, the grid leaves it out: %s", name, grid->invalid[i].reason);
	const char **names = mem_array(grid->count, sizeof *names);
	for (size_t i = 0; i < grid->count; i++)
		names[i] = grid->cells[i].name;
	const char *nearest = spell_nearest(name, names, grid->count);
	free(names);
	return fail("%s: no such cell%s%s%s Cells of this grid: %zu, which build/grid.json lists", name,
		nearest ? "; did you mean cells/" : ".", nearest ? nearest : "", nearest ? "?" : "", grid->count);
}

/* The job of a cell's report; NULL after fail(). The caller frees. */
static char *job_of_cell(const char *name)
{
	struct grid_file grid;
	char *job = NULL;
	if (grid_file_open(&grid, "build/grid.json"))
		return NULL;
	for (size_t i = 0; i < grid.count && !job; i++)
		if (!strcmp(grid.cells[i].name, name))
			job = mem_strdup(grid.cells[i].report);
	if (!job)
		(void)no_cell(&grid, name);
	grid_file_close(&grid);
	return job;
}

/* 0, or the exit status; -1 after fail(). */
static int run(struct chain *chain, const char *what)
{
	static const char target[] = "cells/";
	const size_t prefix = sizeof target - 1;
	if (strchr(what, ':') || file_exists(what))
		return run_job(chain, what, 0);
	char *job = job_of_cell(strncmp(what, target, prefix) ? what : what + prefix);
	int status = job ? run_job(chain, job, 0) : -1;
	free(job);
	return status;
}

static int usage(int status)
{
	fputs("usage: one-cell JOB\n       one-cell CELL\n\n"
		"Runs the stages of one report one after the other, without the rest of the grid; ninja cells/CELL starts it.\n"
		"JOB is build/jobs/render-report.jsonl:KEY; of a CELL the grid (build/grid.json) tells the job.\n",
		status ? stderr : stdout);
	return status;
}

int main(int argc, char **argv)
{
	struct chain chain = {0};
	program_name_set("one-cell");
	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(0);
	if (argc != 2 || argv[1][0] == '-')
		return usage(2);
	const char *slash = strrchr(argv[0], '/');
	char *folder = slash ? mem_strndup(argv[0], (size_t)(slash - argv[0])) : mem_strdup(".");
	chain.folder = folder;
	int status = run(&chain, argv[1]);
	for (size_t i = 0; i < chain.count; i++)
		free(chain.done[i]);
	free(chain.done);
	free(folder);
	return status < 0 ? error_report(1) : status;
}
