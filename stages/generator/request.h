/* What a user asked ./configure for. */
#ifndef QG_GENERATOR_REQUEST_H
#define QG_GENERATOR_REQUEST_H

#include <stddef.h>

/* What is only looked at: then no file is written. */
enum look {
	LOOK_NONE, LOOK_LIST, LOOK_CFG, LOOK_INFO, LOOK_DIFF, LOOK_EXPLAIN, LOOK_DRY_RUN, LOOK_CHECK_RULES
};

struct request {
	char *text;                     /* owner of the strings */
	const char *preset, *grid;
	const char *cache_dir;          /* NULL: the default one (graph/cache_dir.h) */
	const char **overrides;
	size_t override_count;
	enum look look;
	int resolve, verbose;
	int strict_tools;               /* strict_tools.h */
	const char *package;            /* --cfg: this part alone */
	const char *about[2];           /* the group, cell or cells to look at */
};

/* Reads a file with one argument a line; an option's values follow it. Fails when two things are to be looked at. */
int request_read(struct request *r, const char *path);

#endif
