/* check-recipe: lm + tokens + recipe + calib.0, calib.1, ... -> check. See rules/check-recipe.yaml.
 *
 * All jobs of a group have the same language model: the unquantized model runs once over all their batches, and every
 * job's recipe beside it (model/recipe_check.h). A linear takes its maxima from the first calib of the linear's format;
 * calibs that several jobs name are opened once. Batches have CALIBRATE_BATCH sequences, whatever autoquant.batch_size
 * is: it has no influence on what a model predicts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "formats/calib.h"
#include "formats/check.h"
#include "formats/recipe.h"
#include "graph/stage.h"
#include "model/batches.h"
#include "model/calibrate.h"
#include "model/loaded_model.h"
#include "model/recipe_check.h"

struct cell {
	size_t request;            /* index into requests */
	struct recipe recipe;
	struct quantizer_pair *pair;   /* [linears] */
	float **weight_amax;           /* [linears] borrowed from a calib */
	float *activation_amax;        /* [linears] */
	size_t quantized;              /* linears */
	struct batch_list list;
	size_t *tokens;                /* [sequences] */
	double *sums;                  /* [3][sequences] loss before, after, divergence */
	size_t sequences;
};

struct known_calib {
	struct digest content;
	struct calib calib;
};

struct checking {
	struct loaded_model model;
	struct batch_set batches;
	struct known_calib *calibs;        /* of all cells, each once */
	size_t calib_count, calib_capacity;
	struct cell *cells;                /* [jobs] */
	struct recipe_request *requests;   /* [request_count] of the cells that are not left out, in order */
	size_t request_count;
};

/* ---- inputs ---- */

static int read_recipe(struct cell *cell, const struct job *job, const struct loaded_model *m)
{
	const struct job_input *input = job_input_need(job, "recipe");
	if (!input)
		return -1;
	char *path = job_input_path(job, input);
	int bad = recipe_open(&cell->recipe, path, &input->result.content) ? job_input_discard(job, input) : 0;
	if (!bad && cell->recipe.linear_count != m->linear_count)
		bad = fail("%s: %zu linears, the model has %zu", path, cell->recipe.linear_count, m->linear_count);
	for (size_t i = 0; i < m->linear_count && !bad; i++) {
		const struct recipe_linear *l = &cell->recipe.linears[i];
		const struct linear_info *info = &m->linears[i];
		if (strcmp(l->name, info->name) || l->group != info->group)
			bad = fail("%s: linear %zu is %s of group %zu, expected %s of group %zu", path, i, l->name, l->group,
				info->name, info->group);
	}
	free(path);
	return bad;
}

/* The calib of an input, opened unless a cell before has. NULL after fail(). */
static const struct calib *open_calib(struct checking *c, const struct job *job, const struct job_input *input)
{
	for (size_t i = 0; i < c->calib_count; i++)
		if (digest_equal(&c->calibs[i].content, &input->result.content))
			return &c->calibs[i].calib;
	MEM_GROW(c->calibs, c->calib_count, c->calib_capacity);
	struct known_calib *known = &c->calibs[c->calib_count];
	char *path = job_input_path(job, input);
	int opened = !calib_open(&known->calib, path, &input->result.content);
	int bad = opened ? loaded_model_fits(&c->model, &known->calib, path) : job_input_discard(job, input);
	free(path);
	if (!bad) {
		known->content = input->result.content;
		c->calib_count++;
		return &known->calib;
	}
	if (opened)
		calib_close(&known->calib);
	return NULL;
}

/* Gives the linears of the calib's format their maxima, but for those that have some. */
static void take_maxima(struct cell *cell, const struct calib *calib, unsigned char *found)
{
	for (size_t i = 0; i < calib->linear_count; i++) {
		if (found[i] || !quantizer_pair_equal(cell->pair[i], calib->pair))
			continue;
		found[i] = 1;
		cell->weight_amax[i] = (float *)(uintptr_t)calib->linears[i].weight_amax;
		cell->activation_amax[i] = calib->linears[i].activation_amax;
	}
}

static int missing_format(const struct cell *cell, const struct job *job, size_t linear)
{
	char weight[QUANTIZER_CODE_MAX], activation[QUANTIZER_CODE_MAX];
	quantizer_weight_code(weight, cell->pair[linear].weight);
	quantizer_activation_code(activation, cell->pair[linear].activation);
	return fail("%s: the recipe wants %s/%s for %s, and no calib is of that format", job->path, weight, activation,
		cell->recipe.linears[linear].name);
}

static int read_calibs(struct checking *c, struct cell *cell, const struct job *job, unsigned char *found)
{
	const struct job_input *input;
	char name[32];
	for (size_t n = 0; ; n++) {
		snprintf(name, sizeof name, "calib.%zu", n);
		input = job_input_find(job, name);
		if (!input)
			break;
		const struct calib *calib = open_calib(c, job, input);
		if (!calib)
			return -1;
		take_maxima(cell, calib, found);
	}
	for (size_t i = 0; i < c->model.linear_count; i++)
		if (!found[i] && !quantizer_pair_none(cell->pair[i]))
			return missing_format(cell, job, i);
	return 0;
}

