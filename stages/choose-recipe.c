/* choose-recipe: lm + scores of each format -> recipe. See rules/choose-recipe.yaml.
 *
 * Formats compete for every group under the budget of the cell (model/search_space.h). A budget that cannot be met is
 * an error; ./configure finds it before anything is computed (model/search_ahead.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "formats/lm.h"
#include "formats/recipe.h"
#include "formats/scores.h"
#include "graph/stage.h"
#include "model/search_options.h"

/* At once: a hard search takes some hundred megabytes (model/search.h). */
enum { SEARCHES = 8 };

enum { PAIR_CODE_MAX = 2 * QUANTIZER_CODE_MAX };

/* What one job asks for, and what it is answered. */
struct choosing {
	const struct job *job;
	struct lm lm;
	struct linear_info *linears;
	size_t linear_count;
	struct quantizer_pair *formats;
	struct scores *scores;            /* [format_count] */
	size_t format_count;
	struct search_options options;    /* texts borrowed from the job */
	struct search_space space;
	double *score;                    /* [groups][format_count] */
	size_t *choice;                   /* [groups] */
	struct search_result result;
};

/* --- params --- */

static int read_params(struct choosing *c)
{
	const cJSON *params = c->job->params, *codes = json_member(params, "quantizer.formats", c->job->path);
	if (!codes || search_formats_read(codes, c->job->path, &c->formats, &c->format_count) ||
		search_options_read(&c->options, params, "autoquant.", c->job->path))
		return -1;
	c->scores = mem_zeroed(c->format_count, sizeof *c->scores);
	return 0;
}

/* --- inputs --- */

static int open_lm(struct choosing *c)
{
	const struct job_input *input = job_input_need(c->job, "lm");
	if (!input)
		return -1;
	char *path = job_input_path(c->job, input);
	int bad = lm_open(&c->lm, path, &input->result.content);
	free(path);
	if (bad)
		return job_input_discard(c->job, input);
	c->linear_count = linear_count(&c->lm.config);
	c->linears = mem_zeroed(c->linear_count, sizeof *c->linears);
	linear_describe(c->linears, &c->lm.config);
	return 0;
}

static int check_linears(const struct choosing *c, const struct scores *s, const char *path)
{
	if (s->linear_count != c->linear_count)
		return fail("%s: scores of %zu linears, the model has %zu", path, s->linear_count, c->linear_count);
	for (size_t i = 0; i < c->linear_count; i++) {
		const struct scores_linear *found = &s->linears[i];
		const struct linear_info *info = &c->linears[i];
		if (strcmp(found->name, info->name) || found->in != info->in || found->out != info->out ||
			found->group != info->group)
			return fail("%s: linear %zu is %s [%zu, %zu] of group %zu, expected %s [%zu, %zu] of group %zu", path, i,
				found->name, found->out, found->in, found->group, info->name, info->out, info->in, info->group);
	}
	return 0;
}

static void pair_code(char *code, struct quantizer_pair pair)
{
	char weight[QUANTIZER_CODE_MAX], activation[QUANTIZER_CODE_MAX];
	quantizer_weight_code(weight, pair.weight);
	quantizer_activation_code(activation, pair.activation);
	snprintf(code, PAIR_CODE_MAX, "%s/%s", weight, activation);
}

/* Scores of different methods or captions do not compete. */
static int check_scores(const struct choosing *c, size_t index, const char *path)
{
	const struct scores *s = &c->scores[index], *first = &c->scores[0];
	char found[PAIR_CODE_MAX], expected[PAIR_CODE_MAX];
	pair_code(found, s->pair);
	pair_code(expected, c->formats[index]);
	if (strcmp(found, expected))
		return fail("%s: scores.%zu are of %s, expected %s", path, index, found, expected);
	if (strcmp(s->method, first->method))
		return fail("%s: scores by %s, those of the first format are by %s", path, s->method, first->method);
	if (s->batch_count != first->batch_count ||
		memcmp(s->batch_tokens, first->batch_tokens, s->batch_count * sizeof *s->batch_tokens))
		return fail("%s: scores on other captions than those of the first format", path);
	return check_linears(c, s, path);
}

