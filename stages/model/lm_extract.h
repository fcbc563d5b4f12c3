/* From an open checkpoint to the lm object that describes it: every tensor is read once, by all threads, hashed, and
 * searched for NaN and infinity. */
#ifndef QG_MODEL_LM_EXTRACT_H
#define QG_MODEL_LM_EXTRACT_H

#include "common/hash.h"
#include "formats/lm.h"
#include "checkpoint/checkpoint.h"

/* shard_digests[checkpoint->shard_count]: of the whole files. Names in lm are borrowed from the checkpoint. A value
 * that is not finite is refused: the message names file, tensor, element and byte. Free with lm_close(). */
int lm_extract(struct lm *lm, const struct checkpoint *checkpoint, const struct digest *shard_digests);

#endif
