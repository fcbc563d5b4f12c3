#include "quant/quantizer.h"

#include <string.h>

#include "common/error.h"
#include "common/spell.h"

/* Recipes: a pair names one, an overlay changes it, and what comes out is given a meaning.
 *
 * Attributes are what a recipe says of one quantizer, in the words of the original config; quantizers are what it
 * computes. Two recipes may differ in words (type: static said or not) and compute the same: names and summaries go by
 * the words, keys by the quantizers. */

enum mode { MODE_UNSAID, MODE_STATIC, MODE_DYNAMIC };
enum scale_format { SCALES_UNSAID, SCALES_E4M3, SCALES_E8M0 };

struct blocks {
	int present;
	int sized;       /* "-1" is there */
	size_t size;     /* its value; 0 is null: the whole of the last dimension */
	enum mode mode;
	enum scale_format scales;
};

struct attributes {
	int enabled;
	enum element element; /* num_bits; ELEMENT_NONE: not said */
	enum mode mode;
	int has_axis, axis_null;
	int axis;
	struct blocks blocks;
};

#define PER_TENSOR .has_axis = 1, .axis_null = 1
#define PER_ROW .has_axis = 1
#define BLOCKS_STATIC(n) .blocks = {.present = 1, .sized = 1, .size = (n)}
#define BLOCKS_FP4(n) .blocks = {.present = 1, .sized = 1, .size = (n), .mode = MODE_DYNAMIC, .scales = SCALES_E4M3}

static const struct attributes weight_fp4_16 = {.enabled = 1, .element = ELEMENT_FP4, BLOCKS_FP4(16)};
static const struct attributes weight_fp4_32 = {.enabled = 1, .element = ELEMENT_FP4, BLOCKS_FP4(32)};
static const struct attributes weight_fp8 = {.enabled = 1, .element = ELEMENT_FP8, PER_TENSOR};
static const struct attributes weight_fp8_row = {.enabled = 1, .element = ELEMENT_FP8, PER_ROW};
static const struct attributes weight_int4 = {.enabled = 1, .element = ELEMENT_INT4, BLOCKS_STATIC(128)};
static const struct attributes weight_int8 = {.enabled = 1, .element = ELEMENT_INT8, PER_ROW};
static const struct attributes input_fp8 = {.enabled = 1, .element = ELEMENT_FP8, PER_TENSOR};
static const struct attributes input_int8 = {.enabled = 1, .element = ELEMENT_INT8, PER_TENSOR};
static const struct attributes input_int4 = {.enabled = 1, .element = ELEMENT_INT4, PER_TENSOR};
static const struct attributes input_none = {0};
static const struct attributes input_fp8_token = {
	.enabled = 1, .element = ELEMENT_FP8, .mode = MODE_DYNAMIC, .blocks = {.present = 1, .sized = 1},
};

/* Every recipe a quant_pair may name. preset: the name is one that the peer registers, so it prints it; a copy of a
 * registered recipe under another name prints the registered one, which stands before it. */
struct recipe {
	const char *name;
	const char *weight_name, *activation_name;
	const struct attributes *weight, *input;
	int preset;
};

