/* Failures: noted, forgotten with success, grouped. */
#include "upkeep/failures.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"
#include "../support/scratch.h"
#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "graph/cell_log.h"
#include "graph/job_list.h"

enum { JOBS = 14 };

static char *build, *keys[JOBS];

/* A list of jobs "cell.0" to "cell.13" and a grid that has all but the last. */
static void open_build(void)
{
	struct strbuf list, grid, line;
	strbuf_init(&line);
	strbuf_init(&list);
	strbuf_init(&grid);
	strbuf_adds(&grid, "{\"format\":\"quantgrid-grid/1\","
		"\"grid\":\"g\",\"overview_json\":\"\",\"invalid\":[],\"cells\":[");
	for (int i = 0; i < JOBS; i++) {
		keys[i] = mem_printf("%016x%016x", i + 1, 0);
		strbuf_clear(&line);
		strbuf_addf(&line, "{\"key\":\"%s\",\"cell\":\"cell.%d\"", keys[i], i);
		job_list_seal(&line);
		strbuf_add(&list, line.s, line.length);
		if (i + 1 < JOBS)
			strbuf_addf(&grid, "%s{\"cell\":\"cell.%d\","
				"\"model\":\"\",\"pair\":\"\",\"granularity\":\"\",\"size\":\"\","
				"\"report\":\"\",\"manifest\":\"\",\"formats\":[{\"name\":\"\",\"quant_pair\":{\"weight\":\"\","
				"\"activation\":\"\"}}]}", i ? "," : "", i);
	}
	strbuf_adds(&grid, "]}");
	job_list_end(&list, list.length);
	build = scratch_path("build");
	free(scratch_write("build/jobs/some-stage.jsonl", list.s, list.length));
	free(scratch_write("build/grid.json", grid.s, grid.length));
	strbuf_release(&line);
	strbuf_release(&list);
	strbuf_release(&grid);
}

static struct job job_number(int i, char **path, char **cell)
{
	*path = mem_printf("%s/jobs/some-stage.jsonl:%.16s", build, keys[i]);
	*cell = mem_printf("cell.%d", i);
	return (struct job){.path = *path, .stage = "some-stage", .cell = *cell, .key = keys[i]};
}

static void set(int i, const char *reason)
{
	char *path, *cell;
	struct job job = job_number(i, &path, &cell);
	if (reason) {
		fail("%s", reason);
		cell_log_failed(&job);
		CHECK_STRING(error_text(), reason);
	} else {
		cell_log_succeeded(&job);
	}
	free(path);
	free(cell);
}

static char *print(int all, size_t *count)
{
	char *text;
	size_t length;
	FILE *to = open_memstream(&text, &length);
	CHECK(!failures_print(to, build, all, count), "%s", error_text());
	fclose(to);
	return text;
}

static void expect(const char *text, const char *part)
{
	CHECK(strstr(text, part), "\"%s\" is not in:\n%s", part, text);
}

static void test_none(void)
{
	size_t count = 7;
	char *text = print(0, &count);
	CHECK(!count, "%zu", count);
	CHECK_STRING(text, "nothing failed\n");
	free(text);
}

static void test_groups(void)
{
	size_t count;
	for (int i = 0; i < 12; i++)
		set(i, "no room\nof 3 GB");
	set(12, "no room at all");
	set(13, "no room\nof 4 GB");
	char *text = print(0, &count);
	CHECK(count == JOBS, "%zu", count);
	expect(text, "14 jobs failed, for 2 reasons; ninja tries them again\n\nno room\n    some-stage cell.0\n");
	expect(text, "again  ninja cells/cell.0\n");
	expect(text, "    ... and 3 more (build/bin/failures --all)\n\nno room at all\n    some-stage cell.12\n");
	CHECK(!strstr(text, "of 3 GB"), "more than the first line:\n%s", text);
	free(text);
	text = print(1, &count);
	expect(text, "again  build/bin/some-stage ");
	CHECK(!strstr(text, "more (build"), "cut with --all:\n%s", text);
	free(text);
	for (int i = 0; i + 1 < JOBS; i++)
		set(i, NULL);
	text = print(0, &count);
	CHECK(count == 1, "%zu", count);
	expect(text, "1 job failed, for 1 reason; ninja tries it again\n\nno room\n    some-stage cell.13\n");
	free(text);
}

