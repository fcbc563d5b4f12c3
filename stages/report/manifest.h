/* The manifest of a cell: the schema of numerics.md 9.2 with additions.
 *
 *     scheme, model, num_quantized_layers, layers, autoquant_state, layer_sensitivity, sensitivity_ranking, dataset,
 *     quantization, run_config      as published; added within, after what was there:
 *         model                name, tied_embeddings
 *         layers.*             enabled, recipe (what the search chose), group, out_features, in_features, stored_bits;
 *                              of searched layers score, output_error, weight_error, activation_error, activation_amax
 *         autoquant_state      wished_bits, target_bits, total_score and total_normalised (over all groups, budget or
 *                              not), stored_bits, searched_groups, quantized_groups, proven
 *         layer_sensitivity.*  recipe, members, observed, normalised, score_per_batch, cost_bits, output_error
 *         dataset              calibration sequences asked for, tokens, truncated sequences
 *         quantization         recipe_name, weight, activation (codes), search_bits, cost_bits
 *     scoring                  method, numerics class, batch_size, totals and batches: sequences, tokens, targets, loss
 *                                   (of the unquantized model; the total is the mean over targets; null
 *                                   without targets)
 *     cell, warnings           name; sentences
 *
 * "quantized" and num_quantized_layers mean what they mean in published files: every linear that could be wrapped,
 * vision included. Whether it was searched is "enabled", what the search chose for it is "recipe".
 *
 * Errors are objects {relative_error: sum d^2 / sum y^2, sqnr_db, cosine, max_abs_error}, null where undefined.
 * activation_error is null when activations are not quantized. cost_bits is stored bits a weight, scales included, were
 * the group quantized; stored_bits of a layer or mix is what the chosen recipe stores. Numbers that are no counts are
 * printed as floats (float_json.h). A layer's score is the gradient's, also where the method is kl_div.
 */
#ifndef QG_REPORT_MANIFEST_H
#define QG_REPORT_MANIFEST_H

#include "report/cell.h"
#include "report/group_table.h"

/* The caller frees with cJSON_Delete(). NULL after fail() when the config lacks something. */
cJSON *manifest_make(const struct report_cell *cell, const struct group_table *table);

#endif
