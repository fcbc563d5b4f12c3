#include "report/overview.h"

#include <stdlib.h>

#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "report/files.h"
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
	cell->sum = t.sum;
	cell->normalised = t.normalised;
	cell->searched_total = t.search.score;
	cell->bits = t.effective_bits;
	cell->search_bits = t.search_bits;
	cell->cost_bits = t.cost_bits;
	for (size_t i = 0; i < t.count - t.vision_count && i < OVERVIEW_TOP; i++) {
		const struct report_group *group = &t.groups[t.descending[i]];
		cell->top[cell->top_count++] = (struct overview_top){mem_strdup(group->name), group->score};
	}
	group_table_release(&t);
	return 0;
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

static void add_number(cJSON *to, const char *name, double value, int known)
{
	if (known)
		cJSON_AddNumberToObject(to, name, value);
	else
		cJSON_AddNullToObject(to, name);
}

static cJSON *top_json(const struct overview_cell *cell)
{
	cJSON *list = cJSON_CreateArray();
	for (size_t i = 0; i < cell->top_count; i++) {
		cJSON *entry = cJSON_CreateObject();
		cJSON_AddStringToObject(entry, "group", cell->top[i].group);
		cJSON_AddNumberToObject(entry, "score", cell->top[i].score);
		cJSON_AddNumberToObject(entry, "rank", (double)i + 1);
		cJSON_AddItemToArray(list, entry);
	}
	return list;
}

static cJSON *cell_json(const struct overview_cell *cell, size_t rank, const char *folder)
{
	static const char *const status[] = {"ok", "failed", "missing"};
	int ok = cell->status == OVERVIEW_OK;
	cJSON *to = cJSON_CreateObject();
	add_text(to, "cell", cell->name);
	add_text(to, "status", status[cell->status]);
	add_text(to, "reason", cell->reason);
	add_text(to, "same_as", cell->same_as);
	add_number(to, "sum", cell->sum, ok);
	add_number(to, "normalised", cell->normalised, ok);
	add_number(to, "searched_total", cell->searched_total, ok);
	add_number(to, "bits", cell->bits, ok);
	cJSON_AddItemToObject(to, "top", top_json(cell));
	add_text(to, "manifest", cell->manifest ? overview_path(cell->manifest, folder) : NULL);
	add_text(to, "model", cell->model);
	add_text(to, "pair", cell->pair);
	add_text(to, "weight", cell->weight);
	add_text(to, "activation", cell->activation);
	add_text(to, "granularity", cell->granularity);
	add_text(to, "size", cell->size);
	add_number(to, "rank", (double)rank, ok);
	add_number(to, "search_bits", cell->search_bits, ok);
	add_number(to, "cost_bits", cell->cost_bits, ok);
	return to;
}

static cJSON *overview_json(const struct overview *o, const struct overview_table *t, const char *folder)
{
	cJSON *to = cJSON_CreateObject(), *cells, *invalid;
	cJSON_AddStringToObject(to, "grid", o->grid);
	cells = cJSON_AddArrayToObject(to, "cells");
	for (size_t i = 0; i < o->count; i++)
		cJSON_AddItemToArray(cells, cell_json(&o->cells[i], t->rank[i], folder));
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
