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

/* NULL: that of the pair. */
static const char *scheme_of(const struct plan_cell *cell)
{
	return cell->score_count == 1 ? cJSON_GetStringValue(json_nested(cell->view, "quant_pair", "scheme_name")) : NULL;
}

/* Of the files of a report the one that is written last, and so stands for all. */
static char *manifest_name(const struct plan_cell *cell)
{
	return report_manifest_name(scheme_of(cell), view_string(cell->view, "cell", "pair"));
}

void published_report_paths(const struct plan_cell *cell, char *paths[REPORT_FILES])
{
	report_file_names(paths, scheme_of(cell), view_string(cell->view, "cell", "pair"));
	for (size_t i = 0; i < REPORT_FILES; i++) {
		char *name = paths[i];
		paths[i] = path_join(cell->output_dir, name);
		free(name);
	}
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
