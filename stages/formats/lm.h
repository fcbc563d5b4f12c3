/* lm: the language model of a checkpoint, as a table. See lm.md. The weights stay in the checkpoint.
 *
 * The identity of the object covers config, tensors (name, dtype, shape, content) and vision linears, but not where in
 * which shard a tensor lies, nor what else the shards hold: a checkpoint that was only cut into other shards leads to
 * the same results.
 */
#ifndef QG_FORMATS_LM_H
#define QG_FORMATS_LM_H

#include <stddef.h>
#include <stdint.h>

#include "common/dtype.h"
#include "common/hash.h"
#include "formats/object.h"
#include "checkpoint/lm_config.h"

enum { LM_SHARDS_MAX = 1000, LM_VISION_MAX = 1 << 16 };

struct lm_tensor {
	const char *name;        /* canonical, see checkpoint/lm_layout.h */
	enum dtype dtype;        /* F32, F16 or BF16 */
	unsigned rank;           /* 1 or 2 */
	uint64_t shape[2];       /* shape[1] is 1 when rank is 1 */
	size_t shard;            /* index into shards */
	uint64_t offset;         /* bytes from the start of the shard; any alignment */
	uint64_t bytes;
	struct digest digest;    /* of these bytes, see model/lm_pieces.h */
};

/* A layer of the vision tower with a weight matrix: listed in manifests, not searched. */
struct lm_vision {
	const char *name;        /* module name: "model.visual.blocks.0.attn.qkv" */
	const char *kind;        /* "Linear", "Conv1d", "Conv2d" or "Conv3d" */
	uint64_t out_features;
	uint64_t in_features;    /* of a convolution: channels times kernel */
};

struct lm_shard {
	const char *name;        /* file name in the checkpoint folder */
	uint64_t size;           /* bytes */
	struct digest digest;    /* of the file when it was read */
};

struct lm {
	struct lm_config config;      /* checked; tied is 0 or 1 */
	struct lm_tensor *tensors;    /* [tensor_count] in the order of checkpoint/lm_layout.h, exactly its names and shapes */
	size_t tensor_count;
	struct lm_vision *vision;     /* in module order */
	size_t vision_count;
	struct lm_shard *shards;      /* sorted by name */
	size_t shard_count;
	struct object object;         /* owner of the names when read; zero when made by hand */
};

/* Makes the object to write; nothing of lm is borrowed by w. The caller releases w. */
void lm_describe(const struct lm *lm, struct object_writer *w);

/* Writes lm. Digests and size as object_write. */
int lm_write(const struct lm *lm, const char *path, struct digest *content, struct digest *identity, size_t *size);

/* Opens and checks everything said above. expected may be NULL. Names are borrowed until lm_close(). */
int lm_open(struct lm *lm, const char *path, const struct digest *expected);

/* Frees what lm_open() or lm_extract() made; may be called on a zeroed structure. */
void lm_close(struct lm *lm);

#endif
