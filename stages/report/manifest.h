/* The manifest of a cell: the schema of numerics.md 9.2 with additions, all of which stand after the fields of old.
 *
 *     cell, scheme, model, num_quantized_layers, layers, autoquant_state, layer_sensitivity, sensitivity_ranking,
 *     dataset, quantization, run_config                as published; added within:
 *         layers.*             enabled, recipe (what the search chose), group, shape, cost_bits, score, error statistics
 *         autoquant_state      target_bits, total_score (sum over all groups, budget or not), total_normalised,
 *                              stored_bits, counts of groups
 *         layer_sensitivity.*  recipe, members, observed, normalised, score_per_batch, cost_bits, output_error
 *         quantization         recipe_name, weight and activation code, search_bits, cost_bits
 *     scoring                  method, batches with their tokens, targets and loss, numerics class
 *     warnings                 sentences
 *
 * "quantized" and num_quantized_layers mean what they mean in published files: every linear that could be wrapped,
 * vision included. Whether the search quantizes it is "recipe"; whether it was searched is "enabled".
 */
#ifndef QG_REPORT_MANIFEST_H
#define QG_REPORT_MANIFEST_H

#include "report/cell.h"
#include "report/group_table.h"

/* The caller frees with cJSON_Delete(). */
cJSON *manifest_make(const struct report_cell *cell, const struct group_table *table);

#endif
