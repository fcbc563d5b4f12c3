/* fsck of a cache with an object of several chunks: what the quick run sees, and what only the full one does. */
#include "upkeep/fsck.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../check.h"
#include "../support/scratch.h"
#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "graph/cache.h"

enum { COUNT = (9 << 20) / 4, CHUNK = OBJECT_CHUNK_BYTES, HEADER = OBJECT_HEADER_BYTES };

static char *cache, *object, *entry;    /* the paths of its one object and entry */
static char *whole;                     /* the object's bytes */
static size_t length;

/* A cache with one result of nine megabytes. */
static void fresh_cache(void)
{
	static const char ingredients[] = "{\"inputs\":{},\"params\":{},\"stage\":\"tiny\",\"version\":1}";
	struct digest action = hash_bytes(ingredients, strlen(ingredients));
	struct cache_result result;
	struct object_writer w;
	int32_t *values = mem_array(COUNT, sizeof *values);
	for (size_t i = 0; i < COUNT; i++)
		values[i] = (int32_t)(i * 2654435761u);
	cJSON *made = cJSON_CreateObject();
	cJSON_AddStringToObject(made, "cell", "the.cell");
	cache = scratch_path("cache");
	object_writer_init(&w, "tiny");
	object_writer_array(&w, "values", OBJECT_I32, values, COUNT);
	if (cache_prepare(cache) || cache_store(cache, &action, ingredients, &w, made, &result))
		exit(error_report(1));
	object = cache_object_path(cache, &result);
	entry = mem_printf("%s/ac/%.2s/%s.json", cache, action.hex, action.hex);
	chmod(object, 0644);
	if (file_read(object, SIZE_MAX >> 1, &whole, &length))
		exit(error_report(1));
	object_writer_release(&w);
	cJSON_Delete(made);
	free(values);
}

/* How many problems fsck finds, with what it prints in *said unless that is NULL. What it put away or deleted is where it
 * was behind it. */
static size_t problems_of(int quick, char **said)
{
	size_t problems = 0, room;
	char *text = NULL, *kept = path_join(cache, "kept"), *aside = mem_printf("%s/quarantine%s", cache, strrchr(object, '/'));
	FILE *to = open_memstream(&text, &room);
	CHECK(!link(entry, kept), "cannot link %s", entry);
	CHECK(!fsck_run(to, cache, quick, &problems), "%s", error_text());
	fclose(to);
	CHECK(!problems || !file_exists(object), "a damaged object stays");
	CHECK(!problems || strstr(text, "    tiny the.cell\n"), "the cell is not named: %s", text);
	CHECK(!problems || strstr(text, object), "the object is not named: %s", text);
	CHECK(!problems || !rename(aside, object), "%s is not there", aside);
	CHECK(!rename(kept, entry), "cannot rename %s", kept);
	unlink(kept); /* both were the same file: then rename() does nothing */
	free(kept);
	free(aside);
	if (said)
		*said = text;
	else
		free(text);
	return problems;
}

static void write_at(size_t at, const char *bytes, size_t count)
{
	FILE *file = fopen(object, "r+be");
	CHECK(file && !fseek(file, (long)at, SEEK_SET) && fwrite(bytes, 1, count, file) == count, "cannot write %s", object);
	if (file)
		fclose(file);
}

/* The same with a bit of one byte changed. */
static size_t problems_changed(size_t at, int quick, char **said)
{
	const char changed = (char)(whole[at] ^ 1 << at % 8);
	write_at(at, &changed, 1);
	size_t problems = problems_of(quick, said);
	write_at(at, &whole[at], 1);
	return problems;
}

static void test_whole(void)
{
	CHECK(length > 2 * CHUNK + HEADER, "%zu bytes are no three chunks", length);
	CHECK(!problems_of(0, NULL), "a whole object is damaged");
	CHECK(!problems_of(1, NULL), "a whole object is damaged to the quick run");
}

static void test_cut_off(void)
{
	const size_t lengths[] = {0, 1, HEADER - 1, HEADER, HEADER + 1, HEADER + CHUNK, HEADER + 2 * CHUNK, length - CHUNK,
		length - 8, length - 1, length + 1, length + 8};
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		CHECK(!truncate(object, (off_t)lengths[i]), "cannot cut %s off", object);
		/* One for the object, one for the entry that leads to it. */
		CHECK(problems_of(1, NULL) == 2, "%zu bytes pass the quick run", lengths[i]);
		CHECK(problems_of(0, NULL) == 2, "%zu bytes pass", lengths[i]);
	}
	write_at(0, whole, length);
	CHECK(!truncate(object, (off_t)length), "cannot cut %s off", object);
}

/* Bytes of the header, the description, and the hashes at the end. */
static void test_changed_where_quick_looks(void)
{
	for (size_t at = 0; at < HEADER + 40; at++)
		CHECK(problems_changed(at, 1, NULL) == 2, "byte %zu changed passes the quick run", at);
	for (size_t at = length - 24; at < length; at++)
		CHECK(problems_changed(at, 1, NULL) == 2, "byte %zu of the hashes changed passes the quick run", at);
}

/* In chunks that hold no description: what quick is quick by. */
static void test_changed_in_the_middle(void)
{
	const size_t places[] = {HEADER + CHUNK, HEADER + CHUNK + CHUNK / 2, HEADER + 2 * CHUNK - 1, HEADER + 2 * CHUNK,
		length - 25};
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		char *said;
		CHECK(!problems_changed(places[i], 1, NULL), "the quick run read byte %zu", places[i]);
		CHECK(problems_changed(places[i], 0, &said) == 2, "byte %zu changed passes", places[i]);
		char *expected = mem_printf("%s: byte %zu: ", object, (places[i] - HEADER) / CHUNK * CHUNK + HEADER);
		CHECK(strstr(said, expected), "the chunk is not named: %s", said);
		free(expected);
		free(said);
	}
}

int main(void)
{
	fresh_cache();
	TEST(test_whole);
	TEST(test_cut_off);
	TEST(test_changed_where_quick_looks);
	TEST(test_changed_in_the_middle);
	free(whole);
	free(object);
	free(entry);
	free(cache);
	return check_done();
}
