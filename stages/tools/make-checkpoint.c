/* make-checkpoint: a checkpoint of random weights with the shapes of a published model, to try sizes with.
 *
 *     make-checkpoint --like SHAPE [--seed N] [--layers N] [--tokenizer DIR] [--shard-bytes N] DIR
 *     make-checkpoint --help
 *
 * What it writes: synthetic/folder.h, synthetic/weights.h.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "common/spell.h"
#include "synthetic/folder.h"

static const char demo_tokenizer[] = "models/qwen3_vl_demo/checkpoint";

enum { STATUS_USAGE = 2 };

struct arguments {
	const char *like, *seed, *layers, *tokenizer, *shard_bytes, *dir;
};

static void on_signal(int number)
{
	folder_interrupt();
	_exit(128 + number);
}

/* A handler is not interrupted by another: what it removes is removed once. */
static void handle_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal};
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		sigaddset(&action.sa_mask, numbers[i]);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		sigaction(numbers[i], &action, NULL);
	/* A file beyond "ulimit -f" is a failed write with a message. */
	signal(SIGXFSZ, SIG_IGN);
}

static void usage(FILE *to)
{
	char *names = model_shape_names();
	fprintf(to, "usage: make-checkpoint --like SHAPE [options] DIR\n\n"
		"Writes a checkpoint of random weights into the folder DIR, with the shapes and in the format of a published\n"
		"model. Equal arguments give equal bytes.\n\n"
		"  --like SHAPE       %s\n"
		"  --seed N           other weights (default 1)\n"
		"  --layers N         only the first N layers of the language model; their weights are those of the whole\n"
		"  --tokenizer DIR    the folder whose tokenizer files are copied (default %s)\n"
		"  --shard-bytes N    bytes of tensors in a file at most (default %llu)\n"
		"  --help             this text\n\n"
		"DIR may be missing, empty, or written by make-checkpoint: then it is replaced. $QUANTGRID_THREADS sets the\n"
		"threads.\n",
		names, demo_tokenizer, (unsigned long long)FOLDER_SHARD_BYTES);
	free(names);
}

static const char **option_value(struct arguments *a, const char *name)
{
	static const char *const names[] = {"--like", "--seed", "--layers", "--tokenizer", "--shard-bytes"};
	const char **values[] = {&a->like, &a->seed, &a->layers, &a->tokenizer, &a->shard_bytes};
	enum { OPTIONS = sizeof names / sizeof *names };
	for (size_t i = 0; i < OPTIONS; i++)
		if (!strcmp(name, names[i]))
			return values[i];
	const char *nearest = spell_nearest(name, names, OPTIONS);
	return fail_null("unknown option %.80s%s%s%s (--help lists them)", name, nearest ? "; did you mean " : "",
		nearest ? nearest : "", nearest ? "?" : "");
}

static int parse_arguments(struct arguments *a, int argc, char **argv)
{
	*a = (struct arguments){.seed = "1", .tokenizer = demo_tokenizer};
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-') {
			const char **value = option_value(a, argv[i]);
			if (!value)
				return -1;
			if (i + 1 == argc || !argv[i + 1][0])
				return fail("%s needs a value", argv[i]);
			*value = argv[++i];
		} else if (a->dir) {
			return fail("one folder is written, but two are named: \"%s\" and \"%s\"", a->dir, argv[i]);
		} else {
			a->dir = argv[i];
		}
	}
	if (!a->like)
		return fail("--like SHAPE is missing: whose shapes?");
	return a->dir && *a->dir ? 0 : fail("the folder to write is missing");
}

static int parse_number(const char *option, const char *text, uint64_t low, uint64_t high, uint64_t *value)
{
	char *end;
	errno = 0;
	*value = strtoull(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && !*end && !errno && *value >= low && *value <= high)
		return 0;
	return fail("%s %.80s: expected a whole number from %llu to %llu", option, text, (unsigned long long)low,
		(unsigned long long)high);
}

static int parse_spec(struct folder_spec *spec, const struct arguments *a)
{
	uint64_t layers;
	*spec = (struct folder_spec){.shape = model_shape_find(a->like), .tokenizer = a->tokenizer,
		.shard_bytes = FOLDER_SHARD_BYTES};
	if (!spec->shape)
		return fail_context("--like");
	layers = spec->shape->lm.layers;
	if (parse_number("--seed", a->seed, 0, UINT64_MAX, &spec->seed) ||
		(a->layers && parse_number("--layers", a->layers, 1, layers, &layers)) ||
		(a->shard_bytes && parse_number("--shard-bytes", a->shard_bytes, 1, INT64_MAX, &spec->shard_bytes)))
		return -1;
	spec->layers = (size_t)layers;
	return 0;
}

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
	struct arguments arguments;
	struct folder_spec spec;
	struct folder_made made;
	program_name_set("make-checkpoint");
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		usage(stdout);
		return 0;
	}
	if (parse_arguments(&arguments, argc, argv) || parse_spec(&spec, &arguments))
		return error_report(STATUS_USAGE);
	handle_signals();
	double start = seconds();
	if (folder_write(arguments.dir, &spec, &made))
		return error_report(1);
	double took = seconds() - start, gigabytes = 1e-9 * (double)made.bytes;
	printf("%s: %zu tensors, %.3f GB in %zu file%s, %.1f s, %.2f GB/s\n", arguments.dir, made.tensors, gigabytes,
		made.shards, made.shards > 1 ? "s" : "", took, gigabytes / took);
	return 0;
}
