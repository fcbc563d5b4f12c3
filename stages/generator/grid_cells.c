/* The cells of a grid. */
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/spell.h"
#include "generator/generator.h"

/* What there is instead, with the nearest name. */
static int no_grid_file(const char *path)
{
	static const char folder[] = "conf/sweeps";
	char **names, *nearest = NULL;
	size_t count;
	struct strbuf list;
	if (dir_list(folder, &names, &count))
		return -1;
	strbuf_init(&list);
	for (size_t i = 0; i < count; i++) {
		char *whole = path_join(folder, names[i]);
		free(names[i]);
		names[i] = whole;
		strbuf_addf(&list, "%s%s", i ? ", " : "", whole);
	}
	const char *near = spell_nearest(path, (const char *const *)names, count);
	/* The name alone, as other tools take it. */
	for (size_t i = 0; i < count && !near; i++) {
		const char *name = names[i] + sizeof folder;
		if (!strcmp(name, path) || (!strncmp(name, path, strlen(path)) && !strcmp(name + strlen(path), ".yaml")))
			near = names[i];
	}
	nearest = near ? mem_printf("; did you mean %s?", near) : mem_strdup(".");
	fail("--grid %s: no such file%s There are: %s", path, nearest, list.s);
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
	free(nearest);
	strbuf_release(&list);
	return -1;
}

int generator_load(struct generator *g)
{
	const struct request *r = &g->request;
	struct grid_request request = {.preset = r->preset, .file = r->grid, .overrides = r->overrides,
		.override_count = r->override_count};
	g->composer = composer_new("conf");
	if (r->grid && !file_exists(r->grid))
		return no_grid_file(r->grid);
	if (device_ask() || model_choice_load(&g->grid, g->composer, &request, &g->choice) ||
		device_choose(&g->device, &g->grid))
		return -1;
	if (!strcmp(g->device.device, "cuda") && model_choice_on_gpu(&g->grid, g->composer, &request, &g->choice))
		return -1;
	model_choice_find_checkpoints(&g->grid);
	return 0;
}
