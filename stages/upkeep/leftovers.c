#include "upkeep/leftovers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/aside.h"
#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "graph/grid_file.h"
#include "graph/progress_note.h"

struct search {
	time_t old;
	leftover_found *found;
	void *context;
	struct hash_map seen;       /* folders of reports */
	int any_name, hidden;       /* in the folder at hand: old files of whatever name go; only hidden ones do */
};

static int visit_file(void *context, const char *folder, const char *name)
{
	const struct search *s = context;
	struct stat st;
	enum aside_writer writer = s->hidden && name[0] != '.' ? ASIDE_NONE : aside_writer(name);
	if (writer == ASIDE_NONE && !s->any_name)
		return 0;
	char *path = path_join(folder, name);
	if (!lstat(path, &st) && S_ISREG(st.st_mode) && (writer == ASIDE_GONE || st.st_mtime <= s->old))
		s->found(s->context, path, (size_t)st.st_size);
	else
		free(path);
	return 0;
}

static int visit_note(void *context, const char *folder, const char *name)
{
	const struct search *s = context;
	struct progress_note note;
	struct stat st;
	char *path = path_join(folder, name);
	if (!lstat(path, &st) && S_ISREG(st.st_mode) && progress_note_read(path, &note) != NOTE_RUNS)
		s->found(s->context, path, (size_t)st.st_size);
	else
		free(path);
	return 0;
}

/* Files of the folder; of each folder in it. */
static int look_in(struct search *s, const char *root, const char *folder, dir_visitor *visit)
{
	char *path = path_join(root, folder);
	int bad = dir_exists(path) && dir_each(path, visit, s);
	free(path);
	return bad;
}

static int visit_folder(void *context, const char *folder, const char *name)
{
	return look_in(context, folder, name, visit_file);
}

static int look_in_cache(struct search *s, const char *cache)
{
	s->any_name = 1;
	int bad = look_in(s, cache, "tmp", visit_file);
	s->any_name = 0;
	return bad || dir_each(cache, visit_file, s) || look_in(s, cache, "roots", visit_file) ||
		look_in(s, cache, "cas", visit_file) || look_in(s, cache, "ac", visit_folder);
}

/* The folder of a published file, once. Paths are as from the folder that the build folder is in. */
static int look_beside(struct search *s, const char *build_dir, const char *file)
{
	const char *slash = strrchr(build_dir, '/'), *end = strrchr(file, '/');
	if (!slash || !end)
		return 0;
	char *project = mem_strndup(build_dir, (size_t)(slash - build_dir));
	char *name = mem_strndup(file, (size_t)(end - file)), *folder = path_join(project, name);
	size_t *seen = hash_map_at(&s->seen, folder, strlen(folder));
	int bad = *seen == HASH_MAP_NEW && look_in(s, folder, ".", visit_file);
	*seen = 1;
	free(folder);
	free(name);
	free(project);
	return bad;
}

/* Without a list of cells no folder of reports is known: that is for ninja to say. */
static int look_in_reports(struct search *s, const char *build_dir)
{
	char *path = path_join(build_dir, "grid.json");
	struct grid_file grid;
	int bad = 0;
	if (file_exists(path) && !grid_file_open(&grid, path)) {
		bad = look_beside(s, build_dir, grid.overview_json);
		for (size_t i = 0; i < grid.count && !bad; i++)
			bad = look_beside(s, build_dir, grid.cells[i].manifest);
		grid_file_close(&grid);
	}
	free(path);
	return bad;
}

static int look_in_build(struct search *s, const char *build_dir)
{
	static const char *const folders[] = {"jobs", "jobs/group", "leaf", "failed"};
	int bad = dir_each(build_dir, visit_file, s) || look_in(s, build_dir, "ref", visit_folder) ||
		look_in(s, build_dir, "progress", visit_note);
	for (size_t i = 0; i < sizeof folders / sizeof *folders && !bad; i++)
		bad = look_in(s, build_dir, folders[i], visit_file);
	s->hidden = 1;
	bad = bad || look_in_reports(s, build_dir);
	s->hidden = 0;
	return bad;
}

int leftovers_find(const struct cache_scan *scan, time_t old, leftover_found *found, void *context)
{
	struct search s = {.old = old, .found = found, .context = context};
	int bad = look_in_cache(&s, scan->cache);
	for (size_t i = 0; i < scan->root_count && !bad; i++)
		bad = scan->roots[i].present && look_in_build(&s, scan->roots[i].build_dir);
	hash_map_release(&s.seen);
	return bad ? -1 : 0;
}
