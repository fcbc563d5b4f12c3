/* Files of ours that are plain text, or empty, as text: what they say of themselves does not tell them, their names do.
 * Private to upkeep/. */
#ifndef QG_UPKEEP_SHOW_TEXT_H
#define QG_UPKEEP_SHOW_TEXT_H

#include <stddef.h>
#include <stdio.h>

enum { LINES_SHOWN = 8 };

/* Prints what the file of that name is, and its text: all of it, or the first LINES_SHOWN lines. 1 done, 0 it is none
 * of these, -1 after fail(). text ends with a '\0'. */
int show_text_file(FILE *to, const char *name, const char *text, size_t length, int all);

/* What 32 digits alone mean in a file of that name; what they may mean, when it is another. */
const char *show_text_digest(const char *name);

#endif
