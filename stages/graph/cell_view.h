/* What rules may name of a cell: its composed config by section, and what follows from it.
 *
 *     formats                                  what competes for each layer: a list of {name, quant_pair, quantizer: {weight,
 *                                              activation}, cell: {name}}, codes of the resolved quantizers
 *                                              (quant/quantizer.h) and the name of the cell of this format alone; one
 *                                              element, the cell's quant_pair, unless autoquant.formats names several.
 *                                              Rules lay an element over the cell: "each: formats"
 *     quantizer.formats                        the same as a list of codes, "F8t/f8t"
 *     dataset.num_samples                      captions of this size: max_calib_samples, else size_to_max_samples[size]
 *     autoquant.num_score_samples              captions that are scored: whole batches up to score_size, at least one
 *     autoquant.num_check_samples              captions that the chosen mix is run on: the first check_size of these
 *     autoquant.device                         what "auto" became
 *     cell.name                                <model>.<pair>.<granularity>.<size>[.key=value...]
 *     cell.pair                                <pair>: quant_pair.name, or the names of several joined by "+"
 *     config, composed_yaml                    the composed config before these were added, as JSON and as text
 *     output_dir                               where the report goes: runner.output_dir, else by output_layout.mode
 */
#ifndef QG_GRAPH_CELL_VIEW_H
#define QG_GRAPH_CELL_VIEW_H

#include "config/sweep.h"
#include "quant/quantizer.h"

/* Cells share what they agree in: a view refers (cJSON_IsReference) to what was made once for the sections of the grid's
 * configs. So grid and maker must outlive the views; what the maker holds stays until the process ends. */
struct cell_views {
	struct grid *grid;
	const char *device;           /* device_choice.h */
	struct cell_format *formats;  /* each pair under each granularity */
	size_t format_count, format_capacity;
	struct hash_map format_index;
	cJSON **derived;              /* sections with what was added to them */
	size_t derived_count, derived_capacity;
	struct hash_map derived_index;
};

void cell_views_init(struct cell_views *views, struct grid *grid, const char *device);

struct cell_view {
	char *name, *output_dir;
	cJSON *view;
	enum resolve_result result;   /* RESOLVE_INVALID: error_text() says why, and view is NULL */
};

/* Makes the view of a cell of the grid. -1 after fail(). The caller frees the members it does not pass on. */
int cell_view_make(struct cell_view *v, struct cell_views *views, const struct grid_cell *cell);

#endif
