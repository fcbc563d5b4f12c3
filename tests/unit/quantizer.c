/* From config to quantizers: the whole matrix of pairs and granularities, codes, costs, names, and what is refused. */
#include "../check.h"

#include <stdlib.h>

#include "common/error.h"
#include "common/json.h"
#include "quant/quantizer.h"

struct pair {
	const char *name, *weight, *activation, *format_name;
	const char *recipe;   /* printed under the default granularity */
	double search_bits;
};

static const struct pair pairs[] = {
	{"wfp4_afp16", "fp4", "fp16", "NVFP4_WEIGHT_ONLY_CFG", "CUSTOM_0", 4},
	{"wfp4_afp8", "fp4", "fp8", "W4A8_NVFP4_FP8_CFG", "W4A8_NVFP4_FP8_CFG", 4},
	{"wfp4_aint8", "fp4", "int8", "NVFP4_WEIGHT_INT8_ACT_CFG", "CUSTOM_0", 4},
	{"wfp4_aint4", "fp4", "int4", "NVFP4_WEIGHT_INT4_ACT_CFG", "CUSTOM_0", 4},
	{"wfp8_afp16", "fp8", "fp16", "FP8_WEIGHT_ONLY_CFG", "CUSTOM_0", 8},
	{"wfp8_afp8", "fp8", "fp8", "FP8_DEFAULT_CFG", "FP8_DEFAULT_CFG", 8},
	{"wfp8_aint8", "fp8", "int8", "FP8_WEIGHT_INT8_ACT_CFG", "CUSTOM_0", 8},
	{"wfp8_aint4", "fp8", "int4", "FP8_WEIGHT_INT4_ACT_CFG", "CUSTOM_0", 4},
	{"wint4_afp16", "int4", "fp16", "INT4_BLOCKWISE_WEIGHT_ONLY_CFG", "INT4_BLOCKWISE_WEIGHT_ONLY_CFG", 4},
	{"wint4_afp8", "int4", "fp8", "INT4_WEIGHT_FP8_ACT_CFG", "CUSTOM_0", 4},
	{"wint4_aint8", "int4", "int8", "INT4_WEIGHT_INT8_ACT_CFG", "CUSTOM_0", 4},
	{"wint4_aint4", "int4", "int4", "INT4_WEIGHT_INT4_ACT_CFG", "CUSTOM_0", 4},
	{"wint8_afp16", "int8", "fp16", "INT8_WEIGHT_ONLY_CFG", "INT8_WEIGHT_ONLY_CFG", 8},
	{"wint8_afp8", "int8", "fp8", "INT8_WEIGHT_FP8_ACT_CFG", "CUSTOM_0", 8},
	{"wint8_aint8", "int8", "int8", "INT8_LM_DEFAULT_CFG", "INT8_DEFAULT_CFG", 8},
	{"wint8_aint4", "int8", "int4", "INT8_WEIGHT_INT4_ACT_CFG", "CUSTOM_0", 4},
};

struct granularity {
	const char *name, *overrides;
};

#define TOKENS "\"*input_quantizer\": {\"type\": \"dynamic\", \"block_sizes\": {\"-1\": null}}"

static const struct granularity granularities[] = {
	{"default", "{}"},
	{"w_per_tensor", "{\"*weight_quantizer\": {\"axis\": null}}"},
	{"w_per_out_channel", "{\"*weight_quantizer\": {\"axis\": 0}}"},
	{"w_per_in_channel", "{\"*weight_quantizer\": {\"axis\": 1}}"},
	{"w_group64", "{\"*weight_quantizer\": {\"block_sizes\": {\"-1\": 64}}}"},
	{"w_group128", "{\"*weight_quantizer\": {\"block_sizes\": {\"-1\": 128}}}"},
	{"a_per_tensor_static", "{\"*input_quantizer\": {\"type\": \"static\", \"axis\": null}}"},
	{"a_per_token_dynamic", "{" TOKENS "}"},
	{"recipe_match_channel_token", "{\"*weight_quantizer\": {\"axis\": 0}, " TOKENS "}"},
};

