#include "graph/progress_note.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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
#include "common/progress.h"

static struct {
	struct progress_note note;
	pthread_mutex_t lock;
	int fd;
	char path[4096];
} here = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

double progress_note_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void add_number(cJSON *to, const char *name, double value)
{
	cJSON_AddNumberToObject(to, name, value);
}

static char *note_text(const struct progress_note *n)
{
	struct strbuf text;
	cJSON *root = cJSON_CreateObject();
	cJSON_AddStringToObject(root, "format", "quantgrid-progress/1");
	cJSON_AddStringToObject(root, "stage", n->stage);
	cJSON_AddStringToObject(root, "cell", n->cell);
	cJSON_AddStringToObject(root, "phase", n->phase);
	cJSON_AddStringToObject(root, "step", n->step);
	add_number(root, "jobs", (double)n->jobs);
	add_number(root, "committed", (double)n->committed);
	add_number(root, "done", (double)n->done);
	add_number(root, "total", (double)n->total);
	add_number(root, "started", n->started);
	add_number(root, "phase_started", n->phase_started);
	add_number(root, "step_started", n->step_started);
	add_number(root, "stepped", n->stepped);
	add_number(root, "first_done", (double)n->first_done);
	add_number(root, "pid", (double)n->pid);
	strbuf_init(&text);
	json_canonical(&text, root);
	cJSON_Delete(root);
	return text.s;
}

/* The lock is held. */
static void write_note(void)
{
	char block[NOTE_BYTES], *text;
	if (here.fd < 0)
		return;
	text = note_text(&here.note);
	memset(block, ' ', sizeof block);
	block[sizeof block - 1] = '\n';
	size_t length = strlen(text);
	if (length < sizeof block) {
		memcpy(block, text, length);
		if (pwrite(here.fd, block, sizeof block, 0) < 0) {
			close(here.fd);
			here.fd = -1;
		}
	}
	free(text);
}

static void on_step(const char *what, size_t done, size_t total)
{
	struct progress_note *n = &here.note;
	pthread_mutex_lock(&here.lock);
	n->stepped = progress_note_now();
	/* Another pass, or the same again, has a pace of its own. */
	if (strcmp(n->step, what) || total != n->total || done < n->done || !n->step_started) {
		n->step_started = n->stepped;
		n->first_done = done;
	}
	snprintf(n->step, sizeof n->step, "%s", what);
	n->done = done;
	n->total = total;
	write_note();
	pthread_mutex_unlock(&here.lock);
}

/* What a killed process of the stage left: its jobs are tried again now. */
static int remove_ended(void *stage, const char *folder, const char *name)
{
	struct progress_note note;
	char *path = path_join(folder, name);
	if (progress_note_read(path, &note) == NOTE_ENDED && !strcmp(note.stage, stage))
		unlink(path);
	free(path);
	return 0;
}

static void remove_notes(const char *build_dir, const char *stage)
{
	char *folder = path_join(build_dir, "progress");
	(void)dir_each(folder, remove_ended, (void *)(uintptr_t)stage);
	free(folder);
}

