#include "formats/calib.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/pool.h"
#include "formats/fields.h"

enum { ARRAY_NAME_MAX = 32, SUMS = 6, AMAX_BLOCK = 1024, MUCH = 16 << 20 };

static void array_name(char *name, size_t linear)
{
	snprintf(name, ARRAY_NAME_MAX, "amax.%zu", linear);
}

static cJSON *sums_to_json(const struct quant_sums *s)
{
	const double numbers[SUMS] = {s->error2, s->value2, s->cross, s->quant2, s->error_max, s->count};
	return cJSON_CreateDoubleArray(numbers, SUMS);
}

void calib_describe(const struct calib *c, struct object_writer *w)
{
	char name[ARRAY_NAME_MAX];
	const int active = c->pair.activation.element != ELEMENT_NONE;
	object_writer_init(w, "calib");
	field_pair_add(w->description, c->pair);
	cJSON_AddNumberToObject(w->description, "sequences", (double)c->sequences);
	cJSON_AddNumberToObject(w->description, "tokens", (double)c->tokens);
	cJSON *linears = cJSON_AddArrayToObject(w->description, "linears");
	for (size_t i = 0; i < c->linear_count; i++) {
		const struct calib_linear *l = &c->linears[i];
		cJSON *entry = cJSON_CreateObject();
		cJSON_AddItemToArray(linears, entry);
		cJSON_AddStringToObject(entry, "name", l->name);
		cJSON_AddNumberToObject(entry, "in", (double)l->in);
		cJSON_AddNumberToObject(entry, "out", (double)l->out);
		cJSON_AddItemToObject(entry, "weight", sums_to_json(&l->weight));
		if (active) {
			cJSON_AddNumberToObject(entry, "amax", (double)l->activation_amax);
			cJSON_AddItemToObject(entry, "activation", sums_to_json(&l->activation));
		}
		array_name(name, i);
		object_writer_array(w, name, OBJECT_F32, l->weight_amax, quantizer_amax_count(c->pair.weight, l->out, l->in));
	}
}

int calib_write(const struct calib *c, const char *path, struct digest *content, struct digest *identity, size_t *size)
{
	struct object_writer w;
	calib_describe(c, &w);
	int bad = object_write(&w, path, content, identity, size);
	object_writer_release(&w);
	return bad;
}

static int sums_read(const cJSON *entry, const char *key, const char *path, struct quant_sums *s)
{
	double *const to[SUMS] = {&s->error2, &s->value2, &s->cross, &s->quant2, &s->error_max, &s->count};
	const cJSON *item, *list = json_member(entry, key, path);
	size_t n = 0;
	if (!list)
		return -1;
	if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != SUMS)
		return fail("%s: \"%s\" must be %d numbers", path, key, SUMS);
	cJSON_ArrayForEach(item, list) {
		if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
			return fail("%s: \"%s\" must be %d finite numbers", path, key, SUMS);
		*to[n++] = item->valuedouble;
	}
	if (s->error2 < 0 || s->value2 < 0 || s->quant2 < 0 || s->error_max < 0 || s->count < 0)
		return fail("%s: \"%s\" has a negative sum of squares", path, key);
	return 0;
}

/* The first that is negative, NaN or infinite; count if none is. There are thirty million in small blocks of a 4B model,
 * so they are looked at by blocks, without a branch each. */
static size_t find_no_maximum(const float *amax, size_t count)
{
	for (size_t i = 0; i < count; i += AMAX_BLOCK) {
		size_t end = count - i < AMAX_BLOCK ? count : i + AMAX_BLOCK;
		int wrong = 0;
		for (size_t k = i; k < end; k++)
			wrong |= !(amax[k] >= 0) | !(amax[k] <= FLT_MAX);
		for (size_t k = i; wrong && k < end; k++)
			if (!(amax[k] >= 0 && amax[k] <= FLT_MAX))
				return k;
	}
	return count;
}

