#include "graph/model_choice.h"

#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/memory.h"

static const char demo_model[] = "qwen3_vl_demo", demo_dataset[] = "demo_captions";
static const char *const both[] = {"dataset=demo_captions", "model=qwen3_vl_demo"}; /* the first alone: captions */

static int named(const struct grid *grid, const char *key)
{
	for (size_t i = 0; i < grid->named_count; i++)
		if (!strcmp(grid->named[i], key))
			return 1;
	return 0;
}

static int chose(const struct grid *grid, const char *group, const char *option)
{
	const char *choice = grid->cell_count ? grid_cell_choice(&grid->cells[0], group) : NULL;
	return choice && !strcmp(choice, option);
}

/* Anew, with other choices standing in for those of the preset. */
static int load_again(struct grid *grid, struct composer *composer, struct grid_request *request,
	const char *const *defaults, size_t count)
{
	request->defaults = defaults;
	request->default_count = count;
	grid_release(grid);
	return grid_load(grid, composer, request);
}

int model_choice_load(struct grid *grid, struct composer *composer, struct grid_request *request,
	enum model_choice *choice)
{
	request->defaults = both;
	request->default_count = 2;
	*choice = MODEL_NAMED;
	if (grid_load(grid, composer, request))
		return -1;
	int model = named(grid, "model"), dataset = named(grid, "dataset");
	if (!model && !dataset && !named(grid, "model.path"))
		*choice = MODEL_DEMO;
	if (*choice == MODEL_DEMO || (model && dataset))
		return 0;
	/* What goes with the one that was named; the preset's own choice otherwise. */
	if (model && chose(grid, "model", demo_model))
		return 0;
	if (dataset && chose(grid, "dataset", demo_dataset) && !named(grid, "model.path"))
		return 0;
	return load_again(grid, composer, request, NULL, 0);
}

/* Where a published checkpoint lies in the hub cache, or NULL. hub is "Qwen/Qwen3-VL-4B-Instruct". */
static char *hub_snapshot(const char *hub)
{
	const char *home = getenv("HF_HOME"), *user = getenv("HOME");
	char *base = home && *home ? mem_strdup(home) : mem_printf("%s/.cache/huggingface", user ? user : "");
	struct strbuf folder;
	char *revision = NULL, *path = NULL;
	strbuf_init(&folder);
	strbuf_addf(&folder, "%s/hub/models--", base);
	for (const char *p = hub; *p; p++)
		strbuf_adds(&folder, *p == '/' ? "--" : (char[]){*p, '\0'});
	char *ref = mem_printf("%s/refs/main", folder.s);
	if (file_exists(ref) && !file_read(ref, 4096, &revision, NULL)) {
		revision[strcspn(revision, " \r\n")] = '\0';
		path = mem_printf("%s/snapshots/%s", folder.s, revision);
		if (strchr(revision, '/') || !file_exists(path)) {
			free(path);
			path = NULL;
		}
	}
	free(revision);
	free(ref);
	free(base);
	strbuf_release(&folder);
	return path;
}

void model_choice_find_checkpoints(struct grid *grid)
{
	const struct node *last = NULL;
	if (named(grid, "model.path"))
		return;
	for (size_t i = 0; i < grid->cell_count; i++) {
		/* Cells of one model share the node. */
		struct node *path = node_at(grid->cells[i].config, "model.path");
		if (path == last)
			continue;
		last = path;
		const char *hub = node_string_or(grid->cells[i].config, "model.hub", NULL);
		char *snapshot = hub && !file_exists(path->text) ? hub_snapshot(hub) : NULL;
		if (!snapshot)
			continue;
		free(path->text);
		path->text = snapshot;
	}
}

/* Whether the first cell's checkpoint is there. */
static int checkpoint_here(const struct grid *grid)
{
	char *config = path_join(node_string(grid->cells[0].config, "model.path"), "config.json");
	int here = file_exists(config);
	free(config);
	return here;
}

int model_choice_on_gpu(struct grid *grid, struct composer *composer, struct grid_request *request,
	enum model_choice *choice)
{
	if (*choice != MODEL_DEMO)
		return 0;
	if (load_again(grid, composer, request, NULL, 0))
		return -1;
	model_choice_find_checkpoints(grid);
	*choice = checkpoint_here(grid) ? MODEL_PRESET : MODEL_DEMO_ABSENT;
	if (*choice == MODEL_DEMO_ABSENT)
		return load_again(grid, composer, request, both, 2);
	if (named(grid, "dataset.captions_path") || named(grid, "dataset.root") ||
		file_exists(node_string(grid->cells[0].config, "dataset.captions_path")))
		return 0;
	*choice = MODEL_PRESET_DEMO_CAPTIONS;
	return load_again(grid, composer, request, both, 1);
}
