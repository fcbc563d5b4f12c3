#include "model/calibrate.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "model/device_room.h"
#include "model/selection.h"

static int sums_check(const struct quant_sums *s, const char *linear, const char *code)
{
	if (isfinite(s->error2) && isfinite(s->value2) && isfinite(s->cross) && isfinite(s->quant2))
		return 0;
	return fail("%s, quantizer %s: the values or their errors are not finite (squares %g, error %g)", linear, code,
		s->value2, s->error2);
}

/* A buffer a worker, grown when a linear needs more. */
struct scratch {
	void **buffer;       /* [workers] */
	size_t bytes;
};

static void scratch_init(struct scratch *s, const struct ops *ops)
{
	*s = (struct scratch){.buffer = mem_zeroed(ops->workers(), sizeof(void *))};
}

static void scratch_clear(struct scratch *s, const struct ops *ops)
{
	for (size_t w = 0; w < ops->workers(); w++)
		if (s->buffer[w])
			ops->release(s->buffer[w]);
	memset(s->buffer, 0, ops->workers() * sizeof(void *));
}

static void scratch_reserve(struct scratch *s, const struct ops *ops, size_t bytes)
{
	if (bytes <= s->bytes)
		return;
	scratch_clear(s, ops);
	for (size_t w = 0; w < ops->workers(); w++)
		s->buffer[w] = ops->alloc(bytes);
	s->bytes = bytes;
}

static void scratch_release(struct scratch *s, const struct ops *ops)
{
	scratch_clear(s, ops);
	free(s->buffer);
}

/* Results on the device, and the same on the host: grown when a linear has more. */
struct results {
	void *device, *host;
	size_t bytes;
};

static void results_reserve(struct results *r, const struct ops *ops, size_t bytes)
{
	if (bytes <= r->bytes)
		return;
	if (r->device)
		ops->release(r->device);
	r->device = ops->alloc(bytes);
	r->host = mem_resize(r->host, bytes, 1);
	r->bytes = bytes;
}

static void results_release(struct results *r, const struct ops *ops)
{
	if (r->device)
		ops->release(r->device);
	free(r->host);
}

static dev_f64 *sums_place(const struct results *r, size_t index)
{
	return f64_at(r->device, QUANT_SUMS * index);
}

/* ---- weights ---- */

struct weights {
	const struct ops *ops;
	struct weight_calibration *entries;
	size_t count;
	struct scratch scratch;
	const struct linear_site *site;
	size_t slices;
	struct results sums;      /* [count][slices] of the current linear */
};

static int weight_amax_piece(void *context, size_t index, size_t worker)
{
	const struct weights *c = context;
	const struct linear_info *linear = c->site->linear;
	const struct weight_calibration *e = &c->entries[index];
	(void)worker;
	c->ops->weight_amax(e->amax[c->site->index], c->site->W, linear->out, linear->in, e->quantizer);
	return 0;
}

static int weight_error_piece(void *context, size_t index, size_t worker)
{
	const struct weights *c = context;
	const struct linear_info *linear = c->site->linear;
	const struct weight_calibration *e = &c->entries[index / c->slices];
	const size_t slice = c->ops->slice_rows, row0 = index % c->slices * slice;
	const size_t rows = linear->out - row0 < slice ? linear->out - row0 : slice;
	const dev_weight *W = weight_at_const(c->ops, c->site->W, row0 * linear->in);
	dev_weight *q = c->scratch.buffer[worker];
	c->ops->quantize_weight(q, W, row0, rows, linear->in, e->quantizer, e->amax[c->site->index], 0);
	c->ops->weight_error(sums_place(&c->sums, index), q, W, rows * linear->in);
	return 0;
}

static int weight_visit(void *context, const struct linear_site *site)
{
	struct weights *c = context;
	const struct linear_info *linear = site->linear;
	c->site = site;
	const size_t slice = c->ops->slice_rows;
	c->slices = (linear->out + slice - 1) / slice;
	const size_t bytes = c->count * c->slices * sizeof(struct quant_sums);
	results_reserve(&c->sums, c->ops, bytes);
	scratch_reserve(&c->scratch, c->ops,
		(linear->out < slice ? linear->out : slice) * linear->in * c->ops->weight_bytes);
	for (size_t e = 0; e < c->count; e++)
		c->entries[e].amax[site->index] =
			mem_array(quantizer_amax_count(c->entries[e].quantizer, linear->out, linear->in), sizeof(float));
	if (c->ops->for_each(c->count, weight_amax_piece, c) ||
		c->ops->for_each(c->count * c->slices, weight_error_piece, c))
		return -1;
	const struct quant_sums *sums = c->sums.host;
	c->ops->download(c->sums.host, c->sums.device, bytes);
	int status = c->ops->sync();
	for (size_t i = 0; i < c->count * c->slices && !status; i++)
		quant_sums_add(&c->entries[i / c->slices].sums[site->index], &sums[i]);
	for (size_t e = 0; e < c->count && !status; e++) {
		char code[QUANTIZER_CODE_MAX];
		quantizer_weight_code(code, c->entries[e].quantizer);
		status = sums_check(&c->entries[e].sums[site->index], linear->name, code);
	}
	return status ? -1 : 0;
}