static const struct recipe recipes[] = {
	{"W4A8_NVFP4_FP8_CFG", "fp4", "fp8", &weight_fp4_32, &input_fp8, 1},
	{"FP8_DEFAULT_CFG", "fp8", "fp8", &weight_fp8, &input_fp8, 1},
	{"INT4_BLOCKWISE_WEIGHT_ONLY_CFG", "int4", "fp16", &weight_int4, &input_none, 1},
	{"INT8_WEIGHT_ONLY_CFG", "int8", "fp16", &weight_int8, &input_none, 1},
	{"INT8_DEFAULT_CFG", "int8", "int8", &weight_int8, &input_int8, 1},
	{"FP8_PER_CHANNEL_PER_TOKEN_CFG", "fp8", "fp8", &weight_fp8_row, &input_fp8_token, 1},
	{"NVFP4_WEIGHT_ONLY_CFG", "fp4", "fp16", &weight_fp4_16, &input_none, 0},
	{"NVFP4_WEIGHT_INT8_ACT_CFG", "fp4", "int8", &weight_fp4_16, &input_int8, 0},
	{"NVFP4_WEIGHT_INT4_ACT_CFG", "fp4", "int4", &weight_fp4_16, &input_int4, 0},
	{"FP8_WEIGHT_ONLY_CFG", "fp8", "fp16", &weight_fp8, &input_none, 0},
	{"FP8_WEIGHT_INT8_ACT_CFG", "fp8", "int8", &weight_fp8, &input_int8, 0},
	{"FP8_WEIGHT_INT4_ACT_CFG", "fp8", "int4", &weight_fp8, &input_int4, 0},
	{"INT4_WEIGHT_FP8_ACT_CFG", "int4", "fp8", &weight_int4, &input_fp8, 0},
	{"INT4_WEIGHT_INT8_ACT_CFG", "int4", "int8", &weight_int4, &input_int8, 0},
	{"INT4_WEIGHT_INT4_ACT_CFG", "int4", "int4", &weight_int4, &input_int4, 0},
	{"INT8_WEIGHT_FP8_ACT_CFG", "int8", "fp8", &weight_int8, &input_fp8, 0},
	{"INT8_LM_DEFAULT_CFG", "int8", "int8", &weight_int8, &input_int8, 0},
	{"INT8_WEIGHT_INT4_ACT_CFG", "int8", "int4", &weight_int8, &input_int4, 0},
};

enum { RECIPES = sizeof recipes / sizeof *recipes };

static const struct recipe *recipe_find(const char *format_name)
{
	const char *names[RECIPES];
	for (size_t i = 0; i < RECIPES; i++) {
		names[i] = recipes[i].name;
		if (strcmp(format_name, names[i]) == 0)
			return &recipes[i];
	}
	const char *near = spell_nearest(format_name, names, RECIPES);
	return fail_null("unknown format_name \"%.60s\"%s%s%s", format_name, near ? "; did you mean \"" : "",
		near ? near : "", near ? "\"?" : "");
}

/* The recipe of a pair: the one it names, which must be of the pair's weight and activation. */
static const struct recipe *recipe_of(const char *weight, const char *activation, const char *format_name)
{
	const struct recipe *r = recipe_find(format_name);
	if (!r)
		return NULL;
	if (strcmp(r->weight_name, weight) || strcmp(r->activation_name, activation))
		return fail_null("format_name %s has weight %s and activation %s; the pair says weight %.20s and activation "
			"%.20s", r->name, r->weight_name, r->activation_name, weight, activation);
	return r;
}

static int unknown_key(const char *what, const char *key, const char *const *known, size_t count, const char *list)
{
	const char *near = spell_nearest(key, known, count);
	return fail("unknown %s \"%.60s\"%s%s%s; expected %s", what, key, near ? ", did you mean \"" : "", near ? near : "",
		near ? "\"?" : "", list);
}

static int mode_read(const cJSON *value, enum mode *mode)
{
	const char *text = cJSON_GetStringValue(value);
	if (text && strcmp(text, "static") == 0)
		*mode = MODE_STATIC;
	else if (text && strcmp(text, "dynamic") == 0)
		*mode = MODE_DYNAMIC;
	else
		return fail("type: expected \"static\" or \"dynamic\"");
	return 0;
}

/* Whether value is a list of the two integers a and b. */
static int is_two(const cJSON *value, int a, int b)
{
	const cJSON *first = cJSON_IsArray(value) ? value->child : NULL;
	return first && first->next && !first->next->next && cJSON_IsNumber(first) && cJSON_IsNumber(first->next)
		&& first->valuedouble == a && first->next->valuedouble == b;
}

static int block_size_read(const cJSON *value, struct blocks *blocks)
{
	double n = cJSON_IsNumber(value) ? value->valuedouble : 0;
	if (!cJSON_IsNull(value) && !(n >= 1 && n <= QUANTIZER_BLOCK_MAX && n == (double)(size_t)n))
		return fail("\"-1\": expected a block size from 1 to %d, or null", QUANTIZER_BLOCK_MAX);
	blocks->sized = 1;
	blocks->size = (size_t)n;
	return 0;
}

