#include "formats/check.h"

#include <assert.h>
#include <math.h>

#include "common/error.h"
#include "formats/fields.h"

/* Arrays are written and read in place. */
static_assert(sizeof(size_t) == sizeof(uint64_t), "counts are 64-bit");

void check_describe(const struct check *c, struct object_writer *w)
{
	size_t n = c->sequence_count;
	object_writer_init(w, "check");
	cJSON_AddNumberToObject(w->description, "sequences", (double)n);
	cJSON_AddNumberToObject(w->description, "quantized", (double)c->quantized);
	object_writer_array(w, "tokens", OBJECT_U64, c->tokens, n);
	object_writer_array(w, "loss_before", OBJECT_F64, c->loss_before, n);
	object_writer_array(w, "loss_after", OBJECT_F64, c->loss_after, n);
	object_writer_array(w, "kl", OBJECT_F64, c->kl, n);
}

int check_write(const struct check *c, const char *path, struct digest *content, struct digest *identity, size_t *size)
{
	struct object_writer w;
	check_describe(c, &w);
	int bad = object_write(&w, path, content, identity, size);
	object_writer_release(&w);
	return bad;
}

static int tokens_check(const struct check *c, const char *path)
{
	size_t all = 0;
	for (size_t s = 0; s < c->sequence_count; s++) {
		if (c->tokens[s] < 1 || c->tokens[s] > CHECK_TOKENS_MAX - all)
			return fail("%s: caption %zu has %zu tokens after %zu, expected at least 1 and at most %d in all", path, s,
				c->tokens[s], all, CHECK_TOKENS_MAX);
		all += c->tokens[s];
	}
	return 0;
}

/* Finite and not negative; a loss of no targets is 0. */
static int values_check(const struct check *c, const char *path, const char *name, const double *values, int loss)
{
	for (size_t s = 0; s < c->sequence_count; s++) {
		if (!(values[s] >= 0 && isfinite(values[s])))
			return fail("%s: %s of caption %zu is %g, expected a finite number >= 0", path, name, s, values[s]);
		if (loss && c->tokens[s] == 1 && values[s] > 0)
			return fail("%s: %s of caption %zu is %g, but it has no target", path, name, s, values[s]);
	}
	return 0;
}

/* The first array that is wrong ends the search: its message is the one that stays. */
static int arrays_find(struct check *c)
{
	const struct object *o = &c->object;
	size_t n = c->sequence_count;
	return (c->tokens = object_array_exact(o, "tokens", OBJECT_U64, n)) &&
		(c->loss_before = object_array_exact(o, "loss_before", OBJECT_F64, n)) &&
		(c->loss_after = object_array_exact(o, "loss_after", OBJECT_F64, n)) &&
		(c->kl = object_array_exact(o, "kl", OBJECT_F64, n)) ? 0 : -1;
}

int check_open(struct check *c, const char *path, const struct digest *expected)
{
	*c = (struct check){0};
	if (object_open(&c->object, path, "check", expected))
		return -1;
	const cJSON *d = c->object.description;
	if (!field_size(d, "sequences", path, 1, CHECK_SEQUENCES_MAX, &c->sequence_count) &&
		!field_size(d, "quantized", path, 0, CHECK_LINEARS_MAX, &c->quantized) && !arrays_find(c) &&
		!tokens_check(c, path) && !values_check(c, path, "loss_before", c->loss_before, 1) &&
		!values_check(c, path, "loss_after", c->loss_after, 1) && !values_check(c, path, "kl", c->kl, 0))
		return 0;
	check_close(c);
	return -1;
}

void check_close(struct check *c)
{
	object_close(&c->object);
	*c = (struct check){0};
}
