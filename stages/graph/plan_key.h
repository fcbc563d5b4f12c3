/* The ingredients of keys of planned jobs. Private to graph/. */
#ifndef QG_GRAPH_PLAN_KEY_H
#define QG_GRAPH_PLAN_KEY_H

#include "graph/plan.h"

/* What stands for an input that the job makes: its K in a K, the identity of its result in an A. */
typedef const struct digest *plan_digest(const void *context, size_t job);

/* Appends the canonical ingredients of the job (job.h). */
void plan_add_ingredients(struct strbuf *to, struct plan *plan, const struct plan_job *job, plan_digest *of,
	const void *context);

#endif
