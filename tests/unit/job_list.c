/* Lists of jobs: what is found in them, and what is said of a damaged one; and the files they are written through
 * (common/file_update.h). */
#include "graph/job_list.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"
#include "../support/scratch.h"
#include "common/error.h"
#include "common/file_update.h"
#include "common/memory.h"

enum { JOBS = 37 };

/* Keys of 32 digits in order, with gaps between them; lines of very different lengths. */
static char *key_of(unsigned i)
{
	return mem_printf("%04x%028x", 3 * i + 1, i);
}

static void add_line(struct strbuf *to, unsigned i)
{
	struct strbuf line;
	char *key = key_of(i);
	strbuf_init(&line);
	strbuf_addf(&line, "{\"key\":\"%s\",\"n\":%u,\"pad\":\"%*s\"", key, i, (int)(i * i % 90), "");
	job_list_seal(&line);
	strbuf_add(to, line.s, line.length);
	strbuf_release(&line);
	free(key);
}

static char *whole_list(unsigned count)
{
	struct strbuf text;
	strbuf_init(&text);
	for (unsigned i = 0; i < count; i++)
		add_line(&text, i);
	job_list_end(&text, text.length);
	return text.s;
}

/* The n of the job with the i-th key in a list, or -1 after fail(). */
static int find(const char *list, unsigned i)
{
	char *key = key_of(i), *name = mem_printf("%s:%.16s", list, key);
	cJSON *job = job_list_read(name);
	int n = job ? cJSON_GetObjectItemCaseSensitive(job, "n")->valueint : -1;
	cJSON_Delete(job);
	free(key);
	free(name);
	return n;
}

static char *write_list(const char *text)
{
	return scratch_write("stage.jsonl", text, strlen(text));
}

static void test_found_each(void)
{
	for (unsigned count = 1; count <= JOBS; count++) {
		char *text = whole_list(count), *path = write_list(text);
		for (unsigned i = 0; i < count; i++)
			CHECK(find(path, i) == (int)i, "job %u of %u: %s", i, count, error_text());
		CHECK(find(path, count) == -1 && strstr(error_text(), "the list has no such job"), "%s", error_text());
		free(text);
		free(path);
	}
}

/* Between two keys, before the first and behind the last. */
static void test_not_found(void)
{
	char *text = whole_list(JOBS), *path = write_list(text), *key = key_of(3);
	CHECK(job_list_has(path, key) == 1, "%s", error_text());
	CHECK(!job_list_has(path, "ffffffffffffffff"), "a key that is not there");
	CHECK(!job_list_has("/nowhere/stage.jsonl", key), "a list that is not there");
	CHECK(job_list_has(".", key) == -1, "a folder");
	free(key);
	for (unsigned i = 0; i <= 3 * JOBS + 2; i++) {
		if (i % 3 == 1 && i < 3 * JOBS)
			continue;
		char *name = mem_printf("%s:%04x%012x", path, i, 0);
		CHECK(!job_list_read(name) && strstr(error_text(), name), "%s was found", name);
		free(name);
	}
	free(text);
	free(path);
}

/* A ninja that runs while the generator writes another list finds its jobs in the one before. */
static void test_list_before(void)
{
	char *text = whole_list(JOBS), *path = write_list(text), *before = job_list_path_before(path);
	struct strbuf few;
	strbuf_init(&few);
	add_line(&few, 5);
	job_list_end(&few, few.length);
	CHECK(strstr(before, "/stage.before.jsonl"), "%s", before);
	CHECK(!rename(path, before), "cannot rename");
	free(write_list(few.s));
	for (unsigned i = 0; i < JOBS; i++)
		CHECK(find(path, i) == (int)i, "job %u: %s", i, error_text());
	unlink(before);
	CHECK(find(path, 5) == 5 && find(path, 6) == -1, "another job");
	strbuf_release(&few);
	free(text);
	free(path);
	free(before);
}

static void test_empty_and_absent(void)
{
	char *text = whole_list(0), *path = write_list(text);
	CHECK(find(path, 0) == -1 && strstr(error_text(), "no such job"), "%s", error_text());
	free(text);
	unlink(path);
	CHECK(find(path, 0) == -1 && strstr(error_text(), path), "%s", error_text());
	/* No list: a file with one job, whatever its name has behind a colon. */
	free(path);
	path = scratch_write("one:0123", "{\"n\":7}", 7);
	cJSON *job = job_list_read(path);
	CHECK(job && cJSON_GetObjectItemCaseSensitive(job, "n")->valueint == 7, "%s", error_text());
	cJSON_Delete(job);
	free(path);
}

