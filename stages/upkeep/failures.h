/* The failures of a build that still stand (graph/cell_log.h), of jobs that the present graph has, grouped by the first
 * line of their reason, but for names and numbers that each job has of its own: the widest first, cells by name. With
 * each the log and the command that tries it alone. And the processes that ended without a word, by the notes they left
 * (graph/progress_note.h).
 */
#ifndef QG_UPKEEP_FAILURES_H
#define QG_UPKEEP_FAILURES_H

#include <stddef.h>
#include <stdio.h>

/* all: every cell, not only the first of each group. *count: how many jobs and processes. -1 after fail(). */
int failures_print(FILE *to, const char *build_dir, int all, size_t *count);

#endif
