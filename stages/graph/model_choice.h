/* Which model and captions a grid runs on when the user did not name both, and where its checkpoint lies.
 *
 *     nothing named             the demo model and its captions: on a CPU the 4B model takes hours
 *     model=M                   M, and the captions that go with it
 *     model.path=FOLDER alone   the preset's model at that place, and the preset's captions
 *     dataset=demo_captions     the demo model
 *     dataset=D                 the preset's model
 *
 * What the user named is never replaced. A model that was chosen by its option, and whose folder is missing, is looked
 * for in the Hugging Face hub cache, $HF_HOME or ~/.cache/huggingface: the snapshot that refs/main names.
 */
#ifndef QG_GRAPH_MODEL_CHOICE_H
#define QG_GRAPH_MODEL_CHOICE_H

#include "config/sweep.h"

/* As grid_load (request's defaults are set here). *fell_back tells whether the demo model stands in. */
int model_choice_load(struct grid *grid, struct composer *composer, struct grid_request *request, int *fell_back);

/* Replaces model.path of every cell by the hub's snapshot where that applies. */
void model_choice_find_checkpoints(struct grid *grid);

#endif
