/* The table behind schema.h: every key a config may have. Private to config/. */
#ifndef QG_CONFIG_SCHEMA_TABLE_H
#define QG_CONFIG_SCHEMA_TABLE_H

#include <stddef.h>

enum schema_type { TYPE_STRING, TYPE_NAME, TYPE_WORD, TYPE_INT, TYPE_FLOAT, TYPE_BOOL, TYPE_MAP, TYPE_TEXTS, TYPE_ANY };
enum { REQUIRED = 1, NULLABLE = 2, ABOVE_MIN = 4 /* the minimum itself is excluded */ };

struct schema_rule {
	const char *path;          /* a part may be "*" */
	enum schema_type type;
	int flags;
	const char *words;         /* TYPE_WORD: "a|b" */
	const char *refused;       /* words that mean something, but not here yet */
	double min, max;
	const char *about;
};

enum { SCHEMA_RULES_MAX = 128 };

/* Keys of a section stand together, those of what is below a map behind the map's own. */
extern const struct schema_rule schema_rules[];
extern const size_t schema_rule_count; /* at most SCHEMA_RULES_MAX */

#endif
