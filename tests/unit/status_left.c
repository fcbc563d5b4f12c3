/* What is left of a build, by made-up entries of the cache, lists of jobs and notes. */
#include "upkeep/status_left.h"

#include <stdlib.h>

#include "../check.h"
#include "../support/scratch.h"
#include "common/memory.h"

static struct cache_scan scan;
static struct earlier earlier;

static void reset(void)
{
	cache_scan_close(&scan);
	earlier_release(&earlier);
}

static void add_entry(const char *stage, const char *cell, const char *more, double started, double seconds,
	size_t jobs)
{
	char *ingredients = mem_printf("{\"stage\":\"%s\"%s}", stage, more);
	MEM_GROW(scan.entries, scan.entry_count, scan.entry_capacity);
	struct scan_entry *e = &scan.entries[scan.entry_count];
	*e = (struct scan_entry){.path = mem_strdup(""), .cell = mem_strdup(cell), .jobs = jobs, .seconds = seconds,
		.key = mem_printf("%032zx", ++scan.entry_count), .finished = floor(started + seconds)};
	e->ingredients = cJSON_Parse(ingredients);
	e->stage = cJSON_GetObjectItem(e->ingredients, "stage")->valuestring;
	free(ingredients);
}

/* A process of so many jobs that left so many results: the last one when all its seconds had passed. */
static void add_run(const char *stage, const char *cell, double started, double seconds, size_t jobs, size_t results)
{
	for (size_t i = 0; i < results; i++)
		add_entry(stage, cell, "", started, seconds * (double)(i + 1) / (double)results, jobs);
}

static double seconds_of(const char *kind, size_t results)
{
	return earlier_seconds(&earlier, kind, results, INFINITY);
}

/* The entries come to so many runs, by which one with so many results takes so long. */
static void check_runs(size_t count, size_t results, double seconds)
{
	earlier_read(&earlier, &scan);
	CHECK(earlier.count == count, "%zu runs, expected %zu", earlier.count, count);
	CHECK_CLOSE(seconds_of("s model - - ", results), seconds, 1e-12);
}

/* The last entry of a process says what it took; processes are told apart by when they began. */
static void test_runs(void)
{
	reset();
	add_run("s", "model.a", 1000.3, 40, 16, 16);
	add_run("s", "model.b", 1040.9, 60, 16, 16);
	add_run("s", "model.c", 1101.2, 50, 16, 16);
	check_runs(3, 16, 50);
	CHECK(earlier_has(&earlier, "s") && !earlier_has(&earlier, "other") && !earlier_has(&earlier, ""), "stages");
	/* One that was killed after half of its results is one of half as many. */
	reset();
	add_run("s", "model.a", 1000, 40, 32, 16);
	add_run("s", "model.b", 1100, 50, 32, 16);
	check_runs(2, 16, 50);
	/* Entries of one job are processes of their own however near. */
	reset();
	add_run("s", "model.a", 1000, 1, 1, 1);
	add_run("s", "model.b", 1000.2, 1.5, 1, 1);
	add_run("s", "model.c", 1000.4, 9, 1, 1);
	check_runs(3, 1, 1.5);
	/* A problem, and an entry that says no time. */
	reset();
	add_run("s", "model.a", 1000, 1, 1, 1);
	add_run("s", "model.b", 1000, 0, 1, 1);
	scan.entries[0].problem = mem_strdup("damaged");
	earlier_read(&earlier, &scan);
	CHECK(!earlier.count, "%zu runs", earlier.count);
}

static void test_cost(void)
{
	reset();
	add_run("s", "model.a", 1000, 20, 1, 1);
	add_run("s", "model.a", 1100, 70, 16, 16);
	add_run("one", "model.a", 1200, 10, 8, 8);
	add_run("falls", "model.a", 1300, 10, 2, 2);
	add_run("falls", "model.a", 1400, 5, 4, 4);
	add_run("steep", "model.a", 1500, 1, 2, 2);
	add_run("steep", "model.a", 1600, 4, 4, 4);
	add_run("bent", "model.a", 1700, 10, 10, 10);
	add_run("bent", "model.a", 1800, 20, 20, 20);
	add_run("bent", "model.a", 2000, 2000, 320, 320);
	earlier_read(&earlier, &scan);
	static const struct {
		const char *kind;
		size_t results;
		double seconds, within;
	} cases[] = {
		/* A fixed cost of 16.7 s and 3.33 a result. */
		{"s model - - ", 1, 20, 1e-9}, {"s model - - ", 16, 70, 1e-9}, {"s model - - ", 4, 30, 1e-9},
		{"s model - - ", 64, 230, 1e-9}, {"s model ", 4, 30, 1e-9},
		/* One number alone: half of it is fixed. */
		{"one model - - ", 8, 10, 1e-9}, {"one model - - ", 16, 15, 1e-9}, {"one model - - ", 2, 6.25, 1e-9},
		/* No cost is negative: more do not take less, and none of a steep line begins below nothing. */
		{"falls model - - ", 16, 7.5, 0.3}, {"steep model - - ", 1, 0.5, 0.4},
		/* What is far away counts little. */
		{"bent model - - ", 15, 15, 0.05}, {"bent model - - ", 300, 1875, 0.05},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const double found = seconds_of(cases[i].kind, cases[i].results);
		CHECK(fabs(found - cases[i].seconds) <= cases[i].within * cases[i].seconds, "%s%zu: %g, expected %g",
			cases[i].kind, cases[i].results, found, cases[i].seconds);
	}
	static const struct {
		const char *kind;
		size_t results;
	} unknown[] = {{"s model - - ", 65}, {"one model - - ", 33}, {"one model - - ", 1}, {"s mode - - ", 1},
		{"s model_b - - ", 1}, {"s model - kl_div ", 1}, {"s model cpu - ", 1}, {"no model - - ", 1}};
	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
		const double found = seconds_of(unknown[i].kind, unknown[i].results);
		CHECK(found < 0, "%s%zu: %g", unknown[i].kind, unknown[i].results, found);
	}
	CHECK(earlier_seconds(&earlier, "s model - - ", 1, 1050) == 20, "a run that began later counts");
	CHECK(earlier_seconds(&earlier, "s model - - ", 1, 1000) < 0, "a run that began then counts");
}

