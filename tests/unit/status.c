/* What runs, as its note says and as status prints it. The test plays the stage: its own name is "status". */
#include "upkeep/status.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"
#include "../support/scratch.h"
#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/progress.h"
#include "graph/cache.h"
#include "graph/progress_note.h"

static char *cache, *build, *note_path;

static void open_build(void)
{
	static const char list[] = "{\"key\":\"00000000000000000000000000000001\",\"ref\":\"/nowhere\"}\n"
		"{\"key\":\"00000000000000000000000000000002\",\"ref\":\"/\"}\n";
	build = scratch_path("build");
	cache = scratch_path("cache");
	free(scratch_write("build/jobs/some-stage.jsonl", list, sizeof list - 1));
	free(scratch_write("build/jobs/some-stage.before.jsonl", list, sizeof list - 1));
	note_path = mem_printf("%s/progress/%ld", build, (long)getpid());
	if (cache_prepare(cache))
		exit(error_report(1));
}

/* An entry of that cell that took so long beside so many jobs. */
static void store(const char *stage, const char *cell, double seconds, size_t jobs)
{
	struct object_writer w;
	struct cache_result result;
	char *ingredients = mem_printf("{\"stage\":\"%s\",\"version\":%g,\"inputs\":{\"jobs\":\"%zu %s\"}}", stage,
		seconds, jobs, cell);
	struct digest action = hash_bytes(ingredients, strlen(ingredients));
	cJSON *made = cJSON_CreateObject();
	cJSON_AddStringToObject(made, "cell", cell);
	cJSON_AddNumberToObject(made, "finished_unix", 1000000 + seconds);
	cJSON_AddNumberToObject(made, "seconds_since_start", seconds);
	cJSON_AddNumberToObject(made, "jobs", (double)jobs);
	object_writer_init(&w, "tiny");
	if (cache_store(cache, &action, ingredients, &w, made, &result))
		exit(error_report(1));
	object_writer_release(&w);
	cJSON_Delete(made);
	free(ingredients);
}

static char *print_again(struct status *s, size_t *running)
{
	char *text;
	size_t length;
	FILE *to = open_memstream(&text, &length);
	CHECK(!status_print(s, to, running), "%s", error_text());
	fclose(to);
	return text;
}

static char *print(size_t *running)
{
	struct status *s = status_open(build, cache);
	char *text = print_again(s, running);
	status_close(s);
	return text;
}

static void expect(const char *text, const char *part)
{
	CHECK(strstr(text, part), "\"%s\" is not in:\n%s", part, text);
}

static void test_note(void)
{
	struct progress_note note;
	progress_step("layer", 1, 2);   /* nobody listens */
	progress_note_begin(build, "status", "model.a.b", 3);
	CHECK(progress_note_read(note_path, &note) == NOTE_RUNS, "no note at %s", note_path);
	CHECK(note.jobs == 3 && note.pid == (long)getpid() && !note.total && !note.committed, "%zu jobs", note.jobs);
	progress_note_phase("score");
	progress_step("layer", 4, 36);
	progress_step("layer", 5, 36);
	progress_note_committed();
	CHECK(progress_note_read(note_path, &note) == NOTE_RUNS, "no note");
	CHECK(!strcmp(note.phase, "score") && !strcmp(note.step, "layer") && !strcmp(note.cell, "model.a.b"), "%s",
		note.phase);
	CHECK(note.done == 5 && note.total == 36 && note.first_done == 4 && note.committed == 1, "%zu of %zu from %zu",
		note.done, note.total, note.first_done);
	progress_step("layer", 0, 36);
	CHECK(progress_note_read(note_path, &note) == NOTE_RUNS && !note.first_done && !note.done,
		"a second pass began at %zu", note.first_done);
	progress_note_phase("commit");
	CHECK(progress_note_read(note_path, &note) == NOTE_RUNS && !note.total && !*note.step,
		"the steps of the last phase stayed");
	progress_note_end();
	CHECK(!file_exists(note_path), "%s stayed", note_path);
	progress_note_begin(NULL, "status", "a", 1);
	progress_note_phase("score");
	progress_step("layer", 1, 2);
	CHECK(!file_exists(note_path), "a note without a build folder");
	progress_note_end();
}

