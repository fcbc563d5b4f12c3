/* The shapes of published models, by name, and the config.json that says them.
 *
 * Sources of the numbers: the published config.json files. Instruct and Thinking variants of a size share them. The
 * models/qwen3_vl_demo of this project is among them, for tests: every other has 151936 words.
 */
#ifndef QG_SYNTHETIC_SHAPE_H
#define QG_SYNTHETIC_SHAPE_H

#include <stddef.h>

#include "checkpoint/lm_config.h"

enum { DEEPSTACK_MAX = 3 };

/* The vision tower: a transformer of its own, and mergers of 2 x 2 patches into the language model's width. */
struct vision_shape {
	size_t depth;                        /* blocks */
	size_t width;                        /* D */
	size_t inner;                        /* of a block's MLP */
	size_t heads;
	size_t out;                          /* hidden_size of the language model */
	size_t positions;                    /* rows of pos_embed */
	size_t deepstack[DEEPSTACK_MAX];     /* blocks whose output reaches the language model early; a merger each */
	size_t deepstack_count;
};

/* What all sizes have in common. A patch is 3 channels x 2 frames x 16 x 16 pixels. */
enum { VISION_CHANNELS = 3, VISION_FRAMES = 2, VISION_PATCH = 16, VISION_MERGE = 2 };

struct model_shape {
	const char *name;             /* what --like calls it */
	struct lm_config lm;
	size_t mrope[3];              /* frequencies of time, height and width: head_dim / 2 together */
	struct vision_shape vision;
	int bos, eos, vision_start, vision_end, image, video;   /* token ids; bos -1: none */
};

/* Borrowed, static; NULL after fail() with the nearest name. */
const struct model_shape *model_shape_find(const char *name);

/* "a, b, c"; the caller frees. */
char *model_shape_names(void);

/* The text of config.json for the shape with a language model of layers layers, and of generation_config.json. The
 * caller frees. */
char *model_shape_config(const struct model_shape *shape, size_t layers);
char *model_shape_generation(const struct model_shape *shape);

#endif
