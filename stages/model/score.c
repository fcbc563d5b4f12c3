#include "model/score.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "model/device_room.h"
#include "model/selection.h"
#include "model/weight_variants.h"

#define NOTHING SIZE_MAX

/* What a request wants of a format: the whole, and each quantizer alone. */
enum role { JOINT, WEIGHT_ONLY, ACTIVATION_ONLY, ROLES };

/* Activation quantizers with equal maximum at this linear share x^ and (x^ - x) W^T. */
struct activation_variant {
	struct quantizer quantizer;
	float amax;
};

/* What is computed once however many requests want it: a format on a batch. */
struct product {
	size_t weight;              /* variant; NOTHING: the weight stays as it is */
	size_t activation;          /* variant */
	size_t *row;                /* [batches of the visit] the first of its rows among all sums; NOTHING: not made */
	unsigned char *wanted;      /* [batches of the visit] */
	struct output_sums *sums;   /* [batches of the visit] */
};

/* A piece of work: all products of one activation variant on neighbouring batches of a pack, from the first that wants
 * one to the last. */
struct piece {
	size_t first, end, rows;    /* batches of the visit */
	size_t activation;
};

/* Buffers of a worker, and what they have room for. */
struct scratch {
	dev_f32 *x;                 /* [rows, in] for linear_quantized() */
	dev_f32 *e;                 /* [rows, slice] (x^ - x) W^T */
	dev_f32 *d;                 /* [rows, slice] */
};

struct scoring {
	const struct ops *ops;
	const struct lm_config *config;
	const struct linear_info *linears;
	size_t linear_count;
	struct score_request *requests;
	size_t count;
	struct selection selection;

	/* The same at every linear. */
	struct weight_variant *weights;
	size_t weight_count;
	size_t *request_weight;     /* [count] */
	size_t *position;           /* [count][selection.count] place in the request's list of batches + 1; 0: not in it */
	size_t *token;              /* [count][selection.count] tokens of the request before that batch */
	size_t *tokens;             /* [count] tokens of a request */

	/* Memory that grows with the linears. */
	struct scratch *scratch;    /* [workers] */
	size_t x_room, d_room;      /* elements */
	dev_weight **dW;            /* [weight_count] slice of Q(W) - W */
	size_t dW_room;             /* elements */
	dev_f64 *row_sums;          /* [sum_room][OUTPUT_SUMS] of all products, batch by batch ... */
	struct output_sums *sums;   /* ... and on the host */
	size_t sum_room;            /* rows */

	/* Of the current visit. */
	const struct linear_site *site;
	struct activation_variant *activations; /* room for ROLES * count */
	struct product *products;               /* room for ROLES * count */
	size_t activation_count, product_count;
	size_t *request_product;    /* [count][ROLES]; NOTHING: not wanted */
	size_t sum_rows;            /* of all products */
	struct piece *pieces;
	size_t piece_count;
	size_t row0, rows;          /* of the slice */
};

/* ---- what runs together ---- */

static size_t activation_find(struct scoring *s, struct quantizer q, const float *amaxes)
{
	float amax = quantizer_is_static(q) ? amaxes[s->site->index] : 0;
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
	struct product *p = &s->products[s->product_count];
	*p = (struct product){
		.weight = weight,
		.activation = activation,
		.row = mem_array(s->site->count, sizeof *p->row),
		.wanted = mem_zeroed(s->site->count, 1),
		.sums = mem_zeroed(s->site->count, sizeof *p->sums),
	};
	for (size_t b = 0; b < s->site->count; b++)
		p->row[b] = NOTHING;
	return s->product_count++;
}

/* A weight that stays as it is needs no product, unless there is nothing else to make the zeros. */
static size_t role_product(struct scoring *s, size_t request, enum role role)
{
	const struct score_request *r = &s->requests[request];
	const struct quantizer none = {0};
	const int keep_weight = role == ACTIVATION_ONLY ||
		(r->pair.weight.element == ELEMENT_NONE && r->pair.activation.element != ELEMENT_NONE);
	if ((role == WEIGHT_ONLY && !r->weight_only) || (role == ACTIVATION_ONLY && !r->activation_only))
		return NOTHING;
	size_t activation = activation_find(s, role == WEIGHT_ONLY ? none : r->pair.activation, r->activation_amax);
	return product_find(s, keep_weight ? NOTHING : s->request_weight[request], activation);
}

static size_t position_of(const struct scoring *s, size_t request, size_t batch)
{
	return s->position[request * s->selection.count + s->site->first + batch];
}

static int wants(const struct scoring *s, size_t activation, size_t batch)
{
	for (size_t p = 0; p < s->product_count; p++)
		if (s->products[p].activation == activation && s->products[p].wanted[batch])
			return 1;
	return 0;
}

