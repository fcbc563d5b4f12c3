/* The trade-off of a cell: total score against bits, every mix of formats that no other beats in both.
 *
 *     pareto-curve.json    {"cell", "cost" ("search_bits" or "cost_bits"), "searched_weights", "weights", "complete",
 *                          "points": [{"effective_bits", "bits", "score", "hull"}]}
 *     pareto-curve.csv     effective_bits,bits,score,hull
 *
 * Points go from the cheapest mix to all layers at 16 bits (if that is allowed). effective_bits are counted over the
 * searched layers, as autoquant.effective_bits asks for them: asking for so many gives this score. bits are the same
 * over all weights, those that are not searched at 16. hull marks the corners of the lower convex hull: from one to the
 * next the score falls ever less a bit. complete false: there were too many points, only the corners are listed.
 */
#ifndef QG_REPORT_PARETO_H
#define QG_REPORT_PARETO_H

#include "common/strbuf.h"
#include "report/group_table.h"

/* The caller frees with cJSON_Delete(). */
cJSON *pareto_json(const struct report_cell *cell, const struct group_table *table);

void pareto_csv(struct strbuf *to, const struct group_table *table);

/* effective_bits of a point, and its bits over all weights. */
double pareto_bits(const struct group_table *table, const struct search_point *point);
double pareto_all_bits(const struct group_table *table, const struct search_point *point);

/* What asking for effective_bits gives: the last point that fits, of an incomplete curve the last corner. NULL: none */
const struct search_point *pareto_best(const struct group_table *table, double effective_bits);

#endif
