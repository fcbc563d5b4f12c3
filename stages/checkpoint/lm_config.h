/* The language model's shapes and constants, from a checkpoint's config.json.
 *
 * Families: qwen3_vl (its text_config) and qwen3, both dense: q/k norms, no bias, SwiGLU, grouped heads, plain RoPE for
 * text. Everything else, and everything that would change the computation (another activation, RoPE scaling, sliding
 * windows, biases, quantized weights), is refused with a message that names file, line, column, key, what was found and
 * what is supported. Keys without a bearing on the computation are ignored.
 *
 * The RoPE keys are taken in all three spellings: rope_theta beside rope_scaling in text_config, rope_parameters there,
 * and flat.
 */
#ifndef QG_CHECKPOINT_LM_CONFIG_H
#define QG_CHECKPOINT_LM_CONFIG_H

#include <stddef.h>

enum { LM_TIED_UNSAID = -1 };

struct lm_config {
	char model_type[16];             /* "qwen3_vl" or "qwen3" */
	size_t vocab_size;               /* V */
	size_t hidden_size;              /* H */
	size_t intermediate_size;        /* I */
	size_t layers;                   /* L */
	size_t heads;                    /* nh, a multiple of nk */
	size_t kv_heads;                 /* nk */
	size_t head_dim;                 /* hd, even; nh * hd need not be H */
	size_t max_position_embeddings;  /* longest sequence, tokens */
	double rms_norm_eps;
	double rope_theta;
	int tied;                        /* lm_head is embed_tokens; LM_TIED_UNSAID only between reading config.json and
	                                  * checkpoint_open(), which decides by what is stored */
};

/* Reads config.json at path. */
int lm_config_read(struct lm_config *config, const char *path);

/* As lm_config_read from text[0..length); source is what messages call it. */
int lm_config_parse(struct lm_config *config, const char *text, size_t length, const char *source);

/* Checks what every reader relies on: each number within its limit, kv_heads divides heads, head_dim even, tied known.
 * For readers of files of ours, whose numbers are believed no more than a stranger's. */
int lm_config_check(const struct lm_config *config);

#endif
