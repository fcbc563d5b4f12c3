/* The files of a plan: lists of jobs, one a stage, and files of groups. */
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file_update.h"
#include "common/memory.h"
#include "common/pool.h"
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

static void add_job(struct strbuf *to, struct json_texts *texts, const struct plan *plan, const struct plan_job *job)
{
	const struct job_makers makers = plan_makers(plan, job->rule);
	strbuf_adds(to, "{\"key\":\"");
	strbuf_add(to, job->key.hex, DIGEST_HEX);
	strbuf_addc(to, '"');
	add_string(to, "format", "quantgrid-job/1");
	add_string(to, "stage", job->rule->stage);
	strbuf_adds(to, ",\"version\":");
	json_number(to, job->rule->version);
	if (makers.numerics)
		add_string(to, "numerics", makers.numerics);
	if (makers.unicode)
		add_string(to, "unicode", makers.unicode);
	if (makers.tool)
		add_string(to, "tool", makers.tool);
	add_string(to, "cell", job->label);
	strbuf_adds(to, ",\"params\":");
	json_texts_compact(texts, to, job->params, 2);
	strbuf_adds(to, ",\"unhashed\":");
	json_texts_compact(texts, to, job->unhashed, 2);
	add_inputs(to, plan, job);
	add_string(to, "cache", plan->cache_dir);
	add_string(to, "ref", job->ref_path ? job->ref_path : "");
	if (job->group != PLAN_NO_GROUP)
		add_string(to, "stamp", plan->groups[job->group].stamp_path);
	job_list_seal(to);
}

/* A job with its key beside it: in order to compare two, what they point to need not be fetched. */
struct listed {
	struct digest key;
	const struct plan_job *job;
};

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct listed *)a)->key.hex, ((const struct listed *)b)->key.hex);
}

/* Lines are made by all threads, a few hundred at a time: of ten thousand reports they are 37 MB, and half of what is
 * written. */
enum { PIECES = 64, PIECE_JOBS = 8 };

struct lines {
	const struct plan *plan;
	struct listed *jobs;
	size_t count, first;              /* of the jobs; the first one at hand */
	size_t bytes;                     /* of all lines so far */
	struct strbuf text[PIECES];
	struct json_texts *texts;         /* a worker each */
};

static int make_lines(void *context, size_t index, size_t worker)
{
	struct lines *l = context;
	size_t from = l->first + index * PIECE_JOBS, end = from + PIECE_JOBS < l->count ? from + PIECE_JOBS : l->count;
	struct strbuf line;
	strbuf_init(&line);
	strbuf_clear(&l->text[index]);
	for (size_t i = from; i < end; i++) {
		strbuf_clear(&line);
		add_job(&line, &l->texts[worker], l->plan, l->jobs[i].job);
		strbuf_add(&l->text[index], line.s, line.length);
	}
	strbuf_release(&line);
	return 0;
}

static int add_lines(struct file_update *file, struct lines *l)
{
	for (; l->first < l->count; l->first += PIECES * PIECE_JOBS) {
		size_t left = l->count - l->first, pieces = (left + PIECE_JOBS - 1) / PIECE_JOBS;
		pieces = pieces < PIECES ? pieces : PIECES;
		if (pool_run(pieces, make_lines, l))
			return -1;
		for (size_t i = 0; i < pieces; i++) {
			file_update_add(file, l->text[i].s, l->text[i].length);
			l->bytes += l->text[i].length;
		}
	}
	return 0;
}

static int write_lines(const char *path, struct lines *l)
{
	struct file_update file;
	char *before = job_list_path_before(path);
	size_t workers = pool_threads();
	l->texts = mem_zeroed(workers, sizeof *l->texts);
	for (size_t i = 0; i < PIECES; i++)
		strbuf_init(&l->text[i]);
	file_update_open(&file, path);
	file.keep_as = before;
	file.failed |= add_lines(&file, l);
	strbuf_clear(&l->text[0]);
	job_list_end(&l->text[0], l->bytes);
	file_update_add(&file, l->text[0].s, l->text[0].length);
	int bad = file_update_close(&file, NULL);
	for (size_t i = 0; i < PIECES; i++)
		strbuf_release(&l->text[i]);
	for (size_t i = 0; i < workers; i++)
		json_texts_release(&l->texts[i]);
	free(l->texts);
	free(before);
	return bad;
}

static int write_list(struct plan *plan, const struct rule *rule)
{
	struct lines l = {.plan = plan, .jobs = mem_array(plan->job_count, sizeof *l.jobs)};
	char *path = job_list_path(plan->build_dir, rule->stage);
	int bad = 0;
	for (size_t i = 0; i < plan->job_count; i++)
		if (plan->jobs[i].rule == rule)
			l.jobs[l.count++] = (struct listed){plan->jobs[i].key, &plan->jobs[i]};
	if (l.count) {
		qsort(l.jobs, l.count, sizeof *l.jobs, by_key);
		bad = write_lines(path, &l);
	}
	free(path);
	free(l.jobs);
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
