#include "subject.h"

#include <math.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/memory.h"
#include "ops/quantize.h"
#include "scratch.h"

const char *const subject_weight_codes[SUBJECT_WEIGHTS] = {"-", "N16", "F8t", "I8r", "I4c", "I4g16"};
const char *const subject_activation_codes[SUBJECT_ACTIVATIONS] = {"-", "f8t", "f8k", "i8t", "i4k"};

const struct checkpoint_spec subject_spec = {
	.hidden = 36, .layers = 3, .heads = 3, .kv_heads = 1, .head_dim = 10, .intermediate = 50, .vocab = 110,
	.dtype = DTYPE_BF16, .seed = 7, .outliers = 2,
};

const int32_t subject_starts[SUBJECT_BATCHES][5] = {{0, 7, 8, 15, 20}, {0, 2, 4, 9, 11}, {0, 1}, {0, 3, 16}};
static const size_t sequences[SUBJECT_BATCHES] = {4, 4, 1, 2};
const size_t subject_all_batches[SUBJECT_BATCHES] = {0, 1, 2, 3};

static void require(int bad)
{
	if (bad)
		exit(error_report(1));
}

static void calibrate(struct subject *s)
{
	const struct ops *ops = ops_cpu();
	struct transformer *model = transformer_open(ops, s->config, &s->files.tensors);
	for (size_t i = 0; i < SUBJECT_WEIGHTS; i++)
		require(quantizer_weight_parse(subject_weight_codes[i], &s->weights[i].quantizer));
	for (size_t i = 1; i < SUBJECT_ACTIVATIONS; i++) {
		s->activations[i] = (struct activation_calibration){.batch = subject_all_batches, .batches = s->batch_count};
		require(quantizer_activation_parse(subject_activation_codes[i], &s->activations[i].quantizer));
	}
	require(calibrate_weights(model, ops, s->linear_count, s->weights, SUBJECT_WEIGHTS));
	require(calibrate_activations(model, ops, s->linear_count, s->batches, s->batch_count,
		s->activations + 1, SUBJECT_ACTIVATIONS - 1));
	transformer_close(model);
}

void subject_open(struct subject *s, const char *name, const struct checkpoint_spec *spec, size_t batch_count)
{
	char *dir = scratch_path(name);
	uint64_t seed = 11;
	*s = (struct subject){.batch_count = batch_count};
	require(make_checkpoint(dir, spec));
	model_files_open(&s->files, dir);
	free(dir);
	s->config = &s->files.checkpoint.config;
	s->linear_count = linear_count(s->config);
	s->groups = linear_group_count(s->config);
	linear_describe(s->linears, s->config);
	for (size_t b = 0; b < batch_count; b++) {
		const int32_t *start = subject_starts[b];
		s->batches[b] = (struct batch){s->ids[b], start, sequences[b], (size_t)start[sequences[b]]};
		for (size_t t = 0; t < s->batches[b].tokens; t++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			s->ids[b][t] = (int32_t)((seed >> 33) % spec->vocab);
		}
	}
	calibrate(s);
}

void subject_close(struct subject *s)
{
	for (size_t i = 0; i < SUBJECT_WEIGHTS; i++)
		weight_calibration_release(&s->weights[i], s->linear_count);
	for (size_t i = 1; i < SUBJECT_ACTIVATIONS; i++)
		activation_calibration_release(&s->activations[i]);
	model_files_close(&s->files);
}

double *subject_plain_weight(const struct subject *s, size_t linear, struct quantizer quantizer, const float *amax)
{
	const struct linear_info *l = &s->linears[linear];
	const struct host_tensor *t = l->kind == LINEAR_LM_HEAD ? &s->files.tensors.lm_head :
		&s->files.tensors.layer[l->layer].linear[l->kind];
	float *W = mem_array(t->count, sizeof *W), *q = mem_array(t->count, sizeof *q);
	double *wide = mem_array(t->count, sizeof *wide);
	dtype_widen(t->dtype, t->bytes, t->count, W);
	cpu_quantize_weight((dev_weight *)q, (dev_weight *)W, 0, l->out, l->in, quantizer, amax, 0);
	for (size_t k = 0; k < t->count; k++)
		wide[k] = q[k];
	free(W);
	free(q);
	return wide;
}

void plain_quantize_input(double *x, size_t rows, size_t cols, struct quantizer q, float amax)
{
	float *narrow = mem_array(cols, sizeof *narrow), *changed = mem_array(cols, sizeof *changed);
	for (size_t t = 0; t < rows && q.element != ELEMENT_NONE; t++) {
		float largest = 0;
		for (size_t i = 0; i < cols; i++) {
			narrow[i] = (float)x[t * cols + i];
			largest = fmaxf(largest, fabsf(narrow[i]));
		}
		fake_quant_run(changed, narrow, cols, q.element, q.scale == SCALE_TOKEN ? largest : amax);
		for (size_t i = 0; i < cols; i++)
			x[t * cols + i] = changed[i];
	}
	free(narrow);
	free(changed);
}

long double plain_log_sum_exp(const double *z, size_t n)
{
	long double top = z[0], sum = 0;
	for (size_t i = 0; i < n; i++)
		top = z[i] > top ? z[i] : top;
	for (size_t i = 0; i < n; i++)
		sum += expl(z[i] - top);
	return top + logl(sum);
}

double plain_divergence(const double *z, const double *changed, size_t n)
{
	long double p = plain_log_sum_exp(z, n), q = plain_log_sum_exp(changed, n), sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += expl(z[i] - p) * ((z[i] - p) - (changed[i] - q));
	return (double)sum;
}
