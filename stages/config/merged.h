/* What a choice of options comes to: the files of its defaults list, merged. Private to config/.
 *
 * Most cells of a grid differ in values, not in options; each choice is expanded and merged once and kept by the
 * composer.
 */
#ifndef QG_CONFIG_MERGED_H
#define QG_CONFIG_MERGED_H

#include "config/conf_dir.h"

struct merged {
	struct node *root;              /* before overrides of values */
	struct choice *choices;
	size_t choice_count;
	struct composed_file *files;
	size_t file_count;
	char *error, *absent;           /* as those of defaults.h; what is known is merged all the same */
};

/* Those of the overrides that choose options count, the others are looked over. Borrowed. */
const struct merged *merged_find(struct composer *composer, const char *config, const struct override *overrides,
	size_t count);

void merged_free(struct merged *m);

#endif
