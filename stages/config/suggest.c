#include "config/suggest.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/spell.h"

static size_t part_length(const char *text)
{
	return strcspn(text, "._/");
}

/* Whether each part of a is one of b, and they are as many: "size.dataset" is "dataset.size". */
static int same_parts(const char *a, const char *b)
{
	if (strlen(a) != strlen(b) || !a[part_length(a)])
		return 0;
	for (const char *p = a; p; p = p[part_length(p)] ? p + part_length(p) + 1 : NULL) {
		const char *q = b;
		while (q && (part_length(q) != part_length(p) || memcmp(p, q, part_length(p))))
			q = q[part_length(q)] ? q + part_length(q) + 1 : NULL;
		if (!q)
			return 0;
	}
	return 1;
}

static const char *transposed(const char *word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (same_parts(word, words[i]))
			return words[i];
	return NULL;
}

void suggest_word(struct strbuf *to, const char *word, const char *const *words, size_t count)
{
	const char *near = spell_nearest(word, words, count);
	if (!near)
		near = transposed(word, words, count);
	if (near)
		strbuf_addf(to, "; did you mean '%s'?", near);
}

static const char *leaf_of(const char *path)
{
	const char *dot = strrchr(path, '.');
	return dot ? dot + 1 : path;
}

/* The path whose leaf is nearest, an equal one first; among equals one with the same beginning. */
static const char *nearest_leaf(const char *wrong, const char *const *paths, size_t count)
{
	const char *leaf = leaf_of(wrong), *best = NULL;
	size_t limit = strlen(leaf) / 3 > 1 ? strlen(leaf) / 3 : 1, least = limit + 1;
	for (size_t i = 0; i < count; i++) {
		const char *other = leaf_of(paths[i]);
		if (strlen(other) > 100 || strlen(leaf) > 100)
			continue;
		size_t distance = spell_distance(leaf, other);
		if (distance < least) {
			least = distance;
			best = paths[i];
		}
	}
	return best;
}

/* Of two keys of one section only their last parts say how near they are. */
static int is_near(const char *wrong, const char *path)
{
	const char *leaf = leaf_of(wrong), *other = leaf_of(path);
	size_t section = (size_t)(leaf - wrong), limit = strlen(leaf) / 3 > 1 ? strlen(leaf) / 3 : 1;
	return section != (size_t)(other - path) || memcmp(wrong, path, section) || spell_distance(leaf, other) <= limit;
}

/* What holds the wrong key is no answer to what was meant in it. */
static int is_above(const char *path, const char *wrong)
{
	size_t length = strlen(path);
	return !strncmp(path, wrong, length) && wrong[length] == '.';
}

void suggest_path(struct strbuf *to, const char *wrong, const char *const *all, size_t all_count)
{
	const char **paths = mem_array(all_count, sizeof *paths);
	size_t count = 0;
	for (size_t i = 0; i < all_count; i++)
		if (!is_above(all[i], wrong))
			paths[count++] = all[i];
	const char *near = spell_nearest(wrong, paths, count);
	if (near && !is_near(wrong, near))
		near = NULL;
	if (!near)
		near = transposed(wrong, paths, count);
	if (!near)
		near = nearest_leaf(wrong, paths, count);
	if (near)
		strbuf_addf(to, "; did you mean '%s'?", near);
	free(paths);
}

struct path_list {
	char **paths;
	size_t count, capacity;
};

static void collect(struct path_list *l, const struct node *n, const char *prefix)
{
	for (size_t i = 0; n->kind == NODE_DICT && i < n->count; i++) {
		char *path = *prefix ? mem_printf("%s.%s", prefix, n->keys[i].text) : mem_strdup(n->keys[i].text);
		MEM_GROW(l->paths, l->count, l->capacity);
		l->paths[l->count++] = path;
		collect(l, n->items[i], path);
	}
}

char **suggest_paths_of(const struct node *root, size_t *count)
{
	struct path_list l = {0};
	collect(&l, root, "");
	*count = l.count;
	return l.paths;
}

void suggest_list(struct strbuf *to, const char *const *words, size_t count)
{
	enum { MOST = 30 };
	for (size_t i = 0; i < count && i < MOST; i++)
		strbuf_addf(to, "%s%s", i ? ", " : "", words[i]);
	if (count > MOST)
		strbuf_addf(to, " and %zu more", count - MOST);
}

void suggest_among(struct strbuf *to, const char *word, const char *const *words, size_t count, const char *they)
{
	size_t before = to->length;
	suggest_word(to, word, words, count);
	int near = to->length > before;
	strbuf_adds(to, near ? " " : "; ");
	strbuf_addc(to, near ? (char)toupper((unsigned char)*they) : *they);
	strbuf_addf(to, "%s: ", they + 1);
	suggest_list(to, words, count);
}
