#include "checkpoint/shard_list.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "checkpoint/safetensors.h"
#include "common/strbuf.h"

enum { INDEX_BYTES_MAX = SAFETENSORS_HEADER_MAX };

static int ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);
	return n >= m && !strcmp(name + n - m, end);
}

/* No weights under the expected names: says what is there instead, since that is what the user has to act on. */
static int no_weights(const char *dir)
{
	static const char *const others[] = {".safetensors", ".gguf", ".bin", ".pt", ".pth"};
	const char *found = NULL;
	char **names;
	size_t count;
	if (dir_list(dir, &names, &count))
		return -1;
	for (size_t kind = 0; !found && kind < sizeof others / sizeof *others; kind++)
		for (size_t i = 0; !found && i < count; i++)
			if (ends_with(names[i], others[kind]))
				found = names[i];
	if (found && ends_with(found, ".safetensors"))
		fail("%s: neither %s nor %s is there; there is \"%s\": is the index missing?", dir, CHECKPOINT_SINGLE,
			CHECKPOINT_INDEX, found);
	else if (found)
		fail("%s: neither %s nor %s is there; \"%s\" is of a format that is not supported", dir, CHECKPOINT_SINGLE,
			CHECKPOINT_INDEX, found);
	else
		fail("%s: neither %s nor %s is there", dir, CHECKPOINT_SINGLE, CHECKPOINT_INDEX);
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return -1;
}

static int exists_in(const char *dir, const char *name)
{
	char *path = path_join(dir, name);
	int there = file_exists(path);
	free(path);
	return there;
}

static int check_folder(const char *dir)
{
	struct stat status;
	if (stat(dir, &status))
		return fail("%s: cannot open the checkpoint folder: %s", dir, strerror(errno));
	if (!S_ISDIR(status.st_mode))
		return fail("%s: not a folder; expected the folder with %s and %s", dir, CHECKPOINT_CONFIG, CHECKPOINT_SINGLE);
	if (!exists_in(dir, CHECKPOINT_CONFIG))
		return fail("%s: %s is missing: not a checkpoint folder", dir, CHECKPOINT_CONFIG);
	return 0;
}

static int check_plain(const char *path, const char *tensor, const char *file)
{
	if (*file && !strpbrk(file, "/\\") && strcmp(file, ".") && strcmp(file, ".."))
		return 0;
	return fail("%s: weight_map: \"%.160s\": \"%.160s\" is not the plain name of a file in this folder", path, tensor,
		file);
}

static int by_tensor(const void *a, const void *b)
{
	return strcmp(((const struct shard_entry *)a)->name, ((const struct shard_entry *)b)->name);
}

/* The file names of the map, sorted, each once. */
static int collect_shards(struct shard_list *list, const cJSON *map, const char *path)
{
	const char **files = NULL;
	size_t count = 0, capacity = 0;
	const cJSON *item;
	int bad = 0;
	cJSON_ArrayForEach(item, map) {
		if (!cJSON_IsString(item))
			bad = fail("%s: weight_map: \"%.160s\" must be a string, the name of a file", path, item->string);
		else
			bad = check_plain(path, item->string, item->valuestring);
		if (bad)
			break;
		if (count == SAFETENSORS_TENSORS_MAX) {
			bad = fail("%s: weight_map: more than %d tensors", path, SAFETENSORS_TENSORS_MAX);
			break;
		}
		/* The map is mostly runs of one file. */
		if (count && !strcmp(files[count - 1], item->valuestring))
			continue;
		MEM_GROW(files, count, capacity);
		files[count++] = item->valuestring;
	}
	if (!bad && !count)
		bad = fail("%s: weight_map is empty", path);
	if (!bad)
		qsort(files, count, sizeof *files, text_order);
	for (size_t i = 0; !bad && i < count; i++) {
		if (i && !strcmp(files[i - 1], files[i]))
			continue;
		if (list->shard_count == SHARDS_MAX)
			bad = fail("%s: weight_map: more than %d files", path, SHARDS_MAX);
		else
			list->shards[list->shard_count++] = mem_strdup(files[i]);
	}
	free(files);
	return bad;
}

static void collect_entries(struct shard_list *list, const cJSON *map)
{
	const cJSON *item;
	size_t capacity = 0;
	cJSON_ArrayForEach(item, map) {
		char **shard = bsearch(&item->valuestring, list->shards, list->shard_count, sizeof *list->shards, text_order);
		MEM_GROW(list->entries, list->entry_count, capacity);
		list->entries[list->entry_count++] = (struct shard_entry){mem_strdup(item->string),
			(size_t)(shard - list->shards)};
	}
	qsort(list->entries, list->entry_count, sizeof *list->entries, by_tensor);
}

static int check_shards(const struct shard_list *list, const char *dir)
{
	size_t missing = 0, first = 0;
	for (size_t i = list->shard_count; i--;) {
		if (exists_in(dir, list->shards[i]))
			continue;
		missing++;
		first = i;
	}
	if (!missing)
		return 0;
	if (missing == 1)
		return fail("%s: shard \"%.160s\" is missing; %s lists it", dir, list->shards[first], CHECKPOINT_INDEX);
	return fail("%s: %zu of %zu shards are missing, \"%.160s\" first; %s lists them", dir, missing, list->shard_count,
		list->shards[first], CHECKPOINT_INDEX);
}

static int read_index(struct shard_list *list, const char *dir)
{
	char *path = path_join(dir, CHECKPOINT_INDEX);
	cJSON *tree = json_read(path, INDEX_BYTES_MAX);
	const cJSON *map = tree ? json_member(tree, "weight_map", path) : NULL;
	int bad = map ? 0 : -1;
	if (map && !cJSON_IsObject(map))
		bad = fail("%s: \"weight_map\" must be an object: tensor to file", path);
	list->indexed = 1;
	list->shards = mem_array(SHARDS_MAX, sizeof *list->shards);
	if (!bad && !(bad = collect_shards(list, map, path)))
		collect_entries(list, map);
	cJSON_Delete(tree);
	free(path);
	return bad ? bad : check_shards(list, dir);
}

int shard_list_read(struct shard_list *list, const char *dir)
{
	*list = (struct shard_list){0};
	if (check_folder(dir))
		return -1;
	if (exists_in(dir, CHECKPOINT_INDEX)) {
		if (!read_index(list, dir))
			return 0;
		shard_list_free(list);
		return -1;
	}
	if (!exists_in(dir, CHECKPOINT_SINGLE))
		return no_weights(dir);
	list->shards = mem_array(1, sizeof *list->shards);
	list->shards[0] = mem_strdup(CHECKPOINT_SINGLE);
	list->shard_count = 1;
	return 0;
}

void shard_list_free(struct shard_list *list)
{
	for (size_t i = 0; i < list->shard_count; i++)
		free(list->shards[i]);
	for (size_t i = 0; i < list->entry_count; i++)
		free(list->entries[i].name);
	free(list->shards);
	free(list->entries);
	*list = (struct shard_list){0};
}
