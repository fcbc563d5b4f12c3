/* A small random model, a few odd batches, and what quantizers of many formats need to know about it: for tests of what
 * formats do to a model. And the formats applied by plain loops, for their oracles. */
#ifndef QG_TESTS_SUBJECT_H
#define QG_TESTS_SUBJECT_H

#include "make_checkpoint.h"
#include "model/calibrate.h"
#include "model_files.h"

enum { SUBJECT_WEIGHTS = 6, SUBJECT_ACTIVATIONS = 5, SUBJECT_BATCHES = 4, SUBJECT_TOKENS = 40 };

extern const char *const subject_weight_codes[SUBJECT_WEIGHTS];         /* the first is none */
extern const char *const subject_activation_codes[SUBJECT_ACTIVATIONS]; /* likewise */

/* Widths are no multiples of anything. */
extern const struct checkpoint_spec subject_spec;

/* One batch has a one-token sequence, one has nothing else, the last is a partial one. */
extern const int32_t subject_starts[SUBJECT_BATCHES][5];
extern const size_t subject_all_batches[SUBJECT_BATCHES];

struct subject {
	struct model_files files;
	const struct lm_config *config;
	struct linear_info linears[64];
	size_t linear_count, groups;
	int32_t ids[SUBJECT_BATCHES][SUBJECT_TOKENS];
	struct batch batches[SUBJECT_BATCHES];
	size_t batch_count;
	struct weight_calibration weights[SUBJECT_WEIGHTS];
	struct activation_calibration activations[SUBJECT_ACTIVATIONS]; /* from the second on */
};

/* Makes the checkpoint in a scratch folder of that name; the first batch_count batches have random ids. Must not move
 * while it is open. Ends the program when something fails. */
void subject_open(struct subject *s, const char *name, const struct checkpoint_spec *spec, size_t batch_count);
void subject_close(struct subject *s);

/* W[out,in] of a linear with the quantizer on, in new memory. */
double *subject_plain_weight(const struct subject *s, size_t linear, struct quantizer quantizer, const float *amax);

/* Rounds to fp32, quantizes, widens; nothing of these without quantizer. */
void plain_quantize_input(double *x, size_t rows, size_t cols, struct quantizer quantizer, float amax);

/* log of the sum of exp z. */
long double plain_log_sum_exp(const double *z, size_t n);

/* KL(softmax z || softmax changed), by its definition. */
double plain_divergence(const double *z, const double *changed, size_t n);

#endif
