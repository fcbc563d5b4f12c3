/* fsck: is the cache as it was written? (upkeep/fsck.h): ninja fsck.
 *
 *     build/bin/fsck [--quick] [--cache DIR]
 *
 * Exit status: 0 all as written, 1 something was damaged and is out of the way now (or an error), 2 wrong usage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "graph/cache_dir.h"
#include "upkeep/fsck.h"

static int usage(int status)
{
	fputs("usage: fsck [--quick] [--cache DIR]\n\n"
		"Reads all of the cache again and checks every hash. What is damaged moves to cache/quarantine/, what leads\n"
		"to it is deleted, and the cells are named: the next ninja computes exactly those results again.\n\n"
		"  --quick        only headers, sizes and descriptions, not the arrays\n"
		"  --cache DIR    default: that of build/\n"
		"  --help         this text\n\n"
		"Status: 0 all as written, 1 something was damaged, 2 wrong usage.\n", status ? stderr : stdout);
	return status;
}

int main(int argc, char **argv)
{
	const char *named = NULL;
	size_t problems = 0;
	int quick = 0;
	program_name_set("fsck");
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help"))
			return usage(0);
		else if (!strcmp(argv[i], "--quick"))
			quick = 1;
		else if (!strcmp(argv[i], "--cache") && i + 1 < argc)
			named = argv[++i];
		else
			return usage(error_argument(argv[i]));
	}
	char *cache = named ? mem_strdup(named) : cache_dir_of_build("build");
	int bad = !cache || fsck_run(stdout, cache, quick, &problems);
	free(cache);
	return output_end(bad ? error_report(1) : problems != 0);
}
