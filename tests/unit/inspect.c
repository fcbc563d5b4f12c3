/* Files as text: what is printed, what is refused, and that damage is found. */
#include "upkeep/inspect.h"

#include <stdlib.h>
#include <unistd.h>

#include "../check.h"
#include "../support/scratch.h"
#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "graph/cache.h"
#include "graph/job.h"
#include "graph/job_list.h"

static char *cache, *printed;

/* 0 or -1; what was printed is in printed. */
static int inspect(const char *path, int all)
{
	size_t length;
	free(printed);
	FILE *to = open_memstream(&printed, &length);
	int bad = inspect_file(to, path, cache, all);
	fclose(to);
	return bad;
}

static void expect(const char *path, const char *text)
{
	CHECK(!inspect(path, 0), "%s: %s", path, error_text());
	CHECK(strstr(printed, text), "\"%s\" is not in:\n%s", text, printed);
}

static void expect_error(const char *path, const char *text)
{
	CHECK(inspect(path, 0) == -1, "%s: accepted:\n%s", path, printed);
	CHECK(strstr(error_text(), text), "\"%s\" is not in: %s", text, error_text());
}

/* Puts an object of several types into the cache; its action is that of the text "{}". */
static struct cache_result store(void)
{
	static const double numbers[] = {1, -2.5, 0, 4, 5, 6, 7, 8, 9, NAN, INFINITY};
	static const uint64_t large[] = {UINT64_MAX};
	struct object_writer w;
	struct cache_result result;
	struct digest action = hash_bytes("{}", 2);
	cJSON *made = cJSON_CreateObject();
	cJSON_AddStringToObject(made, "cell", "some.cell");
	object_writer_init(&w, "sample");
	cJSON *list = cJSON_AddArrayToObject(w.description, "long");
	for (int i = 0; i < 40; i++)
		cJSON_AddItemToArray(list, cJSON_CreateNumber(100 + i));
	object_writer_array(&w, "numbers", OBJECT_F64, numbers, 11);
	object_writer_array(&w, "large", OBJECT_U64, large, 1);
	object_writer_array(&w, "none", OBJECT_I32, NULL, 0);
	if (cache_prepare(cache) || cache_store(cache, &action, "{}", &w, made, &result))
		exit(error_report(1));
	object_writer_release(&w);
	cJSON_Delete(made);
	return result;
}

/* Changes a byte of a read-only file. */
static void damage(const char *path, size_t at)
{
	char *text;
	size_t length;
	if (file_read(path, 1 << 20, &text, &length) || at >= length)
		exit(error_report(1));
	text[at] ^= 1;
	if (file_write(path, text, length))
		exit(error_report(1));
	free(text);
}

static void test_object(void)
{
	struct cache_result result = store();
	char *path = cache_object_path(cache, &result);
	expect(path, "object      sample, format version 1");
	expect(path, "from -2.5 to 9, mean 4.16667, 1 zero  2 NOT FINITE");
	expect(path, " 18446744073709551615\n");
	expect(path, "... and 32 more (--all shows them)");
	expect(path, "every chunk and all lengths: as written");
	CHECK(!inspect(path, 1) && strstr(printed, "[39] 139") && strstr(printed, " nan inf"), "--all:\n%s", printed);
	char *other = mem_printf("%s/cas/%.32s.sample", cache, "0123456789abcdef0123456789abcdef");
	if (rename(path, other))
		exit(1);
	expect_error(other, "not what its name says");
	damage(other, 200);
	expect_error(other, "byte 128: ");
	damage(other, 16);
	expect_error(other, "header is damaged");
	free(path);
	free(other);
}

static void test_entry_and_reference(void)
{
	struct cache_result result = store();
	char *object = cache_object_path(cache, &result), *ref = scratch_path("build/ref/some.ref");
	char *entry = mem_printf("%s/ac/%.2s/%s.json", cache, result.action.hex, result.action.hex);
	struct job job = {.stage = "some-stage", .key = "0123456789abcdef0123456789abcdef", .ref = ref};
	CHECK(!ref_write(&job, &result), "%s", error_text());
	expect(entry, "provenance: {\"cell\":\"some.cell\"}");
	expect(entry, "whose every byte is as written");
	expect(ref, "stage: \"some-stage\"");
	expect(ref, "whose every byte is as written");
	damage(object, 300);
	expect_error(entry, "damaged");
	expect_error(ref, "damaged");
	unlink(object);
	expect_error(ref, ".sample");
	char *text, *at, *again;
	if (file_read(entry, 1 << 20, &text, NULL) || !(at = strstr(text, "\"{}\"")))
		exit(error_report(1));
	memcpy(at, "\"[]\"", 4);
	free(scratch_write("entry.json", text, strlen(text)));
	char *changed = scratch_path("entry.json");
	expect_error(changed, "its ingredients have the key");
	free(changed);
	if (file_read(ref, 1 << 20, &again, NULL) || !(at = strstr(again, "\"some-stage\"")))
		exit(error_report(1));
	memcpy(at, "\"sume-stage\"", 12);
	changed = scratch_write("changed.ref", again, strlen(again));
	expect_error(changed, "its seal does not fit");
	free(changed);
	free(again);
	free(text);
	free(entry);
	free(object);
	free(ref);
}

