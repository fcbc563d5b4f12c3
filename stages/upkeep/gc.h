/* What of a cache may go, and its deletion.
 *
 * Kept are, with the first reason that fits:
 *
 *     reference   a registered build folder leads there, and its present graph has that job (references that older graphs
 *                 left behind keep nothing: their results stay as long as the grace period)
 *     pin         cache/pins/ has a file of the name of the cell, or of the action's 32 digits, whatever it holds
 *     young       used within the grace period: computed, or found by a stage or ./configure
 *     input       what one of the others was computed from
 *
 * Everything else goes, the longest unused first; with a limit only until the cache fits in it. Besides: objects without
 * entry, notes of failures and quarantine beyond the grace period, what killed processes left half-written (leftovers.h:
 * also beside reports and in build folders), registered build folders that are gone, and references whose result went.
 *
 * References go first, then entries, then objects: what is interrupted leaves only what the next gc finds without owner.
 */
#ifndef QG_UPKEEP_GC_H
#define QG_UPKEEP_GC_H

#include <stdint.h>
#include <stdio.h>

struct gc_options {
	int delete;             /* else only the table */
	double grace_days;
	uint64_t max_bytes;     /* 0: no limit, all that may go goes */
};

/* Prints who keeps what and what goes. -1 after fail(); with delete also when a stage uses the cache. */
int gc_run(FILE *to, const char *cache, const struct gc_options *options);

#endif
