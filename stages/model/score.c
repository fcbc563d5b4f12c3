#include "model/score.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "model/selection.h"
#include "model/weight_variants.h"

/* Output rows of W quantized and multiplied at a time. A constant: products of another shape have other bits. */
enum { SLICE_ROWS = 1024 };

/* Activation quantizers with equal maximum at this linear share x^ and (x^ - x) W^T. */
struct activation_variant {
	struct quantizer quantizer;
	float amax;
};

/* What is computed once however many requests want it: a format on a batch. */
struct product {
	size_t weight, activation;  /* variants */
	struct output_sums *sums;   /* [batches of the visit] */
	size_t first_row;           /* of its rows in scoring.row_sums: those of all batches of the visit */
	unsigned char *wanted;      /* [batches of the visit] */
};

/* A piece of work: all products of one activation variant on one batch. */
struct piece {
	size_t batch, activation;
};

/* Buffers of a worker, and what they have room for. */
struct scratch {
	dev_f32 *x;                 /* [rows, in] quantized or its difference */
	dev_f32 *e;                 /* [rows, slice] (x^ - x) W^T */
	dev_f32 *d;                 /* [rows, slice] */
};

struct scoring {
	const struct ops *ops;
	const struct linear_info *linears;
	struct score_request *requests;
	size_t count;
	struct selection selection;

	/* The same at every linear. */
	struct weight_variant *weights;
	size_t weight_count;
	size_t *request_weight;     /* [count] */
	size_t *position;           /* [count][selection.count] place in the request's list of batches + 1; 0: not in it */

	/* Memory that grows with the linears. */
	struct scratch *scratch;    /* [workers] */
	size_t x_room, d_room;      /* elements */
	dev_weight **dW;            /* [weight_count] slice of Q(W) - W */
	size_t dW_room;             /* elements */
	dev_f64 *row_sums;          /* [products][rows of the visit][OUTPUT_SUMS] */
	size_t row_sums_room;       /* elements */

	/* Of the current visit. */
	const struct linear_site *site;
	struct activation_variant *activations; /* room for count */
	struct product *products;               /* room for count */
	size_t activation_count, product_count;
	size_t *request_product;    /* [count] */
	struct piece *pieces;
	size_t piece_count;
	size_t visit_rows;          /* of all batches of the visit */
	size_t row0, rows;          /* of the slice */
};

/* ---- what runs together ---- */

static size_t activation_find(struct scoring *s, const struct score_request *r)
{
	struct quantizer q = r->pair.activation;
	int is_static = q.element != ELEMENT_NONE && q.scale != SCALE_TOKEN;
	float amax = is_static ? r->activation_amax[s->site->index] : 0;
	for (size_t a = 0; a < s->activation_count; a++)
		if (quantizer_equal(s->activations[a].quantizer, q) && s->activations[a].amax == amax)
			return a;
	s->activations[s->activation_count] = (struct activation_variant){q, amax};
	return s->activation_count++;
}

static size_t product_find(struct scoring *s, size_t weight, size_t activation)
{
	for (size_t p = 0; p < s->product_count; p++)
		if (s->products[p].weight == weight && s->products[p].activation == activation)
			return p;
	s->products[s->product_count] = (struct product){
		.weight = weight,
		.activation = activation,
		.first_row = s->product_count * s->visit_rows,
		.sums = mem_zeroed(s->site->count, sizeof(struct output_sums)),
		.wanted = mem_zeroed(s->site->count, 1),
	};
	return s->product_count++;
}

static size_t position_of(const struct scoring *s, size_t request, size_t batch)
{
	return s->position[request * s->selection.count + s->site->first + batch];
}

/* Batches come first in the order of pieces: neighbours then share x. */
static void pieces_list(struct scoring *s)
{
	s->piece_count = 0;
	for (size_t b = 0; b < s->site->count; b++)
		for (size_t a = 0; a < s->activation_count; a++) {
			int wanted = 0;
			for (size_t p = 0; p < s->product_count; p++)
				wanted |= s->products[p].activation == a && s->products[p].wanted[b];
			if (wanted)
				s->pieces[s->piece_count++] = (struct piece){b, a};
		}
}

