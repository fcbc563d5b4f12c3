#include "graph/ninja.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/strbuf.h"

static const char banner[] = "# Written by build/bin/generate from rules/ and conf/. Edits are lost.\n\n";

/* A path in a build line: Ninja gives '$', ' ' and ':' a meaning. */
static void add_path(struct strbuf *to, const char *path)
{
	for (const char *p = path; *p; p++) {
		if (*p == '$' || *p == ' ' || *p == ':')
			strbuf_addc(to, '$');
		strbuf_addc(to, *p);
	}
}

/* A value in "name = value": only '$' needs care. */
static void add_value(struct strbuf *to, const char *name, const char *value)
{
	strbuf_addf(to, "  %s = ", name);
	for (const char *p = value; *p; p++) {
		if (*p == '$')
			strbuf_addc(to, '$');
		strbuf_addc(to, *p);
	}
	strbuf_addc(to, '\n');
}

/* "score-layers" -> "score_layers", as rule names have it. */
static void add_rule_name(struct strbuf *to, const char *stage)
{
	for (const char *p = stage; *p; p++)
		strbuf_addc(to, *p == '-' ? '_' : *p);
}

static void write_stage_rule(struct strbuf *to, const struct rule *rule)
{
	strbuf_addf(to, "# %s\nrule stage_", rule->about);
	add_rule_name(to, rule->stage);
	strbuf_addf(to, "\n  command = build/bin/%s $job%s\n", rule->stage, rule->grouped ? " --stamp $stamp" : "");
	strbuf_adds(to, "  description = $words\n  restat = 1\n");
	if (!rule->publish)
		strbuf_adds(to, "  generator = 1\n");
	/* Jobs of a group find their result; one that does not waits for its turn by itself (graph/stage.c). */
	if (rule->pool && !rule->grouped)
		strbuf_addf(to, "  pool = %s\n", rule->pool);
	if (rule->grouped) {
		strbuf_adds(to, "\nrule group_");
		add_rule_name(to, rule->stage);
		strbuf_addf(to, "\n  command = build/bin/%s --group $job --stamp $out\n", rule->stage);
		strbuf_adds(to, "  description = $words\n  restat = 1\n  generator = 1\n");
		if (rule->pool)
			strbuf_addf(to, "  pool = %s\n", rule->pool);
	}
	strbuf_addc(to, '\n');
}

static int write_stages(const struct plan *plan, const struct ninja_grid *grid, int *changed)
{
	struct strbuf text;
	strbuf_init(&text);
	strbuf_adds(&text, banner);
	/* compute: one process at a time uses all processors (or a GPU); disk: one checkpoint at a time is read. */
	strbuf_addf(&text, "pool compute\n  depth = %zu\npool disk\n  depth = 1\n\n", grid->slots);
	for (size_t i = 0; i < plan->rules->count; i++)
		write_stage_rule(&text, &plan->rules->rules[i]);
	strbuf_adds(&text, "rule overview\n  command = build/bin/render-report --overview $grid\n"
		"  description = OVERVIEW $words\n  restat = 1\n\n");
	strbuf_adds(&text, "rule cell\n  command = $what\n  description = CELL $words\n  pool = compute\n");
	char *path = path_join(plan->build_dir, "stages.ninja");
	int bad = file_write_if_changed(path, text.s, text.length, changed);
	free(path);
	strbuf_release(&text);
	return bad;
}

static const struct plan_group *group_of(const struct plan *plan, const struct plan_job *job)
{
	return job->group == PLAN_NO_GROUP ? NULL : &plan->groups[job->group];
}

static void add_program(struct strbuf *to, const struct rule *rule)
{
	strbuf_addf(to, " build/bin/%s", rule->stage);
}

