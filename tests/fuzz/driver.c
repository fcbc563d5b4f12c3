/* Runs a fuzz target without libFuzzer: the seeds of its corpus, then a fixed number of mutations of them.
 *
 *     build/san/fuzz/NAME                    tests/fuzz/corpus/NAME, then the mutations
 *     build/san/fuzz/NAME FILE...            these inputs only, with the reader's last message: to reproduce what was
 *                                            found, and to see whether a seed is read to its end
 *     QUANTGRID_FUZZ_RUNS=N                  N mutations instead of 1000
 *     QUANTGRID_FUZZ_SEED=N                  another sequence of them
 *
 * Equal seeds give equal inputs everywhere. Built with the address and undefined-behaviour sanitizers; memory is
 * bounded (a single allocation and all together) and leaks count. An input that ends the program is kept in
 * build/scratch/fuzz.NAME.crash; an input that takes a minute ends it, too. It knows nothing of coverage: long runs are
 * for libFuzzer (tests/long).
 */
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/strbuf.h"
#include "fuzz/support/input.h"

enum { INPUT_MAX = 1 << 20, MUTANT_MAX = 1 << 14, RUNS = 1000, HANG_SECONDS = 60, WORDS_MAX = 200 };

struct text {
	char *bytes;
	size_t length;
};

/* The first parent_count seeds are mutated. The others, regressions, are run as they are: many take long by design. */
static struct text *seeds;
static size_t seed_count, parent_count;
static struct text words[WORDS_MAX];   /* of the dictionary */
static size_t word_count;
static char *crash_path;
static const void *current;            /* the input being run; NULL between inputs */
static size_t current_length;
static uint64_t state;

/* For the sanitizers, which look for functions of these names; they print nothing but their findings. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
	return "max_allocation_size_mb=64:hard_rss_limit_mb=1024:quarantine_size_mb=16:handle_abort=1:detect_leaks=1:"
		"allocator_may_return_null=0:detect_stack_use_after_return=1";
}

const char *__ubsan_default_options(void)
{
	return "print_stacktrace=1:abort_on_error=1"; /* by SIGABRT, which the address sanitizer sees: it keeps the input */
}

/* ---- inputs ---- */

/* What ends the program while an input runs is a finding, also a plain exit(). */
static void keep_input(void)
{
	if (!current)
		return;
	FILE *file = fopen(crash_path, "wb");
	int bad = !file || fwrite(current, 1, current_length, file) != current_length;
	bad |= file && fclose(file);
	fprintf(stderr, "the input, %zu bytes, is %s in %s\n", current_length, bad ? "NOT kept" : "kept", crash_path);
	current = NULL;
	printf("0 passed, 1 failed\n");
	fflush(stdout);
}

static void hangs(int signal_number)
{
	(void)signal_number;
	fprintf(stderr, "an input took more than %d s\n", HANG_SECONDS);
	abort();
}

static void run(const void *bytes, size_t length)
{
	uint8_t *exact = (uint8_t *)input_exact(bytes, length);
	current = bytes;
	current_length = length;
	alarm(HANG_SECONDS);
	(void)LLVMFuzzerTestOneInput(exact, length);
	alarm(0);
	current = NULL;
	free(exact);
}

static void add_seed(const char *path)
{
	static size_t capacity;
	MEM_GROW(seeds, seed_count, capacity);
	if (file_read(path, INPUT_MAX, &seeds[seed_count].bytes, &seeds[seed_count].length))
		exit(error_report(1));
	seed_count++;
}

static void read_corpus(const char *name)
{
	char **files, *dir = mem_printf("tests/fuzz/corpus/%s", name);
	size_t count;
	if (dir_list(dir, &files, &count))
		exit(error_report(1));
	for (int regressions = 0; regressions < 2; regressions++) {
		for (size_t i = 0; i < count; i++) {
			char *path = path_join(dir, files[i]);
			if ((strncmp(files[i], "regression_", 11) == 0) == regressions)
				add_seed(path);
			free(path);
		}
		parent_count = regressions ? parent_count : seed_count;
	}
	for (size_t i = 0; i < count; i++)
		free(files[i]);
	free(files);
	free(dir);
	if (!parent_count) {
		fail("tests/fuzz/corpus/%s: no seeds", name);
		exit(error_report(1));
	}
}

/* A line of libFuzzer's dictionaries: "WORD" in quotes, with \\ \" and \xAB. */
static void add_word(const char *p)
{
	struct strbuf word;
	unsigned code;
	int width;
	if (*p != '"' || word_count == WORDS_MAX)
		return;
	strbuf_init(&word);
	for (p++; *p && *p != '"' && *p != '\n'; p++) {
		if (*p == '\\' && p[1] == 'x' && sscanf(p + 2, "%2x%n", &code, &width) == 1) {
			strbuf_addc(&word, (char)code);
			p += 1 + width;
			continue;
		}
		p += *p == '\\' && p[1];
		strbuf_addc(&word, *p);
	}
	words[word_count].length = word.length;
	words[word_count++].bytes = strbuf_take(&word);
	strbuf_release(&word);
}

static void read_dictionary(const char *name)
{
	char *text, *path = mem_printf("tests/fuzz/%s.dict", name);
	if (file_exists(path)) {
		if (file_read(path, INPUT_MAX, &text, NULL))
			exit(error_report(1));
		for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
			add_word(line);
		free(text);
	}
	free(path);
}

/* ---- mutations ---- */

/* xorshift64*. */
static uint64_t draw(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1d;
}

static size_t below(size_t n)
{
	return n ? (size_t)(draw() >> 16) % n : 0;
}

