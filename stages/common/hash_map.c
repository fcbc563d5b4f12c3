#include "common/hash_map.h"

#include <stdlib.h>

#include "common/memory.h"

static struct hash_map_slot *find(struct hash_map_slot *slots, size_t capacity, struct hash128 hash)
{
	size_t i = (size_t)hash.low & (capacity - 1);
	while (slots[i].used && (slots[i].hash.low != hash.low || slots[i].hash.high != hash.high))
		i = (i + 1) & (capacity - 1);
	return &slots[i];
}

static void grow(struct hash_map *map)
{
	size_t capacity = map->capacity ? 2 * map->capacity : 64;
	struct hash_map_slot *slots = mem_zeroed(capacity, sizeof *slots);
	for (size_t i = 0; i < map->capacity; i++)
		if (map->slots[i].used)
			*find(slots, capacity, map->slots[i].hash) = map->slots[i];
	free(map->slots);
	map->slots = slots;
	map->capacity = capacity;
}

size_t *hash_map_at(struct hash_map *map, const void *bytes, size_t length)
{
	if (2 * map->count >= map->capacity)
		grow(map);
	struct hash_map_slot *slot = find(map->slots, map->capacity, hash_pair(bytes, length));
	if (!slot->used) {
		*slot = (struct hash_map_slot){.hash = hash_pair(bytes, length), .number = HASH_MAP_NEW, .used = 1};
		map->count++;
	}
	return &slot->number;
}

void hash_map_release(struct hash_map *map)
{
	free(map->slots);
	*map = (struct hash_map){0};
}
