/* Checks all of a cache: every object's hashes (by all threads), every entry, every reference file that leads to them.
 *
 * A damaged object, entry or reference file moves to cache/quarantine/, for who wants to look; entries and reference files
 * that lead to it, or to nothing, are deleted, also in other build folders. Entries and reference files are damaged when
 * they are not what was sealed, or not where they belong. The next ninja makes exactly those results again: what was
 * computed from them stays, and is found again by its key. Stages may run meanwhile; gc may not.
 */
#ifndef QG_UPKEEP_FSCK_H
#define QG_UPKEEP_FSCK_H

#include <stddef.h>
#include <stdio.h>

/* Prints what is damaged, the results that are lost with their cells, and a summary. quick: only headers, sizes and
 * descriptions are read. *problems: how many files were damaged or led nowhere. -1 after fail(). */
int fsck_run(FILE *to, const char *cache, int quick, size_t *problems);

#endif
