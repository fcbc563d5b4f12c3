#include "generator/captions_ahead.h"

#include <string.h>

#include "common/error.h"
#include "common/hash_map.h"
#include "config/problems.h"
#include "tokenizer/captions.h"

/* Calls visit (may be NULL) once for each file. Returns their number. */
static size_t each_file(const struct grid *grid, void visit(void *context, const char *path), void *context)
{
	struct hash_map seen = {0};
	size_t count = 0;
	for (size_t i = 0; i < grid->cell_count; i++) {
		const char *path = node_string(grid->cells[i].config, "dataset.captions_path");
		size_t *known = hash_map_at(&seen, path, strlen(path));
		if (*known != HASH_MAP_NEW)
			continue;
		*known = count++;
		if (visit)
			visit(context, path);
	}
	hash_map_release(&seen);
	return count;
}

static void check(void *context, const char *path)
{
	struct problems *problems = context;
	struct captions c;
	if (!captions_read(&c, path, 1)) {
		captions_release(&c);
		return;
	}
	fail_context("dataset.captions_path");
	problems_add(problems, NULL);
}

int captions_ahead_check(const struct grid *grid)
{
	struct problems problems = {0};
	size_t files = each_file(grid, check, &problems), bad = problems.count + problems.more;
	if (!problems_report(&problems, 0))
		return 0;
	if (bad >= files)
		return -1;
	warn("%s\n    its cells will fail", error_text());
	return 0;
}

size_t captions_ahead_count(const struct grid *grid)
{
	return each_file(grid, NULL, NULL);
}
