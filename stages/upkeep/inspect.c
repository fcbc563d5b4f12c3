#include "upkeep/inspect.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/spell.h"
#include "formats/object.h"
#include "graph/cache.h"
#include "graph/job.h"
#include "graph/job_list.h"
#include "graph/leaf.h"
#include "upkeep/show_json.h"
#include "upkeep/show_object.h"
#include "upkeep/show_text.h"

enum { TEXT_BYTES_MAX = 256 << 20 };

struct view {
	FILE *to;
	const char *name, *cache;
	int all;
	const char *text;       /* the whole file, with a '\0' behind it */
	size_t length;
};

/* ---- what JSON files are ---- */

/* Where the entry of a cache is that has its usual name; NULL for any other. The caller frees. */
static char *root_of_entry(const char *path)
{
	const char *end = path + strlen(path);
	for (int slashes = 0; end > path && slashes < 3; slashes += *end == '/')
		end--;
	if (end == path || strncmp(end, "/ac/", 4))
		return NULL;
	return mem_strndup(path, (size_t)(end - path));
}

/* Whether the object of a result is there and whole. */
static int check_object(const struct view *v, const char *cache, const struct cache_result *result)
{
	struct object o;
	char *path = cache_object_path(cache, result);
	int bad = object_open(&o, path, result->kind, &result->content);
	if (!bad) {
		if (!digest_equal(&o.identity, &result->identity))
			bad = fail("%s: identity %s, but %s says %s", path, o.identity.hex, v->name, result->identity.hex);
		object_close(&o);
	}
	if (!bad)
		fprintf(v->to, "checked     leads to %s, whose every byte is as written\n", path);
	free(path);
	return bad;
}

/* of: what the seal is over besides the result; see cache_seal(). */
static int check_seal(const struct view *v, const cJSON *root, const struct cache_result *result, const char *of)
{
	const char *seal = json_string(root, "seal", v->name);
	if (!seal)
		return -1;
	if (strcmp(seal, cache_seal(result, of).hex))
		return fail("%s: damaged: its seal does not fit what it says", v->name);
	return 0;
}

static int show_reference(const struct view *v, const cJSON *root)
{
	struct cache_result result;
	const char *stage = json_string(root, "stage", v->name), *key = stage ? json_string(root, "key", v->name) : NULL;
	if (!key || cache_result_read(root, v->name, &result))
		return -1;
	char *of = mem_printf("%s %s", stage, key);
	int bad = check_seal(v, root, &result, of) || check_object(v, v->cache, &result);
	free(of);
	return bad ? -1 : 0;
}

static int show_entry(const struct view *v, const cJSON *root)
{
	struct cache_result result;
	const char *ingredients = json_string(root, "ingredients", v->name);
	if (!ingredients || cache_result_read(root, v->name, &result))
		return -1;
	struct digest action = hash_bytes(ingredients, strlen(ingredients));
	if (!digest_equal(&action, &result.action))
		return fail("%s: its ingredients have the key %s, not %s", v->name, action.hex, result.action.hex);
	if (check_seal(v, root, &result, ingredients))
		return -1;
	char *cache = root_of_entry(v->name);
	int bad = check_object(v, cache ? cache : v->cache, &result);
	free(cache);
	return bad;
}

static int show_nothing(const struct view *v, const cJSON *root)
{
	(void)v;
	(void)root;
	return 0;
}

static const struct {
	const char *format, *what;
	int (*check)(const struct view *v, const cJSON *root);
} json_formats[] = {
	{"quantgrid-ref/1", "reference file: where Ninja looks (stages/graph/job.md)", show_reference},
	{"quantgrid-action/1", "action entry of a cache (stages/graph/cache.md)", show_entry},
	{"quantgrid-job/1", "job of a stage (stages/graph/job.md)", show_nothing},
	{"quantgrid-progress/1", "what a stage is at (stages/graph/progress_note.md)", show_nothing},
	{"quantgrid-failure/1", "failure of a job that stands (stages/graph/cell_log.md)", show_nothing},
	{"quantgrid-group/1", "group: jobs that one process computes (stages/graph/job.md)", show_nothing},
	{"quantgrid-grid/1", "grid: the cells, for overview and report (stages/generator/grid.md)", show_nothing},
};
enum { JSON_FORMATS = sizeof json_formats / sizeof *json_formats };

