/* Results and how they are found again: the cache, digests of leaves, job and reference files. */
#include "graph/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"
#include "../support/scratch.h"
#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "graph/job.h"
#include "graph/leaf.h"

static char *cache;   /* below the scratch directory; made anew by fresh_cache() */

static void fresh_cache(void)
{
	if (cache)
		scratch_remove(cache);
	free(cache);
	cache = scratch_path("cache");
	if (cache_prepare(cache))
		exit(error_report(1));
}

static char *in_cache(const char *folder, const struct digest *name, const char *extension)
{
	return mem_printf("%s/%s/%.2s/%s.%s", cache, folder, name->hex, name->hex, extension);
}

static struct digest digest_of(const char *text)
{
	return hash_bytes(text, strlen(text));
}

/* Stores an object that holds value, under the action of its ingredients. */
static struct cache_result store(const char *ingredients, int32_t value)
{
	struct object_writer w;
	struct cache_result result;
	struct digest action = digest_of(ingredients);
	object_writer_init(&w, "tiny");
	object_writer_array(&w, "value", OBJECT_I32, &value, 1);
	if (cache_store(cache, &action, ingredients, &w, NULL, &result))
		exit(error_report(1));
	object_writer_release(&w);
	return result;
}

static int find(const char *ingredients, struct cache_result *result)
{
	struct digest action = digest_of(ingredients);
	return cache_find(cache, &action, ingredients, result);
}

static int same_result(const struct cache_result *a, const struct cache_result *b)
{
	return digest_equal(&a->action, &b->action) && digest_equal(&a->content, &b->content) &&
		digest_equal(&a->identity, &b->identity) && strcmp(a->kind, b->kind) == 0 && a->size == b->size;
}

/* Replaces the whole content of a file, which may be read-only. */
static void overwrite(const char *path, const char *text, size_t length)
{
	if (file_write(path, text, length))
		exit(error_report(1));
}

static char *read_text(const char *path)
{
	char *text;
	if (file_read(path, 1 << 20, &text, NULL))
		exit(error_report(1));
	return text;
}

/* text with the first from replaced by to. */
static char *replaced(const char *text, const char *from, const char *to)
{
	const char *found = strstr(text, from);
	CHECK(found, "the test is wrong: no %s in %s", from, text);
	size_t at = found ? (size_t)(found - text) : strlen(text);
	return found ? mem_printf("%.*s%s%s", (int)at, text, to, text + at + strlen(from)) : mem_strdup(text);
}

/* --- cache.h --- */

static void test_store_and_find(void)
{
	struct cache_result found;
	struct object o;
	fresh_cache();
	CHECK(find("{\"a\":1}", &found) == 0, "an empty cache has it");
	struct cache_result stored = store("{\"a\":1}", 7), other = store("{\"a\":2}", 8);
	CHECK(find("{\"a\":1}", &found) == 1 && same_result(&found, &stored), "not found as stored: %s", found.content.hex);
	CHECK(find("{\"a\":2}", &found) == 1 && same_result(&found, &other), "not found as stored: %s", found.content.hex);
	CHECK(find("{\"a\":3}", &found) == 0, "found what was never stored");
	CHECK_STRING(found.action.hex, digest_of("{\"a\":3}").hex);
	char *path = cache_object_path(cache, &stored), *expected = in_cache("cas", &stored.content, "tiny");
	CHECK_STRING(path, expected);
	CHECK(!object_open(&o, path, "tiny", &stored.content), "%s", error_text());
	CHECK(o.map.length == stored.size, "size %zu, the file has %zu", stored.size, o.map.length);
	object_close(&o);
	free(path);
	free(expected);
}

/* Two actions with equal results share the object; nothing temporary stays behind. */
static void test_equal_results_share(void)
{
	struct cache_result found;
	char *tmp, **names;
	size_t count;
	fresh_cache();
	struct cache_result a = store("a", 7), b = store("b", 7);
	CHECK(digest_equal(&a.content, &b.content) && !digest_equal(&a.action, &b.action), "%s, %s", a.content.hex,
		b.content.hex);
	CHECK(find("a", &found) == 1 && find("b", &found) == 1, "not found");
	store("a", 9);
	CHECK(find("a", &found) == 1 && !digest_equal(&found.content, &a.content), "the later result does not count");
	CHECK(find("b", &found) == 1 && digest_equal(&found.content, &b.content), "another action's result was lost");
	tmp = path_join(cache, "tmp");
	CHECK(!dir_list(tmp, &names, &count) && count == 0, "%zu files in %s", count, tmp);
	free(names);
	free(tmp);
}

/* A key that two actions share must not serve one the other's result. */
static void test_other_ingredients(void)
{
	struct cache_result found;
	fresh_cache();
	store("{\"a\":1}", 7);
	struct digest action = digest_of("{\"a\":1}");
	CHECK(cache_find(cache, &action, "{\"a\":2}", &found) == -1, "another action's result was found");
	CHECK(strstr(error_text(), "two actions share the key ") && strstr(error_text(), action.hex), "%s", error_text());
}

static void test_object_gone(void)
{
	struct cache_result found, stored;
	fresh_cache();
	stored = store("a", 7);
	char *path = cache_object_path(cache, &stored);
	overwrite(path, "short", 5);
	CHECK(find("a", &found) == 0, "an object of another size was found");
	remove(path);
	CHECK(find("a", &found) == 0, "an object that is gone was found");
	dir_make(path);
	CHECK(find("a", &found) == 0, "a directory was found");
	remove(path);
	stored = store("a", 7);
	CHECK(find("a", &found) == 1 && same_result(&found, &stored), "not found after it was made anew");
	free(path);
}