static int weight_amax_find(const struct calib *c, size_t index)
{
	struct calib_linear *l = &c->linears[index];
	char name[ARRAY_NAME_MAX];
	array_name(name, index);
	l->weight_amax = object_array_exact(&c->object, name, OBJECT_F32,
		quantizer_amax_count(c->pair.weight, l->out, l->in));
	return l->weight_amax ? 0 : -1;
}

static int weight_amax_check(void *context, size_t index, size_t worker)
{
	const struct calib *c = context;
	const struct calib_linear *l = &c->linears[index];
	const size_t count = quantizer_amax_count(c->pair.weight, l->out, l->in);
	size_t i = find_no_maximum(l->weight_amax, count);
	(void)worker;
	if (i == count)
		return 0;
	fail("%s: amax.%zu, number %zu is %g, which is no maximum", c->object.path, index, i, (double)l->weight_amax[i]);
	return fail_context("linear %zu", index);
}

/* By all threads where it is much. */
static int weight_amax_checks(struct calib *c)
{
	if (c->object.map.length > MUCH)
		return pool_run(c->linear_count, weight_amax_check, c);
	for (size_t i = 0; i < c->linear_count; i++)
		if (weight_amax_check(c, i, 0))
			return -1;
	return 0;
}

static int activation_read(struct calib_linear *l, const cJSON *entry, const char *path)
{
	double amax;
	if (json_double(entry, "amax", path, &amax) || sums_read(entry, "activation", path, &l->activation))
		return -1;
	l->activation_amax = (float)amax;
	if (!(amax >= 0 && isfinite(amax)) || (double)l->activation_amax != amax)
		return fail("%s: \"amax\" of %s is %g, which is no maximum of floats", path, l->name, amax);
	return 0;
}

static int linear_read(struct calib *c, const char *path, size_t index, const cJSON *entry)
{
	struct calib_linear *l = &c->linears[index];
	l->name = json_string(entry, "name", path);
	if (!l->name || field_size(entry, "in", path, 1, FIELD_WIDTH_MAX, &l->in) ||
		field_size(entry, "out", path, 1, FIELD_WIDTH_MAX, &l->out) || sums_read(entry, "weight", path, &l->weight) ||
		(!c->object.described_only && weight_amax_find(c, index)))
		return -1;
	return c->pair.activation.element == ELEMENT_NONE ? 0 : activation_read(l, entry, path);
}

static int linears_read(struct calib *c, const char *path)
{
	const cJSON *entry, *list = field_list(c->object.description, "linears", path, CALIB_LINEARS_MAX, &c->linear_count);
	size_t i = 0;
	if (!list)
		return -1;
	c->linears = mem_zeroed(c->linear_count, sizeof *c->linears);
	cJSON_ArrayForEach(entry, list)
		if (linear_read(c, path, i++, entry))
			return fail_context("linear %zu", i - 1);
	return c->object.described_only ? 0 : weight_amax_checks(c);
}

static int read_description(struct calib *c, const char *path)
{
	const cJSON *d = c->object.description;
	if (!field_pair(d, path, &c->pair) && !field_size(d, "sequences", path, 0, (uint64_t)1 << 53, &c->sequences) &&
		!field_size(d, "tokens", path, 0, (uint64_t)1 << 53, &c->tokens) && !linears_read(c, path))
		return 0;
	calib_close(c);
	return -1;
}

int calib_open(struct calib *c, const char *path, const struct digest *expected)
{
	*c = (struct calib){0};
	return object_open(&c->object, path, "calib", expected) || read_description(c, path) ? -1 : 0;
}

int calib_open_errors(struct calib *c, const char *path, const struct digest *expected)
{
	*c = (struct calib){0};
	return object_open_description(&c->object, path, "calib", expected) || read_description(c, path) ? -1 : 0;
}

void calib_close(struct calib *c)
{
	free(c->linears);
	object_close(&c->object);
	*c = (struct calib){0};
}
