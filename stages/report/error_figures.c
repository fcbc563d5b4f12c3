#include "report/error_figures.h"

#include <math.h>

#include "report/float_json.h"

/* log10 of the library may differ in the last bit between processors; figures in files must not. */
static double to_db(double ratio)
{
	return ratio > 0 ? floor(-10 * log10(ratio) * 1e4 + 0.5) / 1e4 : INFINITY;
}

static struct error_figures make(double error2, double value2, double quant2, double cross, double error_max,
	double count)
{
	double mse = count > 0 ? error2 / count : 0;
	if (!(value2 > 0))
		return (struct error_figures){.empty = 1, .mse = mse, .error_max = error_max};
	double relative = error2 / value2, cosine = quant2 > 0 ? cross / sqrt(value2 * quant2) : 0;
	return (struct error_figures){.mse = mse, .relative = relative, .sqnr_db = to_db(relative),
		.cosine = fmax(-1, fmin(1, cosine)), .error_max = error_max};
}

struct error_figures error_figures_output(const struct output_sums *s, double count)
{
	/* |y + d|^2 = |y|^2 + 2 y.d + |d|^2, where cross = |y|^2 + y.d */
	return make(s->error2, s->output2, 2 * s->cross - s->output2 + s->error2, s->cross, s->error_max, count);
}

struct error_figures error_figures_tensor(const struct quant_sums *s)
{
	return make(s->error2, s->value2, s->quant2, s->cross, s->error_max, s->count);
}

static void add_number(cJSON *to, const char *name, double value, int known)
{
	if (known && isfinite(value))
		float_json_add(to, name, value);
	else
		cJSON_AddNullToObject(to, name);
}

cJSON *error_figures_json(const struct error_figures *f)
{
	cJSON *to = cJSON_CreateObject();
	add_number(to, "mse", f->mse, 1);
	add_number(to, "relative_error", f->relative, !f->empty);
	add_number(to, "sqnr_db", f->sqnr_db, !f->empty);
	add_number(to, "cosine", f->cosine, !f->empty);
	add_number(to, "max_abs_error", f->error_max, 1);
	return to;
}
