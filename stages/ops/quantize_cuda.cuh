/* The elements of activation and weight quantizers on the device. Private to the .cu files here. */
#ifndef QG_OPS_QUANTIZE_CUDA_CUH
#define QG_OPS_QUANTIZE_CUDA_CUH

#include "ops/cuda.cuh"

/* ---- rounding ----
 * The arithmetic of fake_quant_cpu.c, operation by operation, so that results are the same bit for bit (but for which
 * NaN a NaN is); why it is done so stands there. The intrinsics are IEEE operations that no compiler flag changes. */

#define AMAX_TINY 0x1p-24f
#define E4M3_MAX 448.0f
#define E4M3_MIN_NORMAL 0x1p-6f

static __device__ inline float with_sign_of(float magnitude, float x)
{
	return __int_as_float(__float_as_int(magnitude) | (__float_as_int(x) & (int)0x80000000));
}

static __device__ inline float round_magnitude(float x, float least, float most, int up)
{
	const int exponent_mask = 0x7f800000, quiet_nan = 0x7fc00000;
	int a = magnitude_bits(x);
	const int nan = a > exponent_mask ? quiet_nan : 0;
	a = min(a, __float_as_int(most));
	const int exponent = max(a & exponent_mask, __float_as_int(least));
	const float magic = __int_as_float(exponent + (up << 23));
	const float rounded = __fsub_rn(__fadd_rn(__int_as_float(a), magic), magic);
	return __int_as_float(__float_as_int(rounded) | nan);
}

static __device__ inline float e4m3(float x)
{
	return with_sign_of(round_magnitude(x, E4M3_MIN_NORMAL, E4M3_MAX, 20), x);
}

static __device__ inline float int_code(float x, float s, float lo, float hi)
{
	const float magic = 0x1.8p23f;
	float v = __fmul_rn(x, s);
	v = v < lo ? lo : v;
	v = v > hi ? hi : v;
	return __fsub_rn(__fadd_rn(v, magic), magic);
}

static __device__ inline float zero_element(float x)
{
	return x != x ? x : 0.0f;
}

/* A scale, made once for all elements that share it. */
struct scaling {
	int element;     /* enum element */
	float s, inverse, high;
	int zero;        /* INT with an amax that counts as 0 */
};

static __device__ inline struct scaling scaling_of(int element, float amax)
{
	struct scaling q = {element, 0, 0, element == ELEMENT_INT8 ? 127.0f : 7.0f, 0};
	if (element == ELEMENT_FP8) {
		q.s = __fdiv_rn(E4M3_MAX, amax <= AMAX_TINY ? 1.0f : amax);
		q.inverse = __fdiv_rn(1.0f, q.s);
	} else if (element != ELEMENT_NONE) {
		q.zero = amax < AMAX_TINY;
		q.s = __fdiv_rn(q.high, amax);
	}
	return q;
}

static __device__ inline float quantized(float x, struct scaling q)
{
	if (q.element == ELEMENT_NONE)
		return x;
	if (q.element == ELEMENT_FP8)
		return __fmul_rn(e4m3(__fmul_rn(x, q.s)), q.inverse);
	return q.zero ? zero_element(x) : __fdiv_rn(int_code(x, q.s, -q.high - 1, q.high), q.s);
}

/* The number of at most 8 bits that a scale makes the quantized element of. */
static __device__ inline float code(float x, struct scaling q)
{
	if (q.element == ELEMENT_FP8)
		return e4m3(__fmul_rn(x, q.s));
	return q.zero ? zero_element(x) : int_code(x, q.s, -q.high - 1, q.high);
}

static __device__ inline float result(float q, float x, int difference)
{
	return difference ? __fsub_rn(q, x) : q;
}

#endif
