#include "model/changes_plan.h"

#include <assert.h>
#include <stdlib.h>

#include "common/memory.h"

/* Index of the quantized weight + 1, added to the linear's when it is new. */
static size_t weight_find(struct changes_plan *p, const struct change_request *r, size_t linear)
{
	struct weight_list *list = &p->weights[linear];
	if (r->pair[linear].weight.element == ELEMENT_NONE)
		return 0;
	MEM_GROW(list->at, list->count, list->capacity);
	return 1 + weight_variant_find(list->at, &list->count, &p->linears[linear], 1, r->pair[linear].weight,
		&r->weight_amax[linear]);
}

static struct mix mix_of(struct changes_plan *p, const struct change_request *r)
{
	struct mix m = {.entries = mem_array(r->count, sizeof *m.entries), .start = p->groups};
	assert(r->first + r->count <= p->linear_count);
	for (size_t i = r->first; i < r->first + r->count; i++)
		if (!quantizer_pair_none(r->pair[i])) {
			assert(r->activation_amax || !quantizer_is_static(r->pair[i].activation));
			m.entries[m.count++] = (struct mix_entry){
				.linear = i,
				.weight = weight_find(p, r, i),
				.activation = r->pair[i].activation,
				.amax = quantizer_is_static(r->pair[i].activation) ? r->activation_amax[i] : 0,
			};
		}
	if (m.count)
		m.start = p->linears[m.entries[0].linear].group;
	for (size_t i = 0; i < m.count; i++)
		m.exact |= m.entries[i].activation.element != ELEMENT_NONE && p->linears[m.entries[i].linear].group != m.start;
	return m;
}

static int entry_equal(const struct mix_entry *a, const struct mix_entry *b)
{
	/* A NaN maximum equals none: it is computed apart, and fails apart. */
	return a->linear == b->linear && a->weight == b->weight && quantizer_equal(a->activation, b->activation) &&
		a->amax == b->amax;
}

static int mix_equal(const struct mix *a, const struct mix *b)
{
	if (a->count != b->count)
		return 0;
	for (size_t i = 0; i < a->count; i++)
		if (!entry_equal(&a->entries[i], &b->entries[i]))
			return 0;
	return 1;
}

/* Makes the request one of its mix, which is added when it is new. */
static void mix_add(struct changes_plan *p, size_t request)
{
	struct mix mix = mix_of(p, &p->requests[request]);
	p->next[request] = PLAN_END;
	for (size_t m = 0; m < p->mix_count; m++)
		if (mix_equal(&p->mixes[m], &mix)) {
			p->next[request] = p->mixes[m].request;
			p->mixes[m].request = request;
			free(mix.entries);
			return;
		}
	mix.request = request;
	p->mixes[p->mix_count++] = mix;
}

/* Two mixes that agree in this may come in any order: no result depends on it. */
static int by_start(const void *a, const void *b)
{
	const struct mix *x = a, *y = b;
	size_t first = x->count ? x->entries[0].weight : 0, second = y->count ? y->entries[0].weight : 0;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return first < second ? -1 : first > second;
}

void changes_plan_make(struct changes_plan *p, const struct change_job *job)
{
	*p = (struct changes_plan){
		.requests = job->requests,
		.count = job->count,
		.linear_count = linear_count(job->config),
		.groups = linear_group_count(job->config),
	};
	p->linears = mem_array(p->linear_count, sizeof *p->linears);
	linear_describe(p->linears, job->config);
	selection_init(&p->selection, job->batch_count);
	for (size_t r = 0; r < p->count; r++)
		selection_add(&p->selection, p->requests[r].batch, p->requests[r].batches);
	selection_finish(&p->selection, job->batches);
	p->weights = mem_zeroed(p->linear_count, sizeof *p->weights);
	p->mixes = mem_array(p->count, sizeof *p->mixes);
	p->next = mem_array(p->count, sizeof *p->next);
	p->place = mem_zeroed(p->count * p->selection.count, sizeof *p->place);
	for (size_t r = 0; r < p->count; r++) {
		mix_add(p, r);
		for (size_t i = 0; i < p->requests[r].batches; i++)
			p->place[r * p->selection.count + p->selection.place[p->requests[r].batch[i]]] = i + 1;
	}
	if (p->mix_count)
		qsort(p->mixes, p->mix_count, sizeof *p->mixes, by_start);
}

void changes_plan_release(struct changes_plan *p)
{
	for (size_t m = 0; m < p->mix_count; m++)
		free(p->mixes[m].entries);
	for (size_t i = 0; i < p->linear_count; i++)
		free(p->weights[i].at);
	selection_release(&p->selection);
	free(p->linears);
	free(p->weights);
	free(p->mixes);
	free(p->next);
	free(p->place);
}

const struct mix_entry *mix_entry(const struct mix *m, size_t linear)
{
	size_t low = 0, high = m->count;
	if (!m->count || linear < m->entries[0].linear || linear > m->entries[m->count - 1].linear)
		return NULL;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (m->entries[middle].linear < linear)
			low = middle + 1;
		else
			high = middle;
	}
	return m->entries[low].linear == linear ? &m->entries[low] : NULL;
}

int changes_plan_wants(const struct changes_plan *p, const struct mix *m, size_t batch)
{
	for (size_t r = m->request; r != PLAN_END; r = p->next[r])
		if (p->place[r * p->selection.count + batch])
			return 1;
	return 0;
}
