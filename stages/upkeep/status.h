/* What a build is at: what is there of each stage, what runs, how far it is, and how long it will take by the pace of its
 * steps and by what earlier runs of the same stage took (the cache keeps that).
 */
#ifndef QG_UPKEEP_STATUS_H
#define QG_UPKEEP_STATUS_H

#include <stddef.h>
#include <stdio.h>

struct status;

/* Both names are borrowed. The entries of the cache are read once, when first something runs. */
struct status *status_open(const char *build_dir, const char *cache);
void status_close(struct status *s);

/* What it is at now. *running: stages at work. -1 after fail(). */
int status_print(struct status *s, FILE *to, size_t *running);

/* "0:07", "1:02:03"; the caller frees. */
char *status_time_text(double seconds);

/* The middle one of what runs of that stage took, those that computed a number of jobs next to this one, of the same model
 * (what a cell's name begins with). Negative: there was none within a factor of four. */
struct cache_scan;
struct progress_note;
double status_earlier(const struct cache_scan *scan, const char *stage, const char *cell, size_t jobs);

/* What runs, by its note: three lines. */
void status_print_note(FILE *to, const struct progress_note *note, const struct cache_scan *scan);

#endif
