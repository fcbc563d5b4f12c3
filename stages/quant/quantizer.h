/* From config to quantizers: what a quant_pair under a granularity overlay computes, what it is called, what it costs.
 *
 * A quantizer has a short code, used in keys, job files and reports:
 *
 *     weights      N16 N32 ...    FP4 E2M1 with E4M3 scales on blocks of 16, 32, ...
 *                  F8t F8r F8c    FP8 E4M3 per tensor / row (output channel) / column (input channel)
 *                  F8g64 ...      FP8 on static blocks of 64 ...
 *                  I8... I4...    INT8, INT4 with the same suffixes
 *     activations  f8t i8t i4t    static per tensor;   f8k i8k i4k   dynamic per token
 *     either       -              not quantized
 *
 * quantizer.c has codes and costs, recipe.c the way from config to quantizers.
 */
#ifndef QG_QUANT_QUANTIZER_H
#define QG_QUANT_QUANTIZER_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "ops/fake_quant.h"

enum { QUANTIZER_CODE_MAX = 16, QUANTIZER_BLOCK_MAX = 1 << 20 };

struct quantizer_pair {
	struct quantizer weight;
	struct quantizer activation; /* element ELEMENT_NONE: activations stay as they are */
};

/* Bits a weight of what is not quantized. */
#define QUANTIZER_NONE_BITS 16.0

int quantizer_equal(struct quantizer a, struct quantizer b);
int quantizer_pair_equal(struct quantizer_pair a, struct quantizer_pair b);

/* Neither weights nor activations are quantized. */
int quantizer_pair_none(struct quantizer_pair pair);

/* Weights and activations are both quantized: there are errors of each alone, and of both together. */
int quantizer_pair_joint(struct quantizer_pair pair);

/* An activation quantizer whose scale is fixed by the largest input of calibration. */
int quantizer_is_static(struct quantizer activation);

/* Writes the code, with '\0', into code[QUANTIZER_CODE_MAX]. Weight codes are upper case, activation codes lower. */
void quantizer_weight_code(char *code, struct quantizer q);
void quantizer_activation_code(char *code, struct quantizer q);

/* The reverse; -1 after fail() naming the text and what is allowed. */
int quantizer_weight_parse(const char *code, struct quantizer *q);
int quantizer_activation_parse(const char *code, struct quantizer *q);

/* Both codes, "F8t/f8t" or "I4g128/-"; -1 after fail(). */
int quantizer_pair_parse(const char *codes, struct quantizer_pair *pair);

enum resolve_result {
	RESOLVE_OK = 0,
	RESOLVE_INVALID = 1, /* a cell that cannot exist (FP4 with an axis); error_text() says why. A grid skips it */
	RESOLVE_ERROR = -1,  /* the config is wrong (unknown attribute, axis beside block_sizes) or asks for what is not
	                      * supported (a static axis on activations); found before RESOLVE_INVALID */
};

/* The base recipe is format_name's, which must be one of quant_pair.weight ("fp4", "fp8", "int4", "int8") and
 * .activation (these without fp4, and "fp16"); then comes the overlay by ModelOpt's merge rules (quant/recipe.c).
 * overrides is quant_granularity.quant_cfg_overrides as JSON, with integer keys as strings ({"*weight_quantizer":
 * {"block_sizes": {"-1": 64}}}); NULL or {} for none. */
enum resolve_result quantizer_resolve(struct quantizer_pair *pair, const char *weight, const char *activation,
	const char *format_name, const cJSON *overrides);

/* The merged attributes that manifests call effective_quantizer_summary (type, axis, block_sizes per quantizer);
 * the caller frees. NULL after fail(). */
cJSON *quantizer_summary(const char *weight, const char *activation, const char *format_name, const cJSON *overrides);

/* Bits a weight by ModelOpt's rule up to 0.45: the minimum over the enabled quantizers, activations included. */
double quantizer_search_bits(struct quantizer_pair pair);

/* Bits a weight really stores, scales included, for a weight [out, in]. Scales have 16 bits,
 * those of FP4 blocks 8; a single one for the whole tensor is not counted. */
double quantizer_cost_bits(struct quantizer weight, size_t out, size_t in);

/* What the original prints for the recipe: the preset's name when the merged attributes equal a registered preset's,
 * word by word, else "CUSTOM_0". Borrowed, static. */
const char *quantizer_recipe_name(const char *format_name, const char *weight, const char *activation,
	const cJSON *overrides);

#endif
