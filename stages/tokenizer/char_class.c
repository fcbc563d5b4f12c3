#include "tokenizer/char_class.h"

#include <assert.h>
#include <utf8proc.h>

#include "common/utf8.h"

#define O CHAR_OTHER
#define L CHAR_LETTER
#define N CHAR_NUMBER
#define W CHAR_WHITE
#define R CHAR_NEWLINE

static const unsigned char ascii_class[128] = {
	O, O, O, O, O, O, O, O, O, W, R, W, W, R, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
	W, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, N, N, N, N, N, N, N, N, N, N, O, O, O, O, O, O,
	O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,
	O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,
};

#undef O
#undef L
#undef N
#undef W
#undef R

static int is_white_beyond_ascii(uint32_t c)
{
	return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029
		|| c == 0x202f || c == 0x205f || c == 0x3000;
}

const char *unicode_version(void)
{
	return utf8proc_unicode_version();
}

enum char_class char_class(uint32_t code_point)
{
	if (code_point < 128)
		return (enum char_class)ascii_class[code_point];
	utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code_point);
	if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO)
		return CHAR_LETTER;
	if (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO)
		return CHAR_NUMBER;
	return is_white_beyond_ascii(code_point) ? CHAR_WHITE : CHAR_OTHER;
}

enum char_class char_class_at(const char *text, size_t length, size_t at, size_t *width)
{
	uint32_t c;
	if (at == length) {
		*width = 0;
		return CHAR_NONE;
	}
	if ((unsigned char)text[at] < 128) {
		*width = 1;
		return (enum char_class)ascii_class[(unsigned char)text[at]];
	}
	*width = utf8_decode(text + at, length - at, &c);
	assert(*width);
	return char_class(c);
}
