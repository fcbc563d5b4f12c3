#include "model/lm_pieces.h"

#include <stdlib.h>

#include "common/memory.h"

static size_t pieces_of(const struct lm_tensor *t)
{
	return t->bytes ? (size_t)((t->bytes - 1) / LM_PIECE_BYTES + 1) : 1;
}

static void cut(struct lm_piece *to, const struct lm_tensor *t, size_t tensor)
{
	for (size_t i = 0; i < pieces_of(t); i++) {
		uint64_t at = (uint64_t)i * LM_PIECE_BYTES, left = t->bytes - at;
		to[i] = (struct lm_piece){.tensor = tensor, .at = at, .bytes = left < LM_PIECE_BYTES ? left : LM_PIECE_BYTES};
	}
}

void lm_pieces_make(struct lm_pieces *p, const struct lm_tensor *tensors, size_t count)
{
	*p = (struct lm_pieces){.first = mem_array(count + 1, sizeof *p->first)};
	for (size_t i = 0; i < count; i++) {
		p->first[i] = p->count;
		p->count += pieces_of(&tensors[i]);
	}
	p->first[count] = p->count;
	p->pieces = mem_array(p->count, sizeof *p->pieces);
	for (size_t i = 0; i < count; i++)
		cut(p->pieces + p->first[i], &tensors[i], i);
}

void lm_pieces_release(struct lm_pieces *p)
{
	free(p->pieces);
	free(p->first);
	*p = (struct lm_pieces){0};
}

struct digest lm_pieces_digest(const struct lm_pieces *p, size_t tensor)
{
	const size_t first = p->first[tensor], end = p->first[tensor + 1];
	if (end - first == 1)
		return p->pieces[first].digest;
	struct hasher *h = hasher_new();
	for (size_t i = first; i < end; i++)
		hasher_update(h, p->pieces[i].digest.hex, DIGEST_HEX);
	struct digest d = hasher_digest(h);
	hasher_free(h);
	return d;
}
