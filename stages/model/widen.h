/* Weights in fp64, as they are or quantized, a few rows at a time: what forward passes in fp64 multiply with. Private
 * to model/. */
#ifndef QG_MODEL_WIDEN_H
#define QG_MODEL_WIDEN_H

#include "model/transformer.h"
#include "ops/ops_f64.h"

/* Rows of a weight of in columns that are quantized before they are widened: a bound of the memory for them. */
size_t widen_slice_rows(size_t in);

/* The largest such slice of any of the linears, in elements of a weight. */
size_t widen_slice_elements(const struct linear_info *linears, size_t count);

/* Rows row0 .. row0+rows-1 of W[,in], quantized unless the quantizer is ELEMENT_NONE, into the same rows of to. amax
 * (host; unread when nothing is quantized) has the maxima of the whole weight, slice room for widen_slice_rows(). */
void widen_rows(const struct ops *ops, dev_f64 *to, const dev_weight *W, size_t in, size_t row0, size_t rows,
	struct quantizer quantizer, const float *amax, dev_weight *slice);

#endif
