/* The definition of fake quantization: worked examples bit for bit, and the roundings
 * against tables of codes listed one by one. */
#include "../check.h"

#include <stdint.h>
#include <stdlib.h>

#include "ops/quantize.h"

enum { ROW_MAX = 64 };

static uint32_t bits_of(float x)
{
	uint32_t u;
	memcpy(&u, &x, sizeof u);
	return u;
}

static float float_of(uint32_t u)
{
	float x;
	memcpy(&x, &u, sizeof x);
	return x;
}

/* Round to nearest even in bf16. */
static float bf(float x)
{
	uint32_t u = bits_of(x);
	return float_of((u + 0x7fff + (u >> 16 & 1)) & 0xffff0000u);
}

static void check_row(const char *name, const float *found, const float *expected, size_t count)
{
	for (size_t i = 0; i < count; i++)
		CHECK(found[i] == expected[i], "%s [%zu]: found %.9g, expected %.9g", name, i, (double)found[i],
			(double)expected[i]);
}

/* One line of the tables of examples: inputs of one set, y to fp32, out in bf16. */
struct example {
	enum element element;
	float amax;
	size_t count;
	float x[4], y[4], out[4];
};

static const struct example examples[] = {
	{ELEMENT_INT8, 3.96875f, 4, {0.015625f, 0.046875f, 0.078125f, -0.046875f}, {0, 0.0625f, 0.0625f, -0.0625f},
		{0, 0.0625f, 0.0625f, -0.0625f}},
	{ELEMENT_INT8, 3.96875f, 3, {3.96875f, 4.5f, -4.5f}, {3.96875f, 3.96875f, -4}, {3.96875f, 3.96875f, -4}},
	{ELEMENT_INT8, 3, 3, {0.010009765625f, -0.5f, 1}, {0, -0.496062994f, 0.992125988f}, {0, -0.49609375f, 0.9921875f}},
	{ELEMENT_INT8, 3, 3, {2, 2.90625f, 3}, {2.007874012f, 2.905511856f, 3}, {2.015625f, 2.90625f, 3}},
	{ELEMENT_INT4, 3.5f, 4, {0.25f, 0.75f, 1.25f, -0.75f}, {0, 1, 1, -1}, {0, 1, 1, -1}},
	{ELEMENT_INT4, 3.5f, 4, {3.796875f, -3.5f, -3.796875f, -5}, {3.5f, -3.5f, -4, -4}, {3.5f, -3.5f, -4, -4}},
	{ELEMENT_INT4, 1, 3, {0.30078125f, 0.5f, -0.9296875f}, {0.2857143f, 0.5714286f, -1},
		{0.28515625f, 0.5703125f, -1}},
	{ELEMENT_FP8, 7, 3, {7, 8, -6.5f}, {7, 7, -6.5f}, {7, 7, -6.5f}},
	{ELEMENT_FP8, 7, 2, {1.03125f, 1.0625f}, {1, 1}, {1, 1}},
	{ELEMENT_FP8, 7, 1, {0.30078125f}, {0.3125f}, {0.3125f}},
	{ELEMENT_FP8, 7, 2, {0.0001201629638671875f, 1.00135803e-05f}, {0.0001220703125f, 0}, {0.0001220703125f, 0}},
	{ELEMENT_FP8, 3, 2, {3, -1.703125f}, {3, -1.7142857f}, {3, -1.7109375f}},
	{ELEMENT_FP8, 3, 2, {0.5f, 0.010009765625f}, {0.48214287f, 0.010044643f}, {0.482421875f, 0.01007080078125f}},
};

static void test_worked_examples(void)
{
	for (size_t e = 0; e < sizeof examples / sizeof *examples; e++) {
		const struct example *x = &examples[e];
		float y[4], each[4], amax[4] = {x->amax, x->amax, x->amax, x->amax};
		char name[32];
		snprintf(name, sizeof name, "example %zu", e);
		fake_quant_run(y, x->x, x->count, x->element, x->amax);
		check_row(name, y, x->y, x->count);
		fake_quant_each(each, x->x, x->count, x->element, amax);
		check_row(name, each, x->y, x->count);
		for (size_t i = 0; i < x->count; i++)
			y[i] = bf(y[i]);
		check_row(name, y, x->out, x->count);
	}
}

