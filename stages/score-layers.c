/* score-layers: lm + tokens + calib -> scores. See rules/score-layers.yaml.
 *
 * All jobs of a group have the same language model, method and batch_size, hence one baseline: the unquantized model's
 * forward and backward run once over all their batches, and every job's format is scored on the way (model/score.h).
 */
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "formats/calib.h"
#include "formats/scores.h"
#include "graph/stage.h"
#include "model/batches.h"
#include "model/kl.h"
#include "model/loaded_model.h"
#include "model/score.h"
#include "model/token_scores.h"

static const char kl_div[] = "kl_div";

struct cell {
	int left_out;              /* its inputs could not be read: noted, the others go on */
	size_t request;            /* index into requests */
	struct calib calib;
	struct batch_list list;
	float **weight_amax;       /* [linears] borrowed from calib */
	float *activation_amax;    /* [linears] */
	struct output_sums *sums;  /* [linears][list.count] */
	struct output_sums *alone[2]; /* [linears][list.count] weights alone, activations alone; NULL unless both are
	                               * quantized */
	double *kl;                /* [groups][list.count]; NULL unless the method is kl_div */
	size_t sequences, tokens;  /* of all its batches */
	double *positions;         /* [groups][tokens] score of each token by the method */
};

struct scoring {
	struct loaded_model model;
	struct batch_set batches;
	size_t batch_size;
	const char *method;                /* of all cells: "gradient" or "kl_div" */
	struct cell *cells;                /* [jobs] */
	struct score_request *requests;    /* [request_count] of the cells that are not left out, in order */
	size_t request_count;
	double *loss;                      /* [batches.count] */
};

static int read_calib(struct cell *cell, const struct job *job, const struct loaded_model *m)
{
	const struct job_input *input = job_input_need(job, "calib");
	if (!input)
		return -1;
	char *path = job_input_path(job, input);
	int bad = calib_open(&cell->calib, path, &input->result.content) ? job_input_discard(job, input)
		: loaded_model_fits(m, &cell->calib, path);
	free(path);
	return bad;
}

static int read_tokens(struct scoring *s, struct cell *cell, const struct job *job)
{
	const struct job_input *input = job_input_need(job, "tokens");
	struct tokens tokens;
	if (!input)
		return -1;
	if (tokens_open_input(&tokens, job, input))
		return -1;
	int bad = batch_set_add(&s->batches, &tokens, s->batch_size, &s->model.lm.config, &cell->list);
	tokens_close(&tokens);
	return bad;
}

static int check_params(const struct scoring *s, const struct cell *cell, const struct job *job)
{
	struct quantizer_pair pair;
	size_t batch_size;
	const char *weight = job_param_string(job, "quantizer.weight");
	const char *activation = job_param_string(job, "quantizer.activation");
	const char *method = job_param_string(job, "autoquant.method");
	if (!weight || !activation || !method || job_param_size(job, "autoquant.batch_size", &batch_size) ||
		quantizer_weight_parse(weight, &pair.weight) || quantizer_activation_parse(activation, &pair.activation))
		return -1;
	if (strcmp(method, s->method))
		return fail("%s: method \"%s\" in a group of \"%s\"", job->path, method, s->method);
	if (batch_size != s->batch_size)
		return fail("%s: batch size %zu in a group of %zu", job->path, batch_size, s->batch_size);
	if (!quantizer_pair_equal(pair, cell->calib.pair))
		return fail("%s: its calib was made for another format", job->path);
	return 0;
}

/* Memory for the results, which the engines fill. */
static void cell_reserve(const struct scoring *s, struct cell *cell)
{
	const size_t count = s->model.linear_count * cell->list.count, groups = linear_group_count(&s->model.lm.config);
	for (size_t i = 0; i < cell->list.count; i++) {
		cell->sequences += s->batches.batches[cell->list.index[i]].sequences;
		cell->tokens += s->batches.batches[cell->list.index[i]].tokens;
	}
	cell->sums = mem_zeroed(count, sizeof *cell->sums);
	for (size_t k = 0; k < 2 && quantizer_pair_joint(cell->calib.pair); k++)
		cell->alone[k] = mem_zeroed(count, sizeof *cell->alone[k]);
	if (!strcmp(s->method, kl_div))
		cell->kl = mem_zeroed(groups * cell->list.count, sizeof *cell->kl);
	cell->positions = mem_zeroed(groups * cell->tokens, sizeof *cell->positions);
}

