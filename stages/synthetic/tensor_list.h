/* Which tensors a published checkpoint of a shape holds: those of the language model in the order of
 * checkpoint/lm_layout.h, then the vision tower's. */
#ifndef QG_SYNTHETIC_TENSOR_LIST_H
#define QG_SYNTHETIC_TENSOR_LIST_H

#include <stddef.h>

#include "checkpoint/lm_layout.h"
#include "synthetic/shape.h"

enum { TENSOR_RANK_MAX = 5 };

enum tensor_part {
	PART_TABLE,          /* embed_tokens, lm_head */
	PART_LAYER,          /* of the language model: layer and role say which */
	PART_FINAL_NORM,
	PART_VISION_WEIGHT,
	PART_VISION_NORM,    /* the weight of a LayerNorm */
	PART_VISION_BIAS,
};

struct tensor_entry {
	char name[LM_NAME_MAX];
	unsigned rank;
	size_t shape[TENSOR_RANK_MAX];   /* rows first; shape[i] is 1 from rank on */
	enum tensor_part part;
	size_t layer;
	enum lm_role role;
};

struct tensor_list {
	struct tensor_entry *entries;
	size_t count, capacity;
};

/* With a language model of layers layers. */
void tensor_list_make(struct tensor_list *list, const struct model_shape *shape, size_t layers);
void tensor_list_free(struct tensor_list *list);

/* Elements of a tensor; of a row: all dimensions but the first, of rank 1 the whole. */
size_t tensor_elements(const struct tensor_entry *tensor);
size_t tensor_columns(const struct tensor_entry *tensor);

#endif
