/* Groups and their stamps: graph/job_group.h. The input is both; the stage is that of the seeds. */
#include "graph/job_group.h"

#include <string.h>

#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct digest run = {"0123456789abcdef0123456789abcdef"};
	const char *path = input_file(0, data, size);
	struct job_group group;
	PROMISE(group_stamp_is(path, &run) == (size == DIGEST_HEX && !memcmp(data, run.hex, DIGEST_HEX)));
	if (job_group_open(&group, path, "score-layers"))
		return 0;
	PROMISE(group.count);
	for (size_t i = 0; i < group.count; i++)
		PROMISE(strlen(group.jobs[i]) < size);
	job_group_close(&group);
	return 0;
}
