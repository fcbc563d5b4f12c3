/* Batches laid one behind the other, for backends that want large products (ops->pack_tokens). Private to
 * transformer.c and changes*.c.
 *
 * A pack goes through the model at once. Its sequences do not see each other and its rows are those of its batches, so
 * with a backend whose rows do not depend on the rows beside them a batch has the bits that it has alone.
 */
#ifndef QG_MODEL_PACKS_H
#define QG_MODEL_PACKS_H

#include "model/transformer.h"

struct packs {
	struct batch *pack;      /* [count] all sequences of its batches */
	size_t *first;           /* [count + 1] pack p has batches first[p] .. first[p+1]-1 */
	size_t count;
	int32_t *memory;         /* ids and starts of the packs */
};

/* Packs batches in their order: as many as have at most tokens_most tokens together, at least one. The batches are
 * borrowed until packs_release(). */
void packs_init(struct packs *packs, const struct batch *batches, size_t count, size_t tokens_most);
void packs_release(struct packs *packs);

#endif
