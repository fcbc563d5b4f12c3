/* Content hashes: XXH3-128 (xxHash >= 0.8), printed in its canonical big-endian form as 32 hex digits.
 *
 * XXH3 guards against accidents, not against an attacker who can write to a shared cache.
 */
#ifndef QG_COMMON_HASH_H
#define QG_COMMON_HASH_H

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_HEX = 32 };

struct digest {
	char hex[DIGEST_HEX + 1];
};

struct digest hash_bytes(const void *bytes, size_t length);

/* The same as two numbers, for tables in memory. */
struct hash128 {
	uint64_t low, high;
};

struct hash128 hash_pair(const void *bytes, size_t length);

/* 64-bit XXH3 of a chunk, for tables of many small hashes. */
uint64_t hash_chunk(const void *bytes, size_t length);

/* Hash of a stream: init, any number of updates, then digest, which may be called in between; release frees. */
struct hasher;
struct hasher *hasher_new(void);
void hasher_update(struct hasher *h, const void *bytes, size_t length);
struct digest hasher_digest(const struct hasher *h);
void hasher_free(struct hasher *h);

/* Whether text is exactly 32 lower-case hex digits. */
int digest_parse(const char *text, struct digest *out);
int digest_equal(const struct digest *a, const struct digest *b);

#endif
