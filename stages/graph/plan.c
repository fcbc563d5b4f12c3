#include "graph/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "graph/job.h"

enum { KEY_SHORT = 16, LABEL_MAX = 160 };

/* A cell's view with the substitutions of the input through which we came. */
struct view {
	const cJSON *root;
	const struct rule_input *via;   /* its with; NULL at the cell itself */
	const cJSON *element;           /* laid over what is outside; NULL: nothing */
	const struct view *outer;       /* where the substitutes are looked up */
};

static const cJSON *at_path(const cJSON *root, const char *path)
{
	const cJSON *node = root;
	while (node) {
		size_t length = strcspn(path, ".");
		char *key = mem_strndup(path, length);
		node = cJSON_GetObjectItemCaseSensitive(node, key);
		free(key);
		if (!path[length])
			break;
		path += length + 1;
	}
	return node;
}

static const cJSON *view_at(const struct view *view, const char *path)
{
	for (size_t i = 0; view->via && i < view->via->with_count; i++)
		if (!strcmp(view->via->with[i].path, path))
			return view_at(view->outer, view->via->with[i].from);
	const cJSON *laid_over = view->element ? at_path(view->element, path) : NULL;
	if (laid_over)
		return laid_over;
	return view->outer ? view_at(view->outer, path) : at_path(view->root, path);
}

static const cJSON *need(const struct view *view, const struct rule *rule, const char *path)
{
	const cJSON *value = view_at(view, path);
	return value ? value : fail_null("%s: \"%s\" is not in the composed config", rule->path, path);
}

void plan_init(struct plan *plan, const struct rules *rules, const char *build_dir, const char *cache_dir,
	const char *numerics, plan_lister *(*lister)(const char *name))
{
	*plan = (struct plan){.rules = rules, .build_dir = build_dir, .cache_dir = cache_dir, .numerics = numerics,
		.lister = lister};
	plan->memo = leaf_memo_open(cache_dir);
}

static void files_free(struct plan_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(files[i].name);
		free(files[i].path);
	}
	free(files);
}

static void job_free(struct plan_job *job)
{
	for (size_t i = 0; i < job->input_count; i++) {
		files_free(job->inputs[i].files, job->inputs[i].file_count);
		free(job->inputs[i].name);
	}
	free(job->inputs);
	free(job->label);
	free(job->describe);
	free(job->job_path);
	free(job->ref_path);
	cJSON_Delete(job->params);
	cJSON_Delete(job->unhashed);
}

void plan_release(struct plan *plan)
{
	leaf_memo_close(plan->memo);
	for (size_t i = 0; i < plan->job_count; i++)
		job_free(&plan->jobs[i]);
	for (size_t i = 0; i < plan->group_count; i++) {
		free(plan->groups[i].by);
		free(plan->groups[i].jobs);
		free(plan->groups[i].path);
		free(plan->groups[i].stamp_path);
	}
	for (size_t i = 0; i < plan->cell_count; i++) {
		free(plan->cells[i].name);
		free(plan->cells[i].output_dir);
		free(plan->cells[i].scores);
		cJSON_Delete(plan->cells[i].view);
	}
	files_free(plan->leaves, plan->leaf_count);
	free(plan->jobs);
	free(plan->buckets);
	free(plan->groups);
	free(plan->cells);
	*plan = (struct plan){0};
}

/* ------------------------------------------------------------------------------------------------------------------
 * Leaves */

/* Hashing gigabytes for the first time takes seconds to a minute: who waits should know what for. */
static void say_large(const char *path)
{
	enum { LARGE_BYTES = 256 << 20 };
	struct stat s;
	if (!stat(path, &s) && s.st_size >= LARGE_BYTES)
		fprintf(stderr, "%s: looking at %s (%.1f GB)\n", program_name(), path, (double)s.st_size / 1e9);
}

static int leaf_file(struct plan *plan, const char *path, struct digest *digest)
{
	for (size_t i = 0; i < plan->leaf_count; i++) {
		if (!strcmp(plan->leaves[i].path, path)) {
			*digest = plan->leaves[i].digest;
			return 0;
		}
	}
	say_large(path);
	if (leaf_digest(plan->memo, path, digest))
		return -1;
	MEM_GROW(plan->leaves, plan->leaf_count, plan->leaf_capacity);
	plan->leaves[plan->leaf_count++] = (struct plan_file){NULL, mem_strdup(path), *digest};
	return 0;
}

