/* All of a cache at one moment, and what leads into it: for gc and fsck. Private to upkeep/.
 *
 *     reference file  ->  action entry  ->  object
 *
 * References are those below the build folders that are registered in cache/roots/ (build/bin/leaves does that on every
 * ninja). They are listed before the entries and the entries before the objects, so that what a stage adds meanwhile is
 * never taken for something that leads nowhere.
 */
#ifndef QG_UPKEEP_CACHE_SCAN_H
#define QG_UPKEEP_CACHE_SCAN_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <time.h>

#include "common/hash_map.h"
#include "graph/cache.h"

#define SCAN_NONE ((size_t)-1)

struct scan_object {
	char *path;
	struct digest content;          /* by its name */
	char kind[OBJECT_KIND_MAX];
	size_t bytes;
	time_t written;
	char *problem;                  /* NULL: none. What is no object's name has one from the start */
};

struct scan_entry {
	char *path;
	struct cache_result result;
	char *cell, *key;               /* whose job computed it; "" when the entry does not say */
	const char *stage;              /* borrowed from ingredients; "" likewise */
	cJSON *ingredients;             /* NULL when problem */
	time_t used;                    /* last hit */
	double seconds;                 /* it took, with the others of its process; 0: not said */
	double finished;                /* when, in seconds since 1970, without what comes behind the point; 0: not said */
	size_t jobs;                    /* that process computed */
	size_t bytes;                   /* of the entry's file */
	size_t object;                  /* of objects; SCAN_NONE: not there */
	char *problem;                  /* cannot be read, does not belong to its name, or is not what was sealed */
};

struct scan_reference {
	char *path;
	char *label;                    /* "score-layers qwen3_vl_demo.wfp8_afp8.default.small" */
	int current;                    /* the build's present graph has this job */
	struct cache_result result;
	size_t entry;                   /* of entries; SCAN_NONE: not there */
	char *problem;                  /* likewise */
};

struct scan_root {
	char *path;                     /* cache/roots/... */
	char *build_dir;                /* absolute */
	int present;
};

struct cache_scan {
	const char *cache;              /* borrowed */
	struct scan_root *roots;
	size_t root_count, root_capacity;
	struct scan_reference *references;
	size_t reference_count, reference_capacity;
	struct scan_entry *entries;
	size_t entry_count, entry_capacity;
	struct scan_object *objects;
	size_t object_count, object_capacity;
};

/* -1 after fail() when a folder cannot be listed; what is damaged is a problem, no failure. */
int cache_scan_open(struct cache_scan *s, const char *cache);
/* The entries alone, which lead nowhere then. */
int cache_scan_entries(struct cache_scan *s, const char *cache);
void cache_scan_close(struct cache_scan *s);

/* "1.5 MB", "312 bytes"; the caller frees. */
char *scan_size_text(double bytes);

#endif
