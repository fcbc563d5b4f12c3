#include "model/changes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "common/progress.h"
#include "model/changes_state.h"
#include "model/pass.h"

/* ---- the run at hand ---- */

static void upload(const struct ops *ops, dev_i32 *to, const int32_t *from, size_t count)
{
	ops->upload(to, from, count * sizeof *from);
}

/* The tokens of the run's batches, one behind the other: ids, positions and labels in host memory; the caller frees. */
static int32_t *upload_tokens(const struct changes *c)
{
	size_t n = c->run.tokens, row = 0;
	int32_t *ids = mem_array(3 * n, sizeof *ids);
	for (size_t b = c->run.batch; b < c->run.batch + c->run.batches; row += changes_tokens(c, b++))
		batch_tokens(ids + row, ids + n + row, ids + 2 * n + row, &c->plan.selection.batches[b], c->config->vocab_size);
	upload(c->ops, c->ids, ids, n);
	upload(c->ops, c->position, ids + n, n);
	upload(c->ops, c->label, ids + 2 * n, n);
	return ids;
}

/* Where each row of the streams belongs to, and its position and label. */
static void upload_rows(const struct changes *c, const int32_t *ids)
{
	size_t n = c->run.tokens, rows = c->run.rows;
	int32_t *base = mem_array(3 * rows, sizeof *base);
	for (size_t s = 0; s < c->stream_count; s++) {
		const struct stream *stream = &c->streams[s];
		for (size_t t = 0, at = stream->row, row = stream->base; t < stream->rows; t++, at++, row++) {
			base[at] = (int32_t)row;
			base[rows + at] = ids[n + row];
			base[2 * rows + at] = ids[2 * n + row];
		}
	}
	upload(c->ops, c->row_base, base, rows);
	upload(c->ops, c->row_position, base + rows, rows);
	upload(c->ops, c->row_label, base + 2 * rows, rows);
	free(base);
}

static void list_streams(struct changes *c)
{
	size_t row = 0;
	c->stream_count = 0;
	for (size_t m = c->run.mix; m < c->run.mix + c->run.mixes; m++) {
		size_t base = 0;
		for (size_t b = c->run.batch; b < c->run.batch + c->run.batches; base += changes_tokens(c, b++)) {
			if (!changes_plan_wants(&c->plan, &c->plan.mixes[m], b))
				continue;
			MEM_GROW(c->streams, c->stream_count, c->stream_room);
			c->streams[c->stream_count++] = (struct stream){&c->plan.mixes[m], b, row, changes_tokens(c, b), base};
			row += changes_tokens(c, b);
		}
	}
	assert(row == c->run.rows);
}

void changes_range_add(struct changes *c, const struct range *more, size_t most)
{
	struct range *last = c->range_count ? &c->ranges[c->range_count - 1] : NULL;
	if (last && c->ops->pack_tokens && last->row + last->rows == more->row && last->fresh == more->fresh &&
		last->rows + more->rows <= most) {
		last->rows += more->rows;
		last->end = more->end;
		return;
	}
	MEM_GROW(c->ranges, c->range_count, c->range_room);
	c->ranges[c->range_count++] = *more;
}

static void list_stacks(struct changes *c)
{
	c->range_count = 0;
	for (size_t s = 0; s < c->stream_count; s++) {
		const struct range stream = {s, s + 1, c->streams[s].row, c->streams[s].rows, 0};
		changes_range_add(c, &stream, c->stack_rows);
	}
}

static void run_begin(struct changes *c)
{
	struct carve carve = {c->run_memory, 0};
	changes_place_run(c, &carve);
	list_streams(c);
	int32_t *ids = upload_tokens(c);
	upload_rows(c, ids);
	free(ids);
	packs_init(&c->packs, c->plan.selection.batches + c->run.batch, c->run.batches, c->ops->pack_tokens);
}

/* ---- layers ---- */

/* Which quantized weights of the layer the streams of the run want. */
static void find_wanted(struct changes *c)
{
	memset(c->wanted, 0, c->forms * LINEARS_PER_LAYER);
	for (size_t m = c->run.mix; m < c->run.mix + c->run.mixes; m++)
		for (size_t kind = 0; kind < LINEARS_PER_LAYER; kind++) {
			const struct mix_entry *e = mix_entry(&c->plan.mixes[m], LINEARS_PER_LAYER * c->layer + kind);
			if (e && e->weight)
				c->wanted[(e->weight - 1) * LINEARS_PER_LAYER + kind] = 1;
		}
}

