#include "graph/ninja.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file_update.h"
#include "common/memory.h"
#include "graph/job_list.h"

static const char banner[] = "# Written by build/bin/generate from rules/ and conf/. Edits are lost.\n\n";

/* A path in a build line: Ninja gives '$', ' ' and ':' a meaning. */
static void add_path(struct strbuf *to, const char *path)
{
	for (size_t plain; plain = strcspn(path, "$ :"), strbuf_add(to, path, plain), path[plain]; path += plain + 1) {
		strbuf_addc(to, '$');
		strbuf_addc(to, path[plain]);
	}
}

/* A value in "name = value": only '$' needs care. */
static void add_value(struct strbuf *to, const char *name, const char *value)
{
	strbuf_adds(to, "  ");
	strbuf_adds(to, name);
	strbuf_adds(to, " = ");
	for (size_t plain; plain = strcspn(value, "$"), strbuf_add(to, value, plain), value[plain]; value += plain + 1)
		strbuf_adds(to, "$$");
	strbuf_addc(to, '\n');
}

/* "score-layers" -> "score_layers", as rule names have it. */
static void add_rule_name(struct strbuf *to, const char *stage)
{
	for (const char *p = stage; *p; p++)
		strbuf_addc(to, *p == '-' ? '_' : *p);
}

/* Whether all descriptions of a rule's jobs are what its "describe" has before the label, and the label. */
static int labels_describe(const struct plan *plan, const struct rule *rule)
{
	size_t length = strcspn(rule->describe, "$");
	return !strcmp(rule->describe + length, rule->label) && plan->plain_labels[rule - plan->rules->rules];
}

/* Commands name the job by its key, $k: the list of jobs is the same for all edges of the rule. */
static void write_rule(struct strbuf *to, const struct rule *rule, const char *kind, const char *arguments,
	int labels)
{
	strbuf_addf(to, "rule %s_", kind);
	add_rule_name(to, rule->stage);
	strbuf_addf(to, "\n  command = build/bin/%s %s\n  description = ", rule->stage, arguments);
	if (labels)
		strbuf_add(to, rule->describe, strcspn(rule->describe, "$"));
	strbuf_adds(to, labels ? "$l\n  restat = 1\n" : "$words\n  restat = 1\n");
	if (!rule->publish)
		strbuf_adds(to, "  generator = 1\n");
	/* Jobs of a group find their result; one that does not waits for its turn by itself (graph/stage.c). */
	if (rule->pool && (!rule->grouped || !strcmp(kind, "group")))
		strbuf_addf(to, "  pool = %s\n", rule->pool);
	strbuf_addc(to, '\n');
}

static void write_stage_rule(struct strbuf *to, const struct plan *plan, const struct rule *rule)
{
	char *list = job_list_path(plan->build_dir, rule->stage);
	char *arguments = mem_printf("%s:$k%s", list, rule->publish ? " $turn" : rule->grouped ? " --grouped" : "");
	strbuf_addf(to, "# %s\n", rule->about);
	write_rule(to, rule, "stage", arguments, labels_describe(plan, rule));
	if (rule->grouped)
		write_rule(to, rule, "group", "--group $job --stamp $out", 0);
	free(arguments);
	free(list);
}

/* The rule of reports; every cell has one. */
static const struct rule *report_rule(const struct plan *plan)
{
	return plan->jobs[plan->cells[0].report].rule;
}

static void write_rules(struct strbuf *to, const struct plan *plan, const struct ninja_grid *grid)
{
	/* compute: one process at a time uses all processors (or a GPU); disk: one checkpoint at a time is read. */
	strbuf_addf(to, "pool compute\n  depth = %zu\npool disk\n  depth = 1\n\n", grid->slots);
	for (size_t i = 0; i < plan->rules->count; i++)
		write_stage_rule(to, plan, &plan->rules->rules[i]);
	strbuf_adds(to, "rule overview\n  command = build/bin/render-report --overview $grid\n"
		"  description = OVERVIEW $words\n  restat = 1\n\n");
	strbuf_adds(to, "rule cell\n  command = build/bin/one-cell $out\n  description = $out\n  pool = compute\n"
		"build CELL: phony ALWAYS programs\n\n");
}

