#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"

static const char path[] = "tests/golden/demo_small.json";

static void add_sequence(struct golden *g, struct batch *b, const cJSON *sequence)
{
	const cJSON *id;
	int32_t *at = g->ids + (b->ids - g->ids) + b->tokens;
	cJSON_ArrayForEach(id, sequence)
		*at++ = (int32_t)id->valuedouble;
	b->tokens = (size_t)(at - b->ids);
	g->starts[b - g->batches][++b->sequences] = (int32_t)b->tokens;
}

void golden_open(struct golden *g)
{
	const cJSON *sequences, *sequence;
	size_t room = 0, s = 0;
	*g = (struct golden){.json = json_read(path, 1 << 24)};
	if (!g->json)
		exit(error_report(1));
	sequences = json_member(g->json, "tokens", path);
	cJSON_ArrayForEach(sequence, sequences)
		room += (size_t)cJSON_GetArraySize(sequence);
	if (cJSON_GetArraySize(sequences) != GOLDEN_BATCH * GOLDEN_BATCHES) {
		fprintf(stderr, "%s: %d sequences\n", path, cJSON_GetArraySize(sequences));
		exit(1);
	}
	g->ids = mem_array(room, sizeof *g->ids);
	cJSON_ArrayForEach(sequence, sequences) {
		struct batch *b = &g->batches[s / GOLDEN_BATCH];
		if (s++ % GOLDEN_BATCH == 0)
			*b = (struct batch){.ids = b == g->batches ? g->ids : b[-1].ids + b[-1].tokens,
				.start = g->starts[b - g->batches]};
		add_sequence(g, b, sequence);
	}
}

void golden_close(struct golden *g)
{
	cJSON_Delete(g->json);
	free(g->ids);
}

double golden_number(const cJSON *object, const char *table, const char *name)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(object, table), name);
	return cJSON_IsNumber(value) ? value->valuedouble : NAN;
}
