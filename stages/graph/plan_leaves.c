#include "graph/plan_leaves.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"

void plan_files_free(struct plan_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(files[i].name);
		free(files[i].path);
	}
	free(files);
}

/* Hashing gigabytes for the first time takes seconds to a minute: who waits should know what for. */
static void say_large(const char *path)
{
	enum { LARGE_BYTES = 256 << 20 };
	struct stat s;
	if (!stat(path, &s) && s.st_size >= LARGE_BYTES)
		fprintf(stderr, "%s: looking at %s (%.1f GB)\n", program_name(), path, (double)s.st_size / 1e9);
}

static int leaf_file(struct plan *plan, const char *path, struct digest *digest)
{
	for (size_t i = 0; i < plan->leaf_count; i++) {
		if (!strcmp(plan->leaves[i].path, path)) {
			*digest = plan->leaves[i].digest;
			return 0;
		}
	}
	say_large(path);
	if (leaf_digest(plan->memo, path, digest))
		return -1;
	MEM_GROW(plan->leaves, plan->leaf_count, plan->leaf_capacity);
	plan->leaves[plan->leaf_count++] = (struct plan_file){NULL, mem_strdup(path), *digest};
	return 0;
}

static int add_file(struct plan *plan, struct plan_input *input, const char *name, char *path)
{
	struct plan_file *file = &input->files[input->file_count++];
	*file = (struct plan_file){.name = mem_strdup(name), .path = path};
	return leaf_file(plan, path, &file->digest);
}

int plan_read_leaf(struct plan *plan, struct plan_input *input, const struct rule *rule,
	const struct rule_input *from, const struct view *view)
{
	const cJSON *value = view_need(view, rule, from->leaf);
	if (!value)
		return -1;
	if (!cJSON_IsString(value))
		return fail("%s must be a path", from->leaf);
	if (!from->files) {
		/* The file's name stays out of the key: renaming a captions file changes nothing. */
		input->files = mem_zeroed(1, sizeof *input->files);
		return add_file(plan, input, "content", mem_strdup(value->valuestring)) ?
			fail_context("%s (another: %s=FILE)", from->leaf, from->leaf) : 0;
	}
	char **names;
	size_t count;
	plan_lister *lister = plan->lister(from->files);
	if (!lister)
		return fail("%s: unknown lister of files \"%s\"", rule->path, from->files);
	if (lister(value->valuestring, &names, &count))
		return fail_context("%s", from->leaf);
	input->files = mem_zeroed(count, sizeof *input->files);
	int bad = 0;
	for (size_t i = 0; i < count; i++) {
		if (!bad)
			bad = add_file(plan, input, names[i], path_join(value->valuestring, names[i]));
		free(names[i]);
	}
	free(names);
	return bad ? fail_context("%s", from->leaf) : 0;
}