static int read_cell(struct scoring *s, size_t index, const struct job *job)
{
	struct cell *cell = &s->cells[index];
	size_t linears = s->model.linear_count;
	if (loaded_model_serves(&s->model, job) || read_calib(cell, job, &s->model) || check_params(s, cell, job) ||
		read_tokens(s, cell, job))
		return -1;
	cell->weight_amax = mem_array(linears, sizeof *cell->weight_amax);
	cell->activation_amax = mem_array(linears, sizeof *cell->activation_amax);
	cell_reserve(s, cell);
	for (size_t i = 0; i < linears; i++) {
		cell->weight_amax[i] = (float *)(uintptr_t)cell->calib.linears[i].weight_amax;
		cell->activation_amax[i] = cell->calib.linears[i].activation_amax;
	}
	cell->request = s->request_count++;
	s->requests[cell->request] = (struct score_request){
		.pair = cell->calib.pair,
		.weight_amax = cell->weight_amax,
		.activation_amax = cell->activation_amax,
		.batch = cell->list.index,
		.batches = cell->list.count,
		.sums = cell->sums,
		.weight_only = cell->alone[0],
		.activation_only = cell->alone[1],
		.positions = cell->kl ? NULL : cell->positions,
	};
	return 0;
}

/* The sensitivities by divergence, besides those by gradient, which say how large the changes of the outputs are. */
static int measure_kl(struct scoring *s, size_t count)
{
	struct kl_request *requests = mem_zeroed(count, sizeof *requests);
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		struct cell *cell = &s->cells[i];
		if (cell->left_out)
			continue;
		requests[n++] = (struct kl_request){
			.pair = cell->calib.pair,
			.weight_amax = cell->weight_amax,
			.activation_amax = cell->activation_amax,
			.batch = cell->list.index,
			.batches = cell->list.count,
			.sum = cell->kl,
			.positions = cell->positions,
		};
	}
	int bad = kl_run(s->model.ops, &s->model.lm.config, &s->model.tensors, s->batches.batches, s->batches.count, requests,
		n, 0);
	free(requests);
	return bad;
}

/* What an object is made of besides what the engines delivered. */
struct result {
	struct scores scores;
	struct scores_linear *linears;                   /* [linears] */
	struct output_sums *alone[2];                    /* [linears], NULL like those of the cell */
	size_t *sequences, *tokens, *targets;            /* [batches] */
	double *loss;                                    /* [batches] */
	size_t *sequence_tokens;                         /* [sequences] */
	double *sequence_score;                          /* [groups][sequences] */
	size_t *position;                                /* [groups][positions] */
	double *position_score;                          /* [groups][positions] */
	double *first_score;                             /* [groups] */
};

static void result_batches(struct result *r, const struct scoring *s, const struct cell *cell)
{
	const size_t count = cell->list.count;
	size_t *length = r->sequence_tokens = mem_array(cell->sequences, sizeof *length);
	r->sequences = mem_array(count, sizeof *r->sequences);
	r->tokens = mem_array(count, sizeof *r->tokens);
	r->targets = mem_array(count, sizeof *r->targets);
	r->loss = mem_array(count, sizeof *r->loss);
	for (size_t t = 0; t < count; t++) {
		const struct batch *b = &s->batches.batches[cell->list.index[t]];
		r->sequences[t] = b->sequences;
		r->tokens[t] = b->tokens;
		r->targets[t] = batch_targets(b);
		r->loss[t] = s->loss[cell->list.index[t]];
		for (size_t i = 0; i < b->sequences; i++)
			*length++ = (size_t)(b->start[i + 1] - b->start[i]);
	}
}

static void result_linears(struct result *r, const struct scoring *s, const struct cell *cell)
{
	const size_t linears = s->model.linear_count, batches = cell->list.count;
	r->linears = mem_array(linears, sizeof *r->linears);
	for (size_t i = 0; i < linears; i++) {
		const struct linear_info *info = &s->model.linears[i];
		r->linears[i] = (struct scores_linear){info->name, info->group, info->in, info->out};
	}
	for (size_t k = 0; k < 2 && cell->alone[k]; k++) {
		r->alone[k] = mem_zeroed(linears, sizeof *r->alone[k]);
		for (size_t i = 0; i < linears * batches; i++)
			output_sums_add(&r->alone[k][i / batches], &cell->alone[k][i]);
	}
}

static void result_tokens(struct result *r, const struct scoring *s, const struct cell *cell)
{
	const size_t groups = linear_group_count(&s->model.lm.config), S = cell->sequences, T = cell->tokens;
	const size_t P = T < SCORES_POSITIONS ? T : SCORES_POSITIONS;
	r->sequence_score = mem_array(groups * S, sizeof *r->sequence_score);
	r->position = mem_array(groups * P, sizeof *r->position);
	r->position_score = mem_array(groups * P, sizeof *r->position_score);
	r->first_score = mem_array(groups, sizeof *r->first_score);
	for (size_t g = 0; g < groups; g++) {
		const double *score = cell->positions + g * T;
		token_scores_sequences(r->sequence_score + g * S, score, r->sequence_tokens, S);
		token_scores_largest(r->position + g * P, r->position_score + g * P, P, score, T);
		r->first_score[g] = token_scores_first(score, r->sequence_tokens, S);
	}
	r->scores.position_count = P;
}

