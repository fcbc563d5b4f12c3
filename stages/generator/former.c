#include "generator/former.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "graph/job_list.h"

enum { LOOKED_AT_MAX = 200, VALUE_MAX = 60 };

int former_has(const struct plan *plan, const struct plan_job *job)
{
	char *path = job_list_path(plan->build_dir, job->rule->stage);
	int there = job_list_has(path, job->key.hex) > 0;
	free(path);
	return there;
}

/* --- differences --- */

static void add_value(struct strbuf *to, const cJSON *value)
{
	char *printed = value && !cJSON_IsString(value) ? cJSON_PrintUnformatted(value) : NULL;
	const char *text = printed ? printed : value ? value->valuestring : "nothing";
	strbuf_addf(to, "%.*s%s", VALUE_MAX, text, strlen(text) > VALUE_MAX ? "..." : "");
	cJSON_free(printed);
}

static void add_words(struct strbuf *to, const char *words, const char *name)
{
	if (to)
		strbuf_addf(to, "%s%s %s", to->length ? "; " : "", words, name);
}

static size_t compare(struct strbuf *to, const char *name, const cJSON *was, const cJSON *is)
{
	size_t count = 0;
	if (was && is && cJSON_Compare(was, is, 1))
		return 0;
	if (!cJSON_IsObject(was) || !cJSON_IsObject(is)) {
		add_words(to, "param", name);
		if (to) {
			strbuf_addc(to, ' ');
			add_value(to, was);
			strbuf_adds(to, " -> ");
			add_value(to, is);
		}
		return 1;
	}
	for (int second = 0; second < 2; second++)
		for (const cJSON *v = second ? is->child : was->child; v; v = v->next) {
			const cJSON *other = cJSON_GetObjectItemCaseSensitive(second ? was : is, v->string);
			if (second && other)
				continue;
			char *below = *name ? mem_printf("%s.%s", name, v->string) : mem_strdup(v->string);
			count += compare(to, below, second ? NULL : v, second ? v : other);
			free(below);
		}
	return count;
}

static size_t compare_files(struct strbuf *to, const struct plan_input *input, const cJSON *was)
{
	const cJSON *files = cJSON_GetObjectItemCaseSensitive(was, "files");
	size_t count = 0;
	for (size_t i = 0; i < input->file_count; i++) {
		const cJSON *file = cJSON_GetObjectItemCaseSensitive(files, input->files[i].name);
		const cJSON *digest = cJSON_GetObjectItemCaseSensitive(file, "digest");
		if (cJSON_IsString(digest) && !strcmp(digest->valuestring, input->files[i].digest.hex))
			continue;
		count++;
		add_words(to, "input", input->name);
		if (to)
			strbuf_addf(to, ": %s %s", input->files[i].path, file ? "has another content" : "is new");
	}
	for (const cJSON *f = files ? files->child : NULL; f; f = f->next) {
		size_t i = 0;
		while (i < input->file_count && strcmp(input->files[i].name, f->string))
			i++;
		if (i < input->file_count)
			continue;
		count++;
		add_words(to, "input", input->name);
		if (to)
			strbuf_addf(to, ": no %s any more", f->string);
	}
	return count;
}

static size_t compare_input(struct strbuf *to, const struct plan *plan, const struct plan_input *input,
	const cJSON *was)
{
	if (!was) {
		add_words(to, "new input", input->name);
		return 1;
	}
	if (input->is_leaf)
		return compare_files(to, input, was);
	const cJSON *job = cJSON_GetObjectItemCaseSensitive(was, "job");
	const char *colon = cJSON_IsString(job) ? strrchr(job->valuestring, ':') : NULL;
	if (colon && !strncmp(colon + 1, plan->jobs[input->job].key.hex, JOB_KEY_SHORT))
		return 0;
	add_words(to, "input", input->name);
	if (to)
		strbuf_adds(to, " is another");
	return 1;
}

/* What a job was made by; NULL when that was no part of its key. */
static const char *made_by(const cJSON *former, const char *member)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(former, member));
}

