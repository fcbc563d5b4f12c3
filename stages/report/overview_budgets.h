/* Which format of a grid to choose when a model may store so many bits a weight.
 *
 * For each column (overview_table.h) and budget, every format of the column is searched anew: each layer gets the
 * format or stays at 16 bits (where autoquant.allow_none lets it), so that the layers' stored bits, scales included,
 * fit the budget and what is left of the score is smallest (model/search.h). That compares formats at equal size, which
 * sums do not. The budget is meant for the layers that are searched: autoquant.effective_bits with
 * autoquant.cost=cost_bits.
 *
 * How sure it is that the best format beats the runner-up: the share of resampled sets of captions (stats/bootstrap.h)
 * in which the best format's mix has the smaller score. The mixes are those of all captions.
 */
#ifndef QG_REPORT_OVERVIEW_BUDGETS_H
#define QG_REPORT_OVERVIEW_BUDGETS_H

#include "report/overview_table.h"

enum { OVERVIEW_BUDGETS = 7 };
extern const double overview_budget_bits[OVERVIEW_BUDGETS]; /* 4.5 to 12, rising */

/* At least so many of the resamples: clear, likely; fewer are a toss-up. */
#define OVERVIEW_CLEAR 0.95
#define OVERVIEW_LIKELY 0.75

enum overview_certainty { OVERVIEW_UNSURE, OVERVIEW_TOSS_UP, OVERVIEW_IS_LIKELY, OVERVIEW_IS_CLEAR };

/* UNSURE when ahead is below 0: it is not known. */
enum overview_certainty overview_certainty(double ahead);

/* A format's best mix. */
struct overview_mix {
	size_t cell;             /* OVERVIEW_NONE: no format fits */
	double score;            /* what is left */
	double predicted;        /* divergence a token that this predicts, nats */
	double bits;             /* stored bits a weight of the searched layers */
};

struct overview_budget {
	size_t column;
	double bits;
	struct overview_mix best, runner_up; /* least score; then least bits, then the earlier cell */
	struct overview_mix activations; /* the best of those that quantize activations too */
	double ahead;            /* share of resamples in which best beats runner_up; -1: no runner-up, too few captions */
	double together;         /* score of the best mix of all formats of the column, each layer its own */
	unsigned char *uses;     /* [cells] formats that mix gives to a layer; owned */
	size_t measured;         /* a cell whose recipe is best's mix and that ran it for real; or OVERVIEW_NONE */
	int proven;              /* 0: a search was cut short, a better mix may exist */
};

struct overview_budgets {
	struct overview_budget *rows; /* [count] columns in order, budgets rising; those that some format fits */
	size_t count, capacity;
};

/* Columns of one format have no rows, nor those that repeat an earlier one. Cells of several formats are not searched,
 * and those with the scores of an earlier cell of their column not again. -1 after fail(). */
int overview_budgets_make(struct overview_budgets *budgets, const struct overview *overview,
	const struct overview_table *table);
void overview_budgets_release(struct overview_budgets *budgets);

/* How many budgets two columns share, and *same at how many of them both choose the same pair and granularity. */
size_t overview_budgets_common(const struct overview_budgets *budgets, const struct overview *overview, size_t column,
	size_t other, size_t *same);

#endif
