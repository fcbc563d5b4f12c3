/* Byte-pair merges: from the bytes of a piece to token ids.
 *
 *     struct bpe *b = bpe_new(vocabulary);        every single byte must be a token
 *     bpe_add_merge(b, "in", 2, "g", 1);          in the order of rank
 *     bpe_encode(b, piece, length, &ids);         any number of threads
 *
 * Encoding starts from the bytes and replaces, again and again, the adjacent pair whose merge has the lowest rank, the
 * leftmost of equals, until no pair is a merge. Only listed merges count: joining any pair whose bytes are in the
 * vocabulary is another algorithm that agrees on much text, not on all.
 */
#ifndef QG_TOKENIZER_BPE_H
#define QG_TOKENIZER_BPE_H

#include <stddef.h>

#include "tokenizer/token_ids.h"
#include "tokenizer/vocabulary.h"

enum { BPE_MERGES_MAX = (1 << 22) - 1 };

struct bpe;

/* vocabulary is borrowed until bpe_free() and must not change any more. NULL after fail() when a single byte is no
 * token. */
struct bpe *bpe_new(const struct vocabulary *vocabulary);
void bpe_free(struct bpe *b);

/* Adds the merge of the next rank. Both parts and their concatenation must be tokens, and the pair new; the message of
 * a failure says which is not so without quoting the parts, whose bytes need not be printable. */
int bpe_add_merge(struct bpe *b, const void *left, size_t left_length, const void *right, size_t right_length);

/* Appends the ids of a piece of less than 2^31 bytes. n log n in the length of the piece. */
void bpe_encode(const struct bpe *b, const void *piece, size_t length, struct token_ids *out);

#endif