enum { PAIRS = sizeof pairs / sizeof *pairs, GRANULARITIES = sizeof granularities / sizeof *granularities };

static const struct pair *pair_find(const char *name)
{
	for (size_t i = 0; i < PAIRS; i++)
		if (strcmp(pairs[i].name, name) == 0)
			return &pairs[i];
	return NULL;
}

static const char *granularity_find(const char *name)
{
	for (size_t i = 0; i < GRANULARITIES; i++)
		if (strcmp(granularities[i].name, name) == 0)
			return granularities[i].overrides;
	return NULL;
}

static enum resolve_result resolve_text(struct quantizer_pair *q, const struct pair *p, const char *overrides)
{
	cJSON *json = json_parse(overrides, strlen(overrides), "overrides", NULL);
	CHECK(json, "%s", error_text());
	enum resolve_result result = quantizer_resolve(q, p->weight, p->activation, p->format_name, json);
	cJSON_Delete(json);
	return result;
}

/* Notes code in the list when it is new. */
static void collect(char (*codes)[2 * QUANTIZER_CODE_MAX], size_t *count, const char *weight, const char *activation)
{
	char code[2 * QUANTIZER_CODE_MAX];
	snprintf(code, sizeof code, "%.15s/%.15s", weight, activation);
	for (size_t i = 0; i < *count; i++)
		if (strcmp(codes[i], code) == 0)
			return;
	memcpy(codes[(*count)++], code, sizeof code);
}

static void check_cell(const cJSON *cell, char (*codes)[2 * QUANTIZER_CODE_MAX], size_t *distinct, size_t *invalid)
{
	const char *pair_name = json_string(cell, "pair", "cell"), *name = json_string(cell, "granularity", "cell");
	const struct pair *pair = pair_find(pair_name);
	const char *overrides = granularity_find(name);
	char weight[QUANTIZER_CODE_MAX], activation[QUANTIZER_CODE_MAX];
	struct quantizer_pair q;
	CHECK(pair && overrides, "unknown cell %s %s", pair_name, name);
	if (!pair || !overrides)
		return;
	enum resolve_result result = resolve_text(&q, pair, overrides);
	if (!cJSON_IsTrue(cJSON_GetObjectItem(cell, "valid"))) {
		CHECK(result == RESOLVE_INVALID, "%s %s gave %d", pair_name, name, (int)result);
		CHECK(strstr(error_text(), "FP4") && strstr(error_text(), "axis"), "reason \"%s\"", error_text());
		++*invalid;
		return;
	}
	CHECK(result == RESOLVE_OK, "%s %s: %s", pair_name, name, error_text());
	if (result != RESOLVE_OK)
		return;
	quantizer_weight_code(weight, q.weight);
	quantizer_activation_code(activation, q.activation);
	CHECK_STRING(weight, json_string(cell, "weight", "cell"));
	CHECK_STRING(activation, json_string(cell, "activation", "cell"));
	collect(codes, distinct, weight, activation);
}

static void test_matrix(void)
{
	static char codes[PAIRS * GRANULARITIES][2 * QUANTIZER_CODE_MAX];
	size_t distinct = 0, invalid = 0, count = 0;
	cJSON *golden = json_read("tests/golden/demo_small.json", 1 << 24);
	const cJSON *cell;
	CHECK(golden, "%s", error_text());
	if (!golden)
		return;
	cJSON_ArrayForEach(cell, json_member(golden, "cells", "golden")) {
		check_cell(cell, codes, &distinct, &invalid);
		count++;
	}
	CHECK(count == 144 && invalid == 16 && distinct == 90, "%zu cells, %zu invalid, %zu distinct", count, invalid,
		distinct);
	cJSON_Delete(golden);
}