static int read_formats(struct checking *c, struct cell *cell, const struct job *job)
{
	size_t linears = c->model.linear_count;
	unsigned char *found = mem_zeroed(linears, sizeof *found);
	cell->pair = mem_array(linears, sizeof *cell->pair);
	cell->weight_amax = mem_zeroed(linears, sizeof *cell->weight_amax);
	cell->activation_amax = mem_zeroed(linears, sizeof *cell->activation_amax);
	for (size_t i = 0; i < linears; i++) {
		cell->pair[i] = cell->recipe.linears[i].pair;
		cell->quantized += !quantizer_pair_none(cell->pair[i]);
	}
	int bad = read_calibs(c, cell, job, found);
	free(found);
	return bad;
}

static int read_tokens(struct checking *c, struct cell *cell, const struct job *job)
{
	const struct job_input *input = job_input_need(job, "tokens");
	struct tokens tokens;
	if (!input)
		return -1;
	if (tokens_open_input(&tokens, job, input))
		return -1;
	cell->sequences = tokens.sequences;
	cell->tokens = mem_array(tokens.sequences, sizeof *cell->tokens);
	cell->sums = mem_zeroed(3 * tokens.sequences, sizeof *cell->sums);
	for (size_t s = 0; s < tokens.sequences; s++)
		cell->tokens[s] = (size_t)(tokens.start[s + 1] - tokens.start[s]);
	int bad = batch_set_add(&c->batches, &tokens, CALIBRATE_BATCH, &c->model.lm.config, &cell->list);
	tokens_close(&tokens);
	return bad;
}

static int read_cell(struct checking *c, size_t index, const struct job *job)
{
	struct cell *cell = &c->cells[index];
	if (loaded_model_serves(&c->model, job) || read_recipe(cell, job, &c->model) || read_formats(c, cell, job) ||
		read_tokens(c, cell, job))
		return -1;
	cell->request = c->request_count++;
	c->requests[cell->request] = (struct recipe_request){
		.pair = cell->pair,
		.weight_amax = cell->weight_amax,
		.activation_amax = cell->activation_amax,
		.batch = cell->list.index,
		.batches = cell->list.count,
		.loss_before = cell->sums,
		.loss_after = cell->sums + cell->sequences,
		.kl = cell->sums + 2 * cell->sequences,
	};
	return 0;
}

/* ---- results ---- */

static int commit(void *context, struct stage_run *run, size_t index)
{
	const struct checking *c = context;
	const struct cell *cell = &c->cells[index];
	const struct recipe_request *request = &c->requests[cell->request];
	struct object_writer w;
	if (*request->failure)
		return fail("%s", request->failure);
	const struct check check = {
		.sequence_count = cell->sequences,
		.tokens = cell->tokens,
		.loss_before = request->loss_before,
		.loss_after = request->loss_after,
		.kl = request->kl,
		.quantized = cell->quantized,
	};
	check_describe(&check, &w);
	int bad = stage_commit(run, index, &w);
	object_writer_release(&w);
	return bad;
}

static void cell_release(struct cell *cell)
{
	free(cell->sums);
	free(cell->tokens);
	batch_list_release(&cell->list);
	free(cell->activation_amax);
	free(cell->weight_amax);
	free(cell->pair);
	recipe_close(&cell->recipe);
}

static void release(struct checking *c, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cell_release(&c->cells[i]);
	for (size_t i = 0; i < c->calib_count; i++)
		calib_close(&c->calibs[i].calib);
	batch_set_release(&c->batches);
	loaded_model_close(&c->model);
	free(c->calibs);
	free(c->cells);
	free(c->requests);
}

static int compute(struct stage_run *run)
{
	size_t n = run->count;
	struct checking c = {.cells = mem_zeroed(n, sizeof *c.cells), .requests = mem_zeroed(n, sizeof *c.requests)};
	stage_phase("load");
	int bad = loaded_model_open(&c.model, run->jobs[0]);
	for (size_t i = 0; i < n && !bad; i++)
		if (read_cell(&c, i, run->jobs[i]))
			stage_failed(run, i);
	stage_phase("check");
	if (!bad)
		bad = recipe_check_run(c.model.ops, &c.model.lm.config, &c.model.tensors, c.batches.batches, c.batches.count,
			c.requests, c.request_count, 0);
	stage_phase("commit");
	bad |= loaded_model_check(&c.model);
	if (!bad)
		stage_each(run, commit, &c);
	release(&c, n);
	return bad;
}

int main(int argc, char **argv)
{
	static const struct stage stage = {
		.name = "check-recipe",
		.about = "Reads the language model, tokens, a recipe and the calib of each of its formats, runs the model\n"
			"with every chosen quantizer on, and writes per caption the loss before and after and the divergence\n"
			"of the predictions.",
		.compute = compute,
	};
	return stage_main(argc, argv, &stage);
}
