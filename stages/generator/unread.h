/* Keys that a user set and that change no result: no rule reads them, and nothing that rules read is derived from them.
 * They only show in reports. Private to generator/. */
#ifndef QG_GENERATOR_UNREAD_H
#define QG_GENERATOR_UNREAD_H

#include "generator/generator.h"

/* Whether a result may hang on the key. composed: a config before its interpolations are replaced, for keys that others
 * refer to. */
int unread_is_read(const struct rules *rules, const struct node *composed, const char *key);

/* Warns of each such key that the command line or the sweep file names, once. After rules_read(). */
void unread_warn(const struct generator *g);

#endif
