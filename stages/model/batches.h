/* Batches cut from token files, each distinct one once.
 *
 * Sizes whose captions are prefixes of one another share their batches, except a last partial one. Two batches are the
 * same when their ids and boundaries are: then so is everything computed from them.
 */
#ifndef QG_MODEL_BATCHES_H
#define QG_MODEL_BATCHES_H

#include <stddef.h>

#include "formats/tokens.h"
#include "graph/job.h"
#include "model/transformer.h"

struct batch_set {
	struct batch *batches;    /* [count]; own their arrays */
	struct digest *digests;   /* [count] */
	size_t count, capacity;
};

/* Which batches of the set a token file consists of, in its order. No index comes twice: a file that repeats itself has
 * equal batches under different indices, so that each counts. */
struct batch_list {
	size_t *index;            /* [count] */
	size_t count;
};

/* Opens the tokens that an input of a job names; one that is damaged is discarded (job_input_discard()). -1 after fail(). */
int tokens_open_input(struct tokens *tokens, const struct job *job, const struct job_input *input);

/* Cuts tokens into batches of batch_size sequences (the last may have fewer) and adds those the set lacks. Fails when
 * an id is not below vocab_size or a sequence is longer than sequence_max. list_release frees. */
int batch_set_add(struct batch_set *set, const struct tokens *tokens, size_t batch_size, const struct lm_config *config,
	struct batch_list *list);
void batch_list_release(struct batch_list *list);
void batch_set_release(struct batch_set *set);

#endif