/* JSON with no format of ours. */
static int refuse_json(const struct view *v, const cJSON *root)
{
	const char *names[JSON_FORMATS], *first = root->child ? root->child->string : NULL;
	const cJSON *format = cJSON_GetObjectItemCaseSensitive(root, "format");
	if (!cJSON_IsString(format))
		return fail("%s: JSON, but no file of ours: it has no \"format\"%s%s%s. A report or a checkpoint's config.json is "
			"read as it is", v->name, first ? "; its first member is \"" : "", first ? first : "", first ? "\"" : "");
	for (size_t i = 0; i < JSON_FORMATS; i++)
		names[i] = json_formats[i].format;
	const char *nearest = spell_nearest(format->valuestring, names, JSON_FORMATS);
	return fail("%s: JSON of an unknown format \"%s\"%s%s%s", v->name, format->valuestring,
		nearest ? "; the nearest of ours is \"" : "", nearest ? nearest : "", nearest ? "\"" : "");
}

static int show_root(const struct view *v, const cJSON *root)
{
	const cJSON *format = cJSON_GetObjectItemCaseSensitive(root, "format");
	const cJSON *by = cJSON_GetObjectItemCaseSensitive(root, "written_by");
	if (cJSON_IsString(by) && !strcmp(by->valuestring, "make-checkpoint")) {
		fprintf(v->to, "mark of a checkpoint folder that make-checkpoint wrote (stages/synthetic/folder.md)\n");
		show_json(v->to, root, 1, v->all);
		return 0;
	}
	for (size_t i = 0; cJSON_IsString(format) && i < JSON_FORMATS; i++) {
		if (strcmp(format->valuestring, json_formats[i].format))
			continue;
		fprintf(v->to, "%s\n", json_formats[i].what);
		show_json(v->to, root, 1, v->all);
		return json_formats[i].check(v, root);
	}
	return refuse_json(v, root);
}

static int show_json_file(const struct view *v)
{
	cJSON *root = json_parse(v->text, v->length, v->name, NULL);
	if (!root)
		return -1;
	int bad = show_root(v, root);
	cJSON_Delete(root);
	return bad;
}

/* ---- what has lines ---- */

/* Its keys must rise: jobs are found by halving. */
static int show_list(const struct view *v)
{
	size_t count = 0, bytes;
	if (job_list_jobs(v->name, v->text, v->length, &bytes))
		return -1;
	char before[DIGEST_HEX + 1] = "";
	fprintf(v->to, "list of jobs, one a line in the order of their keys (stages/graph/job.md)\n");
	for (const char *line = v->text, *end; line < v->text + bytes; line = end + 1) {
		end = memchr(line, '\n', (size_t)(v->text + bytes - line));
		cJSON *job = json_parse(line, (size_t)(end - line), v->name, NULL);
		const char *key = job ? json_string(job, "key", v->name) : NULL;
		const char *cell = key ? json_string(job, "cell", v->name) : NULL;
		int bad = !cell ? fail_context("line %zu", count + 1)
			: strlen(key) != DIGEST_HEX || strcmp(before, key) >= 0
			? fail("%s: line %zu: its key is not behind the one before", v->name, count + 1) : 0;
		if (!bad && (v->all || count < LINES_SHOWN))
			fprintf(v->to, "    %.16s  %s\n", key, cell);
		if (!bad)
			memcpy(before, key, sizeof before);
		cJSON_Delete(job);
		if (bad)
			return -1;
		count++;
	}
	if (!v->all && count > LINES_SHOWN)
		fprintf(v->to, "    ... and %zu more (--all shows them)\n", count - LINES_SHOWN);
	fprintf(v->to, "jobs        %zu; inspect %s:KEY shows one\n", count, v->name);
	return 0;
}

/* A line of the memo of leaves. */
static int leaf_line(const char *line, const char *end, struct leaf_entry *e)
{
	char *copy = mem_strndup(line, (size_t)(end - line));
	int good = !leaf_entry_parse(copy, e);
	free(copy);
	return good;
}

static int show_leaves(const struct view *v)
{
	struct leaf_entry e;
	size_t count = 0, bad = 0;
	fprintf(v->to, "memo of leaf digests (stages/graph/leaf.md): device, inode, size, mtime, ctime, digest, check\n");
	for (const char *line = v->text, *end; *line && (end = strchr(line, '\n')); line = end + 1, count++) {
		if (!leaf_line(line, end, &e))
			bad++;
		else if (v->all || count < LINES_SHOWN)
			fprintf(v->to, "    %s  %llu bytes\n", e.digest.hex, (unsigned long long)e.size);
	}
	fprintf(v->to, "files       %zu\n", count);
	if (bad)
		return fail("%s: %zu of %zu lines are damaged. They are ignored: those files are hashed again", v->name, bad, count);
	return 0;
}

