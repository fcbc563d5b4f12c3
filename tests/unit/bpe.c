/* Byte-pair merges on made-up vocabularies, against the definition taken word by word. */
#include "tokenizer/bpe.h"

#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "common/error.h"
#include "common/memory.h"
#include "common/strbuf.h"

static uint64_t random_state = 0x5eed0003;

static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 33) % limit);
}

/* Ids of the single bytes are not the bytes, so that the two cannot be mixed up. */
static uint32_t id_of_byte(unsigned byte)
{
	return 1000 + 255 - byte;
}

static struct vocabulary *byte_vocabulary(void)
{
	struct vocabulary *v = vocabulary_new();
	for (unsigned i = 0; i < 256; i++) {
		unsigned char byte = (unsigned char)i;
		CHECK(!vocabulary_add(v, &byte, 1, id_of_byte(i)), "%s", error_text());
	}
	return v;
}

struct merge {
	uint32_t left, right, result;
};

/* A random vocabulary over the letters a, b, c, with merges in random order. */
struct model {
	struct vocabulary *vocabulary;
	struct bpe *bpe;
	struct merge merge[400];
	size_t merges;
};

static void model_release(struct model *m)
{
	bpe_free(m->bpe);
	vocabulary_free(m->vocabulary);
}

/* A token of the pool is a letter or the result of an earlier merge. */
static uint32_t pick_token(const struct model *m)
{
	uint32_t n = random_below((uint32_t)m->merges + 3);
	return n < 3 ? id_of_byte('a' + n) : m->merge[n - 3].result;
}

static int has_merge(const struct model *m, uint32_t left, uint32_t right)
{
	for (size_t i = 0; i < m->merges; i++)
		if (m->merge[i].left == left && m->merge[i].right == right)
			return 1;
	return 0;
}

static void model_init(struct model *m, size_t merges)
{
	uint32_t next_id = 5000;
	*m = (struct model){.vocabulary = byte_vocabulary()};
	for (size_t tries = 0; m->merges < merges && tries < 20 * merges; tries++) {
		char both[64];
		size_t left_length, right_length;
		uint32_t left = pick_token(m), right = pick_token(m);
		const char *l = vocabulary_bytes(m->vocabulary, left, &left_length);
		const char *r = vocabulary_bytes(m->vocabulary, right, &right_length);
		if (left_length + right_length > 10 || has_merge(m, left, right))
			continue;
		memcpy(both, l, left_length);
		memcpy(both + left_length, r, right_length);
		uint32_t result = vocabulary_find(m->vocabulary, both, left_length + right_length);
		if (result == VOCABULARY_NONE) {
			result = next_id -= 7; /* ids fall while ranks rise */
			CHECK(!vocabulary_add(m->vocabulary, both, left_length + right_length, result), "%s", error_text());
		}
		m->merge[m->merges++] = (struct merge){left, right, result};
	}
	for (size_t i = m->merges; i > 1; i--) { /* any order of ranks is a legal file */
		size_t j = random_below((uint32_t)i);
		struct merge swapped = m->merge[i - 1];
		m->merge[i - 1] = m->merge[j];
		m->merge[j] = swapped;
	}
	m->bpe = bpe_new(m->vocabulary);
	for (size_t i = 0; i < m->merges; i++) {
		size_t left_length, right_length;
		const char *left = vocabulary_bytes(m->vocabulary, m->merge[i].left, &left_length);
		const char *right = vocabulary_bytes(m->vocabulary, m->merge[i].right, &right_length);
		CHECK(!bpe_add_merge(m->bpe, left, left_length, right, right_length), "%s", error_text());
	}
}