/* ---- the line ---- */

struct job_line {
	const char *stage;
	size_t key;             /* as that of the entry of this number; beyond them: none has it */
	const char *text;       /* behind the key */
};

/* The line for those jobs, notes, and reports; "" when there is none. The caller frees. */
static char *left(const struct job_line *lines, size_t count, const struct progress_note *notes, size_t note_count,
	size_t reports)
{
	struct missing_job *jobs = mem_array(count, sizeof *jobs);
	struct works works;
	char *printed;
	size_t length;
	FILE *to = open_memstream(&printed, &length);
	earlier_release(&earlier);
	earlier_read(&earlier, &scan);
	for (size_t i = 0; i < count; i++) {
		char *line = mem_printf("{\"key\":\"%032zx\"%s}\n", lines[i].key, lines[i].text);
		jobs[i] = (struct missing_job){lines[i].stage, line, strlen(line)};
	}
	works_find(&works, jobs, count, notes, note_count, &scan, &earlier);
	works_print_left(to, &works, reports, &earlier);
	fclose(to);
	works_release(&works);
	for (size_t i = 0; i < count; i++)
		free((char *)jobs[i].line);
	free(jobs);
	return printed;
}

static void expect_left(int line, const struct job_line *lines, size_t count, const struct progress_note *notes,
	size_t note_count, size_t reports, const char *expected)
{
	char *found = left(lines, count, notes, note_count, reports);
	check_string(__FILE__, line, found, expected);
	free(found);
}

#define MEMBERS(cell, stamp) ",\"cell\":\"" cell "\",\"stamp\":\"/none/" stamp "\""
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A process of a stage that began so many seconds ago, and its phase half of it. */
static struct progress_note note_of(const char *stage, const char *cell, double ago, size_t jobs, size_t committed)
{
	struct progress_note n = {.jobs = jobs, .committed = committed, .started = progress_note_now() - ago,
		.phase_started = progress_note_now() - ago / 2};
	snprintf(n.stage, sizeof n.stage, "%s", stage);
	snprintf(n.cell, sizeof n.cell, "%s", cell);
	return n;
}

/* Groups are processes; what is in the cache, or was tried, is no work; a job without a group is a process. */
static void test_missing(void)
{
	reset();
	add_run("s", "model.a", 1000, 100, 1, 1);
	add_run("s", "model.a", 2000, 200, 2, 2);
	add_run("alone", "model.a", 3000, 1000, 1, 1);
	const struct job_line lines[] = {
		{"s", 100, MEMBERS("model.x", "1.stamp")}, {"s", 101, MEMBERS("model.y", "1.stamp")},
		{"s", 102, MEMBERS("model.z", "2.stamp")},
		{"s", 1, MEMBERS("model.a", "2.stamp")}, /* killed before it wrote the reference file */
		{"alone", 103, ",\"cell\":\"model\""}, {"alone", 104, ",\"cell\":\"model\""},
	};
	expect_left(__LINE__, lines, 0, NULL, 0, 0, "");
	expect_left(__LINE__, lines, 1, NULL, 0, 0, "the whole build: about 1:40 left\n");
	expect_left(__LINE__, lines, 2, NULL, 0, 0, "the whole build: about 3:20 left\n");
	expect_left(__LINE__, lines, 4, NULL, 0, 0, "the whole build: about 5:00 left\n");
	expect_left(__LINE__, lines, 6, NULL, 0, 2, "the whole build: about 38:20 left, without 2 reports (never timed)\n");
	char *stamp = scratch_write("tried.stamp", "", 0);
	char *text = mem_printf(",\"cell\":\"model.x\",\"stamp\":\"%s\"", stamp);
	const struct job_line tried[] = {{"s", 100, text}, {"s", 101, text}};
	expect_left(__LINE__, tried, 2, NULL, 0, 0, "");
	free(text);
	free(stamp);
}

