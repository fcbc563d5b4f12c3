#include "tokenizer/bpe.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"

/* A merge in one word, so that a table of 150 thousand takes 2 MB and a look-up touches one cache line:
 *
 *     bit 63      43 42      22 21       0
 *         left id    right id   rank
 */
enum { ID_BITS = 21, RANK_BITS = 22 };
_Static_assert(VOCABULARY_IDS_MAX == 1 << ID_BITS, "an id fills its field");
_Static_assert(2 * ID_BITS + RANK_BITS == 64, "a merge fills a word");
_Static_assert(BPE_MERGES_MAX == (1 << RANK_BITS) - 1, "the rank of all ones means none");

#define NO_RANK ((uint32_t)BPE_MERGES_MAX)
#define EMPTY UINT64_MAX

/* Pieces up to this many bytes are rescanned for every merge, which beats a heap while the scan stays in the cache. */
enum { SHORT_MAX = 48 };

struct bpe {
	const struct vocabulary *vocabulary;
	uint32_t byte_id[256];
	uint32_t *result;      /* [merges], by rank */
	size_t merges;
	size_t result_capacity;
	uint64_t *table;       /* [slots] of merges, a power of two, at most two thirds full */
	size_t slots;
	unsigned shift;        /* 64 - log2(slots) */
};

static uint64_t pair_key(uint32_t left, uint32_t right)
{
	return (uint64_t)left << ID_BITS | right;
}

static uint64_t *find_merge(const struct bpe *b, uint64_t key)
{
	size_t i = (size_t)(key * 0x9e3779b97f4a7c15u >> b->shift);
	while (b->table[i] != EMPTY && b->table[i] >> RANK_BITS != key)
		i = (i + 1) & (b->slots - 1);
	return &b->table[i];
}

/* NO_RANK when the pair is no merge: an empty slot is all ones, and so is its rank. */
static uint32_t rank_of(const struct bpe *b, uint32_t left, uint32_t right)
{
	return (uint32_t)*find_merge(b, pair_key(left, right)) & NO_RANK;
}

static void table_resize(struct bpe *b, unsigned log2_slots)
{
	uint64_t *old = b->table;
	size_t old_slots = b->slots;
	b->slots = (size_t)1 << log2_slots;
	b->shift = 64 - log2_slots;
	b->table = mem_array(b->slots, sizeof *b->table);
	memset(b->table, 0xff, b->slots * sizeof *b->table);
	for (size_t i = 0; i < old_slots; i++)
		if (old[i] != EMPTY)
			*find_merge(b, old[i] >> RANK_BITS) = old[i];
	free(old);
}

struct bpe *bpe_new(const struct vocabulary *vocabulary)
{
	struct bpe *b = mem_zeroed(1, sizeof *b);
	b->vocabulary = vocabulary;
	for (int i = 0; i < 256; i++) {
		unsigned char byte = (unsigned char)i;
		b->byte_id[i] = vocabulary_find(vocabulary, &byte, 1);
		if (b->byte_id[i] == VOCABULARY_NONE) {
			bpe_free(b);
			return fail_null("no token for the single byte 0x%02x; all 256 are needed", i);
		}
	}
	table_resize(b, 10);
	return b;
}

void bpe_free(struct bpe *b)
{
	if (!b)
		return;
	free(b->result);
	free(b->table);
	free(b);
}

int bpe_add_merge(struct bpe *b, const void *left, size_t left_length, const void *right, size_t right_length)
{
	char both[2 * VOCABULARY_TOKEN_MAX];
	uint32_t l = vocabulary_find(b->vocabulary, left, left_length);
	uint32_t r = vocabulary_find(b->vocabulary, right, right_length);
	if (l == VOCABULARY_NONE || r == VOCABULARY_NONE)
		return fail("the %s part is not in the vocabulary", l == VOCABULARY_NONE ? "left" : "right");
	memcpy(both, left, left_length);
	memcpy(both + left_length, right, right_length);
	uint32_t result = vocabulary_find(b->vocabulary, both, left_length + right_length);
	if (result == VOCABULARY_NONE)
		return fail("the joined token is not in the vocabulary");
	if (b->merges == BPE_MERGES_MAX)
		return fail("more than %d merges", BPE_MERGES_MAX);
	if (3 * (b->merges + 1) > 2 * b->slots)
		table_resize(b, 64 - b->shift + 1);
	uint64_t *slot = find_merge(b, pair_key(l, r));
	if (*slot != EMPTY)
		return fail("the same merge is there already, with rank %u", (uint32_t)*slot & NO_RANK);
	*slot = pair_key(l, r) << RANK_BITS | b->merges;
	MEM_GROW(b->result, b->merges, b->result_capacity);
	b->result[b->merges++] = result;
	return 0;
}

