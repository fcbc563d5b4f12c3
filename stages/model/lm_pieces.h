/* Tensors cut into pieces that threads hash side by side, and the digest of a tensor that comes of it.
 *
 * The embeddings of a large model are a tenth of it. Hashed in one go they would take longer than all else together
 * takes 16 threads.
 *
 *     a tensor of at most LM_PIECE_BYTES    XXH3-128 of its bytes
 *     a larger one                          XXH3-128 of the digests of its pieces, 32 hex digits each, in order
 */
#ifndef QG_MODEL_LM_PIECES_H
#define QG_MODEL_LM_PIECES_H

#include "common/hash.h"
#include "formats/lm.h"

enum { LM_PIECE_BYTES = 16 << 20 };   /* a whole number of elements of any type */

struct lm_piece {
	size_t tensor;
	uint64_t at, bytes;      /* of the tensor's bytes */
	struct digest digest;    /* the caller's to fill */
};

struct lm_pieces {
	struct lm_piece *pieces; /* [count] tensor by tensor, in order; a tensor has at least one */
	size_t count;
	size_t *first;           /* [tensors + 1] */
};

/* Of the tensors only bytes is looked at. */
void lm_pieces_make(struct lm_pieces *p, const struct lm_tensor *tensors, size_t count);
void lm_pieces_release(struct lm_pieces *p);

/* The digest of a tensor whose pieces have theirs. */
struct digest lm_pieces_digest(const struct lm_pieces *p, size_t tensor);

#endif
