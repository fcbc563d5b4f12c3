#include "graph/stage.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/pool.h"
#include "common/strbuf.h"
#include "graph/cell_log.h"
#include "graph/fault.h"
#include "graph/job_group.h"
#include "graph/job_list.h"
#include "graph/leaf.h"
#include "graph/progress_note.h"

enum { PHASES_MAX = 32, LEFT_OUT_SHOWN = 3 };

struct stage_slot {
	enum { SLOT_OPEN, SLOT_DONE, SLOT_FAILED } state;
	struct timespec started;
};

struct options {
	const char *job, *group, *stamp;
	int grouped;
};

static void on_signal(int number)
{
	(void)number;
	progress_note_interrupt();
	cache_interrupt();
	_exit(143);
}

void stage_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

/* Appends a line to the file that a variable of the environment names, if it does. */
static void note_line(const char *variable, const char *line)
{
	const char *path = getenv(variable);
	if (!path)
		return;
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		return;
	/* One write, so that lines of processes side by side do not mix. */
	if (write(fd, line, strlen(line)) < 0)
		warn("%s: cannot write what $%s asks for", path, variable);
	close(fd);
}

void stage_trace(const char *stage, const char *cell)
{
	char *line = mem_printf("%s %s\n", stage, cell);
	note_line("QUANTGRID_TRACE", line);
	free(line);
}

/* ---- where the time went ---- */

static struct {
	struct {
		const char *name;
		double seconds;
	} phases[PHASES_MAX];
	size_t count, now;      /* phases; the one under way */
	struct timespec since;  /* when it began */
} times;

static double seconds_of(struct timespec t)
{
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static size_t find_phase(const char *name)
{
	size_t i = 0;
	while (i < times.count && strcmp(times.phases[i].name, name))
		i++;
	assert(i < PHASES_MAX);
	if (i == times.count)
		times.phases[times.count++].name = name;
	return i;
}

/* What came before main(): finding and mapping libraries, which is all processor time. */
static void book_start(void)
{
	struct timespec used;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	times.phases[find_phase("start")].seconds = seconds_of(used);
}

const char *stage_phase(const char *name)
{
	struct timespec now;
	const char *before = times.count ? times.phases[times.now].name : NULL;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (before)
		times.phases[times.now].seconds += seconds_of(now) - seconds_of(times.since);
	else
		book_start();
	times.now = find_phase(name);
	times.since = now;
	progress_note_phase(name);
	return before;
}

void stage_times(const char *stage, const char *what)
{
	struct strbuf line;
	double total = 0;
	if (!times.count || !getenv("QUANTGRID_TIMES"))
		return;
	stage_phase(times.phases[times.now].name);
	for (size_t i = 0; i < times.count; i++)
		total += times.phases[i].seconds;
	strbuf_init(&line);
	strbuf_addf(&line, "%s %s total %.3f", stage, what, total);
	for (size_t i = 0; i < times.count; i++)
		strbuf_addf(&line, " %s %.3f", times.phases[i].name, times.phases[i].seconds);
	strbuf_addc(&line, '\n');
	note_line("QUANTGRID_TIMES", line.s);
	strbuf_release(&line);
}

/* ---- one result ---- */

/* Leaves must be what they were when the graph was made, before they are read and after. */
static int check_leaves(const struct job *job)
{
	size_t files = 0;
	for (size_t i = 0; i < job->input_count; i++)
		files += job->inputs[i].file_count;
	if (!files)
		return 0; /* most jobs: the memo need not be read, once a cell */
	struct leaf_memo *memo = leaf_memo_open(job->cache);
	int bad = 0;
	for (size_t i = 0; i < job->input_count && !bad; i++) {
		for (size_t f = 0; f < job->inputs[i].file_count && !bad; f++) {
			const struct job_file *file = &job->inputs[i].files[f];
			struct digest now;
			bad = leaf_digest(memo, file->path, &now);
			if (!bad && !digest_equal(&now, &file->digest))
				bad = fail("%s: changed since the graph was made; run ninja again", file->path);
		}
	}
	leaf_memo_close(memo);
	return bad;
}

static double seconds_since_start(const struct stage_slot *slot)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return seconds_of(now) - seconds_of(slot->started);
}

