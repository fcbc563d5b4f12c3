/* gc: what of the cache may go, and its deletion (upkeep/gc.h): ninja gc prints what would.
 *
 *     build/bin/gc [--delete] [--grace DAYS] [--max-size SIZE] [--cache DIR]
 *
 * Exit status: 0 done, 1 failed (a stage runs, the disk), 2 wrong usage.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "graph/cache_dir.h"
#include "upkeep/gc.h"

static const double grace_days = 14;

static int usage(int status)
{
	fputs("usage: gc [--delete] [--grace DAYS] [--max-size SIZE] [--cache DIR]\n\n"
		"Prints who keeps what in the cache and what would go: results that no build folder's present graph leads to,\n"
		"that are not pinned (touch cache/pins/CELL, or an action's 32 digits), and that were not used for a while.\n\n"
		"  --delete           delete it; refused while a stage runs\n"
		"  --grace DAYS       what was used since stays (default 14)\n"
		"  --max-size SIZE    delete the longest unused first, and only until the cache fits in so many bytes (500M)\n"
		"  --cache DIR        default: that of build/\n"
		"  --help             this text\n\n"
		"Status: 0 done, 1 failed, 2 wrong usage.\n", status ? stderr : stdout);
	return status;
}

/* A number from 0 with one of the suffixes k, M, G, T when they are allowed; negative when it is none. */
static double parse_number(const char *text, int suffixes)
{
	static const char letters[] = "kMGT";
	char *end;
	double value = strtod(text, &end);
	const char *letter = *end && suffixes ? strchr(letters, *end) : NULL;
	if (end == text || !isfinite(value) || value < 0 || value > 1e15)
		return -1;
	for (const char *l = letters; letter && l <= letter; l++)
		value *= 1000;
	return end[letter ? 1 : 0] || value > 1e18 ? -1 : value;
}

static int wrong_value(const char *option, const char *value, const char *expected)
{
	fprintf(stderr, "gc: error: %s %s: expected %s\n", option, value, expected);
	return 2;
}

int main(int argc, char **argv)
{
	struct gc_options o = {.grace_days = grace_days};
	const char *named = NULL;
	program_name_set("gc");
	for (int i = 1; i < argc; i++) {
		const int more = i + 1 < argc;
		if (!strcmp(argv[i], "--help"))
			return usage(0);
		if (!strcmp(argv[i], "--delete")) {
			o.delete = 1;
		} else if (!strcmp(argv[i], "--grace") && more) {
			o.grace_days = parse_number(argv[++i], 0);
			if (o.grace_days < 0 || o.grace_days > 1e6)
				return wrong_value("--grace", argv[i], "days from 0 to 1000000");
		} else if (!strcmp(argv[i], "--max-size") && more) {
			double bytes = parse_number(argv[++i], 1);
			if (bytes < 1)
				return wrong_value("--max-size", argv[i], "bytes, as in 500M or 20G");
			o.max_bytes = (uint64_t)bytes;
		} else if (!strcmp(argv[i], "--cache") && more) {
			named = argv[++i];
		} else {
			return usage(error_argument(argv[i]));
		}
	}
	char *cache = named ? mem_strdup(named) : cache_dir_of_build("build");
	int bad = !cache || gc_run(stdout, cache, &o);
	free(cache);
	return output_end(bad ? error_report(1) : 0);
}
