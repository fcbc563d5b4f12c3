/* The character classes that cut text into pieces (pretokenize.h) and strip captions (captions.h).
 *
 * Letters and numbers are the Unicode general categories L* and N* as utf8proc knows them; a mark (M*) is neither.
 * White is the property White_Space, 25 code points written out in char_class.c: the C library's classes depend on the
 * locale, and regular-expression libraries disagree about U+180E, which is not white.
 */
#ifndef QG_TOKENIZER_CHAR_CLASS_H
#define QG_TOKENIZER_CHAR_CLASS_H

#include <stddef.h>
#include <stdint.h>

enum char_class {
	CHAR_NONE,      /* past the end of the text */
	CHAR_OTHER,
	CHAR_LETTER,
	CHAR_NUMBER,
	CHAR_WHITE,     /* white without the two below */
	CHAR_NEWLINE    /* U+000A, U+000D */
};

/* The version of Unicode that classes here and nfc.h go by, "15.0.0": another one may cut a text into other pieces.
 * Static. */
const char *unicode_version(void);

/* The class of a code point; never CHAR_NONE. */
enum char_class char_class(uint32_t code_point);

/* The class of the character at text[at] and its bytes in *width; CHAR_NONE and 0 when at == length. text[0..length) is
 * valid UTF-8 and at is the start of a character. */
enum char_class char_class_at(const char *text, size_t length, size_t at, size_t *width);

#endif
