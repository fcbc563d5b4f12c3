#include "model/kl_plan.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"

/* Static maxima of a request; NULL when it has none. */
static const float *static_amax(const struct kl_request *r)
{
	struct quantizer q = r->pair.activation;
	if (q.element == ELEMENT_NONE || q.scale == SCALE_TOKEN)
		return NULL;
	assert(r->activation_amax);
	return r->activation_amax;
}

static int same_inputs(const struct kl_plan *p, const float *a, const float *b)
{
	return a == b || (a && b && !memcmp(a, b, p->linear_count * sizeof *a));
}

static size_t format_find(struct kl_plan *p, const struct kl_request *r)
{
	size_t weight = weight_variant_find(p->weights, &p->weight_count, p->linears, p->linear_count, r->pair.weight,
		r->weight_amax);
	const float *amax = static_amax(r);
	for (size_t f = 0; f < p->format_count; f++) {
		const struct kl_format *have = &p->formats[f];
		if (have->weight == weight && quantizer_equal(have->pair.activation, r->pair.activation) &&
			same_inputs(p, have->amax, amax))
			return f;
	}
	p->formats[p->format_count] = (struct kl_format){r->pair, weight, amax};
	return p->format_count++;
}

static int wanted(const struct kl_plan *p, size_t format, size_t batch)
{
	for (size_t r = 0; r < p->count; r++)
		if (p->request_format[r] == format && p->place[r * p->selection.count + batch])
			return 1;
	return 0;
}

/* Counts the streams, and lists them unless there is no list yet. */
static void streams_list(struct kl_plan *p, size_t groups)
{
	p->stream_count = 0;
	for (size_t b = 0; b < p->selection.count; b++)
		for (size_t f = 0; f < p->format_count; f++)
			for (size_t g = 0; g < groups && wanted(p, f, b); g++, p->stream_count++)
				if (p->streams)
					p->streams[p->stream_count] = (struct kl_stream){f, b, g};
}

void kl_plan_make(struct kl_plan *p, const struct lm_config *config, const struct batch *batches, size_t batch_count,
	const struct kl_request *requests, size_t count)
{
	*p = (struct kl_plan){.requests = requests, .count = count, .linear_count = linear_count(config)};
	p->linears = mem_array(p->linear_count, sizeof *p->linears);
	linear_describe(p->linears, config);
	selection_init(&p->selection, batch_count);
	for (size_t r = 0; r < count; r++)
		selection_add(&p->selection, requests[r].batch, requests[r].batches);
	selection_finish(&p->selection, batches);
	p->weights = mem_array(count, sizeof *p->weights);
	p->formats = mem_array(count, sizeof *p->formats);
	p->request_format = mem_array(count, sizeof *p->request_format);
	p->place = mem_zeroed(count * p->selection.count, sizeof *p->place);
	for (size_t r = 0; r < count; r++) {
		p->request_format[r] = format_find(p, &requests[r]);
		for (size_t i = 0; i < requests[r].batches; i++)
			p->place[r * p->selection.count + p->selection.place[requests[r].batch[i]]] = i + 1;
	}
	streams_list(p, linear_group_count(config));
	p->streams = mem_array(p->stream_count, sizeof *p->streams);
	streams_list(p, linear_group_count(config));
}

void kl_plan_release(struct kl_plan *p)
{
	selection_release(&p->selection);
	free(p->linears);
	free(p->weights);
	free(p->formats);
	free(p->request_format);
	free(p->place);
	free(p->streams);
}

/* The first linear of a group, after which it is named. */
static const char *group_name(const struct kl_plan *p, size_t group)
{
	size_t i = 0;
	while (p->linears[i].group != group)
		i++;
	return p->linears[i].name;
}

static int not_finite(const struct kl_plan *p, const struct kl_stream *s, size_t position, double found)
{
	char weight[QUANTIZER_CODE_MAX], activation[QUANTIZER_CODE_MAX];
	quantizer_weight_code(weight, p->formats[s->format].pair.weight);
	quantizer_activation_code(activation, p->formats[s->format].pair.activation);
	return fail("%s, batch %zu, token %zu, format %s/%s: the KL divergence is not finite (%g)", group_name(p, s->group),
		p->selection.index[s->batch], position, weight, activation, found);
}

/* Where the positions of the request's batch of that place begin, and how many they are in all. */
static size_t positions_before(const struct kl_plan *p, const struct kl_request *r, size_t place, size_t *all)
{
	size_t before = 0;
	*all = 0;
	for (size_t i = 0; i < r->batches; i++) {
		size_t tokens = p->selection.batches[p->selection.place[r->batch[i]]].tokens;
		before += i < place ? tokens : 0;
		*all += tokens;
	}
	return before;
}

int kl_plan_deliver(const struct kl_plan *p, const struct kl_stream *s, const double *kl)
{
	size_t T = p->selection.batches[s->batch].tokens, all;
	double sum = 0;
	for (size_t t = 0; t < T; t++) {
		if (!isfinite(kl[t]))
			return not_finite(p, s, t, kl[t]);
		sum += kl[t];
	}
	for (size_t i = 0; i < p->count; i++) {
		const struct kl_request *r = &p->requests[i];
		size_t place = p->place[i * p->selection.count + s->batch];
		if (p->request_format[i] != s->format || !place)
			continue;
		r->sum[s->group * r->batches + place - 1] = sum;
		if (r->positions) {
			size_t before = positions_before(p, r, place - 1, &all);
			memcpy(r->positions + s->group * all + before, kl, T * sizeof *kl);
		}
	}
	return 0;
}