/* Replaces b[at..at + gone) by other bytes; past MUTANT_MAX nothing happens. */
static void splice(struct strbuf *b, size_t at, size_t gone, const char *bytes, size_t length)
{
	struct strbuf made;
	if (b->length - gone + length > MUTANT_MAX)
		return;
	strbuf_init(&made);
	strbuf_add(&made, b->s, at);
	strbuf_add(&made, bytes, length);
	strbuf_add(&made, b->s + at + gone, b->length - at - gone);
	strbuf_release(b);
	*b = made;
}

static void change_bytes(struct strbuf *b)
{
	static const char ends[] = {0, 1, -1, 127, -128, '"', '{', '[', ',', ':', '\n', '\\', '$', '9', '-'};
	for (size_t n = 1 + below(4); n-- && b->length;) {
		size_t at = below(b->length);
		switch (below(3)) {
		case 0:
			b->s[at] ^= (char)(1 << below(8));
			break;
		case 1:
			b->s[at] = ends[below(sizeof ends)];
			break;
		default:
			b->s[at] = (char)draw();
		}
	}
}

/* A number in the text made one at a border; where there is none, nothing happens. */
static void change_number(struct strbuf *b)
{
	static const char *const numbers[] = {
		"0", "-1", "1", "65535", "2147483647", "2147483648", "4294967296", "9007199254740993", "9223372036854775807",
		"-9223372036854775808", "18446744073709551616", "1e308", "1e-320", "0.1", "1e999",
	};
	size_t from = below(b->length), end;
	while (from < b->length && !(b->s[from] >= '0' && b->s[from] <= '9'))
		from++;
	for (end = from; end < b->length && b->s[end] >= '0' && b->s[end] <= '9';)
		end++;
	const char *number = numbers[below(sizeof numbers / sizeof *numbers)];
	if (end > from)
		splice(b, from, end - from, number, strlen(number));
}

static void mutate_once(struct strbuf *b)
{
	const struct text *other = &seeds[below(parent_count)];
	size_t at = below(b->length + 1), gone = below(b->length - at < 40 ? b->length - at + 1 : 40);
	switch (below(8)) {
	case 0: case 1:
		change_bytes(b);
		break;
	case 2:
		splice(b, at, gone, "", 0);
		break;
	case 3: {
		size_t from = below(b->length + 1), length = below(b->length - from + 1);
		char *copy = mem_strndup(b->s + from, length);
		splice(b, at, below(2) ? 0 : gone, copy, length);
		free(copy);
		break;
	}
	case 4: {
		size_t from = below(other->length + 1);
		splice(b, at, gone, other->bytes + from, below(other->length - from + 1));
		break;
	}
	case 5:
		change_number(b);
		break;
	case 6:
		if (word_count) {
			const struct text *word = &words[below(word_count)];
			splice(b, at, below(2) ? 0 : gone, word->bytes, word->length);
		}
		break;
	default:
		if (!below(4))
			splice(b, at, b->length - at, "", 0);
	}
}

static void mutate(struct strbuf *b)
{
	const struct text *from = &seeds[below(parent_count)];
	strbuf_clear(b);
	strbuf_add(b, from->bytes, from->length);
	for (size_t n = 1 + below(5); n--;)
		mutate_once(b);
}

/* ---- the program ---- */

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);
	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

/* The same inputs in the same order. With careful, each is asked for leaks: that takes 10 ms. */
static void run_all(size_t runs, uint64_t seed, int mutants, int careful)
{
	struct strbuf mutant;
	strbuf_init(&mutant);
	state = seed * 0x9e3779b97f4a7c15 + 1;
	for (size_t i = 0; i < seed_count + (mutants ? runs : 0); i++) {
		if (i >= seed_count)
			mutate(&mutant);
		(void)fail("nothing to complain about");
		const void *bytes = i < seed_count ? seeds[i].bytes : mutant.s;
		size_t length = i < seed_count ? seeds[i].length : mutant.length;
		run(bytes, length);
		if (!mutants)
			fprintf(stderr, "%zu bytes: %s\n", length, error_text());
		if (careful && __lsan_do_recoverable_leak_check()) {
			current = bytes;
			current_length = length;
			exit(1);
		}
	}
	strbuf_release(&mutant);
}

int main(int argc, char **argv)
{
	static const char again[] = "QUANTGRID_FUZZ_LEAKS";
	size_t runs = number_from("QUANTGRID_FUZZ_RUNS", RUNS);
	uint64_t seed = number_from("QUANTGRID_FUZZ_SEED", 1);
	const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	program_name_set(argv[0]);
	crash_path = mem_printf("build/scratch/fuzz.%s.crash", name);
	unlink(crash_path);
	if (dir_make("build/scratch"))
		return error_report(1);
	signal(SIGALRM, hangs);
	__sanitizer_set_death_callback(keep_input);
	atexit(keep_input);
	for (int i = 1; i < argc; i++)
		add_seed(argv[i]);
	if (argc < 2)
		read_corpus(name);
	read_dictionary(name);
	fprintf(stderr, "%s: %zu inputs%s", name, seed_count, argc < 2 ? "" : "\n");
	if (argc < 2)
		fprintf(stderr, ", %zu mutations of them with QUANTGRID_FUZZ_SEED=%llu\n", runs, (unsigned long long)seed);
	run_all(runs, seed, argc < 2, getenv(again) != NULL);
	/* Which input leaked is found by running all of them again in a fresh process, asking after each. */
	if (__lsan_do_recoverable_leak_check() && !getenv(again)) {
		fprintf(stderr, "something leaked; running all inputs again to see which\n");
		setenv(again, "1", 1);
		fflush(NULL);
		execv("/proc/self/exe", argv);
		return 1;
	}
	printf("1 passed, 0 failed\n");
	return 0;
}
