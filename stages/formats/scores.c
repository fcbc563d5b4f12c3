#include "formats/scores.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "formats/fields.h"

enum { BATCH_SIZE_MAX = 1 << 24, SUMS = 5 };

/* Arrays are written and read in place. */
static_assert(sizeof(struct output_sums) == SUMS * sizeof(double), "sums are five doubles");
static_assert(sizeof(size_t) == sizeof(uint64_t), "counts are 64-bit");

static const char gradient[] = "gradient", kl_div[] = "kl_div";

void scores_describe(const struct scores *s, struct object_writer *w)
{
	object_writer_init(w, "scores");
	field_pair_add(w->description, s->pair);
	cJSON_AddStringToObject(w->description, "method", s->method);
	cJSON_AddNumberToObject(w->description, "batch_size", (double)s->batch_size);
	cJSON_AddNumberToObject(w->description, "batches", (double)s->batch_count);
	cJSON *linears = cJSON_AddArrayToObject(w->description, "linears");
	for (size_t i = 0; i < s->linear_count; i++) {
		const struct scores_linear *l = &s->linears[i];
		cJSON *entry = cJSON_CreateObject();
		cJSON_AddItemToArray(linears, entry);
		cJSON_AddStringToObject(entry, "name", l->name);
		cJSON_AddNumberToObject(entry, "group", (double)l->group);
		cJSON_AddNumberToObject(entry, "in", (double)l->in);
		cJSON_AddNumberToObject(entry, "out", (double)l->out);
	}
	object_writer_array(w, "sums", OBJECT_F64, s->sums, s->linear_count * s->batch_count * SUMS);
	if (s->kl)
		object_writer_array(w, "kl", OBJECT_F64, s->kl, scores_group_count(s) * s->batch_count);
	object_writer_array(w, "sequences", OBJECT_U64, s->batch_sequences, s->batch_count);
	object_writer_array(w, "tokens", OBJECT_U64, s->batch_tokens, s->batch_count);
	object_writer_array(w, "targets", OBJECT_U64, s->batch_targets, s->batch_count);
	object_writer_array(w, "loss", OBJECT_F64, s->batch_loss, s->batch_count);
}

int scores_write(const struct scores *s, const char *path, struct digest *content, struct digest *identity,
	size_t *size)
{
	struct object_writer w;
	scores_describe(s, &w);
	int bad = object_write(&w, path, content, identity, size);
	object_writer_release(&w);
	return bad;
}

static int head_read(struct scores *s, const char *path)
{
	const cJSON *d = s->object.description;
	s->method = json_string(d, "method", path);
	if (!s->method || field_pair(d, path, &s->pair))
		return -1;
	if (strcmp(s->method, gradient) && strcmp(s->method, kl_div))
		return fail("%s: method \"%.40s\", expected \"%s\" or \"%s\"", path, s->method, gradient, kl_div);
	return field_size(d, "batch_size", path, 1, BATCH_SIZE_MAX, &s->batch_size) ||
		field_size(d, "batches", path, 1, SCORES_BATCHES_MAX, &s->batch_count) ? -1 : 0;
}

static int linear_read(struct scores *s, const char *path, size_t index, const cJSON *entry)
{
	struct scores_linear *l = &s->linears[index];
	const size_t least = index ? l[-1].group : 0, most = index ? least + 1 : 0;
	l->name = json_string(entry, "name", path);
	if (!l->name || field_size(entry, "group", path, least, most, &l->group) ||
		field_size(entry, "in", path, 1, FIELD_WIDTH_MAX, &l->in) ||
		field_size(entry, "out", path, 1, FIELD_WIDTH_MAX, &l->out))
		return -1;
	return 0;
}

static int linears_read(struct scores *s, const char *path)
{
	const cJSON *entry, *list = field_list(s->object.description, "linears", path, SCORES_LINEARS_MAX,
		&s->linear_count);
	size_t i = 0;
	if (!list)
		return -1;
	s->linears = mem_zeroed(s->linear_count, sizeof *s->linears);
	cJSON_ArrayForEach(entry, list)
		if (linear_read(s, path, i++, entry))
			return fail_context("linear %zu", i - 1);
	return 0;
}

