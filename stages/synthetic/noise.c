#include "synthetic/noise.h"

#include <string.h>

#define GOLDEN 0x9e3779b97f4a7c15u

/* As many as keep the arrays between the loops below in the nearest cache. */
enum { BLOCK = 256 };

static inline uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

uint64_t noise_key(uint64_t seed, const char *name)
{
	uint64_t key = mix(seed + GOLDEN);
	for (; *name; name++)
		key = mix((key ^ (unsigned char)*name) + GOLDEN);
	return key;
}

uint64_t noise_bits(uint64_t key, uint64_t index)
{
	return mix(key + (index + 1) * GOLDEN);
}

float noise_between(uint64_t key, uint64_t index, float low, float high)
{
	float unit = (float)(noise_bits(key, index) >> 40) * (1.0f / 16777216);
	return low + (high - low) * unit;
}

/* The deviation of the sum of four is sqrt(4 * (65536^2 - 1) / 12). The counter is carried along rather than multiplied
 * out of the index: vectors of 64-bit products are slow, and there are two in mix() already. */
static void gauss_block(float *to, size_t count, uint64_t key, uint64_t first)
{
	const uint64_t fields = 0x0000ffff0000ffffu;
	uint64_t counter = key + (first + 1) * GOLDEN;
	for (size_t i = 0; i < count; i++, counter += GOLDEN) {
		uint64_t h = mix(counter);
		uint64_t pairs = (h & fields) + (h >> 16 & fields);
		int32_t sum = (int32_t)((pairs & 0xffffffffu) + (pairs >> 32)) - 2 * 65535;
		to[i] = (float)sum * (1 / 37837.227f);
	}
}

static void round_block(uint16_t *to, size_t count, const float *from)
{
	uint32_t bits[BLOCK];
	memcpy(bits, from, count * sizeof *bits);
	for (size_t i = 0; i < count; i++)
		to[i] = (uint16_t)((bits[i] + 0x7fff + (bits[i] >> 16 & 1)) >> 16);
}

void noise_fill_bf16(uint16_t *to, size_t count, uint64_t key, uint64_t first, float center, float spread, float row,
	const float *column)
{
	float g[BLOCK];
	for (size_t at = 0; at < count; at += BLOCK) {
		size_t n = count - at < BLOCK ? count - at : BLOCK;
		gauss_block(g, n, key, first + at);
		for (size_t i = 0; i < n; i++)
			g[i] = (center + spread * g[i]) * (row * column[at + i]);
		round_block(to + at, n, g);
	}
}