int calibrate_weights(struct transformer *model, const struct ops *ops, size_t linear_count,
	struct weight_calibration *entries, size_t count)
{
	struct weights c = {.ops = ops, .entries = entries, .count = count};
	for (size_t e = 0; e < count; e++) {
		entries[e].amax = mem_zeroed(linear_count, sizeof(float *));
		entries[e].sums = mem_zeroed(linear_count, sizeof *entries[e].sums);
	}
	scratch_init(&c.scratch, ops);
	int status = count ? transformer_weights(model, weight_visit, &c) : 0;
	scratch_release(&c.scratch, ops);
	results_release(&c.sums, ops);
	return status;
}

void weight_calibration_release(struct weight_calibration *entry, size_t linear_count)
{
	for (size_t i = 0; i < linear_count && entry->amax; i++)
		free(entry->amax[i]);
	free(entry->amax);
	free(entry->sums);
	entry->amax = NULL;
	entry->sums = NULL;
}

/* ---- activations ---- */

/* Entries with equal quantizer and maximum share their errors batch by batch. */
struct variant {
	struct quantizer quantizer;
	float amax;
	unsigned char *wanted;    /* [chosen batches] */
};

struct activations {
	const struct ops *ops;
	const struct lm_config *config;
	struct activation_calibration *entries;
	size_t count;
	struct selection selection;
	const struct linear_site *site;
	struct results amax;      /* [chosen batches] of the current linear */
	struct results sums;      /* [variants][chosen batches], those that are wanted */
	struct variant *variants; /* room for count */
	size_t variant_count;
	size_t *entry_variant;    /* [count] */
};

static int amax_piece(void *context, size_t index, size_t worker)
{
	const struct activations *c = context;
	(void)worker;
	c->ops->amax(f32_at(c->amax.device, index), c->site->x[index], c->site->rows[index] * c->site->linear->in);
	return 0;
}

/* Neighbouring batches of a pack, first .. end-1, in one call. */
static void error_run(const struct activations *c, size_t variant, size_t first, size_t end, int32_t *start)
{
	const struct linear_site *site = c->site;
	const struct variant *v = &c->variants[variant];
	start[0] = 0;
	for (size_t b = first; b < end; b++)
		start[b - first + 1] = start[b - first] + (int32_t)site->rows[b];
	c->ops->input_error(sums_place(&c->sums, variant * c->selection.count + first), site->x[first],
		(struct packing){start, end - first}, site->linear->in, v->quantizer, v->amax);
}

/* One variant on the batches of a pack that want it. */
static int error_piece(void *context, size_t index, size_t worker)
{
	const struct activations *c = context;
	const size_t pack = index / c->variant_count, variant = index % c->variant_count;
	const size_t last = c->site->pack[pack + 1];
	const unsigned char *wanted = c->variants[variant].wanted;
	int32_t *start = mem_array(last - c->site->pack[pack] + 1, sizeof *start);
	(void)worker;
	for (size_t b = c->site->pack[pack], end; b < last; b = end + 1) {
		for (end = b; end < last && wanted[end]; end++)
			;
		if (end > b)
			error_run(c, variant, b, end, start);
	}
	free(start);
	return 0;
}

/* Largest |x| over the entry's batches. A NaN wins, as in ops->amax. */
static float set_amax(const struct activations *c, const struct activation_calibration *e)
{
	float amax = 0;
	for (size_t i = 0; i < e->batches; i++) {
		float a = ((const float *)c->amax.host)[c->selection.place[e->batch[i]]];
		amax = a <= amax ? amax : a;
	}
	return amax;
}

static size_t variant_find(struct activations *c, struct quantizer q, float amax)
{
	float used = q.scale == SCALE_TOKEN ? 0 : amax;
	for (size_t v = 0; v < c->variant_count; v++)
		if (quantizer_equal(c->variants[v].quantizer, q) && c->variants[v].amax == used)
			return v;
	c->variants[c->variant_count] = (struct variant){
		.quantizer = q,
		.amax = used,
		.wanted = mem_zeroed(c->selection.count, 1),
	};
	return c->variant_count++;
}