static int open_scores(struct choosing *c, size_t index)
{
	char name[32];
	snprintf(name, sizeof name, "scores.%zu", index);
	const struct job_input *input = job_input_need(c->job, name);
	if (!input)
		return -1;
	char *path = job_input_path(c->job, input);
	int bad = scores_open(&c->scores[index], path, &input->result.content) ? job_input_discard(c->job, input)
		: check_scores(c, index, path);
	free(path);
	return bad;
}

static int open_inputs(struct choosing *c)
{
	if (open_lm(c))
		return -1;
	for (size_t i = 0; i < c->format_count; i++)
		if (open_scores(c, i))
			return -1;
	return 0;
}

/* --- search --- */

static double vision_numel(const struct lm *lm)
{
	double numel = 0;
	for (size_t i = 0; i < lm->vision_count; i++)
		numel += (double)lm->vision[i].out_features * (double)lm->vision[i].in_features;
	return numel;
}

static int search(struct choosing *c)
{
	if (search_space_make(&c->space, c->linears, c->linear_count, vision_numel(&c->lm), c->formats, c->format_count,
			&c->options))
		return -1;
	c->score = mem_array(c->space.count * c->format_count, sizeof *c->score);
	c->choice = mem_array(c->space.count, sizeof *c->choice);
	for (size_t g = 0; g < c->space.count; g++)
		for (size_t i = 0; i < c->format_count; i++)
			c->score[g * c->format_count + i] = scores_group(&c->scores[i], g);
	enum search_status status = search_space_solve(&c->space, c->score, c->choice, &c->result);
	if (status != SEARCH_OK)
		return -1;
	if (!c->result.proven)
		warn("%s: the search ran out of its bound on memory: its choice fits the budget, a better one may exist",
			c->job->cell);
	return 0;
}

static int commit(const struct choosing *c, struct stage_run *run, size_t index)
{
	const struct quantizer_pair none = {.weight = {.element = ELEMENT_NONE}, .activation = {.element = ELEMENT_NONE}};
	struct recipe recipe = {.linear_count = c->linear_count, .linears = mem_zeroed(c->linear_count,
		sizeof *recipe.linears), .score = c->result.score, .proven = c->result.proven};
	struct object_writer w;
	for (size_t i = 0; i < c->linear_count; i++) {
		size_t group = c->linears[i].group, choice = c->choice[group];
		recipe.linears[i] = (struct recipe_linear){c->linears[i].name, group,
			choice == SEARCH_NONE ? none : c->formats[choice]};
	}
	recipe_describe(&recipe, &w);
	int bad = stage_commit(run, index, &w);
	object_writer_release(&w);
	free(recipe.linears);
	return bad;
}

static void release(struct choosing *c)
{
	for (size_t i = 0; i < c->format_count && c->scores; i++)
		scores_close(&c->scores[i]);
	search_space_release(&c->space);
	search_options_release(&c->options);
	lm_close(&c->lm);
	free(c->linears);
	free(c->formats);
	free(c->scores);
	free(c->score);
	free(c->choice);
}

static int compute_each(struct stage_run *run, size_t index)
{
	struct choosing c = {.job = run->jobs[index]};
	int bad = read_params(&c) || open_inputs(&c) || search(&c) || commit(&c, run, index);
	release(&c);
	return bad ? -1 : 0;
}

int main(int argc, char **argv)
{
	static const struct stage stage = {
		.name = "choose-recipe",
		.about = "Reads the scores of each format that competes, writes the format that the budget search chooses for\n"
			"every linear.",
		.compute_each = compute_each,
		.side_by_side = SEARCHES,
	};
	return stage_main(argc, argv, &stage);
}
