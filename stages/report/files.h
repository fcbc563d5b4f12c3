/* Several files written as one: when one cannot be written, none is replaced. */
#ifndef QG_REPORT_FILES_H
#define QG_REPORT_FILES_H

#include <stddef.h>

#include "common/strbuf.h"

struct report_file {
	char *name;           /* below the folder; owned */
	struct strbuf text;
};

/* Writes what differs from what is there: first all of it aside, then each file gets its name. The folder is created.
 * *changed (may be NULL) is how many differed. -1 after fail(), with nothing left aside. */
int report_files_write(const char *folder, const struct report_file *files, size_t count, size_t *changed);

void report_files_release(struct report_file *files, size_t count);

#endif
