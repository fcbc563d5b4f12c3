/* In the place of every stage program, for grids of which nothing is computed (tests/pipeline/lib, fake_stages):
 *
 *     STAGE JOB [--stamp FILE]          writes the job's reference file, which leads to one object for all, of a byte;
 *                                       of a published job nothing
 *     STAGE --group GROUP --stamp FILE  reads the group and writes its stamp
 *     STAGE --overview GRID             nothing
 *
 * QUANTGRID_FAULT makes a job fail, as it does in the stages (graph/fault.h).
 */
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "graph/cell_log.h"
#include "graph/fault.h"
#include "graph/job.h"
#include "graph/job_group.h"

static int put_object(const struct job *job, const struct cache_result *result)
{
	char *path = cache_object_path(job->cache, result);
	int bad = file_exists(path) ? 0 : dir_make_parents(path) || file_write(path, "x", result->size) ? -1 : 0;
	free(path);
	return bad;
}

static int run_job(const char *name)
{
	struct job job;
	if (job_open(&job, name))
		return -1;
	const struct digest action = hash_bytes(job.key, strlen(job.key)), content = hash_bytes("", 0);
	const struct cache_result result = {action, content, action, "tokens", 1};
	int bad = strcmp(job.stage, program_name()) ? fail("%s: a job of %s", name, job.stage) : 0;
	bad = bad || fault_check(job.stage, job.cell) ||
		(*job.ref && (put_object(&job, &result) || ref_write(&job, &result)));
	if (bad)
		cell_log_failed(&job);
	else
		cell_log_succeeded(&job);
	job_close(&job);
	return bad;
}

static int run_group(const char *path, const char *stamp)
{
	const struct digest run = hash_bytes(path, strlen(path));
	struct job_group group;
	if (job_group_open(&group, path, program_name()))
		return -1;
	job_group_close(&group);
	return group_stamp_write(stamp, &run);
}

int main(int argc, char **argv)
{
	int bad = 0;
	program_name_set(argv[0]);
	if (argc == 5 && !strcmp(argv[1], "--group"))
		bad = run_group(argv[2], argv[4]);
	else if (argc >= 2 && strcmp(argv[1], "--overview"))
		bad = run_job(argv[1]);
	return bad ? error_report(1) : 0;
}