static void test_unknown(void)
{
	reset();
	add_run("s", "model.a", 1000, 100, 1, 1);
	add_entry("m", "model.a", ",\"numerics\":\"cpu\",\"params\":{\"autoquant.method\":\"kl_div\"}", 2000, 50, 1);
	const struct job_line lines[] = {
		{"t", 100, MEMBERS("model.x", "1")}, {"t", 101, MEMBERS("model.x", "2")}, {"s", 102, MEMBERS("other.x", "3")},
		{"m", 103, ",\"numerics\":\"cpu\",\"cell\":\"model\",\"params\":{\"autoquant.method\":\"gradient\"}"},
		{"m", 104, ",\"numerics\":\"gpu\",\"cell\":\"model\",\"params\":{\"autoquant.method\":\"kl_div\"}"},
		{"m", 105, ",\"numerics\":\"cpu\",\"cell\":\"model\",\"params\":{\"autoquant.method\":\"kl_div\"}"},
	};
	expect_left(__LINE__, lines, 2, NULL, 0, 0, "the whole build: no telling how long: t (not run before)\n");
	expect_left(__LINE__, lines, 5, NULL, 0, 1,
		"the whole build: no telling how long: t (not run before), s, m (not run like this before), "
		"1 report (never timed)\n");
	expect_left(__LINE__, lines, 6, NULL, 0, 0,
		"the whole build: about 0:50 left, without t (not run before), s, m (not run like this before)\n");
	expect_left(__LINE__, lines, 0, NULL, 0, 3, "the whole build: no telling how long: 3 reports (never timed)\n");
}

/* What runs counts once, by its note: its time that passed is over, and so are the results it has. */
static void test_running(void)
{
	const struct job_line lines[] = {
		{"s", 100, MEMBERS("model.x", "1")}, {"s", 101, MEMBERS("model.y", "1")}, {"s", 102, MEMBERS("model.z", "2")},
		{"t", 103, MEMBERS("model.x", "3")}, {"t", 104, MEMBERS("model.y", "3")},
	};
	reset();
	add_run("s", "model.a", 1000, 1000, 1, 1);
	add_run("s", "model.a", 3000, 2000, 2, 2);
	/* The second of the group, as the first is in the cache; another group waits. */
	struct progress_note notes[] = {note_of("s", "model.y", 400.2, 1, 0), note_of("t", "model.x", 60, 4, 1)};
	expect_left(__LINE__, lines, 2, notes, 1, 0, "the whole build: about 10:00 left\n");
	expect_left(__LINE__, lines, 3, notes, 1, 0, "the whole build: about 26:40 left\n");
	/* No earlier run: by the pace of its results, of which three are left, one in the 30 seconds of the phase. */
	expect_left(__LINE__, lines + 3, 2, notes + 1, 1, 0, "the whole build: about 1:30 left\n");
	expect_left(__LINE__, lines, 5, notes, 2, 0, "the whole build: about 28:10 left\n");
	/* Of no job that is missing: one of a list before. */
	expect_left(__LINE__, lines, 0, notes, 2, 0, "the whole build: about 11:30 left\n");
	notes[1].committed = 0;
	expect_left(__LINE__, lines, 5, notes, 2, 0, "the whole build: about 26:40 left, without t (not run before)\n");
	notes[1].committed = 4;
	expect_left(__LINE__, lines + 3, 2, notes + 1, 1, 0, "the whole build: about 0:00 left\n");
	notes[0] = note_of("s", "model.x", 5000, 2, 0);
	expect_left(__LINE__, lines, 2, notes, 1, 0, "the whole build: no telling how long: s (longer than before)\n");
	notes[0] = note_of("renders", "grid", 10, 1, 0);
	expect_left(__LINE__, lines, 1, notes, 1, 7,
		"the whole build: about 16:40 left, without renders, 7 reports (never timed)\n");
	/* Its own entries are no earlier run. */
	reset();
	notes[0] = note_of("s", "model.x", 100, 4, 3);
	add_run("s", "model.x", notes[0].started, 90, 4, 3);
	notes[0].committed = 0;
	expect_left(__LINE__, lines, 2, notes, 1, 0,
		"the whole build: no telling how long: s (not run like this before)\n");
}

static void test_time_text(void)
{
	static const struct {
		double seconds;
		const char *text;
	} cases[] = {{0, "0:00"}, {-3, "0:00"}, {7.4, "0:07"}, {61, "1:01"}, {3599.6, "1:00:00"}, {90061, "25:01:01"}};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = status_time_text(cases[i].seconds);
		CHECK_STRING(text, cases[i].text);
		free(text);
	}
}

int main(void)
{
	TEST(test_runs);
	TEST(test_cost);
	TEST(test_missing);
	TEST(test_unknown);
	TEST(test_running);
	TEST(test_time_text);
	reset();
	return check_done();
}
