#include "formats/tokens.h"

#include <string.h>

#include "common/error.h"
#include "common/json.h"

static struct digest identity_of(const struct tokens *t)
{
	struct hasher *h = hasher_new();
	uint64_t counts[2] = {t->sequences, t->count};
	hasher_update(h, "tokens/1", 8);
	hasher_update(h, counts, sizeof counts);
	hasher_update(h, t->start, (t->sequences + 1) * sizeof *t->start);
	hasher_update(h, t->ids, t->count * sizeof *t->ids);
	struct digest d = hasher_digest(h);
	hasher_free(h);
	return d;
}

int tokens_write(const struct tokens *t, const char *path, struct digest *content, struct digest *identity,
	size_t *size)
{
	struct object_writer w;
	tokens_describe(t, &w);
	int bad = object_write(&w, path, content, identity, size);
	object_writer_release(&w);
	return bad;
}

void tokens_describe(const struct tokens *t, struct object_writer *w)
{
	struct digest identity = identity_of(t);
	object_writer_init(w, "tokens");
	cJSON_AddNumberToObject(w->description, "sequences", (double)t->sequences);
	cJSON_AddNumberToObject(w->description, "tokens", (double)t->count);
	cJSON_AddNumberToObject(w->description, "asked", (double)t->asked);
	cJSON_AddNumberToObject(w->description, "truncated", (double)t->truncated);
	object_writer_array(w, "start", OBJECT_I32, t->start, t->sequences + 1);
	object_writer_array(w, "ids", OBJECT_I32, t->ids, t->count);
	object_writer_identity(w, &identity);
}

static int check(struct tokens *t, const char *path)
{
	if (t->start[0])
		return fail("%s: the first sequence starts at %d, expected 0", path, t->start[0]);
	for (size_t s = 0; s < t->sequences; s++)
		if (t->start[s + 1] <= t->start[s])
			return fail("%s: sequence %zu is empty", path, s);
	if ((size_t)t->start[t->sequences] != t->count)
		return fail("%s: sequences end at %d, but there are %zu tokens", path, t->start[t->sequences], t->count);
	for (size_t i = 0; i < t->count; i++) {
		if (t->ids[i] < 0)
			return fail("%s: token %zu is negative", path, i);
		if (t->ids[i] == INT32_MAX)
			return fail("%s: token %zu is %d, more than an id can be", path, i, t->ids[i]);
		if (t->ids[i] >= t->id_limit)
			t->id_limit = t->ids[i] + 1;
	}
	return 0;
}

int tokens_open(struct tokens *t, const char *path, const struct digest *expected)
{
	uint64_t sequences, count, asked, truncated;
	*t = (struct tokens){0};
	if (object_open(&t->object, path, "tokens", expected))
		return -1;
	const cJSON *d = t->object.description;
	if (json_u64(d, "sequences", path, &sequences) || json_u64(d, "tokens", path, &count) ||
		json_u64(d, "asked", path, &asked) || json_u64(d, "truncated", path, &truncated))
		goto bad;
	if (!sequences || sequences > SEQUENCES_MAX || count > TOKENS_MAX) {
		fail("%s: %llu sequences, %llu tokens: expected 1 to %d and at most %d", path, (unsigned long long)sequences,
			(unsigned long long)count, SEQUENCES_MAX, TOKENS_MAX);
		goto bad;
	}
	t->sequences = sequences;
	t->count = count;
	t->asked = asked;
	t->truncated = truncated;
	t->start = object_array_exact(&t->object, "start", OBJECT_I32, t->sequences + 1);
	t->ids = object_array_exact(&t->object, "ids", OBJECT_I32, t->count);
	if (!t->start || !t->ids || check(t, path))
		goto bad;
	return 0;
bad:
	tokens_close(t);
	return -1;
}

void tokens_close(struct tokens *t)
{
	object_close(&t->object);
	*t = (struct tokens){0};
}
