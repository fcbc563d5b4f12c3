/* A checkpoint of random weights as a folder in the public format.
 *
 *     make-checkpoint.json                    shape, seed, layers: the folder is ours. First to come, last to go
 *     model.safetensors                       when one file is enough, else
 *     model-0000i-of-0000n.safetensors        tensors in order, a new file when the next would pass the limit, and
 *     model.safetensors.index.json
 *     generation_config.json
 *     tokenizer.json ...                      copied, those of the four that are there
 *     config.json                             last: a folder without it is no checkpoint yet
 *
 * Files are written aside (NAME.part, NAME.PID@HOST.tmp) and renamed. A folder that holds anything else is refused; one of
 * ours is emptied first, so that never a shard of one model stands beside another's. When writing fails, what was
 * written is removed, and so is the folder if it was made here.
 */
#ifndef QG_SYNTHETIC_FOLDER_H
#define QG_SYNTHETIC_FOLDER_H

#include <stddef.h>
#include <stdint.h>

#include "synthetic/shape.h"

/* As published files are cut. */
#define FOLDER_SHARD_BYTES ((uint64_t)5000000000)

struct folder_spec {
	const struct model_shape *shape;
	uint64_t seed;
	size_t layers;             /* of the language model, 1 .. shape->lm.layers */
	const char *tokenizer;     /* a folder that tokenizer_open() takes, all ids below the vocabulary */
	uint64_t shard_bytes;      /* of tensors in a file; a larger tensor gets its own */
};

struct folder_made {
	size_t tensors, shards;
	uint64_t bytes;            /* of the files with weights */
};

/* Checks all it can before the first byte is written, the room on the disk among it. */
int folder_write(const char *dir, const struct folder_spec *spec, struct folder_made *made);

/* Removes what folder_write() has written so far; for signal handlers. */
void folder_interrupt(void);

#endif
