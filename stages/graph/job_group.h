/* Groups: the jobs that one process of a stage computes together, and the stamp that says which run tried them last.
 * job.md says what is in the files.
 */
#ifndef QG_GRAPH_JOB_GROUP_H
#define QG_GRAPH_JOB_GROUP_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "common/hash.h"

struct job_group {
	cJSON *root;            /* owner of the strings */
	const char **jobs;      /* [count] names, FILE:K16 */
	size_t count;           /* at least 1 */
};

/* Reads and checks a group of that stage. -1 after fail(); nothing is held then. */
int job_group_open(struct job_group *group, const char *path, const char *stage);
void job_group_close(struct job_group *group);

/* The run tried the group: writes the stamp anew, content and time, creating its folder. */
int group_stamp_write(const char *path, const struct digest *run);

/* Whether that run wrote the stamp; not where there is none. */
int group_stamp_is(const char *path, const struct digest *run);

#endif