static void test_what_runs(void)
{
	size_t running = 7;
	char *text = print(&running);
	CHECK(!running, "%zu run", running);
	expect(text, "some-stage                1 of 2 there\n");
	CHECK(!strstr(text, "some-stage.before"), "the list before counts:\n%s", text);
	expect(text, "nothing computes now\nthe whole build: no telling how long: some-stage (not run before)\n");
	free(text);

	store("status", "model.a.b", 4000, 3);
	store("status", "model.a.c", 4999, 3);
	store("status", "model.a.d", 5000, 3);
	progress_note_begin(build, "status", "model.c.d", 3);
	progress_note_phase("score");
	progress_step("layer", 0, 36);
	progress_step("layer", 9, 36);
	text = print(&running);
	CHECK(running == 1, "%zu run", running);
	expect(text, "status, 3 results in one process, 0 done; the first is model.c.d\n");
	expect(text, "score: layer 10 of 36 (");
	expect(text, "left of this pass)\n        running for 0:0");
	expect(text, "about 1:23:");
	expect(text, "\nthe whole build: about 1:23:");
	expect(text, " left, without some-stage (not run before)\n");
	free(text);
	progress_note_phase("choose");
	text = print(&running);
	expect(text, "        choose\n");
	free(text);
	progress_note_committed();
	text = print(&running);
	expect(text, "status, 3 results in one process, 1 done; ");
	expect(text, "choose: result 2 of 3 (");
	free(text);
	progress_note_end();
}

/* --watch: what ended meanwhile is an earlier run. */
static void test_again(void)
{
	struct status *s = status_open(build, cache);
	size_t running;
	progress_note_begin(build, "status", "model.a", 1);
	char *text = print_again(s, &running);
	expect(text, "without some-stage (not run before)");
	free(text);
	progress_note_end();
	store("some-stage", "", 100, 1);
	text = print_again(s, &running);
	expect(text, "nothing computes now\nthe whole build: about 1:40 left\n");
	free(text);
	status_close(s);
	scratch_remove(cache);
	if (cache_prepare(cache))
		exit(error_report(1));
}

/* What a stage needs stands above it, though its first job may not need it; reports last; lists of what has no reference are none. */
static void test_order(void)
{
	static const struct {
		const char *name, *text;
	} files[] = {
		{"build/jobs/a-last.jsonl", "{\"key\":\"0\",\"inputs\":{},\"ref\":\"/\"}\n"
			"{\"key\":\"1\",\"inputs\":{\"x\":{\"job\":\"build/jobs/b.jsonl:12\"}},\"ref\":\"/no\"}\n"},
		{"build/jobs/b.jsonl",
			"{\"key\":\"1\",\"inputs\":{\"x\":{\"job\":\"build/jobs/z.jsonl:12\"}},\"ref\":\"/\"}\n"},
		{"build/jobs/report.jsonl", "{\"key\":\"1\",\"ref\":\"\"}\n"},
		{"build/jobs/empty.jsonl", ""},
		{"build/jobs/z.jsonl", "{\"key\":\"1\",\"ref\":\"/\"}\n"},
		{"build/grid.json", "{\"cells\": [\n{\"manifest\": \"/\"},\n{\"manifest\": \"/no\"}\n]}\n"},
	};
	size_t running;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		free(scratch_write(files[i].name, files[i].text, strlen(files[i].text)));
	char *text = print(&running);
	CHECK_STRING(text, "results\n"
		"    some-stage                1 of 2 there\n"
		"    z                         1 of 1 there\n"
		"    b                         1 of 1 there\n"
		"    a-last                    1 of 2 there\n"
		"    reports                   1 of 2 there\n"
		"nothing computes now\n"
		"the whole build: no telling how long: some-stage, a-last (not run before), 1 report (never timed)\n");
	free(text);
}

/* A note of a process that is no more, of another program, and no note at all. */
static void test_dead(void)
{
	size_t running;
	char *text, *copy, *dead, *other;
	progress_note_begin(build, "status", "a", 1);
	if (file_read(note_path, NOTE_BYTES, &text, NULL))
		exit(error_report(1));
	pid_t child = fork();
	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
	char *pid = strstr(text, "\"pid\":");
	copy = mem_printf("%.*s\"pid\":%ld%s", (int)(pid - text), text, (long)child, strchr(pid, ','));
	dead = scratch_write("build/progress/1", copy, strlen(copy));
	other = scratch_write("build/progress/2", "{\"pid\":", 7);
	progress_note_end();
	progress_note_begin(build, "another-program", "a", 1);
	free(copy);
	copy = print(&running);
	CHECK(!running, "%zu run:\n%s", running, copy);
	CHECK(file_exists(dead), "the note of a dead process is kept for ninja failures");
	progress_note_end();
	/* The stage computes again: what it left is told no more; what others left is. */
	progress_note_begin(build, "another-program", "a", 1);
	CHECK(file_exists(dead), "another stage removed the note");
	progress_note_end();
	progress_note_begin(build, "status", "a", 1);
	CHECK(!file_exists(dead), "the note of a dead process stayed");
	progress_note_end();
	free(text);
	free(copy);
	free(dead);
	free(other);
}

int main(void)
{
	open_build();
	TEST(test_note);
	TEST(test_what_runs);
	TEST(test_again);
	TEST(test_order);
	TEST(test_dead);
	free(cache);
	free(build);
	free(note_path);
	return check_done();
}
