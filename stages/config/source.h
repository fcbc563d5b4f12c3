/* Where a configuration value was written: a file, or one override on the command line.
 *
 * A source is counted: nodes (node.h) hold it, so that a message long after reading can still show the line and put a
 * caret under the value. Lines and columns count from 1, columns count characters (code points).
 */
#ifndef QG_CONFIG_SOURCE_H
#define QG_CONFIG_SOURCE_H

#include <stddef.h>

#include "common/strbuf.h"

enum source_kind { SOURCE_FILE, SOURCE_OVERRIDE };

struct source {
	enum source_kind kind;
	char *name;          /* path of the file; the override's text */
	char *text;
	size_t length;
	size_t holders;
};

/* A place in a source. source may be NULL: made by the program. Copying one takes no hold. */
struct origin {
	struct source *source;
	unsigned line, column;
};

/* A new source with one hold, the caller's. Both strings are copied. */
struct source *source_new(enum source_kind kind, const char *name, const char *text, size_t length);
struct source *source_hold(struct source *source);
void source_release(struct source *source); /* NULL is allowed */

/* The place of byte offset in the text. */
struct origin source_place(struct source *source, size_t offset);

/* The place of a byte of a text that stands at a place, perhaps in quotes; the place itself where the source spells the
 * text in another way (escapes, several lines). */
struct origin origin_inside(const struct origin *at, const char *text, size_t offset);

/* Appends "conf/x.yaml:5:13" or "override 'a.b=c', column 5". */
void origin_describe(struct strbuf *to, const struct origin *at);

/* Appends the line the place is in and a caret below it, each indented and ended by a newline; nothing when there is no
 * source, or nothing in the line. Long lines are cut around the caret. */
void origin_quote(struct strbuf *to, const struct origin *at);

/* fail() with "PLACE: MESSAGE", the line and the caret. Returns -1. */
int origin_fail(const struct origin *at, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
