#include "common/dtype.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "common/spell.h"

static const struct {
	const char *name;
	unsigned bits;
} types[DTYPE_COUNT] = {
	[DTYPE_BOOL] = {"BOOL", 8},
	[DTYPE_F4] = {"F4", 4},
	[DTYPE_F6_E2M3] = {"F6_E2M3", 6},
	[DTYPE_F6_E3M2] = {"F6_E3M2", 6},
	[DTYPE_U8] = {"U8", 8},
	[DTYPE_I8] = {"I8", 8},
	[DTYPE_F8_E5M2] = {"F8_E5M2", 8},
	[DTYPE_F8_E4M3] = {"F8_E4M3", 8},
	[DTYPE_F8_E8M0] = {"F8_E8M0", 8},
	[DTYPE_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 8},
	[DTYPE_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 8},
	[DTYPE_I16] = {"I16", 16},
	[DTYPE_U16] = {"U16", 16},
	[DTYPE_F16] = {"F16", 16},
	[DTYPE_BF16] = {"BF16", 16},
	[DTYPE_I32] = {"I32", 32},
	[DTYPE_U32] = {"U32", 32},
	[DTYPE_F32] = {"F32", 32},
	[DTYPE_C64] = {"C64", 64},
	[DTYPE_F64] = {"F64", 64},
	[DTYPE_I64] = {"I64", 64},
	[DTYPE_U64] = {"U64", 64},
};

const char *dtype_name(enum dtype dtype)
{
	assert((unsigned)dtype < DTYPE_COUNT);
	return types[dtype].name;
}

unsigned dtype_bits(enum dtype dtype)
{
	assert((unsigned)dtype < DTYPE_COUNT);
	return types[dtype].bits;
}

int dtype_is_weight(enum dtype dtype)
{
	return dtype == DTYPE_F32 || dtype == DTYPE_F16 || dtype == DTYPE_BF16;
}

int dtype_parse(const char *text, size_t length, enum dtype *dtype)
{
	enum { SHOWN = 32 };
	const char *names[DTYPE_COUNT];
	for (int i = 0; i < DTYPE_COUNT; i++) {
		names[i] = types[i].name;
		if (strlen(names[i]) == length && !memcmp(names[i], text, length)) {
			*dtype = (enum dtype)i;
			return 0;
		}
	}
	char *word = mem_strndup(text, length < SHOWN ? length : SHOWN);
	const char *nearest = spell_nearest(word, names, DTYPE_COUNT);
	if (nearest)
		fail("unknown dtype \"%s\"; did you mean \"%s\"?", word, nearest);
	else
		fail("unknown dtype \"%s\"; expected one of those of safetensors, such as BF16, F16, F32", word);
	free(word);
	return -1;
}

/* Elements a block. The inner loops run a constant number of times, which is what lets the compiler use its vector
 * registers at -O2; loads and stores go through memcpy of whole blocks, so that alignment does not matter. */
enum { BLOCK = 32 };

static inline uint32_t half_bits_widened(uint32_t h)
{
	/* Three cases, computed side by side: the compiler turns the choices into selects. A subnormal half is a small
	 * integer times 2^-24, which the conversion makes exactly, whatever the processor does with subnormal floats. */
	uint32_t sign = (h & 0x8000u) << 16;
	uint32_t magnitude = h & 0x7fffu;
	float tiny = (float)(int32_t)magnitude * 0x1p-24f;
	uint32_t tiny_bits;
	memcpy(&tiny_bits, &tiny, sizeof tiny_bits);
	uint32_t wide = (magnitude << 13) + (112u << 23);
	uint32_t top = (magnitude << 13) | 0x7f800000u;
	uint32_t bits = magnitude < 0x0400u ? tiny_bits : magnitude < 0x7c00u ? wide : top;
	return sign | bits;
}

static void widen_bf16(const unsigned char *from, size_t count, float *to)
{
	for (size_t i = 0; i < count; i += BLOCK) {
		size_t n = count - i < BLOCK ? count - i : BLOCK;
		uint16_t narrow[BLOCK] = {0};
		uint32_t wide[BLOCK];
		memcpy(narrow, from + 2 * i, 2 * n);
		for (int j = 0; j < BLOCK; j++)
			wide[j] = (uint32_t)narrow[j] << 16;
		memcpy(to + i, wide, 4 * n);
	}
}