static int is_leaves(const struct view *v)
{
	struct leaf_entry e;
	const char *end = strchr(v->text, '\n');
	return end && leaf_line(v->text, end, &e);
}

/* 32 digits alone, or with a reason behind them. */
static int show_digest(const struct view *v)
{
	const char *end = v->text + DIGEST_HEX;
	if (*end && end[1]) {
		fprintf(v->to, "failure of an action, noted by the run %.32s (stages/graph/cache.md)\n%s%s", v->text, end + 1,
			v->text[v->length - 1] == '\n' ? "" : "\n");
		return 0;
	}
	fprintf(v->to, "%s\n    %.32s\n", show_text_digest(v->name), v->text);
	return 0;
}

static int is_digest(const struct view *v)
{
	struct digest d;
	char *digits = mem_strndup(v->text, v->length < DIGEST_HEX ? v->length : DIGEST_HEX);
	int good = !digest_parse(digits, &d) && (v->length == DIGEST_HEX || v->text[DIGEST_HEX] == '\n');
	free(digits);
	return good;
}

/* ---- what is none of ours ---- */

static int refuse(const struct view *v)
{
	uint64_t header = 0;
	const unsigned char *bytes = (const unsigned char *)v->text;
	for (int i = 0; i < 8 && v->length > 8; i++)
		header |= (uint64_t)bytes[i] << 8 * i;
	if (v->length > 9 && header < v->length && bytes[8] == '{')
		return fail("%s: no file of ours: it looks like safetensors, a shard of a checkpoint (%llu bytes of header); "
			"extract-lm reads those", v->name, (unsigned long long)header);
	if (!v->length)
		return fail("%s: empty. Of ours only cache/locks and pins are", v->name);
	if (memchr(v->text, '\0', v->length))
		return fail("%s: no file of ours: binary, and its first bytes are not \"QGOBJECT\"", v->name);
	return fail("%s: no file of ours: text that begins with \"%.*s\"", v->name, (int)strcspn(v->text, "\n\r") < 60 ?
		(int)strcspn(v->text, "\n\r") : 60, v->text);
}

static int show_text(const struct view *v)
{
	static const char list_line[] = "{\"key\":\"";
	if (!strncmp(v->text, list_line, sizeof list_line - 1))
		return show_list(v);
	if (*v->text == '{')
		return show_json_file(v);
	if (is_digest(v))
		return show_digest(v);
	if (is_leaves(v))
		return show_leaves(v);
	int shown = show_text_file(v->to, v->name, v->text, v->length, v->all);
	return shown < 0 ? -1 : shown ? 0 : refuse(v);
}

/* LIST:K16. */
static int show_job(const struct view *v)
{
	cJSON *job = job_list_read(v->name);
	if (!job)
		return -1;
	int bad = show_root(v, job);
	cJSON_Delete(job);
	return bad;
}

static int first_bytes(const char *name, char *bytes, size_t *length)
{
	FILE *file = fopen(name, "rbe");
	if (!file)
		return -1;
	*length = fread(bytes, 1, 8, file);
	fclose(file);
	return 0;
}

int inspect_file(FILE *to, const char *name, const char *cache, int all)
{
	struct view v = {.to = to, .name = name, .cache = cache, .all = all};
	struct stat s;
	char bytes[8], *text;
	size_t length = 0;
	if (stat(name, &s) && strrchr(name, ':'))
		return show_job(&v);
	if (!stat(name, &s) && S_ISDIR(s.st_mode))
		return fail("%s: a folder; inspect takes a file", name);
	if (!first_bytes(name, bytes, &length) && object_magic(bytes, length))
		return show_object(to, name, all);
	/* More than a shard's header need not be read to tell it. */
	if (!stat(name, &s) && s.st_size > TEXT_BYTES_MAX)
		return fail("%s: no file of ours: %lld bytes that do not begin with \"QGOBJECT\"", name, (long long)s.st_size);
	if (file_read(name, TEXT_BYTES_MAX, &text, &length))
		return -1;
	v.text = text;
	v.length = length;
	int bad = show_text(&v);
	free(text);
	return bad;
}
