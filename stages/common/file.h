/* Files: read whole, map, write aside and rename. Every function returns -1 with a message that names the path. */
#ifndef QG_COMMON_FILE_H
#define QG_COMMON_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* Reads a regular file of at most limit bytes into new memory with a '\0' after its end; the caller frees *text.
 * length may be NULL when the content must not hold NUL bytes, which is then checked. */
int file_read(const char *path, size_t limit, char **text, size_t *length);

/* A file mapped read-only. bytes is NULL for an empty file. */
struct file_map {
	const unsigned char *bytes;
	size_t length;
	struct stat status;   /* when it was opened */
};

int file_map_open(struct file_map *map, const char *path);
void file_map_close(struct file_map *map);

/* Fails when path is no longer the file that was mapped, or was written to since: what was read from the map may then
 * be neither the old content nor the new. */
int file_map_check(const struct file_map *map, const char *path);

/* Writes path through a temporary file beside it (aside.h): the old content stays until the new one is whole. */
int file_write(const char *path, const void *bytes, size_t length);

/* As file_write, and the content has reached the disk before the file gets its name. */
int file_write_durable(const char *path, const void *bytes, size_t length);

/* As file_write, but leaves an equal file alone. *changed (may be NULL) tells which. */
int file_write_if_changed(const char *path, const void *bytes, size_t length, int *changed);

/* Creates path and its missing parents. */
int dir_make(const char *path);

/* Creates the parents of path. */
int dir_make_parents(const char *path);

/* Removes path and all below it; nothing there is fine. Symbolic links are removed, not followed. */
int dir_remove(const char *path);

int file_exists(const char *path);

/* "DIR/NAME" in new memory; NAME itself when it is absolute or dir is "" or ".". The caller frees. */
char *path_join(const char *dir, const char *name);

/* Whether inner is the folder outer, or below it. Both are absolute and without links, "." and ".."; "" is the root. */
int path_is_inside(const char *inner, const char *outer);

/* Names in a directory, sorted by byte, without "." and ".."; the caller frees each name and the array. */
int dir_list(const char *path, char ***names, size_t *count);

/* Calls visit for each of these names, in their order, until it fails; for none where there is no such directory. */
typedef int dir_visitor(void *context, const char *dir, const char *name);
int dir_each(const char *path, dir_visitor *visit, void *context);

/* Whether path is a directory, or a link to one. */
int dir_exists(const char *path);

#endif
