/* What a config may hold: a table of paths, types, ranges and words (schema_table.c), with a line of explanation each.
 *
 * An unknown key, a missing one, a wrong type, a value out of range or not among the words is reported with its place,
 * the line, a caret, the file that asked for it and the nearest valid word; up to 20 of them at once, in the order of
 * the files. Words that are valid but not supported yet (kl_div, coverage full) are refused with what is.
 */
#ifndef QG_CONFIG_SCHEMA_H
#define QG_CONFIG_SCHEMA_H

#include "config/compose.h"

/* Checks a resolved config and makes ints floats where floats are declared. c (may be NULL) tells which file asked for
 * which, and whether the config is incomplete: then nothing is said of what is missing or null. -1 after fail() with
 * all that was found, one a paragraph. */
int schema_check(struct node *config, const struct composition *c);

/* For completion: the path of a key that may be set, NULL behind the last; and the words it may have, "a|b|c", NULL
 * when they are no short list. Static. */
const char *schema_key(size_t index);
const char *schema_words(const char *path);

#endif
