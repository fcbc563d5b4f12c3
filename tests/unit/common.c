/* The small things everything stands on: UTF-8, spelling, strings, memory, hashes, errors, files and threads. */
#include "../check.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/scratch.h"
#include "common/aside.h"
#include "common/error.h"
#include "common/file.h"
#include "common/hash.h"
#include "common/memory.h"
#include "common/pool.h"
#include "common/spell.h"
#include "common/strbuf.h"
#include "common/utf8.h"

/* --- utf8.h --- */

/* The definition, by code point: what an encoder makes of it, and whether it may be. */
static size_t encode(uint32_t c, char *to)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	size_t length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = length; --i; c >>= 6)
		to[i] = (char)(0x80 | (c & 0x3f));
	to[0] = (char)(0xf00 >> length | c);
	return length;
}

static void test_utf8_every_code_point(void)
{
	for (uint32_t c = 0; c < 0x120000; c++) {
		char text[4];
		uint32_t found = 0;
		size_t length = encode(c, text), n = utf8_decode(text, length, &found);
		int valid = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
		if (n != (valid ? length : 0) || (valid && found != c))
			CHECK(0, "U+%04X: %zu bytes, U+%04X", c, n, found);
		for (size_t cut = 1; cut < length; cut++)
			if (utf8_decode(text, cut, &found))
				CHECK(0, "U+%04X cut to %zu bytes is valid", c, cut);
	}
}

static void test_utf8_invalid(void)
{
	static const struct {
		const char *text;
		size_t valid;
	} cases[] = {
		{"abc", 3}, {"", 0}, {"a\x80", 1}, {"a\xbf", 1}, {"\xc0\xaf", 0}, {"\xc1\xbf", 0}, {"\xe0\x80\xaf", 0},
		{"\xe0\x9f\xbf", 0}, {"\xf0\x80\x80\xaf", 0}, {"\xf0\x8f\xbf\xbf", 0}, {"\xf8\x88\x80\x80\x80", 0},
		{"\xfe", 0}, {"\xff", 0}, {"\xc3(", 0}, {"\xe2\x82(", 0}, {"\xc3\xa9\xed\xbf\xbf", 2}, {"\xf4\x90\x80\x80", 0},
		{"x\xe2\x82", 1}, {"\xe2\x82\xacx\xc3", 4},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t found = utf8_valid_prefix(cases[i].text, strlen(cases[i].text));
		CHECK(found == cases[i].valid, "case %zu: %zu bytes are valid, expected %zu", i, found, cases[i].valid);
	}
	CHECK(utf8_valid_prefix("a\0b", 3) == 3, "U+0000 is a character");
}

/* --- spell.h --- */

static void test_spell_distance(void)
{
	static const struct {
		const char *a, *b;
		size_t distance;
	} cases[] = {
		{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "bca", 2}, {"kitten", "sitting", 3},
		{"ab", "ba", 1}, {"abcd", "badc", 2}, {"small", "smal", 1}, {"medium", "mediun", 1}, {"a", "b", 1},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t there = spell_distance(cases[i].a, cases[i].b), back = spell_distance(cases[i].b, cases[i].a);
		CHECK(there == cases[i].distance && back == there, "%s, %s: %zu and %zu, expected %zu", cases[i].a, cases[i].b,
			there, back, cases[i].distance);
	}
}

static void test_spell_nearest(void)
{
	static const char *const words[] = {"small", "medium", "large", "smell"};
	char far[300];
	memset(far, 'm', sizeof far);
	far[sizeof far - 1] = '\0';
	CHECK_STRING(spell_nearest("smal", words, 4), "small");
	CHECK_STRING(spell_nearest("smell", words, 4), "smell");
	CHECK_STRING(spell_nearest("meduim", words, 4), "medium");
	CHECK_STRING(spell_nearest("smxll", words, 4), "small");    /* of two equally near the first */
	CHECK(!spell_nearest("huge", words, 4), "huge is near %s", spell_nearest("huge", words, 4));
	CHECK(!spell_nearest("large", words, 0), "a word out of none");
	CHECK(!spell_nearest(far, words, 4), "a long word is near %s", spell_nearest(far, words, 4));
	CHECK(!spell_nearest("", words, 4), "nothing is near %s", spell_nearest("", words, 4));
	const char *one[] = {far, "x"};
	CHECK_STRING(spell_nearest("y", one, 2), "x");
}

