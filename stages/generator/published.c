#include "generator/published.h"

#include <stdlib.h>

#include "checkpoint/shard_list.h"
#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"

/* Where a job that writes a language model's folder writes it to; NULL for others. */
const char *published_model_dir(const struct plan_job *job)
{
	const cJSON *dir = cJSON_GetObjectItemCaseSensitive(job->params, "output_layout.language_model_dir");
	return job->rule->publish && cJSON_IsString(dir) ? dir->valuestring : NULL;
}

const char *view_string(const cJSON *view, const char *section, const char *key)
{
	return json_nested(view, section, key)->valuestring;
}

void published_report_names(const struct plan_cell *cell, char *names[REPORT_FILES])
{
	const cJSON *pair = cJSON_GetObjectItemCaseSensitive(cell->view, "quant_pair");
	const cJSON *scheme = cell->score_count == 1 ? cJSON_GetObjectItemCaseSensitive(pair, "scheme_name") : NULL;
	report_file_names(names, cJSON_IsString(scheme) ? scheme->valuestring : NULL,
		view_string(cell->view, "cell", "pair"));
}

static void report_files(const struct plan_cell *cell, char ***names, size_t *count)
{
	*names = mem_array(REPORT_FILES, sizeof **names);
	*count = REPORT_FILES;
	published_report_names(cell, *names);
}

/* The files of a language model's folder: two of its own, and those that it copies. */
static int beside_files(const struct plan_job *job, char ***files, size_t *count)
{
	const char *dir = published_model_dir(job);
	if (!dir)
		return fail("%s: publishes, but neither from scores nor to output_layout.language_model_dir", job->rule->path);
	size_t copied = 0;
	for (size_t i = 0; i < job->input_count; i++)
		copied += job->inputs[i].file_count;
	*files = mem_array(copied + 2, sizeof **files);
	(*files)[0] = path_join(dir, CHECKPOINT_SINGLE);
	(*files)[1] = path_join(dir, CHECKPOINT_CONFIG);
	*count = 2;
	for (size_t i = 0; i < job->input_count; i++)
		for (size_t f = 0; f < job->inputs[i].file_count; f++)
			(*files)[(*count)++] = path_join(dir, job->inputs[i].files[f].name);
	return 0;
}

const struct ninja_files published_files = {report_files, beside_files};