/* A damaged entry counts as absent and is written anew; never an error. */
static void test_entry_damaged(void)
{
	static const struct {
		const char *from, *to;
	} damages[] = {
		{"{", ""}, {"{", "["}, {"\"content\":", "\"contents\":"}, {"\"identity\":", "\"id\":"}, {"\"kind\":", "\"sort\":"},
		{"\"size\":", "\"sizes\":"}, {"\"ingredients\":", "\"stuff\":"}, {"\"content\": \"", "\"content\": \"x"},
		{"\"identity\": \"", "\"identity\": \"0"}, {"\"kind\": \"tiny\"", "\"kind\": \"seventeen-letters\""},
		{"\"kind\": \"tiny\"", "\"kind\": 5"}, {"\"size\": ", "\"size\": -"}, {"\"size\": ", "\"size\": 1"},
		{"\"ingredients\": \"a\"", "\"ingredients\": null"},
	};
	struct cache_result found;
	fresh_cache();
	struct cache_result stored = store("a", 7);
	char *path = in_cache("ac", &stored.action, "json"), *good = read_text(path);
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		char *bad = replaced(good, damages[i].from, damages[i].to);
		overwrite(path, bad, strlen(bad));
		CHECK(find("a", &found) == 0, "found in spite of %s", damages[i].to);
		free(bad);
	}
	for (size_t length = 0; length + 1 < strlen(good); length++) {
		overwrite(path, good, length);
		CHECK(find("a", &found) == 0, "found in %zu bytes of the entry", length);
	}
	store("a", 7);
	CHECK(find("a", &found) == 1 && same_result(&found, &stored), "not found after it was made anew");
	free(path);
	free(good);
}

static void test_provenance(void)
{
	struct object_writer w;
	struct cache_result result, found;
	struct digest action = digest_of("p");
	cJSON *provenance = cJSON_CreateObject();
	fresh_cache();
	cJSON_AddStringToObject(provenance, "host", "somewhere");
	object_writer_init(&w, "tiny");
	CHECK(!cache_store(cache, &action, "p", &w, provenance, &result), "%s", error_text());
	object_writer_release(&w);
	char *path = in_cache("ac", &action, "json"), *text = read_text(path);
	CHECK(strstr(text, "\"host\": \"somewhere\""), "the entry is %s", text);
	CHECK(find("p", &found) == 1 && same_result(&found, &result), "not found");
	cJSON_Delete(provenance);
	free(path);
	free(text);
}

static void test_cannot_store(void)
{
	struct object_writer w;
	struct cache_result result;
	struct digest action = digest_of("x");
	char *tmp;
	fresh_cache();
	tmp = path_join(cache, "tmp");
	remove(tmp);
	object_writer_init(&w, "tiny");
	CHECK(cache_store(cache, &action, "x", &w, NULL, &result) == -1, "stored without a folder");
	CHECK(strstr(error_text(), "cannot create"), "%s", error_text());
	CHECK(find("x", &result) == 0, "found what could not be stored");
	object_writer_release(&w);
	free(tmp);
}

static void test_prepare(void)
{
	fresh_cache();
	char *first = cache_id(cache), *again, *other;
	struct digest d;
	CHECK(first && !digest_parse(first, &d), "the id is %s", first ? first : error_text());
	CHECK(!cache_prepare(cache), "%s", error_text());
	again = cache_id(cache);
	CHECK_STRING(again, first);
	fresh_cache();
	other = cache_id(cache);
	CHECK(other && first && strcmp(other, first), "two caches have the id %s", first);
	scratch_remove(cache);
	CHECK(!cache_id(cache), "a cache that is gone has an id");
	char *file = scratch_write("file", "", 0);
	CHECK(cache_prepare(file) == -1 && strncmp(error_text(), "cache: ", 7) == 0, "%s", error_text());
	free(first);
	free(again);
	free(other);
	free(file);
}

static void test_failures(void)
{
	struct digest action = digest_of("f"), run = digest_of("run"), made_by;
	char *text = NULL;
	fresh_cache();
	CHECK(cache_failure_find(cache, &action, &made_by, &text) == 0, "a failure that never was");
	CHECK(!cache_failure_note(cache, &action, &run, "line one\nline two"), "%s", error_text());
	CHECK(cache_failure_find(cache, &action, &made_by, &text) == 1, "not found");
	CHECK_STRING(text, "line one\nline two");
	CHECK_STRING(made_by.hex, run.hex);
	free(text);
	CHECK(!cache_failure_note(cache, &action, &run, ""), "%s", error_text());
	CHECK(cache_failure_find(cache, &action, NULL, &text) == 1, "not found");
	CHECK_STRING(text, "");
	free(text);
	cache_failure_forget(cache, &action);
	CHECK(cache_failure_find(cache, &action, NULL, &text) == 0, "found after it was forgotten");
	cache_failure_forget(cache, &action);
	CHECK(!cache_failure_note(cache, &action, &run, "x"), "%s", error_text());
	store("f", 1);
	CHECK(cache_failure_find(cache, &action, NULL, &text) == 0, "found after a success");
}

static void test_failure_damaged(void)
{
	static const char *const notes[] = {"", "x", "no digits\nreason", "99aa06d3014798d86001c324468d497f",
		"99aa06d3014798d86001c324468d497g\nreason", "99aa06d3014798d86001c324468d497f reason"};
	struct digest action = digest_of("f"), run = digest_of("run");
	char *text = NULL, *path;
	fresh_cache();
	CHECK(!cache_failure_note(cache, &action, &run, "x"), "%s", error_text());
	path = in_cache("ac", &action, "fail");
	for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
		overwrite(path, notes[i], strlen(notes[i]));
		CHECK(cache_failure_find(cache, &action, NULL, &text) == 0, "found in \"%s\"", notes[i]);
	}
	free(path);
}

