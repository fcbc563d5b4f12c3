/* Writes a small random checkpoint folder in the public format, for tests: config.json, one safetensors file or shards
 * with an index, and a tokenizer.json copied from elsewhere. Equal specs give equal bytes on every machine: the numbers
 * come from a counter, not from a generator with a state, and no mathematical function is called.
 *
 * Weights are scaled so that the model computes something: about unit activations, logits a few units wide.
 */
#ifndef QG_TESTS_MAKE_CHECKPOINT_H
#define QG_TESTS_MAKE_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "common/dtype.h"

enum rope_spelling {
	ROPE_V4,      /* qwen3_vl: rope_theta beside rope_scaling in text_config */
	ROPE_V5,      /* qwen3_vl: rope_parameters in text_config */
	ROPE_PLAIN,   /* qwen3: a flat file, rope_theta, rope_scaling null */
};

/* Where the tensors stand, in the order in which readers try the prefixes. */
enum name_prefix {
	PREFIX_PUBLISHED,   /* model.language_model.   lm_head.                  model.visual. */
	PREFIX_CONVERTED,   /* language_model.model.   language_model.lm_head.   vision_tower. */
	PREFIX_INNER,       /* language_model.         lm_head.                  visual. */
	PREFIX_PLAIN,       /* model.                  lm_head.                  visual. */
	PREFIX_BARE,        /* nothing; no vision tower */
};

struct checkpoint_spec {
	size_t hidden, layers, heads, kv_heads, head_dim, intermediate, vocab;
	size_t max_positions;        /* 0: 4096 */
	int tied;
	int stored_head;             /* write lm_head.weight although tied */
	int vision;                  /* write a small vision tower of one block */
	int misaligned;              /* an odd length of the header: no tensor is aligned */
	size_t shards;               /* 0 or 1: one file without index */
	enum rope_spelling rope;
	enum name_prefix prefix;
	enum dtype dtype;            /* F32, F16 or BF16; DTYPE_BOOL (0) stands for BF16 */
	uint64_t seed;
	size_t outliers;             /* hidden channels whose norm weights are 16 times the others' */
	const char *tokenizer;       /* folder with a tokenizer.json whose ids are below vocab; NULL: none is written */
};

/* Creates dir. Returns -1 after fail(). */
int make_checkpoint(const char *dir, const struct checkpoint_spec *spec);

#endif
