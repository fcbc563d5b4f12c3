#include "graph/cache_dir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"

enum { ARGS_BYTES_MAX = 1 << 20 };

/* The line behind the option's, in new memory; of several the last. The default when there is none. */
static char *named_in(char *args)
{
	const char *named = CACHE_DIR_DEFAULT;
	char *rest;
	for (char *line = strtok_r(args, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (strcmp(line, CACHE_DIR_OPTION))
			continue;
		line = strtok_r(NULL, "\n", &rest);
		if (!line)
			break;
		named = line;
	}
	return mem_strdup(named);
}

int config_args_end(char *args, const char *path)
{
	static const char end[] = "--end\n";
	const size_t length = strlen(args), size = sizeof end - 1;
	if (length < size || strcmp(args + length - size, end) || (length > size && args[length - size - 1] != '\n'))
		return fail("%s: cut off: its last line is not --end; run ./configure with its arguments again", path);
	args[length - size] = '\0';
	return 0;
}

/* The folder that a path is in, in new memory: "." for one without a slash. */
static char *folder_of(const char *path)
{
	size_t length = strlen(path);
	while (length > 1 && path[length - 1] == '/')
		length--;
	while (length && path[length - 1] != '/')
		length--;
	return length ? mem_strndup(path, length > 1 ? length - 1 : 1) : mem_strdup(".");
}

char *cache_dir_of_build(const char *build_dir)
{
	char *path = path_join(build_dir, "config.args"), *args = NULL, *dir = NULL;
	if (!file_exists(path) || (!file_read(path, ARGS_BYTES_MAX, &args, NULL) && !config_args_end(args, path))) {
		char *named = args ? named_in(args) : mem_strdup(CACHE_DIR_DEFAULT), *folder = folder_of(build_dir);
		dir = path_join(folder, named);
		free(folder);
		free(named);
	}
	free(args);
	free(path);
	return dir;
}

/* --- what somebody typed --- */

static int refuse_foreign(void *context, const char *dir, const char *name)
{
	static const char *const ours[] = {
		"ac", "cas", "leafdb", "locks", "pins", "quarantine", "roots", "tmp", "README.md"
	};
	(void)context;
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (!strcmp(name, ours[i]))
			return 0;
	if (*name == '.')
		return 0;
	return fail(CACHE_DIR_OPTION " %s: holds '%.100s', which no cache does; name an empty folder, or one that is not "
		"there yet", dir, name);
}

/* A folder that is no cache yet must not be somebody's own: gc deletes what is in tmp/ and quarantine/. */
static int refuse_no_cache(const char *dir)
{
	char *id = path_join(dir, "cas/id");
	int bad = file_exists(id) ? 0 : dir_each(dir, refuse_foreign, NULL);
	free(id);
	return bad;
}

int cache_dir_check(const char *dir, const char *build_dir)
{
	char *build = realpath(build_dir, NULL), *cache = NULL;
	int bad = 0, there = file_exists(dir);
	if (!build)
		bad = fail("%s: %s", build_dir, strerror(errno));
	else if (*dir == '~')
		bad = fail(CACHE_DIR_OPTION " %s: '~' was not replaced by the shell; write $HOME instead", dir);
	else if (dir_make(dir))
		bad = fail_context(CACHE_DIR_OPTION);
	else if (!(cache = realpath(dir, NULL)))
		bad = fail(CACHE_DIR_OPTION " %s: %s", dir, strerror(errno));
	else if (path_is_inside(cache, build))
		bad = fail(CACHE_DIR_OPTION " %s: is inside %s/, and would go with it", dir, build_dir);
	else if (path_is_inside(build, cache))
		bad = fail(CACHE_DIR_OPTION " %s: is a folder around %s/; name one beside it, as in " CACHE_DIR_OPTION " "
			CACHE_DIR_DEFAULT, dir, build_dir);
	else
		bad = refuse_no_cache(dir);
	if (bad && !there)
		(void)rmdir(dir);
	free(build);
	free(cache);
	return bad ? -1 : 0;
}
