#include "generator/request.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/utf8.h"
#include "graph/cache_dir.h"

enum { ARGS_BYTES_MAX = 1 << 20, ARGS_MAX = 10000 };

/* The options that look, and how many values follow. */
static const struct { const char *name; enum look look; int values; } looks[] = {
	{"--list", LOOK_LIST, 0}, {"--list-group", LOOK_LIST, 1}, {"--cfg", LOOK_CFG, 0}, {"--info", LOOK_INFO, 0},
	{"--diff", LOOK_DIFF, 2}, {"--explain", LOOK_EXPLAIN, 1}, {"--dry-run", LOOK_DRY_RUN, 0},
	{"--check-rules", LOOK_CHECK_RULES, 0},
};

static const char *next(void)
{
	return strtok(NULL, "\n");
}

/* 1 when the argument was one of those, 0 when not, -1 after fail(). */
static int take_look(struct request *r, const char *argument)
{
	for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
		if (strcmp(argument, looks[i].name))
			continue;
		if (r->look && r->look != looks[i].look)
			return fail("%s and another way to look: one at a time", argument);
		r->look = looks[i].look;
		for (int k = 0; k < looks[i].values; k++)
			if (!(r->about[k] = next()))
				return fail("%s needs %d value%s", argument, looks[i].values, looks[i].values == 1 ? "" : "s");
		return 1;
	}
	return 0;
}

static int take(struct request *r, const char *argument)
{
	int taken = take_look(r, argument);
	if (taken)
		return taken < 0 ? -1 : 0;
	if (!strcmp(argument, "--preset"))
		r->preset = next();
	else if (!strcmp(argument, "--grid"))
		r->grid = next();
	else if (!strcmp(argument, CACHE_DIR_OPTION))
		r->cache_dir = next();
	else if (!strcmp(argument, "--package"))
		r->package = next();
	else if (!strcmp(argument, "--resolve"))
		r->resolve = 1;
	else if (!strcmp(argument, "--strict-tools"))
		r->strict_tools = 1;
	else if (!strcmp(argument, "-v"))
		r->verbose = 1;
	else if (r->override_count == ARGS_MAX)
		return fail("more than %d arguments", ARGS_MAX);
	else
		r->overrides[r->override_count++] = argument;
	return 0;
}

static size_t line_of(const char *text, size_t offset)
{
	size_t line = 1;
	for (size_t i = 0; i < offset; i++)
		line += text[i] == '\n';
	return line;
}

int request_read(struct request *r, const char *path)
{
	if (file_read(path, ARGS_BYTES_MAX, &r->text, NULL))
		return -1;
	r->overrides = mem_array(ARGS_MAX, sizeof *r->overrides);
	if (config_args_end(r->text, path))
		return -1;
	const size_t length = strlen(r->text), valid = utf8_valid_prefix(r->text, length);
	if (valid < length)
		return fail("%s:%zu: an argument must be UTF-8; a link with another name may lead to what has such a name", path,
			line_of(r->text, valid));
	for (char *line = strtok(r->text, "\n"); line; line = strtok(NULL, "\n"))
		if (take(r, line))
			return -1;
	if (r->resolve || r->package)
		r->look = r->look ? r->look : LOOK_CFG;
	return 0;
}
