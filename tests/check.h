/* What every unit test program uses. A program is one or more TEST functions and a main:
 *
 *     static void test_empty(void) { CHECK(parse("") == 0, "parse of \"\" gave %d", parse("")); }
 *     int main(void) { TEST(test_empty); return check_done(); }
 *
 * Each TEST counts as one: it passes when all its CHECKs held. check_done() prints "N passed, N failed" (and
 * ", N skipped") and returns the exit status. tests/run adds the lines of all programs up.
 */
#ifndef QG_TESTS_CHECK_H
#define QG_TESTS_CHECK_H

#include <math.h>
#include <stdio.h>
#include <string.h>

static int check_passed, check_failed, check_skipped, check_bad, check_left_out;

/* Notes a failure and goes on; the printf arguments say what was found. */
#define CHECK(condition, ...) \
	do { \
		if (!(condition)) { \
			check_bad = 1; \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
			fprintf(stderr, __VA_ARGS__); \
			fputc('\n', stderr); \
		} \
	} while (0)

#define CHECK_STRING(found, expected) check_string(__FILE__, __LINE__, found, expected)

/* Within relative tolerance; written so that NaN fails. */
#define CHECK_CLOSE(found, expected, tolerance) \
	CHECK(fabs((double)(found) - (double)(expected)) <= (tolerance) * fabs((double)(expected)), \
		"found %.9g, expected %.9g within %g", (double)(found), (double)(expected), (double)(tolerance))

#define TEST(function) check_run(#function, function)

static inline void check_string(const char *file, int line, const char *found, const char *expected)
{
	if (found && expected && strcmp(found, expected) == 0)
		return;
	check_bad = 1;
	fprintf(stderr, "%s:%d: found \"%s\", expected \"%s\"\n", file, line, found ? found : "(null)",
		expected ? expected : "(null)");
}

/* Call inside a TEST that cannot run here (data that is absent); it then counts as skipped. */
static inline void check_skip(const char *why)
{
	check_left_out = 1;
	fprintf(stderr, "skipped: %s\n", why);
}

static inline void check_run(const char *name, void (*function)(void))
{
	check_bad = check_left_out = 0;
	function();
	if (check_bad) {
		check_failed++;
		fprintf(stderr, "FAILED %s\n", name);
	} else if (check_left_out) {
		check_skipped++;
	} else {
		check_passed++;
	}
}

static inline int check_done(void)
{
	printf("%d passed, %d failed, %d skipped\n", check_passed, check_failed, check_skipped);
	return check_failed != 0;
}

#endif
