#include "report/overview.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "report/files.h"
#include "report/overview_findings.h"
#include "report/overview_json.h"
#include "report/overview_markdown.h"

/* --- a cell --- */

static void fill_numbers(struct overview_cell *cell, const struct group_table *t)
{
	int single = t->format_count == 1;
	cell->unscored = !t->scored;
	cell->method = t->divergence ? "kl_div" : "gradient";
	cell->score_sequences = t->score_sequences;
	cell->score_tokens = t->score_tokens;
	cell->score_targets = t->score_targets;
	cell->loss = t->loss;
	cell->sum = group_table_sum(t);
	cell->normalised = single ? t->formats[0].normalised : 0;
	cell->interval = single ? t->formats[0].interval : (struct interval){0};
	cell->searched_total = t->search.score;
	cell->asked_bits = t->wished_bits;
	cell->target_bits = t->target_bits;
	cell->bits = t->effective_bits;
	cell->stored_bits = t->stored_bits;
	cell->over_budget = t->over_budget;
	cell->allow_none = t->allow_none;
	cell->search_bits = t->formats[0].search_bits;
	cell->cost_bits = t->formats[0].cost_bits;
	cell->check = t->check;
}

static void fill_groups(struct overview_cell *cell, const struct group_table *t)
{
	cell->group_count = t->count - t->vision_count;
	cell->groups = mem_zeroed(cell->group_count, sizeof *cell->groups);
	for (size_t g = 0; g < cell->group_count; g++) {
		const struct report_group *from = &t->groups[t->vision_count + g];
		cell->groups[g] = (struct overview_group){
			.name = mem_strdup(from->name),
			.title = mem_strdup(group_table_recipe(t, t->vision_count + g)),
			.choice = from->choice,
			.searched = from->searched,
			.numel = from->numel,
			.score = from->score,
			.predicted = t->format_count == 1 ? from->formats[0].normalised / (t->divergence ? 1 : 2) : 0,
			.stored_cost = t->format_count == 1 ? nearbyint(from->formats[0].cost_bits * from->numel) : 0,
		};
	}
	for (size_t i = 0; t->scored && i < cell->group_count && i < OVERVIEW_TOP; i++) {
		const struct report_group *group = &t->groups[t->descending[i]];
		cell->top[cell->top_count++] = (struct overview_top){mem_strdup(group->name), group->score};
	}
}

/* Blocks differ by at most one caption. */
void overview_captions(double *captions, size_t units, const struct scores *s)
{
	const size_t count = s->sequence_count, groups = scores_group_count(s);
	memset(captions, 0, groups * units * sizeof *captions);
	for (size_t g = 0; g < groups; g++)
		for (size_t c = 0; c < count; c++)
			captions[g * units + c * units / count] += s->sequence_score[g * count + c];
}

static void fill_captions(struct overview_cell *cell, const struct scores *s)
{
	cell->unit_count = s->sequence_count < OVERVIEW_UNITS_MAX ? s->sequence_count : OVERVIEW_UNITS_MAX;
	cell->captions = mem_array(cell->group_count * cell->unit_count, sizeof *cell->captions);
	overview_captions(cell->captions, cell->unit_count, s);
}

int overview_cell_fill(struct overview_cell *cell, const struct report_cell *inputs)
{
	struct group_table t;
	assert(cell->format_count == inputs->format_count);
	if (group_table_totals(&t, inputs))
		return -1;
	overview_cell_release(cell);
	cell->status = OVERVIEW_OK;
	cell->reason = NULL;
	fill_numbers(cell, &t);
	fill_groups(cell, &t);
	if (cell->format_count == 1)
		fill_captions(cell, inputs->formats[0].scores);
	cell->pairs = mem_array(cell->format_count, sizeof *cell->pairs);
	for (size_t f = 0; f < cell->format_count; f++)
		cell->pairs[f] = inputs->formats[f].scores->pair;
	group_table_release(&t);
	return 0;
}

int overview_cell_scored(const struct overview_cell *cell)
{
	return cell->status == OVERVIEW_OK && !cell->unscored;
}

int overview_cell_ranked(const struct overview_cell *cell)
{
	return overview_cell_scored(cell) && cell->format_count == 1;
}

void overview_cell_release(struct overview_cell *cell)
{
	for (size_t i = 0; i < cell->top_count; i++)
		free(cell->top[i].group);
	for (size_t g = 0; g < cell->group_count; g++) {
		free(cell->groups[g].name);
		free(cell->groups[g].title);
	}
	free(cell->groups);
	free(cell->captions);
	free(cell->pairs);
	cell->groups = NULL;
	cell->captions = NULL;
	cell->pairs = NULL;
	cell->top_count = cell->group_count = cell->unit_count = 0;
}

/* --- both files --- */

static int check_cells(const struct overview *o)
{
	for (size_t i = 0; i < o->count; i++) {
		const struct overview_cell *c = &o->cells[i];
		int single = c->format_count == 1;
		if (!c->name || !c->model || !c->pair || !c->granularity || !c->size || !c->formats || !c->format_count ||
			(single && (!c->weight || !c->activation)))
			return fail("overview of %s: cell %zu (%s) lacks a name", o->grid, i, c->name ? c->name : "?");
	}
	return 0;
}

static void make_files(struct report_file *files, const struct overview *o, const struct overview_table *table,
	const struct overview_findings *findings, const char *folder)
{
	cJSON *json = overview_json_make(o, table, findings, folder);
	files[0].name = mem_printf("%s.json", o->grid);
	files[1].name = mem_printf("%s.md", o->grid);
	strbuf_init(&files[0].text);
	strbuf_init(&files[1].text);
	json_pretty(&files[0].text, json);
	strbuf_addc(&files[0].text, '\n');
	overview_markdown_make(&files[1].text, o, table, findings, folder);
	cJSON_Delete(json);
}

int overview_write(const struct overview *o, const char *folder, size_t *changed)
{
	struct overview_table table;
	struct overview_findings findings;
	struct report_file files[2];
	if (check_cells(o))
		return -1;
	overview_table_make(&table, o);
	int bad = overview_findings_make(&findings, o, &table);
	if (!bad) {
		make_files(files, o, &table, &findings, folder);
		bad = report_files_write(folder, files, 2, changed);
		report_files_release(files, 2);
		overview_findings_release(&findings);
	}
	overview_table_release(&table);
	return bad ? fail_context("overview of %s", o->grid) : 0;
}
