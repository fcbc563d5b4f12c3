/* Sweep files as overrides. Private to config/. */
#ifndef QG_CONFIG_SWEEP_FILE_H
#define QG_CONFIG_SWEEP_FILE_H

#include "config/axes.h"

struct sweep_file {
	char *preset;                 /* NULL when it names none */
	struct origin preset_at;      /* holds its source */
	int preset_unknown;           /* it may name one that could not be read */
	struct override_list axes;    /* "sweep:", in order */
	struct override_list fixed;
	struct override_list *excludes, *includes; /* one list an entry; values of excludes may be sweeps */
	size_t exclude_count, include_count;
};

/* -1 after fail() with all that is wrong in it; the rest is there. Release it either way. */
int sweep_file_read(struct sweep_file *file, const char *path);
void sweep_file_release(struct sweep_file *file);

#endif
