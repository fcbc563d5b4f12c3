/* Any file of ours as text: build/bin/inspect.
 *
 *     object                 cache/cas/..., every kind        hashes of every byte
 *     action entry           cache/ac/....json                its name, its ingredients' hash, its object
 *     failure                cache/ac/....fail
 *     reference file         build/ref/....ref                the object it leads to
 *     list of jobs, job      build/jobs/STAGE.jsonl, and FILE:K16
 *     group, grid            build/jobs/group/....json, build/grid.json
 *     stamp, id              build/ref/group/....stamp, build/leaf/stamp, cache/cas/id
 *     note of progress       build/progress/PID
 *     memo of leaves         cache/leafdb
 *     plain text             logs, build/config.args, build/leaf/list, cache/roots/..., what ./configure writes
 *     mark of a checkpoint   make-checkpoint.json
 *
 * Files are told by what is in them, plain text by the names it has in a build folder or a cache. Not shown are reports
 * and checkpoints, which other programs read, and what is Ninja's own.
 */
#ifndef QG_UPKEEP_INSPECT_H
#define QG_UPKEEP_INSPECT_H

#include <stdio.h>

/* Prints the file and what was checked. cache: where a reference's object is looked for. all: lists and arrays whole. -1
 * after fail(): unreadable, damaged, it leads nowhere, or none of ours, with what it looks like instead. */
int inspect_file(FILE *to, const char *name, const char *cache, int all);

#endif
