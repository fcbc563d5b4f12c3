#include "common/hash.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/memory.h"

static struct digest to_hex(XXH128_hash_t value)
{
	static const char digits[] = "0123456789abcdef";
	XXH128_canonical_t canonical;
	struct digest d;
	XXH128_canonicalFromHash(&canonical, value);
	for (int i = 0; i < DIGEST_HEX / 2; i++) {
		d.hex[2 * i] = digits[canonical.digest[i] >> 4];
		d.hex[2 * i + 1] = digits[canonical.digest[i] & 15];
	}
	d.hex[DIGEST_HEX] = '\0';
	return d;
}

struct digest hash_bytes(const void *bytes, size_t length)
{
	return to_hex(XXH3_128bits(bytes, length));
}

struct hash128 hash_pair(const void *bytes, size_t length)
{
	XXH128_hash_t hash = XXH3_128bits(bytes, length);
	return (struct hash128){.low = hash.low64, .high = hash.high64};
}

uint64_t hash_chunk(const void *bytes, size_t length)
{
	return XXH3_64bits(bytes, length);
}

struct hasher {
	XXH3_state_t *state;
};

struct hasher *hasher_new(void)
{
	struct hasher *h = mem_array(1, sizeof *h);
	h->state = XXH3_createState();
	if (!h->state)
		mem_array(SIZE_MAX, 2); /* out of memory: never returns */
	XXH3_128bits_reset(h->state);
	return h;
}

void hasher_update(struct hasher *h, const void *bytes, size_t length)
{
	XXH3_128bits_update(h->state, bytes, length);
}

struct digest hasher_digest(const struct hasher *h)
{
	return to_hex(XXH3_128bits_digest(h->state));
}

void hasher_free(struct hasher *h)
{
	if (!h)
		return;
	XXH3_freeState(h->state);
	free(h);
}

int digest_parse(const char *text, struct digest *out)
{
	if (!text || strlen(text) != DIGEST_HEX || strspn(text, "0123456789abcdef") != DIGEST_HEX)
		return -1;
	memcpy(out->hex, text, DIGEST_HEX + 1);
	return 0;
}

int digest_equal(const struct digest *a, const struct digest *b)
{
	return memcmp(a->hex, b->hex, DIGEST_HEX) == 0;
}
