/* Which folder is the cache of a build: that of "./configure --cache-dir DIR", as BUILD/config.args keeps it; without
 * the option CACHE_DIR_DEFAULT, beside the build folder. So several checkouts may share one. The folder is no part of a
 * key: stages find it in their jobs, tools beside the build they are asked about.
 */
#ifndef QG_GRAPH_CACHE_DIR_H
#define QG_GRAPH_CACHE_DIR_H

#define CACHE_DIR_DEFAULT "cache"
#define CACHE_DIR_OPTION "--cache-dir"

/* Takes the last line off the text of a config.args: ./configure ends each with it. -1 after fail() when it is not there:
 * the file was cut, and what is left would ask for something else. */
int config_args_end(char *args, const char *path);

/* The cache of a build, a path from where the program runs; the caller frees. NULL after fail(). */
char *cache_dir_of_build(const char *build_dir);

/* Makes a folder that somebody typed, which is to be the cache of build_dir. -1 after fail() when it cannot be made, is
 * in the build folder, which "rm -rf build" removes, or around it, or is somebody's own: gc deletes. */
int cache_dir_check(const char *dir, const char *build_dir);

#endif
