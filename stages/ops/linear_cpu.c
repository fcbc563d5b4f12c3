#include "ops/linear.h"

#include "ops/quantize.h"
#include "ops/sgemm.h"

void cpu_linear(dev_f32 *y, const dev_f32 *x, const dev_weight *W, size_t T, size_t in, size_t out, float beta)
{
	sgemm(0, 1, T, out, in, (const float *)x, in, (const float *)W, in, beta, (float *)y, out);
}

void cpu_linear_backward(dev_f32 *dx, const dev_f32 *dy, const dev_weight *W, size_t T, size_t in, size_t out,
	float beta)
{
	sgemm(0, 0, T, in, out, (const float *)dy, out, (const float *)W, in, beta, (float *)dx, in);
}

void cpu_linear_quantized(dev_f32 *y, dev_f32 *scratch, const dev_f32 *x, const dev_weight *W, size_t T, size_t in,
	size_t out, struct quantizer quantizer, float amax, int difference)
{
	cpu_quantize(scratch, x, T, in, quantizer, amax, difference);
	cpu_linear(y, scratch, W, T, in, out, 0);
}
