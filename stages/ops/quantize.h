/* The quantizer operations of the table (ops.h says what each computes); the CPU instance.
 *
 * On the CPU dev_f32 and dev_weight are arrays of float. The element functions are those of fake_quant.h; here is which
 * elements share a maximum, and the sums over what quantization changed.
 */
#ifndef QG_OPS_QUANTIZE_H
#define QG_OPS_QUANTIZE_H

#include "ops/ops.h"

void cpu_amax(dev_f32 *amax, const dev_f32 *x, size_t count);
void cpu_weight_amax(float *amax, const dev_weight *W, size_t out, size_t in, struct quantizer quantizer);
void cpu_quantize(dev_f32 *to, const dev_f32 *x, size_t rows, size_t cols, struct quantizer quantizer, float amax,
	int difference);
void cpu_quantize_weight(dev_weight *to, const dev_weight *W, size_t row0, size_t rows, size_t in,
	struct quantizer quantizer, const float *amax, int difference);
void cpu_weight_error(dev_f64 *sums, const dev_weight *q, const dev_weight *W, size_t count);
void cpu_input_error(dev_f64 *sums, const dev_f32 *x, struct packing packing, size_t cols, struct quantizer quantizer,
	float amax);
void cpu_output_error(dev_f64 *sums, const dev_f32 *d, const dev_f32 *e, const dev_f32 *g, const dev_f32 *y, size_t T,
	size_t cols, size_t stride, size_t col0);

void cuda_amax(dev_f32 *amax, const dev_f32 *x, size_t count);
void cuda_weight_amax(float *amax, const dev_weight *W, size_t out, size_t in, struct quantizer quantizer);
void cuda_quantize(dev_f32 *to, const dev_f32 *x, size_t rows, size_t cols, struct quantizer quantizer, float amax,
	int difference);
void cuda_quantize_weight(dev_weight *to, const dev_weight *W, size_t row0, size_t rows, size_t in,
	struct quantizer quantizer, const float *amax, int difference);
void cuda_weight_error(dev_f64 *sums, const dev_weight *q, const dev_weight *W, size_t count);
void cuda_input_error(dev_f64 *sums, const dev_f32 *x, struct packing packing, size_t cols, struct quantizer quantizer,
	float amax);
void cuda_output_error(dev_f64 *sums, const dev_f32 *d, const dev_f32 *e, const dev_f32 *g, const dev_f32 *y, size_t T,
	size_t cols, size_t stride, size_t col0);

#endif
