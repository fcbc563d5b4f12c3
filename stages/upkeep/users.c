#include "upkeep/users.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/strbuf.h"
#include "graph/progress_note.h"

enum { NAME_BYTES_MAX = 64, PATH_BYTES_MAX = 1 << 16 };

struct search {
	const char *cache;
	struct stat locks;
	struct strbuf words;
	int opened;         /* the process at hand has the locks open */
	const char *pid;
	char *cell;         /* by its note */
};

static int visit_descriptor(void *context, const char *folder, const char *name)
{
	struct search *s = context;
	struct stat st;
	char *path = path_join(folder, name);
	s->opened |= !stat(path, &st) && st.st_dev == s->locks.st_dev && st.st_ino == s->locks.st_ino;
	free(path);
	return 0;
}

/* A build folder's note of the process. */
static int visit_root(void *context, const char *folder, const char *name)
{
	struct search *s = context;
	struct progress_note note;
	char *root = path_join(folder, name), *line = NULL;
	if (!s->cell && !file_read(root, PATH_BYTES_MAX, &line, NULL)) {
		char *path = mem_printf("%.*s/progress/%s", (int)strcspn(line, "\n"), line, s->pid);
		if (file_exists(path) && progress_note_read(path, &note) == NOTE_RUNS)
			s->cell = mem_strdup(note.cell);
		free(path);
	}
	free(line);
	free(root);
	return 0;
}

static void add_user(struct search *s, const char *folder)
{
	char *path = path_join(folder, "cmdline"), *roots = path_join(s->cache, "roots"), program[NAME_BYTES_MAX + 1] = "";
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	/* Its first argument: the kernel's own name for it has 15 letters. */
	if (file && getdelim(&line, &room, '\0', file) > 0) {
		const char *slash = strrchr(line, '/');
		snprintf(program, sizeof program, "%s", slash ? slash + 1 : line);
	}
	if (file)
		fclose(file);
	(void)dir_each(roots, visit_root, s);
	strbuf_addf(&s->words, "%s%s%s%s (process %s)", s->words.length ? ", " : "", *program ? program : "a program",
		s->cell ? " of " : "", s->cell ? s->cell : "", s->pid);
	free(s->cell);
	s->cell = NULL;
	free(line);
	free(roots);
	free(path);
}

static int visit_process(void *context, const char *proc, const char *name)
{
	struct search *s = context;
	if (!isdigit((unsigned char)name[0]) || strtol(name, NULL, 10) == getpid())
		return 0;
	char *folder = path_join(proc, name), *descriptors = path_join(folder, "fd");
	s->opened = 0;
	s->pid = name;
	/* One that ends meanwhile, or is another user's, cannot be looked into. */
	(void)dir_each(descriptors, visit_descriptor, s);
	if (s->opened)
		add_user(s, folder);
	free(descriptors);
	free(folder);
	return 0;
}

char *cache_users(const char *cache)
{
	struct search s = {.cache = cache};
	char *locks = path_join(cache, "locks");
	strbuf_init(&s.words);
	if (!stat(locks, &s.locks))
		(void)dir_each("/proc", visit_process, &s);
	free(locks);
	if (s.words.length)
		return s.words.s;
	strbuf_release(&s.words);
	return NULL;
}
