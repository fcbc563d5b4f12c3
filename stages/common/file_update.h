/* A large file written piece by piece that keeps its old self, time and all, where nothing differs.
 *
 *     struct file_update u;
 *     file_update_open(&u, path);
 *     file_update_add(&u, text, length);     any number of times
 *     bad = file_update_close(&u, &changed);
 *
 * What is added is compared with the file that is there; from the first difference on it goes to a file beside it, which
 * takes the name at the end. Errors wait for the end. A program that ends in between leaves the old file.
 */
#ifndef QG_COMMON_FILE_UPDATE_H
#define QG_COMMON_FILE_UPDATE_H

#include <stddef.h>

#include "common/file.h"
#include "common/strbuf.h"

struct file_update {
	const char *path;       /* borrowed */
	const char *keep_as;    /* NULL, or a name that the old file gets when a new one takes its place; borrowed */
	struct file_map old;
	size_t same;            /* bytes equal so far; all of them until fd is open */
	int fd;                 /* of the file beside; -1: no difference yet */
	char *aside;
	struct strbuf buffer;   /* not yet compared or written */
	int failed;
};

void file_update_open(struct file_update *u, const char *path);
void file_update_add(struct file_update *u, const void *bytes, size_t length);

/* -1 after fail(); *changed (may be NULL) tells whether there is a new file. */
int file_update_close(struct file_update *u, int *changed);

#endif
