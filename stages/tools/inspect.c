/* inspect: any file of ours as text (upkeep/inspect.h).
 *
 *     build/bin/inspect [--all] [--cache DIR] FILE...
 *
 * Exit status: 0 printed and as written, 1 something is damaged, missing or none of ours, 2 wrong usage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "graph/cache_dir.h"
#include "upkeep/inspect.h"

static int usage(int status)
{
	fputs("usage: inspect [--all] [--cache DIR] FILE...\n\n"
		"Prints any file of ours as text and checks what it can: objects and entries of the cache, reference files,\n"
		"lists of jobs (build/jobs/STAGE.jsonl, or build/jobs/STAGE.jsonl:KEY for one), groups, stamps, logs.\n\n"
		"  --all          every element of lists and arrays\n"
		"  --cache DIR    where the object of a reference file is (default: in the cache of build/)\n"
		"  --help         this text\n\n"
		"Status: 0 as written, 1 damaged, missing or none of ours, 2 wrong usage.\n", status ? stderr : stdout);
	return status;
}

int main(int argc, char **argv)
{
	const char *named = NULL;
	int all = 0, files = 0, status = 0;
	program_name_set("inspect");
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help"))
			return usage(0);
		else if (!strcmp(argv[i], "--all"))
			all = 1;
		else if (!strcmp(argv[i], "--cache") && i + 1 < argc)
			named = argv[++i];
		else if (argv[i][0] == '-')
			return usage(error_argument(argv[i]));
		else
			argv[++files] = argv[i];
	}
	if (!files)
		return usage(2);
	char *cache = named ? mem_strdup(named) : cache_dir_of_build("build");
	if (!cache)
		return error_report(1);
	for (int i = 1; i <= files; i++) {
		if (files > 1)
			printf("%s%s:\n", i > 1 ? "\n" : "", argv[i]);
		fflush(stdout);
		if (inspect_file(stdout, argv[i], cache, all)) {
			fflush(stdout);
			status = error_report(1);
		}
	}
	free(cache);
	return output_end(status);
}
