/* Calibration: all that quantizers need to know beforehand, and how good each is on its own. No gradients.
 *
 * Weights: amax arrays (ops/fake_quant.h) and error statistics, functions of the checkpoint alone. Activations: the
 * largest |x| over the tokens of a set for static quantizers, and error statistics over the same tokens. Sets are lists
 * of batches; a batch in several sets runs once.
 */
#ifndef QG_MODEL_CALIBRATE_H
#define QG_MODEL_CALIBRATE_H

#include "model/transformer.h"
#include "quant/quantizer.h"

/* Sequences of a calibration batch. A constant, so that calibration does not depend on autoquant.batch_size. */
enum { CALIBRATE_BATCH = 8 };

struct weight_calibration {
	struct quantizer quantizer;   /* in */
	float **amax;                 /* out: [linears][quantizer_amax_count()] */
	struct quant_sums *sums;      /* out: [linears] */
};

struct activation_calibration {
	struct quantizer quantizer;   /* in: not ELEMENT_NONE */
	const size_t *batch;          /* in: [batches] distinct indices of the set's batches, summed over in this order */
	size_t batches;
	float *amax;                  /* out: [linears] largest |x|, also for dynamic quantizers */
	struct quant_sums *sums;      /* out: [linears] */
};

/* Fills amax and sums, which the functions allocate and calibration_release frees, after a failure too. Bits of one
 * entry do not depend on the others. Values that are not finite are an error naming linear and quantizer. */
int calibrate_weights(struct transformer *model, const struct ops *ops, size_t linear_count,
	struct weight_calibration *entries, size_t count);
int calibrate_activations(struct transformer *model, const struct ops *ops, size_t linear_count,
	const struct batch *batches, size_t batch_count, struct activation_calibration *entries, size_t count);

void weight_calibration_release(struct weight_calibration *entry, size_t linear_count);
void activation_calibration_release(struct activation_calibration *entry);

#endif
