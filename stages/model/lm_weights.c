#include "model/lm_weights.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/memory.h"
#include "common/pool.h"
#include "common/progress.h"
#include "model/lm_pieces.h"

static int map_shard(struct lm_weights *w, const char *dir, size_t index)
{
	const struct lm_shard *shard = &w->lm->shards[index];
	struct file_map *map = &w->maps[index];
	char *path = path_join(dir, shard->name);
	int bad = file_map_open(map, path);
	if (!bad && map->length != shard->size)
		bad = fail("%s: %zu bytes, expected %llu: the checkpoint changed; run ninja again", path, map->length,
			(unsigned long long)shard->size);
	free(path);
	return bad;
}

/* --- are they the weights that were extracted? --- */

struct checking {
	const struct lm_weights *weights;
	struct lm_pieces pieces;
	int says;                /* how far it is */
	uint64_t bytes;          /* of all tensors */
	_Atomic uint64_t hashed; /* of them */
};

static int hash_piece(void *context, size_t index, size_t worker)
{
	struct checking *c = context;
	struct lm_piece *p = &c->pieces.pieces[index];
	p->digest = hash_bytes((const unsigned char *)lm_weights_bytes(c->weights, p->tensor) + p->at, (size_t)p->bytes);
	uint64_t hashed = atomic_fetch_add(&c->hashed, p->bytes) + p->bytes;
	if (c->says && !worker)
		progress_bytes(hashed, c->bytes);
	return 0;
}

static int verify(const struct lm_weights *w, int says)
{
	struct checking c = {.weights = w, .says = says};
	int bad = 0;
	for (size_t i = 0; i < w->lm->tensor_count; i++)
		c.bytes += w->lm->tensors[i].bytes;
	lm_pieces_make(&c.pieces, w->lm->tensors, w->lm->tensor_count);
	if (says)
		progress_bytes(0, c.bytes);
	(void)pool_run(c.pieces.count, hash_piece, &c);
	for (size_t i = 0; i < w->lm->tensor_count && !bad; i++) {
		const struct lm_tensor *t = &w->lm->tensors[i];
		struct digest now = lm_pieces_digest(&c.pieces, i);
		if (!digest_equal(&now, &t->digest))
			bad = fail("%s: %s: tensor \"%s\" changed since it was extracted; run ninja again", w->dir,
				w->lm->shards[t->shard].name, t->name);
	}
	lm_pieces_release(&c.pieces);
	return bad ? -1 : 0;
}

/* Beside a computation, whose steps are those to be told. */
int lm_weights_verify(const struct lm_weights *w)
{
	return verify(w, 0);
}

/* --- */

int lm_weights_map(struct lm_weights *weights, const struct lm *lm, const char *dir)
{
	int bad = 0;
	*weights = (struct lm_weights){.lm = lm, .dir = mem_strdup(dir),
		.maps = mem_zeroed(lm->shard_count, sizeof *weights->maps)};
	for (size_t i = 0; i < lm->tensor_count && !bad; i++)
		if (!weights->maps[lm->tensors[i].shard].bytes)
			bad = map_shard(weights, dir, lm->tensors[i].shard);
	if (bad)
		lm_weights_close(weights);
	return bad ? -1 : 0;
}

int lm_weights_open(struct lm_weights *weights, const struct lm *lm, const char *dir)
{
	if (lm_weights_map(weights, lm, dir))
		return -1;
	if (!verify(weights, 1))
		return 0;
	lm_weights_close(weights);
	return -1;
}

void lm_weights_close(struct lm_weights *weights)
{
	for (size_t i = 0; weights->maps && i < weights->lm->shard_count; i++)
		file_map_close(&weights->maps[i]);
	free(weights->maps);
	free(weights->dir);
	*weights = (struct lm_weights){0};
}

int lm_weights_check(const struct lm_weights *weights)
{
	int bad = 0;
	for (size_t i = 0; i < weights->lm->shard_count && !bad; i++) {
		if (!weights->maps[i].bytes)
			continue;
		char *path = path_join(weights->dir, weights->lm->shards[i].name);
		bad = file_map_check(&weights->maps[i], path);
		free(path);
	}
	return bad;
}

const void *lm_weights_bytes(const struct lm_weights *weights, size_t index)
{
	const struct lm_tensor *t = &weights->lm->tensors[index];
	return weights->maps[t->shard].bytes + t->offset;
}
