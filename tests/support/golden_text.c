#include "golden_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"

enum { TEXT_MAX = 1 << 20 };

static int rewriting(void)
{
	const char *flag = getenv("QUANTGRID_REWRITE");
	return flag && *flag && strcmp(flag, "0");
}

/* Points at the first line that differs. */
static int compare(const char *path, const char *found, const char *expected)
{
	size_t line = 1, start = 0, at = 0;
	for (; found[at] && found[at] == expected[at]; at++)
		if (found[at] == '\n') {
			line++;
			start = at + 1;
		}
	if (found[at] == expected[at])
		return 0;
	fprintf(stderr, "%s:%zu\n   found: %.*s\nexpected: %.*s\n", path, line, (int)strcspn(found + start, "\n"),
		found + start, (int)strcspn(expected + start, "\n"), expected + start);
	return -1;
}

static int compare_with(const char *kept, const char *found)
{
	char *expected;
	if (rewriting() && file_write_if_changed(kept, found, strlen(found), NULL))
		return -1;
	if (file_read(kept, TEXT_MAX, &expected, NULL))
		return -1;
	int bad = compare(kept, found, expected);
	if (bad)
		fail("differs");
	free(expected);
	return bad;
}

int golden_text_compare(const char *folder, const char *name, const char *kept)
{
	char *path = path_join(folder, name), *found;
	int bad = file_read(path, TEXT_MAX, &found, NULL);
	if (!bad) {
		bad = compare_with(kept, found);
		free(found);
	}
	if (bad)
		fprintf(stderr, "%s: %s\n", kept, error_text());
	free(path);
	return bad ? -1 : 0;
}
