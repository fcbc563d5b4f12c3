#include "graph/job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "graph/job_list.h"

enum { REF_BYTES_MAX = 1 << 16, INPUTS_MAX = 4096, DEPTH_MAX = 16 };

static int read_files(struct job_input *input, const cJSON *files, const char *path)
{
	const cJSON *item;
	input->files = mem_zeroed((size_t)cJSON_GetArraySize(files), sizeof *input->files);
	cJSON_ArrayForEach(item, files) {
		struct job_file *file = &input->files[input->file_count++];
		file->name = item->string;
		file->path = json_string(item, "path", path);
		if (!file->path || digest_parse(json_string(item, "digest", path), &file->digest))
			return fail("%s: input \"%s\": file \"%s\" needs \"path\" and \"digest\"", path, input->name, item->string);
	}
	return 0;
}

static int read_inputs(struct job *job)
{
	const cJSON *item, *inputs = json_member(job->root, "inputs", job->path);
	if (!inputs || !cJSON_IsObject(inputs) || cJSON_GetArraySize(inputs) > INPUTS_MAX)
		return fail("%s: \"inputs\" must be an object of at most %d members", job->path, INPUTS_MAX);
	job->inputs = mem_zeroed((size_t)cJSON_GetArraySize(inputs), sizeof *job->inputs);
	cJSON_ArrayForEach(item, inputs) {
		struct job_input *input = &job->inputs[job->input_count++];
		const cJSON *files = cJSON_GetObjectItemCaseSensitive(item, "files");
		input->name = item->string;
		if (files && cJSON_IsObject(files)) {
			if (read_files(input, files, job->path))
				return -1;
		} else if (!(input->job = json_string(item, "job", job->path))) {
			return fail_context("input \"%s\"", input->name);
		}
	}
	return 0;
}

/* NULL when there is none, or it is no text. */
static const char *member_if_there(const struct job *job, const char *name)
{
	const cJSON *member = cJSON_GetObjectItemCaseSensitive(job->root, name);
	return cJSON_IsString(member) ? member->valuestring : NULL;
}

int job_open(struct job *job, const char *path)
{
	uint64_t version;
	*job = (struct job){.path = mem_strdup(path), .root = job_list_read(path)};
	if (!job->root) {
		job_list_forget(path);
		goto bad;
	}
	const char *format = json_string(job->root, "format", path);
	if (!format || strcmp(format, "quantgrid-job/1")) {
		fail("%s: not a job file (format \"quantgrid-job/1\" expected)", path);
		goto bad;
	}
	job->stage = json_string(job->root, "stage", path);
	job->cell = json_string(job->root, "cell", path);
	job->key = json_string(job->root, "key", path);
	job->cache = json_string(job->root, "cache", path);
	job->ref = json_string(job->root, "ref", path);
	job->makers = (struct job_makers){.numerics = member_if_there(job, "numerics"),
		.unicode = member_if_there(job, "unicode"), .tool = member_if_there(job, "tool")};
	job->stamp = member_if_there(job, "stamp");
	job->params = json_member(job->root, "params", path);
	job->unhashed = json_member(job->root, "unhashed", path);
	if (!job->stage || !job->cell || !job->key || !job->cache || !job->ref || !job->params || !job->unhashed ||
		json_u64(job->root, "version", path, &version) || read_inputs(job))
		goto bad;
	return 0;
bad:
	job_close(job);
	return -1;
}

void job_close(struct job *job)
{
	for (size_t i = 0; i < job->input_count; i++)
		free(job->inputs[i].files);
	free(job->inputs);
	free(job->ingredients);
	free(job->path);
	cJSON_Delete(job->root);
	*job = (struct job){0};
}

static void add_if_asked(struct strbuf *to, const char *name, const char *value)
{
	if (!value)
		return;
	strbuf_addf(to, ",\"%s\":", name);
	json_quoted(to, value);
}

void job_add_ingredients(struct strbuf *to, const char *stage, int version, const struct job_makers *makers,
	const char *params, const char *inputs)
{
	/* Keys in the order of their bytes. */
	strbuf_adds(to, "{\"inputs\":");
	strbuf_adds(to, inputs);
	add_if_asked(to, "numerics", makers->numerics);
	strbuf_adds(to, ",\"params\":");
	strbuf_adds(to, params);
	strbuf_adds(to, ",\"stage\":");
	json_quoted(to, stage);
	add_if_asked(to, "tool", makers->tool);
	add_if_asked(to, "unicode", makers->unicode);
	strbuf_addf(to, ",\"version\":%d}", version);
}

