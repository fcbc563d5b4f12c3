#include "quant/quantizer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"

int quantizer_equal(struct quantizer a, struct quantizer b)
{
	if (a.element != b.element)
		return 0;
	return a.element == ELEMENT_NONE || (a.scale == b.scale && a.block == b.block);
}

int quantizer_pair_equal(struct quantizer_pair a, struct quantizer_pair b)
{
	return quantizer_equal(a.weight, b.weight) && quantizer_equal(a.activation, b.activation);
}

int quantizer_pair_none(struct quantizer_pair pair)
{
	return pair.weight.element == ELEMENT_NONE && pair.activation.element == ELEMENT_NONE;
}

int quantizer_is_static(struct quantizer activation)
{
	return activation.element != ELEMENT_NONE && activation.scale != SCALE_TOKEN;
}

int quantizer_pair_joint(struct quantizer_pair pair)
{
	return pair.weight.element != ELEMENT_NONE && pair.activation.element != ELEMENT_NONE;
}

#define CODES_WEIGHT "\"-\", N and a block size (N16), or F8, I8 or I4 with t, r, c or g and a block size (F8t, I4g128)"
#define CODES_ACTIVATION "\"-\", f8t, f8k, i8t, i8k, i4t or i4k"

static const char *const element_code[] = {[ELEMENT_INT8] = "I8", [ELEMENT_INT4] = "I4", [ELEMENT_FP8] = "F8"};

void quantizer_weight_code(char *code, struct quantizer q)
{
	const char *letter = q.scale == SCALE_TENSOR ? "t" : q.scale == SCALE_ROW ? "r" : "c";
	assert(q.element == ELEMENT_NONE || q.scale != SCALE_TOKEN);
	if (q.element == ELEMENT_NONE)
		snprintf(code, QUANTIZER_CODE_MAX, "-");
	else if (q.element == ELEMENT_FP4)
		snprintf(code, QUANTIZER_CODE_MAX, "N%zu", q.block);
	else if (q.scale == SCALE_BLOCK)
		snprintf(code, QUANTIZER_CODE_MAX, "%sg%zu", element_code[q.element], q.block);
	else
		snprintf(code, QUANTIZER_CODE_MAX, "%s%s", element_code[q.element], letter);
}

void quantizer_activation_code(char *code, struct quantizer q)
{
	static const char *const letters[] = {[ELEMENT_INT8] = "i8", [ELEMENT_INT4] = "i4", [ELEMENT_FP8] = "f8"};
	assert(q.element != ELEMENT_FP4);
	if (q.element == ELEMENT_NONE)
		snprintf(code, QUANTIZER_CODE_MAX, "-");
	else
		snprintf(code, QUANTIZER_CODE_MAX, "%s%s", letters[q.element], q.scale == SCALE_TOKEN ? "k" : "t");
}

/* A block size without sign, blank or leading zero; 0 when text is anything else. */
static size_t block_parse(const char *text)
{
	size_t block = 0;
	if (*text == '0')
		return 0;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || block > QUANTIZER_BLOCK_MAX)
			return 0;
		block = 10 * block + (size_t)(*text - '0');
	}
	return block <= QUANTIZER_BLOCK_MAX ? block : 0;
}

static int element_parse(const char *code, struct quantizer *q)
{
	static const enum element elements[] = {ELEMENT_INT8, ELEMENT_INT4, ELEMENT_FP8};
	for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
		if (strncmp(code, element_code[elements[i]], 2) == 0) {
			q->element = elements[i];
			return 0;
		}
	return -1;
}

int quantizer_weight_parse(const char *code, struct quantizer *q)
{
	static const char letters[] = "trc"; /* in the order of enum scale */
	*q = (struct quantizer){ELEMENT_NONE, SCALE_TENSOR, 0};
	if (strcmp(code, "-") == 0)
		return 0;
	if (code[0] == 'N' && (q->block = block_parse(code + 1)) > 0) {
		q->element = ELEMENT_FP4;
		q->scale = SCALE_BLOCK;
		return 0;
	}
	if (element_parse(code, q) == 0) {
		const char *letter = code[2] ? strchr(letters, code[2]) : NULL;
		if (letter && !code[3]) {
			q->scale = (enum scale)(letter - letters);
			return 0;
		}
		if (code[2] == 'g' && (q->block = block_parse(code + 3)) > 0) {
			q->scale = SCALE_BLOCK;
			return 0;
		}
	}
	return fail("unknown weight quantizer \"%.40s\"; expected " CODES_WEIGHT, code);
}

int quantizer_activation_parse(const char *code, struct quantizer *q)
{
	static const enum element elements[] = {ELEMENT_INT8, ELEMENT_INT4, ELEMENT_FP8};
	*q = (struct quantizer){ELEMENT_NONE, SCALE_TENSOR, 0};
	if (strcmp(code, "-") == 0)
		return 0;
	for (size_t i = 0; i < 2 * sizeof elements / sizeof *elements; i++) {
		char known[QUANTIZER_CODE_MAX];
		struct quantizer each = {elements[i / 2], i % 2 ? SCALE_TOKEN : SCALE_TENSOR, 0};
		quantizer_activation_code(known, each);
		if (strcmp(code, known) == 0) {
			*q = each;
			return 0;
		}
	}
	return fail("unknown activation quantizer \"%.40s\"; expected " CODES_ACTIVATION, code);
}

int quantizer_pair_parse(const char *codes, struct quantizer_pair *pair)
{
	char weight[QUANTIZER_CODE_MAX];
	const char *slash = strchr(codes, '/');
	if (!slash || slash - codes >= QUANTIZER_CODE_MAX)
		return fail("format \"%.40s\", expected codes of a weight and an activation quantizer as in \"F8t/f8t\"", codes);
	snprintf(weight, sizeof weight, "%.*s", (int)(slash - codes), codes);
	return quantizer_weight_parse(weight, &pair->weight) || quantizer_activation_parse(slash + 1, &pair->activation)
		? -1 : 0;
}

static double element_bits(enum element element)
{
	static const double bits[] = {
		[ELEMENT_NONE] = 16, [ELEMENT_INT8] = 8, [ELEMENT_INT4] = 4, [ELEMENT_FP8] = 8, [ELEMENT_FP4] = 4,
	};
	return bits[element];
}

double quantizer_search_bits(struct quantizer_pair pair)
{
	double weight = element_bits(pair.weight.element), activation = element_bits(pair.activation.element);
	return weight < activation ? weight : activation;
}

double quantizer_cost_bits(struct quantizer weight, size_t out, size_t in)
{
	const double bits = element_bits(weight.element), scale_bits = weight.element == ELEMENT_FP4 ? 8 : 16;
	if (weight.element == ELEMENT_NONE)
		return bits;
	switch (weight.scale) {
	case SCALE_ROW:
		return bits + scale_bits / (double)in;
	case SCALE_COLUMN:
		return bits + scale_bits / (double)out;
	case SCALE_BLOCK:
		return bits + scale_bits * (double)((in + weight.block - 1) / weight.block) / (double)in;
	case SCALE_TENSOR:
	case SCALE_TOKEN:
		break;
	}
	return bits; /* one number a tensor is not counted */
}