/* Whether another process finds the byte locked. It writes there what this process cannot see of its own. */
static int byte_locked_elsewhere(off_t byte)
{
	int status = 0;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		int locks = cache_locks_open(cache);
		struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1, .l_start = byte};
		_exit(locks < 0 ? 9 : fcntl(locks, F_OFD_SETLK, &lock) ? 1 : 0);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status), "no child: %s", strerror(errno));
	CHECK(WEXITSTATUS(status) < 2, "the child cannot open the locks");
	return WEXITSTATUS(status) == 1;
}

static int locked_elsewhere(const struct digest *action)
{
	char first[16];
	memcpy(first, action->hex, 15);
	first[15] = '\0';
	return byte_locked_elsewhere((off_t)strtoull(first, NULL, 16));
}

/* The turn is a lock of its own: actions are free meanwhile, the last of their bytes, too. */
static void test_turn(void)
{
	struct digest a = digest_of("a"), last;
	fresh_cache();
	int locks = cache_locks_open(cache);
	CHECK(locks >= 0 && !digest_parse("ffffffffffffffffffffffffffffffff", &last), "%s", error_text());
	CHECK(!byte_locked_elsewhere((off_t)1 << 60), "a turn that nobody took");
	CHECK(!cache_lock_turn(locks), "%s", error_text());
	CHECK(byte_locked_elsewhere((off_t)1 << 60), "two turns at once");
	CHECK(!locked_elsewhere(&a) && !locked_elsewhere(&last), "a turn keeps actions");
	cache_locks_close(locks);
	CHECK(!byte_locked_elsewhere((off_t)1 << 60), "closing keeps the turn");
	CHECK(cache_lock_turn(-1) == -1 && strstr(error_text(), "cannot wait for a turn"), "%s", error_text());
}

static void test_locks(void)
{
	struct digest a = digest_of("a"), b = digest_of("b");
	fresh_cache();
	int locks = cache_locks_open(cache);
	CHECK(locks >= 0 && !cache_lock(locks, &a), "%s", error_text());
	CHECK(locked_elsewhere(&a), "a lock does not keep others out");
	CHECK(!locked_elsewhere(&b), "a lock keeps others from another action");
	CHECK(!cache_lock(locks, &b), "%s", error_text());
	cache_unlock(locks, &a);
	CHECK(!locked_elsewhere(&a) && locked_elsewhere(&b), "unlocking one: a %d, b %d", locked_elsewhere(&a),
		locked_elsewhere(&b));
	cache_locks_close(locks);
	CHECK(!locked_elsewhere(&b), "closing keeps a lock");
	cache_locks_close(-1);
	scratch_remove(cache);
	CHECK(cache_locks_open(cache) == -1 && strstr(error_text(), "cannot create"), "%s", error_text());
}

/* --- leaf.h --- */

static struct digest leaf(const char *path)
{
	struct digest d = {""};
	struct leaf_memo *memo = leaf_memo_open(cache);
	CHECK(!leaf_digest(memo, path, &d), "%s", error_text());
	leaf_memo_close(memo);
	return d;
}

static void write_memo(const char *text)
{
	char *path = path_join(cache, "leafdb");
	overwrite(path, text, strlen(text));
	free(path);
}

