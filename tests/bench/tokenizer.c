/* Speed of the tokenizer:  tokenizer FOLDER TEXT [RUNS]
 *
 * FOLDER holds tokenizer.json, or vocab.json and merges.txt. TEXT is encoded line by line, as captions are, over and
 * over until 8 MB went through; one such round is a run. Prints the time to open the folder and the median and best of RUNS
 * (default 9) after one round that warms up, in MB (10^6 bytes) of text a second on one core.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/error.h"
#include "common/file.h"
#include "tokenizer/tokenizer.h"

enum { ROUND_BYTES = 8000000, RUNS_MAX = 101 };

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int encode_lines(const struct tokenizer *t, const char *text, size_t length, struct token_ids *ids)
{
	for (size_t at = 0; at < length;) {
		const char *newline = memchr(text + at, '\n', length - at);
		size_t end = newline ? (size_t)(newline - text) : length;
		if (tokenizer_encode(t, text + at, end - at, ids))
			return -1;
		at = end + 1;
	}
	return 0;
}

/* MB a second of one round, or -1. */
static double round_speed(const struct tokenizer *t, const char *text, size_t length, size_t *tokens)
{
	struct token_ids ids = {0};
	size_t times = ROUND_BYTES / length + 1;
	double begin = seconds();
	int bad = 0;
	for (size_t i = 0; i < times && !bad; i++) {
		ids.count = 0;
		bad = encode_lines(t, text, length, &ids);
	}
	double spent = seconds() - begin;
	*tokens = ids.count;
	token_ids_release(&ids);
	return bad ? -1 : 1e-6 * (double)(times * length) / spent;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	program_name_set(argv[0]);
	if (argc < 3 || argc > 4) {
		fprintf(stderr, "usage: %s FOLDER TEXT [RUNS]\n", program_name());
		return 2;
	}
	int runs = argc > 3 ? atoi(argv[3]) : 9;
	double speed[RUNS_MAX], begin = seconds();
	struct tokenizer *t = tokenizer_open(argv[1]);
	double opened = seconds() - begin;
	char *text;
	size_t length, tokens = 0;
	if (!t || file_read(argv[2], (size_t)1 << 30, &text, &length))
		return error_report(1);
	if (runs < 1 || runs > RUNS_MAX || !length) {
		fprintf(stderr, "%s: RUNS must be 1 to %d and TEXT not empty\n", program_name(), RUNS_MAX);
		return 2;
	}
	if (round_speed(t, text, length, &tokens) < 0)
		return error_report(1);
	for (int i = 0; i < runs; i++)
		speed[i] = round_speed(t, text, length, &tokens);
	qsort(speed, (size_t)runs, sizeof *speed, by_value);
	printf("tokenizer: open %.0f ms; %.1f MB/s median, %.1f best of %d; %.2f bytes a token\n", 1e3 * opened,
		speed[runs / 2], speed[runs - 1], runs, (double)length / (double)tokens);
	free(text);
	tokenizer_close(t);
	return 0;
}