static void result_make(struct result *r, const struct scoring *s, const struct cell *cell)
{
	result_batches(r, s, cell);
	result_linears(r, s, cell);
	result_tokens(r, s, cell);
	r->scores = (struct scores){
		.pair = cell->calib.pair,
		.method = s->method,
		.batch_size = s->batch_size,
		.linear_count = s->model.linear_count,
		.batch_count = cell->list.count,
		.sequence_count = cell->sequences,
		.position_count = r->scores.position_count,
		.linears = r->linears,
		.sums = cell->sums,
		.weight_only = r->alone[0],
		.activation_only = r->alone[1],
		.kl = cell->kl,
		.sequence_score = r->sequence_score,
		.sequence_tokens = r->sequence_tokens,
		.position = r->position,
		.position_score = r->position_score,
		.first_score = r->first_score,
		.batch_sequences = r->sequences,
		.batch_tokens = r->tokens,
		.batch_targets = r->targets,
		.batch_loss = r->loss,
	};
}

static void result_release(struct result *r)
{
	free(r->linears);
	free(r->alone[0]);
	free(r->alone[1]);
	free(r->sequences);
	free(r->tokens);
	free(r->targets);
	free(r->loss);
	free(r->sequence_tokens);
	free(r->sequence_score);
	free(r->position);
	free(r->position_score);
	free(r->first_score);
}

static int commit(void *context, struct stage_run *run, size_t index)
{
	const struct scoring *s = context;
	const struct cell *cell = &s->cells[index];
	const char *failure = s->requests[cell->request].failure;
	struct result result = {0};
	struct object_writer w;
	if (*failure)
		return fail("%s", failure);
	result_make(&result, s, cell);
	scores_describe(&result.scores, &w);
	int bad = stage_commit(run, index, &w);
	object_writer_release(&w);
	result_release(&result);
	return bad;
}

static void release(struct scoring *s, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct cell *cell = &s->cells[i];
		free(cell->positions);
		free(cell->kl);
		free(cell->alone[0]);
		free(cell->alone[1]);
		free(cell->sums);
		free(cell->activation_amax);
		free(cell->weight_amax);
		batch_list_release(&cell->list);
		calib_close(&cell->calib);
	}
	batch_set_release(&s->batches);
	loaded_model_close(&s->model);
	free(s->cells);
	free(s->requests);
	free(s->loss);
}

static int compute(struct stage_run *run)
{
	size_t n = run->count;
	struct scoring s = {.cells = mem_zeroed(n, sizeof *s.cells), .requests = mem_zeroed(n, sizeof *s.requests)};
	stage_phase("load");
	s.method = job_param_string(run->jobs[0], "autoquant.method");
	int bad = !s.method || job_param_size(run->jobs[0], "autoquant.batch_size", &s.batch_size) ||
		loaded_model_open(&s.model, run->jobs[0]);
	for (size_t i = 0; i < n && !bad; i++) {
		s.cells[i].left_out = read_cell(&s, i, run->jobs[i]);
		if (s.cells[i].left_out)
			stage_failed(run, i);
	}
	s.loss = mem_zeroed(s.batches.count, sizeof *s.loss);
	stage_phase("score");
	if (!bad)
		bad = score_run(s.model.transformer, s.model.ops, s.model.linears, s.model.linear_count, s.batches.batches,
			s.batches.count, s.requests, s.request_count, s.loss);
	stage_phase("divergence");
	if (!bad && s.request_count && !strcmp(s.method, kl_div))
		bad = measure_kl(&s, n);
	stage_phase("commit");
	bad |= loaded_model_check(&s.model);
	if (!bad)
		stage_each(run, commit, &s);
	release(&s, n);
	return bad;
}

int main(int argc, char **argv)
{
	static const struct stage stage = {
		.name = "score-layers",
		.about = "Reads the language model, tokens and calib, writes the sensitivity of every linear to the cell's\n"
			"format: sum over tokens and outputs of (gradient x output error)^2, per batch; and with\n"
			"autoquant.method=kl_div the divergence of the predictions that each search group causes. Either comes\n"
			"per caption too.",
		.compute = compute,
	};
	return stage_main(argc, argv, &stage);
}
