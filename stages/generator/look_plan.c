/* --dry-run and --explain. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/strbuf.h"
#include "config/suggest.h"
#include "generator/former.h"
#include "generator/look.h"
#include "generator/published.h"
#include "graph/job_list.h"
#include "graph/plan_results.h"

enum { CELLS_SHOWN = 60, REASONS_SHOWN = 20, VALUE_MAX = 56 };

/* The files that a published job declares. */
struct declared {
	size_t count, missing;
	char *first;                  /* of those missing */
};

struct looker {
	struct generator *g;
	struct plan *plan;
	struct plan_results results;
	char *done;                   /* [job_count] 0 not looked at, 1 nothing to do, 2 would run */
	struct declared *published;   /* [job_count] */
	int list;                     /* former_find()'s before */
	char *shown;                  /* [job_count] in the tree already */
};

/* Looks for each of the files; takes paths. */
static void look_for(struct declared *d, char **paths, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		d->count++;
		if (!file_exists(paths[i]) && !d->missing++)
			d->first = paths[i];
		else
			free(paths[i]);
	}
	free(paths);
}

static int start(struct looker *l, struct generator *g)
{
	struct plan *plan = &g->plan;
	char **paths;
	size_t count;
	*l = (struct looker){.g = g, .plan = plan, .done = mem_zeroed(plan->job_count, 1),
		.published = mem_zeroed(plan->job_count, sizeof *l->published), .shown = mem_zeroed(plan->job_count, 1)};
	plan_results_init(&l->results, plan);
	for (size_t i = 0; i < plan->cell_count; i++) {
		const struct plan_cell *cell = &plan->cells[i];
		char **manifest = mem_array(1, sizeof *manifest);
		manifest[0] = published_manifest(cell);
		look_for(&l->published[cell->report], manifest, 1);
	}
	for (size_t i = 0; i < plan->job_count; i++) {
		if (!plan->jobs[i].rule->publish || l->published[i].count)
			continue;
		if (published_files.of_job(&plan->jobs[i], &paths, &count))
			return -1;
		look_for(&l->published[i], paths, count);
	}
	return 0;
}

static void stop(struct looker *l)
{
	plan_results_release(&l->results);
	for (size_t i = 0; i < l->plan->job_count; i++)
		free(l->published[i].first);
	free(l->done);
	free(l->published);
	free(l->shown);
}

static int would_run(struct looker *l, size_t job);

/* An input that has no result yet; NULL: none. */
static const struct plan_input *waits_for(struct looker *l, const struct plan_job *job)
{
	for (size_t i = 0; i < job->input_count; i++)
		if (!job->inputs[i].is_leaf && would_run(l, job->inputs[i].job))
			return &job->inputs[i];
	return NULL;
}

/* As ninja does, the files that the graph declares are looked at by their names alone: they are those of this key when
 * the graph has it. */
static int would_run(struct looker *l, size_t job)
{
	const struct plan_job *j = &l->plan->jobs[job];
	if (!l->done[job]) {
		int has = j->rule->publish ? !l->published[job].missing && former_has(l->plan, j) && !waits_for(l, j)
			: plan_results_has(&l->results, job);
		l->done[job] = has ? 1 : 2;
	}
	return l->done[job] == 2;
}

static void add_missing(struct strbuf *to, const struct declared *d)
{
	if (!d->missing)
		strbuf_adds(to, "what is published may be of another key");
	else if (d->missing == d->count)
		strbuf_adds(to, "not published yet");
	else
		strbuf_addf(to, "%s is missing", d->first);
	if (d->missing > 1 && d->missing < d->count)
		strbuf_addf(to, ", and %zu more of its %zu files", d->missing - 1, d->count);
}

/* Appends why a job would run. */
static void add_reason(struct strbuf *to, struct looker *l, size_t job)
{
	const struct plan_job *j = &l->plan->jobs[job];
	const struct plan_input *input = waits_for(l, j);
	int other_cell = 0, known = former_has(l->plan, j);
	cJSON *former = former_find(l->plan, j, known, &other_cell);
	struct strbuf differences;
	strbuf_init(&differences);
	if (former && !other_cell)
		former_differences(&differences, l->plan, j, former);
	if (differences.length)
		strbuf_addf(to, "since the graph before: %s", differences.s);
	else if (input)
		strbuf_addf(to, "its input %s would be made anew", input->name);
	else if (j->rule->publish)
		add_missing(to, &l->published[job]);
	else
		strbuf_adds(to, known ? "no result in the cache" : "not asked for before");
	cJSON_Delete(former);
	strbuf_release(&differences);
}

