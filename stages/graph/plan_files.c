/* The files of a plan: lists of jobs, one a stage, and files of groups. */
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file_update.h"
#include "common/memory.h"
#include "graph/job_list.h"
#include "graph/plan.h"

static void add_string(struct strbuf *to, const char *name, const char *value)
{
	strbuf_adds(to, ",\"");
	strbuf_adds(to, name);
	strbuf_adds(to, "\":");
	json_quoted(to, value);
}

static void add_files(struct strbuf *to, const struct plan_input *input)
{
	strbuf_adds(to, "{\"files\":{");
	for (size_t i = 0; i < input->file_count; i++) {
		strbuf_adds(to, i ? "," : "");
		json_quoted(to, input->files[i].name);
		strbuf_adds(to, ":{\"path\":");
		json_quoted(to, input->files[i].path);
		strbuf_adds(to, ",\"digest\":");
		json_quoted(to, input->files[i].digest.hex);
		strbuf_addc(to, '}');
	}
	strbuf_adds(to, "}}");
}

static void add_inputs(struct strbuf *to, const struct plan *plan, const struct plan_job *job)
{
	strbuf_adds(to, ",\"inputs\":{");
	for (size_t i = 0; i < job->input_count; i++) {
		const struct plan_input *input = &job->inputs[i];
		strbuf_adds(to, i ? "," : "");
		json_quoted(to, input->name);
		strbuf_addc(to, ':');
		if (input->is_leaf) {
			add_files(to, input);
			continue;
		}
		strbuf_adds(to, "{\"job\":");
		json_quoted(to, plan->jobs[input->job].job_path);
		strbuf_addc(to, '}');
	}
	strbuf_addc(to, '}');
}

static void add_job(struct strbuf *to, struct plan *plan, const struct plan_job *job)
{
	strbuf_addf(to, "{\"key\":\"%s\"", job->key.hex);
	add_string(to, "format", "quantgrid-job/1");
	add_string(to, "stage", job->rule->stage);
	strbuf_addf(to, ",\"version\":%d", job->rule->version);
	if (job->rule->numerics)
		add_string(to, "numerics", plan->numerics);
	if (job->rule->tool)
		add_string(to, "tool", job->rule->tool);
	add_string(to, "cell", job->label);
	strbuf_adds(to, ",\"params\":");
	json_texts_compact(&plan->texts, to, job->params, 2);
	strbuf_adds(to, ",\"unhashed\":");
	json_texts_compact(&plan->texts, to, job->unhashed, 2);
	add_inputs(to, plan, job);
	add_string(to, "cache", plan->cache_dir);
	add_string(to, "ref", job->ref_path ? job->ref_path : "");
	if (job->group != PLAN_NO_GROUP)
		add_string(to, "stamp", plan->groups[job->group].stamp_path);
	job_list_seal(to);
}

static int by_key(const void *a, const void *b)
{
	const struct plan_job *p = *(const struct plan_job *const *)a, *q = *(const struct plan_job *const *)b;
	return strcmp(p->key.hex, q->key.hex);
}

static int write_list(struct plan *plan, const struct rule *rule)
{
	const struct plan_job **jobs = mem_array(plan->job_count, sizeof *jobs);
	char *path = job_list_path(plan->build_dir, rule->stage), *before = job_list_path_before(path);
	struct file_update file;
	size_t count = 0;
	int bad = 0;
	for (size_t i = 0; i < plan->job_count; i++)
		if (plan->jobs[i].rule == rule)
			jobs[count++] = &plan->jobs[i];
	if (count) {
		qsort(jobs, count, sizeof *jobs, by_key);
		file_update_open(&file, path);
		file.keep_as = before;
		for (size_t i = 0; i < count; i++) {
			strbuf_clear(&plan->scratch);
			add_job(&plan->scratch, plan, jobs[i]);
			file_update_add(&file, plan->scratch.s, plan->scratch.length);
		}
		bad = file_update_close(&file, NULL);
	}
	free(path);
	free(before);
	free(jobs);
	return bad;
}

static int write_group(const struct plan *plan, const struct plan_group *group)
{
	struct strbuf text;
	strbuf_init(&text);
	strbuf_adds(&text, "{\"format\":\"quantgrid-group/1\"");
	add_string(&text, "stage", group->rule->stage);
	strbuf_adds(&text, ",\"jobs\":[");
	for (size_t i = 0; i < group->count; i++) {
		strbuf_adds(&text, i ? ",\n" : "\n");
		json_quoted(&text, plan->jobs[group->jobs[i]].job_path);
	}
	strbuf_adds(&text, "]}\n");
	int bad = file_write_if_changed(group->path, text.s, text.length, NULL);
	strbuf_release(&text);
	return bad;
}

int plan_write_jobs(struct plan *plan)
{
	char *folder = mem_printf("%s/jobs/group", plan->build_dir);
	int bad = dir_make(folder);
	free(folder);
	for (size_t i = 0; i < plan->rules->count && !bad; i++)
		bad = write_list(plan, &plan->rules->rules[i]);
	for (size_t g = 0; g < plan->group_count && !bad; g++)
		bad = write_group(plan, &plan->groups[g]);
	return bad ? -1 : 0;
}
