/* Random numbers that need no state: a value is a function of a key and an index, so that any part of a tensor can be
 * made alone, by any thread, with the same bits.
 *
 * The hash is the output function of SplitMix64 (Steele, Lea, Flood 2014) over key + (index + 1) * golden ratio. No
 * mathematical function is called: the bits are those of IEEE additions and products, the same on every machine.
 */
#ifndef QG_SYNTHETIC_NOISE_H
#define QG_SYNTHETIC_NOISE_H

#include <stddef.h>
#include <stdint.h>

/* The key of a tensor, or of anything else with a name. */
uint64_t noise_key(uint64_t seed, const char *name);

/* 64 random bits. */
uint64_t noise_bits(uint64_t key, uint64_t index);

/* Evenly from [low, high). */
float noise_between(uint64_t key, uint64_t index, float low, float high);

/* to[i] = bf16((center + spread * g(first + i)) * row * column[i]), i < count, rounded to nearest even.
 * g is the sum of four 16-bit integers less their mean, over its deviation: a Gaussian but for its tails, which end at
 * 3.46 deviations. Neither NaN nor infinite as long as the factors keep it below 3e38. */
void noise_fill_bf16(uint16_t *to, size_t count, uint64_t key, uint64_t first, float center, float spread, float row,
	const float *column);

#endif
