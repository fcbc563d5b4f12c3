/* The distinct weight quantizers of several requests: those with equal maxima share a quantized weight. */
#ifndef QG_MODEL_WEIGHT_VARIANTS_H
#define QG_MODEL_WEIGHT_VARIANTS_H

#include "model/transformer.h"

struct weight_variant {
	struct quantizer quantizer;
	float *const *amax;         /* [linears][quantizer_amax_count()], borrowed */
};

/* The index of quantizer and amax among the count variants of a list, added at its end (and counted) when new. */
size_t weight_variant_find(struct weight_variant *list, size_t *count, const struct linear_info *linears,
	size_t linear_count, struct quantizer quantizer, float *const *amax);

#endif
