#include "upkeep/cache_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/aside.h"
#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "graph/job.h"
#include "graph/job_list.h"

enum { FILE_BYTES_MAX = 16 << 20, PATH_BYTES_MAX = 1 << 16 };

char *scan_size_text(double bytes)
{
	static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
	size_t unit = 0;
	for (; bytes >= 1000 && unit + 1 < sizeof units / sizeof *units; unit++)
		bytes /= 1000;
	return mem_printf(unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

/* A file that becomes another one at once, or that a killed process left: no damage (leftovers.h). Were it moved to the
 * quarantine, who writes it would fail. */
static int being_written(const char *name)
{
	return aside_writer(name) != ASIDE_NONE;
}

/* ---- objects: cas/ab/abcd....KIND ---- */

/* Splits "DIGEST.EXTENSION" in folder "ab". */
static int parse_name(const char *folder, const char *name, struct digest *digest, const char **extension)
{
	const char *slash = strrchr(folder, '/');
	if (strlen(name) <= DIGEST_HEX + 1 || name[DIGEST_HEX] != '.')
		return -1;
	char *digits = mem_strndup(name, DIGEST_HEX);
	int bad = digest_parse(digits, digest) || !slash || strlen(slash + 1) != 2 || strncmp(slash + 1, digits, 2);
	free(digits);
	*extension = name + DIGEST_HEX + 1;
	return bad;
}

static int add_object(void *scan, const char *folder, const char *name)
{
	struct cache_scan *s = scan;
	struct stat st;
	const char *kind;
	if (being_written(name))
		return 0;
	char *path = path_join(folder, name);
	if (lstat(path, &st)) {
		free(path);
		return 0; /* gone meanwhile */
	}
	MEM_GROW(s->objects, s->object_count, s->object_capacity);
	struct scan_object *o = &s->objects[s->object_count++];
	*o = (struct scan_object){.path = path, .bytes = (size_t)st.st_size, .written = st.st_mtime};
	if (parse_name(folder, name, &o->content, &kind) || strlen(kind) >= sizeof o->kind || !S_ISREG(st.st_mode))
		o->problem = mem_printf("%s: not the name of an object", path);
	else
		snprintf(o->kind, sizeof o->kind, "%s", kind);
	return 0;
}

static int add_object_folder(void *scan, const char *folder, const char *name)
{
	struct cache_scan *s = scan;
	if (!strcmp(name, "id"))
		return 0;
	char *path = path_join(folder, name);
	int bad = dir_exists(path) ? dir_each(path, add_object, s) : add_object(s, folder, name);
	free(path);
	return bad;
}

/* ---- entries: ac/12/1234....json ---- */

static int read_entry(struct scan_entry *e, const struct digest *named)
{
	cJSON *root = json_read(e->path, FILE_BYTES_MAX);
	const char *ingredients = root ? json_string(root, "ingredients", e->path) : NULL;
	int bad = !ingredients || cache_result_read(root, e->path, &e->result);
	if (!bad) {
		struct digest action = hash_bytes(ingredients, strlen(ingredients));
		const char *seal = json_string(root, "seal", e->path);
		if (!digest_equal(&action, named) || !digest_equal(named, &e->result.action))
			bad = fail("%s: its ingredients have another key than its name", e->path);
		else if (!seal || strcmp(seal, cache_seal(&e->result, ingredients).hex))
			bad = fail("%s: damaged: its seal is not of what it says", e->path);
		else
			bad = !(e->ingredients = json_parse(ingredients, strlen(ingredients), e->path, NULL));
	}
	const cJSON *made = cJSON_GetObjectItemCaseSensitive(root, "provenance");
	const cJSON *cell = cJSON_GetObjectItemCaseSensitive(made, "cell");
	const cJSON *key = cJSON_GetObjectItemCaseSensitive(made, "key");
	const cJSON *stage = cJSON_GetObjectItemCaseSensitive(e->ingredients, "stage");
	const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(made, "seconds_since_start");
	const cJSON *finished = cJSON_GetObjectItemCaseSensitive(made, "finished_unix");
	const cJSON *jobs = cJSON_GetObjectItemCaseSensitive(made, "jobs");
	e->finished = cJSON_IsNumber(finished) ? finished->valuedouble : 0;
	e->seconds = cJSON_IsNumber(seconds) && seconds->valuedouble > 0 ? seconds->valuedouble : 0;
	e->jobs = cJSON_IsNumber(jobs) && jobs->valuedouble >= 1 && jobs->valuedouble < 1e9 ? (size_t)jobs->valuedouble : 1;
	e->cell = mem_strdup(cJSON_IsString(cell) ? cell->valuestring : "");
	e->key = mem_strdup(cJSON_IsString(key) ? key->valuestring : "");
	e->stage = cJSON_IsString(stage) ? stage->valuestring : "";
	cJSON_Delete(root);
	return bad;
}

static int add_entry(void *scan, const char *folder, const char *name)
{
	struct cache_scan *s = scan;
	struct digest named;
	struct stat st;
	const char *extension;
	int is_name = !parse_name(folder, name, &named, &extension);
	if ((is_name && !strcmp(extension, "fail")) || being_written(name))
		return 0;
	char *path = path_join(folder, name);
	if (stat(path, &st)) {
		free(path);
		return 0;
	}
	MEM_GROW(s->entries, s->entry_count, s->entry_capacity);
	struct scan_entry *e = &s->entries[s->entry_count++];
	*e = (struct scan_entry){.path = path, .used = st.st_mtime, .bytes = (size_t)st.st_size, .object = SCAN_NONE,
		.stage = "", .jobs = 1};
	if (!is_name || strcmp(extension, "json"))
		fail("%s: not the name of an action entry", path);
	if (!is_name || strcmp(extension, "json") || read_entry(e, &named))
		e->problem = mem_strdup(error_text());
	if (!e->cell)
		e->cell = mem_strdup("");
	if (!e->key)
		e->key = mem_strdup("");
	return 0;
}

static int add_entry_folder(void *scan, const char *folder, const char *name)
{
	struct cache_scan *s = scan;
	char *path = path_join(folder, name);
	int bad = dir_exists(path) ? dir_each(path, add_entry, s) : add_entry(s, folder, name);
	free(path);
	return bad;
}

/* ---- references: BUILD/ref/STAGE/LABEL-K16.ref ---- */

/* BUILD/ref/STAGE/LABEL-K16.ref: the label, and whether BUILD/jobs/STAGE.jsonl has that key. */
static void name_reference(struct scan_reference *r, const char *folder, const char *name, size_t length)
{
	const char *stage = strrchr(folder, '/') + 1, *key = name + length - JOB_KEY_SHORT;
	size_t build = (size_t)(stage - folder) - strlen("/ref/");
	char *build_dir = mem_strndup(folder, build), *list = job_list_path(build_dir, stage);
	char *digits = mem_strndup(key, JOB_KEY_SHORT);
	r->label = mem_printf("%s %.*s", stage, (int)(length - JOB_KEY_SHORT - 1), name);
	r->current = job_list_has(list, digits) > 0;
	free(digits);
	free(list);
	free(build_dir);
}

/* stage, key: by its name; of the key the first digits. */
static int read_reference(struct scan_reference *r, const char *stage, const char *key)
{
	char *its_stage, *its_key;
	int bad = ref_parse(r->path, &its_stage, &its_key, &r->result);
	if (!bad && (strcmp(its_stage, stage) || strncmp(its_key, key, JOB_KEY_SHORT)))
		bad = fail("%s: is of job %.*s of %s", r->path, JOB_KEY_SHORT, its_key, its_stage);
	free(its_stage);
	free(its_key);
	return bad;
}

static int add_reference(void *scan, const char *folder, const char *name)
{
	struct cache_scan *s = scan;
	const char *end = strstr(name, ".ref");
	size_t length = end ? (size_t)(end - name) : 0;
	while (end && strcmp(end, ".ref")) {
		end = strstr(end + 1, ".ref");
		length = end ? (size_t)(end - name) : 0;
	}
	if (length <= JOB_KEY_SHORT + 1 || name[length - JOB_KEY_SHORT - 1] != '-')
		return 0; /* stamps of groups */
	MEM_GROW(s->references, s->reference_count, s->reference_capacity);
	struct scan_reference *r = &s->references[s->reference_count++];
	*r = (struct scan_reference){.path = path_join(folder, name), .entry = SCAN_NONE};
	name_reference(r, folder, name, length);
	if (read_reference(r, strrchr(folder, '/') + 1, name + length - JOB_KEY_SHORT))
		r->problem = mem_strdup(error_text());
	return 0;
}

static int add_reference_folder(void *scan, const char *folder, const char *name)
{
	struct cache_scan *s = scan;
	char *path = path_join(folder, name);
	int bad = dir_exists(path) ? dir_each(path, add_reference, s) : 0;
	free(path);
	return bad;
}

/* ---- build folders ---- */

/* Whether that build folder leads into this cache: it may have been given another since. */
static int leads_here(const struct cache_scan *s, const char *build_dir)
{
	char *kept = path_join(build_dir, "leaf/cache-id"), *its = NULL, *ours = cache_id(s->cache);
	int here = ours && file_exists(kept) && !file_read(kept, 256, &its, NULL) && !strcmp(its, ours);
	free(its);
	free(ours);
	free(kept);
	return here;
}

static int add_root(void *scan, const char *folder, const char *name)
{
	struct cache_scan *s = scan;
	if (being_written(name))
		return 0;
	char *path = path_join(folder, name), *line;
	if (file_read(path, PATH_BYTES_MAX, &line, NULL)) {
		free(path);
		return -1;
	}
	line[strcspn(line, "\n")] = '\0';
	MEM_GROW(s->roots, s->root_count, s->root_capacity);
	struct scan_root *root = &s->roots[s->root_count++];
	*root = (struct scan_root){.path = path, .build_dir = line, .present = leads_here(s, line)};
	if (!root->present)
		return 0;
	char *references = path_join(line, "ref");
	int bad = dir_each(references, add_reference_folder, s);
	free(references);
	return bad;
}

/* ---- all ---- */

static void connect(struct cache_scan *s)
{
	struct hash_map objects = {0}, entries = {0};
	for (size_t i = 0; i < s->object_count; i++)
		if (!s->objects[i].problem)
			*hash_map_at(&objects, s->objects[i].content.hex, DIGEST_HEX) = i;
	for (size_t i = 0; i < s->entry_count; i++) {
		struct scan_entry *e = &s->entries[i];
		if (e->problem)
			continue;
		*hash_map_at(&entries, e->result.action.hex, DIGEST_HEX) = i;
		size_t *object = hash_map_at(&objects, e->result.content.hex, DIGEST_HEX);
		if (*object != HASH_MAP_NEW && !strcmp(s->objects[*object].kind, e->result.kind))
			e->object = *object;
	}
	for (size_t i = 0; i < s->reference_count; i++) {
		struct scan_reference *r = &s->references[i];
		size_t *entry = r->problem ? NULL : hash_map_at(&entries, r->result.action.hex, DIGEST_HEX);
		if (entry && *entry != HASH_MAP_NEW)
			r->entry = *entry;
	}
	hash_map_release(&objects);
	hash_map_release(&entries);
}

int cache_scan_open(struct cache_scan *s, const char *cache)
{
	*s = (struct cache_scan){.cache = cache};
	char *roots = path_join(cache, "roots"), *entries = path_join(cache, "ac"), *objects = path_join(cache, "cas");
	int bad = file_exists(objects) ? 0 : fail("%s: no cache of ours: it has no folder cas", cache);
	bad = bad || dir_each(roots, add_root, s) || dir_each(entries, add_entry_folder, s) ||
		dir_each(objects, add_object_folder, s);
	if (!bad)
		connect(s);
	free(roots);
	free(entries);
	free(objects);
	return bad ? -1 : 0;
}

int cache_scan_entries(struct cache_scan *s, const char *cache)
{
	*s = (struct cache_scan){.cache = cache};
	char *entries = path_join(cache, "ac");
	int bad = dir_each(entries, add_entry_folder, s);
	free(entries);
	return bad;
}

void cache_scan_close(struct cache_scan *s)
{
	for (size_t i = 0; i < s->root_count; i++) {
		free(s->roots[i].path);
		free(s->roots[i].build_dir);
	}
	for (size_t i = 0; i < s->reference_count; i++) {
		free(s->references[i].path);
		free(s->references[i].label);
		free(s->references[i].problem);
	}
	for (size_t i = 0; i < s->entry_count; i++) {
		free(s->entries[i].path);
		free(s->entries[i].cell);
		free(s->entries[i].key);
		free(s->entries[i].problem);
		cJSON_Delete(s->entries[i].ingredients);
	}
	for (size_t i = 0; i < s->object_count; i++) {
		free(s->objects[i].path);
		free(s->objects[i].problem);
	}
	free(s->roots);
	free(s->references);
	free(s->entries);
	free(s->objects);
	*s = (struct cache_scan){0};
}
