/* --list, --cfg, --info. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "config/suggest.h"
#include "generator/look.h"

/* Whether there is an option in the folder or below it. */
static int holds_options(struct composer *composer, const char *group, int depth)
{
	char *dir = path_join("conf", group), **names;
	const char *const *options;
	size_t count;
	int holds = composer_options(composer, group, &options) > 0;
	if (!holds && depth && composer_is_group(composer, group) && !dir_list(dir, &names, &count)) {
		for (size_t i = 0; i < count; i++) {
			char *below = path_join(group, names[i]);
			holds = holds || holds_options(composer, below, depth - 1);
			free(below);
			free(names[i]);
		}
		free(names);
	}
	free(dir);
	return holds;
}

char **look_groups(struct composer *composer, const char *group, size_t *groups)
{
	enum { DEPTH = 8 };
	char *dir = *group ? path_join("conf", group) : mem_strdup("conf"), **names;
	size_t count;
	*groups = 0;
	int bad = dir_list(dir, &names, &count);
	free(dir);
	if (bad)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		char *path = *group ? path_join(group, names[i]) : mem_strdup(names[i]);
		free(names[i]);
		if (holds_options(composer, path, DEPTH) && strcmp(path, "sweeps"))
			names[(*groups)++] = path;
		else
			free(path);
	}
	return names;
}

static int no_such_group(struct composer *composer, const char *group)
{
	struct strbuf near;
	size_t count;
	char **groups = look_groups(composer, "", &count);
	strbuf_init(&near);
	suggest_among(&near, group, (const char *const *)groups, count, "there are");
	fail("conf/%s: no such group%s", group, near.s);
	strbuf_release(&near);
	for (size_t i = 0; i < count; i++)
		free(groups[i]);
	free(groups);
	return -1;
}

int look_list(struct generator *g)
{
	const char *group = g->request.about[0] ? g->request.about[0] : "";
	const char *const *options;
	size_t count;
	struct composer *composer = g->composer = composer_new("conf");
	char **groups = look_groups(composer, group, &count);
	if (*group) {
		size_t option_count = composer_options(composer, group, &options);
		if (!option_count && !count)
			return no_such_group(composer, group);
		for (size_t i = 0; i < option_count; i++)
			puts(options[i]);
	}
	for (size_t i = 0; i < count; i++) {
		size_t n = composer_options(composer, groups[i], &options);
		printf(*group ? "%s/ %zu option%s\n" : "%-18s %zu option%s\n", groups[i], n, n == 1 ? "" : "s");
		free(groups[i]);
	}
	free(groups);
	return 0;
}

static int no_such_part(const struct node *root, const char *path)
{
	struct strbuf near;
	size_t count;
	char **paths = suggest_paths_of(root, &count);
	strbuf_init(&near);
	suggest_path(&near, path, (const char *const *)paths, count);
	fail("--package %s: the config has no such part%s", path, near.s);
	strbuf_release(&near);
	for (size_t i = 0; i < count; i++)
		free(paths[i]);
	free(paths);
	return -1;
}

int look_config(const struct generator *g)
{
	struct strbuf yaml;
	const struct node *root = g->request.resolve ? g->grid.cells[0].config : g->grid.composed, *part = root;
	if (g->request.package && !(part = node_at(root, g->request.package)))
		return no_such_part(root, g->request.package);
	strbuf_init(&yaml);
	if (g->request.package)
		strbuf_addf(&yaml, "# @package %s\n", g->request.package);
	node_to_yaml(&yaml, part);
	fputs(yaml.s, stdout);
	strbuf_release(&yaml);
	return 0;
}

/* Who named the file. The demo model and its captions stand in where the user named none. */
static void add_asker(struct strbuf *to, const struct generator *g, const struct origin *from)
{
	size_t i = 0;
	if (!from->source) {
		strbuf_adds(to, "the preset");
		return;
	}
	while (i < g->request.override_count && strcmp(g->request.overrides[i], from->source->name))
		i++;
	if (from->source->kind == SOURCE_OVERRIDE && i == g->request.override_count)
		strbuf_adds(to, "nobody: stands in, as nothing was named");
	else
		origin_describe(to, from);
}

void look_info(const struct generator *g)
{
	const struct grid_cell *cell = &g->grid.cells[0];
	int width = (int)strlen("file");
	for (size_t i = 0; i < cell->file_count; i++)
		if ((int)strlen(cell->files[i].path) > width)
			width = (int)strlen(cell->files[i].path);
	printf("%-*s  %-18s %s\n", width, "file", "goes to", "asked for by");
	for (size_t i = 0; i < cell->file_count; i++) {
		const struct composed_file *f = &cell->files[i];
		struct strbuf from;
		strbuf_init(&from);
		add_asker(&from, g, &f->from);
		printf("%-*s  %-18s %s\n", width, f->path, *f->package ? f->package : "(top)", from.s);
		strbuf_release(&from);
	}
	if (g->grid.cell_count > 1)
		printf("\nof the first of %zu cells: %s\n", g->grid.cell_count, cell->overrides);
}
