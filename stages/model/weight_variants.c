#include "model/weight_variants.h"

#include <string.h>

#include "quant/quantizer.h"

static int same_amax(const struct linear_info *linears, size_t linear_count, struct quantizer q, float *const *a,
	float *const *b)
{
	for (size_t i = 0; i < linear_count && a != b; i++) {
		size_t count = quantizer_amax_count(q, linears[i].out, linears[i].in);
		if (a[i] != b[i] && memcmp(a[i], b[i], count * sizeof **a))
			return 0;
	}
	return 1;
}

size_t weight_variant_find(struct weight_variant *list, size_t *count, const struct linear_info *linears,
	size_t linear_count, struct quantizer quantizer, float *const *amax)
{
	for (size_t w = 0; w < *count; w++)
		if (quantizer_equal(list[w].quantizer, quantizer) &&
			same_amax(linears, linear_count, quantizer, list[w].amax, amax))
			return w;
	list[*count] = (struct weight_variant){quantizer, amax};
	return (*count)++;
}
