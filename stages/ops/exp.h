/* exp(x), exp(x) - 1 and exp(x) - 1 - x in double, in a form that loops over them become vector code. Private to the
 * CPU operations.
 *
 * The C library's exp() is not vectorised without flags that would change other bits, and picks its code by processor,
 * so that its last bit is not the same everywhere; this one is additions and multiplications in a fixed order. Within 2
 * ulp for |x| <= 700; beyond that it stays at exp(+-700), which fp32 turns into 0 and infinity. NaN gives NaN.
 */
#ifndef QG_OPS_EXP_H
#define QG_OPS_EXP_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* x = k ln 2 + r, |r| <= ln 2 / 2; tail is exp(r) - 1 - r, shifted has k in its low bits. */
struct exp_parts {
	double limited, shifted, r, tail;
};

static inline struct exp_parts exp_split(double x)
{
	/* Adding 1.5 * 2^52 rounds to an integer, which then is the low bits of the sum; ln 2 in two parts, the first with
	 * enough zero bits that k times it is exact. */
	const double shift = 0x1.8p52, log2_e = 0x1.71547652b82fep0, ln2_high = 0x1.62e42fefa0000p-1;
	const double ln2_low = 0x1.cf79abc9e3b3ap-40;
	double magnitude = fabs(x); /* two comparisons, one after the other, would make the compiler branch */
	double limited = copysign(magnitude > 700.0 ? 700.0 : magnitude, x);
	double shifted = limited * log2_e + shift;
	double k = shifted - shift;
	double r = (limited - k * ln2_high) - k * ln2_low;
	/* Taylor's series: the first term left out is below 4e-18. */
	double p = 1.0 / 6227020800.0;
	p = p * r + 1.0 / 479001600.0;
	p = p * r + 1.0 / 39916800.0;
	p = p * r + 1.0 / 3628800.0;
	p = p * r + 1.0 / 362880.0;
	p = p * r + 1.0 / 40320.0;
	p = p * r + 1.0 / 5040.0;
	p = p * r + 1.0 / 720.0;
	p = p * r + 1.0 / 120.0;
	p = p * r + 1.0 / 24.0;
	p = p * r + 1.0 / 6.0;
	p = p * r + 0.5;
	return (struct exp_parts){limited, shifted, r, p * (r * r)};
}

/* x times 2^k: k goes into the exponent. */
static inline double exp_scale(double x, struct exp_parts e)
{
	uint64_t bits, power;
	memcpy(&power, &e.shifted, sizeof power);
	memcpy(&bits, &x, sizeof bits);
	bits += power << 52;
	memcpy(&x, &bits, sizeof x);
	return x;
}

static inline double exp_double(double x)
{
	struct exp_parts e = exp_split(x);
	/* A NaN would not survive the scaling, so it is added again. */
	return exp_scale(e.tail + e.r + 1.0, e) + (e.limited - e.limited);
}

/* exp(x) - 1 for |x| <= 700, within 1e-15 of itself, 0 at 0. NaN gives NaN. */
static inline double exp_less_one(double x)
{
	struct exp_parts e = exp_split(x);
	double power = exp_scale(1.0, e);
	return power * e.tail + (power * e.r + (power - 1.0));
}

/* exp(x) - 1 - x for x <= 700, within 1e-14 of itself, never negative, 0 at 0. With exp(x) = 2^k (tail + 1 + r) what is
 * large cancels exactly where k is 0, and elsewhere the result is above 0.05. */
static inline double exp_excess(double x)
{
	struct exp_parts e = exp_split(x);
	double power = exp_scale(1.0, e);
	return power * e.tail + ((power - 1.0) + (power * e.r - x));
}

#endif
