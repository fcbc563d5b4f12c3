/* What is left of a build: the work that is missing or under way, and how long it takes. Private to status.
 *
 * What is missing is a job without reference file. Jobs of one group are one process's work. No work, though no
 * reference file is there yet, is a job whose result is in the cache, and one whose group was tried: Ninja starts what
 * turns the result into a reference, or says why there is none. What runs counts by its note: so many results are still
 * to come, whatever files are there.
 */
#ifndef QG_UPKEEP_STATUS_LEFT_H
#define QG_UPKEEP_STATUS_LEFT_H

#include <stddef.h>
#include <stdio.h>

#include "graph/progress_note.h"
#include "upkeep/cache_scan.h"
#include "upkeep/status_earlier.h"

/* A line of a list of jobs, borrowed. */
struct missing_job {
	const char *stage, *line;
	size_t length;
};

/* What one process does. */
struct work {
	const char *stage;                  /* borrowed */
	char *kind;                         /* status_earlier.h */
	size_t missing;                     /* of its jobs; 0: it runs and is of none */
	size_t jobs;                        /* it computes in all */
	const struct progress_note *note;   /* borrowed; NULL: it does not run yet */
	double earlier;                     /* what the whole of it took earlier; negative: not known */
};

struct works {
	struct work *list;
	size_t count, capacity;
};

/* In the order of jobs; behind them what runs, but is of none of them. */
void works_find(struct works *w, const struct missing_job *jobs, size_t job_count, const struct progress_note *notes,
	size_t note_count, const struct cache_scan *scan, const struct earlier *earlier);
void works_release(struct works *w);

/* One line, what is left of all works and so many reports; none when that is nothing. */
void works_print_left(FILE *to, const struct works *w, size_t reports, const struct earlier *earlier);

/* The text behind a member in what is left of a list or a grid, and moves past it; NULL when there is no more. The caller
 * frees. Lines are read as job_list.h and grid.json have them, without parsing: a large grid has megabytes of them. */
char *status_next_text(const char **at, const char *end, const char *member);

/* "0:07", "1:02:03"; the caller frees. */
char *status_time_text(double seconds);

#endif