static int64_t nanoseconds(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A line of the memo for a file as it is, with these differences, claiming a digest no content has. */
static const char claimed[] = "00000000000000000000000000000abc";

static char *memo_line_with(const char *path, const int64_t difference[5], const char *hex)
{
	struct stat s;
	struct strbuf line;
	if (stat(path, &s))
		exit(1);
	struct leaf_entry e = {(uint64_t)s.st_dev + (uint64_t)difference[0], (uint64_t)s.st_ino + (uint64_t)difference[1],
		(uint64_t)s.st_size + (uint64_t)difference[2], nanoseconds(s.st_mtim) + difference[3],
		nanoseconds(s.st_ctim) + difference[4], {""}};
	digest_parse(hex, &e.digest);
	strbuf_init(&line);
	leaf_entry_add(&line, &e);
	return line.s;
}

static char *memo_line(const char *path, const int64_t difference[5])
{
	return memo_line_with(path, difference, claimed);
}

static void test_leaf_digest(void)
{
	struct digest d;
	fresh_cache();
	char *path = scratch_write("leaf", "content", 7), *absent = scratch_path("absent");
	char *empty = scratch_write("empty", "", 0);
	CHECK_STRING(leaf(path).hex, digest_of("content").hex);
	CHECK_STRING(leaf(empty).hex, digest_of("").hex);
	struct leaf_memo *memo = leaf_memo_open(cache);
	CHECK(leaf_digest(memo, absent, &d) == -1 && strstr(error_text(), ": No such file"), "%s", error_text());
	CHECK(leaf_digest(memo, cache, &d) == -1 && strstr(error_text(), ": not a regular file"), "%s", error_text());
	leaf_memo_close(memo);
	leaf_memo_close(NULL);
	free(path);
	free(absent);
	free(empty);
}

/* The memo is believed when all of device, inode, size and both times agree, and only then: a time that was put back
 * still leaves another ctime. */
static void test_leaf_memo_believed(void)
{
	fresh_cache();
	char *path = scratch_write("leaf", "content", 7);
	for (int field = -1; field < 5; field++) {
		int64_t difference[5] = {0};
		if (field >= 0)
			difference[field] = 1;
		char *line = memo_line(path, difference);
		write_memo(line);
		CHECK_STRING(leaf(path).hex, field < 0 ? claimed : digest_of("content").hex);
		free(line);
	}
	free(path);
}

static void test_leaf_edit_with_time_put_back(void)
{
	static const int64_t same[5] = {0};
	struct stat before, after;
	fresh_cache();
	char *path = scratch_write("leaf", "content", 7), *line = memo_line(path, same);
	write_memo(line);
	CHECK_STRING(leaf(path).hex, claimed);
	stat(path, &before);
	do {   /* until the file system's clock has gone on */
		int fd = open(path, O_WRONLY);
		const struct timespec times[2] = {before.st_atim, before.st_mtim};
		CHECK(fd >= 0 && pwrite(fd, "CONTENT", 7, 0) == 7 && !futimens(fd, times), "%s", strerror(errno));
		close(fd);
		stat(path, &after);
	} while (nanoseconds(after.st_ctim) == nanoseconds(before.st_ctim));
	CHECK(after.st_size == before.st_size && after.st_ino == before.st_ino &&
		nanoseconds(after.st_mtim) == nanoseconds(before.st_mtim), "the test is wrong: more than ctime differs");
	CHECK_STRING(leaf(path).hex, digest_of("CONTENT").hex);
	free(line);
	free(path);
}

/* A second edit within the clock's grain would look the same. */
static void test_leaf_young_not_remembered(void)
{
	fresh_cache();
	char *path = scratch_write("young", "x", 1), *db = path_join(cache, "leafdb");
	/* Modified far in the future: young however slow this test is. */
	const struct timespec times[2] = {{.tv_sec = 4000000000}, {.tv_sec = 4000000000}};
	CHECK(!utimensat(AT_FDCWD, path, times, 0), "%s", strerror(errno));
	leaf(path);
	CHECK(!file_exists(db), "a young file was remembered");
	free(path);
	free(db);
}

static void test_leaf_old_remembered(void)
{
	static const char path[] = "/bin/sh";
	static const int64_t same[5] = {0};
	struct stat s;
	fresh_cache();
	time_t young = time(NULL) - 10;
	if (stat(path, &s) || !S_ISREG(s.st_mode) || s.st_ctim.tv_sec > young || s.st_mtim.tv_sec > young) {
		check_skip("no file is known to be old");
		return;
	}
	struct digest d = leaf(path);
	char *db = path_join(cache, "leafdb"), *text = read_text(db), *line = memo_line(path, same);
	char *expected = memo_line_with(path, same, d.hex);
	CHECK_STRING(text, expected);
	/* It stands in for a changed entry of the same file, not beside it. */
	static const int64_t other_size[5] = {0, 0, 1, 0, 0};
	char *older = memo_line(path, other_size);
	write_memo(older);
	CHECK_STRING(leaf(path).hex, d.hex);
	free(text);
	text = read_text(db);
	CHECK_STRING(text, expected);
	char *all[] = {db, text, line, expected, older};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}

/* Lines that say nothing are passed over; what stands behind them counts. */
static void test_leaf_memo_damaged(void)
{
	static const char *const memos[] = {
		"\n\n\n", "garbage\n", "1 2 3\n", "1 2 3 4 5 short\n", "\xff\xfe\n", "99999999999999999999999 1 1 1 1 x\n",
		"1 2 3 4 5 0000000000000000000000000000000000abc\n", "1 2 3\n4 5 00000000000000000000000000000abc\n",
	};
	static const int64_t same[5] = {0};
	fresh_cache();
	char *path = scratch_write("leaf", "content", 7), *line = memo_line(path, same), *db = path_join(cache, "leafdb");
	for (size_t i = 0; i < sizeof memos / sizeof *memos; i++) {
		char *text = mem_printf("%s%s", memos[i], line);
		write_memo(memos[i]);
		CHECK_STRING(leaf(path).hex, digest_of("content").hex);
		write_memo(text);
		CHECK_STRING(leaf(path).hex, claimed);
		free(text);
	}
	overwrite(db, "a\0b\n", 4);
	CHECK_STRING(leaf(path).hex, digest_of("content").hex);
	/* Half a line at the end: a process that was killed while it wrote another way. */
	overwrite(db, line, strlen(line) - 1);
	CHECK_STRING(leaf(path).hex, digest_of("content").hex);
	remove(db);
	dir_make(db);
	CHECK_STRING(leaf(path).hex, digest_of("content").hex);
	free(path);
	free(line);
	free(db);
}

/* One bit changed: the digest that was noted, or the file is hashed again. Never another digest. */
static void test_leaf_memo_every_bit(void)
{
	static const int64_t same[5] = {0};
	size_t believed = 0;
	fresh_cache();
	char *path = scratch_write("leaf", "content", 7), *line = memo_line(path, same), *db = path_join(cache, "leafdb");
	char *other = scratch_write("other", "other content", 13), *second = memo_line(other, same);
	char *text = mem_printf("%s%s", line, second);
	struct digest hashed = digest_of("content");
	for (size_t i = 0; i < 8 * strlen(text); i++) {
		text[i / 8] ^= (char)(1 << i % 8);
		overwrite(db, text, strlen(line) + strlen(second));
		struct digest d = leaf(path);
		believed += !strcmp(d.hex, claimed);
		CHECK(!strcmp(d.hex, claimed) || digest_equal(&d, &hashed), "bit %zu of byte %zu: %s", i % 8, i / 8, d.hex);
		text[i / 8] ^= (char)(1 << i % 8);
	}
	/* Whatever became of the other line, this one is believed; but not when one of its six blanks is a NUL. */
	CHECK(believed == 8 * strlen(second) - 6, "%zu bits may change of %zu", believed, 8 * strlen(second));
	char *all[] = {path, line, db, other, second, text};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}

static void test_leaf_any(void)
{
	fresh_cache();
	struct leaf_memo *memo = leaf_memo_open(cache);
	char *dir = scratch_path("dir"), *file = scratch_write("dir/b", "1", 1), *second;
	char *empty = scratch_write("empty", "", 0);
	struct digest names = leaf_digest_any(memo, dir), again, nothing, none;
	CHECK_STRING(leaf_digest_any(memo, file).hex, digest_of("1").hex);
	free(scratch_write("dir/b", "2", 1));
	again = leaf_digest_any(memo, dir);
	CHECK_STRING(again.hex, names.hex);
	second = scratch_write("dir/a", "", 0);
	again = leaf_digest_any(memo, dir);
	CHECK(!digest_equal(&again, &names), "a new name in the directory changed nothing");
	remove(second);
	again = leaf_digest_any(memo, dir);
	CHECK_STRING(again.hex, names.hex);
	remove(file);
	again = leaf_digest_any(memo, dir);
	CHECK(!digest_equal(&again, &names), "a name less in the directory changed nothing");
	nothing = leaf_digest_any(memo, file);
	none = leaf_digest_any(memo, empty);
	CHECK(!digest_equal(&nothing, &none) && !digest_equal(&nothing, &again), "a file that is not there is not told apart");
	leaf_memo_close(memo);
	char *all[] = {dir, file, second, empty};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}

/* --- job.h --- */

static const char leaf_inputs[] = "{\"text\":{\"files\":{\"content\":{\"path\":\"a.txt\","
	"\"digest\":\"99aa06d3014798d86001c324468d497f\"}}}}";

static char *job_text(const char *stage, const char *params, const char *inputs)
{
	return mem_printf("{\"format\":\"quantgrid-job/1\",\"stage\":\"%s\",\"version\":1,\"cell\":\"c.%s\",\"key\":\"k\","
		"\"params\":%s,\"unhashed\":{\"dir\":\"d\"},\"inputs\":%s,\"cache\":\"%s\",\"ref\":\"%s/%s.ref\","
		"\"stamp\":\"%s/%s.stamp\"}", stage, stage, params, inputs, cache, scratch_dir(), stage, scratch_dir(), stage);
}

/* Writes STAGE.job; its reference file is STAGE.ref. The caller frees the path. */
static char *write_job(const char *stage, const char *params, const char *inputs)
{
	char *text = job_text(stage, params, inputs), *name = mem_printf("%s.job", stage);
	char *path = scratch_write(name, text, strlen(text));
	free(name);
	free(text);
	return path;
}

static void open_job(struct job *job, const char *path)
{
	if (job_open(job, path))
		exit(error_report(1));
}

static void test_job_open(void)
{
	struct job job;
	size_t size = 0;
	fresh_cache();
	char *path = write_job("up", "{\"n\":5,\"s\":\"x\"}", leaf_inputs);
	open_job(&job, path);
	CHECK_STRING(job.stage, "up");
	CHECK_STRING(job.cell, "c.up");
	CHECK_STRING(job.cache, cache);
	CHECK(!job.makers.numerics && !job.makers.unicode && !job.makers.tool && job.input_count == 1, "%zu inputs",
		job.input_count);
	const struct job_input *input = job_input_find(&job, "text");
	CHECK(input && !input->job && input->file_count == 1, "the input is not there");
	CHECK_STRING(input->files[0].name, "content");
	CHECK_STRING(input->files[0].path, "a.txt");
	CHECK_STRING(input->files[0].digest.hex, digest_of("").hex);
	CHECK(!job_input_find(&job, "tex"), "an input that is not there");
	CHECK_STRING(job_param_string(&job, "s"), "x");
	CHECK(!job_param_size(&job, "n", &size) && size == 5, "n is %zu", size);
	CHECK_STRING(job_unhashed_string(&job, "dir"), "d");
	CHECK(!job_param_string(&job, "dir") && strstr(error_text(), path) && strstr(error_text(), "key \"dir\" is missing"),
		"%s", error_text());
	CHECK(job_param_size(&job, "s", &size) == -1 && strstr(error_text(), "\"s\" must be a number"), "%s", error_text());
	job_close(&job);
	free(path);
}

static void test_job_malformed(void)
{
	static const struct {
		const char *from, *to, *error;
	} damages[] = {
		{"quantgrid-job/1", "quantgrid-job/2", ": not a job file (format \"quantgrid-job/1\" expected)"},
		{"\"format\"", "\"former\"", ": not a job file"},
		{"\"stage\":\"up\"", "\"stage\":3", ": \"stage\" must be a string"},
		{"\"version\":1", "\"version\":\"1\"", ": \"version\" must be a number"},
		{"\"version\":1", "\"version\":1.5", ": \"version\" must be an integer"},
		{"\"cell\"", "\"cells\"", ": key \"cell\" is missing"},
		{"\"key\"", "\"keys\"", ": key \"key\" is missing"},
		{"\"params\"", "\"param\"", ": key \"params\" is missing"},
		{"\"unhashed\"", "\"hashed\"", ": key \"unhashed\" is missing"},
		{"\"cache\"", "\"cash\"", ": key \"cache\" is missing"},
		{"\"ref\"", "\"reference\"", ": key \"ref\" is missing"},
		{"\"inputs\":", "\"inputs\":[],\"more\":", ": \"inputs\" must be an object of at most 4096 members"},
		{"\"inputs\":", "\"more\":", ": \"inputs\" must be an object"},
		{"\"files\":", "\"file\":", ": key \"job\" is missing"},
		{"\"files\":", "\"job\":5,\"more\":", ": \"job\" must be a string"},
		{"\"path\":", "\"way\":", ": input \"text\": file \"content\" needs \"path\" and \"digest\""},
		{"\"digest\":\"99", "\"digest\":\"9", ": input \"text\": file \"content\" needs \"path\" and \"digest\""},
		{"\"cell\"", "\"stage\"", ": duplicate key \"stage\""},
		{"{", "", ":1:"},
	};
	struct job job;
	fresh_cache();
	char *good = job_text("up", "{}", leaf_inputs);
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		char *text = replaced(good, damages[i].from, damages[i].to), *path = scratch_write("bad.job", text, strlen(text));
		CHECK(job_open(&job, path) == -1, "%s was accepted", damages[i].to);
		CHECK(strstr(error_text(), damages[i].error) && strstr(error_text(), path), "message is \"%s\", expected \"%s\"",
			error_text(), damages[i].error);
		CHECK(!job.root && !job.path, "something is left of a job that was refused");
		free(text);
		free(path);
	}
	free(good);
}

