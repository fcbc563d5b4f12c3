#include "common/utf8.h"

size_t utf8_decode(const char *s, size_t length, uint32_t *code_point)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)s;
	if (p[0] < 0x80) {
		*code_point = p[0];
		return 1;
	}
	size_t need = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || length < need)
		return 0;
	uint32_t c = p[0] & (0x7fu >> need);
	for (size_t i = 1; i < need; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c < least[need] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*code_point = c;
	return need;
}

size_t utf8_valid_prefix(const char *s, size_t length)
{
	uint32_t c;
	size_t at = 0;
	while (at < length) {
		size_t n = utf8_decode(s + at, length - at, &c);
		if (!n)
			break;
		at += n;
	}
	return at;
}
