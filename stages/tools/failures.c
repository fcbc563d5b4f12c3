/* failures: which cells failed, why, and how to try one alone (upkeep/failures.h): ninja failures.
 *
 *     build/bin/failures [--all] [--build DIR]
 *
 * Exit status: 0 printed, also when there are some, 1 it could not be told, 2 wrong usage.
 */
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "upkeep/failures.h"

static int usage(int status)
{
	fputs("usage: failures [--all] [--build DIR]\n\n"
		"Prints the failures that stand, of cells in the present grid, grouped by the first line of what was said;\n"
		"with each its log and the command that tries it alone.\n\n"
		"  --all          every cell of a group, not the first ten\n"
		"  --build DIR    default build\n"
		"  --help         this text\n", status ? stderr : stdout);
	return status;
}

int main(int argc, char **argv)
{
	const char *build_dir = "build";
	size_t count;
	int all = 0;
	program_name_set("failures");
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help"))
			return usage(0);
		else if (!strcmp(argv[i], "--all"))
			all = 1;
		else if (!strcmp(argv[i], "--build") && i + 1 < argc)
			build_dir = argv[++i];
		else
			return usage(error_argument(argv[i]));
	}
	return output_end(failures_print(stdout, build_dir, all, &count) ? error_report(1) : 0);
}