static int same_text(const char *is, const char *was)
{
	return is == was || (is && was && !strcmp(is, was));
}

static size_t compare_makers(struct strbuf *to, const char *words, const char *is, const char *was)
{
	if (same_text(is, was))
		return 0;
	if (to)
		strbuf_addf(to, "%s%s %s -> %s", to->length ? "; " : "", words, was ? was : "(not in the key)",
			is ? is : "(not in the key)");
	return 1;
}

/* Digests of the program, which tell people nothing. */
static size_t compare_tools(struct strbuf *to, const char *is, const char *was)
{
	if (same_text(is, was))
		return 0;
	if (to && is && was)
		strbuf_addf(to, "%sanother build of the program (--strict-tools)", to->length ? "; " : "");
	else if (to)
		strbuf_addf(to, "%s--strict-tools was %s", to->length ? "; " : "", is ? "not given" : "given");
	return 1;
}

size_t former_differences(struct strbuf *to, const struct plan *plan, const struct plan_job *job, const cJSON *former)
{
	const cJSON *version = cJSON_GetObjectItemCaseSensitive(former, "version");
	const struct job_makers makers = plan_makers(plan, job->rule);
	const cJSON *inputs = cJSON_GetObjectItemCaseSensitive(former, "inputs");
	size_t count = 0;
	if (cJSON_IsNumber(version) && version->valueint != job->rule->version) {
		count++;
		if (to)
			strbuf_addf(to, "%sversion of the stage %d -> %d", to->length ? "; " : "", version->valueint,
				job->rule->version);
	}
	count += compare_makers(to, "computed by", makers.numerics, made_by(former, "numerics"));
	count += compare_makers(to, "Unicode", makers.unicode, made_by(former, "unicode"));
	count += compare_tools(to, makers.tool, made_by(former, "tool"));
	count += compare(to, "", cJSON_GetObjectItemCaseSensitive(former, "params"), job->params);
	for (size_t i = 0; i < job->input_count; i++)
		count += compare_input(to, plan, &job->inputs[i],
			cJSON_GetObjectItemCaseSensitive(inputs, job->inputs[i].name));
	return count;
}

/* --- the job that was --- */

/* The cell's line of a list (of several the one that differs least), else that among the first that differs least. */
static cJSON *search(const char *text, size_t length, const struct plan *plan, const struct plan_job *job,
	int *other_cell)
{
	const char *end = text + length;
	char *cell = mem_printf("\"cell\":\"%s\"", job->label);
	int known = length && memmem(text, length, cell, strlen(cell));
	cJSON *best = NULL;
	size_t least = 0, looked = 0;
	*other_cell = !known;
	for (const char *line = text; line < end && looked < LOOKED_AT_MAX; looked++) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		newline = newline ? newline : end;
		int same = known && memmem(line, (size_t)(newline - line), cell, strlen(cell));
		if (!known || same) {
			cJSON *former = json_parse(line, (size_t)(newline - line), "a list of jobs", NULL);
			size_t differences = former ? former_differences(NULL, plan, job, former) : 0;
			if (former && (!best || differences < least)) {
				cJSON_Delete(best);
				best = former;
				least = differences;
			} else {
				cJSON_Delete(former);
			}
		}
		looked -= (size_t)(known && !same);
		line = newline + 1;
	}
	free(cell);
	return best;
}

cJSON *former_find(const struct plan *plan, const struct plan_job *job, int before, int *other_cell)
{
	char *path = job_list_path(plan->build_dir, job->rule->stage);
	struct file_map map;
	cJSON *found = NULL;
	if (before) {
		char *last = path;
		path = job_list_path_before(last);
		free(last);
	}
	if (file_exists(path) && !file_map_open(&map, path)) {
		size_t bytes;
		if (!job_list_jobs(path, (const char *)map.bytes, map.length, &bytes))
			found = search((const char *)map.bytes, bytes, plan, job, other_cell);
		file_map_close(&map);
	}
	free(path);
	return found;
}
