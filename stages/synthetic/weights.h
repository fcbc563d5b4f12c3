/* The values of random weights, scaled so that the model computes something and formats can be told apart.
 *
 * An element is a function of (seed, shape, name of its tensor, index): of neither the number of layers written nor of
 * threads. value = (center + spread * g) * row * column, with g of synthetic/noise.h and
 *
 *     linears        center 0, spread 1 / sqrt(sum of squares of an input row): unit outputs. o_proj and down_proj,
 *                    which write into the residual stream, are divided by sqrt(2 L), L that of the whole model: what
 *                    all layers add is about a unit, and drowns the embedding (deviation 1 / sqrt(H)) as in a trained
 *                    model. Each tensor is scaled by its own level from 0.6 to 1.6, each row by 0.7 to 1.4, each
 *                    column by 0.8 to 1.25: finer granularities are worth something
 *     norms          center 1, spread 0.15; q_norm and k_norm around 1.3, the last one around 2: attention is not flat,
 *                    logits are a few units wide
 *     residual       a few channels of the residual stream, the same in all layers (massive activations): their rows of
 *                    down_proj are 10 to 60 times larger, less so in some layers, and the norms damp them to 5 to 40 %,
 *                    differently in every layer
 *     norm outliers  two channels with the same place in all layers, and some of the layer's own: norm weights of 3 to
 *                    20, in every third layer of 10 to 40. What linears see there is that much larger than the rest
 *     inner          a few rows of up_proj: 2 to 6 times larger, in every fourth layer 10 to 60 times. Inputs of
 *                    down_proj
 *
 * "every third" means by lot, a chance of one in three. So per-tensor activation formats lose what is between the
 * outliers and the rest, and layers differ by how much. The vision tower is never run; it is plain noise of like scale.
 */
#ifndef QG_SYNTHETIC_WEIGHTS_H
#define QG_SYNTHETIC_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

#include "synthetic/shape.h"
#include "synthetic/tensor_list.h"

/* to[i] = element first + i, i < count, as bf16. Any thread, any part. */
void weights_fill(const struct model_shape *shape, uint64_t seed, const struct tensor_entry *tensor, size_t first,
	size_t count, uint16_t *to);

#endif
