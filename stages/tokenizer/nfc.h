/* Unicode normalization form C, the form the tokenizer's vocabulary was made for.
 *
 * Over utf8proc, with one thing done here: the ordering of combining marks. utf8proc_map() swaps neighbours, which
 * takes quadratic time on a line that is one long run of marks; here such a run is sorted by counting.
 */
#ifndef QG_TOKENIZER_NFC_H
#define QG_TOKENIZER_NFC_H

#include <stddef.h>

/* Whether text[0..length) holds no character from U+0300 on, the first that NFC can change. A false answer means only
 * that nfc() has to look. */
int nfc_is_plain(const char *text, size_t length);

/* The NFC of valid UTF-8, in new memory; the caller frees. */
char *nfc(const char *text, size_t length, size_t *out_length);

#endif
