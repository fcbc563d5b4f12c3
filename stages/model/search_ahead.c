#include "model/search_ahead.h"

#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint.h"
#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "model/search_options.h"

void search_ahead_release(struct search_ahead *a)
{
	free(a->model_path);
	free(a->unreadable);
	free(a->linears);
	*a = (struct search_ahead){0};
}

static void read_model(struct search_ahead *a, const char *path)
{
	struct checkpoint c;
	if (a->model_path && !strcmp(a->model_path, path))
		return;
	search_ahead_release(a);
	a->model_path = mem_strdup(path);
	if (checkpoint_open(&c, path)) {
		a->unreadable = mem_strdup(error_text());
		return;
	}
	a->linear_count = linear_count(&c.config);
	a->linears = mem_zeroed(a->linear_count, sizeof *a->linears);
	linear_describe(a->linears, &c.config);
	for (size_t i = 0; i < c.vision_count; i++)
		a->vision_numel += (double)c.vision[i].out_features * (double)c.vision[i].in_features;
	checkpoint_close(&c);
}

enum search_ahead_result search_ahead_check(struct search_ahead *a, const cJSON *view)
{
	static const char source[] = "the cell's config";
	struct search_options options;
	struct search_space space;
	struct quantizer_pair *formats;
	size_t count;
	read_model(a, cJSON_GetStringValue(json_nested(view, "model", "path")));
	if (a->unreadable)
		return SEARCH_AHEAD_OK;
	if (search_formats_read(json_nested(view, "quantizer", "formats"), source, &formats, &count))
		return SEARCH_AHEAD_ERROR;
	enum search_ahead_result result = SEARCH_AHEAD_ERROR;
	if (!search_options_read(&options, cJSON_GetObjectItemCaseSensitive(view, "autoquant"), "", source)) {
		if (!search_space_make(&space, a->linears, a->linear_count, a->vision_numel, formats, count, &options)) {
			result = search_space_check(&space) ? SEARCH_AHEAD_IMPOSSIBLE : SEARCH_AHEAD_OK;
			search_space_release(&space);
		}
		search_options_release(&options);
	}
	free(formats);
	return result;
}