/* The first that is wrong ends the search: its message is the one that stays. */
static int arrays_find(struct scores *s)
{
	const struct object *o = &s->object;
	const size_t batches = s->batch_count;
	return (s->sums = object_array_exact(o, "sums", OBJECT_F64, s->linear_count * batches * SUMS)) &&
		(s->batch_sequences = object_array_exact(o, "sequences", OBJECT_U64, batches)) &&
		(s->batch_tokens = object_array_exact(o, "tokens", OBJECT_U64, batches)) &&
		(s->batch_targets = object_array_exact(o, "targets", OBJECT_U64, batches)) &&
		(s->batch_loss = object_array_exact(o, "loss", OBJECT_F64, batches)) &&
		(!strcmp(s->method, gradient) ||
			(s->kl = object_array_exact(o, "kl", OBJECT_F64, scores_group_count(s) * batches))) ? 0 : -1;
}

static int kl_check(const struct scores *s, const char *path)
{
	for (size_t i = 0; s->kl && i < scores_group_count(s) * s->batch_count; i++)
		if (!(s->kl[i] >= 0 && isfinite(s->kl[i])))
			return fail("%s: the divergence of group %zu on batch %zu is negative or not finite", path,
				i / s->batch_count, i % s->batch_count);
	return 0;
}

static int batches_check(const struct scores *s, const char *path)
{
	for (size_t b = 0; b < s->batch_count; b++) {
		size_t sequences = s->batch_sequences[b], tokens = s->batch_tokens[b], targets = s->batch_targets[b];
		if (sequences < 1 || sequences > s->batch_size || tokens < sequences || targets != tokens - sequences)
			return fail("%s: batch %zu has %zu sequences, %zu tokens and %zu targets, which cannot be", path, b, sequences,
				tokens, targets);
		if (!isfinite(s->batch_loss[b]))
			return fail("%s: the loss of batch %zu is not finite", path, b);
	}
	return 0;
}

static int sums_check(const struct scores *s, const char *path)
{
	for (size_t i = 0; i < s->linear_count; i++)
		for (size_t b = 0; b < s->batch_count; b++) {
			const struct output_sums *o = &s->sums[i * s->batch_count + b];
			if (!(o->score >= 0 && o->error2 >= 0 && o->output2 >= 0 && o->error_max >= 0) || !isfinite(o->score) ||
				!isfinite(o->error2) || !isfinite(o->output2) || !isfinite(o->cross) || !isfinite(o->error_max))
				return fail("%s: the sums of %s on batch %zu are negative or not finite", path, s->linears[i].name, b);
		}
	return 0;
}

int scores_open(struct scores *s, const char *path, const struct digest *expected)
{
	*s = (struct scores){0};
	if (object_open(&s->object, path, "scores", expected))
		return -1;
	if (!head_read(s, path) && !linears_read(s, path) && !arrays_find(s) && !batches_check(s, path) &&
		!sums_check(s, path) && !kl_check(s, path))
		return 0;
	scores_close(s);
	return -1;
}

void scores_close(struct scores *s)
{
	free(s->linears);
	object_close(&s->object);
	*s = (struct scores){0};
}

size_t scores_group_count(const struct scores *s)
{
	return s->linear_count ? s->linears[s->linear_count - 1].group + 1 : 0;
}

double scores_group_batch(const struct scores *s, size_t group, size_t batch)
{
	double sum = 0;
	if (s->kl)
		return s->kl[group * s->batch_count + batch];
	for (size_t i = 0; i < s->linear_count; i++)
		if (s->linears[i].group == group)
			sum += s->sums[i * s->batch_count + batch].score;
	return sum;
}

double scores_group(const struct scores *s, size_t group)
{
	double sum = 0;
	for (size_t b = 0; b < s->batch_count; b++)
		sum += scores_group_batch(s, group, b);
	return sum;
}

double scores_group_normalised(const struct scores *s, size_t group)
{
	double sum = 0, count = 0;
	for (size_t b = 0; b < s->batch_count; b++) {
		double n = (double)(s->kl ? s->batch_tokens[b] : s->batch_targets[b]);
		count += n;
		sum += (s->kl ? 1 : n * n) * scores_group_batch(s, group, b);
	}
	return count ? sum / count : 0;
}
