/* Interpolation: ${a.b}, ${.x}, ${..x}, ${a[0]}, ${a.${b}}, and the resolvers oc.env, oc.select, oc.decode, oc.create,
 * oc.dict.keys, oc.dict.values, hydra:runtime.choices.GROUP and hydra:runtime.cwd.
 *
 * A whole value keeps its type, inside text values print as Python prints them. \${ is a literal ${. Cycles, missing
 * keys, "???" targets, now: and hydra:job.num fail with the full key and the place; so do more than 64 values that lead
 * to one another, 256 interpolations inside one another, 200,000 values or 16 MiB of text made: references to references
 * grow fast. What fails in several sections is told of together (problems.h).
 */
#ifndef QG_CONFIG_RESOLVE_H
#define QG_CONFIG_RESOLVE_H

#include "config/compose.h"

/* A resolved copy of root. choices may be NULL when count is 0. NULL after fail(). */
struct node *resolve(const struct node *root, const struct choice *choices, size_t count);

/* The same sharing with root what holds no interpolation: to be read only. */
struct node *resolve_sharing(const struct node *root, const struct choice *choices, size_t count);

#endif
