/* Element types: exact widening, rounding, and finding what is not finite, at every alignment and around block
	sizes. */
#include "common/dtype.h"

#include <stdint.h>
#include <stdlib.h>

#include "../check.h"
#include "common/error.h"

static uint32_t bits_of(float value)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof bits);
	return bits;
}

static float half_value(unsigned h)
{
	double sign = h & 0x8000 ? -1 : 1, fraction = h & 0x3ff;
	int exponent = h >> 10 & 31;
	if (exponent == 31)
		return fraction != 0 ? NAN : (float)(sign * INFINITY);
	return (float)(sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24)));
}

static void test_names(void)
{
	enum dtype found;
	for (int i = 0; i < DTYPE_COUNT; i++) {
		const char *name = dtype_name((enum dtype)i);
		CHECK(!dtype_parse(name, strlen(name), &found) && (int)found == i, "%s", name);
	}
	CHECK(dtype_bits(DTYPE_BF16) == 16 && dtype_bits(DTYPE_F4) == 4 && dtype_bits(DTYPE_F6_E3M2) == 6 &&
		dtype_bits(DTYPE_C64) == 64 && dtype_bits(DTYPE_BOOL) == 8, "bits");
	CHECK(dtype_parse("BF1", 3, &found) && strstr(error_text(), "did you mean"), "%s", error_text());
	CHECK(dtype_parse("", 0, &found), "accepted the empty name");
	CHECK(dtype_parse("F32 ", 4, &found), "accepted a name with a blank");
	CHECK(dtype_is_weight(DTYPE_F16) && !dtype_is_weight(DTYPE_F64) && !dtype_is_weight(DTYPE_I8), "weights");
}

/* All 65536 patterns of both 16-bit types. */
static void test_widen_all(void)
{
	static uint16_t from[65536];
	static float to[65536];
	for (unsigned i = 0; i < 65536; i++)
		from[i] = (uint16_t)i;
	dtype_widen(DTYPE_BF16, from, 65536, to);
	for (unsigned i = 0; i < 65536; i++)
		CHECK(bits_of(to[i]) == i << 16, "BF16 %04x gave %08x", i, bits_of(to[i]));
	dtype_widen(DTYPE_F16, from, 65536, to);
	for (unsigned i = 0; i < 65536; i++) {
		float expected = half_value(i);
		CHECK(isnan(expected) ? isnan(to[i]) : bits_of(to[i]) == bits_of(expected), "F16 %04x gave %a, expected %a", i,
			(double)to[i], (double)expected);
	}
}

static void test_narrow_back(void)
{
	static uint16_t from[65536], back[65536];
	static float wide[65536];
	static const enum dtype types[] = {DTYPE_BF16, DTYPE_F16};
	for (unsigned i = 0; i < 65536; i++)
		from[i] = (uint16_t)i;
	for (int k = 0; k < 2; k++) {
		dtype_widen(types[k], from, 65536, wide);
		dtype_narrow(types[k], wide, 65536, back);
		for (unsigned i = 0; i < 65536; i++)
			CHECK(isnan(wide[i]) || back[i] == i, "%s %04x came back as %04x", dtype_name(types[k]), i, back[i]);
	}
}

