#include "generator/published.h"

#include <stdlib.h>

#include "checkpoint/shard_list.h"
#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"

/* Where a job that writes a language model's folder writes it to; NULL for others. */
const char *published_model_dir(const struct plan_job *job)
{
	const cJSON *dir = cJSON_GetObjectItemCaseSensitive(job->params, "output_layout.language_model_dir");
	return job->rule->publish && cJSON_IsString(dir) ? dir->valuestring : NULL;
}

const char *view_string(const cJSON *view, const char *section, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(view, section), key)->valuestring;
}

/* Of the files of a report the one that is written last, and so stands for all. */
static char *manifest_name(const struct plan_cell *cell)
{
	const cJSON *pair = cJSON_GetObjectItemCaseSensitive(cell->view, "quant_pair");
	const cJSON *scheme = cell->score_count == 1 ? cJSON_GetObjectItemCaseSensitive(pair, "scheme_name") : NULL;
	return report_manifest_name(cJSON_IsString(scheme) ? scheme->valuestring : NULL,
		view_string(cell->view, "cell", "pair"));
}

char *published_manifest(const struct plan_cell *cell)
{
	char *name = manifest_name(cell), *path = path_join(cell->output_dir, name);
	free(name);
	return path;
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

const struct ninja_files published_files = {manifest_name, beside_files};
