#include "report/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/aside.h"
#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"

struct pending {
	char *path, *aside;   /* aside is NULL when the file there is equal already */
};

/* 1 equal, 0 another or none, -1 after fail() for what is no file: it could not be replaced, which must be known before
 * any is. A file that cannot be read is another. */
static int compare(const char *path, const struct strbuf *text)
{
	struct file_map map;
	struct stat status;
	if (stat(path, &status))
		return 0;
	if (!S_ISREG(status.st_mode))
		return fail("%s: not a regular file", path);
	if (file_map_open(&map, path))
		return 0;
	int equal = map.length == text->length && (!map.length || !memcmp(map.bytes, text->s, map.length));
	file_map_close(&map);
	return equal;
}

static int write_aside(struct pending *p, const char *folder, const struct report_file *file)
{
	p->path = path_join(folder, file->name);
	int equal = compare(p->path, &file->text);
	if (equal)
		return equal < 0 ? -1 : 0;
	char *hidden = mem_printf("%s/.%s", folder, file->name);
	p->aside = aside_name(hidden);
	free(hidden);
	return file_write(p->aside, file->text.s, file->text.length);
}

static int give_name(struct pending *p)
{
	if (!p->aside)
		return 0;
	if (rename(p->aside, p->path))
		return fail("%s: cannot replace: %s", p->path, strerror(errno));
	free(p->aside);
	p->aside = NULL;
	return 0;
}

int report_files_write(const char *folder, const struct report_file *files, size_t count, size_t *changed)
{
	struct pending *pending = mem_zeroed(count, sizeof *pending);
	size_t different = 0;
	int bad = dir_make(folder);
	for (size_t i = 0; i < count && !bad; i++)
		bad = write_aside(&pending[i], folder, &files[i]);
	for (size_t i = 0; i < count && !bad; i++) {
		different += pending[i].aside != NULL;
		bad = give_name(&pending[i]);
	}
	for (size_t i = 0; i < count; i++) {
		if (pending[i].aside)
			unlink(pending[i].aside);
		free(pending[i].aside);
		free(pending[i].path);
	}
	free(pending);
	if (changed)
		*changed = different;
	return bad ? -1 : 0;
}

void report_files_release(struct report_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(files[i].name);
		strbuf_release(&files[i].text);
	}
}
