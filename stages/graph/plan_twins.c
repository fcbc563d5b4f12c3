/* Cells that are another name for the same computation. */
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "graph/plan.h"

static int same_scores(const struct plan_cell *a, const struct plan_cell *b)
{
	return a->score_count == b->score_count && !memcmp(a->scores, b->scores, a->score_count * sizeof *a->scores);
}

size_t *plan_twins(const struct plan *plan)
{
	size_t *twin = mem_array(plan->cell_count, sizeof *twin);
	/* Cells by the job of their first scores: the latest of each, and the one before it, both + 1. */
	size_t *latest = mem_zeroed(plan->job_count, sizeof *latest);
	size_t *before = mem_zeroed(plan->cell_count, sizeof *before);
	for (size_t c = 0; c < plan->cell_count; c++) {
		size_t *head = &latest[plan->cells[c].scores[0]];
		twin[c] = PLAN_NO_CELL;
		for (size_t other = *head; other && twin[c] == PLAN_NO_CELL; other = before[other - 1])
			if (same_scores(&plan->cells[c], &plan->cells[other - 1]))
				twin[c] = twin[other - 1] == PLAN_NO_CELL ? other - 1 : twin[other - 1];
		before[c] = *head;
		*head = c + 1;
	}
	free(latest);
	free(before);
	return twin;
}
