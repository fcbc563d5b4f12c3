#include "tokenizer/byte_alphabet.h"

#include <stdint.h>

#include "common/error.h"
#include "common/utf8.h"

/* The byte that a character stands for, or -1. */
static int byte_of(uint32_t c)
{
	if ((c >= 0x21 && c <= 0x7e) || (c >= 0xa1 && c <= 0xac) || (c >= 0xae && c <= 0xff))
		return (int)c;
	if (c >= 0x100 && c <= 0x120)
		return (int)(c - 0x100);
	if (c >= 0x121 && c <= 0x142)
		return (int)(c - 0x121 + 0x7f);
	return c == 0x143 ? 0xad : -1;
}

int byte_alphabet_decode(const char *text, size_t length, struct strbuf *bytes)
{
	strbuf_clear(bytes);
	for (size_t at = 0; at < length;) {
		uint32_t c;
		size_t width = utf8_decode(text + at, length - at, &c);
		if (!width)
			return fail("not UTF-8 at byte %zu", at);
		int byte = byte_of(c);
		if (byte < 0)
			return fail("U+%04X is not a character of the byte-level alphabet", c);
		strbuf_addc(bytes, (char)byte);
		at += width;
	}
	return 0;
}
