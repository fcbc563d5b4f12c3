/* A vocabulary: tokens as byte strings, each with an id, found in both directions.
 *
 * Ids come from a file: distinct, below VOCABULARY_IDS_MAX, not necessarily without gaps. No token is empty or longer
 * than VOCABULARY_TOKEN_MAX bytes. Changed by one thread, then read by any number.
 */
#ifndef QG_TOKENIZER_VOCABULARY_H
#define QG_TOKENIZER_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>

/* Two ids and the rank of a merge share 64 bits in bpe.c. The largest published vocabularies hold 262 thousand. */
enum { VOCABULARY_IDS_MAX = 1 << 21, VOCABULARY_TOKEN_MAX = 1024 };

#define VOCABULARY_NONE UINT32_MAX

struct vocabulary;

struct vocabulary *vocabulary_new(void);
void vocabulary_free(struct vocabulary *v);

/* Adds a token. Fails when the bytes or the id are there already, or a limit is passed; the message does not name the
 * token, whose bytes need not be printable. */
int vocabulary_add(struct vocabulary *v, const void *bytes, size_t length, uint32_t id);

/* The id of a byte string, or VOCABULARY_NONE. */
uint32_t vocabulary_find(const struct vocabulary *v, const void *bytes, size_t length);

/* The bytes of a token, borrowed until the next vocabulary_add(); NULL when no token has the id. */
const char *vocabulary_bytes(const struct vocabulary *v, uint32_t id, size_t *length);

/* One more than the largest id; 0 when empty. */
uint32_t vocabulary_id_limit(const struct vocabulary *v);

#endif
