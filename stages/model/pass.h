/* One pass over a list of batches: their tokens and residual streams on the device, and the memory that runs of batches
 * work in. Private to model/.
 *
 *     pass_open(&pass, ...);
 *     room_open(&room, &pass, VISIBLE, ALL, LIMIT);
 *     for (b = 0; b < pass.count; b += room.count) {
 *             room_begin(&room, b);      a run: batches room.first .. room.first + room.count - 1
 *             ...                        pieces: room_scratch(&room, batch, worker), then work on pass.frames[batch]
 *     }
 *     room_close(&room);
 *     pass_close(&pass);
 */
#ifndef QG_MODEL_PASS_H
#define QG_MODEL_PASS_H

#include "model/layer.h"

/* Token data of a batch on the device. */
struct tokens {
	dev_i32 *ids;
	dev_i32 *position;   /* within the sequence */
	dev_i32 *label;      /* the next token; -1 at the last of a sequence */
};

struct pass {
	const struct ops *ops;
	const struct lm_config *config;
	const struct batch *batches;
	size_t count;
	size_t longest;          /* tokens of the largest batch */
	struct tokens *tokens;   /* [count] */
	struct frame *frames;    /* [count] of the run at hand */
	size_t *rows;            /* [count] tokens */
	dev_i32 *token_memory;
	size_t *offset;          /* [count + 1] floats before a batch within a level */
	dev_f32 *levels;         /* [level_count][offset[count]] */
	size_t level_count;
};

/* The three of a batch's tokens, [tokens] each, on the host; what is not below vocab is a bug of the caller. */
void batch_tokens(int32_t *ids, int32_t *position, int32_t *label, const struct batch *batch, size_t vocab);

/* Checks and uploads the tokens; the streams are not filled. The batches are borrowed until pass_close(). */
void pass_open(struct pass *pass, const struct ops *ops, const struct lm_config *config, const struct batch *batches,
	size_t count, size_t levels);
void pass_close(struct pass *pass);

/* The device memory of the tokens of so many batches. */
size_t pass_token_bytes(const struct batch *batches, size_t count);

/* The residual stream [tokens, H] of a batch at a level: in front of layer 0, 1, ... The levels are used in turn. */
dev_f32 *pass_stream(const struct pass *pass, size_t batch, size_t level);

/* Memory of one part of the model (the layers, or lm_head). */
struct room {
	struct pass *pass;
	unsigned visible;        /* slots that are kept for a run */
	unsigned scratch;        /* slots that a worker needs for the batch it is at */
	size_t limit;            /* floats of a run, unless it is one batch */
	dev_f32 *run_memory;
	dev_f32 *scratch_memory;
	size_t scratch_floats;
	size_t first, count;     /* the run at hand */
};

/* limit_bytes bounds the visible slots of a run. */
void room_open(struct room *room, struct pass *pass, unsigned visible, unsigned all, size_t limit_bytes);
void room_close(struct room *room);

/* Starts the run that begins with a batch, and gives the visible slots of its batches their places. */
void room_begin(struct room *room, size_t first);

/* Gives the other slots of a batch their places, in the worker's memory. */
void room_scratch(const struct room *room, size_t batch, size_t worker);

#endif