static char *list_line(char first_digit, char cell)
{
	struct strbuf line;
	strbuf_init(&line);
	strbuf_addf(&line, "{\"key\":\"%c0000000000000000000000000000001\",\"format\":\"quantgrid-job/1\",\"cell\":\"%c\"",
		first_digit, cell);
	job_list_seal(&line);
	return line.s;
}

static void test_lists(void)
{
	char *one = list_line('0', 'a'), *two = list_line('1', 'b');
	const size_t bytes = strlen(one) + strlen(two);
	char *good = mem_printf("%s%s{\"bytes\":%zu}\n", one, two, bytes);
	char *bad = mem_printf("%s%s{\"bytes\":%zu}\n", two, one, bytes);
	char *list = scratch_write("stage.jsonl", good, strlen(good)), *name = mem_printf("%s:1000000000000000", list);
	expect(list, "jobs        2");
	expect(name, "cell: \"b\"");
	name[strlen(name) - 1] = '7';
	expect_error(name, "no such job");
	free(scratch_write("stage.jsonl", bad, strlen(bad)));
	expect_error(list, "line 2: its key is not behind the one before");
	free(scratch_write("stage.jsonl", good, strlen(good) - 1));
	expect_error(list, "its last line does not count the bytes before it");
	free(good);
	free(bad);
	free(name);
	free(list);
	free(one);
	free(two);
}

/* What is told by its name. */
static void test_names(void)
{
	static const struct {
		const char *name, *text, *expected, *refused;
	} files[] = {
		{"build/config.args", "--grid\nx=\33[2J\n", "what ./configure was asked for", NULL},
		{"build/config.args", "--grid\nx=\33[2J\n", "    x=?[2J\nlines       2\n", NULL},
		{"build/leaf/list", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n",
			"    h\n    ... and 2 more (--all shows them)\nlines       10\n", NULL},
		{"build/leaf/stamp", "0123456789abcdef0123456789abcdef", "hash of all that the graph was made from", NULL},
		{"build/ref/group/x-1.stamp", "0123456789abcdef0123456789abcdef", "the run that tried it", NULL},
		{"cache/roots/0123456789abcdef0123456789abcdef", "/somewhere\n", "    /somewhere\n", NULL},
		{"cache/roots/01234", "/somewhere\n", NULL, "text that begins with \"/somewhere\""},
		{"cache/locks", "", "locks of a cache", NULL},
		{"cache/locks", "x", NULL, "1 bytes, expected none"},
		{"cache/pins/some.cell", "", "pin: ", NULL},
		{"build/.ninja_log", "# ninja log v5\n", NULL, "Ninja's own log"},
		{"make-checkpoint.json", "{\"written_by\": \"make-checkpoint\", \"seed\": \"1\"}",
			"mark of a checkpoint folder", NULL},
	};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char *path = scratch_write(files[i].name, files[i].text, strlen(files[i].text));
		if (files[i].expected)
			expect(path, files[i].expected);
		else
			expect_error(path, files[i].refused);
		free(path);
	}
}

static void test_other_files(void)
{
	static const struct {
		const char *text;
		size_t length;
		const char *expected, *refused;
	} files[] = {
#define TEXT(s) s, sizeof s - 1
		{TEXT("0123456789abcdef0123456789abcdef"), "the name of a cache (stages/graph/job.md", NULL},
		{TEXT("0123456789abcdef0123456789abcdef\nno room\n"), "noted by the run 0123456789abcdef", NULL},
		{TEXT("1 2 3 4 5 0123456789abcdef0123456789abcdef c69d17c2cda80303\n"), "files       1", NULL},
		{TEXT("1 2 3 4 5 0123456789abcdef0123456789abcdef c69d17c2cda80303\nwhat\n"), NULL, "1 of 2 lines are damaged"},
		{TEXT("{\"format\": \"quantgrid-group/1\", \"jobs\": []}"), "group: jobs that one process", NULL},
		{TEXT("{\"format\": \"quantgrid-rex/1\"}"), NULL, "the nearest of ours is \"quantgrid-ref/1\""},
		{TEXT("{\"architectures\": []}"), NULL, "its first member is \"architectures\""},
		{TEXT("{\"format\": "), NULL, ":1:"},
		{TEXT("{}"), NULL, "has no \"format\""},
		{TEXT("\2\0\0\0\0\0\0\0{}data"), NULL, "looks like safetensors"},
		{TEXT("\2\0\0"), NULL, "binary"},
		{TEXT(""), NULL, "empty"},
		{TEXT("model: qwen3\n"), NULL, "text that begins with \"model: qwen3\""},
		{TEXT("QGOBJECT"), NULL, "shorter than the header"},
		{TEXT("0123456789ABCDEF0123456789abcdef"), NULL, "no file of ours"},
#undef TEXT
	};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char *path = scratch_write("file", files[i].text, files[i].length);
		if (files[i].expected)
			expect(path, files[i].expected);
		else
			expect_error(path, files[i].refused);
		free(path);
	}
	expect_error(scratch_dir(), "a folder");
	expect_error("/nowhere/at/all", "/nowhere/at/all");
}

int main(void)
{
	cache = scratch_path("cache");
	TEST(test_object);
	TEST(test_entry_and_reference);
	TEST(test_lists);
	TEST(test_names);
	TEST(test_other_files);
	free(cache);
	free(printed);
	return check_done();
}
