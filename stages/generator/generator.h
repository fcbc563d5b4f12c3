/* From conf/, rules/ and what was asked for to the files that ninja reads.
 *
 *     generator_load()    the grid's cells, composed and checked        (grid_cells.c)
 *     generator_plan()    the jobs they need                            (grid_plan.c)
 *     generator_write()   lists of jobs, build/grid.json, Ninja files   (grid_files.c, published.c)
 *
 * and for who looks: look.h, summary.h. Functions return -1 after fail(). There is one generator in a process, and what
 * it holds goes with the process: ten thousand cells take a tenth of the whole time to free.
 */
#ifndef QG_GENERATOR_GENERATOR_H
#define QG_GENERATOR_GENERATOR_H

#include "generator/request.h"
#include "graph/cell_view.h"
#include "graph/device_choice.h"
#include "graph/model_choice.h"
#include "graph/plan.h"
#include "model/search_ahead.h"

/* A combination that cannot exist. */
struct invalid_cell {
	char *name, *reason;
};

struct generator {
	struct request request;
	struct composer *composer;
	struct grid grid;
	struct rules rules;
	struct device_choice device;
	struct cell_views views;
	struct plan plan;
	struct invalid_cell *invalid;
	size_t invalid_count;
	char *overview[2];              /* JSON, Markdown; NULL: none */
	enum model_choice choice;
};

int generator_load(struct generator *g);

/* build_dir and cache_dir are borrowed. */
int generator_plan(struct generator *g, const char *build_dir, const char *cache_dir);

/* Writes all that differs from what is there. */
int generator_write(struct generator *g);

#endif
