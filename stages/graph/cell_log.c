#include "graph/cell_log.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "graph/job_list.h"

char *job_build_dir(const char *name)
{
	const char *jobs = NULL;
	for (const char *p = name; (p = strstr(p, "/jobs/")); p++)
		jobs = p;
	return jobs ? mem_strndup(name, (size_t)(jobs - name)) : NULL;
}

static char *log_path(const char *build, const struct job *job)
{
	char *path = mem_printf("%s/logs/%s.log", build, job->cell);
	for (char *p = path + strlen(build) + strlen("/logs/"); *p; p++)
		if (*p == '/')
			*p = '_';
	return path;
}

static char *failure_path(const char *build, const struct job *job)
{
	return mem_printf("%s/failed/%s-%.*s", build, job->stage, JOB_KEY_SHORT, job->key);
}

/* One write, so that paragraphs of processes side by side do not mix. */
static void append(const char *path, const struct job *job, const char *words)
{
	char when[32];
	struct tm tm;
	time_t now = time(NULL);
	strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
	char *line = mem_printf("%s %s: %s\n", when, job->stage, words);
	int fd = dir_make_parents(path) ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd >= 0) {
		ssize_t written = write(fd, line, strlen(line));
		(void)written;
		close(fd);
	}
	free(line);
}

static char *failure_text(const struct job *job, const char *reason, const char *log)
{
	cJSON *root = cJSON_CreateObject();
	cJSON_AddStringToObject(root, "format", "quantgrid-failure/1");
	cJSON_AddStringToObject(root, "stage", job->stage);
	cJSON_AddStringToObject(root, "cell", job->cell);
	cJSON_AddStringToObject(root, "job", job->path);
	cJSON_AddStringToObject(root, "reason", reason);
	cJSON_AddStringToObject(root, "log", log);
	return json_pretty_text(root);
}

/* Appends words, which it takes over, to the cell's log. What last failed stays the current message. */
static void note(const struct job *job, char *words)
{
	char *reason = mem_strdup(error_text()), *build = job_build_dir(job->path);
	char *path = build ? log_path(build, job) : NULL;
	if (path)
		append(path, job, words);
	free(words);
	free(path);
	free(build);
	fail("%s", reason);
	free(reason);
}

void cell_log_computed(const struct job *job, size_t jobs, double seconds)
{
	note(job, jobs > 1 ? mem_printf("computed, %zu jobs together, after %.2f s", jobs, seconds)
		: mem_printf("computed in %.2f s", seconds));
}

void cell_log_warned(const struct job *job, const char *text)
{
	note(job, mem_printf("warning: %s", text));
}

static void hear(void *context, const char *text)
{
	cell_log_warned(context, text);
}

struct warn_listener cell_log_listener(const struct job *job)
{
	return (struct warn_listener){hear, (void *)(uintptr_t)job};
}

void cell_log_failed(const struct job *job)
{
	char *reason = mem_strdup(error_text()), *build = job_build_dir(job->path);
	if (build) {
		char *log = log_path(build, job), *failure = failure_path(build, job);
		char *words = mem_printf("failed: %s\n    once more, by itself: build/bin/%s %s", reason, job->stage, job->path);
		char *text = failure_text(job, reason, log);
		append(log, job, words);
		if (!dir_make_parents(failure))
			(void)file_write(failure, text, strlen(text));
		free(text);
		free(words);
		free(failure);
		free(log);
	}
	free(build);
	fail("%s", reason);
	free(reason);
}

void cell_log_succeeded(const struct job *job)
{
	char *build = job_build_dir(job->path), *failure = build ? failure_path(build, job) : NULL;
	if (failure)
		unlink(failure);
	free(failure);
	free(build);
}
