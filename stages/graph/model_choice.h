/* Which model and captions a grid runs on when the user did not name both, and where its checkpoint lies.
 *
 *     nothing named             the demo model and its captions: on a CPU the 4B model takes hours. On a GPU the preset's
 *                               model where its checkpoint is here, with the preset's captions, or where these are
 *                               missing with those of the demo model
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

enum model_choice {
	MODEL_NAMED,                /* the user said something about it */
	MODEL_DEMO,                 /* nothing said: the demo model, on a CPU */
	MODEL_DEMO_ABSENT,          /* on a GPU, because the preset's checkpoint is not here */
	MODEL_PRESET,               /* on a GPU: the preset's */
	MODEL_PRESET_DEMO_CAPTIONS, /* likewise, with the demo model's captions */
};

/* As grid_load (request's defaults are set here), as on a CPU: which device it is, the config says. */
int model_choice_load(struct grid *grid, struct composer *composer, struct grid_request *request,
	enum model_choice *choice);

/* Loads the grid again where a GPU that was chosen makes another choice of *choice. */
int model_choice_on_gpu(struct grid *grid, struct composer *composer, struct grid_request *request,
	enum model_choice *choice);

/* Replaces model.path of every cell by the hub's snapshot where that applies. */
void model_choice_find_checkpoints(struct grid *grid);

#endif
