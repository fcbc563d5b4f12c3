/* Defaults lists: from a config and the overrides that choose groups to the files to merge, in order. Private to
 * config/.
 *
 * As in Hydra 1.3, lists are walked from their end, so that an "override" in a later file (an experiment) is known
 * before the earlier item that it changes is opened. Overrides of the command line are known before all.
 */
#ifndef QG_CONFIG_DEFAULTS_H
#define QG_CONFIG_DEFAULTS_H

#include "config/conf_dir.h"

/* One file to merge. */
struct default_file {
	const struct config_file *file;   /* borrowed from the composer */
	char *package;                    /* dotted; "" is the root */
	struct origin from;
};

struct defaults {
	struct default_file *files;
	size_t file_count, file_capacity;
	struct choice *choices;
	size_t choice_count, choice_capacity;
	char *error;                      /* all that is wrong; the lists are what is known without. NULL: nothing */
	char *absent;                     /* what is not there, and should be, when nothing else is wrong. NULL: nothing */
};

/* Whether this override chooses a group (or removes a choice) rather than set a value. */
int defaults_is_choice(struct composer *composer, const struct override *o);

/* Goes on behind what is wrong: the other lists and files are looked at as well. */
void defaults_expand(struct defaults *d, struct composer *composer, const char *config,
	const struct override *overrides, size_t count);
void defaults_release(struct defaults *d);

#endif
