/* What rules name, held against the view of a cell: ./configure --check-rules. rules_read() checks each file, and that
 * the inputs of all form no circle; this checks that what they read is there. */
#ifndef QG_GRAPH_RULE_CHECK_H
#define QG_GRAPH_RULE_CHECK_H

#include <cjson/cJSON.h>

#include "graph/rules.h"

/* Every param, unhashed value, leaf, "with", "each" and "when" is in the view, or in an element of a list that an
 * "each" lays over it. where ("preset x") goes into the messages. -1 after fail() with up to 20 of what is not. */
int rule_check_view(const struct rules *rules, const cJSON *view, const char *where);

/* No two stages make objects of one kind. -1 after fail(). */
int rule_check_kinds(const struct rules *rules);

#endif
