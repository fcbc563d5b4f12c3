/* Lists of jobs: build/jobs/STAGE.jsonl holds the job files (job.h) of all jobs of a stage, one a line, in the order of
 * their keys, each line beginning with {"key":"<K>" and ending with ,"seal":"<hash of the line before this comma>"}.
 * The last line, {"bytes":N}, counts what stands before it: a list that was cut, or has lost a line, is noticed
 * whichever job is asked for. A job is named FILE:K16, with the first 16 digits of its key, and found by halving, so that
 * of ten thousand jobs a process reads its own. To look at one: grep K16 FILE.
 *
 * A stage does as its job says: one changed bit in it would make another result and put it under this key. So what was
 * not sealed is not read, and job_open() has the next ninja make the lists anew (job_list_forget()).
 *
 * When the generator writes another list it keeps the one before as STAGE.before.jsonl: a ninja that runs meanwhile still
 * finds its jobs.
 */
#ifndef QG_GRAPH_JOB_LIST_H
#define QG_GRAPH_JOB_LIST_H

#include <cjson/cJSON.h>

#include "common/strbuf.h"

enum { JOB_KEY_SHORT = 16 };

/* Ends a line, which is all of a buffer, with its seal, a brace and a newline. */
void job_list_seal(struct strbuf *line);

/* Appends the last line of a list whose jobs are that many bytes. */
void job_list_end(struct strbuf *to, size_t bytes);

/* The jobs alone of a list: the bytes before its last line; *bytes. -1 after fail(): there is no such line, or it counts
 * otherwise. */
int job_list_jobs(const char *path, const char *list, size_t length, size_t *bytes);

/* Removes BUILD/leaf/stamp, of the build folder that a file BUILD/jobs/... is in: the next ninja makes the graph anew,
 * and with it all that differs below BUILD/jobs. */
void job_list_forget(const char *path);

/* The job of that name, parsed; name may also be a file that holds one job alone. NULL after fail(). */
cJSON *job_list_read(const char *name);

/* The job of that list alone whose key begins so (JOB_KEY_SHORT digits): 1 and the job, 0 when it has none or there is
 * no such list, -1 after fail(). */
int job_list_find(const char *list_path, const char *key, cJSON **job);

/* Whether it has one, without reading it: 1, 0 (also when there is no such list), or -1 after fail(). */
int job_list_has(const char *list_path, const char *key);

/* Where the list of a stage is, and where the one before it; the caller frees. */
char *job_list_path(const char *build_dir, const char *stage);
char *job_list_path_before(const char *list_path);

#endif
