/* Added tokens: strings that are one token wherever they stand in the raw text, before normalization and pieces.
 *
 *     struct added_tokens *a = added_tokens_new();
 *     added_tokens_add(a, content, length, id);
 *     added_tokens_finish(a);
 *     start = added_tokens_find(a, text, length, from, &end, &id);   any number of threads
 *
 * A match is the leftmost one, the longest of those that start there, byte for byte, also inside a word; white space
 * around it stays. Tokens that ask for more (lstrip, rstrip, single_word, normalized) are refused where files are read.
 */
#ifndef QG_TOKENIZER_ADDED_TOKENS_H
#define QG_TOKENIZER_ADDED_TOKENS_H

#include <stddef.h>
#include <stdint.h>

enum { ADDED_TOKENS_MAX = 1 << 16, ADDED_TOKEN_BYTES_MAX = 1024 };

struct added_tokens;

struct added_tokens *added_tokens_new(void);
void added_tokens_free(struct added_tokens *a);

/* content is UTF-8 and is copied. Fails when it is empty or a limit is passed. */
int added_tokens_add(struct added_tokens *a, const char *content, size_t length, uint32_t id);

/* Ends the building. Fails when two tokens share their content or their id. */
int added_tokens_finish(struct added_tokens *a);

/* The start of the first match at or after text[from], with its end and id; length when there is none. */
size_t added_tokens_find(const struct added_tokens *a, const char *text, size_t length, size_t from, size_t *end,
	uint32_t *id);

size_t added_tokens_count(const struct added_tokens *a);

/* The token at index < count, in the order of its bytes; content is borrowed until added_tokens_free(). */
const char *added_tokens_get(const struct added_tokens *a, size_t index, size_t *length, uint32_t *id);

#endif
