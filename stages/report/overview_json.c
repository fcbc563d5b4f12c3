#include "report/overview_json.h"

#include <math.h>

#include "report/float_json.h"

void overview_json_text(cJSON *to, const char *name, const char *text)
{
	if (text)
		cJSON_AddStringToObject(to, name, text);
	else
		cJSON_AddNullToObject(to, name);
}

void overview_json_float(cJSON *to, const char *name, double value, int known)
{
	cJSON_AddItemToObject(to, name, known ? float_json(value) : cJSON_CreateNull());
}

void overview_json_count(cJSON *to, const char *name, size_t value, int known)
{
	cJSON_AddItemToObject(to, name, known ? cJSON_CreateNumber((double)value) : cJSON_CreateNull());
}

/* --- a cell --- */

static cJSON *top_json(const struct overview_cell *cell)
{
	cJSON *list = cJSON_CreateArray();
	for (size_t i = 0; i < cell->top_count; i++) {
		cJSON *entry = cJSON_CreateObject();
		cJSON_AddStringToObject(entry, "group", cell->top[i].group);
		float_json_add(entry, "score", cell->top[i].score);
		overview_json_count(entry, "rank", i + 1, 1);
		cJSON_AddItemToArray(list, entry);
	}
	return list;
}

static const char *status_of(const struct overview_cell *cell)
{
	static const char *const status[] = {"ok", "failed", "missing"};
	return cell->status == OVERVIEW_OK && cell->unscored ? "unscored" : status[cell->status];
}

static void add_names(cJSON *to, const struct overview_cell *cell)
{
	overview_json_text(to, "model", cell->model);
	overview_json_text(to, "pair", cell->pair);
	cJSON *formats = cJSON_AddArrayToObject(to, "formats");
	for (size_t f = 0; f < cell->format_count; f++)
		cJSON_AddItemToArray(formats, cJSON_CreateString(cell->formats[f]));
	overview_json_text(to, "weight", cell->weight);
	overview_json_text(to, "activation", cell->activation);
	overview_json_text(to, "granularity", cell->granularity);
	overview_json_text(to, "size", cell->size);
	overview_json_text(to, "method", cell->status == OVERVIEW_OK ? cell->method : NULL);
}

static void add_codes(cJSON *to, const struct overview_cell *cell)
{
	char weight[QUANTIZER_CODE_MAX], activation[QUANTIZER_CODE_MAX];
	int known = cell->status == OVERVIEW_OK && cell->format_count == 1;
	if (known) {
		quantizer_weight_code(weight, cell->pairs[0].weight);
		quantizer_activation_code(activation, cell->pairs[0].activation);
	}
	overview_json_float(to, "search_bits", cell->search_bits, known);
	overview_json_float(to, "cost_bits", cell->cost_bits, known);
	overview_json_text(to, "weight_code", known ? weight : NULL);
	overview_json_text(to, "activation_code", known ? activation : NULL);
}

static void add_result(cJSON *to, const struct overview_cell *cell)
{
	int ok = cell->status == OVERVIEW_OK, ranked = overview_cell_ranked(cell);
	overview_json_float(to, "sum", cell->sum, ranked);
	overview_json_float(to, "normalised", cell->normalised, ranked);
	overview_json_float(to, "searched_total", cell->searched_total, overview_cell_scored(cell));
	overview_json_float(to, "bits", cell->bits, ok);
	overview_json_float(to, "stored_bits", cell->stored_bits, ok);
	overview_json_float(to, "asked_bits", cell->asked_bits, ok);
	overview_json_float(to, "target_bits", cell->target_bits, ok);
	cJSON_AddItemToObject(to, "top", top_json(cell));
}

static void add_interval(cJSON *to, const char *name, const struct interval *i, int known)
{
	if (!known || isinf(i->high)) {
		cJSON_AddNullToObject(to, name);
		return;
	}
	cJSON *list = cJSON_AddArrayToObject(to, name);
	cJSON_AddItemToArray(list, float_json(i->low));
	cJSON_AddItemToArray(list, float_json(i->high));
}

static void add_recipe(cJSON *to, const struct overview_cell *cell)
{
	if (cell->status != OVERVIEW_OK) {
		cJSON_AddNullToObject(to, "recipe");
		return;
	}
	cJSON *recipe = cJSON_AddObjectToObject(to, "recipe");
	for (size_t g = 0; g < cell->group_count; g++)
		cJSON_AddStringToObject(recipe, cell->groups[g].name, cell->groups[g].title);
}

static void add_check(cJSON *to, const struct overview_cell *cell)
{
	const struct report_check *c = &cell->check;
	if (cell->status != OVERVIEW_OK || !c->present) {
		cJSON_AddNullToObject(to, "checked");
		return;
	}
	cJSON *checked = cJSON_AddObjectToObject(to, "checked");
	float_json_add(checked, "loss_before", c->loss_before);
	float_json_add(checked, "loss_after", c->loss_after);
	float_json_add(checked, "kl", c->divergence);
	add_interval(checked, "kl_interval", &c->interval, 1);
	float_json_add(checked, "predicted", c->predicted);
	overview_json_float(checked, "ratio", c->ratio, c->predicted > 0);
}

static cJSON *cell_json(const struct overview *o, const struct overview_table *t, size_t index, const char *folder)
{
	const struct overview_cell *cell = &o->cells[index];
	size_t same = t->same[index];
	int ok = cell->status == OVERVIEW_OK;
	cJSON *to = cJSON_CreateObject();
	overview_json_text(to, "cell", cell->name);
	overview_json_text(to, "status", status_of(cell));
	overview_json_text(to, "reason", cell->reason);
	overview_json_text(to, "same_as", same == OVERVIEW_NONE ? NULL : o->cells[same].name);
	overview_json_text(to, "same_scores_as", cell->same_as);
	add_result(to, cell);
	overview_json_text(to, "manifest", cell->manifest ? overview_path(cell->manifest, folder) : NULL);
	add_names(to, cell);
	add_interval(to, "interval", &cell->interval, overview_cell_ranked(cell));
	overview_json_count(to, "rank", t->rank[index], overview_cell_ranked(cell));
	add_codes(to, cell);
	overview_json_count(to, "score_sequences", cell->score_sequences, ok);
	overview_json_count(to, "score_targets", cell->score_targets, ok);
	add_recipe(to, cell);
	add_check(to, cell);
	return to;
}

/* --- all --- */

cJSON *overview_json_make(const struct overview *o, const struct overview_table *t, const struct overview_findings *f,
	const char *folder)
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
	overview_findings_json_add(to, o, t, f);
	return to;
}
