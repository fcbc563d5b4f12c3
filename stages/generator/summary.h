/* What ./configure prints. */
#ifndef QG_GENERATOR_SUMMARY_H
#define QG_GENERATOR_SUMMARY_H

#include "generator/generator.h"

/* What was found, what will run, and what to type next; after generator_write(). */
void summary_print(struct generator *g);

/* --dry-run: the cells, and which are cached; after generator_plan(). */
void summary_print_cells(struct generator *g);

/* --cfg: the first cell's config; after generator_load(). */
void summary_print_config(const struct generator *g);

/* --list: groups, or the options of one. -1 after fail(). */
int summary_print_list(struct generator *g);

#endif