static void write_job(struct strbuf *to, const struct plan *plan, const struct plan_job *job)
{
	const struct plan_group *group = group_of(plan, job);
	strbuf_adds(to, "build ");
	add_path(to, job->ref_path);
	strbuf_adds(to, ": stage_");
	add_rule_name(to, job->rule->stage);
	strbuf_adds(to, " |");
	for (size_t i = 0; i < job->input_count; i++) {
		if (job->inputs[i].is_leaf)
			continue;
		strbuf_addc(to, ' ');
		add_path(to, plan->jobs[job->inputs[i].job].ref_path);
	}
	strbuf_adds(to, " ||");
	if (group) {
		strbuf_addc(to, ' ');
		add_path(to, group->stamp_path);
	}
	add_program(to, job->rule);
	strbuf_addc(to, '\n');
	add_value(to, "job", job->job_path);
	add_value(to, "words", job->describe);
	if (group)
		add_value(to, "stamp", group->stamp_path);
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

/* Marks a job and all it needs. Jobs stand behind what they need in the plan. */
static void mark_needed(const struct plan *plan, size_t index, char *needed)
{
	const struct plan_job *job = &plan->jobs[index];
	if (needed[index])
		return;
	needed[index] = 1;
	for (size_t i = 0; i < job->input_count; i++)
		if (!job->inputs[i].is_leaf)
			mark_needed(plan, job->inputs[i].job, needed);
}

/* The cell by itself: its stages one after the other, without groups. What is cached costs a few milliseconds, so this
 * is no file but a command that always runs. needed is scratch, all zero before and after. */
static void write_solo(struct strbuf *to, const struct plan *plan, const struct plan_cell *cell, char *needed)
{
	struct strbuf chain;
	strbuf_init(&chain);
	mark_needed(plan, cell->report, needed);
	for (size_t i = 0; i <= cell->report; i++) {
		if (!needed[i])
			continue;
		strbuf_addf(&chain, "%sbuild/bin/%s %s", chain.length ? " && " : "", plan->jobs[i].rule->stage,
			plan->jobs[i].job_path);
		needed[i] = 0;
	}
	strbuf_adds(to, "build cells/");
	add_path(to, cell->name);
	strbuf_adds(to, ": cell ALWAYS || programs\n");
	add_value(to, "what", chain.s);
	add_value(to, "words", cell->name);
	strbuf_release(&chain);
}

/* The edge of a published job. Takes files; the first one stands for all in the list of what a grid makes. */
static void write_published(struct strbuf *to, struct strbuf *made, const struct plan *plan,
	const struct plan_job *job, char **files, size_t count, int report_only)
{
	strbuf_adds(to, "build");
	for (size_t i = 0; i < count; i++) {
		strbuf_addc(to, ' ');
		add_path(to, files[i]);
		if (!i) {
			strbuf_addc(made, ' ');
			add_path(made, files[i]);
		}
		free(files[i]);
	}
	free(files);
	strbuf_adds(to, ": stage_");
	add_rule_name(to, job->rule->stage);
	strbuf_adds(to, " |");
	for (size_t i = 0; i < job->input_count && !report_only; i++) {
		if (job->inputs[i].is_leaf)
			continue;
		strbuf_addc(to, ' ');
		add_path(to, plan->jobs[job->inputs[i].job].ref_path);
	}
	strbuf_adds(to, " ||");
	add_program(to, job->rule);
	strbuf_addc(to, '\n');
	add_value(to, "job", job->job_path);
	add_value(to, "words", job->describe);
}

static int write_report(struct strbuf *to, struct strbuf *made, const struct plan *plan, const struct plan_cell *cell,
	int report_only, const struct ninja_files *files)
{
	char **names;
	size_t count;
	if (files->of_report(plan, cell, &names, &count))
		return -1;
	write_published(to, made, plan, &plan->jobs[cell->report], names, count, report_only);
	return 0;
}

/* The rule of reports; every cell has one. */
static const struct rule *report_rule(const struct plan *plan)
{
	return plan->jobs[plan->cells[0].report].rule;
}

/* What is published beside the reports. */
static int write_beside(struct strbuf *to, struct strbuf *made, const struct plan *plan,
	const struct ninja_files *files)
{
	for (size_t i = 0; i < plan->job_count; i++) {
		const struct plan_job *job = &plan->jobs[i];
		char **names;
		size_t count;
		if (!job->rule->publish || job->rule == report_rule(plan))
			continue;
		if (files->of_job(plan, job, &names, &count))
			return -1;
		write_published(to, made, plan, job, names, count, 0);
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
		"  what = rm -rf build/obj build/san build/tests build/bench build/bin build/ref build/jobs build/leaf\n"
		"  words = CLEAN (cache/ and published reports stay)\n");
}

int ninja_write(const struct plan *plan, const struct ninja_grid *grid, const struct ninja_files *files, int *changed)
{
	struct strbuf text, made;
	char *needed = mem_zeroed(plan->job_count, 1);
	int bad = 0;
	strbuf_init(&text);
	strbuf_init(&made);
	strbuf_adds(&text, banner);
	for (size_t i = 0; i < plan->job_count && !grid->report_only; i++)
		if (plan->jobs[i].ref_path)
			write_job(&text, plan, &plan->jobs[i]);
	for (size_t g = 0; g < plan->group_count && !grid->report_only; g++)
		write_group(&text, plan, &plan->groups[g]);
	/* Before the reports: ready edges start in the order of the file, and this one takes longest. */
	write_overview(&text, plan, grid);
	for (size_t c = 0; c < plan->cell_count && !bad; c++) {
		bad = write_report(&text, &made, plan, &plan->cells[c], grid->report_only, files);
		if (!bad && !grid->report_only)
			write_solo(&text, plan, &plan->cells[c], needed);
	}
	free(needed);
	if (!bad && !grid->report_only)
		bad = write_beside(&text, &made, plan, files);
	strbuf_addf(&text, "\nbuild grid: phony%s", made.s);
	for (size_t i = 0; i < grid->overview_count; i++) {
		strbuf_addc(&text, ' ');
		add_path(&text, grid->overview[i]);
	}
	strbuf_adds(&text, "\ndefault grid\n");
	write_targets(&text, grid);
	char *path = path_join(plan->build_dir, "cells.ninja");
	int stages_changed = 0, cells_changed = 0;
	if (!bad)
		bad = write_stages(plan, grid, &stages_changed) ||
			file_write_if_changed(path, text.s, text.length, &cells_changed);
	*changed = stages_changed || cells_changed;
	free(path);
	strbuf_release(&text);
	strbuf_release(&made);
	return bad ? -1 : 0;
}
