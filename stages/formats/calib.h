/* Calib: what the quantizers of a cell need to know beforehand, and how good each is on its own. See calib.md.
 *
 * Made from the weights alone when activations are not quantized; else also from the calibration tokens.
 */
#ifndef QG_FORMATS_CALIB_H
#define QG_FORMATS_CALIB_H

#include <stddef.h>

#include "formats/object.h"
#include "ops/ops.h"
#include "quant/quantizer.h"

enum { CALIB_LINEARS_MAX = 1 << 16 };

struct calib_linear {
	const char *name;          /* module name */
	size_t in, out;
	const float *weight_amax;  /* [quantizer_amax_count(pair.weight, out, in)] */
	struct quant_sums weight;  /* error of the weight quantizer */
	float activation_amax;     /* largest |x|; 0 without activation quantizer */
	struct quant_sums activation; /* zero without activation quantizer */
};

struct calib {
	struct quantizer_pair pair;
	size_t linear_count;
	struct calib_linear *linears;  /* [linear_count] in linear_describe order */
	size_t sequences, tokens;      /* calibration text seen; 0 without activation quantizer */
	struct object object;          /* owner of names and arrays when read; zero when made by hand */
};

/* Makes the object to write; names and arrays stay borrowed by w, which the caller releases. The program commits it. */
void calib_describe(const struct calib *c, struct object_writer *w);

int calib_write(const struct calib *c, const char *path, struct digest *content, struct digest *identity, size_t *size);
int calib_open(struct calib *c, const char *path, const struct digest *expected);

/* Without weight_amax, which is NULL then, and without reading it: with small blocks it is hundreds of megabytes, and
 * reports do not need it. */
int calib_open_errors(struct calib *c, const char *path, const struct digest *expected);
void calib_close(struct calib *c);

#endif
