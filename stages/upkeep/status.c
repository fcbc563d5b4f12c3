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

/* The pace of steps, fast or slow. */
static char *pace_text(double a_second)
{
	if (a_second < 1)
		return mem_printf("%.3g s each", 1 / a_second);
	return mem_printf(a_second < 100 ? "%.3g a second" : "%.0f a second", a_second);
}

/* done of total at the time last, after first_done at the time since. The pace is that of whole steps: it does not
 * slacken while one is under way. */
static void print_steps(FILE *to, const char *what, size_t done, size_t total, size_t first_done, double since,
	double last)
{
	const double passed = last - since;
	const size_t steps = done > first_done ? done - first_done : 0;
	fprintf(to, ": %s %zu of %zu", what, done < total ? done + 1 : total, total);
	if (!steps || passed <= 0)
		return;
	char *left = status_time_text(passed / (double)steps * (double)(total - done) - (progress_note_now() - last));
	char *pace = pace_text((double)steps / passed);
	fprintf(to, " (%s, %s left of this pass)", pace, left);
	free(pace);
	free(left);
}

/* What has no steps of its own has those of its results. */
static void print_phase(FILE *to, const struct progress_note *n)
{
	fprintf(to, "        %s", *n->phase ? n->phase : "begins");
	if (n->total && n->done <= n->total)
		print_steps(to, n->step, n->done, n->total, n->first_done, n->step_started, n->stepped);
	else if (n->jobs > 1 && n->committed && n->committed <= n->jobs)
		print_steps(to, "result", n->committed, n->jobs, 0, n->phase_started, progress_note_now());
	fputc('\n', to);
}

void status_print_note(FILE *to, const struct progress_note *n, const struct cache_scan *scan)
{
	const double passed = progress_note_now() - n->started, earlier = status_earlier(scan, n->stage, n->cell, n->jobs);
	char *passed_text = status_time_text(passed), *left = status_time_text(earlier - passed);
	if (n->jobs > 1)
		fprintf(to, "    %s, %zu results in one process, %zu done; the first is %s\n", n->stage, n->jobs, n->committed,
			n->cell);
	else
		fprintf(to, "    %s, %s\n", n->stage, n->cell);
	print_phase(to, n);
	fprintf(to, "        running for %s", passed_text);
	if (earlier >= 0 && earlier >= passed)
		fprintf(to, ", about %s left by what earlier runs took", left);
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

static int visit_note(void *context, const char *folder, const char *name)
{
	struct running *r = context;
	struct progress_note note;
	char *path = path_join(folder, name);
	if (progress_note_read(path, &note) == NOTE_RUNS) {
		if (!r->count++)
			fprintf(r->to, "running\n");
		status_print_note(r->to, &note, earlier_runs(r->status));
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
		fprintf(to, "nothing computes now\n");
	return bad;
}

/* ---- what is there ---- */

/* A list that has a file on every line, by name: the results of a stage, or the reports of a grid. */
struct row {
	char *name;
	struct file_map map;
	size_t files, there;
};

struct rows {
	struct row *list;
	size_t count, capacity;
};

static const char jobs_ending[] = ".jsonl";

/* Counts the lines that name a file behind member, and the files that are there. Lines are read as job_list.h and
 * grid.json have them, without parsing: a large grid has megabytes of them. */
static void count_files(struct row *row, const char *member)
{
	const char *at = (const char *)row->map.bytes, *end = at + row->map.length;
	const size_t length = strlen(member);
	while ((at = memmem(at, (size_t)(end - at), member, length))) {
		const char *from = at + length, *quote = memchr(from, '"', (size_t)(end - from));
		char *name = mem_strndup(from, quote ? (size_t)(quote - from) : 0);
		row->files += *name != '\0';
		row->there += *name && file_exists(name);
		free(name);
		at = from;
	}
}

/* -1 after fail(). A list without files (of reports, whose jobs have no reference) is no row. */
static int add_row(struct rows *rows, const char *name, const char *path, const char *member)
{
	struct row row = {.name = NULL};
	if (file_map_open(&row.map, path))
		return -1;
	if (row.map.length)
		count_files(&row, member);
	if (!row.files) {
		file_map_close(&row.map);
		return 0;
	}
	row.name = mem_strdup(name);
	MEM_GROW(rows->list, rows->count, rows->capacity);
	rows->list[rows->count++] = row;
	return 0;
}

static int add_stage(void *rows, const char *folder, const char *name)
{
	static const char before[] = ".before.jsonl";
	const size_t length = strlen(name), end = sizeof jobs_ending - 1, old = sizeof before - 1;
	if (length <= end || strcmp(name + length - end, jobs_ending) ||
		(length > old && !strcmp(name + length - old, before)))
		return 0;
	char *path = path_join(folder, name), *stage = mem_strndup(name, length - end);
	int bad = add_row(rows, stage, path, "\"ref\":\"");
	free(stage);
	free(path);
	return bad;
}

/* Whether a job of the row has one of the other row among its inputs: jobs of a stage all have the same inputs. */
static int needs(const struct row *row, const struct row *other)
{
	const char *text = (const char *)row->map.bytes, *newline = memchr(text, '\n', row->map.length);
	char *name = mem_printf("/%s%s:", other->name, jobs_ending);
	int found = newline && memmem(text, (size_t)(newline - text), name, strlen(name));
	free(name);
	return found;
}

/* Inputs first; what does not depend on one another stays in the order of names. */
static void order_rows(struct rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		size_t next = i, k;
		for (; next < rows->count; next++) {
			for (k = i; k < rows->count && (k == next || !needs(&rows->list[next], &rows->list[k])); k++)
				;
			if (k == rows->count)
				break;
		}
		struct row row = rows->list[next < rows->count ? next : i];
		for (k = next < rows->count ? next : i; k > i; k--)
			rows->list[k] = rows->list[k - 1];
		rows->list[i] = row;
	}
}

static int read_rows(struct rows *rows, const char *build_dir)
{
	char *folder = path_join(build_dir, "jobs"), *grid = path_join(build_dir, "grid.json");
	int bad = file_exists(folder) ? dir_each(folder, add_stage, rows) : fail("%s: run ./configure first", folder);
	if (!bad) {
		order_rows(rows);
		bad = file_exists(grid) ? add_row(rows, "reports", grid, "\"manifest\": \"") : 0;
	}
	free(folder);
	free(grid);
	return bad;
}

static int print_stages(FILE *to, const char *build_dir)
{
	struct rows rows = {.list = NULL};
	int bad = read_rows(&rows, build_dir);
	for (size_t i = 0; i < rows.count; i++) {
		const struct row *row = &rows.list[i];
		if (!bad)
			fprintf(to, "    %-20s %6zu of %zu there\n", row->name, row->there, row->files);
		file_map_close(&rows.list[i].map);
		free(row->name);
	}
	free(rows.list);
	return bad;
}

int status_print(struct status *s, FILE *to, size_t *running)
{
	fprintf(to, "results\n");
	return print_stages(to, s->build_dir) || print_running(s, to, running) ? -1 : 0;
}
