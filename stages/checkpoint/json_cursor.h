/* A walk over JSON text that builds nothing: the header of a safetensors file may be 100 MB of a stranger's making, and
 * a tree of it would take tens of times that. common/json.h is for everything that is small.
 *
 * The walker skips white space, checks exactly RFC 8259, and stops at the first byte that is wrong:
 *
 *     if (json_cursor_begin(&c, '{'))
 *             return -1;
 *     while ((more = json_cursor_key(&c, name, &length)) > 0)
 *             ... read one value ...
 *     return more;
 *
 * Functions return 0, or -1 after fail() with "SOURCE: byte N: ...".
 */
#ifndef QG_CHECKPOINT_JSON_CURSOR_H
#define QG_CHECKPOINT_JSON_CURSOR_H

#include <stddef.h>
#include <stdint.h>

struct json_cursor {
	const char *text;    /* valid UTF-8, borrowed */
	size_t length;
	size_t at;
	const char *source;  /* borrowed; a path */
	size_t base;         /* where text starts in the source, bytes; for messages */
	int first;           /* nothing was read yet of the array or object just begun */
};

int json_cursor_fail(const struct json_cursor *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The next byte after white space, not consumed; -1 at the end. */
int json_cursor_peek(struct json_cursor *c);

/* Consumes open, '{' or '['. */
int json_cursor_begin(struct json_cursor *c, char open);

/* 1 when an element of the array follows, 0 after consuming its ']'. */
int json_cursor_element(struct json_cursor *c);

/* As json_cursor_element for an object: on 1, the key and its ':' are consumed, as by json_cursor_string. */
int json_cursor_key(struct json_cursor *c, char *to, size_t *length);

/* Writes the string unescaped and a '\0' to to, which has room for what is left of the text and may be NULL. It never
 * grows by that. A NUL inside is refused. length may be NULL. */
int json_cursor_string(struct json_cursor *c, char *to, size_t *length);

/* An integer of digits only, at most limit; what names it in the message. */
int json_cursor_u64(struct json_cursor *c, uint64_t limit, const char *what, uint64_t *value);

/* Any value, nested at most depth deep. */
int json_cursor_skip(struct json_cursor *c, int depth);

/* Nothing but white space follows. */
int json_cursor_end(struct json_cursor *c);

/* Byte offset of the value at a path of keys, ended by NULL, in valid JSON; the offset of the deepest object on the way
 * when it is not there. For messages about a value that another reader took. */
size_t json_cursor_locate(const char *text, size_t length, const char *const *keys);

/* Line and column of a byte, both from 1. */
void json_cursor_position(const char *text, size_t offset, size_t *line, size_t *column);

#endif