static void print_reasons(struct looker *l, const struct rule *rule)
{
	size_t shown = 0, all = 0;
	for (size_t i = 0; i < l->plan->job_count; i++) {
		struct strbuf reason;
		if (l->plan->jobs[i].rule != rule || !would_run(l, i) || ++all > REASONS_SHOWN)
			continue;
		shown++;
		strbuf_init(&reason);
		add_reason(&reason, l, i);
		printf("    %s: %s\n", l->plan->jobs[i].label, reason.s);
		strbuf_release(&reason);
	}
	if (all > shown)
		printf("    ... and %zu more\n", all - shown);
}

static void print_stages(struct looker *l)
{
	size_t jobs[RULES_MAX] = {0}, runs[RULES_MAX] = {0}, all = 0, run = 0;
	const struct rules *rules = l->plan->rules;
	for (size_t i = 0; i < l->plan->job_count; i++) {
		size_t r = (size_t)(l->plan->jobs[i].rule - rules->rules);
		jobs[r]++;
		runs[r] += (size_t)would_run(l, i);
	}
	printf("%-20s %8s %8s %10s\n", "stage", "jobs", "cached", "would run");
	for (size_t r = 0; r < rules->count; r++) {
		if (!jobs[r])
			continue;
		printf("%-20s %8zu %8zu %10zu\n", rules->rules[r].stage, jobs[r], jobs[r] - runs[r], runs[r]);
		if (l->g->request.verbose)
			print_reasons(l, &rules->rules[r]);
		all += jobs[r];
		run += runs[r];
	}
	printf("%-20s %8zu %8zu %10zu\n\n", "in all", all, all - run, run);
}

/* Ninja knows a report by its manifest: what else of it is gone it does not see. */
static void print_lost(struct looker *l)
{
	size_t lost = 0;
	for (size_t i = 0; i < l->plan->cell_count; i++) {
		char *paths[REPORT_FILES];
		if (would_run(l, l->plan->cells[i].report))
			continue;
		published_report_paths(&l->plan->cells[i], paths);
		for (size_t k = 0; k < REPORT_FILES; k++) {
			if (!file_exists(paths[k]) && ++lost <= REASONS_SHOWN)
				printf("lost    %s\n", paths[k]);
			free(paths[k]);
		}
	}
	if (lost > REASONS_SHOWN)
		printf("lost    ... and %zu more\n", lost - REASONS_SHOWN);
	if (lost)
		puts("ninja does not miss these; ninja report writes them again\n");
}

/* A cell counts as cached when its scores are. */
static void print_cells(struct looker *l)
{
	size_t most = l->g->request.verbose ? l->plan->cell_count : CELLS_SHOWN;
	for (size_t i = 0; i < l->plan->cell_count && i < most; i++) {
		const struct plan_cell *cell = &l->plan->cells[i];
		int cached = 1;
		for (size_t k = 0; k < cell->score_count && cached; k++)
			cached = plan_results_has(&l->results, cell->scores[k]);
		printf("%-7s %s\n", cached ? "cached" : "to run", cell->name);
	}
	if (l->plan->cell_count > most)
		printf("... and %zu more cells (-v lists all)\n", l->plan->cell_count - most);
	for (size_t i = 0; i < l->g->invalid_count && i < most; i++)
		printf("cannot exist: %s: %s\n", l->g->invalid[i].name, l->g->invalid[i].reason);
}

int look_dry_run(struct generator *g)
{
	struct looker l;
	if (start(&l, g))
		return -1;
	print_stages(&l);
	if (g->request.verbose)
		print_lost(&l);
	print_cells(&l);
	stop(&l);
	return 0;
}

/* --- the tree of keys --- */

static void print_value(const char *name, const cJSON *value, int indent)
{
	char *text = cJSON_IsString(value) ? mem_strdup(value->valuestring) : cJSON_PrintUnformatted(value);
	printf("%*sparam %s = %.*s%s\n", indent, "", name, VALUE_MAX, text, strlen(text) > VALUE_MAX ? "..." : "");
	if (cJSON_IsString(value))
		free(text);
	else
		cJSON_free(text);
}

