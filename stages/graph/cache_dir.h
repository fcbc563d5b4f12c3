/* Which folder is the cache of a build: the one of "./configure --cache-dir DIR", as BUILD/config.args keeps it; without
 * the option CACHE_DIR_DEFAULT, beside the build folder. So two checkouts may share one. The folder is no part of a key:
 * stages find it in their jobs, tools beside the build they are asked about.
 */
#ifndef QG_GRAPH_CACHE_DIR_H
#define QG_GRAPH_CACHE_DIR_H

#define CACHE_DIR_DEFAULT "cache"
#define CACHE_DIR_OPTION "--cache-dir"

/* The cache of a build, a path from where the program runs; the caller frees. NULL after fail(). */
char *cache_dir_of_build(const char *build_dir);

/* Whether a folder that somebody typed can be the cache of build_dir, and makes it: it is not in the build folder, which
 * "rm -rf build" removes, nor above it, and is a cache or holds nothing of another kind: gc deletes. -1 after fail(). */
int cache_dir_check(const char *dir, const char *build_dir);

#endif
