/* Recipes that were run for real: what came of them against what the scores predicted (group_table.h, report_check). */
#ifndef QG_REPORT_OVERVIEW_CHECKS_H
#define QG_REPORT_OVERVIEW_CHECKS_H

#include "report/overview_table.h"

/* Sums are about right when all ratios lie within a factor of 2 of 1; they are off by about the same factor when the
 * largest ratio is at most 4 times the smallest, so that they rank mixes; else they are a rough guide. */
#define OVERVIEW_RATIO_NEAR 2.0
#define OVERVIEW_RATIO_SPREAD 4.0

enum overview_trust {
	OVERVIEW_NO_RATIO,       /* no cell predicted anything */
	OVERVIEW_ROUGH,
	OVERVIEW_SAME_FACTOR,
	OVERVIEW_ABOUT_RIGHT,
};

enum overview_trust overview_trust(double low, double high);

/* Of the cells scored by one method: kl_div sums are often right where gradient ones are not. */
struct overview_check_summary {
	const char *method;
	size_t count;            /* cells with a check */
	size_t ratios;           /* of them with a ratio: something was predicted and came */
	double median, low, high;/* of the ratios; the median of an even number is the mean of the middle two */
	size_t lowest, highest;  /* cells of those */
	double order;            /* rank correlation of predicted and measured divergence; NaN: fewer than two, or
	                          * all equal */
	enum overview_trust trust;
};

struct overview_checks {
	size_t *cells;           /* [count] with a check, in grid order; not those with the result of an earlier
	                          * one; owned */
	size_t count;
	struct overview_check_summary methods[2]; /* gradient first */
	size_t method_count;     /* those that have cells */
};

void overview_checks_make(struct overview_checks *checks, const struct overview *overview,
	const struct overview_table *table);
void overview_checks_release(struct overview_checks *checks);

#endif
