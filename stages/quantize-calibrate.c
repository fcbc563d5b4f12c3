/* quantize-calibrate: lm (+ tokens) -> calib. See rules/quantize-calibrate.yaml.
 *
 * All jobs of a group have the same language model. Each distinct weight quantizer and each distinct (tokens,
 * activation quantizer) is calibrated once; every job then gets its calib from these.
 */
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "formats/calib.h"
#include "graph/stage.h"
#include "model/batches.h"
#include "model/calibrate.h"
#include "model/loaded_model.h"

/* What one job asks for, as indices into the distinct things. */
struct wish {
	struct quantizer_pair pair;
	size_t weight;       /* index into weights */
	size_t activation;   /* index into activations; unused when activations are not quantized */
	size_t sequences, tokens;
};

struct token_set {
	struct digest identity;
	size_t sequences, tokens;
	struct batch_list list;
};

struct calibration {
	struct loaded_model model;
	struct batch_set batches;
	struct token_set *sets;
	size_t set_count;
	struct weight_calibration *weights;
	size_t weight_count;
	struct activation_calibration *activations;
	size_t *activation_set;      /* [activation_count] index into sets */
	size_t activation_count;
	struct wish *wishes;         /* [jobs] */
};

static size_t weight_index(struct calibration *c, struct quantizer q)
{
	for (size_t i = 0; i < c->weight_count; i++)
		if (quantizer_equal(c->weights[i].quantizer, q))
			return i;
	c->weights[c->weight_count] = (struct weight_calibration){.quantizer = q};
	return c->weight_count++;
}

static size_t activation_index(struct calibration *c, struct quantizer q, size_t set)
{
	for (size_t i = 0; i < c->activation_count; i++)
		if (quantizer_equal(c->activations[i].quantizer, q) && c->activation_set[i] == set)
			return i;
	c->activations[c->activation_count] = (struct activation_calibration){.quantizer = q};
	c->activation_set[c->activation_count] = set;
	return c->activation_count++;
}

static int token_set_index(struct calibration *c, const struct job *job, size_t *index)
{
	const struct job_input *input = job_input_find(job, "tokens");
	struct tokens tokens;
	if (!input)
		return fail("%s: activations are quantized, but there is no input \"tokens\"", job->path);
	for (*index = 0; *index < c->set_count; ++*index)
		if (digest_equal(&c->sets[*index].identity, &input->result.identity))
			return 0;
	if (tokens_open_input(&tokens, job, input))
		return -1;
	struct token_set *set = &c->sets[*index];
	*set = (struct token_set){.identity = input->result.identity, .sequences = tokens.sequences,
		.tokens = tokens.count};
	int bad = batch_set_add(&c->batches, &tokens, CALIBRATE_BATCH, &c->model.lm.config, &set->list);
	tokens_close(&tokens);
	c->set_count += !bad;
	return bad;
}

static int read_wish(struct calibration *c, const struct job *job, struct wish *wish)
{
	size_t set = 0;
	const char *weight = job_param_string(job, "quantizer.weight");
	const char *activation = job_param_string(job, "quantizer.activation");
	if (!weight || !activation || quantizer_weight_parse(weight, &wish->pair.weight) ||
		quantizer_activation_parse(activation, &wish->pair.activation) || loaded_model_serves(&c->model, job))
		return -1;
	wish->weight = weight_index(c, wish->pair.weight);
	if (wish->pair.activation.element == ELEMENT_NONE)
		return 0;
	if (token_set_index(c, job, &set))
		return -1;
	wish->activation = activation_index(c, wish->pair.activation, set);
	wish->sequences = c->sets[set].sequences;
	wish->tokens = c->sets[set].tokens;
	return 0;
}

static int calibrate(struct calibration *c)
{
	struct loaded_model *m = &c->model;
	for (size_t i = 0; i < c->activation_count; i++) {
		c->activations[i].batch = c->sets[c->activation_set[i]].list.index;
		c->activations[i].batches = c->sets[c->activation_set[i]].list.count;
	}
	stage_phase("weights");
	if (calibrate_weights(m->transformer, m->ops, m->linear_count, c->weights, c->weight_count))
		return -1;
	stage_phase("activations");
	return c->activation_count ? calibrate_activations(m->transformer, m->ops, m->linear_count,
		c->batches.batches, c->batches.count, c->activations, c->activation_count) : 0;
}

static int commit(void *context, struct stage_run *run, size_t index)
{
	const struct calibration *c = context;
	const struct wish *wish = &c->wishes[index];
	const struct weight_calibration *weight = &c->weights[wish->weight];
	const struct activation_calibration *activation =
		wish->pair.activation.element == ELEMENT_NONE ? NULL : &c->activations[wish->activation];
	size_t count = c->model.linear_count;
	struct calib calib = {.pair = wish->pair, .linear_count = count,
		.linears = mem_zeroed(count, sizeof *calib.linears),
		.sequences = wish->sequences, .tokens = wish->tokens};
	struct object_writer w;
	for (size_t i = 0; i < count; i++) {
		const struct linear_info *info = &c->model.linears[i];
		struct calib_linear *to = &calib.linears[i];
		*to = (struct calib_linear){.name = info->name, .in = info->in, .out = info->out,
			.weight_amax = weight->amax[i], .weight = weight->sums[i]};
		if (activation) {
			to->activation_amax = activation->amax[i];
			to->activation = activation->sums[i];
		}
	}
	calib_describe(&calib, &w);
	int bad = stage_commit(run, index, &w);
	object_writer_release(&w);
	free(calib.linears);
	return bad;
}

static void release(struct calibration *c)
{
	for (size_t i = 0; i < c->weight_count; i++)
		weight_calibration_release(&c->weights[i], c->model.linear_count);
	for (size_t i = 0; i < c->activation_count; i++)
		activation_calibration_release(&c->activations[i]);
	for (size_t i = 0; i < c->set_count; i++)
		batch_list_release(&c->sets[i].list);
	batch_set_release(&c->batches);
	loaded_model_close(&c->model);
	free(c->sets);
	free(c->weights);
	free(c->activations);
	free(c->activation_set);
	free(c->wishes);
}

static int compute(struct stage_run *run)
{
	size_t n = run->count;
	struct calibration c = {
		.sets = mem_zeroed(n, sizeof *c.sets),
		.weights = mem_zeroed(n, sizeof *c.weights),
		.activations = mem_zeroed(n, sizeof *c.activations),
		.activation_set = mem_zeroed(n, sizeof *c.activation_set),
		.wishes = mem_zeroed(n, sizeof *c.wishes),
	};
	stage_phase("load");
	int bad = loaded_model_open(&c.model, run->jobs[0]);
	for (size_t i = 0; i < n && !bad; i++)
		if (read_wish(&c, run->jobs[i], &c.wishes[i]))
			stage_failed(run, i);
	if (!bad)
		bad = calibrate(&c);
	stage_phase("commit");
	bad |= loaded_model_check(&c.model);
	if (!bad)
		stage_each(run, commit, &c);
	release(&c);
	return bad;
}

int main(int argc, char **argv)
{
	static const struct stage stage = {
		.name = "quantize-calibrate",
		.about = "Reads the language model and calibration tokens, writes the maxima that quantizers need and the\n"
			"error of each quantizer on its own, for every linear.",
		.compute = compute,
	};
	return stage_main(argc, argv, &stage);
}
