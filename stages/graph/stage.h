/* The part that all stage programs share: read job files, look in the cache, compute what is missing, commit.
 *
 *     STAGE JOB [--grouped]              ensures the result of one job and writes its reference file. With --grouped,
 *                                        when the group's process noted a failure, prints it, removes the group's
 *                                        stamp so that the next ninja tries the group again, and fails. A result that
 *                                        is missing without one is computed, by one such process at a time
 *     STAGE --group GROUP --stamp FILE   fills the cache for all jobs of a group in one process, notes the failures,
 *                                        and writes the stamp: the group was tried. Failures are for the jobs' own
 *                                        edges
 *     STAGE --help
 *
 * A stage program is a struct stage and one call of stage_main(). Its compute function gets the jobs without a cached
 * result (distinct actions, locked, inputs resolved) and commits each with stage_commit() as soon as it is done, or
 * says with stage_failed() that this one failed and goes on.
 *
 * Exit status: 0 done, 1 failed, 2 wrong usage, 143 after SIGTERM, SIGINT or SIGHUP (never 130, which Ninja takes for
 * Ctrl-C). When $QUANTGRID_TRACE names a file, each computation appends a line "STAGE CELL" to it: tests compare what
 * ran, not what was said. When $QUANTGRID_TIMES names one, each process appends a line at its end, where its seconds
 * went: "score-layers group total 9.412 start 0.002 resolve 0.011 load 0.702 score 8.215 commit 0.482"; start is what
 * came before main().
 */
#ifndef QG_GRAPH_STAGE_H
#define QG_GRAPH_STAGE_H

#include <stddef.h>

#include "formats/object.h"
#include "graph/job.h"

struct stage_run {
	struct job **jobs;      /* [count] to compute */
	size_t count;
	struct stage_slot *slots; /* private: what became of each */
	int locks;              /* private: cache_locks_open() */
	struct digest id;       /* private: tells the failures of this run from older ones */
};

struct stage {
	const char *name;
	const char *about;      /* for --help: what it reads, does and writes, a few lines */
	/* One of the two. compute does all jobs together; it returns 0, or -1 after fail() when none of the uncommitted
	 * ones can be done. compute_each does and commits jobs[index]; it returns 0, or -1 after fail() when this one
	 * failed. */
	int (*compute)(struct stage_run *run);
	int (*compute_each)(struct stage_run *run, size_t index);
	int side_by_side;       /* so many jobs at once go through compute_each, each in a thread; 0 or 1: one by one. Not
	                         * for stages with leaves */
};

int stage_main(int argc, char **argv, const struct stage *stage);

/* Puts the object of jobs[index] into the cache. -1 after fail(). The leaves of the job are checked once more: when one
 * changed meanwhile nothing is committed. */
int stage_commit(struct stage_run *run, size_t index, const struct object_writer *w);

/* Runs work(context, run, index) for the jobs that are neither committed nor failed, by all threads, and notes those
 * that return -1 after fail() as failed: for commits, which hash, print and wait for the disk. Not for stages with
 * leaves. */
typedef int stage_work(void *context, struct stage_run *run, size_t index);
void stage_each(struct stage_run *run, stage_work *work, void *context);

/* From here on the calling thread is at jobs[index]: its warnings go to the log of that cell (graph/cell_log.h) alone,
 * not to those of all jobs. Stages whose compute does one after the other say it; compute_each and stage_each() need
 * not. */
void stage_at(struct stage_run *run, size_t index);

/* Notes error_text() as the reason why jobs[index] failed. Nothing is printed: the job's own edge will say it. */
void stage_failed(struct stage_run *run, size_t index);

/* Appends "STAGE CELL" to the trace file, if one is asked for. */
void stage_trace(const char *stage, const char *cell);

/* What the process does from here on, for $QUANTGRID_TIMES: a word, static. Of equal ones the seconds are added.
 * Returns what it did before, NULL at first. For the process's first thread. */
const char *stage_phase(const char *name);

/* Appends the line of this process to the file that $QUANTGRID_TIMES names, if it does: what is "group", "job" or what
 * else it was started for. stage_main() does. */
void stage_times(const char *stage, const char *what);

/* SIGPIPE and SIGXFSZ ignored, so that a write that fails is an error with a message; SIGTERM, SIGINT, SIGHUP remove
 * the half-written object and exit 143. */
void stage_signals(void);

#endif
