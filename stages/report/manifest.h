/* The manifest of a cell: the schema of numerics.md 9.2 with additions.
 *
 *     scheme, model, num_quantized_layers, layers, autoquant_state, layer_sensitivity, sensitivity_ranking, dataset,
 *     quantization, run_config      as published; added within, after what was there:
 *         model                name, tied_embeddings
 *         layers.*             enabled, recipe (what the search chose), group, out_features, in_features, stored_bits;
 *                              of language model layers score, output_error (both quantizers on), weight_only and
 *                              activation_only (score and output error with one of them; null when there is only
 *                              one), weight_error, activation_error (of the quantizers on their own),
 *                              activation_amax; with several formats these stand in formats.NAME
 *         autoquant_state      wished_bits, target_bits, cost (what the search counts), allow_none, total_score and
 *                              total_normalised (over all groups in their worst format, budget or not),
 *                              total_score_interval (one format), stored_bits, searched_groups, quantized_groups,
 *                              proven; checked (the mix run for real; null when it was not): loss_before, loss_after,
 *                              kl_per_token with its interval and the prediction of the scores, additivity_ratio
 *                              (null when nothing was predicted)
 *         layer_sensitivity.*  recipe, members, observed, searched, certainty, normalised, score_per_batch, cost_bits,
 *                              output_error, weight_only, activation_only; with several formats the last six stand in
 *                              by_format.NAME, and importance is that of the most harmful one
 *             certainty        score_interval, harm_rank (1: most sensitive) with its range, above_next (share of the
 *                              resamples in which it stays above the next), share_of_largest_token, ..._tokens (the 16
 *                              largest), share_of_first_tokens
 *         dataset              calibration sequences asked for, tokens, truncated sequences
 *         quantization         recipe_name, weight, activation (codes), search_bits, cost_bits; with several formats
 *                              all but quant_granularity stand in a list, formats, with their totals
 *     scoring                  method, numerics class, batch_size, totals and batches: sequences, tokens, targets, loss
 *                                   (of the unquantized model; the total is the mean over targets; null
 *                                   without targets)
 *     cell, warnings           name; sentences
 *
 * "quantized" and num_quantized_layers mean what they mean in published files: every linear that could be wrapped,
 * vision included. Whether it was searched is "enabled", what the search chose for it is "recipe".
 *
 * Errors are objects {mse, relative_error: sum d^2 / sum y^2, sqnr_db, cosine, max_abs_error}, null where undefined.
 * Intervals are [low, high] of 95 %, over captions; high is null where there are too few.
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
