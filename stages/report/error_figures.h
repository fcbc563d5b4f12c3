/* Figures of an error out of its sums: how far a tensor and its quantized form, or the output of a linear with and
 * without quantization, are apart. */
#ifndef QG_REPORT_ERROR_FIGURES_H
#define QG_REPORT_ERROR_FIGURES_H

#include <cjson/cJSON.h>

#include "ops/ops.h"

struct error_figures {
	int empty;           /* there was nothing, or nothing but zeros: the rest means nothing */
	double mse;          /* error power / elements: mean of d^2 */
	double relative;     /* error power / signal power: sum d^2 / sum y^2 */
	double sqnr_db;      /* -10 log10(relative), to 1/10000 dB; infinite without error */
	double cosine;       /* between signal and quantized signal */
	double error_max;    /* max |d| */
};

/* count: elements of the output, tokens times outputs. */
struct error_figures error_figures_output(const struct output_sums *sums, double count);
struct error_figures error_figures_tensor(const struct quant_sums *sums);

/* {"mse", "relative_error", "sqnr_db", "cosine", "max_abs_error"}; what is infinite or undefined is null. */
cJSON *error_figures_json(const struct error_figures *figures);

#endif