static int blocks_merge(const cJSON *overlay, struct blocks *blocks)
{
	static const char *const known[] = {"-1", "type", "scale_bits"};
	const cJSON *m;
	if (!cJSON_IsObject(overlay))
		return fail("expected a mapping such as {-1: 64}");
	blocks->present = 1;
	cJSON_ArrayForEach(m, overlay) {
		int status = 0;
		if (strcmp(m->string, "-1") == 0)
			status = block_size_read(m, blocks);
		else if (strcmp(m->string, "type") == 0)
			status = mode_read(m, &blocks->mode);
		else if (strcmp(m->string, "scale_bits") != 0)
			status = unknown_key("key", m->string, known, 3, "-1 (blocks run along the last dimension), type or "
				"scale_bits");
		else if (is_two(m, 4, 3))
			blocks->scales = SCALES_E4M3;
		else if (is_two(m, 8, 0))
			blocks->scales = SCALES_E8M0;
		else
			status = fail("scale_bits: expected [4, 3]");
		if (status)
			return -1;
	}
	return 0;
}

static int axis_read(const cJSON *value, struct attributes *a)
{
	a->has_axis = 1;
	a->axis_null = cJSON_IsNull(value) ? 1 : 0;
	if (a->axis_null)
		return 0;
	if (!cJSON_IsNumber(value) || (value->valuedouble != 0 && value->valuedouble != 1 && value->valuedouble != -1))
		return fail("expected null, 0, 1 or -1");
	a->axis = value->valuedouble == 0 ? 0 : 1; /* of two dimensions -1 is 1 */
	return 0;
}

static int num_bits_read(const cJSON *value, enum element *element)
{
	if (cJSON_IsNumber(value) && value->valuedouble == 8)
		*element = ELEMENT_INT8;
	else if (cJSON_IsNumber(value) && value->valuedouble == 4)
		*element = ELEMENT_INT4;
	else if (is_two(value, 4, 3))
		*element = ELEMENT_FP8;
	else if (is_two(value, 2, 1))
		*element = ELEMENT_FP4;
	else
		return fail("expected 8, 4, [4, 3] or [2, 1]");
	return 0;
}

static int attribute_merge(const cJSON *m, struct attributes *a)
{
	static const char *const known[] = {"num_bits", "enable", "type", "axis", "block_sizes"};
	if (strcmp(m->string, "num_bits") == 0)
		return num_bits_read(m, &a->element);
	if (strcmp(m->string, "type") == 0)
		return mode_read(m, &a->mode);
	if (strcmp(m->string, "axis") == 0)
		return axis_read(m, a);
	if (strcmp(m->string, "block_sizes") == 0)
		return blocks_merge(m, &a->blocks);
	if (strcmp(m->string, "enable") != 0)
		return unknown_key("attribute", m->string, known, 5, "num_bits, enable, type, axis or block_sizes");
	if (!cJSON_IsBool(m))
		return fail("expected true or false");
	a->enabled = cJSON_IsTrue(m);
	return 0;
}

static int attributes_merge(const cJSON *overlay, struct attributes *a)
{
	const cJSON *m;
	const int axis = cJSON_GetObjectItemCaseSensitive(overlay, "axis") != NULL;
	const int blocks = cJSON_GetObjectItemCaseSensitive(overlay, "block_sizes") != NULL;
	if (!cJSON_IsObject(overlay))
		return fail("expected a mapping of attributes");
	if (axis && blocks)
		return fail("axis and block_sizes exclude each other");
	if (axis)
		a->blocks = (struct blocks){0};
	if (blocks)
		a->has_axis = a->axis_null = a->axis = 0;
	cJSON_ArrayForEach(m, overlay)
		if (attribute_merge(m, a))
			return fail_context("%.60s", m->string);
	return 0;
}

/* "default" speaks of quantizers that neither pattern matches, of outputs: they are always off. */
static int default_check(const cJSON *overlay)
{
	struct attributes a = {0};
	if (attributes_merge(overlay, &a))
		return -1;
	return a.enabled ? fail("enable: quantizers of outputs are not supported") : 0;
}

struct recipe_attributes {
	struct attributes weight, input;
};

