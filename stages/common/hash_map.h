/* From texts to numbers, by the 128-bit hash of the text.
 *
 * Texts are not kept: two of one hash would count as one, which is as likely as two keys of jobs that agree (hash.h).
 *
 *     struct hash_map map = {0};
 *     size_t *index = hash_map_at(&map, text, length);
 *     if (*index == HASH_MAP_NEW) *index = ...;
 *     hash_map_release(&map);
 */
#ifndef QG_COMMON_HASH_MAP_H
#define QG_COMMON_HASH_MAP_H

#include <stddef.h>

#include "common/hash.h"

#define HASH_MAP_NEW ((size_t)-1)

struct hash_map {
	struct hash_map_slot {
		struct hash128 hash;
		size_t number;
		int used;
	} *slots;
	size_t count, capacity;   /* capacity: 0 or a power of two, never more than half full */
};

/* The number of a text, to read or to set; HASH_MAP_NEW when the text was not met before. Valid until the next call. */
size_t *hash_map_at(struct hash_map *map, const void *bytes, size_t length);
void hash_map_release(struct hash_map *map);

#endif
