#include "tokenizer/captions.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/utf8.h"
#include "tokenizer/char_class.h"

/* Walks over the lines of a text. */
struct lines {
	const char *text;
	size_t length;
	size_t next;   /* where the next line begins */
	size_t line;   /* number of the current one, 0 before the first */
	size_t start, end;
};

static int lines_next(struct lines *l)
{
	if (l->next == l->length)
		return 0;
	l->start = l->end = l->next;
	while (l->end < l->length && l->text[l->end] != '\n' && l->text[l->end] != '\r')
		l->end++;
	l->next = l->end < l->length ? l->end + 1 : l->end;
	if (l->next < l->length && l->text[l->end] == '\r' && l->text[l->next] == '\n')
		l->next++;
	l->line++;
	return 1;
}

static int fail_not_utf8(const char *path, const char *text, size_t length, size_t bad)
{
	struct lines l = {.text = text, .length = length};
	size_t column = 1;
	while (lines_next(&l) && l.next <= bad)
		continue;
	for (size_t i = l.start; i < bad; i++)
		column += ((unsigned char)text[i] & 0xc0) != 0x80;
	return fail("%s:%zu:%zu: byte %zu: not UTF-8 (0x%02x)", path, l.line, column, bad, (unsigned char)text[bad]);
}

/* What str.strip() strips, among valid UTF-8. */
static int is_stripped(const char *text, size_t length, size_t at, size_t *width)
{
	enum char_class class = char_class_at(text, length, at, width);
	return class == CHAR_WHITE || class == CHAR_NEWLINE || (text[at] >= 0x1c && text[at] <= 0x1f);
}

static struct caption strip(const char *text, size_t start, size_t end, size_t line)
{
	size_t width;
	while (start < end && is_stripped(text, end, start, &width))
		start += width;
	while (start < end) {
		size_t last = end - 1;
		while (((unsigned char)text[last] & 0xc0) == 0x80)
			last--;
		if (!is_stripped(text, end, last, &width))
			break;
		end = last;
	}
	return (struct caption){text + start, end - start, line};
}

static int collect(struct captions *c, const char *path, size_t length, size_t max_samples)
{
	struct lines l = {.text = c->content, .length = length};
	size_t capacity = 0;
	while (c->count < max_samples && lines_next(&l)) {
		if (l.end - l.start > CAPTION_LINE_MAX)
			return fail("%s:%zu: a line of %zu bytes; at most %zu are allowed", path, l.line, l.end - l.start,
				CAPTION_LINE_MAX);
		struct caption caption = strip(c->content, l.start, l.end, l.line);
		if (!caption.length)
			continue;
		MEM_GROW(c->item, c->count, capacity);
		c->item[c->count++] = caption;
	}
	if (c->count)
		return 0;
	return l.line ? fail("%s: no captions: all of its %zu lines are blank", path, l.line)
		: fail("%s: no captions: the file is empty", path);
}

int captions_read(struct captions *c, const char *path, size_t max_samples)
{
	size_t length;
	assert(max_samples);
	*c = (struct captions){0};
	if (file_read(path, CAPTIONS_FILE_MAX, &c->content, &length))
		return -1;
	size_t valid = utf8_valid_prefix(c->content, length);
	int bad = valid < length ? fail_not_utf8(path, c->content, length, valid) : collect(c, path, length, max_samples);
	if (bad)
		captions_release(c);
	return bad;
}

void captions_release(struct captions *c)
{
	free(c->item);
	free(c->content);
	*c = (struct captions){0};
}
