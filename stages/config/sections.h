/* The distinct top-level values of a grid's configs (model, dataset, autoquant ...), each once.
 *
 * Ten thousand cells have a hundred or so different sections. What is made of one (its check by the schema, its JSON, its
 * YAML) is made once, and cells that agree in a section share its nodes.
 */
#ifndef QG_CONFIG_SECTIONS_H
#define QG_CONFIG_SECTIONS_H

#include <cjson/cJSON.h>

#include "common/hash_map.h"
#include "config/compose.h"

struct section {
	struct node *value;       /* checked; shared by all configs that hold it */
	struct hash128 hash;      /* of key and value */
	int checked;
	cJSON *json;              /* NULL until section_json() is asked for it */
	char *yaml;               /* likewise */
};

struct sections {
	struct section **items;
	size_t count, capacity;
	struct hash_map by_value; /* of values as they were composed */
	struct hash_map by_node;  /* by address: those composed, and section.value; all are held */
	struct strbuf scratch;
	struct node **held;
	size_t held_count, held_capacity;
	struct hash_map passed;   /* lists of keys that a whole config has passed with */
};

/* Puts the shared value in the place of each one of config, a resolved dict (which may share nodes with others), and
 * checks what was not checked before. *hash is of the whole config. -1 after fail(). */
int sections_share(struct sections *sections, struct node *config, const struct composition *c, struct hash128 *hash);

/* The section of a value of a shared config. */
struct section *sections_find(struct sections *sections, const struct node *value);

/* Its value as JSON; and as block YAML, what stands behind "key:" in the text of a whole config, escaped for a JSON
 * string to hold it. Borrowed. */
const cJSON *section_json(struct section *section);
const char *section_yaml(struct section *section);

void sections_release(struct sections *sections);

#endif