static void visit_plan(struct scoring *s)
{
	s->activation_count = s->product_count = 0;
	for (size_t r = 0; r < s->count; r++) {
		size_t p = product_find(s, s->request_weight[r], activation_find(s, &s->requests[r]));
		s->request_product[r] = p;
		for (size_t b = 0; b < s->site->count; b++)
			s->products[p].wanted[b] |= position_of(s, r, b) > 0;
	}
	pieces_list(s);
}

/* ---- memory ---- */

static void *device_grow(const struct ops *ops, void *old, size_t bytes)
{
	if (old)
		ops->release(old);
	return ops->alloc(bytes);
}

static void scratch_reserve(struct scoring *s, size_t rows)
{
	const struct linear_info *linear = s->site->linear;
	size_t slice = linear->out < SLICE_ROWS ? linear->out : SLICE_ROWS;
	size_t x = rows * linear->in, d = rows * slice, dW = slice * linear->in;
	for (size_t w = 0; w < s->ops->workers() && (x > s->x_room || d > s->d_room); w++) {
		struct scratch *t = &s->scratch[w];
		t->x = device_grow(s->ops, t->x, (x > s->x_room ? x : s->x_room) * sizeof(float));
		t->e = device_grow(s->ops, t->e, (d > s->d_room ? d : s->d_room) * sizeof(float));
		t->d = device_grow(s->ops, t->d, (d > s->d_room ? d : s->d_room) * sizeof(float));
	}
	for (size_t w = 0; w < s->weight_count && dW > s->dW_room; w++)
		s->dW[w] = device_grow(s->ops, s->dW[w], dW * s->ops->weight_bytes);
	s->x_room = x > s->x_room ? x : s->x_room;
	s->d_room = d > s->d_room ? d : s->d_room;
	s->dW_room = dW > s->dW_room ? dW : s->dW_room;
}

/* Zeros in the sums of all rows of all products. */
static void row_sums_clear(struct scoring *s)
{
	size_t count = s->product_count * s->visit_rows * OUTPUT_SUMS;
	double *zeros = mem_zeroed(count, sizeof *zeros);
	if (count > s->row_sums_room) {
		s->row_sums = device_grow(s->ops, s->row_sums, count * sizeof *zeros);
		s->row_sums_room = count;
	}
	s->ops->upload(s->row_sums, zeros, count * sizeof *zeros);
	free(zeros);
}

/* Rows of a batch are added up in order. */
static void row_sums_fold(struct output_sums *total, const struct output_sums *row, size_t rows)
{
	for (size_t t = 0; t < rows; t++, row++) {
		total->score += row->score;
		total->error2 += row->error2;
		total->output2 += row->output2;
		total->cross += row->cross;
		total->error_max = row->error_max > total->error_max ? row->error_max : total->error_max;
	}
}

/* One transfer for the linear; then the sums of every product and batch. */
static void row_sums_collect(struct scoring *s)
{
	size_t count = s->product_count * s->visit_rows;
	struct output_sums *rows = mem_array(count, sizeof *rows);
	s->ops->download(rows, s->row_sums, count * sizeof *rows);
	for (size_t p = 0; p < s->product_count; p++) {
		const struct output_sums *row = rows + s->products[p].first_row;
		for (size_t b = 0; b < s->site->count; row += s->site->rows[b++])
			row_sums_fold(&s->products[p].sums[b], row, s->site->rows[b]);
	}
	free(rows);
}

/* ---- work ---- */

static int quantize_slice(void *context, size_t index, size_t worker)
{
	const struct scoring *s = context;
	const struct linear_site *site = s->site;
	const size_t in = site->linear->in;
	const struct weight_variant *v = &s->weights[index];
	(void)worker;
	s->ops->quantize_weight(s->dW[index], weight_at_const(s->ops, site->W, s->row0 * in), s->row0, s->rows, in,
		v->quantizer, v->amax[site->index], 1);
	return 0;
}

