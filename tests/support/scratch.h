/* A directory for the files of one test program, removed when it ends (kept when KEEP is set in the environment). */
#ifndef QG_TESTS_SCRATCH_H
#define QG_TESTS_SCRATCH_H

#include <stddef.h>

/* The directory, made on the first call. Static. */
const char *scratch_dir(void);

/* "DIR/NAME"; the caller frees. */
char *scratch_path(const char *name);

/* Writes a file there, over an old one, and its parent directories; ends the program when it cannot. The caller frees
 * the path it returns. */
char *scratch_write(const char *name, const void *bytes, size_t length);

/* Writes texts into files below a folder of it. */
struct scratch_file {
	const char *name, *text;
};
void scratch_tree(const char *folder, const struct scratch_file *files, size_t count);

/* Removes a file or a directory with all that is in it. */
void scratch_remove(const char *path);

#endif
