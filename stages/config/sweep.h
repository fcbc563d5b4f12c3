/* Grids: a preset, a sweep file and overrides become cells, each a resolved and checked config.
 *
 * A sweep file (conf/sweeps/NAME.yaml; values in the grammar of overrides):
 *
 *     preset: qwen3_lm_sensitivity
 *     sweep:                          # axes in order, the last varies fastest
 *       quant_pair: glob(w*, exclude=*_lm_only)
 *       dataset.size: small,medium
 *     fixed: [output_layout=publish]
 *     exclude: [{quant_pair.experimental: true, dataset.size: medium}]    # by resolved value or chosen option
 *     include: [{quant_pair: wint8_aint8, dataset.size: large}]           # further cells
 *
 * Overrides on the command line come last: a sweep among them is an axis behind the file's, in argument order; one
 * whose key is an axis, a fixed override or an include's key takes its place. Without a sweep file every sweep is an
 * axis.
 *
 * Errors: a glob without match or on no group, an exclude that excludes nothing (unless the command line replaced an
 * axis), an include or axis value that gives the same config twice, more than 100,000 cells.
 */
#ifndef QG_CONFIG_SWEEP_H
#define QG_CONFIG_SWEEP_H

#include "config/sections.h"

struct grid_request {
	const char *preset;             /* NULL: the sweep file's, else "qwen3_lm_sensitivity" */
	const char *file;               /* sweep file; NULL when there is none */
	const char *const *overrides;   /* as typed */
	size_t override_count;
	const char *const *defaults;    /* as overrides, but weaker than anything the user named (fallback model) */
	size_t default_count;
};

/* One swept key of a cell. */
struct swept {
	const char *key;      /* "quant_pair", "autoquant.effective_bits"; borrowed from the grid */
	char *text;           /* "wfp8_afp8", "7.5": plain, for names */
};

struct grid_cell {
	struct node *config;            /* resolved and checked; its values are shared (sections.h) */
	struct node **pairs;            /* [pair_count] section quant_pair of each of autoquant.formats; none when null */
	size_t pair_count;
	struct swept *swept;            /* in axis order */
	size_t swept_count;
	const struct choice *choices;   /* borrowed from the composer */
	size_t choice_count;
	const struct composed_file *files; /* borrowed from the composer, in order of merging */
	size_t file_count;
	char *overrides;                /* all in effect, separated by spaces: to compose this cell alone */
};

struct grid {
	char *name;                     /* of the sweep file, else of the preset */
	char *preset;
	struct grid_cell *cells;
	size_t cell_count;
	struct node *composed;          /* the first cell's config before interpolations are replaced */
	struct sections sections;
	char **keys;                    /* swept keys, in axis order */
	size_t key_count;
	char **named;                   /* keys that the user set: command line and sweep file */
	size_t named_count;
};

/* Composes, resolves and checks every cell; what is wrong with one does not hide what is wrong with the others. The
 * composer must outlive the grid. */
int grid_load(struct grid *grid, struct composer *composer, const struct grid_request *request);
void grid_release(struct grid *grid);

/* Whether the user set key or something below it ("model" is named by model=x and by model.path=y). */
int grid_names(const struct grid *grid, const char *key);

/* The chosen option of a group in a cell; NULL when there is none. */
const char *grid_cell_choice(const struct grid_cell *cell, const char *group);

#endif
