#include "tokenizer/vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/hash.h"
#include "common/memory.h"
#include "common/strbuf.h"

struct token {
	uint32_t offset; /* of its bytes in text */
	uint32_t length; /* 0: no token has this id */
};

/* Open addressing; the hash is kept so that a probe rarely touches another token's bytes. */
struct slot {
	uint32_t hash;
	uint32_t id; /* VOCABULARY_NONE: empty */
};

struct vocabulary {
	struct strbuf text;
	struct token *token; /* [capacity], by id */
	size_t capacity;
	struct slot *slot;   /* [slots], a power of two, at most half full */
	size_t slots;
	size_t count;
	uint32_t id_limit;
};

struct vocabulary *vocabulary_new(void)
{
	struct vocabulary *v = mem_zeroed(1, sizeof *v);
	strbuf_init(&v->text);
	return v;
}

void vocabulary_free(struct vocabulary *v)
{
	if (!v)
		return;
	strbuf_release(&v->text);
	free(v->token);
	free(v->slot);
	free(v);
}

/* The slot that holds the bytes, or the empty one where they belong. */
static struct slot *find_slot(const struct vocabulary *v, const void *bytes, size_t length, uint32_t hash)
{
	for (size_t i = hash & (v->slots - 1);; i = (i + 1) & (v->slots - 1)) {
		struct slot *s = &v->slot[i];
		if (s->id == VOCABULARY_NONE)
			return s;
		const struct token *t = &v->token[s->id];
		if (s->hash == hash && t->length == length && !memcmp(v->text.s + t->offset, bytes, length))
			return s;
	}
}

static void grow_slots(struct vocabulary *v)
{
	struct slot *old = v->slot;
	size_t old_slots = v->slots;
	if (2 * (v->count + 1) <= old_slots)
		return;
	v->slots = old_slots ? 2 * old_slots : 1024;
	v->slot = mem_array(v->slots, sizeof *v->slot);
	for (size_t i = 0; i < v->slots; i++)
		v->slot[i] = (struct slot){0, VOCABULARY_NONE};
	for (size_t i = 0; i < old_slots; i++) {
		size_t to = old[i].hash & (v->slots - 1);
		if (old[i].id == VOCABULARY_NONE)
			continue;
		while (v->slot[to].id != VOCABULARY_NONE)
			to = (to + 1) & (v->slots - 1);
		v->slot[to] = old[i];
	}
	free(old);
}

static void grow_tokens(struct vocabulary *v, uint32_t id)
{
	size_t capacity = v->capacity ? v->capacity : 1024;
	while (capacity <= id)
		capacity *= 2;
	if (capacity == v->capacity)
		return;
	v->token = mem_resize(v->token, capacity, sizeof *v->token);
	memset(v->token + v->capacity, 0, (capacity - v->capacity) * sizeof *v->token);
	v->capacity = capacity;
}

int vocabulary_add(struct vocabulary *v, const void *bytes, size_t length, uint32_t id)
{
	uint32_t hash = (uint32_t)hash_chunk(bytes, length);
	if (!length || length > VOCABULARY_TOKEN_MAX)
		return fail("a token of %zu bytes; 1 to %d are allowed", length, VOCABULARY_TOKEN_MAX);
	if (id >= VOCABULARY_IDS_MAX)
		return fail("id %u; ids below %d are allowed", id, VOCABULARY_IDS_MAX);
	grow_tokens(v, id);
	grow_slots(v);
	if (v->token[id].length)
		return fail("id %u belongs to another token already", id);
	struct slot *s = find_slot(v, bytes, length, hash);
	if (s->id != VOCABULARY_NONE)
		return fail("the token is there already, with id %u", s->id);
	*s = (struct slot){hash, id};
	v->token[id] = (struct token){(uint32_t)v->text.length, (uint32_t)length};
	strbuf_add(&v->text, bytes, length);
	v->count++;
	if (id >= v->id_limit)
		v->id_limit = id + 1;
	return 0;
}

uint32_t vocabulary_find(const struct vocabulary *v, const void *bytes, size_t length)
{
	return v->slots ? find_slot(v, bytes, length, (uint32_t)hash_chunk(bytes, length))->id : VOCABULARY_NONE;
}

const char *vocabulary_bytes(const struct vocabulary *v, uint32_t id, size_t *length)
{
	if (id >= v->id_limit || !v->token[id].length)
		return NULL;
	*length = v->token[id].length;
	return v->text.s + v->token[id].offset;
}

uint32_t vocabulary_id_limit(const struct vocabulary *v)
{
	return v->id_limit;
}