/* A full disk: each job says it of its own cell and file. */
static void test_own_names(void)
{
	size_t count;
	for (int i = 0; i < 3; i++) {
		char *reason = mem_printf("cell.%d: cache/tmp/%032x.%d: cannot write: File too large\nof cell.%d", i, 77 * i,
			1000 + i, i);
		set(i, reason);
		free(reason);
	}
	set(3, "cell.3: cache/tmp/0123456789abcdef.1: cannot write: No space left");
	set(4, "cache/tmp/0123: cannot write: File too large");
	char *text = print(0, &count);
	expect(text, " failed, for 4 reasons;");
	expect(text, "\n(the cell): cache/tmp/(...): cannot write: File too large\n    some-stage cell.0\n");
	expect(text, "\ncell.3: cache/tmp/0123456789abcdef.1: cannot write: No space left\n    some-stage cell.3\n");
	expect(text, "\ncache/tmp/0123: cannot write: File too large\n");
	free(text);
	for (int i = 0; i < 5; i++)
		set(i, NULL);
}

/* A process that was killed says nothing; its note does. */
static void test_ended(void)
{
	static const char note[] = "{\"format\":\"quantgrid-progress/1\",\"stage\":\"some-stage\",\"cell\":\"cell.1\","
		"\"jobs\":44,"
		"\"phase\":\"score\",\"step\":\"layer\",\"committed\":3,\"done\":4,\"total\":36,\"first_done\":0,\"started\":1,"
		"\"phase_started\":1,\"step_started\":1,\"stepped\":1,\"pid\":%ld}";
	size_t count;
	pid_t child = fork();
	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
	char *of_dead = mem_printf(note, (long)child), *path = scratch_write("build/progress/7", of_dead, strlen(of_dead));
	char *text = print(0, &count);
	CHECK(count == 1, "%zu", count);
	CHECK_STRING(text, "\nended without a word: killed, out of memory, or crashed\n"
		"    some-stage cell.1, the first of its jobs\n"
		"        was at score, layer 5 of 36; 3 of 44 jobs done\n        again  ninja\n");
	free(text);
	unlink(path);
	free(of_dead);
	free(path);
	text = print(0, &count);
	CHECK_STRING(text, "nothing failed\n");
	free(text);
}

/* What the graph no longer has, what is damaged, and a graph that is not there. */
static void test_left_out(void)
{
	size_t count;
	char *gone = mem_printf("{\"format\":\"quantgrid-failure/1\",\"stage\":\"s\",\"cell\":\"c\",\"reason\":\"r\","
		"\"log\":\"l\",\"job\":\"%s/jobs/some-stage.jsonl:ffffffffffffffff\"}", build);
	free(scratch_write("build/failed/s-1", gone, strlen(gone)));
	free(scratch_write("build/failed/s-2", "{\"job\":", 7));
	char *text = print(0, &count);
	CHECK(count == 1, "%zu stand:\n%s", count, text);
	free(text);
	free(gone);
	CHECK(failures_print(stdout, "/nowhere/at/all", 0, &count) == -1, "failures of no build");
	CHECK(strstr(error_text(), "run ./configure first"), "%s", error_text());
}

static void test_log(void)
{
	char *path, *cell, *log = scratch_path("build/logs/cell.3.log"), *text;
	struct job job = job_number(3, &path, &cell);
	cell_log_computed(&job, 1, 0.25);
	cell_log_computed(&job, 4, 2);
	fail("kept");
	warn_listen(cell_log_listener(&job));
	warn("%d of a kind", 3);
	warn_listen((struct warn_listener){NULL, NULL});
	warn("heard by nobody");
	CHECK_STRING(error_text(), "kept");
	if (file_read(log, 1 << 16, &text, NULL))
		exit(error_report(1));
	expect(text, " some-stage: failed: no room\nof 3 GB\n    once more, by itself: build/bin/some-stage ");
	expect(text, " some-stage: computed in 0.25 s\n");
	expect(text, " some-stage: computed, 4 jobs together, after 2.00 s\n");
	expect(text, " some-stage: warning: 3 of a kind\n");
	CHECK(!strstr(text, "nobody"), "a warning that was not for the cell:\n%s", text);
	free(text);
	char elsewhere[] = "elsewhere.json";
	job.path = elsewhere;
	fail("reason");
	cell_log_failed(&job);
	CHECK(!file_exists("logs") && !file_exists("failed"), "a job of no build is logged");
	free(path);
	free(cell);
	free(log);
}

int main(void)
{
	open_build();
	TEST(test_none);
	TEST(test_ended);
	TEST(test_groups);
	TEST(test_own_names);
	TEST(test_left_out);
	TEST(test_log);
	for (int i = 0; i < JOBS; i++)
		free(keys[i]);
	free(build);
	return check_done();
}
