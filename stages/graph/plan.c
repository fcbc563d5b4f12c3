#include "graph/plan.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "common/strbuf.h"
#include "graph/job_list.h"
#include "graph/plan_key.h"
#include "graph/plan_leaves.h"
#include "graph/view.h"

enum { LABEL_MAX = 160 };

void plan_init(struct plan *plan, const struct rules *rules, const char *build_dir, const char *cache_dir,
	const char *numerics, const char *unicode, plan_lister *(*lister)(const char *name))
{
	*plan = (struct plan){.rules = rules, .build_dir = build_dir, .cache_dir = cache_dir, .numerics = numerics,
		.unicode = unicode, .lister = lister};
	plan->memo = leaf_memo_open(cache_dir);
	plan->reads = rule_reads_make(rules);
	strbuf_init(&plan->scratch);
	plan->plain_labels = mem_array(rules->count, 1);
	memset(plan->plain_labels, 1, rules->count);
}

static void job_free(struct plan_job *job)
{
	for (size_t i = 0; i < job->input_count; i++) {
		plan_files_free(job->inputs[i].files, job->inputs[i].file_count);
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
	plan_files_free(plan->leaves, plan->leaf_count);
	free(plan->jobs);
	hash_map_release(&plan->by_key);
	hash_map_release(&plan->by_reads);
	json_texts_release(&plan->texts);
	rule_reads_free(plan->reads, plan->rules);
	strbuf_release(&plan->scratch);
	free(plan->plain_labels);
	free(plan->layers);
	free(plan->found);
	free(plan->groups);
	free(plan->cells);
	*plan = (struct plan){0};
}

/* ------------------------------------------------------------------------------------------------------------------
 * Jobs */

/* A file name out of a label: what a shell or Ninja would trip over becomes '_'. Whether it was one already. */
static char make_safe(char *label)
{
	static const char fit[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-=+";
	size_t length = strlen(label), plain = strspn(label, fit);
	for (char *p = label + plain; *p; p++)
		if (!strchr(fit, *p))
			*p = '_';
	if (length > LABEL_MAX)
		label[LABEL_MAX] = '\0';
	return plain == length && length <= LABEL_MAX;
}

/* The values of these names, by reference: the cell's view stays with the plan. */
static cJSON *project(const struct view *view, const struct rule *rule, const struct names *names)
{
	cJSON *to = cJSON_CreateObject();
	for (size_t i = 0; i < names->count; i++) {
		const cJSON *value = view_need(view, rule, names->item[i]);
		if (!value) {
			cJSON_Delete(to);
			return NULL;
		}
		json_add_reference(to, names->item[i], value);
	}
	return to;
}

static int add_job(struct plan *plan, const struct rule *rule, const struct view *view, size_t *index);

/* The number of a view through from and element: that of the outer one when they change nothing. */
static size_t layer_of(struct plan *plan, const struct view *outer, const struct rule_input *from, const cJSON *element)
{
	size_t i = 0;
	if (!from->with_count && !element)
		return outer->layer;
	while (i < plan->layer_count && (plan->layers[i].outer != outer->layer || plan->layers[i].via != from ||
		plan->layers[i].element != element))
		i++;
	if (i == plan->layer_count) {
		MEM_GROW(plan->layers, plan->layer_count, plan->layer_capacity);
		plan->layers[plan->layer_count++] = (struct plan_layer){outer->layer, from, element};
	}
	return i + 1;
}

/* Appends an input that a stage makes of the view, with element (may be NULL) laid over it. */
static int add_made(struct plan *plan, struct plan_job *job, const struct rule_input *from, const struct view *view,
	const cJSON *element, char *name)
{
	struct view inner = {.root = view->root, .via = from, .element = element, .outer = view,
		.layer = layer_of(plan, view, from, element)};
	MEM_GROW(job->inputs, job->input_count, job->input_capacity);
	struct plan_input *input = &job->inputs[job->input_count++];
	*input = (struct plan_input){.name = name};
	return add_job(plan, rules_find(plan->rules, from->stage), &inner, &input->job);
}

static int add_each(struct plan *plan, struct plan_job *job, const struct rule_input *from, const struct view *view)
{
	const cJSON *element, *list = view_need(view, job->rule, from->each);
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
	MEM_GROW(job->inputs, job->input_count, job->input_capacity);
	struct plan_input *input = &job->inputs[job->input_count++];
	*input = (struct plan_input){.name = mem_strdup(from->name), .is_leaf = 1};
	return plan_read_leaf(plan, input, job->rule, from, view);
}

static const struct digest *key_of(const void *plan, size_t job)
{
	return &((const struct plan *)plan)->jobs[job].key;
}

static void compute_key(struct plan *plan, struct plan_job *job)
{
	strbuf_clear(&plan->scratch);
	plan_add_ingredients(&plan->scratch, plan, job, key_of, plan);
	job->key = hash_bytes(plan->scratch.s, plan->scratch.length);
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
	json_texts_canonical(&plan->texts, &text, by, 2);
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
	job->label = view_expand(view, job->rule, job->rule->label);
	if (!job->label)
		return -1;
	char plain = make_safe(job->label);
	plan->plain_labels[job->rule - plan->rules->rules] &= plain;
	if ((!plain || strcmp(strchrnul(job->rule->describe, '$'), job->rule->label)) &&
		!(job->describe = view_expand(view, job->rule, job->rule->describe)))
		return -1;
	struct digest key = job->key;
	key.hex[JOB_KEY_SHORT] = '\0';
	job->job_path = mem_join(plan->build_dir, "/jobs/", job->rule->stage, ".jsonl:", key.hex, NULL);
	if (!job->rule->publish)
		job->ref_path = mem_join(plan->build_dir, "/ref/", job->rule->stage, "/", job->label, "-", key.hex, ".ref", NULL);
	return 0;
}

char *plan_describe(const struct plan_job *job)
{
	return job->describe ? mem_strdup(job->describe)
		: mem_printf("%.*s%s", (int)strcspn(job->rule->describe, "$"), job->rule->describe, job->label);
}

/* Makes the job, or finds that there is one of its key. */
static int make_job(struct plan *plan, const struct rule *rule, const struct view *view, size_t *index)
{
	struct plan_job job = {.rule = rule, .group = PLAN_NO_GROUP, .input_capacity = rule->input_count};
	if (rule->input_count)
		job.inputs = mem_array(rule->input_count, sizeof *job.inputs);
	for (size_t i = 0; i < rule->input_count; i++) {
		int has = view_wants(view, rule, &rule->inputs[i]);
		if (has < 0 || (has && add_input(plan, &job, &rule->inputs[i], view)))
			goto bad;
	}
	job.params = project(view, rule, &rule->params);
	if (!job.params)
		goto bad;
	compute_key(plan, &job);
	*index = *hash_map_at(&plan->by_key, job.key.hex, DIGEST_HEX);
	if (*index != HASH_MAP_NEW) {
		job_free(&job);
		return 0;
	}
	job.unhashed = project(view, rule, &rule->unhashed);
	if (!job.unhashed || name_job(plan, &job, view))
		goto bad;
	MEM_GROW(plan->jobs, plan->job_count, plan->job_capacity);
	*index = plan->job_count++;
	plan->jobs[*index] = job;
	*hash_map_at(&plan->by_key, job.key.hex, DIGEST_HEX) = *index;
	if (rule->grouped)
		join_group(plan, *index);
	return 0;
bad:
	job_free(&job);
	return -1;
}

/* By the values it reads, hashed: the job of some cell before. */
static struct hash128 hash_reads(struct plan *plan, const struct rule *rule, const struct rule_reads *reads,
	const struct view *view)
{
	struct strbuf *text = &plan->scratch;
	strbuf_clear(text);
	strbuf_add(text, &rule, sizeof rule);
	for (size_t i = 0; i < reads->count; i++) {
		const cJSON *value = view_at(view, reads->paths[i]);
		if (value)
			json_texts_canonical(&plan->texts, text, value, 1);
		strbuf_addc(text, '\n');
	}
	return hash_pair(text->s, text->length);
}

/* Whether cells hardly ever have the jobs of a rule in common, as its first ones showed: then looking for one costs more
 * than making it, which finds it, too, by its key. */
static int are_single(const struct rule_reads *reads)
{
	enum { TRIED = 256, ONE_OF = 8 };
	return reads->asked >= TRIED && reads->found * ONE_OF < reads->asked;
}

static int find_or_make(struct plan *plan, const struct rule *rule, const struct view *view, size_t *index)
{
	struct rule_reads *reads = &plan->reads[rule - plan->rules->rules];
	if (are_single(reads))
		return make_job(plan, rule, view, index);
	struct hash128 read = hash_reads(plan, rule, reads, view);
	*index = *hash_map_at(&plan->by_reads, &read, sizeof read);
	reads->asked++;
	reads->found += *index != HASH_MAP_NEW;
	if (*index != HASH_MAP_NEW)
		return 0;
	if (make_job(plan, rule, view, index))
		return -1;
	*hash_map_at(&plan->by_reads, &read, sizeof read) = *index;
	return 0;
}

static int add_job(struct plan *plan, const struct rule *rule, const struct view *view, size_t *index)
{
	if (rule->publish)
		return make_job(plan, rule, view, index); /* hardly ever shared */
	/* Inputs of inputs are mostly those that the report has, too. */
	for (size_t i = 0; i < plan->found_count; i++)
		if (plan->found[i].rule == rule && plan->found[i].layer == view->layer) {
			*index = plan->found[i].job;
			return 0;
		}
	if (find_or_make(plan, rule, view, index))
		return -1;
	MEM_GROW(plan->found, plan->found_count, plan->found_capacity);
	plan->found[plan->found_count++] = (struct plan_found){rule, view->layer, *index};
	return 0;
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
	const cJSON *when = rule->when ? view_need(view, rule, rule->when) : NULL;
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
	plan->layer_count = plan->found_count = 0;
	struct plan_cell *kept = &plan->cells[plan->cell_count - 1];
	for (size_t i = 0; i < plan->rules->count; i++)
		if (plan->rules->rules[i].publish && add_published(plan, &plan->rules->rules[i], &v, kept))
			return fail_context("%s", name);
	return kept->report == PLAN_NO_JOB
		? fail("no rule with publish: true reads scores, so there is nothing to make") : 0;
}

void plan_finish(struct plan *plan)
{
	for (size_t g = 0; g < plan->group_count; g++) {
		struct plan_group *group = &plan->groups[g];
		const char **keys = mem_array(group->count, sizeof *keys);
		struct hasher *h = hasher_new();
		for (size_t i = 0; i < group->count; i++)
			keys[i] = plan->jobs[group->jobs[i]].key.hex;
		qsort(keys, group->count, sizeof *keys, text_order);
		for (size_t i = 0; i < group->count; i++)
			hasher_update(h, keys[i], DIGEST_HEX);
		group->key = hasher_digest(h);
		hasher_free(h);
		free(keys);
		group->path = mem_printf("%s/jobs/group/%s-%.*s.json", plan->build_dir, group->rule->stage, JOB_KEY_SHORT,
			group->key.hex);
		group->stamp_path = mem_printf("%s/ref/group/%s-%.*s.stamp", plan->build_dir, group->rule->stage, JOB_KEY_SHORT,
			group->key.hex);
	}
}
