/* What became of a cell: BUILD/logs/CELL.log, a paragraph a computation, warning or failure, for people; and
 * BUILD/failed/STAGE-K16, the last failure of a job, there until the job succeeds, for ninja failures.
 *
 *     {"format": "quantgrid-failure/1", "stage": ..., "cell": ..., "job": "LIST:K16", "reason": ..., "log": ...}
 *
 * BUILD is where the job's list is; jobs elsewhere have neither. Nothing depends on these files: one that cannot be
 * written is not. Functions leave error_text() as it was. Any thread.
 */
#ifndef QG_GRAPH_CELL_LOG_H
#define QG_GRAPH_CELL_LOG_H

#include "common/error.h"
#include "graph/job.h"

void cell_log_computed(const struct job *job, size_t jobs, double seconds);

/* For warn_listen(): warnings go to the log of the job, which is borrowed as long as it listens. */
struct warn_listener cell_log_listener(const struct job *job);
void cell_log_warned(const struct job *job, const char *text);

/* With error_text() as the reason. */
void cell_log_failed(const struct job *job);

/* The job has its result: no failure of it stands any more. */
void cell_log_succeeded(const struct job *job);

/* "BUILD" of a job's name "BUILD/jobs/..."; NULL when it is none. The caller frees. */
char *job_build_dir(const char *name);

#endif