/* The definition: the first merge in rank order that occurs anywhere, at its leftmost place; again until none does. */
static int apply_first_merge(const struct model *m, struct token_ids *ids)
{
	for (size_t r = 0; r < m->merges; r++)
		for (size_t i = 0; i + 1 < ids->count; i++)
			if ((uint32_t)ids->ids[i] == m->merge[r].left && (uint32_t)ids->ids[i + 1] == m->merge[r].right) {
				ids->ids[i] = (int32_t)m->merge[r].result;
				memmove(ids->ids + i + 1, ids->ids + i + 2, (ids->count - i - 2) * sizeof *ids->ids);
				ids->count--;
				return 1;
			}
	return 0;
}

static void compare_with_definition(const struct model *m, const char *piece, size_t length)
{
	struct token_ids found = {0}, expected = {0};
	bpe_encode(m->bpe, piece, length, &found);
	for (size_t i = 0; i < length; i++)
		token_ids_add(&expected, id_of_byte((unsigned char)piece[i]));
	while (apply_first_merge(m, &expected))
		continue;
	CHECK(found.count == expected.count && !memcmp(found.ids, expected.ids, found.count * sizeof *found.ids),
		"\"%.*s\" of %zu bytes: %zu ids, expected %zu", (int)length, piece, length, found.count, expected.count);
	token_ids_release(&found);
	token_ids_release(&expected);
}

/* Lengths on both sides of the switch from rescanning to the heap. */
static void test_against_definition(void)
{
	static const size_t lengths[] = {1, 2, 3, 5, 8, 13, 30, 47, 48, 49, 50, 64, 100, 150};
	char piece[150];
	for (int round = 0; round < 12; round++) {
		struct model m;
		model_init(&m, round < 6 ? 20 : 200);
		for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
			for (int k = 0; k < 8; k++) {
				for (size_t j = 0; j < lengths[i]; j++)
					piece[j] = (char)('a' + random_below(k < 4 ? 2 : 3));
				compare_with_definition(&m, piece, lengths[i]);
			}
		model_release(&m);
	}
}

static void check_ids(const struct bpe *b, const char *piece, const uint32_t *expected, size_t count)
{
	struct token_ids ids = {0};
	bpe_encode(b, piece, strlen(piece), &ids);
	CHECK(ids.count == count, "\"%s\": %zu ids, expected %zu", piece, ids.count, count);
	for (size_t i = 0; i < count && ids.count == count; i++)
		CHECK((uint32_t)ids.ids[i] == expected[i], "\"%s\": id %zu is %d, expected %u", piece, i, ids.ids[i], expected[i]);
	token_ids_release(&ids);
}

/* Equal pairs merge from the left, and only listed merges count, whatever the vocabulary holds. */
static void test_by_hand(void)
{
	struct vocabulary *v = byte_vocabulary();
	uint32_t a = id_of_byte('a'), b = id_of_byte('b'), c = id_of_byte('c');
	CHECK(!vocabulary_add(v, "aa", 2, 50) && !vocabulary_add(v, "bc", 2, 40) && !vocabulary_add(v, "ab", 2, 30)
		&& !vocabulary_add(v, "abc", 3, 20) && !vocabulary_add(v, "ac", 2, 10), "%s", error_text());
	struct bpe *bpe = bpe_new(v);
	CHECK(!bpe_add_merge(bpe, "a", 1, "a", 1) && !bpe_add_merge(bpe, "b", 1, "c", 1) && !bpe_add_merge(bpe, "a", 1, "b", 1)
		&& !bpe_add_merge(bpe, "ab", 2, "c", 1), "%s", error_text());
	check_ids(bpe, "aaa", (uint32_t[]){50, a}, 2);
	check_ids(bpe, "aaaaa", (uint32_t[]){50, 50, a}, 3);
	check_ids(bpe, "ab", (uint32_t[]){30}, 1);
	check_ids(bpe, "abc", (uint32_t[]){a, 40}, 2); /* bc first; a + bc is no merge though "abc" is a token */
	check_ids(bpe, "ac", (uint32_t[]){a, c}, 2);   /* a token of lowest id, but no merge makes it */
	check_ids(bpe, "bbc", (uint32_t[]){b, 40}, 2);
	bpe_free(bpe);
	vocabulary_free(v);
}

