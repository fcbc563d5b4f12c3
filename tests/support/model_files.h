/* A checkpoint folder opened for the transformer: for tests that need a model and no lm object. */
#ifndef QG_TESTS_MODEL_FILES_H
#define QG_TESTS_MODEL_FILES_H

#include "checkpoint/checkpoint.h"
#include "model/transformer.h"

struct model_files {
	struct checkpoint checkpoint;   /* its config is the model's */
	struct model_tensors tensors;
};

/* Ends the program when the folder cannot be read. */
void model_files_open(struct model_files *files, const char *dir);
void model_files_close(struct model_files *files);

#endif
