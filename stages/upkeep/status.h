/* What a build is at: what is there of each stage, what runs, how far it is, and how long that and all that is missing
 * will take by the pace of its steps and by what earlier runs of the same stage took (the cache keeps that).
 */
#ifndef QG_UPKEEP_STATUS_H
#define QG_UPKEEP_STATUS_H

#include <stddef.h>
#include <stdio.h>

struct status;

/* Both names are borrowed. The entries of the cache are read when first something runs or is missing, and again when
 * what runs has changed. */
struct status *status_open(const char *build_dir, const char *cache);
void status_close(struct status *s);

/* What it is at now. *running: stages at work. -1 after fail(). */
int status_print(struct status *s, FILE *to, size_t *running);

/* What runs, by its note: three lines. earlier: seconds that such a run takes; negative: not known. */
struct progress_note;
void status_print_note(FILE *to, const struct progress_note *note, double earlier);

#endif