static int overlay_merge(const cJSON *overrides, struct recipe_attributes *r)
{
	static const char *const known[] = {"*weight_quantizer", "*input_quantizer", "default"};
	const cJSON *m;
	if (!overrides || cJSON_IsNull(overrides))
		return 0;
	if (!cJSON_IsObject(overrides))
		return fail("expected a mapping from quantizers to attributes");
	cJSON_ArrayForEach(m, overrides) {
		int status;
		if (strcmp(m->string, known[0]) == 0)
			status = attributes_merge(m, &r->weight);
		else if (strcmp(m->string, known[1]) == 0)
			status = attributes_merge(m, &r->input);
		else if (strcmp(m->string, known[2]) == 0)
			status = default_check(m);
		else
			return unknown_key("quantizer", m->string, known, 3, "*weight_quantizer, *input_quantizer or default");
		if (status)
			return fail_context("%s", m->string);
	}
	return 0;
}

static int recipe_merge(struct recipe_attributes *r, const char *weight, const char *activation,
	const char *format_name, const cJSON *overrides)
{
	const struct recipe *base = recipe_of(weight, activation, format_name);
	if (!base)
		return -1;
	r->weight = *base->weight;
	r->input = *base->input;
	if (overlay_merge(overrides, r))
		return fail_context("quant_cfg_overrides");
	return 0;
}

static enum resolve_result invalid(const char *why)
{
	fail("%s", why);
	return RESOLVE_INVALID;
}

static enum resolve_result unsupported(const char *why)
{
	fail("%s", why);
	return RESOLVE_ERROR;
}

static enum resolve_result fp4_resolve(const struct attributes *a, struct quantizer *q)
{
	if (a->has_axis)
		return invalid("FP4 weights need dynamic blocks, and the granularity gives them an axis instead");
	if (!a->blocks.present || a->blocks.mode != MODE_DYNAMIC)
		return invalid("FP4 weights need dynamic blocks (block_sizes with type dynamic)");
	if (!a->blocks.sized || a->blocks.size == 0)
		return unsupported("*weight_quantizer: FP4 needs a block size (\"-1\")");
	if (a->blocks.scales != SCALES_E4M3)
		return unsupported("*weight_quantizer: FP4 is supported with scale_bits [4, 3]");
	*q = (struct quantizer){ELEMENT_FP4, SCALE_BLOCK, a->blocks.size};
	return RESOLVE_OK;
}

static enum resolve_result weight_resolve(const struct attributes *a, struct quantizer *q)
{
	*q = (struct quantizer){ELEMENT_NONE, SCALE_TENSOR, 0};
	if (!a->enabled)
		return RESOLVE_OK;
	if (a->mode == MODE_DYNAMIC)
		return unsupported("*weight_quantizer: weights are static; type dynamic is supported inside block_sizes, for FP4");
	if (a->element == ELEMENT_FP4)
		return fp4_resolve(a, q);
	q->element = a->element;
	if (a->blocks.present) {
		if (!a->blocks.sized || a->blocks.size == 0)
			return unsupported("*weight_quantizer: block_sizes needs a block size (\"-1\")");
		if (a->blocks.mode == MODE_DYNAMIC || a->blocks.scales != SCALES_UNSAID)
			return unsupported("*weight_quantizer: dynamic blocks and scale_bits are supported for FP4 only");
		q->scale = SCALE_BLOCK;
		q->block = a->blocks.size;
	} else if (a->has_axis && !a->axis_null) {
		q->scale = a->axis == 0 ? SCALE_ROW : SCALE_COLUMN;
	}
	return RESOLVE_OK;
}

static enum resolve_result input_resolve(const struct attributes *a, struct quantizer *q)
{
	*q = (struct quantizer){ELEMENT_NONE, SCALE_TENSOR, 0};
	if (!a->enabled)
		return RESOLVE_OK;
	if (a->element == ELEMENT_NONE)
		return unsupported("*input_quantizer: enable needs num_bits, which this pair's recipe does not have");
	if (a->element == ELEMENT_FP4)
		return unsupported("*input_quantizer: FP4 activations are not supported; num_bits may be 8, 4 or [4, 3]");
	if (a->has_axis && !a->axis_null)
		return unsupported("*input_quantizer: an axis other than null is not supported for activations");
	if (a->blocks.present) {
		if (a->mode != MODE_DYNAMIC || !a->blocks.sized || a->blocks.size || a->blocks.mode != MODE_UNSAID
			|| a->blocks.scales != SCALES_UNSAID)
			return unsupported("*input_quantizer: blocks are supported as type dynamic with block_sizes {-1: null}, "
				"one scale a token");
		q->scale = SCALE_TOKEN;
	} else if (a->mode == MODE_DYNAMIC) {
		return unsupported("*input_quantizer: type dynamic needs block_sizes {-1: null}, one scale a token");
	}
	q->element = a->element;
	return RESOLVE_OK;
}