static void test_codes(void)
{
	static const char *const weights[] = {"-", "N16", "N32", "N1048576", "F8t", "F8r", "F8c", "F8g64", "I8t", "I8r",
		"I8c", "I8g128", "I4t", "I4r", "I4c", "I4g1"};
	static const char *const activations[] = {"-", "f8t", "f8k", "i8t", "i8k", "i4t", "i4k"};
	static const char *const bad[] = {"", "N", "N0", "N016", "N-1", "N16x", "N1048577", "F8", "F8g", "F8g0", "F8tt", "f8t",
		"I8k", "I9t", "--", "N99999999999999999999", "F8x", " N16"};
	char code[QUANTIZER_CODE_MAX];
	struct quantizer q;
	for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
		CHECK(quantizer_weight_parse(weights[i], &q) == 0, "%s: %s", weights[i], error_text());
		quantizer_weight_code(code, q);
		CHECK_STRING(code, weights[i]);
	}
	for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
		CHECK(quantizer_activation_parse(activations[i], &q) == 0, "%s: %s", activations[i], error_text());
		quantizer_activation_code(code, q);
		CHECK_STRING(code, activations[i]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		CHECK(quantizer_weight_parse(bad[i], &q) == -1, "weight \"%s\" was taken", bad[i]);
		CHECK(strstr(error_text(), "expected"), "message \"%s\"", error_text());
		if (strcmp(bad[i], "f8t"))
			CHECK(quantizer_activation_parse(bad[i], &q) == -1, "activation \"%s\" was taken", bad[i]);
	}
	CHECK(quantizer_activation_parse("F8t", &q) == -1, "activation F8t was taken");
}

static void test_equal(void)
{
	struct quantizer a, b;
	quantizer_weight_parse("N16", &a);
	quantizer_weight_parse("N32", &b);
	CHECK(!quantizer_equal(a, b) && quantizer_equal(a, a), "N16 and N32");
	quantizer_weight_parse("F8t", &a);
	quantizer_weight_parse("I8t", &b);
	CHECK(!quantizer_equal(a, b), "F8t and I8t");
	a = (struct quantizer){ELEMENT_NONE, SCALE_ROW, 5};
	b = (struct quantizer){ELEMENT_NONE, SCALE_TENSOR, 0};
	CHECK(quantizer_equal(a, b), "none is none");
}

static void test_search_bits(void)
{
	for (size_t i = 0; i < PAIRS; i++) {
		struct quantizer_pair q;
		CHECK(resolve_text(&q, &pairs[i], "{}") == RESOLVE_OK, "%s: %s", pairs[i].name, error_text());
		CHECK(quantizer_search_bits(q) == pairs[i].search_bits, "%s: %g", pairs[i].name, quantizer_search_bits(q));
	}
}

static void test_cost_bits(void)
{
	static const struct {
		const char *code;
		size_t out, in;
		double bits;
	} costs[] = {
		{"-", 8, 8, 16}, {"N16", 8, 256, 4.5}, {"N32", 8, 256, 4.25}, {"N64", 8, 256, 4.125}, {"N128", 8, 256, 4.0625},
		{"I4g128", 8, 256, 4.125}, {"I4g64", 8, 256, 4.25}, {"F8t", 8, 256, 8}, {"I8t", 8, 256, 8},
		{"I8r", 8, 256, 8.0625}, {"F8c", 32, 256, 8.5}, {"F8g64", 8, 256, 8.25},
		{"N16", 8, 40, 4 + 8 * 3 / 40.}, {"I4g128", 8, 100, 4.16}, /* short last blocks have a scale too */
	};
	for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
		struct quantizer q;
		quantizer_weight_parse(costs[i].code, &q);
		CHECK_CLOSE(quantizer_cost_bits(q, costs[i].out, costs[i].in), costs[i].bits, 1e-15);
	}
}

static const char *recipe_name(const char *pair, const char *granularity)
{
	const struct pair *p = pair_find(pair);
	cJSON *overrides = cJSON_Parse(granularity_find(granularity));
	const char *name = quantizer_recipe_name(p->format_name, p->weight, p->activation, overrides);
	cJSON_Delete(overrides);
	return name;
}