static int open_file(const char *build_dir)
{
	if (!build_dir || snprintf(here.path, sizeof here.path, "%s/progress/%ld", build_dir, (long)getpid()) >=
		(int)sizeof here.path || dir_make_parents(here.path))
		return -1;
	return open(here.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

void progress_note_begin(const char *build_dir, const char *stage, const char *cell, size_t jobs)
{
	struct progress_note *n = &here.note;
	*n = (struct progress_note){.jobs = jobs, .started = progress_note_now(), .pid = getpid()};
	n->phase_started = n->started;
	snprintf(n->stage, sizeof n->stage, "%s", stage);
	snprintf(n->cell, sizeof n->cell, "%s", cell);
	if (build_dir)
		remove_notes(build_dir, n->stage);
	here.fd = open_file(build_dir);
	if (here.fd < 0) {
		here.path[0] = '\0';
		return;
	}
	progress_listen(on_step);
	pthread_mutex_lock(&here.lock);
	write_note();
	pthread_mutex_unlock(&here.lock);
}

void progress_note_phase(const char *phase)
{
	struct progress_note *n = &here.note;
	if (here.fd < 0)
		return;
	pthread_mutex_lock(&here.lock);
	snprintf(n->phase, sizeof n->phase, "%s", phase);
	n->phase_started = progress_note_now();
	n->step_started = n->stepped = 0;
	n->step[0] = '\0';
	n->done = n->total = 0;
	write_note();
	pthread_mutex_unlock(&here.lock);
}

void progress_note_committed(void)
{
	pthread_mutex_lock(&here.lock);
	here.note.committed++;
	write_note();
	pthread_mutex_unlock(&here.lock);
}

void progress_note_end(void)
{
	if (here.fd < 0)
		return;
	progress_listen(NULL);
	pthread_mutex_lock(&here.lock);
	close(here.fd);
	here.fd = -1;
	progress_note_interrupt();
	here.path[0] = '\0';
	pthread_mutex_unlock(&here.lock);
}

void progress_note_interrupt(void)
{
	if (here.path[0])
		unlink(here.path);
}

/* ---- reading ---- */

static int copy_text(const cJSON *root, const char *name, char *to, size_t room)
{
	const char *text = json_string(root, name, "note");
	if (!text || strlen(text) >= room)
		return -1;
	memcpy(to, text, strlen(text) + 1);
	return 0;
}

static int copy_size(const cJSON *root, const char *name, size_t *to)
{
	uint64_t value;
	if (json_u64(root, name, "note", &value))
		return -1;
	*to = (size_t)value;
	return 0;
}

int progress_note_parse(const char *text, struct progress_note *n)
{
	*n = (struct progress_note){0};
	size_t pid = 0;
	cJSON *root = json_parse(text, strlen(text), "note", NULL);
	int bad = !root || json_check_format(root, "quantgrid-progress/1", "note") ||
		copy_text(root, "stage", n->stage, sizeof n->stage) ||
		copy_text(root, "cell", n->cell, sizeof n->cell) ||
		copy_text(root, "phase", n->phase, sizeof n->phase) ||
		copy_text(root, "step", n->step, sizeof n->step) || copy_size(root, "jobs", &n->jobs) ||
		copy_size(root, "committed", &n->committed) || copy_size(root, "done", &n->done) ||
		copy_size(root, "total", &n->total) || copy_size(root, "first_done", &n->first_done) ||
		copy_size(root, "pid", &pid) || json_double(root, "started", "note", &n->started) ||
		json_double(root, "phase_started", "note", &n->phase_started) ||
		json_double(root, "step_started", "note", &n->step_started) ||
		json_double(root, "stepped", "note", &n->stepped);
	cJSON_Delete(root);
	n->pid = (long)pid;
	return bad ? -1 : 0;
}

/* Whether the process is there and still that program: numbers of processes are used again. */
static int is_alive(const struct progress_note *n)
{
	char *path = mem_printf("/proc/%ld/comm", n->pid), name[32] = "";
	FILE *file = n->pid > 0 ? fopen(path, "re") : NULL;
	int alive = file && fgets(name, sizeof name, file);
	if (file)
		fclose(file);
	free(path);
	name[strcspn(name, "\n")] = '\0';
	/* The kernel keeps 15 letters. */
	return alive && !strncmp(name, n->stage, 15);
}

enum note_state progress_note_read(const char *path, struct progress_note *note)
{
	enum { TRIES = 5 };
	*note = (struct progress_note){0};
	for (int i = 0; i < TRIES; i++) {
		char *text;
		if (file_read(path, NOTE_BYTES, &text, NULL))
			return NOTE_NONE;
		int bad = progress_note_parse(text, note);
		free(text);
		if (!bad)
			return is_alive(note) ? NOTE_RUNS : NOTE_ENDED;
	}
	return NOTE_NONE; /* met half-written every time, or no note */
}