static void test_integer_limits(void)
{
	const float x[] = {INFINITY, -INFINITY, NAN, 1000, -1000, 0.5f, -0.5f, 1.5f};
	float y[8];
	const float int8[] = {127, -128, NAN, 127, -128, 0, 0, 2};
	fake_quant_run(y, x, 8, ELEMENT_INT8, 127);
	CHECK(isnan(y[2]), "NaN became %g", (double)y[2]);
	check_row("int8", y, int8, 2);
	check_row("int8", y + 3, int8 + 3, 5);
	const float int4[] = {7, -8, NAN, 7, -8, 0, 0, 2};
	fake_quant_run(y, x, 8, ELEMENT_INT4, 7);
	CHECK(isnan(y[2]), "NaN became %g", (double)y[2]);
	check_row("int4", y, int4, 2);
	check_row("int4", y + 3, int4 + 3, 5);
}

static void test_tiny_amax(void)
{
	const float least = 0x1p-24f, below = 0x1.fffffep-25f, x[] = {least, -least, 1, NAN};
	const float each[] = {below, below, below, below};
	float y[4], zero[4] = {0};
	fake_quant_run(y, x, 4, ELEMENT_INT8, below);
	check_row("int8 below 2^-24", y, zero, 3);
	CHECK(isnan(y[3]), "NaN became %g", (double)y[3]);
	fake_quant_each(y, x, 4, ELEMENT_INT8, each);
	check_row("int8 below 2^-24, each", y, zero, 3);
	CHECK(isnan(y[3]), "NaN became %g", (double)y[3]);
	fake_quant_run(y, x, 2, ELEMENT_INT8, least);
	CHECK(y[0] == least && y[1] == -least, "amax 2^-24 gave %g", (double)y[0]);
	/* FP8 with an amax up to 2^-24 has scale 448: such values are below half of its smallest step. */
	fake_quant_run(y, x, 2, ELEMENT_FP8, least);
	CHECK(y[0] == 448 * least / 448 || y[0] == 0, "fp8 gave %g", (double)y[0]);
	fake_quant_run(y, zero, 4, ELEMENT_FP8, 0);
	check_row("fp8 of zeros", y, zero, 4);
	fake_quant_run(y, zero, 4, ELEMENT_INT4, 0);
	check_row("int4 of zeros", y, zero, 4);
	fake_quant_fp4(y, zero, 4, 16, 0);
	check_row("fp4 of zeros", y, zero, 4);
	CHECK(fake_quant_amax(x, 3) == 1 && fake_quant_amax(x, 0) == 0, "amax");
	CHECK(isnan(fake_quant_amax(x, 4)), "amax lost a NaN");
}

/* Nearest of values[0..count) to a, in doubles (a and the values are fp32: the differences are exact); ties to the even
 * index, beyond the last the last. */
static double nearest(const double *values, size_t count, double a)
{
	for (size_t i = 0; i + 1 < count; i++) {
		double below = a - values[i], above = values[i + 1] - a;
		if (below < above || (below == above && i % 2 == 0))
			return values[i];
		if (below == above)
			return values[i + 1];
	}
	return values[count - 1];
}

/* All codes 0x00 .. 0x7e of E4M3; 0x7f is NaN. */
static size_t e4m3_list(double *values)
{
	for (int code = 0; code < 127; code++)
		values[code] = code < 8 ? ldexp(code, -9) : ldexp(8 + code % 8, code / 8 - 10);
	return 127;
}

static void check_rounding(const double *values, size_t count, float (*round)(float), float x)
{
	double expected = isinf(x) ? values[count - 1] : nearest(values, count, fabs((double)x));
	float found = round(fabsf(x));
	CHECK((double)found == expected, "%.9g became %.9g, expected %.9g", (double)x, (double)found, expected);
}