static void test_recipe_names(void)
{
	for (size_t i = 0; i < PAIRS; i++)
		CHECK_STRING(recipe_name(pairs[i].name, "default"), pairs[i].recipe);
	CHECK_STRING(recipe_name("wfp8_afp8", "recipe_match_channel_token"), "FP8_PER_CHANNEL_PER_TOKEN_CFG");
	CHECK_STRING(recipe_name("wint4_afp16", "w_group128"), "INT4_BLOCKWISE_WEIGHT_ONLY_CFG");
	CHECK_STRING(recipe_name("wfp8_afp8", "w_per_tensor"), "FP8_DEFAULT_CFG");
	CHECK_STRING(recipe_name("wint8_afp16", "w_per_out_channel"), "INT8_WEIGHT_ONLY_CFG");
	CHECK_STRING(recipe_name("wint8_aint8", "w_per_out_channel"), "INT8_DEFAULT_CFG");
	CHECK_STRING(recipe_name("wfp8_afp8", "a_per_token_dynamic"), "CUSTOM_0");
	CHECK_STRING(recipe_name("wfp4_afp8", "w_group64"), "CUSTOM_0");
	/* Equal numbers, other words. */
	CHECK_STRING(recipe_name("wfp8_afp8", "a_per_tensor_static"), "CUSTOM_0");
}

static void check_summary(const char *pair, const char *granularity, const char *expected)
{
	const struct pair *p = pair_find(pair);
	cJSON *overrides = cJSON_Parse(granularity_find(granularity));
	cJSON *summary = quantizer_summary(p->weight, p->activation, p->format_name, overrides);
	char *text = cJSON_PrintUnformatted(summary);
	CHECK_STRING(text, expected);
	free(text);
	cJSON_Delete(summary);
	cJSON_Delete(overrides);
}

static void test_summaries(void)
{
	check_summary("wint4_aint8", "w_group64",
		"{\"*weight_quantizer\":{\"block_sizes\":{\"-1\":64}},\"*input_quantizer\":{\"axis\":null}}");
	check_summary("wfp4_afp16", "w_group64", "{\"*weight_quantizer\":{\"block_sizes\":{\"-1\":64,\"type\":\"dynamic\","
		"\"scale_bits\":[4,3]}},\"*input_quantizer\":{}}");
	check_summary("wint8_aint4", "recipe_match_channel_token", "{\"*weight_quantizer\":{\"axis\":0},"
		"\"*input_quantizer\":{\"type\":\"dynamic\",\"block_sizes\":{\"-1\":null}}}");
	check_summary("wfp8_afp8", "a_per_tensor_static",
		"{\"*weight_quantizer\":{\"axis\":null},\"*input_quantizer\":{\"type\":\"static\",\"axis\":null}}");
	/* What cannot exist can still be described. */
	check_summary("wfp4_afp16", "w_per_out_channel", "{\"*weight_quantizer\":{\"axis\":0},\"*input_quantizer\":{}}");
}

