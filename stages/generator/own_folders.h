/* The project's own folders that are read or emptied as a whole: conf/, rules/, the build folder and the cache. What is
 * published there is taken for an option or a rule by the next ./configure, or deleted. Sources and tests are no such
 * folders: nothing there is named like a report.
 */
#ifndef QG_GENERATOR_OWN_FOLDERS_H
#define QG_GENERATOR_OWN_FOLDERS_H

#include "config/node.h"

struct own_folders {
	const char *build_dir, *cache_dir;  /* borrowed */
	const char *last_root;              /* private: borrowed from a config that was checked */
};

/* -1 after fail() when a cell of that config would publish into one, directly or through links and "..". */
int own_folders_check(struct own_folders *o, const struct node *config);

#endif