/* e = (x^ - x) W^T, then x^ itself, in the worker's buffers. */
static void activation_prepare(const struct scoring *s, const struct scratch *t, const struct activation_variant *a,
	size_t batch)
{
	const struct linear_site *site = s->site;
	const size_t in = site->linear->in, rows = site->rows[batch];
	const dev_weight *W = weight_at_const(s->ops, site->W, s->row0 * in);
	s->ops->quantize(t->x, site->x[batch], rows, in, a->quantizer, a->amax, 1);
	s->ops->linear(t->e, t->x, W, rows, in, s->rows, 0);
	s->ops->quantize(t->x, site->x[batch], rows, in, a->quantizer, a->amax, 0);
}

/* The two terms are added after both products are done: the same bits whether e is made for one or for many. */
static int score_piece(void *context, size_t index, size_t worker)
{
	const struct scoring *s = context;
	const struct linear_site *site = s->site;
	const struct piece *piece = &s->pieces[index];
	const struct activation_variant *a = &s->activations[piece->activation];
	const struct scratch *t = &s->scratch[worker];
	const int quantized = a->quantizer.element != ELEMENT_NONE;
	const size_t b = piece->batch, rows = site->rows[b], out = site->linear->out;
	size_t row = 0;
	for (size_t i = 0; i < b; i++)
		row += site->rows[i];
	if (quantized)
		activation_prepare(s, t, a, b);
	for (size_t p = 0; p < s->product_count; p++) {
		const struct product *product = &s->products[p];
		if (product->activation != piece->activation || !product->wanted[b])
			continue;
		s->ops->linear(t->d, quantized ? t->x : site->x[b], s->dW[product->weight], rows, site->linear->in, s->rows, 0);
		if (quantized)
			s->ops->add(t->d, t->d, t->e, rows * s->rows);
		s->ops->output_error(f64_at(s->row_sums, (product->first_row + row) * OUTPUT_SUMS), t->d, site->dy[b], site->y[b],
			rows, s->rows, out, s->row0);
	}
	return 0;
}

static int slices_run(struct scoring *s)
{
	const size_t out = s->site->linear->out;
	row_sums_clear(s);
	for (s->row0 = 0; s->row0 < out; s->row0 += s->rows) {
		s->rows = out - s->row0 < SLICE_ROWS ? out - s->row0 : SLICE_ROWS;
		if (s->ops->for_each(s->weight_count, quantize_slice, s) ||
			s->ops->for_each(s->piece_count, score_piece, s))
			return -1;
	}
	row_sums_collect(s);
	return s->ops->sync();
}

/* Notes the first sum of a request that is not finite. */
static void sums_check(const struct scoring *s, struct score_request *r, const struct output_sums *sums, size_t batch)
{
	char weight[QUANTIZER_CODE_MAX], activation[QUANTIZER_CODE_MAX];
	if (r->failure[0] || (isfinite(sums->score) && isfinite(sums->error2) && isfinite(sums->output2) &&
		isfinite(sums->cross)))
		return;
	quantizer_weight_code(weight, r->pair.weight);
	quantizer_activation_code(activation, r->pair.activation);
	snprintf(r->failure, sizeof r->failure,
		"%s, batch %zu, format %s/%s: the score is not finite (score %g, error %g, output %g)",
		s->site->linear->name, batch, weight, activation, sums->score, sums->error2, sums->output2);
}

static void sums_deliver(struct scoring *s)
{
	for (size_t r = 0; r < s->count; r++)
		for (size_t b = 0; b < s->site->count; b++) {
			struct score_request *request = &s->requests[r];
			const struct output_sums *sums = &s->products[s->request_product[r]].sums[b];
			size_t position = position_of(s, r, b);
			if (!position)
				continue;
			sums_check(s, request, sums, s->selection.index[s->site->first + b]);
			request->sums[s->site->index * request->batches + position - 1] = *sums;
		}
}

