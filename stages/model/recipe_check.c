#include "model/recipe_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"
#include "model/changes.h"
#include "model/device_room.h"

struct check {
	const struct batch *batches;
	struct recipe_request *requests;
	struct change_request *changes;    /* [count] */
	struct change_job job;
};

/* Notes the first value that is not finite. */
static int not_finite(struct recipe_request *r, size_t place, const struct change_tokens *tokens, size_t t)
{
	const struct {
		const char *name;
		double value;
	} found[] = {
		{"the loss of the unquantized model", tokens->before[t]},
		{"the loss of the quantized model", tokens->before[t] + tokens->loss[t]},
		{"the KL divergence", tokens->kl[t]},
	};
	size_t i = 0;
	while (i < 3 && isfinite(found[i].value))
		i++;
	if (i == 3)
		return 0;
	snprintf(r->failure, sizeof r->failure, "batch %zu, token %zu: %s is not finite (%g)", r->batch[place], t,
		found[i].name, found[i].value);
	return 1;
}

/* Sums a batch into the request's sequences from first on. */
static void sum_batch(struct recipe_request *r, size_t place, const struct batch *b, size_t first,
	const struct change_tokens *tokens)
{
	for (size_t s = 0; s < b->sequences; s++) {
		double before = 0, change = 0, kl = 0;
		for (size_t t = (size_t)b->start[s]; t < (size_t)b->start[s + 1]; t++) {
			if (not_finite(r, place, tokens, t))
				return;
			before += tokens->before[t];
			change += tokens->loss[t];
			kl += tokens->kl[t];
		}
		r->loss_before[first + s] = before;
		/* A change has other digits than what it is added to: it may take 1e-7 more than there is. */
		r->loss_after[first + s] = before + change > 0 ? before + change : 0;
		r->kl[first + s] = kl;
	}
}

static int deliver(void *context, size_t index, size_t place, const struct batch *batch,
	const struct change_tokens *tokens)
{
	const struct check *c = context;
	struct recipe_request *r = &c->requests[index];
	size_t first = 0;
	for (size_t b = 0; b < place; b++)
		first += c->batches[r->batch[b]].sequences;
	if (!*r->failure)
		sum_batch(r, place, batch, first, tokens);
	return 0;
}

static void check_init(struct check *c, const struct ops *ops, const struct lm_config *config,
	const struct batch *batches, size_t batch_count, struct recipe_request *requests, size_t count)
{
	*c = (struct check){.batches = batches, .requests = requests};
	c->changes = mem_array(count, sizeof *c->changes);
	for (size_t i = 0; i < count; i++)
		c->changes[i] = (struct change_request){
			.pair = requests[i].pair,
			.weight_amax = requests[i].weight_amax,
			.activation_amax = requests[i].activation_amax,
			.count = linear_count(config),
			.batch = requests[i].batch,
			.batches = requests[i].batches,
		};
	c->job = (struct change_job){ops, config, batches, batch_count, c->changes, count, deliver, c};
}

size_t recipe_check_bytes(const struct ops *ops, const struct lm_config *config, const struct batch *batches,
	size_t batch_count, struct recipe_request *requests, size_t count, size_t run_bytes)
{
	struct check c;
	check_init(&c, ops, config, batches, batch_count, requests, count);
	size_t bytes = changes_bytes(&c.job, run_bytes);
	free(c.changes);
	return bytes;
}

static size_t check_need(const void *context, size_t run_bytes)
{
	return changes_bytes(context, run_bytes);
}

int recipe_check_run(const struct ops *ops, const struct lm_config *config, const struct model_tensors *tensors,
	const struct batch *batches, size_t batch_count, struct recipe_request *requests, size_t count, size_t run_bytes)
{
	struct check c;
	for (size_t r = 0; r < count; r++)
		*requests[r].failure = '\0';
	check_init(&c, ops, config, batches, batch_count, requests, count);
	int status = device_room(ops, config, check_need, &c.job, &run_bytes,
		"running a recipe, which autoquant.check_recipe=false leaves out,");
	if (!status)
		status = changes_run(&c.job, tensors, run_bytes);
	free(c.changes);
	return status;
}
