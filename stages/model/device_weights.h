/* The weights of the model on the device, one layer at a time. Private to model/.
 *
 * Memory for one layer, for one table of [V, H] (embeddings or lm_head, whichever is needed) and the final norm is
 * taken once. What is asked for again while it is still there is not loaded again: a tied head, the last layer at the
 * turn.
 */
#ifndef QG_MODEL_DEVICE_WEIGHTS_H
#define QG_MODEL_DEVICE_WEIGHTS_H

#include "model/layer.h"

struct device_weights {
	const struct ops *ops;
	const struct lm_config *config;
	const struct model_tensors *tensors;
	struct layer_weights layer;   /* of layer loaded_layer */
	dev_weight *table;            /* [V, H] */
	dev_weight *final_norm;       /* [H] */
	dev_weight *layer_memory;
	size_t loaded_layer;
	const void *loaded_table;     /* its bytes in the checkpoint */
	size_t linear_elements[LINEARS_PER_LAYER];
};

/* All three are borrowed until device_weights_release(). */
void device_weights_init(struct device_weights *weights, const struct ops *ops, const struct lm_config *config,
	const struct model_tensors *tensors);
void device_weights_release(struct device_weights *weights);

/* The device memory it takes. */
size_t device_weights_bytes(const struct ops *ops, const struct lm_config *config);

/* Afterwards weights->layer is that layer. */
void device_weights_load_layer(struct device_weights *weights, size_t layer);

/* Afterwards weights->table is that tensor, tensors->embed or tensors->lm_head. */
void device_weights_load_table(struct device_weights *weights, const struct host_tensor *tensor);

#endif