/* The same from trees, in new memory. */
static char *ingredients_of(const struct job *job, const cJSON *inputs)
{
	struct strbuf text, params_text, inputs_text;
	int version = (int)cJSON_GetObjectItemCaseSensitive(job->root, "version")->valuedouble;
	strbuf_init(&text);
	strbuf_init(&params_text);
	strbuf_init(&inputs_text);
	json_canonical(&params_text, job->params);
	json_canonical(&inputs_text, inputs);
	job_add_ingredients(&text, job->stage, version, &job->makers, params_text.s, inputs_text.s);
	strbuf_release(&params_text);
	strbuf_release(&inputs_text);
	return text.s;
}

int job_check_program(const struct job *job, const char *stage)
{
	struct file_map program;
	if (strcmp(job->stage, stage))
		return fail("%s: a job of %s, given to %s", job->path, job->stage, stage);
	if (!job->makers.tool)
		return 0;
	if (file_map_open(&program, "/proc/self/exe"))
		return -1;
	struct digest digest = hash_bytes(program.bytes, program.length);
	file_map_close(&program);
	if (!strcmp(digest.hex, job->makers.tool))
		return 0;
	return fail("%s: for another build of %s than this one (--strict-tools); run ninja, or ./configure, again",
		job->path, stage);
}

/* Its group is asked again, before what comes after it: were it only the job's own edge, groups behind it and the overview
 * would go by a stamp that stands for the lost result, and run too early. */
static void forget_group(const struct job *job)
{
	if (job->stamp)
		unlink(job->stamp);
}

int job_input_discard(const struct job *job, const struct job_input *input)
{
	struct job upstream;
	char *reason = mem_strdup(error_text()), *path = job_input_path(job, input);
	unlink(path);
	if (input->job && !job_open(&upstream, input->job)) {
		unlink(upstream.ref);
		forget_group(&upstream);
		job_close(&upstream);
	}
	/* Said here, too: without the object the job's own edge cannot even tell which action failed. */
	warn("%s: input \"%s\" is damaged and was removed: %s", job->cell, input->name, reason);
	fail("input \"%s\" is damaged and was removed; run ninja again. %s", input->name, reason);
	free(path);
	free(reason);
	return -1;
}

/* What a job's result is without its reference file: its action looked up in the cache. */
static int find_by_action(const char *job_path, int depth, struct cache_result *result);

static int resolve(struct job *job, int depth)
{
	cJSON *inputs = cJSON_CreateObject();
	int found = 1;
	/* All are looked at, also after one that is missing: references that point nowhere are dropped on the way, and one
	 * run should drop them all. */
	for (size_t i = 0; found >= 0 && i < job->input_count; i++) {
		struct job_input *input = &job->inputs[i];
		if (!input->job) {
			cJSON *files = cJSON_AddObjectToObject(inputs, input->name);
			for (size_t f = 0; f < input->file_count; f++)
				cJSON_AddStringToObject(files, input->files[f].name, input->files[f].digest.hex);
			continue;
		}
		int there = find_by_action(input->job, depth + 1, &input->result);
		if (there > 0)
			cJSON_AddStringToObject(inputs, input->name, input->result.identity.hex);
		else
			fail_context("%s: input \"%s\"", job->cell, input->name);
		found = there < found ? there : found;
	}
	if (found > 0) {
		free(job->ingredients);
		job->ingredients = ingredients_of(job, inputs);
		job->action = hash_bytes(job->ingredients, strlen(job->ingredients));
	}
	cJSON_Delete(inputs);
	return found;
}

static int find_by_action(const char *job_path, int depth, struct cache_result *result)
{
	struct job job;
	if (depth > DEPTH_MAX)
		return fail("%s: jobs depend on one another in a circle", job_path);
	if (job_open(&job, job_path))
		return -1;
	int referred = file_exists(job.ref), found = ref_read(job.ref, job.cache, job.key, result);
	if (!found) {
		if (referred)
			forget_group(&job);
		found = resolve(&job, depth);
		if (found > 0)
			found = cache_find(job.cache, &job.action, job.ingredients, result);
		if (!found)
			fail("%s of %s has no result yet", job.stage, job.cell);
	}
	job_close(&job);
	return found;
}

