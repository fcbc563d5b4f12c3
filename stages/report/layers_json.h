/* per-layer-sensitivity.json (numerics.md 9.3): sections of the manifest and a flat list of groups, most sensitive
 * first, vision last. A row has layer, num_bits, sensitivity, size_cost as published (of the format, whatever the
 * search chose; with several the most harmful one for the group), and share (of the sum over all groups), normalised,
 * recipe (what the search chose), observed, searched, cost_bits, members, output_error, and with several formats
 * sensitivity_by_format.
 */
#ifndef QG_REPORT_LAYERS_JSON_H
#define QG_REPORT_LAYERS_JSON_H

#include "report/cell.h"
#include "report/group_table.h"

/* manifest is manifest_make()'s of the same cell. The caller frees with cJSON_Delete(). */
cJSON *layers_json_make(const struct report_cell *cell, const struct group_table *table, const cJSON *manifest);

#endif
