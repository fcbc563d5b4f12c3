/* Which tensors a language model has: their fixed order, canonical names and shapes.
 *
 *     index 0                    model.language_model.embed_tokens.weight   [V, H]
 *     1 + 11 * layer + role      model.language_model.layers.LAYER. ...     by enum lm_role
 *     1 + 11 * L                 model.language_model.norm.weight           [H]
 *     2 + 11 * L                 lm_head.weight                             [V, H]; only when not tied
 *
 * Names are those of the published Qwen3-VL files, whatever the checkpoint at hand calls its tensors.
 */
#ifndef QG_CHECKPOINT_LM_LAYOUT_H
#define QG_CHECKPOINT_LM_LAYOUT_H

#include <stddef.h>

#include "checkpoint/lm_config.h"

enum lm_role {
	LM_INPUT_NORM,  /* [H] */
	LM_Q,           /* [nh*hd, H] */
	LM_K,           /* [nk*hd, H] */
	LM_V,           /* [nk*hd, H] */
	LM_Q_NORM,      /* [hd] */
	LM_K_NORM,      /* [hd] */
	LM_O,           /* [H, nh*hd] */
	LM_POST_NORM,   /* [H] */
	LM_GATE,        /* [I, H] */
	LM_UP,          /* [I, H] */
	LM_DOWN,        /* [H, I] */
	LM_ROLES
};

enum { LM_EMBED = 0, LM_NAME_MAX = 96 };

#define LM_PREFIX "model.language_model."

struct lm_tensor_spec {
	char name[LM_NAME_MAX];
	unsigned rank;       /* 1 or 2 */
	size_t shape[2];     /* shape[1] is 1 when rank is 1 */
};

size_t lm_layout_count(const struct lm_config *config);
size_t lm_layout_index(size_t layer, enum lm_role role);
size_t lm_layout_norm(const struct lm_config *config);

/* The tensor that makes logits: lm_head, or embed_tokens when tied. */
size_t lm_layout_head(const struct lm_config *config);

/* index < lm_layout_count(config). */
void lm_layout_tensor(const struct lm_config *config, size_t index, struct lm_tensor_spec *spec);

#endif
