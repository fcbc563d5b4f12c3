#include "formats/scores.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "formats/fields.h"

enum { BATCH_SIZE_MAX = 1 << 24 };

/* Of a batch; with SCORES_BATCHES_MAX of them sums stay far from overflow. */
static const size_t tokens_max = (size_t)1 << 32;

/* Between sums of the same numbers, none negative, in two orders: 1e-16 for each of perhaps a million. */
static const double rounding = 1e-9;

/* Arrays are written and read in place. */
static_assert(sizeof(size_t) == sizeof(uint64_t), "counts are 64-bit");

static const char gradient[] = "gradient", kl_div[] = "kl_div";

void scores_describe(const struct scores *s, struct object_writer *w)
{
	const size_t groups = scores_group_count(s);
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
	object_writer_array(w, "sums", OBJECT_F64, s->sums, s->linear_count * s->batch_count * OUTPUT_SUMS);
	if (s->weight_only)
		object_writer_array(w, "weight_only", OBJECT_F64, s->weight_only, s->linear_count * OUTPUT_SUMS);
	if (s->activation_only)
		object_writer_array(w, "activation_only", OBJECT_F64, s->activation_only, s->linear_count * OUTPUT_SUMS);
	if (s->kl)
		object_writer_array(w, "kl", OBJECT_F64, s->kl, groups * s->batch_count);
	object_writer_array(w, "sequence_score", OBJECT_F64, s->sequence_score, groups * s->sequence_count);
	object_writer_array(w, "sequence_tokens", OBJECT_U64, s->sequence_tokens, s->sequence_count);
	object_writer_array(w, "position", OBJECT_U64, s->position, groups * s->position_count);
	object_writer_array(w, "position_score", OBJECT_F64, s->position_score, groups * s->position_count);
	object_writer_array(w, "first_score", OBJECT_F64, s->first_score, groups);
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

static size_t total(const size_t *count, size_t n)
{
	size_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += count[i];
	return sum;
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
static int sums_find(struct scores *s)
{
	const struct object *o = &s->object;
	const size_t count = s->linear_count * OUTPUT_SUMS;
	return (s->sums = object_array_exact(o, "sums", OBJECT_F64, count * s->batch_count)) &&
		(!quantizer_pair_joint(s->pair) ||
			((s->weight_only = object_array_exact(o, "weight_only", OBJECT_F64, count)) &&
			(s->activation_only = object_array_exact(o, "activation_only", OBJECT_F64, count)))) &&
		(!strcmp(s->method, gradient) ||
			(s->kl = object_array_exact(o, "kl", OBJECT_F64, scores_group_count(s) * s->batch_count))) ? 0 : -1;
}

static int batches_find(struct scores *s)
{
	const struct object *o = &s->object;
	const size_t batches = s->batch_count;
	return (s->batch_sequences = object_array_exact(o, "sequences", OBJECT_U64, batches)) &&
		(s->batch_tokens = object_array_exact(o, "tokens", OBJECT_U64, batches)) &&
		(s->batch_targets = object_array_exact(o, "targets", OBJECT_U64, batches)) &&
		(s->batch_loss = object_array_exact(o, "loss", OBJECT_F64, batches)) ? 0 : -1;
}

/* How many there are follows from the batches. */
static int sequences_find(struct scores *s)
{
	const struct object *o = &s->object;
	const size_t groups = scores_group_count(s), tokens = total(s->batch_tokens, s->batch_count);
	const size_t sequences = s->sequence_count = total(s->batch_sequences, s->batch_count);
	const size_t positions = s->position_count = tokens < SCORES_POSITIONS ? tokens : SCORES_POSITIONS;
	return (s->sequence_score = object_array_exact(o, "sequence_score", OBJECT_F64, groups * sequences)) &&
		(s->sequence_tokens = object_array_exact(o, "sequence_tokens", OBJECT_U64, sequences)) &&
		(s->position = object_array_exact(o, "position", OBJECT_U64, groups * positions)) &&
		(s->position_score = object_array_exact(o, "position_score", OBJECT_F64, groups * positions)) &&
		(s->first_score = object_array_exact(o, "first_score", OBJECT_F64, groups)) ? 0 : -1;
}

/* ---- what an object must fulfil ---- */

/* A sum of what cannot be negative. */
static int sound(double sum)
{
	return sum >= 0 && isfinite(sum);
}

static int sums_sound(const struct output_sums *o)
{
	return sound(o->score) && sound(o->error2) && sound(o->output2) && sound(o->error_max) && isfinite(o->cross);
}

static int batches_check(const struct scores *s, const char *path)
{
	for (size_t b = 0; b < s->batch_count; b++) {
		size_t sequences = s->batch_sequences[b], tokens = s->batch_tokens[b], targets = s->batch_targets[b];
		if (sequences < 1 || sequences > s->batch_size || tokens < sequences || tokens > tokens_max ||
			targets != tokens - sequences)
			return fail("%s: batch %zu has %zu sequences, %zu tokens and %zu targets, which cannot be", path, b, sequences,
				tokens, targets);
		if (!isfinite(s->batch_loss[b]))
			return fail("%s: the loss of batch %zu is not finite", path, b);
	}
	return 0;
}

static int sums_check(const struct scores *s, const char *path)
{
	for (size_t i = 0; i < s->linear_count; i++) {
		const char *name = s->linears[i].name;
		for (size_t b = 0; b < s->batch_count; b++)
			if (!sums_sound(&s->sums[i * s->batch_count + b]))
				return fail("%s: the sums of %s on batch %zu are negative or not finite", path, name, b);
		if (s->weight_only && !sums_sound(&s->weight_only[i]))
			return fail("%s: the sums of %s by weights alone are negative or not finite", path, name);
		if (s->activation_only && !sums_sound(&s->activation_only[i]))
			return fail("%s: the sums of %s by activations alone are negative or not finite", path, name);
	}
	return 0;
}

static int kl_check(const struct scores *s, const char *path)
{
	for (size_t i = 0; s->kl && i < scores_group_count(s) * s->batch_count; i++)
		if (!sound(s->kl[i]))
			return fail("%s: the divergence of group %zu on batch %zu is negative or not finite", path,
				i / s->batch_count, i % s->batch_count);
	return 0;
}

static int lengths_check(const struct scores *s, const char *path)
{
	const size_t *length = s->sequence_tokens;
	for (size_t b = 0; b < s->batch_count; length += s->batch_sequences[b++]) {
		size_t sum = 0;
		for (size_t i = 0; i < s->batch_sequences[b]; i++) {
			if (length[i] < 1 || length[i] > s->batch_tokens[b])
				return fail("%s: sequence %zu of batch %zu has %zu tokens, the batch %zu", path, i, b, length[i],
					s->batch_tokens[b]);
			sum += length[i];
		}
		if (sum != s->batch_tokens[b])
			return fail("%s: the sequences of batch %zu have %zu tokens, the batch %zu", path, b, sum,
				s->batch_tokens[b]);
	}
	return 0;
}

/* The scores of captions add up to that of the group, those of some tokens to no more. Summing rounds. */
static int captions_check(const struct scores *s, const char *path, size_t group)
{
	const double *score = s->sequence_score + group * s->sequence_count;
	double sum = 0, all = scores_group(s, group), room = rounding * all + DBL_MIN;
	for (size_t i = 0; i < s->sequence_count; i++) {
		if (!sound(score[i]))
			return fail("%s: the score of group %zu on sequence %zu is negative or not finite", path, group, i);
		sum += score[i];
	}
	if (!(fabs(sum - all) <= room))
		return fail("%s: the scores of group %zu on sequences add up to %.17g, on batches to %.17g", path, group, sum,
			all);
	if (!sound(s->first_score[group]) || !(s->first_score[group] <= all + room))
		return fail("%s: group %zu scores %.17g on first tokens, %.17g on all", path, group, s->first_score[group],
			all);
	return 0;
}

/* Position i comes after position k < i: lower, or as high and later. */
static int positions_ordered(const struct scores *s, size_t k, size_t i)
{
	double before = s->position_score[k], score = s->position_score[i];
	return s->position[i] != s->position[k] && (score < before || (score == before && s->position[i] > s->position[k]));
}

static int positions_check(const struct scores *s, const char *path, size_t group)
{
	const size_t first = group * s->position_count, end = first + s->position_count;
	const size_t tokens = total(s->batch_tokens, s->batch_count);
	double sum = 0, all = scores_group(s, group);
	for (size_t i = first; i < end; i++) {
		if (s->position[i] >= tokens)
			return fail("%s: position %zu of group %zu is token %zu of %zu", path, i - first, group, s->position[i],
				tokens);
		if (!sound(s->position_score[i]))
			return fail("%s: the score of group %zu at position %zu is negative or not finite", path, group, i - first);
		for (size_t k = first; k < i; k++)
			if (!positions_ordered(s, k, i))
				return fail("%s: the positions of group %zu are not in order at %zu", path, group, i - first);
		sum += s->position_score[i];
	}
	if (!(sum <= all + rounding * all + DBL_MIN))
		return fail("%s: group %zu scores %.17g at its largest tokens, %.17g on all", path, group, sum, all);
	return 0;
}

static int tokens_check(const struct scores *s, const char *path)
{
	if (lengths_check(s, path))
		return -1;
	for (size_t g = 0; g < scores_group_count(s); g++)
		if (captions_check(s, path, g) || positions_check(s, path, g))
			return -1;
	return 0;
}

int scores_open(struct scores *s, const char *path, const struct digest *expected)
{
	*s = (struct scores){0};
	if (object_open(&s->object, path, "scores", expected))
		return -1;
	if (!head_read(s, path) && !linears_read(s, path) && !sums_find(s) && !batches_find(s) && !batches_check(s, path) &&
		!sequences_find(s) && !sums_check(s, path) && !kl_check(s, path) && !tokens_check(s, path))
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

struct output_sums scores_linear(const struct scores *s, size_t linear)
{
	struct output_sums all = {0};
	for (size_t b = 0; b < s->batch_count; b++)
		output_sums_add(&all, &s->sums[linear * s->batch_count + b]);
	return all;
}

/* The linears of a group, which stand together. */
struct members {
	size_t from, to;
};

static struct members members_of(const struct scores *s, size_t group)
{
	struct members m = {0, s->linear_count};
	while (m.from < m.to) {
		size_t middle = m.from + (m.to - m.from) / 2;
		if (s->linears[middle].group < group)
			m.from = middle + 1;
		else
			m.to = middle;
	}
	while (m.to < s->linear_count && s->linears[m.to].group == group)
		m.to++;
	return m;
}

static double batch_score(const struct scores *s, struct members members, size_t group, size_t batch)
{
	double sum = 0;
	if (s->kl)
		return s->kl[group * s->batch_count + batch];
	for (size_t i = members.from; i < members.to; i++)
		sum += s->sums[i * s->batch_count + batch].score;
	return sum;
}

double scores_group_batch(const struct scores *s, size_t group, size_t batch)
{
	return batch_score(s, members_of(s, group), group, batch);
}

double scores_group(const struct scores *s, size_t group)
{
	const struct members members = members_of(s, group);
	double sum = 0;
	for (size_t b = 0; b < s->batch_count; b++)
		sum += batch_score(s, members, group, b);
	return sum;
}

double scores_group_normalised(const struct scores *s, size_t group)
{
	const struct members members = members_of(s, group);
	double sum = 0, count = 0;
	for (size_t b = 0; b < s->batch_count; b++) {
		double n = (double)(s->kl ? s->batch_tokens[b] : s->batch_targets[b]);
		count += n;
		sum += (s->kl ? 1 : n * n) * batch_score(s, members, group, b);
	}
	return count ? sum / count : 0;
}
