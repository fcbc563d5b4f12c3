/* What ./configure shows to who only looks: nothing is written. Functions return -1 after fail(). */
#ifndef QG_GENERATOR_LOOK_H
#define QG_GENERATOR_LOOK_H

#include "generator/generator.h"

/* --list: groups, or the options of one and the groups in its folder. */
int look_list(struct generator *g);

/* The groups in a folder of conf/ ("" for conf/ itself) that hold options, or folders with some: their paths. The
 * caller frees each and the array. */
char **look_groups(struct composer *composer, const char *group, size_t *count);

/* After generator_load(). --cfg: the first cell's config, composed; with --resolve its interpolations are replaced; with
 * --package that part alone. --info: the files it was composed of, in order, where each goes, who asked for it. */
int look_config(const struct generator *g);
void look_info(const struct generator *g);

/* --diff: where the configs of two cells differ. Each is the name of a cell of the grid, or overrides ("a=1 b=2") of
 * its first cell. After generator_load(). */
int look_diff(struct generator *g);

/* After generator_plan(). --dry-run: a table of stages, and the cells; with -v what each job that would run lacks.
 * --explain: the tree of keys of a cell, and what changed in it since the graph before. */
int look_dry_run(struct generator *g);
int look_explain(struct generator *g);

/* --check-rules: that all a rule names is there in every preset, beside what rules_read() checks. */
int look_rules(struct generator *g);

#endif
