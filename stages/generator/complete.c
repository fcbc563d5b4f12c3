#include "generator/complete.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/memory.h"
#include "config/schema.h"
#include "generator/look.h"
#include "graph/grid_file.h"

enum { DEPTH = 8 };

/* What candidates are held against: they begin with word, and are printed behind base. */
struct asked {
	struct composer *composer;
	const char *base;           /* "+", "quant_pair=a," */
	size_t base_length;
	const char *word;
};

static void offer(const struct asked *a, const char *text, const char *ending)
{
	if (!strncmp(text, a->word, strlen(a->word)))
		printf("%.*s%s%s\n", (int)a->base_length, a->base, text, ending);
}

static void offer_all(const struct asked *a, const char *words)
{
	char *copy = mem_strdup(words), *rest;
	for (char *w = strtok_r(copy, "| ", &rest); w; w = strtok_r(NULL, "| ", &rest))
		offer(a, w, "");
	free(copy);
}

static int offer_options(const struct asked *a, const char *group)
{
	const char *const *options;
	size_t count = composer_options(a->composer, group, &options);
	for (size_t i = 0; i < count; i++)
		offer(a, options[i], "");
	return count > 0;
}

/* Groups in a folder and below it; ending NULL: to look at, not to choose from. */
static void offer_groups(const struct asked *a, const char *folder, const char *ending, int depth)
{
	const char *const *options;
	size_t count;
	char **groups = look_groups(a->composer, folder, &count);
	for (size_t i = 0; i < count; i++) {
		/* The preset is no choice of a defaults list: --preset names it. */
		if (composer_options(a->composer, groups[i], &options) && (ending ? strcmp(groups[i], "preset") : 1))
			offer(a, groups[i], ending ? ending : "");
		if (depth)
			offer_groups(a, groups[i], ending, depth - 1);
		free(groups[i]);
	}
	free(groups);
}

/* Whole keys once the section is typed, sections before. */
static void offer_keys(const struct asked *a)
{
	const char *key, *last = "";
	size_t last_length = 0;
	for (size_t i = 0; (key = schema_key(i)); i++) {
		size_t section = strcspn(key, ".");
		if (strchr(key, '*'))
			continue;
		if (!key[section] || strchr(a->word, '.')) {
			offer(a, key, "=");
		} else if (section != last_length || strncmp(key, last, section)) {
			char *name = mem_strndup(key, section);
			offer(a, name, ".");
			free(name);
			last = key;
			last_length = section;
		}
	}
}

/* The sizes are keys of the dataset's own table. */
static void offer_sizes(const struct asked *a)
{
	struct composition c;
	if (compose(a->composer, "preset/qwen3_lm_sensitivity", NULL, 0, &c))
		return;
	const struct node *sizes = node_at(c.root, "dataset.size_to_max_samples");
	for (size_t i = 0; sizes && sizes->kind == NODE_DICT && i < sizes->count; i++)
		offer(a, sizes->keys[i].text, "");
	composition_release(&c);
}

/* key=value,value: what is behind the last comma. */
static void complete_value(struct asked *a, const char *word, const char *equals)
{
	const char *comma = strrchr(equals, ',');
	char *key = mem_strndup(word, (size_t)(equals - word));
	const char *name = key + strspn(key, "+"), *words = schema_words(name);
	a->base = word;
	a->base_length = (size_t)((comma ? comma : equals) + 1 - word);
	a->word = word + a->base_length;
	char *group = mem_strndup(name, strcspn(name, "@"));
	if (!offer_options(a, group) && words)
		offer_all(a, words);
	if (!strcmp(name, "dataset.size"))
		offer_sizes(a);
	free(group);
	free(key);
}

static void offer_cells(const struct asked *a)
{
	static const char path[] = "build/grid.json";
	struct grid_file grid;
	if (!file_exists(path) || grid_file_open(&grid, path))
		return;
	for (size_t i = 0; i < grid.count; i++)
		offer(a, grid.cells[i].name, "");
	grid_file_close(&grid);
}

static void offer_sweeps(const struct asked *a)
{
	char **names;
	size_t count;
	if (dir_list("conf/sweeps", &names, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		char *path = path_join("conf/sweeps", names[i]);
		offer(a, path, "");
		free(path);
		free(names[i]);
	}
	free(names);
}

/* Behind an option that takes a value: 1 when it is nothing else. */
static int complete_behind(const struct asked *a, const char *option, const char *before)
{
	if (!strcmp(option, "--preset"))
		offer_options(a, "preset");
	else if (!strcmp(option, "--grid"))
		offer_sweeps(a);
	else if (!strcmp(option, "--explain") || !strcmp(option, "--diff") || !strcmp(before, "--diff"))
		offer_cells(a);
	else if (!strcmp(option, "--list"))
		offer_groups(a, "", NULL, DEPTH);
	else if (!strcmp(option, "--info"))
		offer(a, "defaults", "");
	else if (!strcmp(option, "--cache-dir"))
		return 1; /* the shell knows folders */
	else
		return 0;
	return 1;
}

void complete(const char *const *words, size_t count)
{
	static const char options[] = "--preset|--grid|--list|--cfg|--resolve|--package|--info|--diff|--dry-run|-v|"
		"--explain|--check-rules|--install-deps|--without-cuda|--cuda-arch=|--cache-dir|--strict-tools|--help";
	const char *word = count ? words[count - 1] : "", *equals = strchr(word, '=');
	struct asked a = {.composer = composer_new("conf"), .base = "", .word = word};
	if (count > 1 && complete_behind(&a, words[count - 2], count > 2 ? words[count - 3] : ""))
		return;
	if (*word == '-') {
		offer_all(&a, options);
	} else if (equals) {
		complete_value(&a, word, equals);
	} else {
		a.base = word;
		a.base_length = strspn(word, "+~");
		a.word = word + a.base_length;
		offer_groups(&a, "", *word == '~' ? "" : "=", DEPTH);
		offer_keys(&a);
	}
	composer_free(a.composer);
}
