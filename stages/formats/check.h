/* Check: the chosen mix of formats run for real, caption by caption. See check.md.
 *
 * What the search adds up is how much each group costs on its own; this is what all of them together do
 * (model/recipe_check.h). Per caption, so that confidence intervals can come from captions.
 */
#ifndef QG_FORMATS_CHECK_H
#define QG_FORMATS_CHECK_H

#include <stddef.h>

#include "formats/object.h"

enum { CHECK_SEQUENCES_MAX = 1 << 24, CHECK_TOKENS_MAX = 1 << 30, CHECK_LINEARS_MAX = 1 << 16 };

struct check {
	size_t sequence_count;
	const size_t *tokens;        /* [sequence_count] of each caption; targets are tokens - 1 */
	const double *loss_before;   /* [sequence_count] sum of the cross-entropy over the caption's targets, of the
	                              * unquantized model; nats */
	const double *loss_after;    /* [sequence_count] with every linear of the recipe quantized */
	const double *kl;            /* [sequence_count] sum over all token positions of KL(P || Q), >= 0; nats */
	size_t quantized;            /* linears that are not at 16 bits */
	struct object object;        /* owner of the arrays when read; zero when made by hand */
};

/* Makes the object to write; arrays stay borrowed by w, which the caller releases. The program commits it. */
void check_describe(const struct check *c, struct object_writer *w);

int check_write(const struct check *c, const char *path, struct digest *content, struct digest *identity, size_t *size);

/* Checks everything said above and in check.md. expected may be NULL: any content. */
int check_open(struct check *c, const char *path, const struct digest *expected);
void check_close(struct check *c);

#endif
