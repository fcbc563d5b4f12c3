#include "model/token_scores.h"

#include <assert.h>

void token_scores_sequences(double *to, const double *score, const size_t *length, size_t sequences)
{
	for (size_t i = 0; i < sequences; i++) {
		to[i] = 0;
		for (size_t t = 0; t < length[i]; t++)
			to[i] += *score++;
	}
}

double token_scores_first(const double *score, const size_t *length, size_t sequences)
{
	double sum = 0;
	for (size_t i = 0; i < sequences; score += length[i++])
		sum += length[i] ? *score : 0;
	return sum;
}

/* Puts token t among the count that are there, and drops what is then too much. */
static size_t insert(size_t *index, double *value, size_t count, size_t most, size_t t, double score)
{
	size_t at = count;
	while (at && score > value[at - 1])
		at--;
	if (at == most)
		return count;
	count += count < most;
	for (size_t i = count - 1; i > at; i--) {
		index[i] = index[i - 1];
		value[i] = value[i - 1];
	}
	index[at] = t;
	value[at] = score;
	return count;
}

void token_scores_largest(size_t *index, double *value, size_t most, const double *score, size_t tokens)
{
	size_t count = 0;
	assert(tokens >= most);
	for (size_t t = 0; t < tokens; t++)
		count = insert(index, value, count, most, t, score[t]);
}