/* The canonical text both keys are hashed from: pinned, since another text would make every cache worthless. */
static void test_ingredients(void)
{
	static const char params[] = "{\"a\":[1.5],\"b\":2}", inputs[] = "{\"x\":\"d\"}";
	const struct job_makers backend = {.numerics = "cpu"}, none = {.tool = NULL},
		all = {.numerics = "cpu", .unicode = "15.0.0", .tool = "0123"};
	struct strbuf text, plain;
	strbuf_init(&text);
	strbuf_init(&plain);
	job_add_ingredients(&text, "score", 3, &backend, params, inputs);
	job_add_ingredients(&plain, "score", 3, &none, params, inputs);
	CHECK_STRING(text.s, "{\"inputs\":{\"x\":\"d\"},\"numerics\":\"cpu\",\"params\":{\"a\":[1.5],\"b\":2},"
		"\"stage\":\"score\",\"version\":3}");
	CHECK_STRING(plain.s, "{\"inputs\":{\"x\":\"d\"},\"params\":{\"a\":[1.5],\"b\":2},\"stage\":\"score\",\"version\":3}");
	strbuf_clear(&plain);
	job_add_ingredients(&plain, "score", 3, &all, params, inputs);
	CHECK_STRING(plain.s, "{\"inputs\":{\"x\":\"d\"},\"numerics\":\"cpu\",\"params\":{\"a\":[1.5],\"b\":2},"
		"\"stage\":\"score\",\"tool\":\"0123\",\"unicode\":\"15.0.0\",\"version\":3}");
	strbuf_release(&text);
	strbuf_release(&plain);
}

