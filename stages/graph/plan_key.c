#include "graph/plan_key.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "graph/job.h"

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct plan_input *const *)a)->name, (*(const struct plan_input *const *)b)->name);
}

static int by_file(const void *a, const void *b)
{
	return strcmp((*(const struct plan_file *const *)a)->name, (*(const struct plan_file *const *)b)->name);
}

static void add_files(struct strbuf *to, const struct plan_input *input)
{
	const struct plan_file **files = mem_array(input->file_count, sizeof *files);
	for (size_t i = 0; i < input->file_count; i++)
		files[i] = &input->files[i];
	if (input->file_count)
		qsort(files, input->file_count, sizeof *files, by_file);
	strbuf_addc(to, '{');
	for (size_t i = 0; i < input->file_count; i++) {
		strbuf_adds(to, i ? "," : "");
		json_quoted(to, files[i]->name);
		strbuf_addc(to, ':');
		json_quoted(to, files[i]->digest.hex);
	}
	strbuf_addc(to, '}');
	free(files);
}

static void add_inputs(struct strbuf *to, const struct plan_job *job, plan_digest *of, const void *context)
{
	const struct plan_input **inputs = mem_array(job->input_count, sizeof *inputs);
	for (size_t i = 0; i < job->input_count; i++)
		inputs[i] = &job->inputs[i];
	if (job->input_count)
		qsort(inputs, job->input_count, sizeof *inputs, by_name);
	strbuf_addc(to, '{');
	for (size_t i = 0; i < job->input_count; i++) {
		strbuf_adds(to, i ? "," : "");
		json_quoted(to, inputs[i]->name);
		strbuf_addc(to, ':');
		if (inputs[i]->is_leaf)
			add_files(to, inputs[i]);
		else
			json_quoted(to, of(context, inputs[i]->job)->hex);
	}
	strbuf_addc(to, '}');
	free(inputs);
}

struct job_makers plan_makers(const struct plan *plan, const struct rule *rule)
{
	return (struct job_makers){.numerics = rule->numerics ? plan->numerics : NULL,
		.unicode = rule->unicode ? plan->unicode : NULL, .tool = rule->tool};
}

void plan_add_ingredients(struct strbuf *to, struct plan *plan, const struct plan_job *job, plan_digest *of,
	const void *context)
{
	struct strbuf inputs, params;
	strbuf_init(&inputs);
	strbuf_init(&params);
	add_inputs(&inputs, job, of, context);
	json_texts_canonical(&plan->texts, &params, job->params, 2);
	const struct job_makers makers = plan_makers(plan, job->rule);
	job_add_ingredients(to, job->rule->stage, job->rule->version, &makers, params.s, inputs.s);
	strbuf_release(&inputs);
	strbuf_release(&params);
}
