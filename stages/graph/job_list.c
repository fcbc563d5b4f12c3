#include "graph/job_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "graph/cell_log.h"

enum { JOB_BYTES_MAX = 64 << 20 };

static const char line_begin[] = "{\"key\":\"", seal_begin[] = ",\"seal\":\"", seal_end[] = "\"}", ending[] = ".jsonl";

char *job_list_path(const char *build_dir, const char *stage)
{
	return mem_printf("%s/jobs/%s%s", build_dir, stage, ending);
}

char *job_list_path_before(const char *list_path)
{
	return mem_printf("%.*s.before%s", (int)(strlen(list_path) - strlen(ending)), list_path, ending);
}

void job_list_seal(struct strbuf *line)
{
	struct digest seal = hash_bytes(line->s, line->length);
	strbuf_adds(line, seal_begin);
	strbuf_adds(line, seal.hex);
	strbuf_adds(line, seal_end);
	strbuf_addc(line, '\n');
}

void job_list_end(struct strbuf *to, size_t bytes)
{
	strbuf_addf(to, "{\"bytes\":%zu}\n", bytes);
}

int job_list_jobs(const char *path, const char *list, size_t length, size_t *bytes)
{
	struct strbuf end;
	const char *before = length > 1 ? memrchr(list, '\n', length - 1) : NULL;
	*bytes = before ? (size_t)(before + 1 - list) : 0;
	strbuf_init(&end);
	job_list_end(&end, *bytes);
	int whole = length - *bytes == end.length && !memcmp(list + *bytes, end.s, end.length);
	strbuf_release(&end);
	return whole ? 0 : fail("%s: damaged: its last line does not count the bytes before it; the next ninja makes it anew",
		path);
}

void job_list_forget(const char *path)
{
	char *build = job_build_dir(path), *stamp = build ? path_join(build, "leaf/stamp") : NULL;
	if (stamp)
		unlink(stamp);
	free(stamp);
	free(build);
}

/* The jobs of a list that is mapped. */
struct list {
	struct file_map map;
	const char *path, *jobs;
	size_t length;
};

static int list_open(struct list *list, const char *path)
{
	*list = (struct list){.path = path};
	if (file_map_open(&list->map, path))
		return -1;
	list->jobs = (const char *)list->map.bytes;
	if (!job_list_jobs(path, list->jobs, list->map.length, &list->length))
		return 0;
	file_map_close(&list->map);
	return -1;
}

/* A line: from its first byte to behind its newline. */
struct line {
	const char *from, *end;
};

static struct line line_at(const struct list *list, size_t offset)
{
	const char *before = offset ? memrchr(list->jobs, '\n', offset) : NULL;
	const char *newline = memchr(list->jobs + offset, '\n', list->length - offset);
	return (struct line){before ? before + 1 : list->jobs, newline ? newline + 1 : list->jobs + list->length};
}

/* Order of a line and a key; *bad when it is no line of a list. */
static int compare(const struct line *line, const char *key, int *bad)
{
	size_t begin = sizeof line_begin - 1;
	*bad = (size_t)(line->end - line->from) < begin + JOB_KEY_SHORT || memcmp(line->from, line_begin, begin);
	return *bad ? 0 : memcmp(line->from + begin, key, JOB_KEY_SHORT);
}

static int damaged(const struct list *list, const struct line *line)
{
	return fail("%s: damaged at byte %zu; the next ninja makes it anew", list->path, (size_t)(line->from - list->jobs));
}

/* Whether the line ends with its seal and a newline. */
static int is_sealed(const struct line *line)
{
	char tail[sizeof seal_begin + DIGEST_HEX + sizeof seal_end];
	const char *end = line->end - 1;
	const size_t length = (size_t)(end - line->from), sealed = sizeof tail - 2;
	if (length < sealed)
		return 0;
	struct digest seal = hash_bytes(line->from, length - sealed);
	snprintf(tail, sizeof tail, "%s%s%s", seal_begin, seal.hex, seal_end);
	return !memcmp(end - sealed, tail, sealed);
}

static int search(const struct list *list, const char *key, struct line *found)
{
	size_t low = 0, high = list->length;
	while (low < high) {
		struct line line = line_at(list, low + (high - low) / 2);
		int bad, order = compare(&line, key, &bad);
		if (bad)
			return damaged(list, &line);
		if (!order) {
			*found = line;
			return 1;
		}
		if (order < 0)
			low = (size_t)(line.end - list->jobs);
		else
			high = (size_t)(line.from - list->jobs);
	}
	return 0;
}

int job_list_has(const char *list_path, const char *key)
{
	struct list list;
	struct line line;
	if (!file_exists(list_path))
		return 0;
	if (list_open(&list, list_path))
		return -1;
	int found = search(&list, key, &line);
	file_map_close(&list.map);
	return found;
}

/* 1 and the job, 0 when the list has none of that key, -1 after fail(). */
static int read_from(const char *path, const char *key, const char *name, cJSON **job)
{
	struct list list;
	struct line line = {NULL, NULL};
	if (list_open(&list, path))
		return -1;
	int found = search(&list, key, &line);
	if (found > 0 && !is_sealed(&line))
		found = damaged(&list, &line);
	if (found > 0) {
		*job = json_parse(line.from, (size_t)(line.end - line.from), name, NULL);
		found = *job ? 1 : -1;
	}
	file_map_close(&list.map);
	return found;
}

int job_list_find(const char *list_path, const char *key, cJSON **job)
{
	return file_exists(list_path) ? read_from(list_path, key, list_path, job) : 0;
}

cJSON *job_list_read(const char *name)
{
	const char *colon = strrchr(name, ':');
	size_t length = colon ? (size_t)(colon - name) : 0, end = sizeof ending - 1;
	if (length < end || memcmp(colon - end, ending, end) || strlen(colon + 1) != JOB_KEY_SHORT)
		return json_read(name, JOB_BYTES_MAX);
	cJSON *job = NULL;
	char *path = mem_strndup(name, length), *before = job_list_path_before(path);
	int found = read_from(path, colon + 1, name, &job);
	if (!found && file_exists(before))
		found = read_from(before, colon + 1, name, &job);
	if (!found)
		fail("%s: the list has no such job: the graph was made anew since; run ninja again", name);
	free(path);
	free(before);
	return job;
}
