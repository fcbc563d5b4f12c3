#include "model/batches.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"

static int check(const struct tokens *tokens, const struct lm_config *config)
{
	if (tokens->id_limit > 0 && (size_t)tokens->id_limit > config->vocab_size)
		return fail("token id %d is not below the model's vocabulary of %zu: is this its tokenizer?",
			tokens->id_limit - 1, config->vocab_size);
	for (size_t s = 0; s < tokens->sequences; s++) {
		size_t length = (size_t)(tokens->start[s + 1] - tokens->start[s]);
		if (length > config->max_position_embeddings)
			return fail("caption %zu has %zu tokens, the model takes %zu: lower dataset.calib_seq_len", s + 1, length,
				config->max_position_embeddings);
	}
	return 0;
}

static struct digest digest_of(const struct batch *b)
{
	struct hasher *h = hasher_new();
	hasher_update(h, &b->sequences, sizeof b->sequences);
	hasher_update(h, b->start, (b->sequences + 1) * sizeof *b->start);
	hasher_update(h, b->ids, b->tokens * sizeof *b->ids);
	struct digest d = hasher_digest(h);
	hasher_free(h);
	return d;
}

static void batch_free(struct batch *b)
{
	free((void *)(uintptr_t)b->ids);
	free((void *)(uintptr_t)b->start);
}

static struct batch cut(const struct tokens *tokens, size_t first, size_t sequences)
{
	int32_t base = tokens->start[first];
	int32_t *start = mem_array(sequences + 1, sizeof *start);
	for (size_t s = 0; s <= sequences; s++)
		start[s] = tokens->start[first + s] - base;
	size_t count = (size_t)start[sequences];
	int32_t *ids = mem_array(count, sizeof *ids);
	memcpy(ids, tokens->ids + base, count * sizeof *ids);
	return (struct batch){.ids = ids, .start = start, .sequences = sequences, .tokens = count};
}

static int listed(const struct batch_list *list, size_t index)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->index[i] == index)
			return 1;
	return 0;
}

/* Index of the batch in the set, which takes it over or, having one that the list does not name yet, frees it. */
static size_t intern(struct batch_set *set, struct batch *b, const struct batch_list *list)
{
	struct digest digest = digest_of(b);
	for (size_t i = 0; i < set->count; i++) {
		if (digest_equal(&set->digests[i], &digest) && !listed(list, i)) {
			batch_free(b);
			return i;
		}
	}
	if (set->count == set->capacity) {
		set->capacity = set->capacity ? 2 * set->capacity : 64;
		set->batches = mem_resize(set->batches, set->capacity, sizeof *set->batches);
		set->digests = mem_resize(set->digests, set->capacity, sizeof *set->digests);
	}
	set->batches[set->count] = *b;
	set->digests[set->count] = digest;
	return set->count++;
}

int tokens_open_input(struct tokens *tokens, const struct job *job, const struct job_input *input)
{
	char *path = job_input_path(job, input);
	int bad = tokens_open(tokens, path, &input->result.content);
	free(path);
	return bad ? job_input_discard(job, input) : 0;
}

int batch_set_add(struct batch_set *set, const struct tokens *tokens, size_t batch_size, const struct lm_config *config,
	struct batch_list *list)
{
	*list = (struct batch_list){0};
	if (check(tokens, config))
		return -1;
	list->index = mem_array((tokens->sequences + batch_size - 1) / batch_size, sizeof *list->index);
	for (size_t first = 0; first < tokens->sequences; first += batch_size) {
		size_t rest = tokens->sequences - first;
		struct batch b = cut(tokens, first, rest < batch_size ? rest : batch_size);
		size_t index = intern(set, &b, list);
		list->index[list->count++] = index;
	}
	return 0;
}

void batch_list_release(struct batch_list *list)
{
	free(list->index);
	*list = (struct batch_list){0};
}

void batch_set_release(struct batch_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		batch_free(&set->batches[i]);
	free(set->batches);
	free(set->digests);
	*set = (struct batch_set){0};
}