static void variants_plan(struct activations *c)
{
	c->variant_count = 0;
	for (size_t n = 0; n < c->count; n++) {
		struct activation_calibration *e = &c->entries[n];
		e->amax[c->site->index] = set_amax(c, e);
		c->entry_variant[n] = variant_find(c, e->quantizer, e->amax[c->site->index]);
		for (size_t i = 0; i < e->batches; i++)
			c->variants[c->entry_variant[n]].wanted[c->selection.place[e->batch[i]]] = 1;
	}
}

static void variants_deliver(struct activations *c)
{
	for (size_t n = 0; n < c->count; n++) {
		struct activation_calibration *e = &c->entries[n];
		const struct quant_sums *sums =
			(const struct quant_sums *)c->sums.host + c->entry_variant[n] * c->selection.count;
		for (size_t i = 0; i < e->batches; i++)
			quant_sums_add(&e->sums[c->site->index], &sums[c->selection.place[e->batch[i]]]);
	}
}

/* Linears that read the same input have the same numbers: those of the first. */
static void copy_from(struct activations *c, size_t to, size_t from)
{
	for (size_t n = 0; n < c->count; n++) {
		c->entries[n].amax[to] = c->entries[n].amax[from];
		c->entries[n].sums[to] = c->entries[n].sums[from];
	}
}

static int activation_visit(void *context, const struct linear_site *site)
{
	struct activations *c = context;
	/* A static quantizer needs the maximum of all batches before the first error. */
	assert(site->first == 0 && site->count == c->selection.count);
	if (site->linear->input != site->index) {
		copy_from(c, site->index, site->linear->input);
		return 0;
	}
	c->site = site;
	if (c->ops->for_each(site->count, amax_piece, c))
		return -1;
	c->ops->download(c->amax.host, c->amax.device, site->count * sizeof(float));
	variants_plan(c);
	int status = c->ops->for_each(c->variant_count * site->packs, error_piece, c);
	c->ops->download(c->sums.host, c->sums.device, c->variant_count * site->count * sizeof(struct quant_sums));
	for (size_t v = 0; v < c->variant_count; v++)
		free(c->variants[v].wanted);
	if (status || c->ops->sync())
		return -1;
	variants_deliver(c);
	for (size_t n = 0; n < c->count && !status; n++) {
		char code[QUANTIZER_CODE_MAX];
		quantizer_activation_code(code, c->entries[n].quantizer);
		status = sums_check(&c->entries[n].sums[site->index], site->linear->name, code);
	}
	return status ? -1 : 0;
}

static size_t activations_need(const void *context, size_t run_bytes)
{
	const struct activations *c = context;
	const struct selection *s = &c->selection;
	return transformer_pass_bytes(c->ops, c->config, s->batches, s->count, 0, run_bytes);
}

int calibrate_activations(struct transformer *model, const struct ops *ops, size_t linear_count,
	const struct batch *batches, size_t batch_count, struct activation_calibration *entries,
	size_t count)
{
	struct activations c = {.ops = ops, .config = transformer_config(model), .entries = entries, .count = count};
	size_t run_bytes = 0;
	int status = 0;
	selection_init(&c.selection, batch_count);
	for (size_t n = 0; n < count; n++) {
		assert(entries[n].quantizer.element != ELEMENT_NONE);
		entries[n].amax = mem_zeroed(linear_count, sizeof(float));
		entries[n].sums = mem_zeroed(linear_count, sizeof *entries[n].sums);
		selection_add(&c.selection, entries[n].batch, entries[n].batches);
	}
	selection_finish(&c.selection, batches);
	results_reserve(&c.amax, ops, c.selection.count * sizeof(float));
	results_reserve(&c.sums, ops, count * c.selection.count * sizeof(struct quant_sums));
	c.variants = mem_array(count, sizeof *c.variants);
	c.entry_variant = mem_array(count, sizeof *c.entry_variant);
	if (c.selection.count)
		status = device_room(ops, c.config, activations_need, &c, &run_bytes, "calibrating activations");
	if (c.selection.count && !status)
		status = transformer_forward(model, c.selection.batches, c.selection.count, activation_visit, &c);
	selection_release(&c.selection);
	results_release(&c.amax, ops);
	results_release(&c.sums, ops);
	free(c.variants);
	free(c.entry_variant);
	return status;
}

void activation_calibration_release(struct activation_calibration *entry)
{
	free(entry->amax);
	free(entry->sums);
	entry->amax = NULL;
	entry->sums = NULL;
}