static const struct plan_group *group_of(const struct plan *plan, const struct plan_job *job)
{
	return job->group == PLAN_NO_GROUP ? NULL : &plan->groups[job->group];
}

static void add_program(struct strbuf *to, const struct rule *rule)
{
	strbuf_adds(to, " build/bin/");
	strbuf_adds(to, rule->stage);
}

static int needs(const struct plan *plan, size_t job, size_t what)
{
	const struct plan_job *j = &plan->jobs[job];
	for (size_t i = 0; i < j->input_count; i++)
		if (!j->inputs[i].is_leaf && (j->inputs[i].job == what || needs(plan, j->inputs[i].job, what)))
			return 1;
	return 0;
}

static void add_folder(struct strbuf *to, const struct plan *plan, const struct plan_job *job)
{
	add_path(to, plan->build_dir);
	strbuf_adds(to, "/ref/");
	strbuf_adds(to, job->rule->stage);
}

/* A job's reference file, in an edge whose $l is label (plan.c: name_job). */
static void add_ref(struct strbuf *to, const struct plan *plan, const struct plan_job *job, const char *label)
{
	if (strcmp(job->label, label)) {
		add_path(to, job->ref_path);
		return;
	}
	add_folder(to, plan, job);
	strbuf_adds(to, "/${l}-");
	strbuf_add(to, job->key.hex, JOB_KEY_SHORT);
	strbuf_adds(to, ".ref");
}

/* The reference files of a job's inputs, without those that another input needs and so stands behind. That a result is
 * another one is in the key, and so in the path, of all that comes of it. */
static void add_inputs(struct strbuf *to, const struct plan *plan, const struct plan_job *job)
{
	for (size_t i = 0; i < job->input_count; i++) {
		int implied = job->inputs[i].is_leaf;
		for (size_t k = 0; k < job->input_count && !implied; k++)
			implied = k != i && !job->inputs[k].is_leaf && (needs(plan, job->inputs[k].job, job->inputs[i].job) ||
				(k < i && job->inputs[k].job == job->inputs[i].job));
		if (implied)
			continue;
		strbuf_addc(to, ' ');
		add_ref(to, plan, &plan->jobs[job->inputs[i].job], job->label);
	}
}

static void add_key(struct strbuf *to, const struct plan_job *job)
{
	strbuf_adds(to, "  k = ");
	strbuf_add(to, job->key.hex, JOB_KEY_SHORT);
	strbuf_addc(to, '\n');
}

/* The edge's label, and its words unless the rule's description makes them of the label. */
static void add_words(struct strbuf *to, const struct plan *plan, const struct plan_job *job)
{
	add_value(to, "l", job->label);
	if (labels_describe(plan, job->rule))
		return;
	char *words = plan_describe(job);
	add_value(to, "words", words);
	free(words);
}

/* Stamps are of many edges: a variable each. */
static void add_stamp_variables(struct strbuf *to, const struct plan *plan)
{
	for (size_t g = 0; g < plan->group_count; g++)
		strbuf_addf(to, "g%zu = %s\n", g, plan->groups[g].stamp_path);
	strbuf_addc(to, '\n');
}

/* The reference file is written as a path of $l and $k (plan.c: name_job), which the edge sets anyway. */
static void write_job(struct strbuf *to, const struct plan *plan, const struct plan_job *job)
{
	strbuf_adds(to, "build ");
	add_folder(to, plan, job);
	strbuf_adds(to, "/${l}-$k.ref: stage_");
	add_rule_name(to, job->rule->stage);
	strbuf_adds(to, " |");
	add_inputs(to, plan, job);
	strbuf_adds(to, " ||");
	/* The stamp waits for the program. */
	if (job->group != PLAN_NO_GROUP)
		strbuf_addf(to, " $g%zu", job->group);
	else
		add_program(to, job->rule);
	strbuf_addc(to, '\n');
	add_words(to, plan, job);
	add_key(to, job);
}

