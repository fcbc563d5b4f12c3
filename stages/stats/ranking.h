/* Rankings: the order of values, and how far two orders of the same items agree.
 *
 * Rank 1 is the largest value. Equal values are told apart by their index, the first one first, wherever an order needs
 * one; where it does not, as in a correlation, they share their mean rank. Values may be infinite but not NaN.
 */
#ifndef QG_STATS_RANKING_H
#define QG_STATS_RANKING_H

#include <stddef.h>

/* Fills order[n] with the indices by falling value, ties by rising index. */
void ranking_order(const double *value, size_t n, size_t *order);

/* The same for those who order again and again: order[n] holds each index once when called, and what is nearly in order
 * already costs little more than a look; scratch[n] is the caller's. Allocates nothing. */
void ranking_sort(const double *value, size_t n, size_t *order, size_t *scratch);

/* Spearman's rank correlation: Pearson's of the ranks, ties with their mean rank. 1 for the same order, -1 for the
 * reverse one, exactly. NaN where there is nothing to correlate: n < 2, or all values of a or of b are equal. n is at
 * most 2^17: till then all sums of ranks are exact, and the result does not depend on their order. */
double ranking_spearman(const double *a, const double *b, size_t n);

/* How many of the k largest of a are among the k largest of b, ties by index. k > n counts as n. */
size_t ranking_top_overlap(const double *a, const double *b, size_t n, size_t k);

#endif
