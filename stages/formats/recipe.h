/* Recipe: the format that the budget search chose for every linear. See recipe.md.
 *
 * The identity of the object covers the linears alone, not how good the choice is: two budgets that lead to the same
 * mix lead to the same results further on.
 */
#ifndef QG_FORMATS_RECIPE_H
#define QG_FORMATS_RECIPE_H

#include <stddef.h>

#include "formats/object.h"
#include "quant/quantizer.h"

enum { RECIPE_LINEARS_MAX = 1 << 16 };

struct recipe_linear {
	const char *name;           /* module name */
	size_t group;               /* search group index, see linear_describe; its members have one format */
	struct quantizer_pair pair; /* both ELEMENT_NONE: stays at 16 bits */
};

struct recipe {
	size_t linear_count;
	struct recipe_linear *linears; /* [linear_count] in linear_describe order */
	double score;               /* what the search minimised, of this choice */
	int proven;                 /* 0: good, perhaps not the best (model/search.h) */
	struct object object;       /* owner of the names when read; zero when made by hand */
};

/* Makes the object to write; nothing of recipe is borrowed by w, which the caller releases. The program commits it. */
void recipe_describe(const struct recipe *recipe, struct object_writer *w);

int recipe_write(const struct recipe *recipe, const char *path, struct digest *content, struct digest *identity,
	size_t *size);
int recipe_open(struct recipe *recipe, const char *path, const struct digest *expected);
void recipe_close(struct recipe *recipe);

#endif
