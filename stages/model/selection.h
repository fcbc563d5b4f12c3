/* The batches that any of several sets names, each once, in rising order: what a pass over the model has to run. */
#ifndef QG_MODEL_SELECTION_H
#define QG_MODEL_SELECTION_H

#include "model/transformer.h"

struct selection {
	struct batch *batches;  /* [count] chosen; their arrays stay the caller's */
	size_t *index;          /* [count] which batch of all it is */
	size_t *place;          /* [all] its place among the chosen; meaningless for the others */
	size_t count, all;
	unsigned char *named;   /* [all] */
};

void selection_init(struct selection *s, size_t all);
void selection_release(struct selection *s);

/* Names batches; each index is below all. */
void selection_add(struct selection *s, const size_t *index, size_t count);

/* Fills in what was chosen, after the last selection_add(). batches has all of them. */
void selection_finish(struct selection *s, const struct batch *batches);

#endif
