/* Whether two ways to score say the same about the layers: two sizes of calibration text, or the two methods.
 *
 * Format by format the scores of all layers are compared, those of one column against another (overview_table.h):
 *
 *     the top    how many of the k most sensitive layers are the same; k is 10, or a third of all if that is less
 *     Spearman   the rank correlation of all layers
 *     moved      the layers that the two recipes treat differently, and the extra score of the one recipe: what it
 *                leaves, counted by the scores of the other, over what the other's own leaves
 *
 * and a verdict over all formats. The bounds are a matter of judgement: of ten layers to protect, eight are the same.
 *
 * The share of the sum that the moved layers have would say little: one layer often has nearly all of it, and both
 * recipes keep that one.
 */
#ifndef QG_REPORT_OVERVIEW_AGREEMENT_H
#define QG_REPORT_OVERVIEW_AGREEMENT_H

#include "report/overview_table.h"

enum { OVERVIEW_TOP_MAX = 10, OVERVIEW_DISPUTED = 2 };

/* Agreement in one format: so much of the top, so high a correlation, so little extra score. */
#define OVERVIEW_TOP_SHARE 0.8
#define OVERVIEW_SPEARMAN 0.8
#define OVERVIEW_EXTRA 0.1

/* "Mostly" from so many of the formats on. */
#define OVERVIEW_MOSTLY 0.75

enum overview_verdict { OVERVIEW_NO, OVERVIEW_MOSTLY_YES, OVERVIEW_YES };

/* count is at least 1. */
enum overview_verdict overview_verdict(size_t agree, size_t count);

/* k of so many layers: at least 1. */
size_t overview_top_of(size_t groups);

/* A layer that one of the two puts among the top k and the other far from there. Ranks from 1, the most sensitive. */
struct overview_disputed {
	size_t group, rank, against_rank;
};

struct overview_agreement {
	size_t cell, against;    /* of one pair and granularity */
	size_t top, overlap;     /* k, and how many of them are the same */
	double spearman;         /* NaN: all scores of one of the two are equal */
	size_t moved;            /* layers with another choice in the recipe */
	double moved_share;      /* of the sum of against; 0 when that is 0 */
	double extra;            /* 0.1: the recipe leaves 1.1 times the score that against's own leaves, by the scores of
	                          * against; 0 when neither leaves any, infinite when only that one leaves none */
	struct overview_disputed disputed[OVERVIEW_DISPUTED]; /* by difference in rank, largest first; none of 0 */
	size_t disputed_count;
	int agree;               /* top and Spearman are within the bounds, and extra where recipes count */
};

struct overview_comparison {
	size_t column, against;  /* columns */
	struct overview_agreement *formats; /* [count] in grid order; owned */
	size_t count, agree;
};

struct overview_comparisons {
	struct overview_comparison *list; /* [count] */
	size_t count, capacity;
};

/* Compares two cells with overview_same_groups(). recipes: whether they count for agree. */
void overview_agreement_make(struct overview_agreement *a, const struct overview *overview, size_t cell, size_t against,
	int recipes);

/* Every smaller size of a setting against its largest: the one with most scored captions, the last of equals. */
void overview_sizes_make(struct overview_comparisons *c, const struct overview *overview,
	const struct overview_table *table);

/* Every column of gradient scores against the column of kl_div scores that differs from it in autoquant or
 * autoquant.method alone. */
void overview_methods_make(struct overview_comparisons *c, const struct overview *overview,
	const struct overview_table *table);

void overview_comparisons_release(struct overview_comparisons *c);

#endif