enum resolve_result quantizer_resolve(struct quantizer_pair *pair, const char *weight, const char *activation,
	const char *format_name, const cJSON *overrides)
{
	struct recipe_attributes r;
	if (recipe_merge(&r, weight, activation, format_name, overrides))
		return RESOLVE_ERROR;
	/* A mistake in the config comes before a cell that cannot exist: else a grid would skip it in silence. */
	enum resolve_result input = input_resolve(&r.input, &pair->activation);
	return input != RESOLVE_OK ? input : weight_resolve(&r.weight, &pair->weight);
}

static void blocks_print(cJSON *to, const struct blocks *b)
{
	cJSON *blocks = cJSON_AddObjectToObject(to, "block_sizes");
	static const char *const modes[] = {[MODE_STATIC] = "static", [MODE_DYNAMIC] = "dynamic"};
	const int bits[2] = {b->scales == SCALES_E8M0 ? 8 : 4, b->scales == SCALES_E8M0 ? 0 : 3};
	if (b->sized && b->size)
		cJSON_AddNumberToObject(blocks, "-1", (double)b->size);
	else if (b->sized)
		cJSON_AddNullToObject(blocks, "-1");
	if (b->mode != MODE_UNSAID)
		cJSON_AddStringToObject(blocks, "type", modes[b->mode]);
	if (b->scales != SCALES_UNSAID)
		cJSON_AddItemToObject(blocks, "scale_bits", cJSON_CreateIntArray(bits, 2));
}

static void attributes_print(cJSON *to, const char *name, const struct attributes *a)
{
	cJSON *attributes = cJSON_AddObjectToObject(to, name);
	if (a->mode != MODE_UNSAID)
		cJSON_AddStringToObject(attributes, "type", a->mode == MODE_STATIC ? "static" : "dynamic");
	if (a->has_axis && a->axis_null)
		cJSON_AddNullToObject(attributes, "axis");
	else if (a->has_axis)
		cJSON_AddNumberToObject(attributes, "axis", a->axis);
	if (a->blocks.present)
		blocks_print(attributes, &a->blocks);
}

cJSON *quantizer_summary(const char *weight, const char *activation, const char *format_name, const cJSON *overrides)
{
	struct recipe_attributes r;
	if (recipe_merge(&r, weight, activation, format_name, overrides))
		return NULL;
	cJSON *summary = cJSON_CreateObject();
	attributes_print(summary, "*weight_quantizer", &r.weight);
	attributes_print(summary, "*input_quantizer", &r.input);
	return summary;
}

static int attributes_equal(const struct attributes *a, const struct attributes *b)
{
	const struct blocks *p = &a->blocks, *q = &b->blocks;
	return a->enabled == b->enabled && a->element == b->element && a->mode == b->mode && a->has_axis == b->has_axis
		&& a->axis_null == b->axis_null && a->axis == b->axis && p->present == q->present && p->sized == q->sized
		&& p->size == q->size && p->mode == q->mode && p->scales == q->scales;
}

const char *quantizer_recipe_name(const char *format_name, const char *weight, const char *activation,
	const cJSON *overrides)
{
	struct recipe_attributes r;
	if (recipe_merge(&r, weight, activation, format_name, overrides))
		return "CUSTOM_0";
	for (size_t i = 0; i < RECIPES; i++)
		if (recipes[i].preset && attributes_equal(recipes[i].weight, &r.weight)
			&& attributes_equal(recipes[i].input, &r.input))
			return recipes[i].name;
	return "CUSTOM_0";
}
