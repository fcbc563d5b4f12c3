/* one-cell: a cell by itself. Runs the stages of a report one after the other, without groups: ninja cells/NAME.
 *
 *     build/bin/one-cell JOB         JOB: of the report
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
#include "common/memory.h"
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

int main(int argc, char **argv)
{
	struct chain chain = {0};
	program_name_set("one-cell");
	if (argc != 2 || argv[1][0] == '-') {
		fputs("usage: one-cell JOB\n\nRuns the stages of one report one after the other; ninja cells/NAME starts it.\n",
			stderr);
		return 2;
	}
	const char *slash = strrchr(argv[0], '/');
	char *folder = slash ? mem_strndup(argv[0], (size_t)(slash - argv[0])) : mem_strdup(".");
	chain.folder = folder;
	int status = run_job(&chain, argv[1], 0);
	for (size_t i = 0; i < chain.count; i++)
		free(chain.done[i]);
	free(chain.done);
	free(folder);
	return status < 0 ? error_report(1) : status;
}
