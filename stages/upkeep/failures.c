#include "upkeep/failures.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/hash_map.h"
#include "common/json.h"
#include "common/memory.h"
#include "graph/grid_file.h"
#include "graph/job_list.h"
#include "graph/progress_note.h"

enum { FAILURE_BYTES_MAX = 2 << 20, SHOWN = 10 };

struct failure {
	cJSON *root;            /* owner of the strings */
	const char *stage, *cell, *job, *reason, *log;
	char *line;             /* the first of the reason, with what only this job has left out */
	size_t like_it;         /* failures with that line */
};

struct failures {
	struct failure *list;
	size_t count, capacity;
	struct hash_map cells;  /* of the grid: those have a target cells/NAME */
};

/* Whether the job that failed is one of the present graph. */
static int is_current(const struct failure *f)
{
	const char *colon = strrchr(f->job, ':');
	if (!colon || strlen(colon + 1) != JOB_KEY_SHORT)
		return file_exists(f->job);
	char *list = mem_strndup(f->job, (size_t)(colon - f->job));
	int there = job_list_has(list, colon + 1) > 0;
	free(list);
	return there;
}

/* Digests and numbers of processes, as in the names of files in cache/tmp: "<digest>.<pid>" from at on, or nothing. */
static size_t own_number(const char *at)
{
	size_t length = strspn(at, "0123456789abcdef");
	if (length < JOB_KEY_SHORT)
		return 0;
	size_t digits = at[length] == '.' ? strspn(at + length + 1, "0123456789") : 0;
	return length + (digits ? digits + 1 : 0);
}

/* When a disk is full every job says so of a file of its own: these are one reason. */
static char *common_line(const struct failure *f)
{
	struct strbuf line;
	const size_t cell = strlen(f->cell);
	strbuf_init(&line);
	for (const char *at = f->reason; *at && *at != '\n';) {
		size_t number = own_number(at);
		if (cell && !strncmp(at, f->cell, cell)) {
			strbuf_adds(&line, "(the cell)");
			at += cell;
		} else if (number) {
			strbuf_adds(&line, "(...)");
			at += number;
		} else {
			strbuf_addc(&line, *at++);
		}
	}
	return line.s;
}

/* One that is damaged is left out with a warning. */
static void add_failure(struct failures *all, const char *path)
{
	struct failure f = {.root = json_read(path, FAILURE_BYTES_MAX)};
	if (!f.root || json_check_format(f.root, "quantgrid-failure/1", path) ||
		!(f.stage = json_string(f.root, "stage", path)) || !(f.cell = json_string(f.root, "cell", path)) ||
		!(f.job = json_string(f.root, "job", path)) || !(f.reason = json_string(f.root, "reason", path)) ||
		!(f.log = json_string(f.root, "log", path))) {
		warn("%s", error_text());
		cJSON_Delete(f.root);
		return;
	}
	if (!is_current(&f)) {
		cJSON_Delete(f.root);
		return;
	}
	f.line = common_line(&f);
	MEM_GROW(all->list, all->count, all->capacity);
	all->list[all->count++] = f;
}

static int visit_failure(void *all, const char *folder, const char *name)
{
	char *path = path_join(folder, name);
	add_failure(all, path);
	free(path);
	return 0;
}

static int read_failures(struct failures *all, const char *build_dir)
{
	char *folder = path_join(build_dir, "failed");
	int bad = dir_each(folder, visit_failure, all);
	free(folder);
	return bad;
}

static int read_cells(struct failures *all, const char *build_dir)
{
	struct grid_file grid;
	char *path = path_join(build_dir, "grid.json");
	int bad = grid_file_open(&grid, path) ? fail_context("run ./configure first") : 0;
	for (size_t i = 0; i < grid.count; i++)
		*hash_map_at(&all->cells, grid.cells[i].name, strlen(grid.cells[i].name)) = 1;
	grid_file_close(&grid);
	free(path);
	return bad;
}

static int by_line(const void *a, const void *b)
{
	const struct failure *x = a, *y = b;
	int order = strcmp(x->line, y->line);
	return order ? order : strcmp(x->cell, y->cell);
}

static int by_number(const void *a, const void *b)
{
	const struct failure *x = a, *y = b;
	return x->like_it != y->like_it ? (x->like_it > y->like_it ? -1 : 1) : by_line(a, b);
}

