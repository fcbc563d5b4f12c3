/* The layers of a vision tower that a quantizer would wrap, found by the names and shapes in the headers alone: weights
 * of rank 2 and more, but for embeddings. */
#ifndef QG_CHECKPOINT_VISION_LIST_H
#define QG_CHECKPOINT_VISION_LIST_H

#include "checkpoint/checkpoint.h"

/* Fills *linear when the tensor is such a weight and returns 1; linear->name is then the caller's to free. Returns 0
 * when it is not. name is what follows the prefix of the tower. */
int vision_list_take(struct checkpoint_vision *linear, const char *name, const struct safetensors_tensor *tensor);

/* Into module order: patch_embed, blocks by number (attn.qkv, attn.proj, mlp), merger, deepstack_merger_list by number,
 * then whatever else there is by name. */
void vision_list_sort(struct checkpoint_vision *list, size_t count);

#endif
