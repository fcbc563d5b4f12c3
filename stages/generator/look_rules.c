/* --check-rules. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "config/problems.h"
#include "generator/look.h"
#include "graph/rule_check.h"

/* A rule without its program would fail at the first ninja. */
static int check_programs(const struct rules *rules)
{
	struct problems problems = {0};
	for (size_t i = 0; i < rules->count; i++) {
		char *path = mem_printf("stages/%s.c", rules->rules[i].stage);
		if (!file_exists(path)) {
			fail("%s: there is no %s, the program of the stage", rules->rules[i].path, path);
			problems_add(&problems, NULL);
		}
		free(path);
	}
	return problems_report(&problems, 0);
}

/* One cell of the preset stands for all: what a view has hangs on no value. */
static int check_preset(struct generator *g, const char *preset)
{
	struct grid_request request = {.preset = preset, .overrides = g->request.overrides,
		.override_count = g->request.override_count};
	struct grid *grid = mem_zeroed(1, sizeof *grid); /* goes with the process, as do their views */
	struct cell_views *views = mem_zeroed(1, sizeof *views);
	struct cell_view v;
	char *where = mem_printf("preset %s", preset);
	int bad = grid_load(grid, g->composer, &request);
	if (!bad) {
		cell_views_init(views, grid, "cpu");
		bad = cell_view_make(&v, views, &grid->cells[0]) || v.result != RESOLVE_OK ||
			rule_check_view(&g->rules, v.view, where);
	}
	free(where);
	return bad ? -1 : 0;
}

int look_rules(struct generator *g)
{
	struct problems problems = {0};
	const char *const *presets;
	if (rules_read(&g->rules, "rules"))
		return -1;
	g->composer = composer_new("conf");
	size_t count = composer_options(g->composer, "preset", &presets);
	if (rule_check_kinds(&g->rules))
		problems_add(&problems, NULL);
	if (check_programs(&g->rules))
		problems_add(&problems, NULL);
	for (size_t i = 0; i < count; i++)
		if (check_preset(g, presets[i]))
			problems_add(&problems, NULL);
	if (problems_report(&problems, 0))
		return -1;
	printf("%-20s %7s %6s %8s  %s\n", "stage", "version", "params", "unhashed", "makes");
	for (size_t i = 0; i < g->rules.count; i++) {
		const struct rule *r = &g->rules.rules[i];
		printf("%-20s %7d %6zu %8zu  %s\n", r->stage, r->version, r->params.count, r->unhashed.count,
			r->output ? r->output : "published files");
	}
	printf("\nall they read is in the config of %zu preset%s; no circle, no kind made twice\n", count,
		count == 1 ? "" : "s");
	return 0;
}
