/* Shell patterns on module names, as autoquant.include and autoquant.exclude have them.
 *
 * A pattern is matched by fnmatch(3) without flags: * also takes dots. It is tried on the whole name
 * ("model.language_model.layers.3.mlp.down_proj") and on the name as reports print it ("layers.3.mlp.down_proj").
 */
#ifndef QG_MODEL_MODULE_PATTERN_H
#define QG_MODEL_MODULE_PATTERN_H

#include <stddef.h>

#include "model/transformer.h"

/* Whether any of the patterns matches. */
int module_patterns_match(const char *const *patterns, size_t count, const char *name);

/* 0 when each pattern matches a linear; else -1 after fail() naming key, pattern and the module name nearest to it. */
int module_patterns_check(const char *key, const char *const *patterns, size_t count, const struct linear_info *linears,
	size_t linear_count);

#endif
