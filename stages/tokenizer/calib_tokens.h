/* Captions as calibration tokens: unpadded ids with the boundaries of the sequences.
 *
 *     ids    the first min(length, max_tokens) ids of each caption, one after the other
 *     start  sequence i is ids[start[i] .. start[i + 1])
 *
 * One caption is one sequence, in file order, so that a prefix of the captions gives a prefix of the tokens. No
 * sequence is empty. One of a single token has no target to predict, which is legal.
 */
#ifndef QG_TOKENIZER_CALIB_TOKENS_H
#define QG_TOKENIZER_CALIB_TOKENS_H

#include <stddef.h>
#include <stdint.h>

#include "tokenizer/captions.h"
#include "tokenizer/tokenizer.h"

struct calib_tokens {
	int32_t *ids;     /* [tokens] */
	int32_t *start;   /* [sequences + 1], start[0] = 0, start[sequences] = tokens */
	size_t sequences;
	size_t tokens;    /* below 2^31 */
	size_t truncated; /* sequences that max_tokens cut */
};

/* Encodes captions that were read from path, which errors name. max_tokens is at least 1. calib_tokens_release() frees
 * after a success. */
int calib_tokens_encode(struct calib_tokens *c, const struct tokenizer *tokenizer, const struct captions *captions,
	const char *path, size_t max_tokens);
void calib_tokens_release(struct calib_tokens *c);

#endif