/* --- strbuf.h --- */

static void test_strbuf(void)
{
	struct strbuf b;
	strbuf_init(&b);
	CHECK_STRING(b.s, "");
	for (int i = 0; i < 1000; i++)
		strbuf_addf(&b, "%d,", i);
	CHECK(b.length == 3890 && strlen(b.s) == b.length, "%zu bytes", b.length);
	CHECK(strncmp(b.s, "0,1,2,", 6) == 0 && strcmp(b.s + b.length - 4, "999,") == 0, "text is %.20s...", b.s);
	strbuf_clear(&b);
	CHECK(b.length == 0 && !b.s[0], "%zu bytes after clear", b.length);
	strbuf_add(&b, "a\0b", 3);
	strbuf_addc(&b, '\0');
	strbuf_add(&b, NULL, 0);
	strbuf_addf(&b, "%s", "");
	strbuf_adds(&b, "c");
	CHECK(b.length == 5 && memcmp(b.s, "a\0b\0c", 6) == 0, "%zu bytes", b.length);
	char *taken = strbuf_take(&b);
	CHECK(memcmp(taken, "a\0b\0c", 6) == 0 && b.length == 0 && !b.s[0], "%zu bytes after take", b.length);
	free(taken);
	strbuf_release(&b);
	CHECK(!b.s && !b.capacity, "memory after release");
}

/* The end of the text at every distance from the end of the memory. */
static void test_strbuf_borders(void)
{
	char text[300];
	memset(text, 'x', sizeof text);
	for (size_t length = 0; length < sizeof text; length++) {
		struct strbuf b;
		strbuf_init(&b);
		strbuf_add(&b, text, length);
		strbuf_addf(&b, "%.*s", (int)length, text);
		CHECK(b.length == 2 * length && b.length < b.capacity && strlen(b.s) == b.length, "%zu bytes", b.length);
		strbuf_release(&b);
	}
}

/* --- memory.h --- */

static void test_memory(void)
{
	size_t used = 0, capacity = 0;
	int *numbers = NULL;
	for (int i = 0; i < 1000; i++) {
		MEM_GROW(numbers, used, capacity);
		numbers[used++] = i;
	}
	CHECK(capacity >= 1000 && numbers[0] == 0 && numbers[999] == 999, "capacity %zu", capacity);
	free(numbers);
	unsigned char *zeros = mem_zeroed(1000, 3);
	for (int i = 0; i < 3000; i++)
		CHECK(!zeros[i], "byte %d is %d", i, zeros[i]);
	free(zeros);
	void *nothing = mem_array(0, 8), *none = mem_zeroed(0, 0);
	CHECK(nothing && none, "no pointer for no elements");
	free(nothing);
	free(none);
	char *copy = mem_strndup("abcdef", 3), *all = mem_strdup("x"), *text = mem_printf("%s-%03d", "a", 7);
	CHECK_STRING(copy, "abc");
	CHECK_STRING(all, "x");
	CHECK_STRING(text, "a-007");
	free(copy);
	free(all);
	free(text);
	char *empty = mem_join("", NULL), *joined = mem_join("a", "", "bc", "d", NULL);
	CHECK_STRING(empty, "");
	CHECK_STRING(joined, "abcd");
	free(empty);
	free(joined);
}

static void overflow_array(void)
{
	free(mem_array(SIZE_MAX / 4 + 2, 4));
}

static void overflow_resize(void)
{
	free(mem_resize(NULL, 3, SIZE_MAX / 2));
}

/* A size that overflows would be small and harmless to malloc: it must end the program, with words. */
static void check_ends(void (*function)(void), const char *words)
{
	char text[200] = "";
	int pipe_ends[2], status = 0;
	fflush(stdout);
	if (pipe(pipe_ends))
		exit(1);
	pid_t child = fork();
	if (child == 0) {
		dup2(pipe_ends[1], 2);
		function();
		_exit(0);
	}
	close(pipe_ends[1]);
	ssize_t n = read(pipe_ends[0], text, sizeof text - 1);
	close(pipe_ends[0]);
	CHECK(child > 0 && waitpid(child, &status, 0) == child, "no child: %s", strerror(errno));
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %#x", (unsigned)status);
	CHECK(n > 0 && strstr(text, words), "it said \"%s\"", text);
}

