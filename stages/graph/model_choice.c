#include "graph/model_choice.h"

#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/memory.h"

static const char demo_model[] = "qwen3_vl_demo", demo_dataset[] = "demo_captions";

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

int model_choice_load(struct grid *grid, struct composer *composer, struct grid_request *request, int *fell_back)
{
	static const char *const both[] = {"model=qwen3_vl_demo", "dataset=demo_captions"};
	request->defaults = both;
	request->default_count = 2;
	if (grid_load(grid, composer, request))
		return -1;
	int model = named(grid, "model"), dataset = named(grid, "dataset");
	*fell_back = !model && !dataset && !named(grid, "model.path");
	if (*fell_back || (model && dataset))
		return 0;
	/* What goes with the one that was named; the preset's own choice otherwise. */
	if (model && chose(grid, "model", demo_model))
		return 0;
	if (dataset && chose(grid, "dataset", demo_dataset) && !named(grid, "model.path"))
		return 0;
	request->default_count = 0;
	grid_release(grid);
	return grid_load(grid, composer, request);
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
	if (named(grid, "model.path"))
		return;
	for (size_t i = 0; i < grid->cell_count; i++) {
		struct node *path = node_at(grid->cells[i].config, "model.path");
		const char *hub = node_string_or(grid->cells[i].config, "model.hub", NULL);
		char *snapshot = hub && !file_exists(path->text) ? hub_snapshot(hub) : NULL;
		if (!snapshot)
			continue;
		free(path->text);
		path->text = snapshot;
	}
}
