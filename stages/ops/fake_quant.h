/* Fake quantization: round a tensor to a numeric format and back.
 *
 * The definition, in fp32 with IEEE division and round half to even, per element x with the amax of its set:
 *
 *     INT (b bits)  amax < 2^-24: y = 0.  else s = hi/amax; q = clamp(rint(x*s), lo, hi); y = q/s;  hi 127 or 7,
 *                   lo -hi-1
 *     FP8 E4M3      a = amax <= 2^-24 ? 1 : amax; s = 448/a; y = E4M3(x*s) * (1/s), saturating at +-448
 *     FP4 E2M1      two levels: G = A * fl(1/2688) for the whole tensor (A its amax), per block of N consecutive
 *                   elements of a row (the last may be shorter) with B its own amax: e = E4M3(min(B/(6G), 448)),
 *                   S = e*G; y = E2M1(|x|/S) * S with the sign of x; zeros when S is 0. No floor on S.
 *
 * NaN stays NaN. Results are fp32, not rounded to bf16: what a kernel would multiply is the exact grid point.
 *
 * Which elements share an amax, and the layout of a weight's amax array (quantizer_amax_count() floats):
 *
 *     SCALE_TENSOR   all                                         [1]
 *     SCALE_ROW      an output channel, one row of W             [out]
 *     SCALE_COLUMN   an input channel, one column of W           [in]
 *     SCALE_BLOCK    block consecutive elements of a row, the    none; FP4: [1], of the whole tensor
 *                    last of a row maybe short; found on the
 *                    fly: of a 4B model in blocks of 128 they
 *                    are 126 MB, and faster made than read
 *     SCALE_TOKEN    a row of an activation, found on the fly    none
 */
#ifndef QG_OPS_FAKE_QUANT_H
#define QG_OPS_FAKE_QUANT_H

#include <stddef.h>

enum element {
	ELEMENT_NONE, /* not quantized: values pass unchanged */
	ELEMENT_INT8,
	ELEMENT_INT4,
	ELEMENT_FP8,  /* E4M3 */
	ELEMENT_FP4,  /* E2M1 with E4M3 block scales and one fp32 scale: NVFP4 */
};

enum scale {
	SCALE_TENSOR,
	SCALE_ROW,
	SCALE_COLUMN,
	SCALE_BLOCK,
	SCALE_TOKEN,
};

/* A resolved quantizer: all that decides what it computes. Compare with quantizer_equal() (quant/quantizer.h). */
struct quantizer {
	enum element element;
	enum scale scale;
	size_t block; /* elements of a block; 0 unless scale is SCALE_BLOCK */
};

/* Number of floats in the amax array of a weight [out, in]. */
size_t quantizer_amax_count(struct quantizer quantizer, size_t out, size_t in);

/* count floats of one set that share one scale (not FP4): to = Q(x). Any scale field. */
void fake_quant_run(float *to, const float *x, size_t count, enum element element, float amax);

/* The same with a maximum of its own for each element (the columns of a row). */
void fake_quant_each(float *to, const float *x, size_t count, enum element element, const float *amax);

/* Largest |x|; 0 of none. A NaN anywhere makes it NaN. */
float fake_quant_amax(const float *x, size_t count);

/* count consecutive elements of one row cut into FP4 blocks; A is the tensor's amax. */
void fake_quant_fp4(float *to, const float *x, size_t count, size_t block, float A);

/* The two element roundings, exposed for the tests: nearest, ties to even, saturating. */
float round_e4m3(float x);
float round_e2m1(float magnitude);

#endif