/* Every code, every midpoint and their neighbours, the limits, and bit patterns drawn at random from a fixed seed. */
static void check_all(const double *values, size_t count, float (*round)(float))
{
	uint64_t seed = 20250101;
	for (size_t i = 0; i + 1 < count; i++) {
		const float points[] = {(float)values[i], (float)((values[i] + values[i + 1]) / 2)};
		for (size_t k = 0; k < 2; k++) {
			check_rounding(values, count, round, points[k]);
			check_rounding(values, count, round, nextafterf(points[k], INFINITY));
			check_rounding(values, count, round, fabsf(nextafterf(points[k], -INFINITY)));
		}
	}
	const float limits[] = {0x1p-149f, 0x1p-127f, 0x1p127f, 3.402823466e38f, INFINITY, (float)values[count - 1] * 1.25f};
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
		check_rounding(values, count, round, limits[i]);
	for (size_t i = 0; i < 200000; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		float wide = float_of((uint32_t)(seed >> 33)), near = (float)(seed >> 40) * 0x1p-24f * 600;
		if (!isnan(wide))
			check_rounding(values, count, round, wide);
		check_rounding(values, count, round, near);
	}
	CHECK(isnan(round(NAN)), "NaN became %g", (double)round(NAN));
}

static void test_e4m3_table(void)
{
	double values[127];
	check_all(values, e4m3_list(values), round_e4m3);
	CHECK(values[126] == 448, "the list ends at %g", values[126]);
	const float x[] = {463.9f, 464, 465, 0x1p-10f, 0x1.8p-9f, 17, 19, -464, -INFINITY};
	const float y[] = {448, 448, 448, 0, 0x1p-8f, 16, 20, -448, -448};
	for (size_t i = 0; i < sizeof x / sizeof *x; i++)
		CHECK(round_e4m3(x[i]) == y[i], "%g became %g, expected %g", (double)x[i], (double)round_e4m3(x[i]),
			(double)y[i]);
	CHECK(signbit(round_e4m3(-0.0f)), "the sign of zero was lost");
}

