/* Scores: the sensitivity of every linear to one format, per batch. See scores.md.
 *
 * Sums are kept per linear (group member) and per batch, because confidence intervals and prefixes come from them. The
 * score of a group, by the method that the cell asks for:
 *
 *     gradient   the sum over its members and batches of (g d)^2
 *     kl_div     the sum over batches of the KL divergence that the group alone causes; the sums of its members are
 *                there beside it
 */
#ifndef QG_FORMATS_SCORES_H
#define QG_FORMATS_SCORES_H

#include <stddef.h>

#include "formats/object.h"
#include "ops/ops.h"
#include "quant/quantizer.h"

enum { SCORES_LINEARS_MAX = 1 << 16, SCORES_BATCHES_MAX = 1 << 20 };

struct scores_linear {
	const char *name;     /* module name */
	size_t group;         /* search group index, see linear_describe */
	size_t in, out;
};

struct scores {
	struct quantizer_pair pair;
	const char *method;             /* "gradient" or "kl_div" */
	size_t batch_size;              /* sequences a batch was made of */
	size_t linear_count, batch_count;
	struct scores_linear *linears;  /* [linear_count] in linear_describe order */
	const struct output_sums *sums; /* [linear_count][batch_count] */
	const double *kl;               /* [scores_group_count()][batch_count] sum of the KL divergence over the tokens of the
	                                 * batch, in nats; NULL unless method is kl_div */
	const size_t *batch_sequences;  /* [batch_count] */
	const size_t *batch_tokens;     /* [batch_count] */
	const size_t *batch_targets;    /* [batch_count] */
	const double *batch_loss;       /* [batch_count] mean cross-entropy of the unquantized model */
	struct object object;           /* owner of everything when read; zero when made by hand */
};

/* Makes the object to write; names and arrays stay borrowed by w, which the caller releases. The program commits it. */
void scores_describe(const struct scores *s, struct object_writer *w);

int scores_write(const struct scores *s, const char *path, struct digest *content, struct digest *identity,
	size_t *size);
int scores_open(struct scores *s, const char *path, const struct digest *expected);
void scores_close(struct scores *s);

size_t scores_group_count(const struct scores *s);

/* The score of a group on one batch, and over all batches in order, by the method. */
double scores_group_batch(const struct scores *s, size_t group, size_t batch);
double scores_group(const struct scores *s, size_t group);

/* The batch-independent form. gradient: sum over batches of N_t^2 s_t divided by the sum of N_t, N_t the targets of
 * batch t (a batch's gradient is as 1/N_t, so its score is as 1/N_t^2); 0 without targets. kl_div: the mean over
 * tokens. */
double scores_group_normalised(const struct scores *s, size_t group);

#endif
