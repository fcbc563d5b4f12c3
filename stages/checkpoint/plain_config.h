/* config.json of a plain Qwen3 model: the flat form in which those are published, which every version of the readers in
 * use takes (the nested rope_parameters of newer ones is not known to older ones). */
#ifndef QG_CHECKPOINT_PLAIN_CONFIG_H
#define QG_CHECKPOINT_PLAIN_CONFIG_H

#include "checkpoint/lm_config.h"
#include "common/dtype.h"

/* The file's text in new memory, or NULL after fail(). source is the config.json that config was read from: the ids of
 * special tokens, which lm_config lacks, are taken from it. dtype is the type that readers load all weights in; F32,
 * F16 or BF16. Equal for a file and for the text made from it. The caller frees. */
char *plain_config_text(const struct lm_config *config, enum dtype dtype, const char *source);

#endif
