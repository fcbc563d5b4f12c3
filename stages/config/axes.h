/* The axes of a grid: swept keys with one override for each value. Private to config/. */
#ifndef QG_CONFIG_AXES_H
#define QG_CONFIG_AXES_H

#include "config/compose.h"

struct override_list {
	struct override *items;
	size_t count, capacity;
};

/* Appends; takes what o owns over. */
void override_list_add(struct override_list *list, const struct override *o);
void override_list_release(struct override_list *list);

/* "group@package", or the key alone; the caller frees. */
char *override_full_key(const struct override *o);
int override_same_key(const struct override *a, const struct override *b);

struct axis {
	char *key;                     /* the full key */
	struct override_list values;   /* never empty */
};

struct axes {
	struct axis *items;
	size_t count, capacity;
};

/* Adds the sweep as the last axis, or puts it in the place of the one with the same key. A glob takes the options of
 * its group; one that takes none fails. */
int axes_take(struct axes *axes, struct composer *composer, const struct override *sweep);
struct axis *axes_find(const struct axes *axes, const struct override *o);
void axes_drop(struct axes *axes, struct axis *axis);
void axes_release(struct axes *axes);

/* The number of combinations, 1 without axes; 0 when there are more than most. */
size_t axes_product(const struct axes *axes, size_t most);

/* Writes combination index to picks[0..count): borrowed overrides, the last axis varying fastest. */
void axes_pick(const struct axes *axes, size_t index, struct override *picks);

/* Whether text matches one of a list of patterns (fnmatch). */
int axis_glob_matches(const struct node *patterns, const char *text);

#endif
