/* What earlier runs of the stages took, by the entries of the cache. Private to status.
 *
 * A run is a process that computed results: so many, the last of which was there after so many seconds. Runs of one
 * kind are compared with one another, and a kind is a text
 *
 *     STAGE MODEL NUMERICS METHOD      each with a blank behind it, "-" where a stage has none
 *
 * with what decides by itself how long a result takes: the program, the model (what a cell's name begins with), the
 * class of the backend, and autoquant.method.
 */
#ifndef QG_UPKEEP_STATUS_EARLIER_H
#define QG_UPKEEP_STATUS_EARLIER_H

#include <stddef.h>

struct cache_scan;

struct earlier {
	struct earlier_run *runs;       /* in the order of results, then of seconds */
	size_t count;
};

void earlier_read(struct earlier *e, const struct cache_scan *scan);
void earlier_release(struct earlier *e);

/* A kind; the caller frees. Without numerics (NULL) it is the beginning of one, which stands for all that begin so. */
char *earlier_kind(const char *stage, const char *cell, const char *numerics, const char *method);

/* What a run of that kind with so many results takes by those that started before. Where there are runs of different
 * numbers of results that is a fixed cost and a cost a result, by which the runs of the nearest numbers are met best.
 * Where there is one number only, half of what it took is taken for fixed. Negative: there is no run within a factor of
 * four. */
double earlier_seconds(const struct earlier *e, const char *kind, size_t results, double before);

/* Whether there is any run of that stage. */
int earlier_has(const struct earlier *e, const char *stage);

#endif
