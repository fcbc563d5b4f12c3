#include "upkeep/show_text.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"

struct known {
	const char *pattern;    /* of the file's absolute path */
	const char *what;
};

#define DIGIT "[0-9a-f]"
#define DIGITS_8 DIGIT DIGIT DIGIT DIGIT DIGIT DIGIT DIGIT DIGIT

static const struct known texts[] = {
	{"*/config.args", "what ./configure was asked for, an argument a line (stages/generator/request.md)"},
	{"*/config.args.new", "what ./configure was asked for, while it looks at it (stages/generator/request.md)"},
	{"*/build/published", "whose the files with names for people are (stages/generator/build_folder.md)"},
	{"*/leaf/list", "what the graph was made from, for build/bin/leaves (stages/graph/leaf.md)"},
	{"*/logs/*.log", "log of a cell (stages/graph/cell_log.md)"},
	{"*/roots/" DIGITS_8 DIGITS_8 DIGITS_8 DIGITS_8,
		"a build folder that leads into this cache (stages/graph/cache.md)"},
	{"*/toolchain", "what ./configure found, for build.ninja (stages/generator/build_folder.md)"},
	{"*/tools.found", "what trying the tools came to (stages/generator/build_folder.md)"},
	{"*/tools.files", "what the answers in tools.found hang on (stages/generator/build_folder.md)"},
	{"*/tools.probe", "what the files in tools.files were like (stages/generator/build_folder.md)"},
	{"*/cuda.probe", "what trying nvcc came to (stages/generator/build_folder.md)"},
	{"*/gpu.probe", "which GPU is here, and what that answer hangs on (stages/graph/gpu_answer.h)"},
	{"*/bootstrap.log", "what building the generator said"},
	{"*.ninja", "a part of the graph, for Ninja (stages/graph/ninja.h, build.ninja.in)"},
};

static const struct known pins[] = {{"*/pins/*", "pin: gc keeps what it is named after (stages/graph/cache.md)"}};
static const struct known locks[] = {{"*/locks", "locks of a cache: ranges of it are locked (stages/graph/cache.md)"}};
static const struct known of_ninja[] = {{"*/.ninja_log", "log"}, {"*/.ninja_deps", "dependencies"}};

static const struct known digests[] = {
	{"*/ref/group/*.stamp", "stamp of a group: the run that tried it (stages/graph/job.md)"},
	{"*/leaf/stamp", "hash of all that the graph was made from (stages/graph/leaf.md)"},
	{"*/leaf/grid", "hash of the grid as it was written (stages/graph/leaf.md)"},
	{"*/leaf/cache-id", "name of the cache that the references lead into (stages/graph/leaf.md)"},
	{"*/cas/id", "name of this cache (stages/graph/cache.md)"},
};

/* Of links the name they lead to; of a file in memory, or one that went, the name as it is. */
static const char *find(const struct known *list, size_t count, const char *name)
{
	char *real = realpath(name, NULL);
	const char *what = NULL;
	for (size_t i = 0; i < count && !what; i++)
		if (!fnmatch(list[i].pattern, real ? real : name, 0))
			what = list[i].what;
	free(real);
	return what;
}

#define FIND(list, name) find(list, sizeof(list) / sizeof *(list), name)

const char *show_text_digest(const char *name)
{
	const char *what = FIND(digests, name);
	return what ? what : "stamp of a group or of build/leaf, or the name of a cache (stages/graph/job.md, leaf.md, "
		"cache.md)";
}

/* Bytes that would do something to a terminal are shown as '?'. */
static void show_line(FILE *to, const char *line, size_t length)
{
	fputs("    ", to);
	for (size_t i = 0; i < length; i++)
		fputc(((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f ? '?' : line[i], to);
	fputc('\n', to);
}

static void show_lines(FILE *to, const char *text, size_t length, int all)
{
	size_t count = 0;
	for (size_t at = 0, n; at < length; at += n + 1, count++) {
		const char *end = memchr(text + at, '\n', length - at);
		n = end ? (size_t)(end - text) - at : length - at;
		if (all || count < LINES_SHOWN)
			show_line(to, text + at, n);
	}
	if (!all && count > LINES_SHOWN)
		fprintf(to, "    ... and %zu more (--all shows them)\n", count - LINES_SHOWN);
	fprintf(to, "lines       %zu\n", count);
}

int show_text_file(FILE *to, const char *name, const char *text, size_t length, int all)
{
	const char *what = FIND(pins, name);
	if ((what = what ? what : FIND(locks, name))) {
		fprintf(to, "%s\n", what);
		return length && FIND(locks, name) ? fail("%s: %zu bytes, expected none", name, length) : 1;
	}
	if ((what = FIND(of_ninja, name)))
		return fail("%s: Ninja's own %s; \"ninja -t deps\" prints dependencies", name, what);
	if (!length || !(what = FIND(texts, name)))
		return 0;
	fprintf(to, "%s\n", what);
	show_lines(to, text, length, all);
	return 1;
}
