/* The printable alphabet in which vocabulary and merge files write bytes.
 *
 *     bytes 0x21-0x7e, 0xa1-0xac, 0xae-0xff    the code point of the same number
 *     the other 68 in rising order             U+0100, U+0101 ... U+0143
 *
 * So a space is U+0120 and a newline U+010A.
 */
#ifndef QG_TOKENIZER_BYTE_ALPHABET_H
#define QG_TOKENIZER_BYTE_ALPHABET_H

#include <stddef.h>

#include "common/strbuf.h"

/* Replaces *bytes by what valid UTF-8 stands for. Fails, naming it, at a character outside the alphabet. */
int byte_alphabet_decode(const char *text, size_t length, struct strbuf *bytes);

#endif