/* Halfway cases and their neighbours between every two finite neighbours. */
static void test_narrow_rounds(void)
{
	for (unsigned i = 0; i < 0x7bff; i++) {
		float low = half_value(i), high = half_value(i + 1), middle = (low + high) / 2;
		float values[3] = {nextafterf(middle, low), middle, nextafterf(middle, high)};
		uint16_t got[3];
		dtype_narrow(DTYPE_F16, values, 3, got);
		CHECK(got[0] == i && got[1] == (i & 1 ? i + 1 : i) && got[2] == i + 1, "F16 above %04x: %04x %04x "
			"%04x", i, got[0],
			got[1], got[2]);
	}
	for (unsigned i = 0; i < 0x7f7f; i++) {
		float values[3];
		uint32_t middle = i << 16 | 0x8000, bits[3] = {middle - 1, middle, middle + 1};
		uint16_t got[3];
		memcpy(values, bits, sizeof values);
		dtype_narrow(DTYPE_BF16, values, 3, got);
		CHECK(got[0] == i && got[1] == (i & 1 ? i + 1 : i) && got[2] == i + 1, "BF16 above %04x: %04x %04x %04x", i,
			got[0], got[1], got[2]);
	}
	static const float edge[] = {65504, 65519.996f, 65520, -65520, 1e30f, -INFINITY, 0x1p-25f, 0x1.000002p-25f, -0.0f};
	static const uint16_t expected[] = {0x7bff, 0x7bff, 0x7c00, 0xfc00, 0x7c00, 0xfc00, 0, 1, 0x8000};
	uint16_t got[9];
	dtype_narrow(DTYPE_F16, edge, 9, got);
	for (int i = 0; i < 9; i++)
		CHECK(got[i] == expected[i], "F16 of %a: %04x, expected %04x", (double)edge[i], got[i], expected[i]);
	const float nan = NAN;
	dtype_narrow(DTYPE_F16, &nan, 1, got);
	dtype_narrow(DTYPE_BF16, &nan, 1, got + 1);
	CHECK((got[0] & 0x7fff) > 0x7c00 && (got[1] & 0x7fff) > 0x7f80, "NaN became %04x, %04x", got[0], got[1]);
}

/* Counts around the block, at odd addresses, in buffers of exactly that size: the sanitizers see what is read
	beyond. */
static void test_alignment(void)
{
	static const enum dtype types[] = {DTYPE_BF16, DTYPE_F16, DTYPE_F32};
	for (int k = 0; k < 3; k++) {
		size_t bytes = dtype_bits(types[k]) / 8;
		for (size_t count = 0; count <= 70; count++) {
			for (size_t shift = 0; shift < 4; shift++) {
				unsigned char *raw = malloc(shift + count * bytes + (shift + count == 0));
				float values[70], wide[71];
				for (size_t i = 0; i < count; i++)
					values[i] = (float)i - 30.5f;
				wide[count] = 12345;
				dtype_narrow(types[k], values, count, raw + shift);
				dtype_widen(types[k], raw + shift, count, wide);
				CHECK(count == 0 || !memcmp(wide, values, count * sizeof *wide), "%s, %zu elements at %zu",
					dtype_name(types[k]), count, shift);
				CHECK(wide[count] == 12345, "wrote beyond %zu elements", count);
				CHECK(dtype_find_nonfinite(types[k], raw + shift, count) == count, "found one of %zu", count);
				free(raw);
			}
		}
	}
}

static void test_find(void)
{
	static const enum dtype types[] = {DTYPE_BF16, DTYPE_F16, DTYPE_F32};
	static const float wrong[] = {INFINITY, -INFINITY, NAN};
	enum { COUNT = 100 };
	for (int k = 0; k < 3; k++)
		for (size_t at = 0; at < COUNT; at++)
			for (int w = 0; w < 3; w++) {
				float values[COUNT];
				unsigned char raw[4 * COUNT + 1];
				for (size_t i = 0; i < COUNT; i++)
					values[i] = i % 2 ? -60000 : 0x1p-20f;
				values[at] = wrong[w];
				values[COUNT - 1] = at < COUNT - 1 ? NAN : values[COUNT - 1];
				dtype_narrow(types[k], values, COUNT, raw + 1);
				size_t found = dtype_find_nonfinite(types[k], raw + 1, COUNT);
				CHECK(found == at, "%s: found %zu, expected %zu", dtype_name(types[k]), found, at);
			}
}

int main(void)
{
	TEST(test_names);
	TEST(test_widen_all);
	TEST(test_narrow_back);
	TEST(test_narrow_rounds);
	TEST(test_alignment);
	TEST(test_find);
	return check_done();
}
