/* The value grammar of overrides: scalars, quoted strings, [lists], {dicts}, casts, sweeps (override.h); also the
 * arguments of resolvers in interpolations (resolve.c), which know neither casts nor sweeps. Private to config/.
 */
#ifndef QG_CONFIG_VALUE_H
#define QG_CONFIG_VALUE_H

#include "config/node.h"
#include "config/override.h"

struct value {
	enum override_sweep sweep;
	struct node *node;               /* the value; of SWEEP_CHOICE and SWEEP_RANGE the list of values */
	struct node *include, *exclude;  /* SWEEP_GLOB */
	int quoted;
};

/* Parses all of text[0..length) as a value; nothing but blanks is the empty string. base is the place of text[0]. */
int value_parse(struct value *value, const char *text, size_t length, const struct origin *base);
void value_release(struct value *value);

/* Parses a comma-separated list of arguments: interpolations may nest, there are no casts and sweeps. Gives a list. */
struct node *value_parse_arguments(const char *text, size_t length, const struct origin *base);

/* The typed value of unquoted text: a number, true, false, null or a string. NULL after fail() for an integer beyond 64
 * bits. */
struct node *value_scalar(const char *text, const struct origin *at);

/* Whether text, unquoted, is a value that is the string text: no number, no word with a meaning, nothing special. */
int value_is_plain_string(const char *text);

/* Applies "int", "float", "str" or "bool" to a scalar, or to all in a list or dict, in place. */
int value_cast(struct node *node, const char *cast);

/* The place offset bytes behind base, in the same line. */
struct origin value_place(const struct origin *base, const char *text, size_t offset);

/* Length of the interpolation that text[0..length) begins with "${", its closing brace included; 0 when it does not
 * end. nested: braces inside are matched; otherwise the first '}' ends it. */
size_t value_interpolation(const char *text, size_t length, int nested);

#endif
