#include "scratch.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"

static char *made;

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	(void)status;
	(void)kind;
	(void)where;
	return remove(path);
}

void scratch_tree(const char *folder, const struct scratch_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *name = mem_printf("%s/%s", folder, files[i].name);
		free(scratch_write(name, files[i].text, strlen(files[i].text)));
		free(name);
	}
}

void scratch_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void clean_up(void)
{
	if (getenv("KEEP"))
		fprintf(stderr, "kept: %s\n", made);
	else
		scratch_remove(made);
	free(made);
}

const char *scratch_dir(void)
{
	if (made)
		return made;
	const char *parent = getenv("TMPDIR");
	made = mem_printf("%s/quantgrid-test-XXXXXX", parent && *parent ? parent : "/tmp");
	if (!mkdtemp(made)) {
		perror(made);
		exit(1);
	}
	atexit(clean_up);
	return made;
}

char *scratch_path(const char *name)
{
	return mem_printf("%s/%s", scratch_dir(), name);
}

char *scratch_write(const char *name, const void *bytes, size_t length)
{
	char *path = scratch_path(name);
	if (dir_make_parents(path))
		exit(error_report(1));
	/* Not file_write(), which waits for the disk: some tests write thousands of files. */
	FILE *file = fopen(path, "wb");
	if (!file || fwrite(bytes, 1, length, file) != length || fclose(file)) {
		perror(path);
		exit(1);
	}
	return path;
}
