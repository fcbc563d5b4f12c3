/* UTF-8, strict: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef QG_COMMON_UTF8_H
#define QG_COMMON_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Decodes the code point at s[0..length), length > 0. Returns its bytes, 1 to 4, or 0 when it is not valid. */
size_t utf8_decode(const char *s, size_t length, uint32_t *code_point);

/* The number of bytes before the first invalid one; length when all are valid. */
size_t utf8_valid_prefix(const char *s, size_t length);

#endif
