#include "report/overview.h"

#include <stdlib.h>

#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "report/files.h"
#include "report/float_json.h"
#include "report/group_table.h"
#include "report/overview_markdown.h"
#include "report/overview_table.h"

int overview_cell_fill(struct overview_cell *cell, const struct report_cell *inputs)
{
	struct group_table t;
	if (group_table_make(&t, inputs))
		return -1;
	overview_cell_release(cell);
	cell->status = OVERVIEW_OK;
	cell->reason = NULL;
	cell->unscored = !t.scored;
	cell->divergence = t.divergence;
	cell->quantizers = inputs->scores->pair;
	cell->score_sequences = t.score_sequences;
	cell->score_tokens = t.score_tokens;
	cell->score_targets = t.score_targets;
	cell->loss = t.loss;
	cell->sum = t.sum;
	cell->normalised = t.normalised;
	cell->searched_total = t.search.score;
	cell->asked_bits = t.wished_bits;
	cell->target_bits = t.target_bits;
	cell->satisfied = t.satisfied;
	cell->bits = t.effective_bits;
	cell->stored_bits = t.stored_bits;
	cell->over_budget = t.over_budget;
	cell->search_bits = t.search_bits;
	cell->cost_bits = t.cost_bits;
	for (size_t i = 0; t.scored && i < t.count - t.vision_count && i < OVERVIEW_TOP; i++) {
		const struct report_group *group = &t.groups[t.descending[i]];
		cell->top[cell->top_count++] = (struct overview_top){mem_strdup(group->name), group->score};
	}
	group_table_release(&t);
	return 0;
}

int overview_cell_scored(const struct overview_cell *cell)
{
	return cell->status == OVERVIEW_OK && !cell->unscored;
}

void overview_cell_release(struct overview_cell *cell)
{
	for (size_t i = 0; i < cell->top_count; i++)
		free(cell->top[i].group);
	cell->top_count = 0;
}

/* --- JSON --- */

static void add_text(cJSON *to, const char *name, const char *text)
{
	if (text)
		cJSON_AddStringToObject(to, name, text);
	else
		cJSON_AddNullToObject(to, name);
}

static void add_float(cJSON *to, const char *name, double value, int known)
{
	cJSON_AddItemToObject(to, name, known ? float_json(value) : cJSON_CreateNull());
}

static void add_count(cJSON *to, const char *name, size_t value, int known)
{
	cJSON_AddItemToObject(to, name, known ? cJSON_CreateNumber((double)value) : cJSON_CreateNull());
}

static cJSON *top_json(const struct overview_cell *cell)
{
	cJSON *list = cJSON_CreateArray();
	for (size_t i = 0; i < cell->top_count; i++) {
		cJSON *entry = cJSON_CreateObject();
		cJSON_AddStringToObject(entry, "group", cell->top[i].group);
		float_json_add(entry, "score", cell->top[i].score);
		add_count(entry, "rank", i + 1, 1);
		cJSON_AddItemToArray(list, entry);
	}
	return list;
}

static const char *status_of(const struct overview_cell *cell)
{
	static const char *const status[] = {"ok", "failed", "missing"};
	return cell->status == OVERVIEW_OK && cell->unscored ? "unscored" : status[cell->status];
}

static void add_codes(cJSON *to, const struct overview_cell *cell, int ok)
{
	char code[QUANTIZER_CODE_MAX];
	quantizer_weight_code(code, cell->quantizers.weight);
	add_text(to, "weight_code", ok ? code : NULL);
	quantizer_activation_code(code, cell->quantizers.activation);
	add_text(to, "activation_code", ok ? code : NULL);
}

