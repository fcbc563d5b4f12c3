/* The whole model forward in double, sequence packing included, written straight from its description: the oracle for
 * logits, losses, the inputs and outputs of linears, and by finite differences for gradients. */
#ifndef QG_TESTS_PLAIN_MODEL_H
#define QG_TESTS_PLAIN_MODEL_H

#include "model/transformer.h"

struct plain_model;

/* The weights are copied; config is borrowed. plain_model_free() frees. */
struct plain_model *plain_model_new(const struct lm_config *config, const struct model_tensors *tensors);
void plain_model_free(struct plain_model *model);

/* Adds delta to one element of the output of one linear. */
struct plain_nudge {
	size_t linear, row, column;
	double delta;
};

#define PLAIN_EVERY_GROUP ((size_t)-1)

/* A search group, or every one, with other weights and inputs. */
struct plain_change {
	size_t group;
	double *const *W;   /* [linears]; those of the group are read */
	/* Changes the input x[rows, cols] of a linear in place. */
	void (*input)(void *context, size_t linear, double *x, size_t rows, size_t cols);
	void *context;
};

/* Logits of a batch [tokens, vocab_size]; change may be NULL. The caller frees. */
double *plain_model_logits(const struct plain_model *model, const struct batch *batch,
	const struct plain_change *change);

/* What a run computed: [linears] of [tokens, in] and of [tokens, out]; plain_values_free() frees. */
struct plain_values {
	size_t linears;
	double **x, **y;
};

/* Mean cross-entropy of a batch with at least one target. nudge and values may be NULL. */
double plain_model_run(const struct plain_model *model, const struct batch *batch, const struct plain_nudge *nudge,
	struct plain_values *values);
void plain_values_free(struct plain_values *values);

/* dLoss/dy of one element of the output of a linear, by central differences. */
double plain_model_gradient(const struct plain_model *model, const struct batch *batch, size_t linear, size_t row,
	size_t column);

#endif
