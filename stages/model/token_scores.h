/* What the scores of single tokens say: how much whole captions, their first tokens, and the largest tokens weigh.
 *
 * score[tokens] is that of one search group, by any method, the captions one after the other (struct score_request and
 * struct kl_request call it positions). All sums are formed in order.
 */
#ifndef QG_MODEL_TOKEN_SCORES_H
#define QG_MODEL_TOKEN_SCORES_H

#include <stddef.h>

/* to[sequences]: the score of each caption, length[sequences] tokens long. */
void token_scores_sequences(double *to, const double *score, const size_t *length, size_t sequences);

/* The sum over the first tokens of all captions. */
double token_scores_first(const double *score, const size_t *length, size_t sequences);

/* The most largest of tokens >= most scores, descending, of equal ones the earlier first: index[most], value[most]. */
void token_scores_largest(size_t *index, double *value, size_t most, const double *score, size_t tokens);

#endif
