#include "upkeep/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "graph/progress_note.h"
#include "upkeep/cache_scan.h"

struct status {
	const char *build_dir, *cache;
	struct cache_scan entries;
	int read;               /* entries were */
};

struct status *status_open(const char *build_dir, const char *cache)
{
	struct status *s = mem_zeroed(1, sizeof *s);
	s->build_dir = build_dir;
	s->cache = cache;
	return s;
}

void status_close(struct status *s)
{
	cache_scan_close(&s->entries);
	free(s);
}

char *status_time_text(double seconds)
{
	long s = lround(seconds < 0 ? 0 : seconds > 1e9 ? 1e9 : seconds);
	if (s >= 3600)
		return mem_printf("%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
	return mem_printf("%ld:%02ld", s / 60, s % 60);
}

/* ---- what earlier runs took ---- */

enum { ALIKE = 4 };

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

/* How unlike two numbers of jobs are: 2 and 4 as 8 and 16. */
static double distance(size_t a, size_t b)
{
	return fabs(log((double)a / (double)b));
}

static int counts(const struct scan_entry *e, const char *stage, const char *cell)
{
	const size_t model = strcspn(cell, ".");
	return !e->problem && e->seconds > 0 && !strcmp(e->stage, stage) && !strncmp(e->cell, cell, model) &&
		(e->cell[model] == '.' || !e->cell[model]);
}

double status_earlier(const struct cache_scan *scan, const char *stage, const char *cell, size_t jobs)
{
	double nearest = INFINITY, *seconds = mem_array(scan->entry_count, sizeof *seconds);
	size_t count = 0;
	for (size_t i = 0; i < scan->entry_count; i++)
		if (counts(&scan->entries[i], stage, cell))
			nearest = fmin(nearest, distance(scan->entries[i].jobs, jobs));
	/* What took one cell a second says nothing of a hundred. */
	if (nearest > log(ALIKE))
		nearest = -1;
	for (size_t i = 0; i < scan->entry_count; i++)
		if (counts(&scan->entries[i], stage, cell) && distance(scan->entries[i].jobs, jobs) <= nearest)
			seconds[count++] = scan->entries[i].seconds;
	if (count)
		qsort(seconds, count, sizeof *seconds, by_value);
	double middle = count ? seconds[count / 2] : -1;
	free(seconds);
	return middle;
}

/* ---- what runs ---- */

static void print_steps(FILE *to, const struct progress_note *n)
{
	const double passed = progress_note_now() - n->step_started;
	const size_t steps = n->done > n->first_done ? n->done - n->first_done : 0;
	if (!n->total)
		return;
	fprintf(to, ", %s %zu of %zu", n->step, n->done < n->total ? n->done + 1 : n->total, n->total);
	/* The pace is known after a step. */
	if (!steps || passed <= 0)
		return;
	char *left = status_time_text(passed / (double)steps * (double)(n->total - n->done));
	fprintf(to, " (%.3g a second, %s left of this pass)", (double)steps / passed, left);
	free(left);
}

static void print_note(FILE *to, const struct progress_note *n, const struct cache_scan *scan)
{
	const double passed = progress_note_now() - n->started, earlier = status_earlier(scan, n->stage, n->cell, n->jobs);
	char *passed_text = status_time_text(passed), *left = status_time_text(earlier - passed);
	fprintf(to, "    %-20s ", n->stage);
	if (n->jobs > 1)
		fprintf(to, "%zu jobs, %zu done, the first of them ", n->jobs, n->committed);
	fprintf(to, "%s\n        %s", n->cell, *n->phase ? n->phase : "begins");
	print_steps(to, n);
	fprintf(to, "; for %s", passed_text);
	if (earlier >= 0 && earlier >= passed)
		fprintf(to, ", about %s left by earlier runs", left);
	else if (earlier >= 0)
		fprintf(to, ", longer than earlier runs");
	fprintf(to, "; process %ld\n", n->pid);
	free(passed_text);
	free(left);
}

/* What earlier runs took; a cache that cannot be read has none. */
static const struct cache_scan *earlier_runs(struct status *s)
{
	if (!s->read && cache_scan_entries(&s->entries, s->cache))
		warn("%s", error_text());
	s->read = 1;
	return &s->entries;
}

struct running {
	struct status *status;
	FILE *to;
	size_t count;
};

/* Of a process that is gone the note is deleted. */
static int visit_note(void *context, const char *folder, const char *name)
{
	struct running *r = context;
	struct progress_note note;
	char *path = path_join(folder, name);
	if (progress_note_read(path, &note)) {
		if (!r->count++)
			fprintf(r->to, "running\n");
		print_note(r->to, &note, earlier_runs(r->status));
	} else {
		unlink(path);
	}
	free(path);
	return 0;
}

static int print_running(struct status *s, FILE *to, size_t *count)
{
	struct running r = {s, to, 0};
	char *folder = path_join(s->build_dir, "progress");
	int bad = dir_each(folder, visit_note, &r);
	free(folder);
	*count = r.count;
	if (!bad && !r.count)
		fprintf(to, "nothing runs\n");
	return bad;
}

/* ---- what is there ---- */

/* Counts the jobs of a list and those whose reference file is there. Lines are read as job_list.h has them, without
 * parsing: a large grid has megabytes of them. */
static int count_jobs(const char *path, size_t *jobs, size_t *there)
{
	static const char ref[] = "\"ref\":\"";
	struct file_map map;
	*jobs = *there = 0;
	if (file_map_open(&map, path))
		return -1;
	const char *all = (const char *)map.bytes, *end = all + map.length;
	for (const char *line = all, *next; line < end; line = next + 1) {
		if (!(next = memchr(line, '\n', (size_t)(end - line))))
			break;
		const char *at = memmem(line, (size_t)(next - line), ref, sizeof ref - 1);
		const char *from = at ? at + sizeof ref - 1 : next, *quote = memchr(from, '"', (size_t)(next - from));
		char *name = mem_strndup(from, quote ? (size_t)(quote - from) : 0);
		++*jobs;
		*there += *name && file_exists(name);
		free(name);
	}
	file_map_close(&map);
	return 0;
}

static int print_stage(void *to, const char *folder, const char *name)
{
	static const char ending[] = ".jsonl", before[] = ".before.jsonl", report[] = "render-report";
	const size_t length = strlen(name), end = sizeof ending - 1, old = sizeof before - 1;
	size_t jobs, there;
	if (length <= end || strcmp(name + length - end, ending) || (length > old && !strcmp(name + length - old, before)) ||
		!strncmp(name, report, sizeof report - 1) || !strncmp(name, "materialize-lm", 14))
		return 0;
	char *path = path_join(folder, name);
	int bad = count_jobs(path, &jobs, &there);
	if (!bad)
		fprintf(to, "    %-20.*s %6zu of %zu there\n", (int)(length - end), name, there, jobs);
	free(path);
	return bad;
}

static int print_stages(FILE *to, const char *build_dir)
{
	char *folder = path_join(build_dir, "jobs");
	int bad = file_exists(folder) ? dir_each(folder, print_stage, to) : fail("%s: run ./configure first", folder);
	free(folder);
	return bad;
}

int status_print(struct status *s, FILE *to, size_t *running)
{
	fprintf(to, "results\n");
	return print_stages(to, s->build_dir) || print_running(s, to, running) ? -1 : 0;
}