/* A million letters in one piece; the ids must still spell the piece. */
static void test_long_piece(void)
{
	enum { LENGTH = 1000000 };
	struct model m;
	struct token_ids ids = {0};
	char *piece = mem_array(LENGTH, 1);
	size_t at = 0, same = 1;
	model_init(&m, 300);
	for (size_t i = 0; i < LENGTH; i++)
		piece[i] = (char)('a' + random_below(3));
	bpe_encode(m.bpe, piece, LENGTH, &ids);
	for (size_t i = 0; i < ids.count && same; i++) {
		size_t length;
		const char *bytes = vocabulary_bytes(m.vocabulary, (uint32_t)ids.ids[i], &length);
		same = bytes && at + length <= LENGTH && !memcmp(piece + at, bytes, length);
		at += same ? length : 0;
	}
	CHECK(same && at == LENGTH, "ids spell %zu of %d bytes", at, LENGTH);
	CHECK(ids.count < LENGTH, "%zu ids", ids.count);
	token_ids_release(&ids);
	free(piece);
	model_release(&m);
}

static void test_refusals(void)
{
	char long_token[VOCABULARY_TOKEN_MAX + 1] = {0};
	struct vocabulary *v = vocabulary_new();
	CHECK(vocabulary_find(v, "a", 1) == VOCABULARY_NONE, "found in an empty vocabulary");
	CHECK(!vocabulary_add(v, "a", 1, 7), "%s", error_text());
	CHECK(vocabulary_add(v, "b", 1, 7) && strstr(error_text(), "id 7 belongs"), "%s", error_text());
	CHECK(vocabulary_add(v, "a", 1, 8) && strstr(error_text(), "there already, with id 7"), "%s", error_text());
	CHECK(vocabulary_add(v, "", 0, 8) && strstr(error_text(), "a token of 0 bytes"), "%s", error_text());
	CHECK(vocabulary_add(v, long_token, sizeof long_token, 8) && strstr(error_text(), "1025 bytes"), "%s", error_text());
	CHECK(vocabulary_add(v, "b", 1, VOCABULARY_IDS_MAX) && strstr(error_text(), "id 2097152"), "%s", error_text());
	CHECK(!vocabulary_add(v, "b", 1, VOCABULARY_IDS_MAX - 1), "%s", error_text());
	CHECK(vocabulary_id_limit(v) == VOCABULARY_IDS_MAX, "%u", vocabulary_id_limit(v));
	CHECK(!bpe_new(v) && strstr(error_text(), "0x00"), "%s", error_text());
	vocabulary_free(v);
}

static void test_merge_refusals(void)
{
	struct vocabulary *v = byte_vocabulary();
	CHECK(!vocabulary_add(v, "ab", 2, 1), "%s", error_text());
	struct bpe *b = bpe_new(v);
	CHECK(bpe_add_merge(b, "xy", 2, "a", 1) && strstr(error_text(), "left part"), "%s", error_text());
	CHECK(bpe_add_merge(b, "a", 1, "xy", 2) && strstr(error_text(), "right part"), "%s", error_text());
	CHECK(bpe_add_merge(b, "b", 1, "a", 1) && strstr(error_text(), "joined token"), "%s", error_text());
	CHECK(!bpe_add_merge(b, "a", 1, "b", 1), "%s", error_text());
	CHECK(bpe_add_merge(b, "a", 1, "b", 1) && strstr(error_text(), "rank 0"), "%s", error_text());
	check_ids(b, "ab", (uint32_t[]){1}, 1);
	bpe_free(b);
	vocabulary_free(v);
}

int main(void)
{
	TEST(test_by_hand);
	TEST(test_against_definition);
	TEST(test_long_piece);
	TEST(test_refusals);
	TEST(test_merge_refusals);
	return check_done();
}
