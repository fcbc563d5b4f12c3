#include "model/recipe_plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

const struct weight_variant *recipe_plan_weight(const struct recipe_plan *p, size_t linear, size_t index)
{
	return &p->weights[linear * p->count + index];
}

static int is_static(struct quantizer activation)
{
	return activation.element != ELEMENT_NONE && activation.scale != SCALE_TOKEN;
}

/* What a request wants, adding the weights that are new. */
static struct recipe_mix mix_of(struct recipe_plan *p, const struct recipe_request *r)
{
	struct recipe_mix m = {.pair = r->pair};
	m.weight = mem_zeroed(p->linear_count, sizeof *m.weight);
	m.amax = mem_zeroed(p->linear_count, sizeof *m.amax);
	for (size_t i = 0; i < p->linear_count; i++) {
		if (r->pair[i].weight.element != ELEMENT_NONE)
			m.weight[i] = 1 + weight_variant_find(p->weights + i * p->count, &p->weight_count[i], &p->linears[i], 1,
				r->pair[i].weight, &r->weight_amax[i]);
		if (is_static(r->pair[i].activation))
			m.amax[i] = r->activation_amax[i];
	}
	return m;
}

static void mix_release(struct recipe_mix *m)
{
	free(m->weight);
	free(m->amax);
}

static int mix_equal(const struct recipe_plan *p, const struct recipe_mix *a, const struct recipe_mix *b)
{
	for (size_t i = 0; i < p->linear_count; i++)
		if (!quantizer_equal(a->pair[i].activation, b->pair[i].activation))
			return 0;
	return !memcmp(a->weight, b->weight, p->linear_count * sizeof *a->weight) &&
		!memcmp(a->amax, b->amax, p->linear_count * sizeof *a->amax);
}

static size_t mix_find(struct recipe_plan *p, const struct recipe_request *r)
{
	struct recipe_mix mix = mix_of(p, r);
	for (size_t m = 0; m < p->mix_count; m++)
		if (mix_equal(p, &p->mixes[m], &mix)) {
			mix_release(&mix);
			return m;
		}
	p->mixes[p->mix_count] = mix;
	return p->mix_count++;
}

static int wanted(const struct recipe_plan *p, size_t mix, size_t batch)
{
	for (size_t r = 0; r < p->count; r++)
		if (p->request_mix[r] == mix && p->place[r * p->selection.count + batch])
			return 1;
	return 0;
}

static void streams_list(struct recipe_plan *p)
{
	p->streams = mem_array(p->selection.count * p->mix_count, sizeof *p->streams);
	for (size_t b = 0; b < p->selection.count; b++)
		for (size_t m = 0; m < p->mix_count; m++)
			if (wanted(p, m, b))
				p->streams[p->stream_count++] = (struct recipe_stream){m, b};
}

void recipe_plan_make(struct recipe_plan *p, const struct lm_config *config, const struct batch *batches,
	size_t batch_count, struct recipe_request *requests, size_t count)
{
	*p = (struct recipe_plan){.requests = requests, .count = count, .linear_count = linear_count(config)};
	p->linears = mem_array(p->linear_count, sizeof *p->linears);
	linear_describe(p->linears, config);
	selection_init(&p->selection, batch_count);
	for (size_t r = 0; r < count; r++)
		selection_add(&p->selection, requests[r].batch, requests[r].batches);
	selection_finish(&p->selection, batches);
	p->weights = mem_array(p->linear_count * count, sizeof *p->weights);
	p->weight_count = mem_zeroed(p->linear_count, sizeof *p->weight_count);
	p->mixes = mem_array(count, sizeof *p->mixes);
	p->request_mix = mem_array(count, sizeof *p->request_mix);
	p->place = mem_zeroed(count * p->selection.count, sizeof *p->place);
	for (size_t r = 0; r < count; r++) {
		p->request_mix[r] = mix_find(p, &requests[r]);
		for (size_t i = 0; i < requests[r].batches; i++)
			p->place[r * p->selection.count + p->selection.place[requests[r].batch[i]]] = i + 1;
	}
	streams_list(p);
}

void recipe_plan_release(struct recipe_plan *p)
{
	for (size_t m = 0; m < p->mix_count; m++)
		mix_release(&p->mixes[m]);
	selection_release(&p->selection);
	free(p->linears);
	free(p->weights);
	free(p->weight_count);
	free(p->mixes);
	free(p->request_mix);
	free(p->place);
	free(p->streams);
}

/* Notes the first value that is not finite. */
static int not_finite(struct recipe_request *r, size_t batch, const struct recipe_tokens *tokens, size_t t)
{
	const struct {
		const char *name;
		double value;
	} found[] = {
		{"the loss of the unquantized model", tokens->before[t]},
		{"the loss of the quantized model", tokens->after[t]},
		{"the KL divergence", tokens->kl[t]},
	};
	size_t i = 0;
	while (i < 3 && isfinite(found[i].value))
		i++;
	if (i == 3)
		return 0;
	snprintf(r->failure, sizeof r->failure, "batch %zu, token %zu: %s is not finite (%g)", batch, t, found[i].name,
		found[i].value);
	return 1;
}

/* Sums a batch into the request's sequences from first on. */
static void sum_batch(struct recipe_request *r, size_t index, const struct batch *b, size_t first,
	const struct recipe_tokens *tokens)
{
	for (size_t s = 0; s < b->sequences; s++) {
		double before = 0, after = 0, kl = 0;
		for (size_t t = (size_t)b->start[s]; t < (size_t)b->start[s + 1]; t++) {
			if (not_finite(r, index, tokens, t))
				return;
			before += tokens->before[t];
			after += tokens->after[t];
			kl += tokens->kl[t];
		}
		r->loss_before[first + s] = before;
		r->loss_after[first + s] = after;
		r->kl[first + s] = kl;
	}
}

void recipe_plan_deliver(const struct recipe_plan *p, const struct recipe_stream *stream,
	const struct recipe_tokens *tokens)
{
	const struct selection *chosen = &p->selection;
	for (size_t i = 0; i < p->count; i++) {
		struct recipe_request *r = &p->requests[i];
		size_t place = p->place[i * chosen->count + stream->batch], first = 0;
		if (p->request_mix[i] != stream->mix || !place || *r->failure)
			continue;
		for (size_t b = 0; b + 1 < place; b++)
			first += chosen->batches[chosen->place[r->batch[b]]].sequences;
		sum_batch(r, chosen->index[stream->batch], &chosen->batches[stream->batch], first, tokens);
	}
}
