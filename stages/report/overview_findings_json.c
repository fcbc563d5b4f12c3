#include <math.h>

#include "report/float_json.h"
#include "report/overview_json.h"

static void add_column(cJSON *to, const struct overview *o, const struct overview_table *t, size_t column)
{
	const struct overview_column *c = &t->columns[column];
	cJSON_AddStringToObject(to, "model", o->cells[c->first].model);
	cJSON_AddStringToObject(to, "setting", t->settings[c->setting].words);
	cJSON_AddStringToObject(to, "size", c->size);
}

/* --- budgets --- */

/* NULL where there is no mix. */
static cJSON *add_mix(cJSON *to, const char *name, const struct overview *o, const struct overview_mix *mix)
{
	if (mix->cell == OVERVIEW_NONE) {
		cJSON_AddNullToObject(to, name);
		return NULL;
	}
	const struct overview_cell *cell = &o->cells[mix->cell];
	cJSON *item = cJSON_AddObjectToObject(to, name);
	cJSON_AddStringToObject(item, "cell", cell->name);
	cJSON_AddStringToObject(item, "pair", cell->pair);
	cJSON_AddStringToObject(item, "granularity", cell->granularity);
	float_json_add(item, "score", mix->score);
	float_json_add(item, "kl_per_token_predicted", mix->predicted);
	float_json_add(item, "bits", mix->bits);
	return item;
}

static void add_factor(cJSON *to, double worse, double better)
{
	overview_json_float(to, "factor", better > 0 ? worse / better : 1, better > 0 || worse == better);
}

static void add_certainty(cJSON *to, double ahead)
{
	static const char *const words[] = {NULL, "toss-up", "likely", "clear"};
	overview_json_float(to, "ahead", ahead, ahead >= 0);
	overview_json_text(to, "certainty", words[overview_certainty(ahead)]);
}

static void add_together(cJSON *to, const struct overview *o, const struct overview_budget *row)
{
	cJSON *item = cJSON_AddObjectToObject(to, "together");
	float_json_add(item, "score", row->together);
	add_factor(item, row->best.score, row->together);
	cJSON *formats = cJSON_AddArrayToObject(item, "formats");
	for (size_t i = 0; i < o->count; i++)
		if (row->uses[i])
			cJSON_AddItemToArray(formats, cJSON_CreateString(o->cells[i].pair));
}

static cJSON *budget_json(const struct overview *o, const struct overview_table *t, const struct overview_budget *row)
{
	cJSON *to = cJSON_CreateObject();
	add_column(to, o, t, row->column);
	float_json_add(to, "bits", row->bits);
	add_mix(to, "best", o, &row->best);
	cJSON *runner_up = add_mix(to, "runner_up", o, &row->runner_up);
	if (runner_up)
		add_factor(runner_up, row->runner_up.score, row->best.score);
	add_certainty(to, row->ahead);
	add_mix(to, "activations", o, &row->activations);
	add_together(to, o, row);
	overview_json_text(to, "measured_by", row->measured == OVERVIEW_NONE ? NULL : o->cells[row->measured].name);
	cJSON_AddBoolToObject(to, "proven", row->proven);
	return to;
}

/* --- sizes and methods --- */

static void add_disputed(cJSON *to, const struct overview *o, const struct overview_agreement *a)
{
	cJSON *list = cJSON_AddArrayToObject(to, "disputed");
	for (size_t i = 0; i < a->disputed_count; i++) {
		cJSON *item = cJSON_CreateObject();
		cJSON_AddStringToObject(item, "group", o->cells[a->cell].groups[a->disputed[i].group].name);
		overview_json_count(item, "gradient", a->disputed[i].rank, 1);
		overview_json_count(item, "kl_div", a->disputed[i].against_rank, 1);
		cJSON_AddItemToArray(list, item);
	}
}

static cJSON *agreement_json(const struct overview *o, const struct overview_agreement *a)
{
	cJSON *to = cJSON_CreateObject();
	cJSON_AddStringToObject(to, "cell", o->cells[a->cell].name);
	cJSON_AddStringToObject(to, "against", o->cells[a->against].name);
	overview_json_count(to, "top", a->top, 1);
	overview_json_count(to, "overlap", a->overlap, 1);
	overview_json_float(to, "spearman", a->spearman, !isnan(a->spearman));
	overview_json_count(to, "moved", a->moved, 1);
	float_json_add(to, "moved_share", a->moved_share);
	overview_json_float(to, "extra", a->extra, !isinf(a->extra));
	cJSON_AddBoolToObject(to, "agree", a->agree);
	return to;
}

static void add_formats(cJSON *to, const struct overview *o, const struct overview_comparison *c, int methods)
{
	static const char *const words[] = {"no", "mostly", "yes"};
	cJSON *formats = cJSON_AddArrayToObject(to, "formats");
	for (size_t i = 0; i < c->count; i++) {
		cJSON *item = agreement_json(o, &c->formats[i]);
		if (methods)
			add_disputed(item, o, &c->formats[i]);
		cJSON_AddItemToArray(formats, item);
	}
	overview_json_count(to, "agree", c->agree, 1);
	cJSON_AddStringToObject(to, "verdict", words[overview_verdict(c->agree, c->count)]);
}

static cJSON *size_json(const struct overview *o, const struct overview_table *t, const struct overview_findings *f,
	const struct overview_comparison *c)
{
	const struct overview_agreement *first = &c->formats[0];
	size_t same, budgets = overview_budgets_common(&f->budgets, o, c->column, c->against, &same);
	cJSON *to = cJSON_CreateObject();
	add_column(to, o, t, c->column);
	cJSON_AddStringToObject(to, "against", t->columns[c->against].size);
	cJSON_AddBoolToObject(to, "same_text", overview_same_text(&o->cells[first->cell], &o->cells[first->against]));
	add_formats(to, o, c, 0);
	overview_json_count(to, "budgets", budgets, 1);
	overview_json_count(to, "same_choice", same, 1);
	return to;
}

static cJSON *method_json(const struct overview *o, const struct overview_table *t, const struct overview_comparison *c)
{
	cJSON *to = cJSON_CreateObject();
	add_column(to, o, t, c->column);
	add_formats(to, o, c, 1);
	return to;
}

void overview_findings_json_add(cJSON *to, const struct overview *o, const struct overview_table *t,
	const struct overview_findings *f)
{
	cJSON *budgets = cJSON_AddArrayToObject(to, "budgets");
	for (size_t i = 0; i < f->budgets.count; i++)
		cJSON_AddItemToArray(budgets, budget_json(o, t, &f->budgets.rows[i]));
	cJSON *sizes = cJSON_AddArrayToObject(to, "sizes");
	for (size_t i = 0; i < f->sizes.count; i++)
		cJSON_AddItemToArray(sizes, size_json(o, t, f, &f->sizes.list[i]));
	cJSON *methods = cJSON_AddArrayToObject(to, "methods");
	for (size_t i = 0; i < f->methods.count; i++)
		cJSON_AddItemToArray(methods, method_json(o, t, &f->methods.list[i]));
}