/* A list that lacks bytes has no job at all, nor has the list before it a say: what is lost is noticed. */
static void check_not_whole(const char *bytes, size_t length, const char *what)
{
	char *path = scratch_write("stage.jsonl", bytes, length);
	CHECK(find(path, 3) == -1 && strstr(error_text(), path) && strstr(error_text(), "does not count"), "%s: %s", what,
		error_text());
	free(path);
}

static void test_truncated(void)
{
	char *text = whole_list(JOBS), *before = scratch_write("stage.before.jsonl", text, strlen(text));
	const size_t length = strlen(text);
	for (size_t cut = 0; cut < length; cut++)
		check_not_whole(text, cut, "cut");
	for (size_t cut = 1; cut < length; cut += 1 + cut % 7)
		check_not_whole(text + cut, length - cut, "begun late");
	for (const char *line = text, *next; (next = strchr(line, '\n')) && next[1]; line = next + 1) {
		char *without = mem_printf("%.*s%s", (int)(line - text), text, next + 1);
		check_not_whole(without, strlen(without), "without a line");
		free(without);
	}
	unlink(before);
	free(before);
	free(text);
}

/* Whatever became of the list: the job that was asked for, or a message; never another job, never a crash. */
static void check_damaged(const char *path, const char *what)
{
	for (unsigned i = 0; i < JOBS; i++) {
		int n = find(path, i);
		CHECK(n == (int)i || n == -1, "%s: job %u instead of %u", what, n, i);
		CHECK(n != -1 || strstr(error_text(), path), "%s: the message names no file: %s", what, error_text());
	}
}

static void test_swapped_and_garbled(void)
{
	struct strbuf text;
	for (unsigned swap = 0; swap + 1 < JOBS; swap++) {
		strbuf_init(&text);
		for (unsigned i = 0; i < JOBS; i++)
			add_line(&text, i == swap ? swap + 1 : i == swap + 1 ? swap : i);
		job_list_end(&text, text.length);
		char *path = write_list(text.s);
		check_damaged(path, "swapped");
		free(path);
		strbuf_release(&text);
	}
	char *good = whole_list(JOBS);
	for (size_t i = 0; i < strlen(good); i += 3) {
		char kept = good[i];
		good[i] = i % 2 ? '\n' : '\1';
		char *path = write_list(good);
		for (unsigned k = 0; k < JOBS; k++)
			(void)find(path, k);
		free(path);
		good[i] = kept;
	}
	free(good);
}

/* One bit changed, of any byte: the job as it was, or none. A newline that comes or goes is no exception. */
static void test_every_bit(void)
{
	enum { FEW = 4 };
	char *text = whole_list(FEW);
	cJSON *whole[FEW];
	char *names[FEW];
	for (unsigned k = 0; k < FEW; k++) {
		char *path = write_list(text), *key = key_of(k);
		names[k] = mem_printf("%s:%.16s", path, key);
		whole[k] = job_list_read(names[k]);
		free(key);
		free(path);
	}
	for (size_t i = 0; i < 8 * strlen(text); i++) {
		size_t lost = 0;
		text[i / 8] ^= (char)(1 << i % 8);
		char *path = scratch_write("stage.jsonl", text, strlen(text));
		for (unsigned k = 0; k < FEW; k++) {
			cJSON *job = job_list_read(names[k]);
			CHECK(!job || cJSON_Compare(job, whole[k], 1), "bit %zu of byte %zu: another job %u", i % 8, i / 8, k);
			lost += !job;
			cJSON_Delete(job);
		}
		CHECK(lost, "bit %zu of byte %zu was not noticed", i % 8, i / 8);
		text[i / 8] ^= (char)(1 << i % 8);
		free(path);
	}
	for (unsigned k = 0; k < FEW; k++) {
		cJSON_Delete(whole[k]);
		free(names[k]);
	}
	free(text);
}

/* What job_open() does then: the next ninja finds no stamp. */
static void test_forget(void)
{
	char *stamp = scratch_write("build/leaf/stamp", "x", 1);
	char *list = scratch_path("build/jobs/stage.jsonl:0123456789abcdef");
	job_list_forget(list);
	CHECK(!file_exists(stamp), "the stamp stays");
	job_list_forget(list);
	job_list_forget("nowhere");
	free(stamp);
	free(list);
}