/* A pair, an overlay, and a word of the message. */
static const struct {
	const char *pair, *overrides;
	enum resolve_result result;
	const char *message;
} refused[] = {
	{"wfp8_afp8", "{\"*weight_quantizer\": {\"axes\": 0}}", RESOLVE_ERROR, "did you mean \"axis\""},
	{"wfp8_afp8", "{\"*weight_quantizer\": {\"narrow_range\": true}}", RESOLVE_ERROR, "unknown attribute"},
	{"wfp8_afp8", "{\"weight_quantizer\": {}}", RESOLVE_ERROR, "did you mean \"*weight_quantizer\""},
	{"wfp8_afp8", "{\"*weight_quantizer\": {\"AXIS\": 0}}", RESOLVE_ERROR, "unknown attribute"},
	{"wfp8_afp8", "{\"*weight_quantizer\": {\"axis\": 0, \"block_sizes\": {\"-1\": 64}}}", RESOLVE_ERROR, "exclude"},
	{"wfp8_afp8", "{\"*weight_quantizer\": {\"axis\": 2}}", RESOLVE_ERROR, "axis: expected null, 0, 1 or -1"},
	{"wfp8_afp8", "{\"*weight_quantizer\": {\"axis\": \"0\"}}", RESOLVE_ERROR, "axis: expected"},
	{"wfp8_afp8", "{\"*weight_quantizer\": {\"block_sizes\": {\"-1\": 0}}}", RESOLVE_ERROR, "block size from 1"},
	{"wfp8_afp8", "{\"*weight_quantizer\": {\"block_sizes\": {\"-1\": 1.5}}}", RESOLVE_ERROR, "block size from 1"},
	{"wfp8_afp8", "{\"*weight_quantizer\": {\"block_sizes\": {\"-1\": 1e300}}}", RESOLVE_ERROR, "block size from 1"},
	{"wfp8_afp8", "{\"*weight_quantizer\": {\"block_sizes\": {\"0\": 64}}}", RESOLVE_ERROR, "last dimension"},
	{"wfp8_afp8", "{\"*weight_quantizer\": {\"block_sizes\": 64}}", RESOLVE_ERROR, "mapping"},
	{"wfp8_afp8", "{\"*weight_quantizer\": {\"block_sizes\": {\"-1\": null}}}", RESOLVE_ERROR, "block size"},
	{"wfp8_afp8", "{\"*weight_quantizer\": {\"block_sizes\": {\"-1\": 64, \"type\": \"dynamic\"}}}", RESOLVE_ERROR,
		"FP4 only"},
	{"wfp8_afp8", "{\"*weight_quantizer\": {\"type\": \"dynamic\"}}", RESOLVE_ERROR, "static"},
	{"wfp8_afp8", "{\"*weight_quantizer\": {\"type\": \"fast\"}}", RESOLVE_ERROR, "\"static\" or \"dynamic\""},
	{"wfp8_afp8", "{\"*weight_quantizer\": {\"num_bits\": 3}}", RESOLVE_ERROR, "expected 8, 4"},
	{"wfp8_afp8", "{\"*weight_quantizer\": {\"num_bits\": [2, 1]}}", RESOLVE_INVALID, "FP4"},
	{"wfp8_afp8", "{\"*weight_quantizer\": 3}", RESOLVE_ERROR, "mapping"},
	{"wfp8_afp8", "[]", RESOLVE_ERROR, "mapping"},
	{"wfp8_afp8", "{\"*input_quantizer\": {\"axis\": 0}}", RESOLVE_ERROR, "activations"},
	{"wfp8_afp8", "{\"*input_quantizer\": {\"type\": \"dynamic\"}}", RESOLVE_ERROR, "block_sizes {-1: null}"},
	{"wfp8_afp8", "{\"*input_quantizer\": {\"block_sizes\": {\"-1\": 64}}}", RESOLVE_ERROR, "one scale a token"},
	{"wfp8_afp8", "{\"*input_quantizer\": {\"num_bits\": [2, 1]}}", RESOLVE_ERROR, "FP4 activations"},
	{"wfp8_afp16", "{\"*input_quantizer\": {\"enable\": true}}", RESOLVE_ERROR, "num_bits"},
	{"wfp8_afp16", "{\"*input_quantizer\": {\"enable\": 1}}", RESOLVE_ERROR, "true or false"},
	{"wfp8_afp8", "{\"default\": {\"enable\": true}}", RESOLVE_ERROR, "outputs"},
	{"wfp4_afp16", "{\"*weight_quantizer\": {\"block_sizes\": {\"type\": \"static\"}}}", RESOLVE_INVALID,
		"dynamic blocks"},
	{"wfp4_afp16", "{\"*weight_quantizer\": {\"block_sizes\": {\"scale_bits\": [8, 0]}}}", RESOLVE_ERROR, "[4, 3]"},
	{"wfp4_afp16", "{\"*weight_quantizer\": {\"block_sizes\": {\"scale_bits\": [5, 2]}}}", RESOLVE_ERROR, "[4, 3]"},
	/* Wrong and impossible at once: wrong, so that a grid does not skip it in silence. */
	{"wfp4_afp8", "{\"*weight_quantizer\": {\"axis\": 0}, \"*input_quantizer\": {\"axis\": 1}}", RESOLVE_ERROR, "axis"},
};

