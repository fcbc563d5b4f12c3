/* A growing array of token ids. All zero is an empty one; token_ids_release() frees. */
#ifndef QG_TOKENIZER_TOKEN_IDS_H
#define QG_TOKENIZER_TOKEN_IDS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/memory.h"

struct token_ids {
	int32_t *ids; /* [count] */
	size_t count;
	size_t capacity;
};

static inline void token_ids_add(struct token_ids *t, uint32_t id)
{
	MEM_GROW(t->ids, t->count, t->capacity);
	t->ids[t->count++] = (int32_t)id;
}

static inline void token_ids_release(struct token_ids *t)
{
	free(t->ids);
	*t = (struct token_ids){0};
}

#endif
