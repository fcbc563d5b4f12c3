#include "report/overview_checks.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "stats/ranking.h"

enum overview_trust overview_trust(double low, double high)
{
	if (!(low > 0))
		return OVERVIEW_NO_RATIO;
	if (low >= 1 / OVERVIEW_RATIO_NEAR && high <= OVERVIEW_RATIO_NEAR)
		return OVERVIEW_ABOUT_RIGHT;
	return high <= OVERVIEW_RATIO_SPREAD * low ? OVERVIEW_SAME_FACTOR : OVERVIEW_ROUGH;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double order_of(const size_t *cells, size_t count, const struct overview *o)
{
	double *predicted = mem_array(count, sizeof *predicted), *measured = mem_array(count, sizeof *measured);
	for (size_t i = 0; i < count; i++) {
		predicted[i] = o->cells[cells[i]].check.predicted;
		measured[i] = o->cells[cells[i]].check.divergence;
	}
	double order = ranking_spearman(predicted, measured, count);
	free(predicted);
	free(measured);
	return order;
}

/* Sets all that comes from the ratios, of which it collects those that there are. */
static void take_ratios(struct overview_check_summary *s, const size_t *cells, const struct overview *o, double *ratio)
{
	for (size_t i = 0; i < s->count; i++) {
		double new = o->cells[cells[i]].check.ratio;
		if (!(new > 0))
			continue;
		if (!s->ratios || new < o->cells[s->lowest].check.ratio)
			s->lowest = cells[i];
		if (!s->ratios || new > o->cells[s->highest].check.ratio)
			s->highest = cells[i];
		ratio[s->ratios++] = new;
	}
	if (!s->ratios)
		return;
	qsort(ratio, s->ratios, sizeof *ratio, by_value);
	s->low = ratio[0];
	s->high = ratio[s->ratios - 1];
	s->median = (ratio[(s->ratios - 1) / 2] + ratio[s->ratios / 2]) / 2;
}

static void summarize(struct overview_checks *c, const struct overview *o, const char *method)
{
	struct overview_check_summary *s = &c->methods[c->method_count];
	size_t *cells = mem_array(c->count, sizeof *cells);
	double *ratio = mem_array(c->count, sizeof *ratio);
	*s = (struct overview_check_summary){.method = method};
	for (size_t i = 0; i < c->count; i++)
		if (!strcmp(o->cells[c->cells[i]].method, method))
			cells[s->count++] = c->cells[i];
	take_ratios(s, cells, o, ratio);
	s->order = order_of(cells, s->count, o);
	s->trust = overview_trust(s->low, s->high);
	c->method_count += s->count > 0;
	free(cells);
	free(ratio);
}

void overview_checks_make(struct overview_checks *c, const struct overview *o, const struct overview_table *t)
{
	*c = (struct overview_checks){.cells = mem_array(o->count, sizeof *c->cells)};
	for (size_t i = 0; i < o->count; i++)
		if (overview_cell_scored(&o->cells[i]) && o->cells[i].check.present && t->same[i] == OVERVIEW_NONE)
			c->cells[c->count++] = i;
	summarize(c, o, "gradient");
	summarize(c, o, "kl_div");
}

void overview_checks_release(struct overview_checks *c)
{
	free(c->cells);
	*c = (struct overview_checks){0};
}
