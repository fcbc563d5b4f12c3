#include "synthetic/weights.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"
#include "synthetic/noise.h"

enum { OUTLIERS_MAX = 24 };

/* Channels with a factor of their own. No channel twice. */
struct outliers {
	size_t channel[OUTLIERS_MAX];
	float factor[OUTLIERS_MAX];
	size_t count;
};

/* Evenly from low to high. */
struct range {
	float low, high;
};

/* How a tensor is made: see weights.h. */
struct form {
	float center, spread;
	struct range rows, columns;
	struct outliers large_rows, large_columns;
};

struct source {
	const struct model_shape *shape;
	uint64_t seed;
};

/* ------------------------------------------------------------------------------------------------------------------
 * Outlier channels */

static uint64_t layer_key(const struct source *s, const char *what, size_t layer)
{
	char name[64];
	snprintf(name, sizeof name, "%s of layer %zu", what, layer);
	return noise_key(s->seed, name);
}

static int has_channel(const struct outliers *o, size_t channel)
{
	for (size_t i = 0; i < o->count; i++)
		if (o->channel[i] == channel)
			return 1;
	return 0;
}

/* Adds count channels below width that are not there yet. The square of an even number makes large factors rare. */
static void add_outliers(struct outliers *o, uint64_t key, size_t count, size_t width, struct range factors)
{
	assert(o->count + count <= OUTLIERS_MAX && width >= OUTLIERS_MAX);
	for (uint64_t draw = 0; count; draw += 2) {
		size_t channel = (size_t)(noise_bits(key, draw) % width);
		float u = noise_between(key, draw + 1, 0, 1);
		if (has_channel(o, channel))
			continue;
		o->channel[o->count] = channel;
		o->factor[o->count++] = factors.low + (factors.high - factors.low) * u * u;
		count--;
	}
}

static float outlier_factor(const struct outliers *o, size_t channel)
{
	for (size_t i = 0; i < o->count; i++)
		if (o->channel[i] == channel)
			return o->factor[i];
	return 1;
}

/* Sum of the squares of width channels. */
static float energy(const struct outliers *o, size_t width)
{
	float sum = (float)(width - o->count);
	for (size_t i = 0; i < o->count; i++)
		sum += o->factor[i] * o->factor[i];
	return sum;
}

static int by_lot(uint64_t key, unsigned one_in)
{
	return noise_bits(key, UINT64_MAX) % one_in == 0;
}

/* The channels of massive activations, as down_proj writes them at full strength. */
static void residual_channels(const struct source *s, struct outliers *o)
{
	size_t width = s->shape->lm.hidden_size;
	add_outliers(o, noise_key(s->seed, "residual channels"), 3 + width / 1024, width, (struct range){10, 60});
}

/* The same as a norm treats them. */
static void damp_residual(const struct source *s, struct outliers *o, uint64_t key, struct range range)
{
	residual_channels(s, o);
	for (size_t i = 0; i < o->count; i++)
		o->factor[i] = noise_between(key, i, range.low, range.high);
}

static void norm_outliers(const struct source *s, struct outliers *o, size_t layer, enum lm_role norm)
{
	size_t width = s->shape->lm.hidden_size;
	uint64_t own = layer_key(s, norm == LM_INPUT_NORM ? "input norm" : "post norm", layer);
	int hot = by_lot(own, 3);
	damp_residual(s, o, own, (struct range){0.05f, 0.4f});
	size_t shared = o->count;
	add_outliers(o, noise_key(s->seed, "norm channels"), 2, width, (struct range){1, 1});
	for (size_t i = shared; i < o->count; i++)
		o->factor[i] = noise_between(own, 100 + i, 3, 20);
	add_outliers(o, own + 1, hot ? 3 : 2, width, hot ? (struct range){10, 40} : (struct range){3, 10});
}

static void inner_outliers(const struct source *s, struct outliers *o, size_t layer)
{
	uint64_t key = layer_key(s, "inner", layer);
	int hot = by_lot(key, 4);
	add_outliers(o, key, 4, s->shape->lm.intermediate_size, hot ? (struct range){10, 60} : (struct range){2, 6});
}

/* ------------------------------------------------------------------------------------------------------------------
 * Forms */

static struct form plain_form(float center, float spread)
{
	return (struct form){.center = center, .spread = spread, .rows = {1, 1}, .columns = {1, 1}};
}

static float level(const struct source *s, const struct tensor_entry *t)
{
	return noise_between(noise_key(s->seed, t->name), UINT64_MAX, 0.6f, 1.6f);
}

/* A linear whose input has that sum of squares. */
static struct form linear_form(const struct source *s, const struct tensor_entry *t, float input, float gain)
{
	struct form f = plain_form(0, gain * level(s, t) / sqrtf(input));
	f.rows = (struct range){0.7f, 1.4f};
	f.columns = (struct range){0.8f, 1.25f};
	return f;
}