static void test_memory_overflow(void)
{
	check_ends(overflow_array, ": out of memory (4611686018427387905 x 4 bytes)");
	check_ends(overflow_resize, ": out of memory (3 x 9223372036854775807 bytes)");
}

/* --- error.h --- */

static void test_error(void)
{
	CHECK(fail("%s %d", "found", 3) == -1, "fail");
	CHECK_STRING(error_text(), "found 3");
	CHECK(fail_context("file %s", "x") == -1, "fail_context");
	CHECK_STRING(error_text(), "file x: found 3");
	CHECK(!fail_null("again: %s", error_text()), "fail_null");
	CHECK_STRING(error_text(), "again: file x: found 3");
	char *text = mem_zeroed(20001, 1);
	memset(text, 'y', 20000);
	fail("%s", text);
	CHECK(strlen(error_text()) > 4000 && strlen(error_text()) < 20000, "%zu characters", strlen(error_text()));
	fail_context("%s", text);
	CHECK(strlen(error_text()) < 20000, "%zu characters", strlen(error_text()));
	free(text);
}

/* --- hash.h --- */

static void test_hash_values(void)
{
	static const unsigned char count[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
	CHECK_STRING(hash_bytes("", 0).hex, "99aa06d3014798d86001c324468d497f");
	CHECK_STRING(hash_bytes(NULL, 0).hex, "99aa06d3014798d86001c324468d497f");
	CHECK_STRING(hash_bytes("abc", 3).hex, "06b05ab6733a618578af5f94892f3950");
	CHECK(hash_chunk("", 0) == 0x2d06800538d394c2u, "%llx", (unsigned long long)hash_chunk("", 0));
	CHECK(hash_chunk("abc", 3) == 0x78af5f94892f3950u, "%llx", (unsigned long long)hash_chunk("abc", 3));
	struct digest a = hash_bytes(count, 9), b = hash_bytes(count, 10), c = hash_bytes(count, 10);
	CHECK(!digest_equal(&a, &b) && digest_equal(&b, &c), "%s, %s", a.hex, b.hex);
}

/* In pieces of any size the same as at once, also when asked in between. */
static void test_hash_stream(void)
{
	static const size_t lengths[] = {0, 1, 16, 17, 128, 129, 240, 241, 1024, 1025, 5000};
	unsigned char bytes[5000];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(i * i >> 3);
	for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
		for (size_t piece = 1; piece <= lengths[l] + 1; piece = 3 * piece + 1) {
			struct hasher *h = hasher_new();
			for (size_t at = 0; at < lengths[l]; at += piece) {
				hasher_update(h, bytes + at, at + piece < lengths[l] ? piece : lengths[l] - at);
				(void)hasher_digest(h);
			}
			struct digest found = hasher_digest(h), expected = hash_bytes(bytes, lengths[l]);
			CHECK(digest_equal(&found, &expected), "%zu bytes by %zu: %s, expected %s", lengths[l], piece, found.hex,
				expected.hex);
			hasher_free(h);
		}
	}
	hasher_free(NULL);
}

