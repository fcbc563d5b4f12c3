/* Whether the search of a cell has an answer (model/search_ahead.h), asked once for each different problem. */
#ifndef QG_GENERATOR_FEASIBLE_H
#define QG_GENERATOR_FEASIBLE_H

#include "common/json_texts.h"
#include "model/search_ahead.h"

struct feasible {
	struct search_ahead ahead;
	int readable;                /* a checkpoint of the grid can be opened */
	struct {
		enum search_ahead_result result;
		char *reason;            /* unless SEARCH_AHEAD_OK */
	} *answers;
	size_t count, capacity;
	struct hash_map index;
	struct strbuf key;
};

/* As search_ahead_check(); a zeroed structure is ready for use. */
enum search_ahead_result feasible_check(struct feasible *f, const cJSON *view);
void feasible_release(struct feasible *f);

#endif
