#include "generator/captions_ahead.h"

#include <string.h>

#include "common/error.h"
#include "common/hash_map.h"
#include "tokenizer/captions.h"

static int check(const char *path)
{
	struct captions c;
	if (captions_read(&c, path, 1))
		return fail_context("dataset.captions_path");
	captions_release(&c);
	return 0;
}

/* Calls visit (may be NULL) once for each file; their number, or -1. */
static long each_file(const struct grid *grid, int visit(const char *path))
{
	struct hash_map seen = {0};
	long count = 0;
	for (size_t i = 0; i < grid->cell_count && count >= 0; i++) {
		const char *path = node_string(grid->cells[i].config, "dataset.captions_path");
		size_t *known = hash_map_at(&seen, path, strlen(path));
		if (*known != HASH_MAP_NEW)
			continue;
		*known = 1;
		count = visit && visit(path) ? -1 : count + 1;
	}
	hash_map_release(&seen);
	return count;
}

int captions_ahead_check(const struct grid *grid)
{
	return each_file(grid, check) < 0 ? -1 : 0;
}

size_t captions_ahead_count(const struct grid *grid)
{
	return (size_t)each_file(grid, NULL);
}
