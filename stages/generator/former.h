/* What the jobs of the graph were before: the lists of jobs (graph/job_list.h) that lie below build/. Private to
 * generator/. */
#ifndef QG_GENERATOR_FORMER_H
#define QG_GENERATOR_FORMER_H

#include "graph/plan.h"

/* Whether the list that ./configure wrote last has this very job. */
int former_has(const struct plan *plan, const struct plan_job *job);

/* The job of the same stage and cell in the list written last (before 0), or in the one before that (1); where there is
 * no such cell, the job that differs least (*other_cell is set). NULL: the list has none. The caller frees. */
cJSON *former_find(const struct plan *plan, const struct plan_job *job, int before, int *other_cell);

/* Appends what differs, as "param autoquant.batch_size 8 -> 16; input tokens is another", and returns how many things
 * that are. to may be NULL. */
size_t former_differences(struct strbuf *to, const struct plan *plan, const struct plan_job *job, const cJSON *former);

#endif