/* Resolves the job at path; its action, empty when that did not work. */
static struct digest action_of(const char *path, int expected)
{
	struct job job;
	struct digest action = {""};
	open_job(&job, path);
	int resolved = job_resolve(&job);
	CHECK(resolved == expected, "%s resolves to %d: %s", path, resolved, error_text());
	if (resolved > 0)
		action = job.action;
	job_close(&job);
	return action;
}

static void test_resolve_leaves(void)
{
	struct job job;
	fresh_cache();
	char *path = write_job("up", "{\"n\":5}", leaf_inputs);
	open_job(&job, path);
	CHECK(job_resolve(&job) == 1, "%s", error_text());
	CHECK_STRING(job.ingredients, "{\"inputs\":{\"text\":{\"content\":\"99aa06d3014798d86001c324468d497f\"}},"
		"\"params\":{\"n\":5},\"stage\":\"up\",\"version\":1}");
	CHECK_STRING(job.action.hex, digest_of(job.ingredients).hex);
	job_close(&job);
	free(path);
}

static struct cache_result store_result_of(const char *path, int32_t value)
{
	struct job job;
	open_job(&job, path);
	if (job_resolve(&job) != 1)
		exit(error_report(1));
	struct cache_result result = store(job.ingredients, value);
	if (ref_write(&job, &result))
		exit(error_report(1));
	job_close(&job);
	return result;
}

static char *inputs_from(const char *up)
{
	return mem_printf("{\"up\":{\"job\":\"%s\"}}", up);
}

/* Through the reference file; without it through the cache; and not at all without either. */
static void test_resolve_upstream(void)
{
	struct job job;
	fresh_cache();
	char *up = write_job("up", "{\"n\":5}", leaf_inputs), *inputs = inputs_from(up);
	char *down = write_job("down", "{}", inputs);
	char *ref = scratch_path("up.ref");
	action_of(down, 0);
	CHECK_STRING(error_text(), "c.down: input \"up\": up of c.up has no result yet");

	struct cache_result result = store_result_of(up, 7), found;
	CHECK(file_exists(ref) && ref_read(ref, cache, "k", &found) == 1 && same_result(&found, &result), "%s", error_text());
	struct digest through_ref = action_of(down, 1);
	remove(ref);
	struct digest through_cache = action_of(down, 1);
	CHECK_STRING(through_cache.hex, through_ref.hex);

	open_job(&job, down);
	CHECK(job_resolve(&job) == 1, "%s", error_text());
	char *path = job_input_path(&job, job_input_find(&job, "up")), *expected = cache_object_path(cache, &result);
	CHECK_STRING(path, expected);
	CHECK(strstr(job.ingredients, result.identity.hex), "the ingredients are %s", job.ingredients);
	remove(path);
	CHECK(job_resolve(&job) == 0, "an input whose object is gone");
	job_close(&job);
	char *all[] = {up, inputs, down, ref, path, expected};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}

/* What the input turned out to be decides, not how it was made: equal identities, equal actions. */
static void test_resolve_by_identity(void)
{
	fresh_cache();
	char *up = write_job("up", "{\"n\":5}", leaf_inputs), *inputs = inputs_from(up);
	char *down = write_job("down", "{}", inputs);
	store_result_of(up, 7);
	struct digest first = action_of(down, 1), again;
	free(write_job("up", "{\"n\":6}", leaf_inputs));
	store_result_of(up, 7);
	again = action_of(down, 1);
	CHECK_STRING(again.hex, first.hex);
	store_result_of(up, 8);
	again = action_of(down, 1);
	CHECK(!digest_equal(&again, &first), "another input, the same action");
	free(up);
	free(inputs);
	free(down);
}

