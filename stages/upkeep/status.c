#include "upkeep/status.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/strbuf.h"
#include "graph/progress_note.h"
#include "upkeep/cache_scan.h"
#include "upkeep/status_earlier.h"
#include "upkeep/status_left.h"

struct status {
	const char *build_dir, *cache;
	struct cache_scan entries;
	struct earlier earlier;
	double read_beside;     /* what ran when the entries were read, see beside() */
};

enum { NEVER_READ = -1 };

struct status *status_open(const char *build_dir, const char *cache)
{
	struct status *s = mem_zeroed(1, sizeof *s);
	s->build_dir = build_dir;
	s->cache = cache;
	s->read_beside = NEVER_READ;
	return s;
}

void status_close(struct status *s)
{
	cache_scan_close(&s->entries);
	earlier_release(&s->earlier);
	free(s);
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

void status_print_note(FILE *to, const struct progress_note *n, double earlier)
{
	const double passed = progress_note_now() - n->started;
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

struct notes {
	struct progress_note *list;
	size_t count, capacity;
};

static int add_note(void *notes, const char *folder, const char *name)
{
	struct notes *n = notes;
	struct progress_note note;
	char *path = path_join(folder, name);
	if (progress_note_read(path, &note) == NOTE_RUNS) {
		MEM_GROW(n->list, n->count, n->capacity);
		n->list[n->count++] = note;
	}
	free(path);
	return 0;
}

static int read_notes(struct notes *notes, const char *build_dir)
{
	char *folder = path_join(build_dir, "progress");
	int bad = dir_each(folder, add_note, notes);
	free(folder);
	return bad;
}

/* Another number whenever other processes run. */
static double beside(const struct notes *notes)
{
	double sum = 0;
	for (size_t i = 0; i < notes->count; i++)
		sum += notes->list[i].started;
	return sum;
}

/* What earlier runs took; a cache that cannot be read has none. Read again when a process began or ended: each that
 * ended is an earlier run. */
static void read_earlier(struct status *s, const struct notes *notes)
{
	if (s->read_beside == beside(notes))
		return;
	s->read_beside = beside(notes);
	cache_scan_close(&s->entries);
	earlier_release(&s->earlier);
	if (cache_scan_entries(&s->entries, s->cache))
		warn("%s", error_text());
	earlier_read(&s->earlier, &s->entries);
}

static void print_running(FILE *to, const struct works *works)
{
	size_t running = 0;
	for (size_t i = 0; i < works->count; i++) {
		if (!works->list[i].note)
			continue;
		if (!running++)
			fprintf(to, "running\n");
		status_print_note(to, works->list[i].note, works->list[i].earlier);
	}
	if (!running)
		fprintf(to, "nothing computes now\n");
}

/* ---- what is there ---- */

/* A list that has a file on every line, by name: the results of a stage, or the reports of a grid. */
struct row {
	char *name;
	struct file_map map;
	size_t files, there;
	struct strbuf inputs;   /* "/STAGE.jsonl:" of every stage whose results its jobs take */
};

struct rows {
	struct row *list;
	size_t count, capacity;
	struct missing_job *missing;    /* of all stages, in the order of rows */
	size_t missing_count, missing_capacity;
	size_t missing_reports;
};

static const char jobs_ending[] = ".jsonl";

/* Counts the lines that name a file behind member, and the files that are there. */
static void count_files(struct row *row, const char *member)
{
	const char *at = (const char *)row->map.bytes, *end = at + row->map.length;
	for (char *name; (name = status_next_text(&at, end, member)); free(name)) {
		row->files += *name != '\0';
		row->there += *name && file_exists(name);
	}
}

/* Of all jobs: those of weight-only formats take no tokens. */
static void find_inputs(struct row *row)
{
	const char *at = (const char *)row->map.bytes, *end = at + row->map.length;
	strbuf_init(&row->inputs);
	for (char *job; (job = status_next_text(&at, end, "{\"job\":\"")); free(job)) {
		char *name = strrchr(job, '/'), *colon = name ? strchr(name, ':') : NULL;
		if (!colon)
			continue;
		colon[1] = '\0';
		if (!strstr(row->inputs.s, name))
			strbuf_adds(&row->inputs, name);
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
	find_inputs(&row);
	MEM_GROW(rows->list, rows->count, rows->capacity);
	rows->list[rows->count++] = row;
	return 0;
}

static const char job_file[] = "\"ref\":\"";

static int add_stage(void *rows, const char *folder, const char *name)
{
	static const char before[] = ".before.jsonl";
	const size_t length = strlen(name), end = sizeof jobs_ending - 1, old = sizeof before - 1;
	if (length <= end || strcmp(name + length - end, jobs_ending) ||
		(length > old && !strcmp(name + length - old, before)))
		return 0;
	char *path = path_join(folder, name), *stage = mem_strndup(name, length - end);
	int bad = add_row(rows, stage, path, job_file);
	free(stage);
	free(path);
	return bad;
}

static int needs(const struct row *row, const struct row *other)
{
	char *name = mem_printf("/%s%s:", other->name, jobs_ending);
	int found = strstr(row->inputs.s, name) != NULL;
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

/* The lines of the jobs whose file is not there. */
static void find_missing(struct rows *rows, const struct row *row)
{
	const char *line = (const char *)row->map.bytes, *end = line + row->map.length, *next;
	for (; line < end && row->there < row->files; line = next) {
		const char *newline = memchr(line, '\n', (size_t)(end - line)), *at = line;
		next = newline ? newline + 1 : end;
		char *name = status_next_text(&at, next, job_file);
		if (name && *name && !file_exists(name)) {
			MEM_GROW(rows->missing, rows->missing_count, rows->missing_capacity);
			rows->missing[rows->missing_count++] = (struct missing_job){row->name, line, (size_t)(next - line)};
		}
		free(name);
	}
}

static int read_rows(struct rows *rows, const char *build_dir)
{
	char *folder = path_join(build_dir, "jobs"), *grid = path_join(build_dir, "grid.json");
	int bad = file_exists(folder) ? dir_each(folder, add_stage, rows) : fail("%s: run ./configure first", folder);
	if (!bad) {
		order_rows(rows);
		for (size_t i = 0; i < rows->count; i++)
			find_missing(rows, &rows->list[i]);
		const size_t stages = rows->count;
		bad = file_exists(grid) ? add_row(rows, "reports", grid, "\"manifest\": \"") : 0;
		if (rows->count > stages)
			rows->missing_reports = rows->list[stages].files - rows->list[stages].there;
	}
	free(folder);
	free(grid);
	return bad;
}

static void release_rows(struct rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		file_map_close(&rows->list[i].map);
		free(rows->list[i].name);
		strbuf_release(&rows->list[i].inputs);
	}
	free(rows->list);
	free(rows->missing);
}

static void print_rows(FILE *to, const struct rows *rows)
{
	fprintf(to, "results\n");
	for (size_t i = 0; i < rows->count; i++)
		fprintf(to, "    %-20s %6zu of %zu there\n", rows->list[i].name, rows->list[i].there, rows->list[i].files);
}

int status_print(struct status *s, FILE *to, size_t *running)
{
	struct notes notes = {.list = NULL};
	struct rows rows = {.list = NULL};
	struct works works = {.list = NULL};
	/* Notes first: what ends meanwhile has its results there, or at least its stamp. */
	int bad = read_notes(&notes, s->build_dir) || read_rows(&rows, s->build_dir);
	if (!bad) {
		if (notes.count || rows.missing_count)
			read_earlier(s, &notes);
		works_find(&works, rows.missing, rows.missing_count, notes.list, notes.count, &s->entries, &s->earlier);
		print_rows(to, &rows);
		print_running(to, &works);
		works_print_left(to, &works, rows.missing_reports, &s->earlier);
	}
	*running = notes.count;
	works_release(&works);
	release_rows(&rows);
	free(notes.list);
	return bad ? -1 : 0;
}
