/* What a user asked ./configure for. */
#ifndef QG_GENERATOR_REQUEST_H
#define QG_GENERATOR_REQUEST_H

#include <stddef.h>

struct request {
	char *text;                     /* owner of the strings */
	const char *preset, *grid;
	const char **overrides;
	size_t override_count;
	int cfg, dry_run, list;         /* only to look */
	const char *list_group;
};

/* Reads a file with one argument a line. */
int request_read(struct request *r, const char *path);

#endif
