#include "formats/calib.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "formats/fields.h"

enum { ARRAY_NAME_MAX = 32, SUMS = 6 };

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

static int weight_amax_read(const struct calib *c, const char *path, size_t index)
{
	struct calib_linear *l = &c->linears[index];
	char name[ARRAY_NAME_MAX];
	size_t count = quantizer_amax_count(c->pair.weight, l->out, l->in);
	array_name(name, index);
	l->weight_amax = object_array_exact(&c->object, name, OBJECT_F32, count);
	if (!l->weight_amax)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (!(l->weight_amax[i] >= 0 && isfinite(l->weight_amax[i])))
			return fail("%s: %s, number %zu is %g, which is no maximum", path, name, i, (double)l->weight_amax[i]);
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
		weight_amax_read(c, path, index))
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
	return 0;
}

int calib_open(struct calib *c, const char *path, const struct digest *expected)
{
	*c = (struct calib){0};
	if (object_open(&c->object, path, "calib", expected))
		return -1;
	const cJSON *d = c->object.description;
	if (!field_pair(d, path, &c->pair) && !field_size(d, "sequences", path, 0, (uint64_t)1 << 53, &c->sequences) &&
		!field_size(d, "tokens", path, 0, (uint64_t)1 << 53, &c->tokens) && !linears_read(c, path))
		return 0;
	calib_close(c);
	return -1;
}

void calib_close(struct calib *c)
{
	free(c->linears);
	object_close(&c->object);
	*c = (struct calib){0};
}