static void write_group(struct strbuf *to, const struct plan *plan, const struct plan_group *group)
{
	char *job_seen = mem_zeroed(plan->job_count, 1), *group_seen = mem_zeroed(plan->group_count, 1);
	strbuf_adds(to, "build ");
	add_path(to, group->stamp_path);
	strbuf_adds(to, ": group_");
	add_rule_name(to, group->rule->stage);
	strbuf_adds(to, " |");
	for (size_t i = 0; i < group->count; i++) {
		const struct plan_job *job = &plan->jobs[group->jobs[i]];
		for (size_t k = 0; k < job->input_count; k++) {
			if (job->inputs[k].is_leaf)
				continue;
			const struct plan_job *from = &plan->jobs[job->inputs[k].job];
			const struct plan_group *upstream = group_of(plan, from);
			char *seen = upstream ? &group_seen[from->group] : &job_seen[job->inputs[k].job];
			if (*seen)
				continue;
			*seen = 1;
			strbuf_addc(to, ' ');
			add_path(to, upstream ? upstream->stamp_path : from->ref_path);
		}
	}
	strbuf_adds(to, " ||");
	add_program(to, group->rule);
	strbuf_addc(to, '\n');
	add_value(to, "job", group->path);
	char *words = mem_printf("%s: %zu job%s in one process", group->rule->stage, group->count,
		group->count == 1 ? "" : "s");
	add_value(to, "words", words);
	free(words);
	free(job_seen);
	free(group_seen);
}

/* A cell by itself: its stages one after the other, without groups; of one that cannot exist the reason. What is cached
 * costs a few milliseconds, so this is no file but a command that always runs. */
static void write_solo(struct strbuf *to, const char *name)
{
	strbuf_adds(to, "build cells/");
	add_path(to, name);
	strbuf_adds(to, ": cell CELL\n");
}

/* The edge of a published job, behind its outputs. */
static void write_published(struct strbuf *to, const struct plan *plan, const struct plan_job *job, int report_only)
{
	strbuf_adds(to, ": stage_");
	add_rule_name(to, job->rule->stage);
	strbuf_adds(to, " |");
	if (!report_only)
		add_inputs(to, plan, job);
	strbuf_adds(to, " ||");
	add_program(to, job->rule);
	strbuf_addc(to, '\n');
	add_words(to, plan, job);
	add_key(to, job);
	/* For the shell a comment, for Ninja another command. */
	if (job->turn)
		strbuf_addf(to, "  turn = # turn %" PRIu64 "\n", job->turn);
}

static void write_report(struct strbuf *to, struct strbuf *made, const struct plan *plan, const struct plan_cell *cell,
	int report_only, const struct ninja_files *files)
{
	char *name = files->of_report(cell);
	strbuf_addc(made, ' ');
	size_t from = made->length;
	add_path(made, cell->output_dir);
	strbuf_addc(made, '/');
	add_path(made, name);
	strbuf_adds(to, "build ");
	strbuf_add(to, made->s + from, made->length - from);
	write_published(to, plan, &plan->jobs[cell->report], report_only);
	free(name);
}

/* What is published beside the reports; the first file of each stands for all in the list of what a grid makes. */
static int write_beside(struct strbuf *to, struct strbuf *made, const struct plan *plan,
	const struct ninja_files *files)
{
	for (size_t i = 0; i < plan->job_count; i++) {
		const struct plan_job *job = &plan->jobs[i];
		char **names;
		size_t count;
		if (!job->rule->publish || job->rule == report_rule(plan))
			continue;
		if (files->of_job(job, &names, &count))
			return -1;
		strbuf_addc(made, ' ');
		add_path(made, names[0]);
		strbuf_adds(to, "build");
		for (size_t k = 0; k < count; k++) {
			strbuf_addc(to, ' ');
			add_path(to, names[k]);
			free(names[k]);
		}
		free(names);
		write_published(to, plan, job, 0);
	}
	return 0;
}

