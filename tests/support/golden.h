/* tests/golden/demo_small.json, and its captions as batches. */
#ifndef QG_TESTS_GOLDEN_H
#define QG_TESTS_GOLDEN_H

#include <cjson/cJSON.h>

#include "model/transformer.h"

enum { GOLDEN_BATCH = 8, GOLDEN_BATCHES = 2 };

struct golden {
	cJSON *json;
	int32_t *ids, starts[GOLDEN_BATCHES][GOLDEN_BATCH + 1];
	struct batch batches[GOLDEN_BATCHES];
};

/* Ends the program when the file is not there or not what it should be. The structure must not move while the batches
 * are in use. */
void golden_open(struct golden *golden);
void golden_close(struct golden *golden);

/* The number at object[table][name]; NaN when there is none. */
double golden_number(const cJSON *object, const char *table, const char *name);

#endif