static struct form reader_form(const struct source *s, const struct tensor_entry *t)
{
	struct outliers norm = {.count = 0};
	norm_outliers(s, &norm, t->layer, t->role == LM_GATE || t->role == LM_UP ? LM_POST_NORM : LM_INPUT_NORM);
	struct form f = linear_form(s, t, energy(&norm, s->shape->lm.hidden_size), 1);
	if (t->role == LM_UP)
		inner_outliers(s, &f.large_rows, t->layer);
	return f;
}

/* Attention averages over tokens what v_proj made: the 2. */
static struct form writer_form(const struct source *s, const struct tensor_entry *t)
{
	struct outliers inner = {.count = 0};
	float gain = 1 / sqrtf(2 * (float)s->shape->lm.layers);
	if (t->role == LM_O)
		return linear_form(s, t, (float)tensor_columns(t), 2 * gain);
	inner_outliers(s, &inner, t->layer);
	struct form f = linear_form(s, t, energy(&inner, s->shape->lm.intermediate_size), gain);
	float share = noise_between(layer_key(s, "massive", t->layer), 0, 0, 1);
	residual_channels(s, &f.large_rows);
	for (size_t i = 0; i < f.large_rows.count; i++)
		f.large_rows.factor[i] = fmaxf(1, f.large_rows.factor[i] * share * share);
	return f;
}

static struct form layer_form(const struct source *s, const struct tensor_entry *t)
{
	struct form f = plain_form(1, 0.15f);
	switch (t->role) {
	case LM_INPUT_NORM:
	case LM_POST_NORM:
		norm_outliers(s, &f.large_columns, t->layer, t->role);
		return f;
	case LM_Q_NORM:
	case LM_K_NORM:
		return plain_form(1.3f, 0.2f);
	case LM_O:
	case LM_DOWN:
		return writer_form(s, t);
	default:
		return reader_form(s, t);
	}
}

static struct form form_of(const struct source *s, const struct tensor_entry *t)
{
	struct form f = plain_form(2, 0.2f);
	switch (t->part) {
	case PART_LAYER:
		return layer_form(s, t);
	case PART_FINAL_NORM:
		damp_residual(s, &f.large_columns, noise_key(s->seed, "final norm"), (struct range){0.02f, 0.1f});
		return f;
	case PART_TABLE:
		f = plain_form(0, 1 / sqrtf((float)s->shape->lm.hidden_size));
		f.rows = (struct range){0.8f, 1.25f};
		f.columns = (struct range){0.8f, 1.25f};
		return f;
	case PART_VISION_WEIGHT:
		return linear_form(s, t, (float)tensor_columns(t), 1);
	case PART_VISION_NORM:
		return plain_form(1, 0.1f);
	case PART_VISION_BIAS:
		break;
	}
	return plain_form(0, 0.02f);
}

/* ------------------------------------------------------------------------------------------------------------------
 * Elements */

/* A channel's factor, from a range of the tensor and its outliers. */
static float channel_factor(uint64_t key, size_t channel, struct range range, const struct outliers *large)
{
	float even = range.low < range.high ? noise_between(key, channel, range.low, range.high) : range.low;
	return large->count ? even * outlier_factor(large, channel) : even;
}

static float *column_factors(const struct form *f, uint64_t key, size_t columns)
{
	const struct outliers none = {.count = 0};
	float *factors = mem_array(columns, sizeof *factors);
	for (size_t c = 0; c < columns; c++)
		factors[c] = channel_factor(key, c, f->columns, &none);
	for (size_t i = 0; i < f->large_columns.count; i++)
		factors[f->large_columns.channel[i]] *= f->large_columns.factor[i];
	return factors;
}

void weights_fill(const struct model_shape *shape, uint64_t seed, const struct tensor_entry *tensor, size_t first,
	size_t count, uint16_t *to)
{
	struct source source = {shape, seed};
	struct form f = form_of(&source, tensor);
	uint64_t key = noise_key(seed, tensor->name);
	uint64_t row_key = noise_bits(key, UINT64_MAX - 1), column_key = noise_bits(key, UINT64_MAX - 2);
	size_t columns = tensor_columns(tensor);
	float *factors = column_factors(&f, column_key, columns);
	assert(first + count <= tensor_elements(tensor));
	while (count) {
		size_t row = first / columns, at = first % columns, n = columns - at < count ? columns - at : count;
		float factor = channel_factor(row_key, row, f.rows, &f.large_rows);
		noise_fill_bf16(to, n, key, first, f.center, f.spread, factor, factors + at);
		first += n;
		to += n;
		count -= n;
	}
	free(factors);
}