static void write_overview(struct strbuf *to, const struct plan *plan, const struct ninja_grid *grid)
{
	if (!grid->overview_count)
		return;
	strbuf_adds(to, "build");
	for (size_t i = 0; i < grid->overview_count; i++) {
		strbuf_addc(to, ' ');
		add_path(to, grid->overview[i]);
	}
	strbuf_adds(to, ": overview | ");
	add_path(to, grid->path);
	/* The groups' stamps, not the cells' files: the overview must come out when cells failed. */
	for (size_t g = 0; g < plan->group_count && !grid->report_only; g++) {
		strbuf_addc(to, ' ');
		add_path(to, plan->groups[g].stamp_path);
	}
	strbuf_adds(to, " ||");
	add_program(to, report_rule(plan));
	strbuf_addc(to, '\n');
	add_value(to, "grid", grid->path);
	add_value(to, "words", grid->overview[0]);
}

static void write_targets(struct strbuf *to, const struct ninja_grid *grid)
{
	strbuf_adds(to, "\nbuild report: run ALWAYS | build/bin/render-report\n  what = build/bin/render-report --present ");
	strbuf_adds(to, grid->path);
	strbuf_adds(to, "\n  words = REPORT of what is there\n");
	strbuf_adds(to, "\nbuild clean: run ALWAYS\n"
		"  what = rm -rf build/obj build/san build/tests build/bench build/bin build/ref build/jobs build/leaf"
		" build/failed build/logs build/progress\n"
		"  words = CLEAN (cache/ and published reports stay)\n");
}

/* Hands text over to the file. */
static void pass_on(struct file_update *file, struct strbuf *text)
{
	file_update_add(file, text->s, text->length);
	strbuf_clear(text);
}

static void write_jobs(struct file_update *file, const struct plan *plan)
{
	struct strbuf text;
	strbuf_init(&text);
	add_stamp_variables(&text, plan);
	for (size_t i = 0; i < plan->job_count; i++) {
		if (plan->jobs[i].ref_path)
			write_job(&text, plan, &plan->jobs[i]);
		pass_on(file, &text);
	}
	for (size_t g = 0; g < plan->group_count; g++) {
		write_group(&text, plan, &plan->groups[g]);
		pass_on(file, &text);
	}
	strbuf_release(&text);
}

static int write_cells(struct file_update *file, const struct plan *plan, const struct ninja_grid *grid,
	const struct ninja_files *files)
{
	struct strbuf text, made;
	int bad = 0;
	strbuf_init(&text);
	strbuf_init(&made);
	/* Before the reports: ready edges start in the order of the file, and this one takes longest. */
	write_overview(&text, plan, grid);
	pass_on(file, &text);
	for (size_t c = 0; c < plan->cell_count; c++) {
		write_report(&text, &made, plan, &plan->cells[c], grid->report_only, files);
		if (!grid->report_only)
			write_solo(&text, plan->cells[c].name);
		pass_on(file, &text);
	}
	for (size_t i = 0; i < grid->excluded_count && !grid->report_only; i++)
		write_solo(&text, grid->excluded[i]);
	if (!grid->report_only)
		bad = write_beside(&text, &made, plan, files);
	strbuf_addf(&text, "\nbuild grid: phony");
	strbuf_add(&text, made.s, made.length);
	for (size_t i = 0; i < grid->overview_count; i++) {
		strbuf_addc(&text, ' ');
		add_path(&text, grid->overview[i]);
	}
	strbuf_adds(&text, "\ndefault grid\n");
	write_targets(&text, grid);
	pass_on(file, &text);
	strbuf_release(&text);
	strbuf_release(&made);
	return bad;
}

int ninja_write(const struct plan *plan, const struct ninja_grid *grid, const struct ninja_files *files)
{
	struct file_update file;
	struct strbuf rules;
	char *path = path_join(plan->build_dir, "cells.ninja");
	strbuf_init(&rules);
	file_update_open(&file, path);
	file_update_add(&file, banner, sizeof banner - 1);
	write_rules(&rules, plan, grid);
	pass_on(&file, &rules);
	strbuf_release(&rules);
	if (!grid->report_only)
		write_jobs(&file, plan);
	file.failed |= write_cells(&file, plan, grid, files);
	int bad = file_update_close(&file, NULL);
	free(path);
	return bad;
}
