/* From texts to numbers: many of them, of all lengths, against a plain list. */
#include "common/hash_map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "common/memory.h"

enum { TEXTS = 3000, LENGTH_MAX = 40 };

static uint64_t state = 20240607;

static unsigned next_random(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33);
}

struct text {
	unsigned char bytes[LENGTH_MAX];
	size_t length;
};

/* Of few letters and often short, so that many begin alike and some are equal; with NULs inside. */
static void make(struct text *t)
{
	t->length = next_random() % (next_random() % LENGTH_MAX + 1);
	for (size_t i = 0; i < t->length; i++)
		t->bytes[i] = (unsigned char)(next_random() % 3);
}

static size_t first_equal(const struct text *texts, size_t index)
{
	size_t i = 0;
	while (texts[i].length != texts[index].length || memcmp(texts[i].bytes, texts[index].bytes, texts[i].length))
		i++;
	return i;
}

static void test_numbers(void)
{
	static struct text texts[TEXTS];
	struct hash_map map = {0};
	size_t distinct = 0;
	for (size_t i = 0; i < TEXTS; i++) {
		make(&texts[i]);
		size_t *number = hash_map_at(&map, texts[i].bytes, texts[i].length), first = first_equal(texts, i);
		CHECK(*number == (first == i ? HASH_MAP_NEW : first), "text %zu: %zu, first met as %zu", i, *number, first);
		if (first == i) {
			*number = i;
			distinct++;
		}
		CHECK(map.count == distinct, "%zu counted, %zu distinct", map.count, distinct);
		CHECK(2 * map.count <= map.capacity + 1 && !(map.capacity & (map.capacity - 1)), "%zu in %zu slots", map.count,
			map.capacity);
	}
	CHECK(distinct > TEXTS / 3 && distinct < TEXTS, "%zu distinct texts test little", distinct);
	/* All are still there after the table grew. */
	for (size_t i = 0; i < TEXTS; i++) {
		size_t found = *hash_map_at(&map, texts[i].bytes, texts[i].length), first = first_equal(texts, i);
		CHECK(found == first, "text %zu: %zu, not %zu", i, found, first);
	}
	CHECK(map.count == distinct, "looking added some");
	hash_map_release(&map);
	CHECK(!map.slots && !map.count && !map.capacity, "not empty after release");
}

/* The number may be set again, to any value, and the map used again once it is released. */
static void test_set_again(void)
{
	struct hash_map map = {0};
	for (int round = 0; round < 2; round++) {
		CHECK(*hash_map_at(&map, "a", 1) == HASH_MAP_NEW, "round %d begins with a number", round);
		*hash_map_at(&map, "a", 1) = 7;
		*hash_map_at(&map, "a", 1) = 0;
		CHECK(!*hash_map_at(&map, "a", 1), "not what was set last");
		CHECK(*hash_map_at(&map, "a", 2) == HASH_MAP_NEW, "a text with its NUL is another");
		CHECK(*hash_map_at(&map, "", 0) == HASH_MAP_NEW, "the empty text was not met");
		hash_map_release(&map);
	}
}

int main(void)
{
	TEST(test_numbers);
	TEST(test_set_again);
	return check_done();
}