static int add_file(struct plan *plan, struct plan_input *input, const char *name, char *path)
{
	struct plan_file *file = &input->files[input->file_count++];
	*file = (struct plan_file){.name = mem_strdup(name), .path = path};
	return leaf_file(plan, path, &file->digest);
}

static int read_leaf(struct plan *plan, struct plan_input *input, const struct rule *rule,
	const struct rule_input *from, const struct view *view)
{
	const cJSON *value = need(view, rule, from->leaf);
	if (!value)
		return -1;
	if (!cJSON_IsString(value))
		return fail("%s must be a path", from->leaf);
	if (!from->files) {
		/* The file's name stays out of the key: renaming a captions file changes nothing. */
		input->files = mem_zeroed(1, sizeof *input->files);
		return add_file(plan, input, "content", mem_strdup(value->valuestring)) ?
			fail_context("%s (another: %s=FILE)", from->leaf, from->leaf) : 0;
	}
	char **names;
	size_t count;
	plan_lister *lister = plan->lister(from->files);
	if (!lister)
		return fail("%s: unknown lister of files \"%s\"", rule->path, from->files);
	if (lister(value->valuestring, &names, &count))
		return fail_context("%s", from->leaf);
	input->files = mem_zeroed(count, sizeof *input->files);
	int bad = 0;
	for (size_t i = 0; i < count; i++) {
		if (!bad)
			bad = add_file(plan, input, names[i], path_join(value->valuestring, names[i]));
		free(names[i]);
	}
	free(names);
	return bad ? fail_context("%s", from->leaf) : 0;
}

/* ------------------------------------------------------------------------------------------------------------------
 * Jobs */

static size_t bucket_of(const struct plan *plan, const struct digest *key)
{
	char first[KEY_SHORT + 1];
	memcpy(first, key->hex, KEY_SHORT);
	first[KEY_SHORT] = '\0';
	return strtoull(first, NULL, 16) & (plan->bucket_count - 1);
}

/* The job of that key, or job_count. Open addressing; a bucket holds index + 1, 0 is empty. */
static size_t find_job(const struct plan *plan, const struct digest *key)
{
	for (size_t b = plan->bucket_count ? bucket_of(plan, key) : 0; plan->bucket_count && plan->buckets[b];
		b = (b + 1) & (plan->bucket_count - 1))
		if (digest_equal(&plan->jobs[plan->buckets[b] - 1].key, key))
			return plan->buckets[b] - 1;
	return plan->job_count;
}

static void insert_bucket(struct plan *plan, size_t job)
{
	size_t b = bucket_of(plan, &plan->jobs[job].key);
	while (plan->buckets[b])
		b = (b + 1) & (plan->bucket_count - 1);
	plan->buckets[b] = job + 1;
}

static void index_job(struct plan *plan, size_t job)
{
	if (2 * (job + 1) > plan->bucket_count) {
		plan->bucket_count = plan->bucket_count ? 2 * plan->bucket_count : 256;
		free(plan->buckets);
		plan->buckets = mem_zeroed(plan->bucket_count, sizeof *plan->buckets);
		for (size_t i = 0; i < job; i++)
			insert_bucket(plan, i);
	}
	insert_bucket(plan, job);
}

/* Text with ${path} replaced by values of the view. */
static char *expand(const struct view *view, const struct rule *rule, const char *template)
{
	struct strbuf text;
	strbuf_init(&text);
	for (const char *p = template; *p;) {
		size_t plain = strcspn(p, "$");
		strbuf_add(&text, p, plain);
		p += plain;
		if (!*p)
			break;
		const char *end = strchr(p, '}');
		if (p[1] != '{' || !end) {
			strbuf_release(&text);
			return fail_null("%s: \"%s\": expected ${path}", rule->path, template);
		}
		char *path = mem_strndup(p + 2, (size_t)(end - p) - 2);
		const cJSON *value = need(view, rule, path);
		free(path);
		if (!value) {
			strbuf_release(&text);
			return NULL;
		}
		if (cJSON_IsString(value))
			strbuf_adds(&text, value->valuestring);
		else
			json_canonical(&text, value);
		p = end + 1;
	}
	return text.s;
}

