#include "tokenizer/pretokenize.h"

#include <assert.h>

#include "tokenizer/char_class.h"

/* The end of the run of characters of one class that begins at `at`; at itself when there is none. */
static size_t run_end(const char *text, size_t length, size_t at, enum char_class class)
{
	size_t width;
	while (char_class_at(text, length, at, &width) == class)
		at += width;
	return at;
}

/* Letters make up most of most text, so their run looks at ASCII without a call. */
static size_t letters_end(const char *text, size_t length, size_t at)
{
	for (;;) {
		while (at < length && (unsigned char)((text[at] | 32) - 'a') < 26)
			at++;
		if (at == length || (unsigned char)text[at] < 128)
			return at;
		size_t width;
		if (char_class_at(text, length, at, &width) != CHAR_LETTER)
			return at;
		at += width;
	}
}

static int lower(const char *text, size_t length, size_t at)
{
	if (at >= length)
		return -1;
	unsigned char c = (unsigned char)text[at];
	return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d): its end, or 0. The long s (U+017F) is an s to a case-blind comparison. */
static size_t contraction_end(const char *text, size_t length, size_t at)
{
	if (text[at] != '\'')
		return 0;
	int first = lower(text, length, at + 1), second = lower(text, length, at + 2);
	if (first == 's' || first == 't' || first == 'm' || first == 'd')
		return at + 2;
	if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l'))
		return at + 3;
	return first == 0xc5 && second == 0xbf ? at + 3 : 0;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ at a white character: through the last newline of the run if it has one; else all but its
 * last character, which goes with what follows; the whole run when it is one character or ends the text. */
static size_t white_end(const char *text, size_t length, size_t at)
{
	size_t end = at, last = at, after_newline = 0, width;
	for (;; end += width) {
		enum char_class class = char_class_at(text, length, end, &width);
		if (class != CHAR_WHITE && class != CHAR_NEWLINE)
			break;
		last = end;
		if (class == CHAR_NEWLINE)
			after_newline = end + width;
	}
	if (after_newline)
		return after_newline;
	return end < length && last > at ? last : end;
}

size_t pretokenize_piece(const char *text, size_t length, size_t at)
{
	size_t width, unused;
	assert(at < length);
	size_t end = contraction_end(text, length, at);
	if (end)
		return end;
	enum char_class class = char_class_at(text, length, at, &width);
	size_t next = at + width;
	if (class == CHAR_LETTER)
		return letters_end(text, length, next);
	if (class == CHAR_NUMBER)
		return next;
	if (class != CHAR_NEWLINE && char_class_at(text, length, next, &unused) == CHAR_LETTER)
		return letters_end(text, length, next);
	size_t symbols = text[at] == ' ' ? next : at;
	if (char_class_at(text, length, symbols, &unused) == CHAR_OTHER)
		return run_end(text, length, run_end(text, length, symbols, CHAR_OTHER), CHAR_NEWLINE);
	return white_end(text, length, at);
}
