#include "config/source.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"

struct source *source_new(enum source_kind kind, const char *name, const char *text, size_t length)
{
	struct source *s = mem_zeroed(1, sizeof *s);
	s->kind = kind;
	s->name = mem_strdup(name);
	s->text = mem_strndup(text, length);
	s->length = length;
	s->holders = 1;
	return s;
}

struct source *source_hold(struct source *source)
{
	if (source)
		source->holders++;
	return source;
}

void source_release(struct source *source)
{
	if (!source || --source->holders)
		return;
	free(source->name);
	free(source->text);
	free(source);
}

/* Bytes of UTF-8 that do not begin a character. */
static int continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

struct origin source_place(struct source *source, size_t offset)
{
	struct origin at = {source, 1, 1};
	for (size_t i = 0; i < offset && i < source->length; i++) {
		if (source->text[i] == '\n') {
			at.line++;
			at.column = 1;
		} else if (!continues(source->text[i])) {
			at.column++;
		}
	}
	return at;
}

void origin_describe(struct strbuf *to, const struct origin *at)
{
	if (!at->source)
		strbuf_adds(to, "(made by the program)");
	else if (at->source->kind == SOURCE_OVERRIDE)
		strbuf_addf(to, "override '%.200s', column %u", at->source->name, at->column);
	else
		strbuf_addf(to, "%s:%u:%u", at->source->name, at->line, at->column);
}

/* The line of a place: its first byte and length, without the newline. */
static const char *line_of(const struct origin *at, size_t *length)
{
	const char *p = at->source->text, *end = p + at->source->length;
	for (unsigned line = 1; line < at->line && p < end; line++) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		p = newline ? newline + 1 : end;
	}
	const char *newline = memchr(p, '\n', (size_t)(end - p));
	*length = (size_t)((newline ? newline : end) - p);
	if (*length && p[*length - 1] == '\r')
		--*length;
	return p;
}

/* Byte of the line that a column is at, or its length. */
static size_t column_offset(const char *line, size_t length, unsigned column)
{
	size_t offset = 0;
	for (unsigned c = 1; offset < length && c < column; c++) {
		offset++;
		while (offset < length && continues(line[offset]))
			offset++;
	}
	return offset;
}

struct origin origin_inside(const struct origin *at, const char *text, size_t offset)
{
	struct origin inside = *at;
	size_t length;
	if (!at->source || !offset)
		return inside;
	const char *line = line_of(at, &length);
	size_t start = column_offset(line, length, at->column);
	start += start < length && (line[start] == '\'' || line[start] == '"') && *text != line[start];
	if (length - start <= offset || memcmp(line + start, text, offset + 1))
		return inside;
	for (size_t i = column_offset(line, length, at->column); i < start + offset; i++)
		inside.column += !continues(line[i + 1]);
	return inside;
}

/* Appends length bytes of one line, tabs and other control characters as blanks so that the caret stays below. */
static void add_line(struct strbuf *to, const char *line, size_t length)
{
	for (size_t i = 0; i < length; i++)
		strbuf_addc(to, (unsigned char)line[i] < 0x20 ? ' ' : line[i]);
}

void origin_quote(struct strbuf *to, const struct origin *at)
{
	enum { BEFORE = 60, AFTER = 60, INDENT = 4 };
	if (!at->source)
		return;
	size_t length, caret = 0;
	const char *line = line_of(at, &length);
	if (!length)
		return;
	size_t offset = column_offset(line, length, at->column);
	for (size_t i = 0; i < offset; i++)
		caret += !continues(line[i]);
	/* Cut in front of the caret by whole characters. */
	const char *from = line;
	size_t shown = caret;
	while (shown > BEFORE) {
		from++;
		while (continues(*from))
			from++;
		shown--;
	}
	size_t rest = length - (size_t)(from - line), most = offset - (size_t)(from - line) + AFTER;
	if (rest > most) {
		rest = most;
		while (rest && continues(from[rest]))
			rest--;
	}
	strbuf_addf(to, "%*s", INDENT, "");
	add_line(to, from, rest);
	strbuf_addf(to, "\n%*s^\n", INDENT + (int)shown, "");
}

int origin_fail(const struct origin *at, const char *format, ...)
{
	struct strbuf b;
	va_list arguments;
	char message[4096];
	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	strbuf_init(&b);
	if (at && at->source) {
		origin_describe(&b, at);
		strbuf_addf(&b, ": %s\n", message);
		origin_quote(&b, at);
		b.s[b.length - 1] = '\0'; /* the last newline */
	} else {
		strbuf_adds(&b, message);
	}
	fail("%s", b.s);
	strbuf_release(&b);
	return -1;
}
