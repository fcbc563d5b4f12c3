/* Scores: the sensitivity of every linear to one format, per batch, and of every group, per caption. See scores.md.
 *
 * Sums are kept per linear (group member) and per batch, because confidence intervals and prefixes come from them. The
 * score of a group, by the method that the cell asks for:
 *
 *     gradient   the sum over its members and batches of (g d)^2
 *     kl_div     the sum over batches of the KL divergence that the group alone causes; the sums of its members are
 *                there beside it
 *
 * What is needed to say how sure a score is, and where it comes from, is by that method too: the score of every
 * caption, of the tokens that weigh most, and of the first tokens, which are often outliers.
 */
#ifndef QG_FORMATS_SCORES_H
#define QG_FORMATS_SCORES_H

#include <stddef.h>

#include "formats/object.h"
#include "ops/ops.h"
#include "quant/quantizer.h"

enum { SCORES_LINEARS_MAX = 1 << 16, SCORES_BATCHES_MAX = 1 << 20, SCORES_POSITIONS = 16 };

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
	size_t sequence_count;          /* captions scored: the sum of batch_sequences */
	size_t position_count;          /* P = min(SCORES_POSITIONS, tokens) */
	struct scores_linear *linears;  /* [linear_count] in linear_describe order */
	const struct output_sums *sums; /* [linear_count][batch_count] both quantizers on */
	const struct output_sums *weight_only;     /* [linear_count] over all batches, the weight quantizer alone; NULL
	                                            * unless the pair quantizes both: then sums are that of the only one */
	const struct output_sums *activation_only; /* [linear_count] likewise, the activation quantizer alone */
	const double *kl;               /* [groups][batch_count] sum of the KL divergence over the tokens of the batch, in
	                                 * nats; NULL unless method is kl_div. groups is scores_group_count() */
	const double *sequence_score;   /* [groups][sequence_count] score of each caption; they add up to the group's but
	                                 * for rounding */
	const size_t *sequence_tokens;  /* [sequence_count] batches in order */
	const size_t *position;         /* [groups][P] the tokens with the largest scores, indices among all scored tokens
	                                 * in order; by score descending, equal ones by index */
	const double *position_score;   /* [groups][P] */
	const double *first_score;      /* [groups] score of the first tokens of all captions */
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