static void print_change(struct looker *l, const struct plan_job *j, int indent)
{
	int other_cell = 0;
	cJSON *former = former_find(l->plan, j, l->list, &other_cell);
	const cJSON *key = cJSON_GetObjectItemCaseSensitive(former, "key");
	const cJSON *cell = cJSON_GetObjectItemCaseSensitive(former, "cell");
	struct strbuf differences;
	strbuf_init(&differences);
	if (cJSON_IsString(key) && strcmp(key->valuestring, j->key.hex)) {
		former_differences(&differences, l->plan, j, former);
		printf("%*schanged: K %.*s -> %.*s", indent, "", JOB_KEY_SHORT, key->valuestring, JOB_KEY_SHORT, j->key.hex);
		if (other_cell && cJSON_IsString(cell))
			printf(" (nearest: %s)", cell->valuestring);
		printf(": %s\n", differences.length ? differences.s : "how keys are made");
	}
	cJSON_Delete(former);
	strbuf_release(&differences);
}

static void print_job(struct looker *l, size_t job, const char *name, int depth)
{
	const struct plan_job *j = &l->plan->jobs[job];
	int indent = depth * 4;
	printf("%*s%s%s%s  %s  K %.*s", indent, "", name, *name ? ": " : "", j->rule->stage, j->label, JOB_KEY_SHORT,
		j->key.hex);
	if (l->shown[job]++) {
		puts("  (see above)");
		return;
	}
	printf("  version %d  %s\n", j->rule->version, would_run(l, job) ? "would run" : "cached");
	indent += 4;
	print_change(l, j, indent);
	const struct job_makers makers = plan_makers(l->plan, j->rule);
	if (makers.numerics)
		printf("%*snumerics: %s\n", indent, "", makers.numerics);
	if (makers.unicode)
		printf("%*sunicode: %s\n", indent, "", makers.unicode);
	if (makers.tool)
		printf("%*sprogram: %.*s\n", indent, "", JOB_KEY_SHORT, makers.tool);
	for (const cJSON *v = j->params->child; v; v = v->next)
		print_value(v->string, v, indent);
	for (size_t i = 0; i < j->input_count; i++) {
		const struct plan_input *input = &j->inputs[i];
		if (!input->is_leaf)
			print_job(l, input->job, input->name, depth + 1);
		for (size_t f = 0; f < input->file_count; f++)
			printf("%*s%s: %s  %.*s\n", indent, "", input->name, input->files[f].path, JOB_KEY_SHORT,
				input->files[f].digest.hex);
	}
}

/* What was taken from the environment when this was asked: it is in the keys as a value like any other. */
static void print_environment(const struct generator *g, const struct node *n, const char *path)
{
	if (n->kind == NODE_STRING && strstr(n->text, "${oc.env:")) {
		const struct node *value = node_at(g->grid.cells[0].config, path);
		struct strbuf text;
		strbuf_init(&text);
		if (value)
			node_to_flow(&text, value);
		printf("environment: %s = %s, from %s\n", path, text.s, n->text);
		strbuf_release(&text);
	}
	for (size_t i = 0; n->kind == NODE_DICT && i < n->count; i++) {
		char *below = mem_printf("%s%s%s", path, *path ? "." : "", n->keys[i].text);
		print_environment(g, n->items[i], below);
		free(below);
	}
}

static int all_known(struct looker *l, size_t job)
{
	const struct plan_job *j = &l->plan->jobs[job];
	int known = former_has(l->plan, j);
	for (size_t i = 0; i < j->input_count && known; i++)
		known = j->inputs[i].is_leaf || all_known(l, j->inputs[i].job);
	return known;
}

static int no_such_cell(const struct plan *plan, const char *name)
{
	struct strbuf near;
	const char **names = mem_array(plan->cell_count, sizeof *names);
	for (size_t i = 0; i < plan->cell_count; i++)
		names[i] = plan->cells[i].name;
	strbuf_init(&near);
	suggest_among(&near, name, names, plan->cell_count, "the cells are");
	fail("--explain %s: no cell of the grid%s", name, near.s);
	strbuf_release(&near);
	free(names);
	return -1;
}

int look_explain(struct generator *g)
{
	struct plan *plan = &g->plan;
	struct looker l;
	size_t c = 0;
	while (c < plan->cell_count && strcmp(plan->cells[c].name, g->request.about[0]))
		c++;
	if (c == plan->cell_count)
		return no_such_cell(plan, g->request.about[0]);
	if (start(&l, g))
		return -1;
	/* What was asked for last is the same: then who asks means what changed with that. */
	l.list = all_known(&l, plan->cells[c].report);
	printf("%s, %s\n\n", plan->cells[c].name, l.list ? "as in the graph; compared with the one before"
		: "compared with the graph of the last ./configure");
	print_environment(g, g->grid.composed, "");
	print_job(&l, plan->cells[c].report, "", 0);
	stop(&l);
	return 0;
}
