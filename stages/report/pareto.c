#include "report/pareto.h"

#include "report/float_json.h"

static double idle_weights(const struct group_table *t)
{
	return t->vision_numel + t->excluded_numel;
}

double pareto_bits(const struct group_table *t, const struct search_point *point)
{
	return point->cost / (t->numel - idle_weights(t));
}

double pareto_all_bits(const struct group_table *t, const struct search_point *point)
{
	return (point->cost + QUANTIZER_NONE_BITS * idle_weights(t)) / t->numel;
}

const struct search_point *pareto_best(const struct group_table *t, double effective_bits)
{
	const struct search_point *best = NULL;
	double idle = idle_weights(t), target = search_adjusted_bits(t->numel, idle, effective_bits);
	double budget = target * t->numel * (1 + 0x1p-48) - QUANTIZER_NONE_BITS * idle; /* as search_space.h has it */
	for (size_t i = 0; i < t->frontier.count && t->frontier.points[i].cost <= budget; i++)
		best = &t->frontier.points[i];
	return best;
}

cJSON *pareto_json(const struct report_cell *cell, const struct group_table *t)
{
	cJSON *to = cJSON_CreateObject();
	cJSON_AddStringToObject(to, "cell", cell->name);
	cJSON_AddStringToObject(to, "cost", t->stored_rule ? "cost_bits" : "search_bits");
	cJSON_AddNumberToObject(to, "searched_weights", t->numel - idle_weights(t));
	cJSON_AddNumberToObject(to, "weights", t->numel);
	cJSON_AddBoolToObject(to, "complete", t->frontier.complete);
	cJSON *points = cJSON_AddArrayToObject(to, "points");
	for (size_t i = 0; i < t->frontier.count; i++) {
		const struct search_point *from = &t->frontier.points[i];
		cJSON *point = cJSON_CreateObject();
		cJSON_AddItemToArray(points, point);
		float_json_add(point, "effective_bits", pareto_bits(t, from));
		float_json_add(point, "bits", pareto_all_bits(t, from));
		float_json_add(point, "score", from->score);
		cJSON_AddBoolToObject(point, "hull", from->hull);
	}
	return to;
}

void pareto_csv(struct strbuf *to, const struct group_table *t)
{
	strbuf_adds(to, "effective_bits,bits,score,hull\n");
	for (size_t i = 0; i < t->frontier.count; i++) {
		const struct search_point *point = &t->frontier.points[i];
		float_print(to, pareto_bits(t, point));
		strbuf_addc(to, ',');
		float_print(to, pareto_all_bits(t, point));
		strbuf_addc(to, ',');
		float_print(to, point->score);
		strbuf_addf(to, ",%d\n", point->hull);
	}
}