static void widen_f16(const unsigned char *from, size_t count, float *to)
{
	for (size_t i = 0; i < count; i += BLOCK) {
		size_t n = count - i < BLOCK ? count - i : BLOCK;
		uint16_t narrow[BLOCK] = {0};
		uint32_t wide[BLOCK];
		memcpy(narrow, from + 2 * i, 2 * n);
		for (int j = 0; j < BLOCK; j++)
			wide[j] = half_bits_widened(narrow[j]);
		memcpy(to + i, wide, 4 * n);
	}
}

void dtype_widen(enum dtype dtype, const void *from, size_t count, float *to)
{
	assert(dtype_is_weight(dtype));
	if (!count)
		return;
	if (dtype == DTYPE_F32)
		memcpy(to, from, 4 * count);
	else if (dtype == DTYPE_BF16)
		widen_bf16(from, count, to);
	else
		widen_f16(from, count, to);
}

static uint16_t narrow_bf16(uint32_t bits)
{
	if ((bits & 0x7fffffffu) > 0x7f800000u)
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

static uint16_t narrow_f16(uint32_t bits)
{
	uint32_t sign = bits >> 16 & 0x8000u;
	uint32_t magnitude = bits & 0x7fffffffu;
	if (magnitude > 0x7f800000u)
		return (uint16_t)(sign | 0x7e00u);
	if (magnitude >= 0x477ff000u) /* 65520, halfway to the power that does not exist, rounds to it */
		return (uint16_t)(sign | 0x7c00u);
	if (magnitude < 0x38800000u) { /* below 2^-14: a multiple of 2^-24, which is the last place of 0.5 */
		float f;
		memcpy(&f, &magnitude, sizeof f);
		f += 0.5f;
		memcpy(&magnitude, &f, sizeof f);
		return (uint16_t)(sign | (magnitude - 0x3f000000u));
	}
	magnitude += 0xfffu + (magnitude >> 13 & 1);
	return (uint16_t)(sign | (magnitude - (112u << 23)) >> 13);
}

void dtype_narrow(enum dtype dtype, const float *from, size_t count, void *to)
{
	assert(dtype_is_weight(dtype));
	unsigned char *out = to;
	if (dtype == DTYPE_F32) {
		if (count)
			memcpy(out, from, 4 * count);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		uint32_t bits;
		memcpy(&bits, from + i, sizeof bits);
		uint16_t narrow = dtype == DTYPE_BF16 ? narrow_bf16(bits) : narrow_f16(bits);
		memcpy(out + 2 * i, &narrow, sizeof narrow);
	}
}

/* An element is NaN or infinite exactly when all bits of its exponent are set. A block is searched one by one only when
 * it has such an element, so the rest runs at the speed of memory. */
static size_t find_16(const unsigned char *from, size_t count, uint16_t exponent)
{
	for (size_t i = 0; i < count; i += BLOCK) {
		size_t n = count - i < BLOCK ? count - i : BLOCK;
		uint16_t block[BLOCK] = {0};
		uint16_t found = 0;
		memcpy(block, from + 2 * i, 2 * n);
		for (int j = 0; j < BLOCK; j++)
			found |= (uint16_t)-((block[j] & exponent) == exponent);
		for (size_t j = 0; found && j < n; j++)
			if ((block[j] & exponent) == exponent)
				return i + j;
	}
	return count;
}

static size_t find_32(const unsigned char *from, size_t count)
{
	const uint32_t exponent = 0x7f800000u;
	for (size_t i = 0; i < count; i += BLOCK) {
		size_t n = count - i < BLOCK ? count - i : BLOCK;
		uint32_t block[BLOCK] = {0};
		uint32_t found = 0;
		memcpy(block, from + 4 * i, 4 * n);
		for (int j = 0; j < BLOCK; j++)
			found |= -(uint32_t)((block[j] & exponent) == exponent);
		for (size_t j = 0; found && j < n; j++)
			if ((block[j] & exponent) == exponent)
				return i + j;
	}
	return count;
}

size_t dtype_find_nonfinite(enum dtype dtype, const void *from, size_t count)
{
	assert(dtype_is_weight(dtype));
	if (dtype == DTYPE_F32)
		return find_32(from, count);
	return find_16(from, count, dtype == DTYPE_BF16 ? 0x7f80 : 0x7c00);
}