/* A file name out of a label: what a shell or Ninja would trip over becomes '_'. */
static void make_safe(char *label)
{
	for (char *p = label; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-=+", *p))
			*p = '_';
	if (strlen(label) > LABEL_MAX)
		label[LABEL_MAX] = '\0';
}

static cJSON *project(const struct view *view, const struct rule *rule, const struct names *names)
{
	cJSON *to = cJSON_CreateObject();
	for (size_t i = 0; i < names->count; i++) {
		const cJSON *value = need(view, rule, names->item[i]);
		if (!value) {
			cJSON_Delete(to);
			return NULL;
		}
		cJSON_AddItemToObject(to, names->item[i], cJSON_Duplicate(value, 1));
	}
	return to;
}

static int add_job(struct plan *plan, const struct rule *rule, const struct view *view, size_t *index);

/* Appends an input that a stage makes of the view, with element (may be NULL) laid over it. */
static int add_made(struct plan *plan, struct plan_job *job, const struct rule_input *from, const struct view *view,
	const cJSON *element, char *name)
{
	struct view inner = {.root = view->root, .via = from, .element = element, .outer = view};
	job->inputs = mem_resize(job->inputs, job->input_count + 1, sizeof *job->inputs);
	struct plan_input *input = &job->inputs[job->input_count++];
	*input = (struct plan_input){.name = name};
	return add_job(plan, rules_find(plan->rules, from->stage), &inner, &input->job);
}

static int add_each(struct plan *plan, struct plan_job *job, const struct rule_input *from, const struct view *view)
{
	const cJSON *element, *list = need(view, job->rule, from->each);
	size_t i = 0;
	if (!list)
		return -1;
	if (!cJSON_IsArray(list) || !list->child)
		return fail("%s: input '%s': each: \"%s\" is no list with elements", job->rule->path, from->name, from->each);
	cJSON_ArrayForEach(element, list)
		if (add_made(plan, job, from, view, element, mem_printf("%s.%zu", from->name, i++)))
			return -1;
	return 0;
}

static int add_input(struct plan *plan, struct plan_job *job, const struct rule_input *from, const struct view *view)
{
	if (from->each)
		return add_each(plan, job, from, view);
	if (from->stage)
		return add_made(plan, job, from, view, NULL, mem_strdup(from->name));
	job->inputs = mem_resize(job->inputs, job->input_count + 1, sizeof *job->inputs);
	struct plan_input *input = &job->inputs[job->input_count++];
	*input = (struct plan_input){.name = mem_strdup(from->name), .is_leaf = 1};
	return read_leaf(plan, input, job->rule, from, view);
}

/* Whether the cell has this input: its "when" names a value that is not "-", false or null. -1 after fail(). */
static int wanted(const struct rule *rule, const struct rule_input *from, const struct view *view)
{
	const cJSON *value = from->when ? need(view, rule, from->when) : NULL;
	if (from->when && !value)
		return -1;
	if (cJSON_IsString(value))
		return strcmp(value->valuestring, "-") != 0;
	return !cJSON_IsFalse(value) && !cJSON_IsNull(value);
}

static void compute_key(const struct plan *plan, struct plan_job *job)
{
	cJSON *inputs = cJSON_CreateObject();
	for (size_t i = 0; i < job->input_count; i++) {
		const struct plan_input *input = &job->inputs[i];
		if (!input->is_leaf) {
			cJSON_AddStringToObject(inputs, input->name, plan->jobs[input->job].key.hex);
			continue;
		}
		cJSON *files = cJSON_AddObjectToObject(inputs, input->name);
		for (size_t f = 0; f < input->file_count; f++)
			cJSON_AddStringToObject(files, input->files[f].name, input->files[f].digest.hex);
	}
	char *text = job_ingredients(job->rule->stage, job->rule->version, job->rule->numerics ? plan->numerics : NULL,
		job->params, inputs);
	job->key = hash_bytes(text, strlen(text));
	free(text);
	cJSON_Delete(inputs);
}

static void join_group(struct plan *plan, size_t index)
{
	struct plan_job *job = &plan->jobs[index];
	cJSON *by = cJSON_CreateObject();
	struct strbuf text;
	for (size_t i = 0; i < job->rule->group_by.count; i++) {
		const char *name = job->rule->group_by.item[i];
		const cJSON *param = cJSON_GetObjectItemCaseSensitive(job->params, name);
		if (param)
			cJSON_AddItemReferenceToObject(by, name, (cJSON *)(uintptr_t)param);
		for (size_t k = 0; k < job->input_count; k++)
			if (!strcmp(job->inputs[k].name, name))
				cJSON_AddStringToObject(by, name, plan->jobs[job->inputs[k].job].key.hex);
	}
	strbuf_init(&text);
	json_canonical(&text, by);
	cJSON_Delete(by);
	size_t g = 0;
	while (g < plan->group_count && (plan->groups[g].rule != job->rule || strcmp(plan->groups[g].by, text.s)))
		g++;
	if (g == plan->group_count) {
		MEM_GROW(plan->groups, plan->group_count, plan->group_capacity);
		plan->groups[plan->group_count++] = (struct plan_group){.rule = job->rule, .by = strbuf_take(&text)};
	}
	struct plan_group *group = &plan->groups[g];
	MEM_GROW(group->jobs, group->count, group->capacity);
	group->jobs[group->count++] = index;
	job->group = g;
	strbuf_release(&text);
}

static int name_job(struct plan *plan, struct plan_job *job, const struct view *view)
{
	job->label = expand(view, job->rule, job->rule->label);
	job->describe = expand(view, job->rule, job->rule->describe);
	if (!job->label || !job->describe)
		return -1;
	make_safe(job->label);
	job->job_path = mem_printf("%s/jobs/%s/%s-%.*s.json", plan->build_dir, job->rule->stage, job->label, KEY_SHORT,
		job->key.hex);
	if (!job->rule->publish)
		job->ref_path = mem_printf("%s/ref/%s/%s-%.*s.ref", plan->build_dir, job->rule->stage, job->label, KEY_SHORT,
			job->key.hex);
	return 0;
}

static int add_job(struct plan *plan, const struct rule *rule, const struct view *view, size_t *index)
{
	struct plan_job job = {.rule = rule, .group = PLAN_NO_GROUP};
	for (size_t i = 0; i < rule->input_count; i++) {
		int has = wanted(rule, &rule->inputs[i], view);
		if (has < 0 || (has && add_input(plan, &job, &rule->inputs[i], view)))
			goto bad;
	}
	job.params = project(view, rule, &rule->params);
	if (!job.params)
		goto bad;
	compute_key(plan, &job);
	*index = find_job(plan, &job.key);
	if (*index < plan->job_count) {
		job_free(&job);
		return 0;
	}
	job.unhashed = project(view, rule, &rule->unhashed);
	if (!job.unhashed || name_job(plan, &job, view))
		goto bad;
	MEM_GROW(plan->jobs, plan->job_count, plan->job_capacity);
	plan->jobs[plan->job_count++] = job;
	index_job(plan, *index);
	if (rule->grouped)
		join_group(plan, *index);
	return 0;
bad:
	job_free(&job);
	return -1;
}

/* The report of a cell: the published job that reads scores. */
static void take_report(const struct plan *plan, struct plan_cell *cell, size_t index)
{
	const struct plan_job *job = &plan->jobs[index];
	static const char scores[] = "scores";
	for (size_t i = 0; i < job->input_count; i++) {
		const char *rest = job->inputs[i].name + sizeof scores - 1;
		if (strncmp(job->inputs[i].name, scores, sizeof scores - 1) || (*rest && *rest != '.'))
			continue;
		cell->report = index;
		cell->scores = mem_resize(cell->scores, cell->score_count + 1, sizeof *cell->scores);
		cell->scores[cell->score_count++] = job->inputs[i].job;
	}
}

/* Adds the job of one published stage, if the cell wants it. The one that reads scores is the cell's report; others
 * stand beside it and are often those of many cells. */
static int add_published(struct plan *plan, const struct rule *rule, const struct view *view, struct plan_cell *cell)
{
	size_t index;
	const cJSON *when = rule->when ? need(view, rule, rule->when) : NULL;
	if (rule->when && !when)
		return -1;
	if (rule->when && !cJSON_IsTrue(when))
		return 0;
	if (add_job(plan, rule, view, &index))
		return -1;
	take_report(plan, cell, index);
	return 0;
}

int plan_add_cell(struct plan *plan, const char *name, cJSON *view, const char *output_dir)
{
	struct view v = {.root = view};
	struct plan_cell cell = {.name = mem_strdup(name), .view = view, .output_dir = mem_strdup(output_dir),
		.report = PLAN_NO_JOB};
	MEM_GROW(plan->cells, plan->cell_count, plan->cell_capacity);
	plan->cells[plan->cell_count++] = cell;
	struct plan_cell *kept = &plan->cells[plan->cell_count - 1];
	for (size_t i = 0; i < plan->rules->count; i++)
		if (plan->rules->rules[i].publish && add_published(plan, &plan->rules->rules[i], &v, kept))
			return fail_context("%s", name);
	return kept->report == PLAN_NO_JOB
		? fail("no rule with publish: true reads scores, so there is nothing to make") : 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void plan_finish(struct plan *plan)
{
	for (size_t g = 0; g < plan->group_count; g++) {
		struct plan_group *group = &plan->groups[g];
		const char **keys = mem_array(group->count, sizeof *keys);
		struct hasher *h = hasher_new();
		for (size_t i = 0; i < group->count; i++)
			keys[i] = plan->jobs[group->jobs[i]].key.hex;
		qsort(keys, group->count, sizeof *keys, by_text);
		for (size_t i = 0; i < group->count; i++)
			hasher_update(h, keys[i], DIGEST_HEX);
		group->key = hasher_digest(h);
		hasher_free(h);
		free(keys);
		group->path = mem_printf("%s/jobs/group/%s-%.*s.json", plan->build_dir, group->rule->stage, KEY_SHORT,
			group->key.hex);
		group->stamp_path = mem_printf("%s/ref/group/%s-%.*s.stamp", plan->build_dir, group->rule->stage, KEY_SHORT,
			group->key.hex);
	}
}

/* ------------------------------------------------------------------------------------------------------------------
 * Files */

static int write_json(const char *path, const cJSON *value)
{
	struct strbuf text;
	strbuf_init(&text);
	json_pretty(&text, value);
	strbuf_addc(&text, '\n');
	int bad = file_write_if_changed(path, text.s, text.length, NULL);
	strbuf_release(&text);
	return bad;
}

static cJSON *job_inputs(const struct plan *plan, const struct plan_job *job)
{
	cJSON *inputs = cJSON_CreateObject();
	for (size_t i = 0; i < job->input_count; i++) {
		const struct plan_input *input = &job->inputs[i];
		cJSON *to = cJSON_AddObjectToObject(inputs, input->name);
		if (!input->is_leaf) {
			cJSON_AddStringToObject(to, "job", plan->jobs[input->job].job_path);
			continue;
		}
		cJSON *files = cJSON_AddObjectToObject(to, "files");
		for (size_t f = 0; f < input->file_count; f++) {
			cJSON *file = cJSON_AddObjectToObject(files, input->files[f].name);
			cJSON_AddStringToObject(file, "path", input->files[f].path);
			cJSON_AddStringToObject(file, "digest", input->files[f].digest.hex);
		}
	}
	return inputs;
}

static int write_job(const struct plan *plan, const struct plan_job *job)
{
	cJSON *file = cJSON_CreateObject();
	cJSON_AddStringToObject(file, "format", "quantgrid-job/1");
	cJSON_AddStringToObject(file, "stage", job->rule->stage);
	cJSON_AddNumberToObject(file, "version", job->rule->version);
	if (job->rule->numerics)
		cJSON_AddStringToObject(file, "numerics", plan->numerics);
	cJSON_AddStringToObject(file, "cell", job->label);
	cJSON_AddStringToObject(file, "key", job->key.hex);
	cJSON_AddItemReferenceToObject(file, "params", job->params);
	cJSON_AddItemReferenceToObject(file, "unhashed", job->unhashed);
	cJSON_AddItemToObject(file, "inputs", job_inputs(plan, job));
	cJSON_AddStringToObject(file, "cache", plan->cache_dir);
	cJSON_AddStringToObject(file, "ref", job->ref_path ? job->ref_path : "");
	int bad = write_json(job->job_path, file);
	cJSON_Delete(file);
	return bad;
}

static int write_group(const struct plan *plan, const struct plan_group *group)
{
	cJSON *file = cJSON_CreateObject();
	cJSON_AddStringToObject(file, "format", "quantgrid-group/1");
	cJSON_AddStringToObject(file, "stage", group->rule->stage);
	cJSON *jobs = cJSON_AddArrayToObject(file, "jobs");
	for (size_t i = 0; i < group->count; i++)
		cJSON_AddItemToArray(jobs, cJSON_CreateString(plan->jobs[group->jobs[i]].job_path));
	int bad = write_json(group->path, file);
	cJSON_Delete(file);
	return bad;
}

static int make_folders(const struct plan *plan)
{
	int bad = 0;
	for (size_t i = 0; i < plan->rules->count && !bad; i++) {
		char *path = mem_printf("%s/jobs/%s", plan->build_dir, plan->rules->rules[i].stage);
		bad = dir_make(path);
		free(path);
	}
	char *path = mem_printf("%s/jobs/group", plan->build_dir);
	bad = bad || dir_make(path);
	free(path);
	return bad ? -1 : 0;
}

int plan_write_jobs(const struct plan *plan)
{
	if (make_folders(plan))
		return -1;
	for (size_t i = 0; i < plan->job_count; i++)
		if (write_job(plan, &plan->jobs[i]))
			return -1;
	for (size_t g = 0; g < plan->group_count; g++)
		if (write_group(plan, &plan->groups[g]))
			return -1;
	return 0;
}
