/* The language model of a job, ready to run: the lm object it names, the weights mapped from its checkpoint, and the
 * transformer over the backend that autoquant.device asks for. */
#ifndef QG_MODEL_LOADED_MODEL_H
#define QG_MODEL_LOADED_MODEL_H

#include "formats/calib.h"
#include "formats/lm.h"
#include "graph/job.h"
#include "model/lm_weights.h"
#include "model/transformer.h"

struct loaded_model {
	struct lm lm;
	struct lm_weights weights;
	struct model_tensors tensors;
	const struct ops *ops;
	struct linear_info *linears;   /* [linear_count] */
	size_t linear_count;
	struct transformer *transformer;
	struct verification *verification; /* private: the weights are being hashed */
};

/* Uses the job's input "lm" and its unhashed model.path and autoquant.device. -1 after fail(), holding nothing.
 * The weights are hashed meanwhile: what is computed counts once loaded_model_check() says so. */
int loaded_model_open(struct loaded_model *m, const struct job *job);

/* Fails when the weights are not those that were extracted, or were written to since: call it before results are
 * committed, and when computing failed, for which this may be why. May be called on a zeroed structure. */
int loaded_model_check(struct loaded_model *m);

/* Whether another job of the group may use the model: the same lm, else -1 after fail(). */
int loaded_model_serves(const struct loaded_model *m, const struct job *job);

/* Whether a calib describes the model's linears, else -1 after fail() naming its path. */
int loaded_model_fits(const struct loaded_model *m, const struct calib *calib, const char *path);

/* May be called on a zeroed structure. */
void loaded_model_close(struct loaded_model *m);

#endif
