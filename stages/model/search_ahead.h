/* Whether the budget search of a cell can be done, known from the config and the headers of the checkpoint: before
 * anything is computed. */
#ifndef QG_MODEL_SEARCH_AHEAD_H
#define QG_MODEL_SEARCH_AHEAD_H

#include <cjson/cJSON.h>

#include "model/transformer.h"

/* The linears of a checkpoint's language model, and the weights of its vision tower. */
struct search_ahead {
	char *model_path;            /* of the checkpoint read last; NULL: none */
	char *unreadable;            /* why its headers are not what they must be; NULL: they are */
	struct linear_info *linears; /* [linear_count] */
	size_t linear_count;
	double vision_numel;
};

enum search_ahead_result {
	SEARCH_AHEAD_OK = 0,         /* also where the checkpoint cannot be read, see unreadable: choose-recipe checks again */
	SEARCH_AHEAD_IMPOSSIBLE = 1, /* no mix of the cell's formats fits its budget; error_text() names the smallest that can
	                              * be met */
	SEARCH_AHEAD_ERROR = -1,     /* a pattern that matches no module, or nothing left to search */
};

/* view is a cell's (graph/cell_view.h); a zeroed structure remembers the last checkpoint, so that a grid reads each
 * once. */
enum search_ahead_result search_ahead_check(struct search_ahead *ahead, const cJSON *view);
void search_ahead_release(struct search_ahead *ahead);

#endif