static int weight_piece(void *context, size_t index, size_t worker)
{
	const struct changes *c = context;
	size_t kind = index % LINEARS_PER_LAYER, linear = LINEARS_PER_LAYER * c->layer + kind;
	const struct linear_info *info = &c->plan.linears[linear];
	(void)worker;
	if (!c->wanted[index])
		return 0;
	const struct weight_variant *v = &c->plan.weights[linear].at[index / LINEARS_PER_LAYER];
	c->ops->quantize_weight(c->dW[index], c->weights.layer.linear[kind], 0, info->out, info->in, v->quantizer,
		v->amax[0], 1);
	return 0;
}

static int embed_piece(void *context, size_t index, size_t worker)
{
	const struct changes *c = context;
	size_t row = changes_pack_row(c, index), H = c->config->hidden_size;
	(void)worker;
	c->ops->embed(f32_at(c->x[0], row * H), c->weights.table, i32_at_const(c->ids, row),
		c->packs.pack[index].tokens, H);
	return 0;
}

static int baseline_piece(void *context, size_t index, size_t worker)
{
	const struct changes *c = context;
	const struct batch *pack = &c->packs.pack[index];
	size_t row = changes_pack_row(c, index), H = c->config->hidden_size;
	const struct layer layer = {
		.ops = c->ops,
		.config = c->config,
		.weights = &c->weights.layer,
		.position = i32_at_const(c->position, row),
		.packing = {pack->start, pack->sequences},
		.tokens = pack->tokens,
	};
	struct frame frame = frame_from(&c->base, c->config, layer_forward_slots, row);
	(void)worker;
	layer_forward(&layer, &frame, f32_at(c->x[(c->layer + 1) % 2], row * H), f32_at(c->x[c->layer % 2], row * H));
	return 0;
}

/* The end of the streams of a stack, from first on, that start before a group. */
static size_t started(const struct changes *c, const struct range *stack, size_t first, size_t group)
{
	while (first < stack->end && c->streams[first].mix->start < group)
		first++;
	return first;
}

static void step_range(const struct changes *c, const struct change_frame *frame, const struct range *stack,
	size_t first, size_t end, int fresh, size_t step)
{
	if (first == end)
		return;
	size_t row = c->streams[first].row, rows = c->streams[end - 1].row + c->streams[end - 1].rows - row;
	const struct range range = {first, end, row, rows, fresh};
	changes_step(c, frame, &range, row - stack->row, step);
}

/* A stack through the layer. Streams that start at a step have nothing to hand on there and go through it apart. */
static int stack_piece(void *context, size_t index, size_t worker)
{
	const struct changes *c = context;
	const struct range *stack = &c->ranges[index];
	for (size_t step = 0; step < CHANGES_STEPS; step++) {
		size_t group = c->layer * CHANGES_STEPS + step;
		size_t old = started(c, stack, stack->first, group), end = started(c, stack, old, group + 1);
		step_range(c, &c->frames[worker], stack, stack->first, old, 0, step);
		step_range(c, &c->frames[worker], stack, old, end, 1, step);
	}
	return 0;
}

static int run_layers(struct changes *c)
{
	device_weights_load_table(&c->weights, &c->weights.tensors->embed);
	if (c->ops->for_each(c->packs.count, embed_piece, c))
		return -1;
	list_stacks(c);
	for (c->layer = 0; c->layer < c->config->layers; c->layer++) {
		progress_step("layer", c->layer, c->config->layers);
		device_weights_load_layer(&c->weights, c->layer);
		find_wanted(c);
		if (c->ops->for_each(c->forms * LINEARS_PER_LAYER, weight_piece, c) ||
			c->ops->for_each(c->packs.count, baseline_piece, c) ||
			c->ops->for_each(c->range_count, stack_piece, c))
			return -1;
	}
	return 0;
}

/* ---- results ---- */

/* On the host: [tokens] and twice [rows]. */
struct results {
	double *before, *loss, *kl;
};

static int deliver_stream(const struct changes *c, const struct change_job *job, const struct stream *s,
	const struct change_tokens *tokens)
{
	const struct changes_plan *p = &c->plan;
	for (size_t r = s->mix->request; r != PLAN_END; r = p->next[r]) {
		size_t place = p->place[r * p->selection.count + s->batch];
		if (place && job->deliver(job->context, r, place - 1, &p->selection.batches[s->batch], tokens))
			return -1;
	}
	return 0;
}