static void group(struct failures *all)
{
	if (!all->count)
		return;
	qsort(all->list, all->count, sizeof *all->list, by_line);
	for (size_t i = 0, end; i < all->count; i = end) {
		for (end = i; end < all->count && !strcmp(all->list[i].line, all->list[end].line); end++)
			;
		for (size_t k = i; k < end; k++)
			all->list[k].like_it = end - i;
	}
	qsort(all->list, all->count, sizeof *all->list, by_number);
}

static void print_failure(FILE *to, struct failures *all, const struct failure *f)
{
	fprintf(to, "    %s %s\n        log    %s\n        again  ", f->stage, f->cell, f->log);
	if (*hash_map_at(&all->cells, f->cell, strlen(f->cell)) != HASH_MAP_NEW)
		fprintf(to, "ninja cells/%s\n", f->cell);
	else
		fprintf(to, "build/bin/%s %s\n", f->stage, f->job);
}

/* Where all say the very same nothing is left out. */
static void print_line(FILE *to, const struct failure *first)
{
	const size_t length = strcspn(first->reason, "\n");
	int same = 1;
	for (size_t k = 1; k < first->like_it; k++)
		same = same && !strncmp(first[k].reason, first->reason, length) && strcspn(first[k].reason, "\n") == length;
	if (same)
		fprintf(to, "\n%.*s\n", (int)length, first->reason);
	else
		fprintf(to, "\n%s\n", first->line);
}

static void print_groups(FILE *to, struct failures *all, int whole)
{
	for (size_t i = 0, end; i < all->count; i = end) {
		const struct failure *first = &all->list[i];
		end = i + first->like_it;
		print_line(to, first);
		for (size_t k = i; k < end && (whole || k - i < SHOWN); k++)
			print_failure(to, all, &all->list[k]);
		if (!whole && end - i > SHOWN)
			fprintf(to, "    ... and %zu more (build/bin/failures --all)\n", end - i - SHOWN);
	}
}

static size_t count_groups(const struct failures *all)
{
	size_t groups = 0;
	for (size_t i = 0; i < all->count; i += all->list[i].like_it)
		groups++;
	return groups;
}

/* ---- processes that could not say what happened ---- */

struct ended {
	FILE *to;
	size_t count;
};

static int visit_note(void *context, const char *folder, const char *name)
{
	struct ended *e = context;
	struct progress_note n;
	char *path = path_join(folder, name);
	if (progress_note_read(path, &n) == NOTE_ENDED) {
		if (!e->count++)
			fprintf(e->to, "\nended without a word: killed, out of memory, or crashed\n");
		fprintf(e->to, "    %s %s%s\n        was at %s", n.stage, n.cell, n.jobs > 1 ? ", the first of its jobs" : "",
			*n.phase ? n.phase : "the beginning");
		if (n.total)
			fprintf(e->to, ", %s %zu of %zu", n.step, n.done < n.total ? n.done + 1 : n.total, n.total);
		fprintf(e->to, "; %zu of %zu job%s done\n        again  ninja\n", n.committed, n.jobs, n.jobs == 1 ? "" : "s");
	}
	free(path);
	return 0;
}

static int print_ended(FILE *to, const char *build_dir, size_t *count)
{
	struct ended e = {.to = to};
	char *folder = path_join(build_dir, "progress");
	int bad = dir_each(folder, visit_note, &e);
	free(folder);
	*count += e.count;
	return bad;
}

int failures_print(FILE *to, const char *build_dir, int whole, size_t *count)
{
	struct failures all = {0};
	int bad = read_cells(&all, build_dir) || read_failures(&all, build_dir);
	if (!bad) {
		group(&all);
		size_t groups = count_groups(&all);
		if (all.count)
			fprintf(to, "%zu job%s failed, for %zu reason%s; ninja tries %s again\n", all.count, all.count == 1 ? "" : "s",
				groups, groups == 1 ? "" : "s", all.count == 1 ? "it" : "them");
		print_groups(to, &all, whole);
		*count = all.count;
		bad = print_ended(to, build_dir, count);
		if (!bad && !*count)
			fprintf(to, "nothing failed\n");
	}
	for (size_t i = 0; i < all.count; i++) {
		cJSON_Delete(all.list[i].root);
		free(all.list[i].line);
	}
	free(all.list);
	hash_map_release(&all.cells);
	return bad ? -1 : 0;
}
