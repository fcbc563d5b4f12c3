/* Lists of jobs: job_list_read() of graph/job_list.h. The input is the list; a job of the seeds' keys is looked for. */
#include "graph/job_list.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = {"0000000000000000", "4444444444444444", "8888888888888888", "ffffffffffffffff"};
	input_file(0, data, size);
	const char *dir = input_link("stage.jsonl", 0);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		char *name = mem_printf("%s/stage.jsonl:%s", dir, keys[i]);
		cJSON *job = job_list_read(name);
		/* What is found is the line with that key. */
		const char *key = job ? cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(job, "key")) : NULL;
		PROMISE(!job || (key && !strncmp(key, keys[i], JOB_KEY_SHORT)));
		cJSON_Delete(job);
		free(name);
	}
	return 0;
}