static void test_e2m1_table(void)
{
	const double values[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
	check_all(values, 8, round_e2m1);
}

static void test_fp4_blocks(void)
{
	const float first[] = {3, -2, 1.5f, -1, .75f, .5f, -.25f, .125f, 0, .0625f, 1.25f, -1.75f, 2.5f, -.375f, .625f,
		-.875f};
	const float first_out[] = {3, -2, 1.5f, -1, .75f, .5f, -.25f, 0, 0, 0, 1, -2, 2, -.5f, .5f, -1};
	const float second[] = {.02f, -.01f, .005f, 0, .015f, -.0175f, .0025f, .001f};
	const float second_out[] = {0.0201416015625f, -0.01007080078125f, 0.005035400390625f, 0, 0.01336669921875f,
		-0.0201416015625f, 0.00167083740234375f, 0.00167083740234375f};
	float x[48] = {0}, y[48], out[48] = {0};
	memcpy(x, first, sizeof first);
	memcpy(out, first_out, sizeof first_out);
	memcpy(out + 16, second_out, sizeof second_out);
	for (size_t i = 0; i < 8; i++)
		x[16 + i] = bf(second[i]);
	fake_quant_fp4(y, x, 48, 16, 12);
	for (size_t i = 0; i < 48; i++)
		y[i] = bf(y[i]);
	check_row("fp4", y, out, 48);
	/* A block whose scale is below the floor of the original (1e-5): there is no floor here. */
	const float tiny[] = {2.0027e-5f, -1.0014e-5f};
	float z[2];
	fake_quant_fp4(z, tiny, 2, 16, bf(0.01f));
	CHECK_CLOSE(z[0], 1.9550e-5, 1e-3);
	CHECK_CLOSE(z[1], -9.775e-6, 1e-3);
}

/* B / 6G is 91.99999 by the definition, so the code is 88; 92 would be a tie and go to 96. */
static void test_fp4_tie_of_scales(void)
{
	const float A = 0.3828125f, x[] = {0.07861328125f, 0.07861328125f / 6};
	const float G = A * (float)(1.0 / 2688), S = 88 * G;
	float y[2];
	fake_quant_fp4(y, x, 2, 16, A);
	CHECK(y[0] == 6 * S && y[1] == S, "found %.9g %.9g, expected %.9g %.9g", (double)y[0], (double)y[1],
		(double)(6 * S), (double)S);
}

/* A short last block is a block of its own, for every block size and tail. */
static void test_tails(void)
{
	float x[ROW_MAX], y[ROW_MAX], alone[ROW_MAX];
	for (size_t i = 0; i < ROW_MAX; i++)
		x[i] = (float)((i * 37) % 101) / 64 - 0.7f;
	for (size_t block = 1; block <= 33; block++)
		for (size_t count = 0; count <= ROW_MAX; count++) {
			fake_quant_fp4(y, x, count, block, 1.5f);
			for (size_t i = 0; i < count; i += block)
				fake_quant_fp4(alone + i, x + i, count - i < block ? count - i : block, block, 1.5f);
			check_row("fp4 tail", y, alone, count);
			for (enum element e = ELEMENT_INT8; e <= ELEMENT_FP8; e++) {
				float amax = fake_quant_amax(x, count);
				fake_quant_run(y, x, count, e, amax);
				for (size_t i = 0; i < count; i++)
					fake_quant_run(alone + i, x + i, 1, e, amax);
				check_row("run", y, alone, count);
			}
		}
}

/* The definition of ops/fake_quant.h word by word; rounding of elements as checked above. */
static float define(float x, enum element element, float amax, float A, float B)
{
	const float hi = element == ELEMENT_INT8 ? 127 : 7;
	volatile float s, r; /* each step is one fp32 operation */
	if (element == ELEMENT_FP8) {
		s = 448 / (amax <= 0x1p-24f ? 1 : amax);
		r = 1 / s;
		return round_e4m3(x * s) * r;
	}
	if (element == ELEMENT_FP4) {
		s = A * (float)(1.0 / 2688);
		r = 6 * s;
		s = round_e4m3(fminf(B / r, 448)) * s;
		r = s == 0 ? 0 : round_e2m1(fabsf(x) / s) * s;
		return copysignf(r, x);
	}
	s = hi / amax;
	r = rintf(x * s);
	r = fminf(fmaxf(r, -hi - 1), hi);
	return amax < 0x1p-24f ? 0 : r / s;
}

/* Bits, of random values over many magnitudes, maxima that the values do and do not stay below, and block sizes. */
static void test_definition(void)
{
	uint64_t seed = 20250102;
	for (size_t n = 0; n < 20000; n++) {
		float x[24], y[24], A = 0;
		size_t count = 1 + n % 24, block = 1 + n / 24 % 24;
		for (size_t i = 0; i < count; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			x[i] = ldexpf((float)(int32_t)(seed >> 32), (int)(seed >> 16 & 15) - 40 - (int)(n % 30));
			A = fmaxf(A, fabsf(x[i]));
		}
		float amax = n % 3 ? A : A / 2;
		for (enum element e = ELEMENT_INT8; e <= ELEMENT_FP8; e++) {
			fake_quant_run(y, x, count, e, amax);
			for (size_t i = 0; i < count; i++)
				CHECK(y[i] == define(x[i], e, amax, 0, 0), "element %d, %a of %a: %a, expected %a", (int)e, (double)x[i],
					(double)amax, (double)y[i], (double)define(x[i], e, amax, 0, 0));
		}
		fake_quant_fp4(y, x, count, block, amax);
		for (size_t i = 0; i < count; i++) {
			size_t first = i - i % block, length = count - first < block ? count - first : block;
			float B = fake_quant_amax(x + first, length), expected = define(x[i], ELEMENT_FP4, 0, amax, B);
			CHECK(y[i] == expected, "fp4 %a of %a, %a: %a, expected %a", (double)x[i], (double)amax, (double)B,
				(double)y[i], (double)expected);
		}
	}
}

/* Elements on the ties between two magnitudes, or the float next to them, under scales that are no powers of two. Only
 * a division tells them apart. */
static void test_fp4_ties_of_elements(void)
{
	static const float ties[] = {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5};
	for (size_t n = 0; n < 5000; n++) {
		const float B = 1 + (float)n / 5000, A = 6 + (float)(n * 7919 % 5000) / 1000;
		const float S = define(B, ELEMENT_FP4, 0, A, B) / 6; /* B is the largest of its block: 6 S */
		float x[1 + 3 * 7] = {B}, y[1 + 3 * 7];
		for (size_t i = 0; i < 7; i++) {
			x[1 + 3 * i] = ties[i] * S < B ? ties[i] * S : 0;
			x[2 + 3 * i] = nextafterf(x[1 + 3 * i], 0);
			x[3 + 3 * i] = -x[1 + 3 * i];
		}
		fake_quant_fp4(y, x, 22, 32, A);
		for (size_t i = 0; i < 22; i++) {
			float expected = define(x[i], ELEMENT_FP4, 0, A, B);
			CHECK(y[i] == expected, "%a of %a, %a: %a, expected %a", (double)x[i], (double)A, (double)B, (double)y[i],
				(double)expected);
		}
	}
}

static const float toy[8] = {1, -.5f, .25f, .125f, .03125f, .5f, -2, .75f};

struct toy_case {
	const char *name;
	struct quantizer quantizer;
	float amax[4];
	size_t amax_count;
	float codes[8];
};

static const struct toy_case toys[] = {
	{"tensor", {ELEMENT_INT8, SCALE_TENSOR, 0}, {2}, 1, {64, -32, 16, 8, 2, 32, -127, 48}},
	{"row", {ELEMENT_INT8, SCALE_ROW, 0}, {1, 2}, 2, {127, -64, 32, 16, 2, 32, -127, 48}},
	{"column", {ELEMENT_INT8, SCALE_COLUMN, 0}, {1, .5f, 2, .75f}, 4, {127, -127, 16, 21, 4, 127, -127, 127}},
	{"blocks of 2", {ELEMENT_INT8, SCALE_BLOCK, 2}, {1, .25f, .5f, 2}, 0, {127, -64, 127, 64, 8, 127, -127, 48}},
};

static float toy_amax(const struct toy_case *t, size_t i)
{
	switch (t->quantizer.scale) {
	case SCALE_ROW: return t->amax[i / 4];
	case SCALE_COLUMN: return t->amax[i % 4];
	case SCALE_BLOCK: return t->amax[i / 2];
	default: return t->amax[0];
	}
}

static void test_toy_weight(void)
{
	for (size_t n = 0; n < sizeof toys / sizeof *toys; n++) {
		const struct toy_case *t = &toys[n];
		float amax[4], y[8], d[8], expected[8];
		CHECK(quantizer_amax_count(t->quantizer, 2, 4) == t->amax_count, "%s", t->name);
		cpu_weight_amax(amax, (const dev_weight *)toy, 2, 4, t->quantizer);
		check_row(t->name, amax, t->amax, t->amax_count);
		for (size_t i = 0; i < 8; i++)
			expected[i] = t->codes[i] / (127.0f / toy_amax(t, i));
		cpu_quantize_weight((dev_weight *)y, (const dev_weight *)toy, 0, 2, 4, t->quantizer, amax, 0);
		check_row(t->name, y, expected, 8);
		/* The second row alone, as a difference. */
		cpu_quantize_weight((dev_weight *)d, (const dev_weight *)(toy + 4), 1, 1, 4, t->quantizer, amax, 1);
		for (size_t i = 0; i < 4; i++)
			CHECK(d[i] == expected[4 + i] - toy[4 + i], "%s difference [%zu]: %g", t->name, i, (double)d[i]);
	}
	const float row0[] = {1, -0.50390625f, 0.251953125f, 0.1259765625f};
	float amax[2], y[8];
	cpu_weight_amax(amax, (const dev_weight *)toy, 2, 4, toys[1].quantizer);
	cpu_quantize_weight((dev_weight *)y, (const dev_weight *)toy, 0, 2, 4, toys[1].quantizer, amax, 0);
	for (size_t i = 0; i < 4; i++)
		CHECK(bf(y[i]) == row0[i], "row 0 [%zu]: %.9g", i, (double)bf(y[i]));
}

/* Every layout of maxima, with widths that leave short blocks, against element by element. */
static void test_layouts(void)
{
	enum { OUT = 5, IN = 300 };
	static float W[OUT * IN], y[OUT * IN], amax[OUT * IN];
	const struct quantizer layouts[] = {
		{ELEMENT_FP8, SCALE_TENSOR, 0}, {ELEMENT_INT4, SCALE_ROW, 0}, {ELEMENT_FP8, SCALE_COLUMN, 0},
		{ELEMENT_INT8, SCALE_COLUMN, 0}, {ELEMENT_FP8, SCALE_BLOCK, 64}, {ELEMENT_INT4, SCALE_BLOCK, 128},
	};
	for (size_t i = 0; i < OUT * IN; i++)
		W[i] = (float)((i * 7919) % 1009) / 512 - 1;
	for (size_t n = 0; n < sizeof layouts / sizeof *layouts; n++) {
		struct quantizer q = layouts[n];
		size_t blocks = q.block ? (IN + q.block - 1) / q.block : 0;
		cpu_weight_amax(amax, (const dev_weight *)W, OUT, IN, q);
		cpu_quantize_weight((dev_weight *)y, (const dev_weight *)W, 0, OUT, IN, q, amax, 0);
		CHECK(quantizer_amax_count(q, OUT, IN) == (q.scale == SCALE_TENSOR ? 1 : q.scale == SCALE_ROW ? OUT
			: q.scale == SCALE_COLUMN ? IN : 0), "layout %zu", n);
		for (size_t b = 0; b < OUT * blocks; b++) {
			const size_t first = b % blocks * q.block, end = first + q.block < IN ? first + q.block : IN;
			amax[b] = fake_quant_amax(W + b / blocks * IN + first, end - first);
		}
		for (size_t i = 0; i < OUT * IN; i++) {
			size_t r = i / IN, c = i % IN;
			size_t at = q.scale == SCALE_TENSOR ? 0 : q.scale == SCALE_ROW ? r : q.scale == SCALE_COLUMN ? c
				: r * blocks + c / q.block;
			float one;
			fake_quant_run(&one, &W[i], 1, q.element, amax[at]);
			CHECK(y[i] == one, "layout %zu [%zu, %zu]: %g, expected %g", n, r, c, (double)y[i], (double)one);
			CHECK(fabsf(W[i]) <= amax[at], "layout %zu [%zu, %zu]: amax %g", n, r, c, (double)amax[at]);
		}
	}
}

static void test_activations(void)
{
	const float x[8] = {1, -2, .5f, .25f, 8, 1, -3, .01f};
	float y[8], d[8], expected[8];
	cpu_quantize((dev_f32 *)y, (const dev_f32 *)x, 2, 4, (struct quantizer){ELEMENT_INT8, SCALE_TENSOR, 0}, 8, 0);
	fake_quant_run(expected, x, 8, ELEMENT_INT8, 8);
	check_row("per tensor", y, expected, 8);
	cpu_quantize((dev_f32 *)y, (const dev_f32 *)x, 2, 4, (struct quantizer){ELEMENT_FP8, SCALE_TOKEN, 0}, 0, 0);
	fake_quant_run(expected, x, 4, ELEMENT_FP8, 2);
	fake_quant_run(expected + 4, x + 4, 4, ELEMENT_FP8, 8);
	check_row("per token", y, expected, 8);
	cpu_quantize((dev_f32 *)d, (const dev_f32 *)x, 2, 4, (struct quantizer){ELEMENT_FP8, SCALE_TOKEN, 0}, 0, 1);
	for (size_t i = 0; i < 8; i++)
		CHECK(d[i] == y[i] - x[i], "difference [%zu]", i);
	cpu_quantize((dev_f32 *)d, (const dev_f32 *)x, 2, 4, (struct quantizer){ELEMENT_NONE, SCALE_TENSOR, 0}, 0, 1);
	for (size_t i = 0; i < 8; i++)
		CHECK(d[i] == 0, "identity [%zu]: %g", i, (double)d[i]);
}

static void test_sums(void)
{
	enum { T = 3, COLS = 37, STRIDE = 50, COL0 = 7 };
	static float d[T * COLS], g[T * STRIDE], y[T * STRIDE];
	struct output_sums rows[T] = {{1, 2, 3, 4, 0}, {.score = 0}, {.error_max = 0.125}}, found = {0}, expected = rows[0];
	struct quant_sums q = {0}, plain = {0};
	for (size_t i = 0; i < T * STRIDE; i++) {
		g[i] = (float)((i * 31) % 17) / 8 - 1;
		y[i] = (float)((i * 13) % 29) / 4 - 3;
	}
	for (size_t i = 0; i < T * COLS; i++)
		d[i] = (float)((i * 7) % 23) / 16 - 0.6f;
	cpu_output_error((dev_f64 *)rows, (const dev_f32 *)d, NULL, (const dev_f32 *)g, (const dev_f32 *)y, T, COLS, STRIDE,
		COL0);
	for (size_t t = 0; t < T; t++) {
		output_sums_add(&found, &rows[t]);
		for (size_t c = 0; c < COLS; c++) {
			double e = d[t * COLS + c], w = g[t * STRIDE + COL0 + c], v = y[t * STRIDE + COL0 + c];
			expected.score += w * e * w * e;
			expected.error2 += e * e;
			expected.output2 += v * v;
			expected.cross += v * (v + e);
			expected.error_max = fmax(expected.error_max, fabs(e));
			plain.error2 += (v - e) * (v - e);
			plain.value2 += e * e;
			plain.quant2 += v * v;
			plain.cross += v * e;
		}
	}
	CHECK_CLOSE(found.score, expected.score, 1e-14);
	CHECK_CLOSE(found.error2, expected.error2, 1e-14);
	CHECK_CLOSE(found.output2, expected.output2, 1e-14);
	CHECK_CLOSE(found.cross, expected.cross, 1e-14);
	CHECK(found.error_max == expected.error_max, "%g", found.error_max);
	for (size_t t = 0; t < T; t++) {
		struct quant_sums row;
		cpu_weight_error((dev_f64 *)&row, (const dev_weight *)(y + t * STRIDE + COL0),
			(const dev_weight *)(d + t * COLS), COLS);
		quant_sums_add(&q, &row);
	}
	CHECK_CLOSE(q.error2, plain.error2, 1e-14);
	CHECK_CLOSE(q.value2, plain.value2, 1e-14);
	CHECK_CLOSE(q.quant2, plain.quant2, 1e-14);
	CHECK_CLOSE(q.cross, plain.cross, 1e-14);
	CHECK(q.count == T * COLS, "%g elements", q.count);
	/* Worked by hand. */
	const float eg[] = {.5f, -.25f, 0, 2}, ed[] = {.125f, .5f, 1, -.0625f}, ey[] = {0, 0, 0, 0};
	struct output_sums e[2] = {{0}};
	cpu_output_error((dev_f64 *)e, (const dev_f32 *)ed, NULL, (const dev_f32 *)eg, (const dev_f32 *)ey, 2, 2, 2, 0);
	CHECK(e[0].score == 0.01953125 && e[1].score == 0.015625, "%.17g, %.17g", e[0].score, e[1].score);
}

int main(void)
{
	TEST(test_worked_examples);
	TEST(test_integer_limits);
	TEST(test_tiny_amax);
	TEST(test_e4m3_table);
	TEST(test_e2m1_table);
	TEST(test_fp4_blocks);
	TEST(test_fp4_tie_of_scales);
	TEST(test_tails);
	TEST(test_definition);
	TEST(test_fp4_ties_of_elements);
	TEST(test_toy_weight);
	TEST(test_layouts);
	TEST(test_activations);
	TEST(test_sums);
	return check_done();
}