static cJSON *provenance(const struct job *job, const struct stage_slot *slot, size_t jobs)
{
	cJSON *p = cJSON_CreateObject();
	cJSON_AddStringToObject(p, "cell", job->cell);
	cJSON_AddStringToObject(p, "key", job->key);
	cJSON_AddNumberToObject(p, "finished_unix", (double)time(NULL));
	cJSON_AddNumberToObject(p, "seconds_since_start", seconds_since_start(slot));
	cJSON_AddNumberToObject(p, "jobs", (double)jobs); /* that were computed together */
	return p;
}

int stage_commit(struct stage_run *run, size_t index, const struct object_writer *w)
{
	struct job *job = run->jobs[index];
	struct stage_slot *slot = &run->slots[index];
	struct cache_result result;
	if (fault_check("compute", job->cell) || fault_check(job->stage, job->cell) || check_leaves(job))
		return -1;
	cJSON *made = provenance(job, slot, run->count);
	int bad = cache_store(job->cache, &job->action, job->ingredients, w, made, &result);
	cJSON_Delete(made);
	if (bad)
		return -1;
	slot->state = SLOT_DONE;
	progress_note_committed();
	stage_trace(job->stage, job->cell);
	cell_log_computed(job, run->count, seconds_since_start(slot));
	cell_log_succeeded(job);
	cache_unlock(run->locks, &job->action);
	return 0;
}

void stage_failed(struct stage_run *run, size_t index)
{
	struct job *job = run->jobs[index];
	char *reason = mem_strdup(error_text());
	run->slots[index].state = SLOT_FAILED;
	if (cache_failure_note(job->cache, &job->action, &run->id, reason))
		warn("%s", error_text());
	fail("%s", reason);
	cell_log_failed(job);
	free(reason);
}

/* A warning of a computation that all jobs share. */
static void hear_all(void *context, const char *text)
{
	const struct stage_run *run = context;
	for (size_t i = 0; i < run->count; i++)
		cell_log_warned(run->jobs[i], text);
}

void stage_at(struct stage_run *run, size_t index)
{
	warn_listen(cell_log_listener(run->jobs[index]));
}

struct each {
	struct stage_run *run;
	stage_work *work;
	void *context;
	size_t width;   /* jobs at once */
};

static int each_row(void *context, size_t row, size_t worker)
{
	const struct each *e = context;
	struct warn_listener before = warn_listening();
	(void)worker;
	for (size_t i = row; i < e->run->count; i += e->width) {
		stage_at(e->run, i);
		if (e->run->slots[i].state == SLOT_OPEN && e->work(e->context, e->run, i))
			stage_failed(e->run, i);
	}
	warn_listen(before);
	return 0;
}

static void run_each(struct stage_run *run, stage_work *work, void *context, size_t width)
{
	struct each e = {run, work, context, width < run->count ? width : run->count};
	(void)pool_run(e.width, each_row, &e);
}

void stage_each(struct stage_run *run, stage_work *work, void *context)
{
	run_each(run, work, context, run->count);
}

static int work_of_stage(void *context, struct stage_run *run, size_t index)
{
	const struct stage *stage = context;
	return stage->compute_each(run, index);
}

/* A name that no other run has. */
static struct digest new_run(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	char *text = mem_printf("%ld %lld %ld", (long)getpid(), (long long)now.tv_sec, now.tv_nsec);
	struct digest d = hash_bytes(text, strlen(text));
	free(text);
	return d;
}

/* Locks the jobs one by one and keeps those that no other process finished meanwhile. */
static int lock_jobs(struct stage_run *run, struct job **jobs, size_t count)
{
	struct cache_result result;
	for (size_t i = 0; i < count; i++) {
		if (cache_lock(run->locks, &jobs[i]->action))
			return -1;
		if (cache_find(jobs[i]->cache, &jobs[i]->action, jobs[i]->ingredients, &result) > 0) {
			cache_unlock(run->locks, &jobs[i]->action);
			continue;
		}
		clock_gettime(CLOCK_REALTIME, &run->slots[run->count].started);
		run->jobs[run->count++] = jobs[i];
	}
	return 0;
}

/* Leaves are hashed again when they are very new, which takes a while: it has a phase, but no share of the times. */
static void begin_note(const struct stage *stage, const struct stage_run *run)
{
	char *build_dir = job_build_dir(run->jobs[0]->path);
	progress_note_begin(build_dir, stage->name, run->jobs[0]->cell, run->count);
	progress_note_phase("check inputs");
	free(build_dir);
}

/* Computes what is still missing of the jobs and notes each failure. Returns the number of jobs that failed, or -1
 * after fail() when it did not come to computing. */
