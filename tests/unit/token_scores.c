/* What is told from the scores of single tokens: against worked cases, and against sorting on random ones. */
#include "model/token_scores.h"

#include <stdint.h>
#include <stdlib.h>

#include "../check.h"

static uint64_t seed = 20250719;

static size_t noise(size_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(seed >> 33) % below;
}

static void test_worked(void)
{
	const double score[] = {4, 1, 2, 0, 8, 8, 16};
	const size_t length[] = {3, 1, 2, 1}, top[] = {6, 4, 5, 0, 2};
	double sequences[4], value[5];
	size_t index[5];
	token_scores_sequences(sequences, score, length, 4);
	CHECK(sequences[0] == 7 && sequences[1] == 0 && sequences[2] == 16 && sequences[3] == 16, "%g %g %g %g",
		sequences[0], sequences[1], sequences[2], sequences[3]);
	CHECK(token_scores_first(score, length, 4) == 4 + 0 + 8 + 16, "%g", token_scores_first(score, length, 4));
	token_scores_largest(index, value, 5, score, 7);
	for (size_t i = 0; i < 5; i++)
		CHECK(index[i] == top[i] && value[i] == score[top[i]], "place %zu: token %zu, %g", i, index[i], value[i]);
	token_scores_largest(index, value, 0, score, 7);
	token_scores_largest(index, value, 1, score, 1);
	CHECK(index[0] == 0 && value[0] == 4, "token %zu, %g", index[0], value[0]);
}

/* How many tokens come before: larger, or as large and earlier. */
static size_t rank(const double *score, size_t tokens, size_t t)
{
	size_t before = 0;
	for (size_t k = 0; k < tokens; k++)
		before += score[k] > score[t] || (score[k] == score[t] && k < t);
	return before;
}

/* Few distinct values, so that many are equal. */
static void test_largest(void)
{
	enum { TOKENS = 100, MOST = 16 };
	double score[TOKENS], value[MOST];
	size_t index[MOST];
	for (size_t round = 0; round < 200; round++) {
		size_t tokens = 1 + noise(TOKENS), most = 1 + noise(tokens < MOST ? tokens : MOST), distinct = 1 + noise(40);
		for (size_t t = 0; t < tokens; t++)
			score[t] = (double)noise(distinct);
		token_scores_largest(index, value, most, score, tokens);
		for (size_t i = 0; i < most; i++)
			CHECK(index[i] < tokens && rank(score, tokens, index[i]) == i && value[i] == score[index[i]],
				"round %zu, place %zu of %zu: token %zu of %zu", round, i, most, index[i], tokens);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10);
	printf("seed %llu\n", (unsigned long long)seed);
	TEST(test_worked);
	TEST(test_largest);
	return check_done();
}
