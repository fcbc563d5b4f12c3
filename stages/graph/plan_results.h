/* Which jobs of a plan have a result: what their reference files say, else what is in the cache under the key that their
 * inputs' results make. Each job is looked up once, and none whose inputs have no result: of an empty cache this costs a
 * look at each input of all. */
#ifndef QG_GRAPH_PLAN_RESULTS_H
#define QG_GRAPH_PLAN_RESULTS_H

#include "graph/cache.h"
#include "graph/plan.h"

struct plan_results {
	struct plan *plan;               /* borrowed */
	struct cache_result *results;    /* [job_count] */
	char *known;                     /* [job_count] 0 not looked at, 1 there, 2 not */
};

void plan_results_init(struct plan_results *r, struct plan *plan);
void plan_results_release(struct plan_results *r);

/* Whether the job has a result. What cannot be read counts as none. */
int plan_results_has(struct plan_results *r, size_t job);

#endif