static int deliver(const struct changes *c, const struct change_job *job, const struct results *results)
{
	for (size_t i = 0; i < c->stream_count; i++) {
		const struct stream *s = &c->streams[i];
		double *loss = results->loss + s->row, *kl = results->kl + s->row;
		if (s->mix->start == c->plan.groups) {
			memset(loss, 0, s->rows * sizeof *loss);
			memset(kl, 0, s->rows * sizeof *kl);
		}
		const struct change_tokens tokens = {results->before + s->base, loss, kl};
		if (deliver_stream(c, job, s, &tokens))
			return -1;
	}
	return 0;
}

static int fetch_and_deliver(const struct changes *c, const struct change_job *job)
{
	size_t tokens = c->run.tokens, rows = c->run.rows;
	double *memory = mem_array(tokens + 2 * rows, sizeof *memory);
	const struct results results = {memory, memory + tokens, memory + tokens + rows};
	c->ops->download(results.before, c->before, tokens * sizeof *memory);
	c->ops->download(results.loss, c->loss, rows * sizeof *memory);
	c->ops->download(results.kl, c->kl, rows * sizeof *memory);
	int bad = c->ops->sync() || deliver(c, job, &results);
	free(memory);
	return bad ? -1 : 0;
}

/* ---- all runs ---- */

static int run_all(struct changes *c, const struct change_job *job)
{
	size_t batch = 0, mix = 0;
	do {
		c->run = changes_run_at(c, batch, mix);
		run_begin(c);
		int bad = run_layers(c) || changes_run_head(c) || fetch_and_deliver(c, job);
		packs_release(&c->packs);
		if (bad)
			return -1;
	} while (changes_run_next(c, &c->run, &batch, &mix));
	return 0;
}

static void changes_init(struct changes *c, const struct change_job *job, size_t run_bytes)
{
	*c = (struct changes){.ops = job->ops, .config = job->config, .limit_bytes = run_bytes};
	if (!run_bytes)
		c->limit_bytes = job->ops->pack_tokens ? CHANGES_PACKED_RUN_BYTES : CHANGES_RUN_BYTES;
	changes_plan_make(&c->plan, job);
	changes_size(c);
	c->dW = mem_zeroed(c->forms * LINEARS_PER_LAYER, sizeof(dev_weight *));
	c->wanted = mem_zeroed(c->forms * LINEARS_PER_LAYER, sizeof *c->wanted);
	c->frames = mem_zeroed(job->ops->workers(), sizeof *c->frames);
}

static void changes_release(struct changes *c)
{
	changes_plan_release(&c->plan);
	free(c->dW);
	free(c->wanted);
	free(c->frames);
	free(c->streams);
	free(c->ranges);
}

size_t changes_bytes(const struct change_job *job, size_t run_bytes)
{
	struct changes c;
	struct carve carve = {0};
	size_t bytes = 0;
	changes_init(&c, job, run_bytes);
	if (c.plan.selection.count) {
		changes_place_shared(&c, &carve);
		bytes = carve.used + changes_run_most(&c) + device_weights_bytes(job->ops, job->config);
	}
	changes_release(&c);
	return bytes;
}

static int compute(struct changes *c, const struct change_job *job, const struct model_tensors *tensors)
{
	struct carve counted = {0};
	changes_place_shared(c, &counted);
	struct carve shared = {c->ops->alloc(counted.used), 0};
	changes_place_shared(c, &shared);
	c->run_memory = c->ops->alloc(changes_run_most(c));
	device_weights_init(&c->weights, c->ops, c->config, tensors);
	double *zeros = mem_zeroed(c->head_rows, sizeof *zeros);
	c->ops->upload(c->no_scale, zeros, c->head_rows * sizeof *zeros);
	free(zeros);
	int status = run_all(c, job);
	device_weights_release(&c->weights);
	c->ops->release(c->run_memory);
	c->ops->release(shared.base);
	return status;
}

int changes_run(const struct change_job *job, const struct model_tensors *tensors, size_t run_bytes)
{
	struct changes c;
	int status = 0;
	changes_init(&c, job, run_bytes);
	if (c.plan.selection.count)
		status = compute(&c, job, tensors);
	changes_release(&c);
	return status;
}
