#include "checkpoint/json_cursor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"

int json_cursor_fail(const struct json_cursor *c, const char *format, ...)
{
	char what[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(what, sizeof what, format, arguments);
	va_end(arguments);
	return fail("%s: byte %zu: %s", c->source, c->base + c->at, what);
}

static int here(const struct json_cursor *c)
{
	return c->at < c->length ? (unsigned char)c->text[c->at] : -1;
}

int json_cursor_peek(struct json_cursor *c)
{
	while (here(c) == ' ' || here(c) == '\t' || here(c) == '\n' || here(c) == '\r')
		c->at++;
	return here(c);
}

static int expect(struct json_cursor *c, char wanted)
{
	int found = json_cursor_peek(c);
	if (found == wanted) {
		c->at++;
		return 0;
	}
	if (found < 0)
		return json_cursor_fail(c, "not JSON: the text ends where '%c' is expected", wanted);
	if (found < 0x20 || found >= 0x7f)
		return json_cursor_fail(c, "not JSON: found byte 0x%02x, expected '%c'", (unsigned)found, wanted);
	return json_cursor_fail(c, "not JSON: found '%c', expected '%c'", found, wanted);
}

int json_cursor_begin(struct json_cursor *c, char open)
{
	if (expect(c, open))
		return -1;
	c->first = 1;
	return 0;
}

static int more(struct json_cursor *c, char close)
{
	int first = c->first;
	c->first = 0;
	if (json_cursor_peek(c) == close) {
		c->at++;
		return 0;
	}
	if (!first) {
		if (here(c) != ',')
			return json_cursor_fail(c, "not JSON: expected ',' or '%c'", close);
		c->at++;
	}
	return 1;
}

int json_cursor_element(struct json_cursor *c)
{
	return more(c, ']');
}

int json_cursor_key(struct json_cursor *c, char *to, size_t *length)
{
	int follows = more(c, '}');
	if (follows <= 0)
		return follows;
	if (json_cursor_string(c, to, length) || expect(c, ':'))
		return -1;
	return 1;
}

static int hex_digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Four hex digits after "\u". */
static int code_unit(struct json_cursor *c, uint32_t *unit)
{
	*unit = 0;
	for (int i = 0; i < 4; i++, c->at++) {
		int digit = hex_digit(here(c));
		if (digit < 0)
			return json_cursor_fail(c, "not JSON: \\u needs four hex digits");
		*unit = *unit << 4 | (uint32_t)digit;
	}
	return 0;
}

static int code_point(struct json_cursor *c, uint32_t *point)
{
	uint32_t low;
	if (code_unit(c, point))
		return -1;
	if (*point == 0)
		return json_cursor_fail(c, "\\u0000 is not supported in a string");
	if (*point < 0xd800 || *point > 0xdfff)
		return 0;
	if (*point > 0xdbff || here(c) != '\\' || c->at + 1 >= c->length || c->text[c->at + 1] != 'u')
		return json_cursor_fail(c, "not JSON: unpaired surrogate");
	c->at += 2;
	if (code_unit(c, &low))
		return -1;
	if (low < 0xdc00 || low > 0xdfff)
		return json_cursor_fail(c, "not JSON: unpaired surrogate");
	*point = 0x10000 + ((*point - 0xd800) << 10) + (low - 0xdc00);
	return 0;
}

static size_t utf8_encode(uint32_t point, char *to)
{
	if (point < 0x80) {
		to[0] = (char)point;
		return 1;
	}
	size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
	for (size_t i = length; --i; point >>= 6)
		to[i] = (char)(0x80 | (point & 0x3f));
	to[0] = (char)((0xf00u >> length & 0xf0u) | point);
	return length;
}

/* What follows a backslash. Returns the bytes written to to[4], or 0 after fail(). */
static size_t escape(struct json_cursor *c, char *to)
{
	static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	int letter = here(c);
	uint32_t point;
	if (letter == 'u') {
		c->at++;
		return code_point(c, &point) ? 0 : utf8_encode(point, to);
	}
	const char *found = letter > 0 ? strchr(letters, letter) : NULL;
	if (!found) {
		json_cursor_fail(c, "not JSON: unknown escape in a string");
		return 0;
	}
	c->at++;
	to[0] = meanings[found - letters];
	return 1;
}

int json_cursor_string(struct json_cursor *c, char *to, size_t *length)
{
	size_t written = 0;
	if (expect(c, '"'))
		return -1;
	for (;;) {
		char bytes[4];
		size_t n = 1;
		int found = here(c);
		if (found < 0)
			return json_cursor_fail(c, "not JSON: the string does not end");
		if (found < 0x20)
			return json_cursor_fail(c, "not JSON: control character in a string");
		c->at++;
		if (found == '"')
			break;
		bytes[0] = (char)found;
		if (found == '\\' && !(n = escape(c, bytes)))
			return -1;
		if (to)
			memcpy(to + written, bytes, n);
		written += n;
	}
	if (to)
		to[written] = '\0';
	if (length)
		*length = written;
	return 0;
}

int json_cursor_u64(struct json_cursor *c, uint64_t limit, const char *what, uint64_t *value)
{
	uint64_t n = 0;
	int digit = json_cursor_peek(c);
	size_t from = c->at;
	if (digit < '0' || digit > '9')
		return json_cursor_fail(c, "%s must be a non-negative integer in digits", what);
	for (; here(c) >= '0' && here(c) <= '9'; c->at++) {
		if (n > (limit - (uint64_t)(here(c) - '0')) / 10) {
			c->at = from;
			return json_cursor_fail(c, "%s is more than %llu", what, (unsigned long long)limit);
		}
		n = 10 * n + (uint64_t)(here(c) - '0');
	}
	if (here(c) == '.' || here(c) == 'e' || here(c) == 'E') {
		c->at = from;
		return json_cursor_fail(c, "%s must be a non-negative integer without fraction or exponent", what);
	}
	*value = n;
	return 0;
}

static size_t digits(struct json_cursor *c)
{
	size_t from = c->at;
	while (here(c) >= '0' && here(c) <= '9')
		c->at++;
	return c->at - from;
}

static int skip_number(struct json_cursor *c)
{
	if (here(c) == '-')
		c->at++;
	if (here(c) == '0')
		c->at++;
	else if (!digits(c))
		return json_cursor_fail(c, "not JSON: expected a value");
	if (here(c) == '.') {
		c->at++;
		if (!digits(c))
			return json_cursor_fail(c, "not JSON: digits expected after the point");
	}
	if (here(c) == 'e' || here(c) == 'E') {
		c->at++;
		if (here(c) == '+' || here(c) == '-')
			c->at++;
		if (!digits(c))
			return json_cursor_fail(c, "not JSON: digits expected in the exponent");
	}
	return 0;
}

static int skip_word(struct json_cursor *c, const char *word)
{
	size_t length = strlen(word);
	if (c->length - c->at < length || memcmp(c->text + c->at, word, length))
		return json_cursor_fail(c, "not JSON: expected a value");
	c->at += length;
	return 0;
}

int json_cursor_skip(struct json_cursor *c, int depth)
{
	int found = json_cursor_peek(c), follows;
	switch (found) {
	case '{': case '[':
		if (depth <= 0)
			return json_cursor_fail(c, "nested too deeply");
		if (json_cursor_begin(c, (char)found))
			return -1;
		while ((follows = found == '{' ? json_cursor_key(c, NULL, NULL) : json_cursor_element(c)) > 0)
			if (json_cursor_skip(c, depth - 1))
				return -1;
		return follows;
	case '"':
		return json_cursor_string(c, NULL, NULL);
	case 't':
		return skip_word(c, "true");
	case 'f':
		return skip_word(c, "false");
	case 'n':
		return skip_word(c, "null");
	case -1:
		return json_cursor_fail(c, "not JSON: the text ends where a value is expected");
	default:
		return skip_number(c);
	}
}

int json_cursor_end(struct json_cursor *c)
{
	if (json_cursor_peek(c) < 0)
		return 0;
	return json_cursor_fail(c, "unexpected text after the JSON value");
}

enum { LOCATE_DEPTH = 64 };

size_t json_cursor_locate(const char *text, size_t length, const char *const *keys)
{
	struct json_cursor c = {.text = text, .length = length, .source = ""};
	char *key = mem_array(length + 1, 1);
	json_cursor_peek(&c);
	size_t found = c.at;
	for (; *keys && here(&c) == '{'; keys++) {
		int hit = 0;
		if (json_cursor_begin(&c, '{'))
			break;
		while (!hit && json_cursor_key(&c, key, NULL) > 0) {
			json_cursor_peek(&c);
			hit = !strcmp(key, *keys);
			if (!hit && json_cursor_skip(&c, LOCATE_DEPTH))
				break;
		}
		if (!hit)
			break;
		found = c.at;
	}
	free(key);
	return found;
}

void json_cursor_position(const char *text, size_t offset, size_t *line, size_t *column)
{
	*line = *column = 1;
	for (size_t i = 0; i < offset; i++) {
		++*column;
		if (text[i] == '\n') {
			++*line;
			*column = 1;
		}
	}
}