/* --- file_update.h --- */

static int update(const char *path, const char *keep_as, const char *text, size_t piece, int *changed)
{
	struct file_update u;
	file_update_open(&u, path);
	u.keep_as = keep_as;
	for (size_t at = 0, length = strlen(text); at < length; at += piece)
		file_update_add(&u, text + at, length - at < piece ? length - at : piece);
	return file_update_close(&u, changed);
}

static void check_content(const char *path, const char *expected)
{
	char *found;
	if (file_read(path, 1 << 24, &found, NULL)) {
		CHECK(0, "%s", error_text());
		return;
	}
	CHECK(!strcmp(found, expected), "%zu bytes, expected %zu", strlen(found), strlen(expected));
	free(found);
}

/* Longer than what is buffered, so that the difference is found in an early or late flush. */
static char *long_text(size_t length, size_t different)
{
	char *text = mem_array(length + 1, 1);
	for (size_t i = 0; i < length; i++)
		text[i] = (char)('a' + i * 31 % 23);
	if (different < length)
		text[different] = '!';
	text[length] = '\0';
	return text;
}

static void test_update(void)
{
	enum { LONG = 700001 };
	static const size_t lengths[] = {0, 1, 77, 262143, 262144, 262145, LONG};
	static const size_t places[] = {0, 1, 262143, 262144, 524288, LONG - 1};
	char *path = scratch_path("updated"), *kept = scratch_path("kept");
	int changed;
	for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
		char *text = long_text(lengths[l], LONG);
		unlink(path);
		CHECK(!update(path, NULL, text, 1000, &changed) && changed, "a new file: %s", error_text());
		check_content(path, text);
		CHECK(!update(path, NULL, text, 4099, &changed) && !changed, "an equal file was written");
		for (size_t p = 0; p < sizeof places / sizeof *places && places[p] < lengths[l]; p++) {
			char *other = long_text(lengths[l], places[p]);
			CHECK(!update(path, kept, other, 65537, &changed) && changed, "byte %zu: %s", places[p], error_text());
			check_content(path, other);
			check_content(kept, text);
			CHECK(!update(path, NULL, text, 1 << 20, &changed) && changed, "and back: %s", error_text());
			free(other);
		}
		/* Shorter and longer by a byte. */
		char *longer = mem_printf("%sz", text);
		CHECK(!update(path, NULL, longer, 999, &changed) && changed, "%s", error_text());
		check_content(path, longer);
		CHECK(!update(path, NULL, text, 999, &changed) && changed, "%s", error_text());
		check_content(path, text);
		free(longer);
		free(text);
	}
	free(path);
	free(kept);
}

static int is_alone(const char *name)
{
	char **names;
	size_t count;
	if (dir_list(scratch_dir(), &names, &count))
		return 0;
	int others = 0;
	for (size_t i = 0; i < count; i++) {
		others += strstr(names[i], name) && strcmp(names[i], name);
		free(names[i]);
	}
	free(names);
	return !others;
}

/* What cannot be written leaves the old file and nothing beside it. */
static void test_update_fails(void)
{
	int changed;
	char *path = scratch_write("limited", "old", 3), *text = long_text(500000, 500000);
	struct rlimit before, limit;
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = 100000;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	int bad = update(path, NULL, text, 5000, &changed);
	setrlimit(RLIMIT_FSIZE, &before);
	CHECK(bad == -1 && strstr(error_text(), "limited: cannot write: File too large"), "%s", error_text());
	check_content(path, "old");
	CHECK(is_alone("limited"), "something stayed beside it");
	free(path);
	path = scratch_path("no/such/folder");
	CHECK(update(path, NULL, "x", 1, NULL) == -1 && strstr(error_text(), path), "%s", error_text());
	free(path);
	free(text);
}

int main(void)
{
	TEST(test_found_each);
	TEST(test_not_found);
	TEST(test_list_before);
	TEST(test_empty_and_absent);
	TEST(test_truncated);
	TEST(test_swapped_and_garbled);
	TEST(test_every_bit);
	TEST(test_forget);
	TEST(test_update);
	TEST(test_update_fails);
	return check_done();
}
