/* Cuts text into the pieces that byte-pair merges never cross: the Qwen2 pattern as a scanner.
 *
 *     for (size_t at = 0, end; at < length; at = end) {
 *             end = pretokenize_piece(text, length, at);
 *             use(text + at, end - at);
 *     }
 *
 * The scanner is PRETOKENIZE_PATTERN and nothing else: a tokenizer file that states another pattern must be refused. A
 * regular-expression engine would backtrack on long runs and brings its own idea of white space; the scanner is linear.
 */
#ifndef QG_TOKENIZER_PRETOKENIZE_H
#define QG_TOKENIZER_PRETOKENIZE_H

#include <stddef.h>

#define PRETOKENIZE_PATTERN \
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+" \
	"|\\s+(?!\\S)|\\s+"

/* The end of the piece that begins at text[at], at < length; more than at. text[0..length) is valid UTF-8 in NFC and is
 * seen whole: where it ends matters to white space at its end. at is 0 or the end of a piece. */
size_t pretokenize_piece(const char *text, size_t length, size_t at);

#endif