static int score_visit(void *context, const struct linear_site *site)
{
	struct scoring *s = context;
	size_t rows = 0;
	s->site = site;
	s->visit_rows = 0;
	for (size_t b = 0; b < site->count; b++) {
		rows = site->rows[b] > rows ? site->rows[b] : rows;
		s->visit_rows += site->rows[b];
	}
	visit_plan(s);
	scratch_reserve(s, rows);
	int status = slices_run(s);
	if (!status)
		sums_deliver(s);
	for (size_t p = 0; p < s->product_count; p++) {
		free(s->products[p].sums);
		free(s->products[p].wanted);
	}
	return status;
}

/* ---- the run ---- */

static void scoring_init(struct scoring *s, size_t linear_count, const struct batch *batches, size_t batch_count)
{
	selection_init(&s->selection, batch_count);
	for (size_t r = 0; r < s->count; r++)
		selection_add(&s->selection, s->requests[r].batch, s->requests[r].batches);
	selection_finish(&s->selection, batches);
	s->weights = mem_array(s->count, sizeof *s->weights);
	s->request_weight = mem_array(s->count, sizeof *s->request_weight);
	s->request_product = mem_array(s->count, sizeof *s->request_product);
	s->activations = mem_array(s->count, sizeof *s->activations);
	s->products = mem_array(s->count, sizeof *s->products);
	s->pieces = mem_array(s->count * s->selection.count, sizeof *s->pieces);
	s->position = mem_zeroed(s->count * s->selection.count, sizeof *s->position);
	for (size_t r = 0; r < s->count; r++) {
		struct score_request *request = &s->requests[r];
		request->failure[0] = '\0';
		s->request_weight[r] = weight_variant_find(s->weights, &s->weight_count, s->linears, linear_count,
			request->pair.weight, request->weight_amax);
		for (size_t i = 0; i < request->batches; i++)
			s->position[r * s->selection.count + s->selection.place[request->batch[i]]] = i + 1;
	}
	s->scratch = mem_zeroed(s->ops->workers(), sizeof *s->scratch);
	s->dW = mem_zeroed(s->weight_count, sizeof(dev_weight *));
}

static void device_free(const struct ops *ops, void *buffer)
{
	if (buffer)
		ops->release(buffer);
}

static void scoring_release(struct scoring *s)
{
	for (size_t w = 0; w < s->ops->workers(); w++) {
		device_free(s->ops, s->scratch[w].x);
		device_free(s->ops, s->scratch[w].e);
		device_free(s->ops, s->scratch[w].d);
	}
	for (size_t w = 0; w < s->weight_count; w++)
		device_free(s->ops, s->dW[w]);
	device_free(s->ops, s->row_sums);
	selection_release(&s->selection);
	free(s->weights);
	free(s->request_weight);
	free(s->request_product);
	free(s->activations);
	free(s->products);
	free(s->pieces);
	free(s->position);
	free(s->scratch);
	free(s->dW);
}

int score_run(struct transformer *model, const struct ops *ops, const struct linear_info *linears, size_t linear_count,
	const struct batch *batches, size_t batch_count, struct score_request *requests, size_t count, double *loss)
{
	struct scoring s = {.ops = ops, .linears = linears, .requests = requests, .count = count};
	int status = 0;
	scoring_init(&s, linear_count, batches, batch_count);
	double *chosen_loss = mem_zeroed(s.selection.count, sizeof *chosen_loss);
	if (s.selection.count)
		status = transformer_backward(model, s.selection.batches, s.selection.count, chosen_loss, score_visit, &s);
	if (loss && !status) {
		memset(loss, 0, batch_count * sizeof *loss);
		for (size_t b = 0; b < s.selection.count; b++)
			loss[s.selection.index[b]] = chosen_loss[b];
	}
	free(chosen_loss);
	scoring_release(&s);
	return status;
}
