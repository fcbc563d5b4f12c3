/* Job files: graph/job.h. Inputs are not followed: their paths could lead anywhere. */
#include "graph/job.h"
#include "fuzz/support/input.h"

static void ask(const struct job *job)
{
	size_t size;
	(void)job_param_string(job, "method");
	(void)job_param_size(job, "max_tokens", &size);
	(void)job_unhashed_string(job, "device");
	for (size_t i = 0; i < job->input_count; i++) {
		const struct job_input *input = &job->inputs[i];
		PROMISE(job_input_find(job, input->name));
		for (size_t f = 0; f < input->file_count; f++)
			PROMISE(job_input_file(input, input->files[f].name));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct job job;
	if (job_open(&job, input_file(0, data, size)))
		return 0;
	ask(&job);
	job_close(&job);
	return 0;
}