static void test_refused(void)
{
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct quantizer_pair q;
		enum resolve_result result = resolve_text(&q, pair_find(refused[i].pair), refused[i].overrides);
		CHECK(result == refused[i].result, "%s gave %d", refused[i].overrides, (int)result);
		CHECK(strstr(error_text(), refused[i].message), "%s: \"%s\"", refused[i].overrides, error_text());
	}
}

static void test_accepted(void)
{
	static const struct {
		const char *pair, *overrides, *weight, *activation;
	} accepted[] = {
		{"wfp8_afp16", "{\"*weight_quantizer\": {\"axis\": -1}}", "F8c", "-"},
		{"wfp8_afp16", "{\"*weight_quantizer\": {\"enable\": false}}", "-", "-"},
		{"wfp8_afp16", "{\"*input_quantizer\": {\"enable\": true, \"num_bits\": 8, \"axis\": null}}", "F8t", "i8t"},
		{"wfp8_afp8", "{\"*weight_quantizer\": {\"num_bits\": 4, \"block_sizes\": {\"-1\": 32}}}", "I4g32", "f8t"},
		{"wfp8_afp8", "{\"default\": {\"enable\": false}}", "F8t", "f8t"},
		{"wint8_aint8", "{\"*weight_quantizer\": {\"num_bits\": [2, 1], \"block_sizes\": {\"-1\": 8, \"type\": \"dynamic\","
			" \"scale_bits\": [4, 3]}}}", "N8", "i8t"},
	};
	for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
		struct quantizer_pair q = {{ELEMENT_NONE, SCALE_TENSOR, 0}, {ELEMENT_NONE, SCALE_TENSOR, 0}};
		char code[QUANTIZER_CODE_MAX];
		CHECK(resolve_text(&q, pair_find(accepted[i].pair), accepted[i].overrides) == RESOLVE_OK, "%s: %s",
			accepted[i].overrides, error_text());
		quantizer_weight_code(code, q.weight);
		CHECK_STRING(code, accepted[i].weight);
		quantizer_activation_code(code, q.activation);
		CHECK_STRING(code, accepted[i].activation);
	}
}

static void test_format_names(void)
{
	struct quantizer_pair q;
	CHECK(quantizer_resolve(&q, "fp8", "fp8", "FP8_DEFAULT_CFG", NULL) == RESOLVE_OK, "%s", error_text());
	CHECK(quantizer_resolve(&q, "int8", "int8", "INT8_DEFAULT_CFG", NULL) == RESOLVE_OK, "%s", error_text());
	CHECK(quantizer_resolve(&q, "fp8", "fp8", "FP8_DEFAULT_CGF", NULL) == RESOLVE_ERROR, "FP8_DEFAULT_CGF was taken");
	CHECK(strstr(error_text(), "did you mean \"FP8_DEFAULT_CFG\""), "%s", error_text());
	CHECK(quantizer_resolve(&q, "fp8", "int8", "FP8_DEFAULT_CFG", NULL) == RESOLVE_ERROR, "a mismatch was taken");
	CHECK(strstr(error_text(), "activation int8"), "%s", error_text());
	CHECK(quantizer_summary("fp8", "int8", "FP8_DEFAULT_CFG", NULL) == NULL, "a mismatch was described");
}

int main(void)
{
	TEST(test_matrix);
	TEST(test_codes);
	TEST(test_equal);
	TEST(test_search_bits);
	TEST(test_cost_bits);
	TEST(test_recipe_names);
	TEST(test_summaries);
	TEST(test_refused);
	TEST(test_accepted);
	TEST(test_format_names);
	return check_done();
}
