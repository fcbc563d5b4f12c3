/* Interpolation: ${a.b}, ${.x}, ${..x}, ${a[0]}, ${a.${b}}, and the resolvers oc.env, oc.select, oc.decode, oc.create,
 * oc.dict.keys, oc.dict.values, hydra:runtime.choices.GROUP and hydra:runtime.cwd.
 *
 * A whole value keeps its type, inside text values print as Python prints them. \${ is a literal ${. Cycles, missing
 * keys, "???" targets, now: and hydra:job.num fail with the full key and the place; so do more than 64 values that lead
 * to one another, 256 interpolations inside one another, 200,000 values or 16 MiB of text made: references to references
 * grow fast. All that fails is told of together (problems.h). In an incomplete composition a key that is not there is
 * "???", and no error.
 */
#ifndef QG_CONFIG_RESOLVE_H
#define QG_CONFIG_RESOLVE_H

#include "config/compose.h"

/* A resolved copy of root. c (may be NULL) tells what was chosen, and which file asked for which. NULL after fail(). */
struct node *resolve(const struct node *root, const struct composition *c);

/* The same sharing with root what holds no interpolation: to be read only. What fails is noted, and "???" in its place.
 * NULL when a limit was met; then that is noted. */
struct problems;
struct node *resolve_noting(const struct node *root, const struct composition *c, struct problems *problems);

#endif
