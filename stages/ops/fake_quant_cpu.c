#include "ops/fake_quant.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* Loops here are straight-line per element so that the compiler makes vectors of them; every operation is one IEEE fp32
 * operation, so the bits are the same with vectors and without. Comparisons are written so that NaN takes the branch
 * that keeps it. */

/* Below this a set counts as all zeros. */
#define AMAX_TINY 0x1p-24f

#define E4M3_MAX 448.0f
#define E4M3_MIN_NORMAL 0x1p-6f
#define E2M1_MAX 6.0f
#define E2M1_MIN_NORMAL 1.0f

/* 1 / (6 * 448), rounded to fp32: the definition multiplies by it. Dividing by 2688 moves scores by up to 1.6 %. */
#define FP4_GLOBAL 0x1.861862p-12f

static inline uint32_t bits_of(float x)
{
	uint32_t u;
	memcpy(&u, &x, sizeof u);
	return u;
}

static inline float float_of(uint32_t u)
{
	float x;
	memcpy(&x, &u, sizeof x);
	return x;
}

static inline float with_sign_of(float magnitude, float x)
{
	return float_of(bits_of(magnitude) | (bits_of(x) & 0x80000000u));
}

static inline float magnitude_of(float x)
{
	return float_of(bits_of(x) & 0x7fffffffu);
}

/* Rounds |x| to a binary format of few mantissa bits, nearest even, saturating at most, subnormals below least (a power
 * of two) included. Adding a power of two whose last place is the format's step lets the adder do the rounding: no
 * table, no branch. up is 23 minus the mantissa bits. A tie goes to an even multiple of the step, the even code.
 *
 * Limits are taken of the bits, which order as magnitudes do: gcc 12 makes a branch of a float comparison around an
 * addition, and then no vectors. An integer limit loses NaN, so it is put back. */
static inline float round_magnitude(float x, float least, float most, int32_t up)
{
	const int32_t exponent_mask = 0x7f800000, quiet_nan = 0x7fc00000;
	int32_t a = (int32_t)(bits_of(x) & 0x7fffffffu), low = (int32_t)bits_of(least), high = (int32_t)bits_of(most);
	int32_t nan = a > exponent_mask ? quiet_nan : 0;
	a = a > high ? high : a;
	int32_t exponent = a & exponent_mask;
	exponent = exponent < low ? low : exponent;
	float magic = float_of((uint32_t)(exponent + (up << 23)));
	float rounded = (float_of((uint32_t)a) + magic) - magic;
	return float_of(bits_of(rounded) | (uint32_t)nan);
}

static inline float e4m3(float x)
{
	return with_sign_of(round_magnitude(x, E4M3_MIN_NORMAL, E4M3_MAX, 20), x);
}

static inline float e2m1(float magnitude)
{
	return round_magnitude(magnitude, E2M1_MIN_NORMAL, E2M1_MAX, 22);
}

float round_e4m3(float x)
{
	return e4m3(x);
}

float round_e2m1(float magnitude)
{
	return e2m1(magnitude);
}

/* Clamping before rounding gives what clamping after it does, lo and hi being integers, and keeps the sum exact. */
static inline float int_element(float x, float s, float lo, float hi)
{
	const float magic = 0x1.8p23f;
	float v = x * s;
	v = v < lo ? lo : v;
	v = v > hi ? hi : v;
	return ((v + magic) - magic) / s;
}

static inline float zero_element(float x)
{
	return x != x ? x : 0.0f;
}

static float int_high(enum element element)
{
	return element == ELEMENT_INT8 ? 127.0f : 7.0f;
}

size_t quantizer_amax_count(struct quantizer quantizer, size_t out, size_t in)
{
	if (quantizer.element == ELEMENT_NONE)
		return 0;
	switch (quantizer.scale) {
	case SCALE_TENSOR:
		return 1;
	case SCALE_ROW:
		return out;
	case SCALE_COLUMN:
		return in;
	case SCALE_BLOCK:
		assert(quantizer.block > 0);
		return quantizer.element == ELEMENT_FP4;
	case SCALE_TOKEN:
		break;
	}
	return 0;
}