/* Merges the n symbols of a short piece in place; returns how many are left in id[]. */
static size_t merge_short(const struct bpe *b, const unsigned char *piece, size_t n, uint32_t *id)
{
	uint32_t rank[SHORT_MAX]; /* of the pair i, i + 1 */
	for (size_t i = 0; i < n; i++)
		id[i] = b->byte_id[piece[i]];
	for (size_t i = 0; i + 1 < n; i++)
		rank[i] = rank_of(b, id[i], id[i + 1]);
	while (n > 1) {
		size_t best = 0;
		for (size_t i = 1; i + 1 < n; i++)
			if (rank[i] < rank[best])
				best = i;
		if (rank[best] == NO_RANK)
			break;
		id[best] = b->result[rank[best]];
		n--;
		memmove(id + best + 1, id + best + 2, (n - best - 1) * sizeof *id);
		if (best + 1 < n) {
			memmove(rank + best + 1, rank + best + 2, (n - best - 2) * sizeof *rank);
			rank[best] = rank_of(b, id[best], id[best + 1]);
		}
		if (best)
			rank[best - 1] = rank_of(b, id[best - 1], id[best]);
	}
	return n;
}

/* A symbol of a long piece: a doubly linked list through an array, so that a position stays a position. A symbol that
 * was merged into the one before it has no rank and is no longer linked. */
struct symbol {
	uint32_t id;
	uint32_t rank; /* of the pair with the next symbol */
	uint32_t previous, next;
};

#define NOWHERE UINT32_MAX

/* Pairs that may be merged, least rank first, then leftmost: rank << 32 | position. An entry goes stale when a merge
 * beside it changes its pair; it stays in the heap and is known by a rank that is no longer the symbol's. (A pair at a
 * position never comes back with an old rank: its bytes only get more.) */
struct heap {
	uint64_t *entry;
	size_t count;
	size_t capacity;
};

static void heap_push(struct heap *h, uint64_t value)
{
	MEM_GROW(h->entry, h->count, h->capacity);
	size_t i = h->count++;
	for (; i > 0 && h->entry[(i - 1) / 2] > value; i = (i - 1) / 2)
		h->entry[i] = h->entry[(i - 1) / 2];
	h->entry[i] = value;
}

static uint64_t heap_pop(struct heap *h)
{
	uint64_t top = h->entry[0], value = h->entry[--h->count];
	size_t i = 0;
	for (size_t child; (child = 2 * i + 1) < h->count; i = child) {
		if (child + 1 < h->count && h->entry[child + 1] < h->entry[child])
			child++;
		if (h->entry[child] >= value)
			break;
		h->entry[i] = h->entry[child];
	}
	h->entry[i] = value;
	return top;
}

/* Finds the rank of the pair that begins at a symbol and remembers it as a candidate. */
static void offer_pair(const struct bpe *b, struct symbol *s, struct heap *h, uint32_t at)
{
	s[at].rank = s[at].next == NOWHERE ? NO_RANK : rank_of(b, s[at].id, s[s[at].next].id);
	if (s[at].rank != NO_RANK)
		heap_push(h, (uint64_t)s[at].rank << 32 | at);
}

static void merge_at(const struct bpe *b, struct symbol *s, struct heap *h, uint32_t at)
{
	uint32_t gone = s[at].next, after = s[gone].next;
	s[at].id = b->result[s[at].rank];
	s[at].next = after;
	s[gone].rank = NO_RANK;
	if (after != NOWHERE)
		s[after].previous = at;
	offer_pair(b, s, h, at);
	if (s[at].previous != NOWHERE)
		offer_pair(b, s, h, s[at].previous);
}

static void encode_long(const struct bpe *b, const unsigned char *piece, size_t n, struct token_ids *out)
{
	struct symbol *s = mem_array(n, sizeof *s);
	struct heap h = {0};
	for (uint32_t i = 0; i < n; i++)
		s[i] = (struct symbol){b->byte_id[piece[i]], NO_RANK, i ? i - 1 : NOWHERE, i + 1 < n ? i + 1 : NOWHERE};
	for (uint32_t i = 0; i < n; i++)
		offer_pair(b, s, &h, i);
	while (h.count) {
		uint64_t top = heap_pop(&h);
		if (s[(uint32_t)top].rank == top >> 32)
			merge_at(b, s, &h, (uint32_t)top);
	}
	for (uint32_t i = 0; i != NOWHERE; i = s[i].next)
		token_ids_add(out, s[i].id);
	free(h.entry);
	free(s);
}

void bpe_encode(const struct bpe *b, const void *piece, size_t length, struct token_ids *out)
{
	uint32_t id[SHORT_MAX];
	assert(length && length < (size_t)1 << 31);
	if (length > SHORT_MAX) {
		encode_long(b, piece, length, out);
		return;
	}
	size_t n = merge_short(b, piece, length, id);
	for (size_t i = 0; i < n; i++)
		token_ids_add(out, id[i]);
}