static void add_result(cJSON *to, const struct overview_cell *cell)
{
	int ok = cell->status == OVERVIEW_OK, scored = overview_cell_scored(cell);
	add_float(to, "sum", cell->sum, scored);
	add_float(to, "normalised", cell->normalised, scored);
	add_float(to, "searched_total", cell->searched_total, scored);
	add_float(to, "bits", cell->bits, ok);
	add_float(to, "stored_bits", cell->stored_bits, ok);
	add_float(to, "asked_bits", cell->asked_bits, ok);
	add_float(to, "target_bits", cell->target_bits, ok);
	cJSON_AddItemToObject(to, "satisfied", ok ? cJSON_CreateBool(cell->satisfied) : cJSON_CreateNull());
	cJSON_AddItemToObject(to, "top", top_json(cell));
}

static cJSON *cell_json(const struct overview *o, const struct overview_table *t, size_t index, const char *folder)
{
	const struct overview_cell *cell = &o->cells[index];
	size_t same = t->same[index];
	int ok = cell->status == OVERVIEW_OK;
	cJSON *to = cJSON_CreateObject();
	add_text(to, "cell", cell->name);
	add_text(to, "status", status_of(cell));
	add_text(to, "reason", cell->reason);
	add_text(to, "same_as", same == OVERVIEW_NONE ? NULL : o->cells[same].name);
	add_text(to, "same_scores_as", cell->same_as);
	add_result(to, cell);
	add_text(to, "manifest", cell->manifest ? overview_path(cell->manifest, folder) : NULL);
	add_text(to, "model", cell->model);
	add_text(to, "pair", cell->pair);
	add_text(to, "weight", cell->weight);
	add_text(to, "activation", cell->activation);
	add_text(to, "granularity", cell->granularity);
	add_text(to, "size", cell->size);
	add_count(to, "rank", t->rank[index], overview_cell_scored(cell));
	add_float(to, "search_bits", cell->search_bits, ok);
	add_float(to, "cost_bits", cell->cost_bits, ok);
	add_codes(to, cell, ok);
	add_count(to, "score_sequences", cell->score_sequences, ok);
	add_count(to, "score_targets", cell->score_targets, ok);
	return to;
}

static cJSON *overview_json(const struct overview *o, const struct overview_table *t, const char *folder)
{
	cJSON *to = cJSON_CreateObject(), *cells, *invalid;
	cJSON_AddStringToObject(to, "grid", o->grid);
	cells = cJSON_AddArrayToObject(to, "cells");
	for (size_t i = 0; i < o->count; i++)
		cJSON_AddItemToArray(cells, cell_json(o, t, i, folder));
	invalid = cJSON_AddArrayToObject(to, "invalid");
	for (size_t i = 0; i < o->invalid_count; i++) {
		cJSON *entry = cJSON_CreateObject();
		cJSON_AddStringToObject(entry, "cell", o->invalid[i].cell);
		cJSON_AddStringToObject(entry, "reason", o->invalid[i].reason);
		cJSON_AddItemToArray(invalid, entry);
	}
	return to;
}

/* --- both files --- */

static int check_cells(const struct overview *o)
{
	for (size_t i = 0; i < o->count; i++) {
		const struct overview_cell *c = &o->cells[i];
		if (!c->name || !c->model || !c->pair || !c->weight || !c->activation || !c->granularity || !c->size)
			return fail("overview of %s: cell %zu (%s) lacks a name", o->grid, i, c->name ? c->name : "?");
	}
	return 0;
}

int overview_write(const struct overview *o, const char *folder, size_t *changed)
{
	struct overview_table table;
	struct report_file files[2];
	if (check_cells(o))
		return -1;
	overview_table_make(&table, o);
	files[0].name = mem_printf("%s.json", o->grid);
	files[1].name = mem_printf("%s.md", o->grid);
	strbuf_init(&files[0].text);
	strbuf_init(&files[1].text);
	cJSON *json = overview_json(o, &table, folder);
	json_pretty(&files[0].text, json);
	strbuf_addc(&files[0].text, '\n');
	overview_markdown_make(&files[1].text, o, &table, folder);
	int bad = report_files_write(folder, files, 2, changed);
	cJSON_Delete(json);
	report_files_release(files, 2);
	overview_table_release(&table);
	return bad;
}