int job_resolve(struct job *job)
{
	return resolve(job, 0);
}

const struct job_input *job_input_find(const struct job *job, const char *name)
{
	for (size_t i = 0; i < job->input_count; i++)
		if (!strcmp(job->inputs[i].name, name))
			return &job->inputs[i];
	return NULL;
}

const struct job_input *job_input_need(const struct job *job, const char *name)
{
	const struct job_input *input = job_input_find(job, name);
	return input ? input : fail_null("%s: there is no input \"%s\"", job->path, name);
}

const struct job_file *job_input_file(const struct job_input *input, const char *name)
{
	for (size_t i = 0; i < input->file_count; i++)
		if (!strcmp(input->files[i].name, name))
			return &input->files[i];
	return NULL;
}

char *job_input_path(const struct job *job, const struct job_input *input)
{
	return cache_object_path(job->cache, &input->result);
}

const char *job_param_string(const struct job *job, const char *name)
{
	return json_string(job->params, name, job->path);
}

int job_param_size(const struct job *job, const char *name, size_t *value)
{
	uint64_t number;
	if (json_u64(job->params, name, job->path, &number))
		return -1;
	*value = (size_t)number;
	return 0;
}

const char *job_unhashed_string(const struct job *job, const char *name)
{
	return json_string(job->unhashed, name, job->path);
}

static const char ref_format[] = "quantgrid-ref/1";

static struct digest seal(const struct cache_result *result, const char *stage, const char *key)
{
	char *of = mem_printf("%s %s", stage, key);
	struct digest d = cache_seal(result, of);
	free(of);
	return d;
}

int ref_write(const struct job *job, const struct cache_result *result)
{
	struct strbuf text;
	cJSON *ref = cJSON_CreateObject();
	cJSON_AddStringToObject(ref, "format", ref_format);
	cJSON_AddStringToObject(ref, "stage", job->stage);
	cJSON_AddStringToObject(ref, "key", job->key);
	cJSON_AddStringToObject(ref, "action", result->action.hex);
	cJSON_AddStringToObject(ref, "kind", result->kind);
	cJSON_AddStringToObject(ref, "content", result->content.hex);
	cJSON_AddStringToObject(ref, "identity", result->identity.hex);
	cJSON_AddNumberToObject(ref, "size", (double)result->size);
	cJSON_AddStringToObject(ref, "seal", seal(result, job->stage, job->key).hex);
	strbuf_init(&text);
	json_pretty(&text, ref);
	strbuf_addc(&text, '\n');
	int bad = dir_make_parents(job->ref) || file_write_if_changed(job->ref, text.s, text.length, NULL);
	strbuf_release(&text);
	cJSON_Delete(ref);
	return bad ? -1 : 0;
}

int ref_parse(const char *path, char **stage, char **key, struct cache_result *result)
{
	*stage = *key = NULL;
	cJSON *ref = json_read(path, REF_BYTES_MAX);
	if (!ref)
		return -1;
	const char *kept = json_string(ref, "seal", path), *format = json_string(ref, "format", path);
	const char *by = json_string(ref, "stage", path), *of = json_string(ref, "key", path);
	int bad = !kept || !format || !by || !of || cache_result_read(ref, path, result);
	if (!bad && (strcmp(format, ref_format) || strcmp(kept, seal(result, by, of).hex)))
		bad = fail("%s: damaged: its seal is not of what it says", path);
	if (!bad) {
		*stage = mem_strdup(by);
		*key = mem_strdup(of);
	}
	cJSON_Delete(ref);
	return bad ? -1 : 0;
}

/* What the file says; -1 after fail() when that cannot be, or is of another job. */
static int read_sealed(const char *path, const char *key, struct cache_result *result)
{
	char *stage, *of;
	int bad = ref_parse(path, &stage, &of, result);
	if (!bad && strcmp(of, key))
		bad = fail("%s: another job's", path);
	free(stage);
	free(of);
	return bad;
}

int ref_read(const char *path, const char *cache, const char *key, struct cache_result *result)
{
	*result = (struct cache_result){0};
	if (!file_exists(path))
		return 0;
	if (!read_sealed(path, key, result) && !cache_object_check(cache, result))
		return 1;
	warn("%s: a reference file that leads nowhere, removed: the next ninja makes it again. %s", path, error_text());
	if (unlink(path) && errno != ENOENT)
		return fail("%s: cannot remove: %s", path, strerror(errno));
	return 0;
}
