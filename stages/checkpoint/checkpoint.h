/* A checkpoint folder: config.json and model.safetensors, or the shards that model.safetensors.index.json lists.
 *
 * checkpoint_open() picks the language model's tensors out of it and checks each: present, of a type weights may have,
 * of the shape that the config asks for. Names may carry any of five prefixes found in practice; the prefix is chosen
 * once, by where embed_tokens.weight is. The vision tower is never read beyond the headers. A tensor that belongs to
 * neither is an error: it is the sign of another architecture, or of quantized weights.
 *
 * Weights stay in the files: a tensor is an extent of a mapped shard, at any alignment (dtype.h reads it). Their values
 * are not looked at here; NaN and infinity are found by whoever reads them all (extract-lm).
 */
#ifndef QG_CHECKPOINT_CHECKPOINT_H
#define QG_CHECKPOINT_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "common/dtype.h"
#include "checkpoint/lm_config.h"
#include "checkpoint/safetensors.h"

struct checkpoint_shard {
	char *name;                /* file name in the folder */
	uint64_t size;             /* bytes */
	struct safetensors file;   /* path, map */
};

struct checkpoint_tensor {
	char *name;                /* canonical, see lm_layout.h */
	const char *stored_name;   /* as in the file; borrowed from the shard */
	enum dtype dtype;          /* F32, F16 or BF16 */
	unsigned rank;             /* 1 or 2 */
	uint64_t shape[2];         /* shape[1] is 1 when rank is 1 */
	size_t shard;              /* index into shards */
	uint64_t offset;           /* bytes from the start of the shard */
	uint64_t bytes;
};

/* A layer of the vision tower with a weight matrix. It is not searched, but manifests list it. */
struct checkpoint_vision {
	char *name;                /* canonical module name: "model.visual.blocks.0.attn.qkv" */
	const char *kind;          /* "Linear", "Conv1d", "Conv2d" or "Conv3d"; static */
	uint64_t out_features;
	uint64_t in_features;      /* of a convolution: channels times kernel */
};

struct checkpoint {
	char *dir;
	struct lm_config config;             /* tied is 0 or 1 */
	struct checkpoint_shard *shards;     /* sorted by name */
	size_t shard_count;
	struct checkpoint_tensor *tensors;   /* [lm_layout_count(config)], in the order of lm_layout.h */
	size_t tensor_count;
	struct checkpoint_vision *vision;    /* in module order: patch_embed, blocks, merger, deepstack_merger_list */
	size_t vision_count;
};

/* On failure nothing is held. */
int checkpoint_open(struct checkpoint *checkpoint, const char *dir);

/* Unmaps the shards; everything borrowed is dead. May be called on a zeroed structure. */
void checkpoint_close(struct checkpoint *checkpoint);

/* The tensor's first byte, mapped; borrowed until checkpoint_close(). Any alignment. */
const unsigned char *checkpoint_bytes(const struct checkpoint *checkpoint, const struct checkpoint_tensor *tensor);

/* The names of the files in dir that checkpoint_open() depends on: config.json, the index if there is one, the shards
 * sorted by name. Reads config.json and the index only, and checks that each file named is there. The caller frees each
 * name and the array. */
int checkpoint_files(const char *dir, char ***names, size_t *count);

#endif