static void int_run(float *restrict to, const float *restrict x, size_t count, float hi, float amax)
{
	const float lo = -hi - 1, s = hi / amax;
	if (amax < AMAX_TINY) {
		for (size_t i = 0; i < count; i++)
			to[i] = zero_element(x[i]);
		return;
	}
	for (size_t i = 0; i < count; i++)
		to[i] = int_element(x[i], s, lo, hi);
}

static void fp8_run(float *restrict to, const float *restrict x, size_t count, float amax)
{
	const float s = E4M3_MAX / (amax <= AMAX_TINY ? 1.0f : amax), inverse = 1.0f / s;
	for (size_t i = 0; i < count; i++)
		to[i] = e4m3(x[i] * s) * inverse;
}

void fake_quant_run(float *to, const float *x, size_t count, enum element element, float amax)
{
	assert(element != ELEMENT_FP4);
	if (element == ELEMENT_NONE)
		memcpy(to, x, count * sizeof *x);
	else if (element == ELEMENT_FP8)
		fp8_run(to, x, count, amax);
	else
		int_run(to, x, count, int_high(element), amax);
}

/* Columns are taken TILE at a time: choosing the scales in a loop of their own lets both loops become vectors. */
enum { TILE = 256 };

static void int_each(float *restrict to, const float *restrict x, size_t count, float hi, const float *restrict amax)
{
	const float lo = -hi - 1;
	float a[TILE], keep[TILE];
	for (size_t i = 0; i < count; i++)
		a[i] = amax[i] < AMAX_TINY ? 1.0f : amax[i];
	for (size_t i = 0; i < count; i++)
		keep[i] = amax[i] < AMAX_TINY ? 0.0f : 1.0f;
	for (size_t i = 0; i < count; i++)
		to[i] = int_element(x[i] * keep[i], hi / a[i], lo, hi);
}

static void fp8_each(float *restrict to, const float *restrict x, size_t count, const float *restrict amax)
{
	float a[TILE];
	for (size_t i = 0; i < count; i++)
		a[i] = amax[i] <= AMAX_TINY ? 1.0f : amax[i];
	for (size_t i = 0; i < count; i++) {
		float s = E4M3_MAX / a[i];
		to[i] = e4m3(x[i] * s) * (1.0f / s);
	}
}

void fake_quant_each(float *to, const float *x, size_t count, enum element element, const float *amax)
{
	assert(element != ELEMENT_FP4);
	if (element == ELEMENT_NONE)
		memcpy(to, x, count * sizeof *x);
	else
		for (size_t i = 0; i < count; i += TILE) {
			size_t n = count - i < TILE ? count - i : TILE;
			if (element == ELEMENT_FP8)
				fp8_each(to + i, x + i, n, amax + i);
			else
				int_each(to + i, x + i, n, int_high(element), amax + i);
		}
}

float fake_quant_amax(const float *x, size_t count)
{
	/* Without its sign a float orders as its bits do; integers, because a maximum of floats is not made into vectors. */
	int32_t largest = 0;
	for (size_t i = 0; i < count; i++) {
		int32_t u = (int32_t)(bits_of(x[i]) & 0x7fffffffu);
		largest = u > largest ? u : largest;
	}
	return float_of((uint32_t)largest);
}

/* S of a block with maximum B under the global scale G. */
static inline float fp4_block_scale(float B, float G)
{
	if (!(G != 0.0f))
		return 0.0f;
	float r = B / (6.0f * G);
	return e4m3(r > E4M3_MAX ? E4M3_MAX : r) * G;
}

static inline void fp4_block(float *restrict to, const float *restrict x, size_t count, float G)
{
	float S = fp4_block_scale(fake_quant_amax(x, count), G);
	if (S == 0.0f) {
		for (size_t i = 0; i < count; i++)
			to[i] = zero_element(x[i]);
		return;
	}
	for (size_t i = 0; i < count; i++)
		to[i] = with_sign_of(e2m1(magnitude_of(x[i]) / S) * S, x[i]);
}

void fake_quant_fp4(float *to, const float *x, size_t count, size_t block, float A)
{
	const float G = A * FP4_GLOBAL;
	size_t i = 0;
	assert(block > 0);
	if (block == 16) /* the common size, with a length the compiler knows */
		for (; count - i >= 16; i += 16)
			fp4_block(to + i, x + i, 16, G);
	for (; i < count; i += block)
		fp4_block(to + i, x + i, count - i < block ? count - i : block, G);
}
