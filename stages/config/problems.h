/* Errors that are collected before they are reported, so that whoever made five mistakes reads of five. For
 * config/ and what reads other files of its language (graph/rules.c, the generator).
 *
 * A message (error_text()) is one problem or several, each a line at the margin with indented lines below it, as
 * origin_fail() makes them. A problem that was met before counts again, and is told once.
 */
#ifndef QG_CONFIG_PROBLEMS_H
#define QG_CONFIG_PROBLEMS_H

#include <stddef.h>

#include "config/source.h"

enum { PROBLEMS_MAX = 20 };

struct problems {
	struct {
		char *text, *where;       /* where: of the first time; NULL: nowhere in particular */
		size_t times;
	} items[PROBLEMS_MAX];
	size_t count;
	size_t more;                  /* told of by nothing but their number */
};

/* Takes the current message. where (may be NULL) is a line for people: "in cell dataset.size=small". Returns whether
 * there is room for more. */
int problems_add(struct problems *p, const char *where);

/* Puts a line behind each problem of the current message: who asked for the file it is in. Returns -1. */
int problems_composed_from(const struct origin *from);

/* fail() with all of them, in the order they came, and returns -1; 0 when there are none. Where a problem was is left
 * out when it was met tries times: everywhere. Empties p. */
int problems_report(struct problems *p, size_t tries);

#endif
