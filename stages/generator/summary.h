/* What ./configure prints. */
#ifndef QG_GENERATOR_SUMMARY_H
#define QG_GENERATOR_SUMMARY_H

#include "generator/generator.h"

/* What was found, what will run, and what to type next; after generator_write(). */
void summary_print(const struct generator *g);

/* --dry-run: the cells, and which are cached; after plan_write_jobs(). */
void summary_print_cells(const struct generator *g);

/* --cfg: the first cell's config; after generator_load(). */
void summary_print_config(const struct generator *g);

/* --list: groups, or the options of one. -1 after fail(). */
int summary_print_list(struct generator *g);

#endif