static void test_digest_parse(void)
{
	static const char *const bad[] = {
		"", "99aa06d3014798d86001c324468d497", "99aa06d3014798d86001c324468d497f0", "99AA06d3014798d86001c324468d497f",
		"99aa06d3014798d86001c324468d497g", " 9aa06d3014798d86001c324468d497f",
	};
	struct digest d = {"kept"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK(digest_parse(bad[i], &d) == -1, "\"%s\" is a digest", bad[i]);
	CHECK(digest_parse(NULL, &d) == -1, "NULL is a digest");
	CHECK_STRING(d.hex, "kept");
	CHECK(digest_parse("99aa06d3014798d86001c324468d497f", &d) == 0, "refused");
	CHECK_STRING(d.hex, "99aa06d3014798d86001c324468d497f");
}

/* --- file.h --- */

static void check_message(const char *path, const char *words)
{
	CHECK(strncmp(error_text(), path, strlen(path)) == 0 && strstr(error_text(), words),
		"message is \"%s\", expected %s and \"%s\"", error_text(), path, words);
}

static void test_file_read(void)
{
	char *path = scratch_write("read", "a\0bc", 4), *text = NULL, *absent = scratch_path("absent");
	size_t length = 0;
	CHECK(!file_read(path, 4, &text, &length), "%s", error_text());
	CHECK(length == 4 && memcmp(text, "a\0bc", 5) == 0, "%zu bytes", length);
	free(text);
	CHECK(file_read(path, 3, &text, &length) == -1, "beyond the limit");
	check_message(path, "4 bytes, more than the 3 allowed here");
	CHECK(file_read(path, 4, &text, NULL) == -1, "a NUL byte in a text");
	check_message(path, "byte 1: unexpected NUL byte");
	CHECK(file_read(absent, 4, &text, NULL) == -1, "a file that is not there");
	check_message(absent, "cannot open: No such file or directory");
	CHECK(file_read(scratch_dir(), 4, &text, NULL) == -1, "a directory");
	check_message(scratch_dir(), "not a regular file");
	free(path);
	path = scratch_write("empty", "", 0);
	CHECK(!file_read(path, 0, &text, NULL), "%s", error_text());
	CHECK_STRING(text, "");
	free(text);
	free(path);
	free(absent);
}

static void test_file_map(void)
{
	struct file_map map;
	char *path = scratch_write("map", "hello", 5), *empty = scratch_write("empty", "", 0);
	CHECK(!file_map_open(&map, path), "%s", error_text());
	CHECK(map.length == 5 && memcmp(map.bytes, "hello", 5) == 0, "%zu bytes", map.length);
	file_map_close(&map);
	CHECK(!map.bytes && !map.length, "still there after close");
	CHECK(!file_map_open(&map, empty), "%s", error_text());
	CHECK(!map.bytes && !map.length, "an empty file has %zu bytes", map.length);
	file_map_close(&map);
	CHECK(file_map_open(&map, scratch_dir()) == -1, "a directory");
	check_message(scratch_dir(), "not a regular file");
	free(path);
	free(empty);
}

static void check_content(const char *path, const char *expected)
{
	char *text = NULL;
	CHECK(!file_read(path, 100, &text, NULL), "%s", error_text());
	CHECK_STRING(text, expected);
	free(text);
}

/* Names in the scratch folder; nothing temporary may stay behind. */
static size_t count_files(const char *dir)
{
	char **names;
	size_t count;
	CHECK(!dir_list(dir, &names, &count), "%s", error_text());
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return count;
}

static void test_file_write(void)
{
	char *dir = scratch_path("write"), *path = path_join(dir, "a"), *below = path_join(path, "b");
	struct file_map old;
	dir_make(dir);
	CHECK(!file_write(path, "one", 3), "%s", error_text());
	check_content(path, "one");
	CHECK(!file_map_open(&old, path), "%s", error_text());
	CHECK(!file_write_durable(path, "other", 5), "%s", error_text());
	check_content(path, "other");
	CHECK(memcmp(old.bytes, "one", 3) == 0, "the old file was written over");
	file_map_close(&old);
	CHECK(!file_write(path, NULL, 0), "%s", error_text());
	check_content(path, "");
	CHECK(file_write(below, "x", 1) == -1, "a file below a file");
	check_message(below, "cannot write: Not a directory");
	CHECK(file_write(dir, "x", 1) == -1, "a file over a directory");
	check_message(dir, "cannot write: Is a directory");
	CHECK(count_files(dir) == 1, "%zu files, expected 1", count_files(dir));
	free(below);
	free(path);
	free(dir);
}

static void test_aside_names(void)
{
	char *ours = aside_name("a/.b.c"), *again = aside_name(ours), host[256] = "";
	gethostname(host, sizeof host - 1);
	char *gone = mem_printf("b.999999999@%.32s.tmp", host), *zero = mem_printf("b.0@%.32s.tmp", host);
	const struct {
		const char *name;
		size_t base;
		enum aside_writer writer;
	} cases[] = {
		{ours, 6, ASIDE_ALIVE},
		{again, strlen(ours), ASIDE_ALIVE},
		{gone, 1, ASIDE_GONE},
		{zero, 1, ASIDE_GONE},
		{"b.1@.tmp", 1, ASIDE_ELSEWHERE},
		{"b.1@other.host.tmp", 1, ASIDE_ELSEWHERE},
		{"b.json.1.tmp", 6, ASIDE_ELSEWHERE},
		{"a.1@x/b.2.tmp", 7, ASIDE_ELSEWHERE},
		{"", 0, ASIDE_NONE},
		{".tmp", 0, ASIDE_NONE},
		{".1.tmp", 0, ASIDE_NONE},
		{"a/.1.tmp", 0, ASIDE_NONE},
		{"1.tmp", 0, ASIDE_NONE},
		{"b.tmp", 0, ASIDE_NONE},
		{"b.x.tmp", 0, ASIDE_NONE},
		{"b.@host.tmp", 0, ASIDE_NONE},
		{"b.1@host.tmp2", 0, ASIDE_NONE},
		{"b1.tmp", 0, ASIDE_NONE},
		{"b.12345678901.tmp", 0, ASIDE_NONE},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		CHECK(aside_base(cases[i].name) == cases[i].base, "%s: %zu", cases[i].name, aside_base(cases[i].name));
		CHECK(aside_writer(cases[i].name) == cases[i].writer, "%s: %d", cases[i].name, aside_writer(cases[i].name));
	}
	free(ours);
	free(again);
	free(gone);
	free(zero);
}

static void test_file_write_if_changed(void)
{
	char *path = scratch_path("changed");
	struct stat before, after;
	int changed = -1;
	CHECK(!file_write_if_changed(path, "abc", 3, &changed) && changed == 1, "new: changed %d", changed);
	stat(path, &before);
	CHECK(!file_write_if_changed(path, "abc", 3, &changed) && changed == 0, "equal: changed %d", changed);
	stat(path, &after);
	CHECK(before.st_ino == after.st_ino && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec, "an equal file was replaced");
	CHECK(!file_write_if_changed(path, "abd", 3, &changed) && changed == 1, "other bytes: changed %d", changed);
	check_content(path, "abd");
	CHECK(!file_write_if_changed(path, "abda", 4, NULL), "%s", error_text());
	check_content(path, "abda");
	CHECK(!file_write_if_changed(path, "ab", 2, &changed) && changed == 1, "shorter: changed %d", changed);
	check_content(path, "ab");
	CHECK(!file_write_if_changed(path, NULL, 0, &changed) && changed == 1, "emptied: changed %d", changed);
	CHECK(!file_write_if_changed(path, NULL, 0, &changed) && changed == 0, "still empty: changed %d", changed);
	free(path);
}

static void test_dir_make(void)
{
	char *deep = scratch_path("x/y//z"), *again = scratch_path("x/y/z/"), *file = scratch_write("x/file", "", 0);
	char *below = path_join(file, "d/e"), *child = scratch_path("p/q/r.txt"), *parent = scratch_path("p/q");
	CHECK(!dir_make(deep) && !dir_make(again) && !dir_make(deep), "%s", error_text());
	struct stat s;
	CHECK(!stat(deep, &s) && S_ISDIR(s.st_mode), "%s is not there", deep);
	CHECK(dir_make(file) == -1, "a directory over a file");
	check_message(file, "exists and is not a directory");
	CHECK(dir_make(below) == -1, "a directory below a file");
	check_message(file, "cannot create the directory: Not a directory");
	CHECK(!dir_make_parents(child) && !stat(parent, &s) && S_ISDIR(s.st_mode), "%s is not there", parent);
	CHECK(!file_exists(child) && file_exists(parent), "%s", child);
	CHECK(!dir_make_parents("name") && !dir_make_parents("/name") && !dir_make("/"), "%s", error_text());
	char *all[] = {deep, again, file, below, child, parent};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}

static void test_path_join(void)
{
	static const struct {
		const char *dir, *name, *path;
	} cases[] = {
		{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {".", "b", "b"}, {"/", "b", "/b"}, {"a", "/b", "/b"},
		{"..", "b", "../b"}, {"a/b", "c/d", "a/b/c/d"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *path = path_join(cases[i].dir, cases[i].name);
		CHECK_STRING(path, cases[i].path);
		free(path);
	}
}

static void test_dir_list(void)
{
	static const char *const made[] = {"list/b", "list/a10", "list/a9", "list/B", "list/.hidden", "list/\xc3\xa9",
		"list/d/x"};
	static const char *const expected[] = {".hidden", "B", "a10", "a9", "b", "d", "\xc3\xa9"};
	char *dir = scratch_path("list"), *empty = scratch_path("list/d/e"), **names;
	size_t count;
	for (size_t i = 0; i < sizeof made / sizeof *made; i++)
		free(scratch_write(made[i], "", 0));
	dir_make(empty);
	CHECK(!dir_list(dir, &names, &count), "%s", error_text());
	CHECK(count == 7, "%zu names", count);
	for (size_t i = 0; i < count; i++) {
		CHECK_STRING(names[i], i < 7 ? expected[i] : "nothing");
		free(names[i]);
	}
	free(names);
	CHECK(!dir_list(empty, &names, &count) && !count, "%zu names in an empty directory", count);
	free(names);
	scratch_remove(empty);
	CHECK(dir_list(empty, &names, &count) == -1 && !names && !count, "a directory that is not there");
	check_message(empty, "cannot list the directory: No such file or directory");
	free(dir);
	free(empty);
}

/* --- pool.h --- */

static void use_threads(const char *count)
{
	if (setenv("QUANTGRID_THREADS", count, 1))
		exit(1);
}

static void test_pool_threads(void)
{
	static const struct {
		const char *wish;
		size_t threads;
	} cases[] = {{"1", 1}, {"7", 7}, {"256", 256}, {"257", 256}, {"999999999999999999999", 256}};
	static const char *const no_wish[] = {"", "0", "-5", "many"};
	unsetenv("QUANTGRID_THREADS");
	size_t own = pool_threads();
	CHECK(own >= 1 && own <= 256, "%zu threads", own);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		use_threads(cases[i].wish);
		CHECK(pool_threads() == cases[i].threads, "\"%s\" gives %zu", cases[i].wish, pool_threads());
	}
	for (size_t i = 0; i < sizeof no_wish / sizeof *no_wish; i++) {
		use_threads(no_wish[i]);
		CHECK(pool_threads() == own, "\"%s\" gives %zu, expected %zu", no_wish[i], pool_threads(), own);
	}
}

enum { PIECES = 1000 };

struct tally {
	atomic_int times[PIECES];
	atomic_int wrong_worker;
};

static int count_piece(void *context, size_t index, size_t worker)
{
	struct tally *t = context;
	atomic_fetch_add(&t->times[index], 1);
	if (worker >= pool_threads())
		atomic_store(&t->wrong_worker, 1);
	return 0;
}

static const char *const thread_counts[] = {"1", "2", "3", "8", "256"};

static void test_pool_each_piece_once(void)
{
	static const size_t counts[] = {0, 1, 2, 7, PIECES};
	for (size_t k = 0; k < sizeof thread_counts / sizeof *thread_counts; k++) {
		use_threads(thread_counts[k]);
		for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
			static struct tally t;
			memset(&t, 0, sizeof t);
			CHECK(!pool_run(counts[c], count_piece, &t), "%s", error_text());
			for (size_t i = 0; i < PIECES; i++)
				CHECK(t.times[i] == (i < counts[c]), "%s threads: piece %zu was done %d times", thread_counts[k], i,
					t.times[i]);
			CHECK(!t.wrong_worker, "%s threads: a worker's number is too high", thread_counts[k]);
		}
	}
}

struct trouble {
	atomic_int begun, later_failed;
	size_t threads;
};

/* Pieces 3 and 5 fail. With a second thread to run it, 5 fails first: 3 waits for it. */
static int fail_some(void *context, size_t index, size_t worker)
{
	struct trouble *t = context;
	(void)worker;
	atomic_fetch_add(&t->begun, 1);
	if (index == 3) {
		for (long patience = 20000000; t->threads > 1 && !atomic_load(&t->later_failed) && patience; patience--)
			sched_yield();
		return fail("piece 3 is bad");
	}
	if (index == 5) {
		fail("piece 5 is bad");
		atomic_store(&t->later_failed, 1);
		return -1;
	}
	return 0;
}

static void test_pool_failure_of_lowest_index(void)
{
	for (size_t k = 0; k < sizeof thread_counts / sizeof *thread_counts; k++) {
		use_threads(thread_counts[k]);
		struct trouble t = {.threads = pool_threads()};
		fail("an older error");
		CHECK(pool_run(PIECES, fail_some, &t) == -1, "%s threads: no failure", thread_counts[k]);
		CHECK_STRING(error_text(), "piece 3 is bad");
		CHECK(t.threads > 1 || t.begun == 4, "one thread began %d pieces, expected 4", t.begun);
	}
	use_threads("2");
}

/* A later run starts afresh, and pieces may themselves use a pool. */
static int nested_run(void *context, size_t index, size_t worker)
{
	static struct tally inner[4];
	(void)worker;
	(void)context;
	memset(&inner[index], 0, sizeof inner[index]);
	return pool_run(10, count_piece, &inner[index]) || inner[index].times[9] != 1 ? fail("piece %zu", index) : 0;
}

static void test_pool_nested(void)
{
	use_threads("3");
	CHECK(!pool_run(4, nested_run, NULL), "%s", error_text());
}

struct heard {
	atomic_int count;
	const char *expected;
};

static void hear(void *context, const char *text)
{
	struct heard *h = context;
	h->count += !strcmp(text, h->expected);
}

static int warn_piece(void *context, size_t index, size_t worker)
{
	(void)context;
	(void)worker;
	warn("piece %d", index < PIECES ? 1 : 0);
	return 0;
}

static void test_warn_listener(void)
{
	struct heard outer = {.expected = "a 7"}, pieces = {.expected = "piece 1"};
	fail("as it was");
	struct warn_listener before = warn_listen((struct warn_listener){hear, &outer});
	CHECK(!before.hear, "somebody listened from the start");
	warn("a %d", 7);
	CHECK(outer.count == 1, "heard %d times", outer.count);
	CHECK_STRING(error_text(), "as it was");
	setenv("QUANTGRID_THREADS", "3", 1);
	before = warn_listen((struct warn_listener){hear, &pieces});
	CHECK(before.context == &outer, "another listener was there");
	CHECK(!pool_run(9, warn_piece, NULL), "%s", error_text());
	unsetenv("QUANTGRID_THREADS");
	CHECK(pieces.count == 9, "of 9 warnings of workers %d were heard", pieces.count);
	CHECK(warn_listening().context == &pieces, "the pool changed who listens");
	warn_listen(before);
	warn("a 7");
	CHECK(outer.count == 2 && pieces.count == 9, "heard %d and %d times", outer.count, pieces.count);
	warn_listen((struct warn_listener){NULL, NULL});
	warn("a 7");
	CHECK(outer.count == 2, "who listens no longer heard it");
}

int main(void)
{
	program_name_set("build/tests/common");
	TEST(test_utf8_every_code_point);
	TEST(test_utf8_invalid);
	TEST(test_spell_distance);
	TEST(test_spell_nearest);
	TEST(test_strbuf);
	TEST(test_strbuf_borders);
	TEST(test_memory);
	TEST(test_memory_overflow);
	TEST(test_error);
	TEST(test_hash_values);
	TEST(test_hash_stream);
	TEST(test_digest_parse);
	TEST(test_file_read);
	TEST(test_file_map);
	TEST(test_file_write);
	TEST(test_aside_names);
	TEST(test_file_write_if_changed);
	TEST(test_dir_make);
	TEST(test_path_join);
	TEST(test_dir_list);
	TEST(test_pool_threads);
	TEST(test_pool_each_piece_once);
	TEST(test_pool_failure_of_lowest_index);
	TEST(test_pool_nested);
	TEST(test_warn_listener);
	return check_done();
}
