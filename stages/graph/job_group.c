#include "graph/job_group.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"

enum { GROUP_BYTES_MAX = 64 << 20, GROUP_JOBS_MAX = 1 << 20, STAMP_BYTES_MAX = 4096 };

static int read_jobs(struct job_group *group, const char *path)
{
	const cJSON *item, *list = json_member(group->root, "jobs", path);
	const int count = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
	if (!list)
		return -1;
	if (count < 1 || count > GROUP_JOBS_MAX)
		return fail("%s: \"jobs\" must list 1 to %d jobs", path, GROUP_JOBS_MAX);
	group->jobs = mem_array((size_t)count, sizeof *group->jobs);
	cJSON_ArrayForEach(item, list) {
		if (!cJSON_IsString(item))
			return fail("%s: \"jobs\" must hold names of jobs", path);
		group->jobs[group->count++] = item->valuestring;
	}
	return 0;
}

int job_group_open(struct job_group *group, const char *path, const char *stage)
{
	*group = (struct job_group){.root = json_read(path, GROUP_BYTES_MAX)};
	int bad = !group->root || json_check_format(group->root, "quantgrid-group/1", path);
	const char *of = bad ? NULL : json_string(group->root, "stage", path);
	if (of && strcmp(of, stage))
		bad = fail("%s: a group of %s, given to %s", path, of, stage);
	if (bad || !of || read_jobs(group, path)) {
		job_group_close(group);
		return -1;
	}
	return 0;
}

void job_group_close(struct job_group *group)
{
	free(group->jobs);
	cJSON_Delete(group->root);
	*group = (struct job_group){0};
}

int group_stamp_write(const char *path, const struct digest *run)
{
	return dir_make_parents(path) || file_write(path, run->hex, DIGEST_HEX) ? -1 : 0;
}

int group_stamp_is(const char *path, const struct digest *run)
{
	char *written;
	if (!file_exists(path) || file_read(path, STAMP_BYTES_MAX, &written, NULL))
		return 0;
	int same = !strcmp(written, run->hex);
	free(written);
	return same;
}