static int compute(const struct stage *stage, const struct digest *id, struct job **jobs, size_t count)
{
	struct stage_run run = {.jobs = mem_array(count, sizeof *run.jobs), .slots = mem_zeroed(count, sizeof *run.slots),
		.locks = cache_locks_open(jobs[0]->cache), .id = *id};
	int failed = 0, bad = run.locks < 0 || lock_jobs(&run, jobs, count);
	if (!bad && run.count)
		begin_note(stage, &run);
	for (size_t i = 0; i < run.count && !bad; i++)
		bad = check_leaves(run.jobs[i]);
	stage_phase("compute");
	struct warn_listener before = warn_listen((struct warn_listener){hear_all, &run});
	if (!bad && run.count) {
		if (stage->compute && stage->compute(&run)) {
			for (size_t i = 0; i < run.count; i++)
				if (run.slots[i].state == SLOT_OPEN)
					stage_failed(&run, i);
		}
		if (stage->compute_each)
			run_each(&run, work_of_stage, (void *)(uintptr_t)stage,
				stage->side_by_side > 1 ? (size_t)stage->side_by_side : 1);
	}
	for (size_t i = 0; i < run.count; i++)
		failed += run.slots[i].state != SLOT_DONE;
	warn_listen(before);
	progress_note_end();
	cache_locks_close(run.locks);
	free(run.jobs);
	free(run.slots);
	return bad ? -1 : failed;
}

static int by_action(const void *a, const void *b)
{
	const struct job *x = *(struct job *const *)a, *y = *(struct job *const *)b;
	return strcmp(x->action.hex, y->action.hex);
}

/* The jobs of a group whose inputs are there and whose result is not, one for each action, in an order that makes two
 * processes lock in the same sequence. */
static int missing_jobs(struct job *jobs, size_t count, struct job **missing, size_t *missing_count)
{
	struct cache_result result;
	size_t n = 0, kept = 0, left_out = 0;
	for (size_t i = 0; i < count; i++) {
		warn_listen(cell_log_listener(&jobs[i]));
		int found = job_resolve(&jobs[i]);
		warn_listen((struct warn_listener){NULL, NULL});
		if (found < 0)
			return -1;
		if (!found) {
			if (left_out++ < LEFT_OUT_SHOWN)
				fprintf(stderr, "%s: left out: %s\n", program_name(), error_text());
			continue;
		}
		found = cache_find(jobs[i].cache, &jobs[i].action, jobs[i].ingredients, &result);
		if (found < 0)
			return -1;
		if (!found)
			missing[n++] = &jobs[i];
	}
	if (left_out > LEFT_OUT_SHOWN)
		fprintf(stderr, "%s: ... and %zu more left out\n", program_name(), left_out - LEFT_OUT_SHOWN);
	if (n)
		qsort(missing, n, sizeof *missing, by_action);
	for (size_t i = 0; i < n; i++)
		if (!kept || !digest_equal(&missing[kept - 1]->action, &missing[i]->action))
			missing[kept++] = missing[i];
	*missing_count = kept;
	return 0;
}

/* Opens the jobs of a group; *opened counts them, also on failure. */
static int open_jobs(const struct stage *stage, const struct job_group *group, struct job *jobs, size_t *opened)
{
	for (*opened = 0; *opened < group->count; ++*opened) {
		struct job *job = &jobs[*opened];
		if (job_open(job, group->jobs[*opened]))
			return -1;
		if (job_check_program(job, stage->name)) {
			job_close(job);
			return -1;
		}
	}
	return 0;
}

static int run_jobs(const struct stage *stage, struct job *jobs, size_t count, const char *stamp)
{
	struct job **missing = mem_zeroed(count, sizeof *missing);
	const struct digest id = new_run();
	size_t missing_count = 0;
	/* Held until the process ends: gc waits, or is refused. */
	int bad = cache_prepare(jobs[0].cache) || cache_use(jobs[0].cache) < 0 ||
		missing_jobs(jobs, count, missing, &missing_count);
	if (!bad && missing_count)
		bad = compute(stage, &id, missing, missing_count) < 0;
	free(missing);
	return bad || group_stamp_write(stamp, &id) ? -1 : 0;
}

static int run_group(const struct stage *stage, const char *path, const char *stamp)
{
	struct job_group group;
	size_t opened;
	if (job_group_open(&group, path, stage->name)) {
		job_list_forget(path);
		return error_report(1);
	}
	struct job *jobs = mem_zeroed(group.count, sizeof *jobs);
	int bad = open_jobs(stage, &group, jobs, &opened) || run_jobs(stage, jobs, group.count, stamp);
	for (size_t i = 0; i < opened; i++)
		job_close(&jobs[i]);
	free(jobs);
	job_group_close(&group);
	return bad ? error_report(1) : 0;
}

