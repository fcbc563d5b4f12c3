#include "model/lm_extract.h"

#include <math.h>
#include <stdatomic.h>

#include "common/error.h"
#include "common/memory.h"
#include "common/pool.h"
#include "common/progress.h"
#include "model/lm_pieces.h"

/* Hash and search go together over parts that stay in the processor's cache, so memory is read once. */
enum { PART_BYTES = 256 << 10 };

struct extraction {
	const struct checkpoint *checkpoint;
	struct lm_pieces pieces;
	uint64_t bytes;          /* of all tensors */
	_Atomic uint64_t read;   /* of them */
};

static int not_finite(const struct checkpoint *c, const struct checkpoint_tensor *t, uint64_t element)
{
	uint64_t byte = t->offset + element * (dtype_bits(t->dtype) / 8);
	float value;
	dtype_widen(t->dtype, checkpoint_bytes(c, t) + (byte - t->offset), 1, &value);
	return fail("%s: byte %llu: tensor \"%s\": element %llu (row %llu, column %llu) is %s; expected finite weights",
		c->shards[t->shard].file.path, (unsigned long long)byte, t->stored_name, (unsigned long long)element,
		(unsigned long long)(element / t->shape[1]), (unsigned long long)(element % t->shape[1]),
		isnan(value) ? "NaN" : value < 0 ? "-infinity" : "infinity");
}

static int read_piece(void *context, size_t index, size_t worker)
{
	struct extraction *e = context;
	struct lm_piece *piece = &e->pieces.pieces[index];
	const struct checkpoint_tensor *t = &e->checkpoint->tensors[piece->tensor];
	const unsigned char *bytes = checkpoint_bytes(e->checkpoint, t) + piece->at;
	const unsigned element = dtype_bits(t->dtype) / 8;
	struct hasher *h = hasher_new();
	int bad = 0;
	for (uint64_t at = 0; at < piece->bytes && !bad; at += PART_BYTES) {
		uint64_t n = piece->bytes - at < PART_BYTES ? piece->bytes - at : PART_BYTES;
		size_t found = dtype_find_nonfinite(t->dtype, bytes + at, (size_t)n / element);
		if (found != n / element)
			bad = not_finite(e->checkpoint, t, (piece->at + at) / element + found);
		hasher_update(h, bytes + at, (size_t)n);
	}
	piece->digest = hasher_digest(h);
	hasher_free(h);
	uint64_t read = atomic_fetch_add(&e->read, piece->bytes) + piece->bytes;
	if (!worker)
		progress_bytes(read, e->bytes);
	return bad;
}

static int read_tensors(struct lm *lm, const struct checkpoint *checkpoint)
{
	struct extraction e = {.checkpoint = checkpoint};
	for (size_t i = 0; i < lm->tensor_count; i++)
		e.bytes += lm->tensors[i].bytes;
	lm_pieces_make(&e.pieces, lm->tensors, lm->tensor_count);
	progress_bytes(0, e.bytes);
	int bad = pool_run(e.pieces.count, read_piece, &e);
	for (size_t i = 0; i < lm->tensor_count && !bad; i++)
		lm->tensors[i].digest = lm_pieces_digest(&e.pieces, i);
	lm_pieces_release(&e.pieces);
	return bad;
}

static void copy_tables(struct lm *lm, const struct checkpoint *c, const struct digest *shard_digests)
{
	lm->config = c->config;
	lm->tensor_count = c->tensor_count;
	lm->vision_count = c->vision_count;
	lm->shard_count = c->shard_count;
	lm->tensors = mem_zeroed(c->tensor_count, sizeof *lm->tensors);
	lm->vision = mem_zeroed(c->vision_count, sizeof *lm->vision);
	lm->shards = mem_zeroed(c->shard_count, sizeof *lm->shards);
	for (size_t i = 0; i < c->tensor_count; i++) {
		const struct checkpoint_tensor *t = &c->tensors[i];
		lm->tensors[i] = (struct lm_tensor){.name = t->name, .dtype = t->dtype, .rank = t->rank,
			.shape = {t->shape[0], t->shape[1]}, .shard = t->shard, .offset = t->offset, .bytes = t->bytes};
	}
	for (size_t i = 0; i < c->vision_count; i++)
		lm->vision[i] = (struct lm_vision){c->vision[i].name, c->vision[i].kind, c->vision[i].out_features,
			c->vision[i].in_features};
	for (size_t i = 0; i < c->shard_count; i++)
		lm->shards[i] = (struct lm_shard){c->shards[i].name, c->shards[i].size, shard_digests[i]};
}

int lm_extract(struct lm *lm, const struct checkpoint *checkpoint, const struct digest *shard_digests)
{
	*lm = (struct lm){0};
	copy_tables(lm, checkpoint, shard_digests);
	if (!read_tensors(lm, checkpoint))
		return 0;
	lm_close(lm);
	return -1;
}
