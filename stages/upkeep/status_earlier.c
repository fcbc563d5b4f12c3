#include "upkeep/status_earlier.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "upkeep/cache_scan.h"

enum { ALIKE = 4 };

struct earlier_run {
	char *kind;
	double started, seconds;
	size_t together;        /* results that its process set out for */
	size_t results;         /* that it left: fewer when it was killed */
};

char *earlier_kind(const char *stage, const char *cell, const char *numerics, const char *method)
{
	const int model = (int)strcspn(cell, ".");
	if (!numerics)
		return mem_printf("%s %.*s ", stage, model, cell);
	return mem_printf("%s %.*s %s %s ", stage, model, cell, *numerics ? numerics : "-", *method ? method : "-");
}

/* ---- from entries to runs ---- */

static const char *text_or_none(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
	return cJSON_IsString(item) ? item->valuestring : "";
}

static struct earlier_run run_of(const struct scan_entry *e)
{
	const cJSON *params = cJSON_GetObjectItemCaseSensitive(e->ingredients, "params");
	return (struct earlier_run){.kind = earlier_kind(e->stage, e->cell, text_or_none(e->ingredients, "numerics"),
		text_or_none(params, "autoquant.method")), .started = e->finished - e->seconds, .seconds = e->seconds,
		.together = e->jobs, .results = 1};
}

static int by_process(const void *a, const void *b)
{
	const struct earlier_run *x = a, *y = b;
	int order = strcmp(x->kind, y->kind);
	if (!order)
		order = (x->together > y->together) - (x->together < y->together);
	return order ? order : (x->started > y->started) - (x->started < y->started);
}

static int by_results(const void *a, const void *b)
{
	const struct earlier_run *x = a, *y = b;
	int order = (x->results > y->results) - (x->results < y->results);
	return order ? order : (x->seconds > y->seconds) - (x->seconds < y->seconds);
}

/* Entries say when they were finished in whole seconds, so that those of one process seem to start within one, and the
 * process takes the locks of its results before it counts any as started. */
static int same_process(const struct earlier_run *run, const struct earlier_run *entry)
{
	return !strcmp(run->kind, entry->kind) && run->together == entry->together && run->results < run->together &&
		entry->started - run->started < 2;
}

void earlier_read(struct earlier *e, const struct cache_scan *scan)
{
	size_t entries = 0;
	*e = (struct earlier){.runs = mem_array(scan->entry_count, sizeof *e->runs)};
	for (size_t i = 0; i < scan->entry_count; i++)
		if (!scan->entries[i].problem && scan->entries[i].seconds > 0)
			e->runs[entries++] = run_of(&scan->entries[i]);
	if (!entries)
		return;
	qsort(e->runs, entries, sizeof *e->runs, by_process);
	e->count = 1;
	for (size_t i = 1; i < entries; i++) {
		struct earlier_run *run = &e->runs[e->count - 1], entry = e->runs[i];
		if (!same_process(run, &entry)) {
			e->runs[e->count++] = entry;
			continue;
		}
		run->results++;
		run->seconds = fmax(run->seconds, entry.seconds);
		free(entry.kind);
	}
	qsort(e->runs, e->count, sizeof *e->runs, by_results);
}

void earlier_release(struct earlier *e)
{
	for (size_t i = 0; i < e->count; i++)
		free(e->runs[i].kind);
	free(e->runs);
	*e = (struct earlier){0};
}

int earlier_has(const struct earlier *e, const char *stage)
{
	const size_t length = strlen(stage);
	size_t i = 0;
	while (i < e->count && (strncmp(e->runs[i].kind, stage, length) || e->runs[i].kind[length] != ' '))
		i++;
	return i < e->count;
}

/* ---- from runs to the next ---- */

/* Runs of n results take fixed + each * n seconds: weighted sums for the least squares. */
struct line {
	double w, n, s, nn, ns;
};

/* How unlike two numbers of results are: 2 and 4 as 8 and 16. */
static double distance(size_t a, size_t b)
{
	return fabs(log((double)a / (double)b));
}

/* The nearer the number of results, the more a run counts: one of that very number hundreds of times as much as one of
 * three times as many. To be off by a tenth is as bad with a second as with an hour. */
static void add_point(struct line *l, double results, double seconds, double far)
{
	const double near = 1 / (0.25 + far), root = near * near / seconds, w = root * root;
	l->w += w;
	l->n += w * results;
	l->s += w * seconds;
	l->nn += w * results * results;
	l->ns += w * results * seconds;
}

/* Neither cost is negative. */
static double on_line(const struct line *l, double results)
{
	const double each = (l->w * l->ns - l->n * l->s) / (l->w * l->nn - l->n * l->n);
	const double fixed = (l->s - each * l->n) / l->w;
	if (each < 0)
		return l->s / l->w;
	if (fixed < 0)
		return l->ns / l->nn * results;
	return fixed + each * results;
}

double earlier_seconds(const struct earlier *e, const char *kind, size_t results, double before)
{
	struct line line = {0};
	double nearest = INFINITY, middle = -1, *seconds = mem_array(e->count, sizeof *seconds);
	size_t numbers = 0, number = 0, length = strlen(kind);
	for (size_t i = 0, next; i < e->count; i = next) {
		size_t count = 0;
		for (next = i; next < e->count && e->runs[next].results == e->runs[i].results; next++)
			if (!strncmp(e->runs[next].kind, kind, length) && e->runs[next].started < before)
				seconds[count++] = e->runs[next].seconds;
		if (!count)
			continue;
		numbers++;
		number = e->runs[i].results;
		middle = seconds[count / 2];
		add_point(&line, (double)number, middle, distance(number, results));
		nearest = fmin(nearest, distance(number, results));
	}
	free(seconds);
	/* What took one cell a second says nothing of a hundred. */
	if (!(nearest <= log(ALIKE)))
		return -1;
	return numbers > 1 ? on_line(&line, (double)results) : middle * (1 + (double)results / (double)number) / 2;
}