/* Whether the run of the group that wrote the stamp noted a failure of this job; fail() then says it. A note of another
 * run is stale: something was mended since. */
static int failed_in_group(const struct job *job, const char *stamp)
{
	struct digest run;
	char *reason;
	if (!cache_failure_find(job->cache, &job->action, &run, &reason))
		return 0;
	int current = group_stamp_is(stamp, &run);
	if (current)
		fail("%s: %s", job->cell, reason);
	free(reason);
	return current;
}

/* The edges of jobs of a group are in no pool, because nearly all find their result: a hundred of them, one by one,
 * would hold the next group up. Those that compute after all take turns. Returns what compute() does. */
static int compute_alone(const struct stage *stage, struct job *job)
{
	struct digest id = new_run();
	int turn = cache_locks_open(job->cache);
	int failed = turn < 0 || cache_lock_turn(turn) ? -1 : compute(stage, &id, &job, 1);
	cache_locks_close(turn);
	return failed;
}

static int run_job(const struct stage *stage, const char *path, int grouped)
{
	struct job job;
	struct cache_result result;
	if (job_open(&job, path))
		return error_report(1);
	const char *stamp = grouped ? job.stamp : NULL;
	warn_listen(cell_log_listener(&job));
	int bad = job_check_program(&job, stage->name) || cache_prepare(job.cache) || cache_use(job.cache) < 0 ||
		job_resolve(&job) <= 0;
	/* Without its inputs the group could not try this job: next time it shall. */
	if (bad && stamp)
		unlink(stamp);
	int found = bad ? -1 : cache_find(job.cache, &job.action, job.ingredients, &result), noted = 0;
	if (found == 0 && stamp && failed_in_group(&job, stamp)) {
		unlink(stamp);
		found = -1;
		noted = 1;
	} else if (found == 0) {
		noted = compute_alone(stage, &job);
		found = noted ? -1 : cache_find(job.cache, &job.action, job.ingredients, &result);
		if (found == 0)
			found = fail("%s: computed, but not found in the cache", job.cell);
	}
	bad = found < 0 || ref_write(&job, &result);
	if (!bad)
		cell_log_succeeded(&job);
	else if (noted <= 0)
		cell_log_failed(&job);
	warn_listen((struct warn_listener){NULL, NULL});
	job_close(&job);
	return bad ? error_report(1) : 0;
}

static int usage(const struct stage *stage, int status)
{
	FILE *to = status ? stderr : stdout;
	fprintf(to, "usage: %s JOB [--grouped]\n"
		"       %s --group GROUP --stamp FILE\n\n%s\n\n"
		"JOB is LIST:KEY of a list that ./configure wrote below build/jobs/ (or a file with one job), GROUP a file\n"
		"there. ninja runs this program; to run it by hand, take a command from \"ninja -t commands\".\n"
		"Environment: QUANTGRID_THREADS (default: all processors), QUANTGRID_TIMES=FILE (a line there: where the\n"
		"seconds went), QUANTGRID_TRACE, QUANTGRID_FAULT (for tests).\n",
		stage->name, stage->name, stage->about);
	return status;
}

int stage_main(int argc, char **argv, const struct stage *stage)
{
	struct options o = {0};
	program_name_set(stage->name);
	for (int i = 1; i < argc; i++) {
		int more = i + 1 < argc;
		if (!strcmp(argv[i], "--help"))
			return usage(stage, 0);
		else if (!strcmp(argv[i], "--group") && more)
			o.group = argv[++i];
		else if (!strcmp(argv[i], "--stamp") && more)
			o.stamp = argv[++i];
		else if (!strcmp(argv[i], "--grouped"))
			o.grouped = 1;
		else if (argv[i][0] != '-' && !o.job)
			o.job = argv[i];
		else {
			fprintf(stderr, "%s: error: unexpected argument \"%s\"\n", stage->name, argv[i]);
			return usage(stage, 2);
		}
	}
	if (!o.job == !o.group || !o.group != !o.stamp || (o.group && o.grouped))
		return usage(stage, 2);
	stage_signals();
	stage_phase("resolve");
	int status = o.group ? run_group(stage, o.group, o.stamp) : run_job(stage, o.job, o.grouped);
	stage_times(stage->name, o.group ? "group" : "job");
	return status;
}
