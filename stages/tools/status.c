/* status: what the build is at (upkeep/status.h): ninja status, or beside a running ninja, build/bin/status --watch.
 *
 *     build/bin/status [--watch] [--build DIR] [--cache DIR]
 *
 * Exit status: 0 printed, 1 failed, 2 wrong usage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/memory.h"
#include "graph/cache_dir.h"
#include "upkeep/status.h"

static int usage(int status)
{
	fputs("usage: status [--watch] [--build DIR] [--cache DIR]\n\n"
		"Prints how many results of each stage are there, what runs now: phase, step, pace, and the time left by the\n"
		"pace and by what earlier runs took, and what is left of the whole build.\n\n"
		"  --watch        again every second, until interrupted\n"
		"  --build DIR    default build\n"
		"  --cache DIR    default: that of the build\n"
		"  --help         this text\n", status ? stderr : stdout);
	return status;
}

/* Composed first, so that a terminal never shows half of it. */
static int print_once(struct status *s, int again)
{
	char *text;
	size_t length, running;
	FILE *to = open_memstream(&text, &length);
	if (!to)
		return fail("no memory for the text");
	int bad = status_print(s, to, &running);
	fclose(to);
	if (again)
		fputs("\033[H\033[2J", stdout);
	fputs(text, stdout);
	free(text);
	return bad ? -1 : fflush(stdout) ? fail("standard output: cannot write") : 0;
}

int main(int argc, char **argv)
{
	const char *named = NULL, *build_dir = "build";
	int watch = 0;
	program_name_set("status");
	for (int i = 1; i < argc; i++) {
		const int more = i + 1 < argc;
		if (!strcmp(argv[i], "--help"))
			return usage(0);
		else if (!strcmp(argv[i], "--watch"))
			watch = 1;
		else if (!strcmp(argv[i], "--build") && more)
			build_dir = argv[++i];
		else if (!strcmp(argv[i], "--cache") && more)
			named = argv[++i];
		else
			return usage(error_argument(argv[i]));
	}
	char *cache = named ? mem_strdup(named) : cache_dir_of_build(build_dir);
	if (!cache)
		return error_report(1);
	struct status *s = status_open(build_dir, cache);
	int bad;
	do
		bad = print_once(s, watch && isatty(STDOUT_FILENO));
	while (!bad && watch && !sleep(1));
	status_close(s);
	free(cache);
	return bad ? error_report(1) : 0;
}