static void test_resolve_missing_and_circular(void)
{
	fresh_cache();
	char *circle = scratch_path("circle.job"), *inputs = inputs_from(circle), *path = write_job("circle", "{}", inputs);
	action_of(path, -1);
	CHECK(strstr(error_text(), "jobs depend on one another in a circle"), "%s", error_text());
	char *absent = scratch_path("absent.job"), *from_absent = inputs_from(absent);
	char *lost = write_job("lost", "{}", from_absent);
	action_of(lost, -1);
	CHECK(strstr(error_text(), "c.lost: input \"up\": ") && strstr(error_text(), "absent.job: cannot open"), "%s",
		error_text());
	char *all[] = {circle, inputs, path, absent, from_absent, lost};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}

/* --- reference files --- */

static void test_ref_written_once(void)
{
	struct stat before, after;
	fresh_cache();
	char *up = write_job("up", "{\"n\":5}", leaf_inputs), *ref = scratch_path("up.ref");
	remove(ref);
	store_result_of(up, 7);
	stat(ref, &before);
	store_result_of(up, 7);
	stat(ref, &after);
	CHECK(before.st_ino == after.st_ino, "an equal reference file was written again");
	store_result_of(up, 8);
	stat(ref, &after);
	CHECK(before.st_ino != after.st_ino, "another result, the same reference file");
	free(up);
	free(ref);
}

static void test_ref_dangling(void)
{
	struct cache_result result, found;
	fresh_cache();
	char *up = write_job("up", "{\"n\":5}", leaf_inputs), *ref = scratch_path("up.ref");
	CHECK(ref_read("nowhere.ref", cache, "k", &found) == 0, "a reference that is not there");
	result = store_result_of(up, 7);
	char *object = cache_object_path(cache, &result);
	overwrite(object, "x", 1);
	CHECK(ref_read(ref, cache, "k", &found) == 0 && !file_exists(ref), "to an object of another size");
	remove(object);
	store_result_of(up, 7);
	remove(object);
	CHECK(file_exists(ref) && ref_read(ref, cache, "k", &found) == 0, "to an object that is gone");
	CHECK(!file_exists(ref), "it was not removed");
	free(up);
	free(ref);
	free(object);
}

static void test_ref_damaged(void)
{
	static const struct {
		const char *from, *to;
	} damages[] = {
		{"\"kind\"", "\"kin\""}, {"\"tiny\"", "\"seventeen-letters\""}, {"\"size\": ", "\"size\": -"},
		{"\"size\"", "\"sizes\""}, {"\"action\"", "\"act\""}, {"\"content\": \"", "\"content\": \"0"},
		{"\"identity\": \"", "\"identity\": \"x"}, {"\"seal\"", "\"deal\""}, {"\"seal\": \"", "\"seal\": \"0"},
		{"\"tiny\"", "\"tinz\""},
	};
	struct cache_result found;
	fresh_cache();
	char *up = write_job("up", "{\"n\":5}", leaf_inputs), *ref = scratch_path("up.ref");
	store_result_of(up, 7);
	char *good = read_text(ref);
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		char *bad = replaced(good, damages[i].from, damages[i].to);
		overwrite(ref, bad, strlen(bad));
		CHECK(ref_read(ref, cache, "k", &found) == 0 && !file_exists(ref), "%s was accepted", damages[i].to);
		free(bad);
	}
	for (size_t length = 0; length + 2 < strlen(good); length++) {
		overwrite(ref, good, length);
		CHECK(ref_read(ref, cache, "k", &found) == 0 && !file_exists(ref), "%zu bytes were accepted", length);
	}
	overwrite(ref, good, strlen(good));
	CHECK(ref_read(ref, cache, "k", &found) == 1, "%s", error_text());
	CHECK(ref_read(ref, cache, "l", &found) == 0 && !file_exists(ref), "another job's was accepted");
	free(up);
	free(ref);
	free(good);
}

/* One bit of any digest or number: what was taken away or put in another's place must not be served. */
static void test_flipped_bits(void)
{
	struct cache_result found;
	fresh_cache();
	char *up = write_job("up", "{\"n\":5}", leaf_inputs), *ref = scratch_path("up.ref");
	struct cache_result stored = store_result_of(up, 7);
	char *entry = in_cache("ac", &stored.action, "json"), *files[] = {ref, entry};
	struct job job;
	open_job(&job, up);
	CHECK(job_resolve(&job) == 1, "%s", error_text());
	for (size_t f = 0; f < 2; f++) {
		char *text = read_text(files[f]);
		size_t length = strlen(text), values = 0;
		for (size_t i = 0; i < length; i++) {
			text[i] ^= 1;
			overwrite(files[f], text, length);
			int is = f ? cache_find(cache, &stored.action, job.ingredients, &found) : ref_read(ref, cache, "k", &found);
			CHECK(is >= 0, "byte %zu of %s: %s", i, files[f], error_text());
			CHECK(is == 0 || same_result(&found, &stored), "byte %zu of %s: another result", i, files[f]);
			values += is == 0;
			text[i] ^= 1;
		}
		CHECK(values > 3 * DIGEST_HEX, "only %zu bytes of %s count", values, files[f]);
		free(text);
	}
	job_close(&job);
	free(up);
	free(ref);
	free(entry);
}

/* The entry of one action in the place of another's. */
static void test_entries_swapped(void)
{
	struct cache_result found;
	fresh_cache();
	struct cache_result a = store("a", 7), b = store("b", 8);
	char *path = in_cache("ac", &a.action, "json"), *other = in_cache("ac", &b.action, "json"), *text = read_text(other);
	overwrite(path, text, strlen(text));
	CHECK(find("a", &found) == 0, "another action's entry counts");
	free(path);
	free(other);
	free(text);
}