static struct piece piece_cut(const struct scoring *s, size_t pack, size_t activation)
{
	struct piece piece = {s->site->pack[pack], s->site->pack[pack + 1], 0, activation};
	while (piece.first < piece.end && !wants(s, activation, piece.first))
		piece.first++;
	while (piece.first < piece.end && !wants(s, activation, piece.end - 1))
		piece.end--;
	for (size_t b = piece.first; b < piece.end; b++)
		piece.rows += s->site->rows[b];
	return piece;
}

static int product_takes_part(const struct product *p, const struct piece *piece)
{
	int wanted = 0;
	for (size_t b = piece->first; b < piece->end; b++)
		wanted |= p->wanted[b];
	return wanted && p->activation == piece->activation;
}

/* Gives a product its rows among the sums: those of the whole piece, of which some may not be wanted. */
static void rows_place(struct scoring *s, struct product *p, const struct piece *piece)
{
	for (size_t b = piece->first; b < piece->end; b++) {
		p->row[b] = s->sum_rows;
		s->sum_rows += s->site->rows[b];
	}
}

/* Packs come first in the order of pieces: neighbours then share x. */
static void pieces_list(struct scoring *s)
{
	s->piece_count = s->sum_rows = 0;
	for (size_t pack = 0; pack < s->site->packs; pack++)
		for (size_t a = 0; a < s->activation_count; a++) {
			struct piece piece = piece_cut(s, pack, a);
			if (piece.first == piece.end)
				continue;
			s->pieces[s->piece_count++] = piece;
			for (size_t p = 0; p < s->product_count; p++)
				if (product_takes_part(&s->products[p], &piece))
					rows_place(s, &s->products[p], &piece);
		}
}

static void visit_plan(struct scoring *s)
{
	s->activation_count = s->product_count = 0;
	for (size_t r = 0; r < s->count; r++)
		for (enum role role = 0; role < ROLES; role++) {
			size_t p = role_product(s, r, role);
			s->request_product[ROLES * r + role] = p;
			for (size_t b = 0; b < s->site->count && p != NOTHING; b++)
				s->products[p].wanted[b] |= position_of(s, r, b) != 0;
		}
	pieces_list(s);
}

/* ---- memory ---- */

/* Most of what the visits take: that of the linears which have most, and sums of a run that is all batches. */
static size_t visits_bytes(const struct scoring *s, size_t tokens, size_t rows)
{
	size_t in = 0, slice = 0, dW = 0;
	for (size_t i = 0; i < s->linear_count; i++) {
		const struct linear_info *linear = &s->linears[i];
		size_t out = linear->out < s->ops->slice_rows ? linear->out : s->ops->slice_rows;
		in = linear->in > in ? linear->in : in;
		slice = out > slice ? out : slice;
		dW = out * linear->in > dW ? out * linear->in : dW;
	}
	return s->ops->workers() * rows * (in + 2 * slice) * sizeof(float) + s->weight_count * dW * s->ops->weight_bytes +
		ROLES * s->count * tokens * sizeof *s->sums;
}

static size_t scoring_need(const void *context, size_t run_bytes)
{
	const struct scoring *s = context;
	size_t tokens = 0, rows = 0;
	for (size_t b = 0; b < s->selection.count; b++) {
		tokens += s->selection.batches[b].tokens;
		rows = s->selection.batches[b].tokens > rows ? s->selection.batches[b].tokens : rows;
	}
	size_t pack = tokens < s->ops->pack_tokens ? tokens : s->ops->pack_tokens;
	pack = pack > rows ? pack : rows;
	return visits_bytes(s, tokens, pack) +
		transformer_pass_bytes(s->ops, s->config, s->selection.batches, s->selection.count, 1, run_bytes);
}

/* Limits the runs where the device has no room for the usual ones. */
static int scoring_fit(const struct scoring *s, struct transformer *model)
{
	size_t run_bytes = 0;
	if (device_room(s->ops, s->config, scoring_need, s, &run_bytes, "scoring"))
		return -1;
	if (run_bytes)
		transformer_limit_run(model, run_bytes);
	return 0;
}

static void *device_grow(const struct ops *ops, void *old, size_t bytes)
{
	if (old)
		ops->release(old);
	return ops->alloc(bytes);
}

