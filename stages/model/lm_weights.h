/* The weights that an lm object describes, mapped from the checkpoint folder at hand.
 *
 * The folder may have moved since the object was written, and the files in it may have changed: sizes are checked, and
 * every tensor is hashed again (by all threads, at the speed of memory) before what was computed with it is committed.
 */
#ifndef QG_MODEL_LM_WEIGHTS_H
#define QG_MODEL_LM_WEIGHTS_H

#include "common/file.h"
#include "formats/lm.h"

struct lm_weights {
	const struct lm *lm;      /* borrowed */
	char *dir;
	struct file_map *maps;    /* [lm->shard_count]; only shards with tensors of the language model are mapped */
};

/* dir is the checkpoint folder; lm is borrowed until lm_weights_close(). On failure nothing is held. lm_weights_map()
 * hashes nothing: lm_weights_verify() does, by all threads, and may do so while others compute with the weights, whose
 * results count when it is done. lm_weights_open() is both. */
int lm_weights_open(struct lm_weights *weights, const struct lm *lm, const char *dir);
int lm_weights_map(struct lm_weights *weights, const struct lm *lm, const char *dir);
int lm_weights_verify(const struct lm_weights *weights);
void lm_weights_close(struct lm_weights *weights);

/* Fails when a shard was written to or replaced since it was mapped: call it before results are committed. */
int lm_weights_check(const struct lm_weights *weights);

/* First byte of lm->tensors[index]; borrowed until lm_weights_close(). Any alignment: read it through dtype.h. */
const void *lm_weights_bytes(const struct lm_weights *weights, size_t index);

#endif
