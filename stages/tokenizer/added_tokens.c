#include "tokenizer/added_tokens.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"

struct added {
	char *content;
	size_t length;
	uint32_t id;
};

struct added_tokens {
	struct added *token;      /* [count]; after finish() in the order of bytes, a prefix before what it begins */
	size_t count;
	size_t capacity;
	unsigned char first[256]; /* whether a token begins with the byte */
};

struct added_tokens *added_tokens_new(void)
{
	return mem_zeroed(1, sizeof(struct added_tokens));
}

void added_tokens_free(struct added_tokens *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->count; i++)
		free(a->token[i].content);
	free(a->token);
	free(a);
}

int added_tokens_add(struct added_tokens *a, const char *content, size_t length, uint32_t id)
{
	if (!length || length > ADDED_TOKEN_BYTES_MAX)
		return fail("an added token of %zu bytes; 1 to %d are allowed", length, ADDED_TOKEN_BYTES_MAX);
	if (a->count == ADDED_TOKENS_MAX)
		return fail("more than %d added tokens", ADDED_TOKENS_MAX);
	MEM_GROW(a->token, a->count, a->capacity);
	a->token[a->count++] = (struct added){mem_strndup(content, length), length, id};
	a->first[(unsigned char)content[0]] = 1;
	return 0;
}

static int by_id(const void *x, const void *y)
{
	const struct added *a = x, *b = y;
	return (a->id > b->id) - (a->id < b->id);
}

static int by_content(const void *x, const void *y)
{
	const struct added *a = x, *b = y;
	int order = memcmp(a->content, b->content, a->length < b->length ? a->length : b->length);
	return order ? order : (a->length > b->length) - (a->length < b->length);
}

int added_tokens_finish(struct added_tokens *a)
{
	if (!a->count)
		return 0;
	qsort(a->token, a->count, sizeof *a->token, by_id);
	for (size_t i = 1; i < a->count; i++)
		if (a->token[i - 1].id == a->token[i].id)
			return fail("the added tokens \"%s\" and \"%s\" share the id %u", a->token[i - 1].content,
				a->token[i].content, a->token[i].id);
	qsort(a->token, a->count, sizeof *a->token, by_content);
	for (size_t i = 1; i < a->count; i++)
		if (!by_content(&a->token[i - 1], &a->token[i]))
			return fail("the added token \"%s\" is there twice, with ids %u and %u", a->token[i].content,
				a->token[i - 1].id, a->token[i].id);
	return 0;
}

/* The first token of [low, high) whose byte at `depth` is not below `byte`. All of them are longer than depth. */
static size_t lower_bound(const struct added_tokens *a, size_t low, size_t high, size_t depth, unsigned byte)
{
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if ((unsigned char)a->token[middle].content[depth] < byte)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The longest token that text begins with, or NULL: narrows the sorted array to the tokens that share one more byte. */
static const struct added *longest_at(const struct added_tokens *a, const char *text, size_t length)
{
	const struct added *found = NULL;
	size_t low = 0, high = a->count;
	for (size_t depth = 0; depth < length; depth++) {
		unsigned byte = (unsigned char)text[depth];
		low = lower_bound(a, low, high, depth, byte);
		high = lower_bound(a, low, high, depth, byte + 1);
		if (low < high && a->token[low].length == depth + 1)
			found = &a->token[low++];
		if (low == high)
			break;
	}
	return found;
}

size_t added_tokens_find(const struct added_tokens *a, const char *text, size_t length, size_t from, size_t *end,
	uint32_t *id)
{
	for (size_t at = from; at < length; at++) {
		if (!a->first[(unsigned char)text[at]])
			continue;
		const struct added *found = longest_at(a, text + at, length - at);
		if (found) {
			*end = at + found->length;
			*id = found->id;
			return at;
		}
	}
	return length;
}

size_t added_tokens_count(const struct added_tokens *a)
{
	return a->count;
}

const char *added_tokens_get(const struct added_tokens *a, size_t index, size_t *length, uint32_t *id)
{
	assert(index < a->count);
	*length = a->token[index].length;
	*id = a->token[index].id;
	return a->token[index].content;
}
