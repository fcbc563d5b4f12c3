/* What killed processes left half-written, in the folders that are ours. Private to upkeep/.
 *
 *     CACHE/, its tmp/, roots/, cas/ and ac/..
 *     BUILD/, its jobs/, jobs/group/, leaf/, failed/ and ref/..      of every build folder that uses the cache
 *     the folders of reports and of the overview                    that BUILD/grid.json names: hidden files
 *     BUILD/progress/                                               notes of processes that are dead
 *
 * A file goes when its name says that its writer was a process of this host which is no more (common/aside.h), or when it
 * is old: the writer may be of another host, or the number another process's by now. In CACHE/tmp/ all that is old goes.
 */
#ifndef QG_UPKEEP_LEFTOVERS_H
#define QG_UPKEEP_LEFTOVERS_H

#include "upkeep/cache_scan.h"

/* Takes the path over. */
typedef void leftover_found(void *context, char *path, size_t bytes);

/* old: what was last written then or before is old. -1 after fail() when a folder cannot be listed. */
int leftovers_find(const struct cache_scan *scan, time_t old, leftover_found *found, void *context);

#endif