static void scratch_reserve(struct scoring *s, size_t rows)
{
	const struct linear_info *linear = s->site->linear;
	size_t slice = linear->out < s->ops->slice_rows ? linear->out : s->ops->slice_rows;
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

/* Zeros for the sums of the visit. */
static void sums_clear(struct scoring *s)
{
	if (s->sum_rows > s->sum_room) {
		s->row_sums = device_grow(s->ops, s->row_sums, s->sum_rows * sizeof *s->sums);
		s->sums = mem_resize(s->sums, s->sum_rows, sizeof *s->sums);
		s->sum_room = s->sum_rows;
	}
	memset(s->sums, 0, s->sum_rows * sizeof *s->sums);
	s->ops->upload(s->row_sums, s->sums, s->sum_rows * sizeof *s->sums);
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

/* e = (x^ - x) W^T */
static void error_run(const struct scoring *s, const struct scratch *t, const struct activation_variant *a,
	const struct piece *piece)
{
	const struct linear_site *site = s->site;
	const size_t in = site->linear->in;
	s->ops->linear_quantized(t->e, t->x, site->x[piece->first], weight_at_const(s->ops, site->W, s->row0 * in),
		piece->rows, in, s->rows, a->quantizer, a->amax, 1);
}

/* d = x^ (Q(W) - W)^T */
static void product_run(const struct scoring *s, const struct scratch *t, const struct product *product,
	const struct piece *piece)
{
	const struct linear_site *site = s->site;
	const struct activation_variant *a = &s->activations[product->activation];
	const dev_f32 *x = site->x[piece->first];
	const dev_weight *dW = s->dW[product->weight];
	if (a->quantizer.element == ELEMENT_NONE)
		s->ops->linear(t->d, x, dW, piece->rows, site->linear->in, s->rows, 0);
	else
		s->ops->linear_quantized(t->d, t->x, x, dW, piece->rows, site->linear->in, s->rows, a->quantizer, a->amax, 0);
}

/* The two terms are added after both products are done: the same bits whether e is made for one or for many. */
static int score_piece(void *context, size_t index, size_t worker)
{
	const struct scoring *s = context;
	const struct linear_site *site = s->site;
	const struct piece *piece = &s->pieces[index];
	const struct activation_variant *a = &s->activations[piece->activation];
	const struct scratch *t = &s->scratch[worker];
	const dev_f32 *e = a->quantizer.element == ELEMENT_NONE ? NULL : t->e;
	const size_t first = piece->first;
	if (e)
		error_run(s, t, a, piece);
	for (size_t p = 0; p < s->product_count; p++) {
		const struct product *product = &s->products[p];
		const int alone = product->weight == NOTHING;
		if (!product_takes_part(product, piece))
			continue;
		if (!alone)
			product_run(s, t, product, piece);
		s->ops->output_error(f64_at(s->row_sums, OUTPUT_SUMS * product->row[first]), alone ? e : t->d,
			alone ? NULL : e, site->dy[first], site->y[first], piece->rows, s->rows, site->linear->out, s->row0);
	}
	return 0;
}

static int slices_run(struct scoring *s)
{
	const size_t out = s->site->linear->out;
	for (s->row0 = 0; s->row0 < out; s->row0 += s->rows) {
		s->rows = out - s->row0 < s->ops->slice_rows ? out - s->row0 : s->ops->slice_rows;
		if (s->ops->for_each(s->weight_count, quantize_slice, s) ||
			s->ops->for_each(s->piece_count, score_piece, s))
			return -1;
	}
	return s->ops->sync();
}

/* ---- results ---- */

/* The sums of batches from those of their rows, in order. */
static int product_fold(void *context, size_t index, size_t worker)
{
	const struct scoring *s = context;
	const struct product *p = &s->products[index];
	(void)worker;
	for (size_t b = 0; b < s->site->count; b++)
		for (size_t t = 0; t < s->site->rows[b] && p->wanted[b]; t++)
			output_sums_add(&p->sums[b], &s->sums[p->row[b] + t]);
	return 0;
}

/* Notes the first sum of a request that is not finite. */
static void sums_check(const struct scoring *s, struct score_request *r, enum role role, const struct output_sums *sums,
	size_t batch)
{
	static const char *const alone[ROLES] = {"", " of the weights alone", " of the inputs alone"};
	char weight[QUANTIZER_CODE_MAX], activation[QUANTIZER_CODE_MAX];
	if (r->failure[0] || (isfinite(sums->score) && isfinite(sums->error2) && isfinite(sums->output2) &&
		isfinite(sums->cross)))
		return;
	quantizer_weight_code(weight, r->pair.weight);
	quantizer_activation_code(activation, r->pair.activation);
	snprintf(r->failure, sizeof r->failure,
		"%s, batch %zu, format %s/%s: the score%s is not finite (score %g, error %g, output %g)",
		s->site->linear->name, batch, weight, activation, alone[role], sums->score, sums->error2, sums->output2);
}

/* Adds the scores of the rows of a batch to those of their tokens: members of a group come one after the other. */
static void positions_deliver(const struct scoring *s, size_t request, size_t batch, const struct output_sums *rows)
{
	const struct score_request *r = &s->requests[request];
	if (!r->positions)
		return;
	double *to = r->positions + s->site->linear->group * s->tokens[request] +
		s->token[request * s->selection.count + s->site->first + batch];
	for (size_t t = 0; t < s->site->rows[batch]; t++)
		to[t] += rows[t].score;
}

static void batch_deliver(struct scoring *s, size_t request, size_t batch)
{
	struct score_request *r = &s->requests[request];
	struct output_sums *const to[ROLES] = {r->sums, r->weight_only, r->activation_only};
	size_t place = s->site->index * r->batches + position_of(s, request, batch) - 1;
	for (enum role role = 0; role < ROLES; role++) {
		size_t p = s->request_product[ROLES * request + role];
		if (p == NOTHING)
			continue;
		const struct product *product = &s->products[p];
		sums_check(s, r, role, &product->sums[batch], s->selection.index[s->site->first + batch]);
		to[role][place] = product->sums[batch];
		if (role == JOINT)
			positions_deliver(s, request, batch, &s->sums[product->row[batch]]);
	}
}

static int sums_deliver(struct scoring *s)
{
	s->ops->download(s->sums, s->row_sums, s->sum_rows * sizeof *s->sums);
	if (s->ops->for_each(s->product_count, product_fold, s))
		return -1;
	for (size_t r = 0; r < s->count; r++)
		for (size_t b = 0; b < s->site->count; b++)
			if (position_of(s, r, b))
				batch_deliver(s, r, b);
	return 0;
}

static int score_visit(void *context, const struct linear_site *site)
{
	struct scoring *s = context;
	size_t rows = 0;
	s->site = site;
	visit_plan(s);
	for (size_t p = 0; p < s->piece_count; p++)
		rows = s->pieces[p].rows > rows ? s->pieces[p].rows : rows;
	scratch_reserve(s, rows);
	sums_clear(s);
	int status = slices_run(s) || sums_deliver(s) ? -1 : 0;
	for (size_t p = 0; p < s->product_count; p++) {
		free(s->products[p].sums);
		free(s->products[p].row);
		free(s->products[p].wanted);
	}
	return status;
}

/* ---- the run ---- */

/* Where the batches of a request stand in its results, which start from nothing. */
static void request_init(struct scoring *s, size_t index, const struct batch *batches, size_t groups)
{
	struct score_request *r = &s->requests[index];
	r->failure[0] = '\0';
	assert(quantizer_pair_joint(r->pair) || (!r->weight_only && !r->activation_only));
	for (size_t i = 0; i < r->batches; i++) {
		size_t at = index * s->selection.count + s->selection.place[r->batch[i]];
		s->position[at] = i + 1;
		s->token[at] = s->tokens[index];
		s->tokens[index] += batches[r->batch[i]].tokens;
	}
	for (size_t i = 0; r->positions && i < groups * s->tokens[index]; i++)
		r->positions[i] = 0;
}

static void scoring_init(struct scoring *s, size_t linear_count, const struct batch *batches, size_t batch_count)
{
	selection_init(&s->selection, batch_count);
	for (size_t r = 0; r < s->count; r++)
		selection_add(&s->selection, s->requests[r].batch, s->requests[r].batches);
	selection_finish(&s->selection, batches);
	s->weights = mem_array(s->count, sizeof *s->weights);
	s->request_weight = mem_array(s->count, sizeof *s->request_weight);
	s->request_product = mem_array(s->count, ROLES * sizeof *s->request_product);
	s->activations = mem_array(s->count, ROLES * sizeof *s->activations);
	s->products = mem_array(s->count, ROLES * sizeof *s->products);
	s->pieces = mem_array(s->count * s->selection.count, ROLES * sizeof *s->pieces);
	s->position = mem_zeroed(s->count * s->selection.count, sizeof *s->position);
	s->token = mem_zeroed(s->count * s->selection.count, sizeof *s->token);
	s->tokens = mem_zeroed(s->count, sizeof *s->tokens);
	for (size_t r = 0; r < s->count; r++) {
		s->request_weight[r] = weight_variant_find(s->weights, &s->weight_count, s->linears, linear_count,
			s->requests[r].pair.weight, s->requests[r].weight_amax);
		request_init(s, r, batches, linear_count ? s->linears[linear_count - 1].group + 1 : 0);
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
	free(s->token);
	free(s->tokens);
	free(s->sums);
	free(s->scratch);
	free(s->dW);
}

int score_run(struct transformer *model, const struct ops *ops, const struct linear_info *linears, size_t linear_count,
	const struct batch *batches, size_t batch_count, struct score_request *requests, size_t count, double *loss)
{
	struct scoring s = {.ops = ops, .config = transformer_config(model), .linears = linears, .linear_count = linear_count,
		.requests = requests, .count = count};
	int status = 0;
	scoring_init(&s, linear_count, batches, batch_count);
	double *chosen_loss = mem_zeroed(s.selection.count, sizeof *chosen_loss);
	if (s.selection.count)
		status = scoring_fit(&s, model);
	if (s.selection.count && !status)
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