static void test_input_discard(void)
{
	struct job job;
	fresh_cache();
	char *up = write_job("up", "{\"n\":5}", leaf_inputs), *inputs = inputs_from(up);
	char *down = write_job("down", "{}", inputs);
	char *ref = scratch_path("up.ref");
	store_result_of(up, 7);
	open_job(&job, down);
	CHECK(job_resolve(&job) == 1, "%s", error_text());
	const struct job_input *input = job_input_find(&job, "up");
	char *object = job_input_path(&job, input), *stamp = scratch_write("up.stamp", "x", 1);
	fail("it is bad");
	CHECK(job_input_discard(&job, input) == -1, "discarding is no success");
	CHECK_STRING(error_text(), "input \"up\" is damaged and was removed; run ninja again. it is bad");
	CHECK(!file_exists(object) && !file_exists(ref), "object or reference file are still there");
	CHECK(!file_exists(stamp), "its group would not be asked again");
	/* Likewise where only the reference file is found to lead nowhere. */
	store_result_of(up, 7);
	overwrite(stamp, "x", 1);
	overwrite(ref, "{}", 2);
	CHECK(job_resolve(&job) == 1 && !file_exists(ref) && !file_exists(stamp), "reference file or stamp are still there");
	job_close(&job);
	char *all[] = {up, inputs, down, ref, object, stamp};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}

/* Several use a cache side by side; who owns it is alone. */
static void test_use_and_own(void)
{
	fresh_cache();
	int one = cache_use(cache), two = cache_use(cache);
	CHECK(one >= 0 && two >= 0, "%s", error_text());
	CHECK(cache_own(cache) == CACHE_IN_USE && strstr(error_text(), "is in use"), "owned while in use: %s",
		error_text());
	cache_locks_close(one);
	CHECK(cache_own(cache) < 0, "owned while one still uses it");
	cache_locks_close(two);
	int own = cache_own(cache);
	CHECK(own >= 0, "%s", error_text());
	CHECK(cache_own(cache) < 0, "owned twice");
	cache_locks_close(own);
	one = cache_use(cache);
	CHECK(one >= 0, "%s", error_text());
	cache_locks_close(one);
}

/* gc goes by the time of the last hit, to the hour. */
static void test_hit_renews(void)
{
	struct cache_result result;
	struct stat s;
	struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
	fresh_cache();
	struct cache_result stored = store("{\"old\":1}", 7);
	char *entry = in_cache("ac", &stored.action, "json");
	CHECK(!utimensat(AT_FDCWD, entry, times, 0), "%s", entry);
	CHECK(find("{\"old\":1}", &result) == 1, "%s", error_text());
	CHECK(!stat(entry, &s) && s.st_mtime > time(NULL) - 60, "a hit left the time at %lld", (long long)s.st_mtime);
	times[0].tv_sec = times[1].tv_sec = time(NULL) - 600;
	CHECK(!utimensat(AT_FDCWD, entry, times, 0), "%s", entry);
	CHECK(find("{\"old\":1}", &result) == 1, "%s", error_text());
	CHECK(!stat(entry, &s) && s.st_mtime == times[0].tv_sec, "a hit within the hour wrote to the disk");
	free(entry);
}

/* One file a build folder, however often. */
static void test_register(void)
{
	char **names, *folder = scratch_path("cache/roots"), *build = scratch_path("cache/tmp");
	size_t count = 0;
	fresh_cache();
	CHECK(!cache_register(cache, build) && !cache_register(cache, build), "%s", error_text());
	CHECK(!cache_register(cache, cache), "%s", error_text());
	CHECK(!dir_list(folder, &names, &count) && count == 2, "%zu roots", count);
	char *path = path_join(folder, names[0]), *text = read_text(path), *other = path_join(folder, names[1]);
	char *last = read_text(other), *expected = mem_printf("%s\n", build);
	CHECK(!strcmp(text, expected) || !strcmp(last, expected), "\"%s\" and \"%s\", not %s", text, last, expected);
	CHECK(cache_register(cache, "/nowhere/at/all") == -1, "a folder that is not there was registered");
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
	free(expected);
	free(last);
	free(other);
	free(text);
	free(path);
	free(build);
	free(folder);
}

int main(void)
{
	program_name_set("cache");
	TEST(test_store_and_find);
	TEST(test_equal_results_share);
	TEST(test_other_ingredients);
	TEST(test_object_gone);
	TEST(test_entry_damaged);
	TEST(test_provenance);
	TEST(test_cannot_store);
	TEST(test_prepare);
	TEST(test_failures);
	TEST(test_failure_damaged);
	TEST(test_locks);
	TEST(test_turn);
	TEST(test_leaf_digest);
	TEST(test_leaf_memo_believed);
	TEST(test_leaf_edit_with_time_put_back);
	TEST(test_leaf_young_not_remembered);
	TEST(test_leaf_old_remembered);
	TEST(test_leaf_memo_damaged);
	TEST(test_leaf_memo_every_bit);
	TEST(test_leaf_any);
	TEST(test_job_open);
	TEST(test_job_malformed);
	TEST(test_ingredients);
	TEST(test_resolve_leaves);
	TEST(test_resolve_upstream);
	TEST(test_resolve_by_identity);
	TEST(test_resolve_missing_and_circular);
	TEST(test_ref_written_once);
	TEST(test_ref_dangling);
	TEST(test_ref_damaged);
	TEST(test_flipped_bits);
	TEST(test_entries_swapped);
	TEST(test_input_discard);
	TEST(test_use_and_own);
	TEST(test_hit_renews);
	TEST(test_register);
	free(cache);
	return check_done();
}
