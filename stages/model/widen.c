#include "model/widen.h"

static const size_t slice_elements = (size_t)1 << 16;

size_t widen_slice_rows(size_t in)
{
	return in < slice_elements ? slice_elements / in : 1;
}

size_t widen_slice_elements(const struct linear_info *linears, size_t count)
{
	size_t most = slice_elements;
	for (size_t i = 0; i < count; i++)
		most = linears[i].in > most ? linears[i].in : most;
	return most;
}

void widen_rows(const struct ops *ops, dev_f64 *to, const dev_weight *W, size_t in, size_t row0, size_t rows,
	struct quantizer quantizer, const float *amax, dev_weight *slice)
{
	size_t step = widen_slice_rows(in), end = row0 + rows;
	for (size_t row = row0; row < end; row += step) {
		size_t count = end - row < step ? end - row : step;
		const dev_weight *from = weight_at_const(ops, W, row * in);
		if (quantizer.element != ELEMENT_NONE) {
			ops->quantize_weight(slice, from, row, count, in, quantizer, amax, 0);
			from = slice;
		}
		ops->f64->widen_weight(f64_at(to, row * in), from, count * in);
	}
}
