/* exp() in double, in a form that loops over it become vector code. Private to the CPU operations.
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

static inline double exp_double(double x)
{
	/* x = k ln 2 + r, |r| <= ln 2 / 2. Adding 1.5 * 2^52 rounds to an integer, which then is the low bits of the sum;
	 * ln 2 in two parts, the first with enough zero bits that k times it is exact. */
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
	p = p * (r * r) + r + 1.0;
	/* Times 2^k: k goes into the exponent. A NaN would not survive that, so it is added again. */
	uint64_t bits, power;
	memcpy(&power, &shifted, sizeof power);
	memcpy(&bits, &p, sizeof bits);
	bits += power << 52;
	memcpy(&p, &bits, sizeof p);
	return p + (limited - limited);
}

#endif
