#include "model/kl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "model/changes.h"
#include "model/device_room.h"

/* A request of changes.h for each request and group, group by group of a request. */
struct kl {
	const struct batch *batches;
	const struct kl_request *requests;
	struct linear_info *linears;
	size_t linear_count, groups;
	struct quantizer_pair *pairs;      /* [count][linears] */
	struct change_request *changes;    /* [count][groups] */
	struct change_job job;
};

/* The linears of a group. */
static void find_group(const struct kl *k, size_t group, size_t *first, size_t *count)
{
	*first = *count = 0;
	while (k->linears[*first].group != group)
		++*first;
	while (*first + *count < k->linear_count && k->linears[*first + *count].group == group)
		++*count;
}

static void request_init(struct kl *k, size_t index)
{
	const struct kl_request *r = &k->requests[index];
	struct quantizer_pair *pairs = k->pairs + index * k->linear_count;
	for (size_t i = 0; i < k->linear_count; i++)
		pairs[i] = r->pair;
	for (size_t group = 0; group < k->groups; group++) {
		struct change_request *to = &k->changes[index * k->groups + group];
		*to = (struct change_request){
			.pair = pairs,
			.weight_amax = r->weight_amax,
			.activation_amax = r->activation_amax,
			.batch = r->batch,
			.batches = r->batches,
		};
		find_group(k, group, &to->first, &to->count);
	}
}

static int not_finite(const struct kl *k, size_t index, size_t place, size_t position, double found)
{
	const struct kl_request *r = &k->requests[index / k->groups];
	char weight[QUANTIZER_CODE_MAX], activation[QUANTIZER_CODE_MAX];
	quantizer_weight_code(weight, r->pair.weight);
	quantizer_activation_code(activation, r->pair.activation);
	return fail("%s, batch %zu, token %zu, format %s/%s: the KL divergence is not finite (%g)",
		k->linears[k->changes[index].first].name, r->batch[place], position, weight, activation, found);
}

/* Where the positions of the request's batch of that place begin, and how many they are in all. */
static size_t positions_before(const struct kl *k, const struct kl_request *r, size_t place, size_t *all)
{
	size_t before = 0;
	*all = 0;
	for (size_t i = 0; i < r->batches; i++) {
		before += i < place ? k->batches[r->batch[i]].tokens : 0;
		*all += k->batches[r->batch[i]].tokens;
	}
	return before;
}

static int deliver(void *context, size_t index, size_t place, const struct batch *batch,
	const struct change_tokens *tokens)
{
	const struct kl *k = context;
	const struct kl_request *r = &k->requests[index / k->groups];
	size_t group = index % k->groups, all, before = positions_before(k, r, place, &all);
	double sum = 0;
	for (size_t t = 0; t < batch->tokens; t++) {
		if (!isfinite(tokens->kl[t]))
			return not_finite(k, index, place, t, tokens->kl[t]);
		sum += tokens->kl[t];
	}
	r->sum[group * r->batches + place] = sum;
	if (r->positions)
		memcpy(r->positions + group * all + before, tokens->kl, batch->tokens * sizeof *tokens->kl);
	return 0;
}

static void kl_init(struct kl *k, const struct ops *ops, const struct lm_config *config, const struct batch *batches,
	size_t batch_count, const struct kl_request *requests, size_t count)
{
	*k = (struct kl){.batches = batches, .requests = requests};
	k->linear_count = linear_count(config);
	k->groups = linear_group_count(config);
	k->linears = mem_array(k->linear_count, sizeof *k->linears);
	linear_describe(k->linears, config);
	k->pairs = mem_array(count * k->linear_count, sizeof *k->pairs);
	k->changes = mem_array(count * k->groups, sizeof *k->changes);
	for (size_t r = 0; r < count; r++)
		request_init(k, r);
	k->job = (struct change_job){ops, config, batches, batch_count, k->changes, count * k->groups, deliver, k};
}

static void kl_release(struct kl *k)
{
	free(k->linears);
	free(k->pairs);
	free(k->changes);
}

size_t kl_bytes(const struct ops *ops, const struct lm_config *config, const struct batch *batches, size_t batch_count,
	const struct kl_request *requests, size_t count, size_t run_bytes)
{
	struct kl k;
	kl_init(&k, ops, config, batches, batch_count, requests, count);
	size_t bytes = changes_bytes(&k.job, run_bytes);
	kl_release(&k);
	return bytes;
}

static size_t kl_need(const void *context, size_t run_bytes)
{
	return changes_bytes(context, run_bytes);
}

int kl_run(const struct ops *ops, const struct lm_config *config, const struct model_tensors *tensors,
	const struct batch *batches, size_t batch_count, struct kl_request *requests, size_t count, size_t run_bytes)
{
	struct kl k;
	kl_init(&k, ops, config, batches, batch_count, requests, count);
	int status = device_room(ops, config, kl_need, &k.job, &run_bytes, "measuring the divergence");
	if (!status)
		status = changes_run(&k.job, tensors, run_bytes);
	kl_release(&k);
	return status;
}
