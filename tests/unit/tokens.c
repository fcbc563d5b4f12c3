/* The tokens object: written, read back, what its identity covers, and damaged in its description and arrays. */
#include "formats/tokens.h"

#include <stdlib.h>

#include "../check.h"
#include "../support/scratch.h"
#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"

static const int32_t some_ids[] = {7, 0, 151935, 7, 42}, some_start[] = {0, 2, 3, 5};
static const struct tokens sample = {.ids = some_ids, .start = some_start, .sequences = 3, .count = 5, .asked = 8,
	.truncated = 1};

struct written {
	struct digest content, identity;
};

static struct written write_tokens(const struct tokens *t, const char *path)
{
	struct written w;
	size_t size;
	remove(path);
	if (tokens_write(t, path, &w.content, &w.identity, &size))
		exit(error_report(1));
	return w;
}

static void test_round_trip(void)
{
	char *path = scratch_path("a.tokens");
	struct tokens t;
	struct written w = write_tokens(&sample, path);
	if (tokens_open(&t, path, &w.content))
		exit(error_report(1));
	CHECK(t.sequences == 3 && t.count == 5 && t.asked == 8 && t.truncated == 1, "%zu sequences, %zu tokens, %zu asked, "
		"%zu truncated", t.sequences, t.count, t.asked, t.truncated);
	CHECK(memcmp(t.ids, some_ids, sizeof some_ids) == 0, "ids differ");
	CHECK(memcmp(t.start, some_start, sizeof some_start) == 0, "starts differ");
	CHECK(t.id_limit == 151936, "id_limit is %d", t.id_limit);
	CHECK_STRING(t.object.identity.hex, w.identity.hex);
	tokens_close(&t);
	CHECK(!t.ids && !t.start && !t.object.path, "something is left after close");
	CHECK(tokens_open(&t, path, &w.identity) == -1, "another content was accepted");
	free(path);
}

/* Results further on hang on the identity: equal for what gives equal results, different for all else. */
static void test_identity(void)
{
	static const int32_t other_ids[] = {7, 0, 151935, 7, 43}, other_start[] = {0, 1, 3, 5}, two_start[] = {0, 3, 5};
	char *path = scratch_path("b.tokens");
	struct tokens t = sample;
	struct written first = write_tokens(&sample, path);
	t.asked = 9;
	t.truncated = 0;
	struct written other = write_tokens(&t, path);
	CHECK_STRING(other.identity.hex, first.identity.hex);
	CHECK(!digest_equal(&other.content, &first.content), "another wish has the same content");
	CHECK(!digest_equal(&first.identity, &first.content), "the identity is the content");
	t = sample;
	t.ids = other_ids;
	other = write_tokens(&t, path);
	CHECK(!digest_equal(&other.identity, &first.identity), "another id has the same identity");
	t = sample;
	t.start = other_start;
	other = write_tokens(&t, path);
	CHECK(!digest_equal(&other.identity, &first.identity), "other boundaries have the same identity");
	t = (struct tokens){.ids = some_ids, .start = two_start, .sequences = 2, .count = 5, .asked = 8, .truncated = 1};
	other = write_tokens(&t, path);
	CHECK(!digest_equal(&other.identity, &first.identity), "fewer sequences have the same identity");
	free(path);
}

/* tokens.md says how it is made, so that it can be made elsewhere. */
static void test_identity_is_documented(void)
{
	char *path = scratch_path("c.tokens"), text[8 + 16 + sizeof some_start + sizeof some_ids] = "tokens/1";
	text[8] = 3;
	text[16] = 5;
	memcpy(text + 24, some_start, sizeof some_start);
	memcpy(text + 24 + sizeof some_start, some_ids, sizeof some_ids);
	struct written w = write_tokens(&sample, path);
	CHECK_STRING(w.identity.hex, hash_bytes(text, sizeof text).hex);
	CHECK_STRING(w.identity.hex, "e5cca72fd143f32fffbc3303df3c36b0");
	free(path);
}

/* --- damage --- */

enum { IDS = 5, STARTS = 4 };

/* Opens an object of these parts; error is a part of the message, NULL: accepted. */
static void check_open(const char *what, const char *description, const int32_t *start, size_t starts,
	const int32_t *ids, size_t count, const char *error)
{
	struct object_writer w;
	struct digest content, identity;
	struct tokens t;
	size_t size;
	char *path = scratch_path("d.tokens");
	remove(path);
	object_writer_init(&w, "tokens");
	cJSON_Delete(w.description);
	w.description = json_parse(description, strlen(description), "test", NULL);
	if (start)
		object_writer_array(&w, "start", OBJECT_I32, start, starts);
	if (ids)
		object_writer_array(&w, "ids", OBJECT_I32, ids, count);
	if (!w.description || object_write(&w, path, &content, &identity, &size))
		exit(error_report(1));
	object_writer_release(&w);
	int bad = tokens_open(&t, path, NULL);
	CHECK(!bad == !error, "%s: %s", what, bad ? error_text() : "was accepted");
	if (bad && error)
		CHECK(strstr(error_text(), error) && strncmp(error_text(), path, strlen(path)) == 0,
			"%s: message is \"%s\", expected %s and \"%s\"", what, error_text(), path, error);
	tokens_close(&t);
	free(path);
}

static const char good[] = "{\"sequences\":3,\"tokens\":5,\"asked\":8,\"truncated\":1}";

static void test_starts(void)
{
	static const struct {
		int32_t start[STARTS];
		const char *error;
	} cases[] = {
		{{0, 2, 3, 5}, NULL},
		{{1, 2, 3, 5}, ": the first sequence starts at 1, expected 0"},
		{{-1, 2, 3, 5}, ": the first sequence starts at -1, expected 0"},
		{{0, 0, 3, 5}, ": sequence 0 is empty"},
		{{0, 3, 3, 5}, ": sequence 1 is empty"},
		{{0, 2, 5, 5}, ": sequence 2 is empty"},
		{{0, 4, 3, 5}, ": sequence 1 is empty"},
		{{0, 2, 2000000000, 5}, ": sequence 2 is empty"},
		{{0, -2, 3, 5}, ": sequence 0 is empty"},
		{{0, 2, 3, 4}, ": sequences end at 4, but there are 5 tokens"},
		{{0, 2, 3, 6}, ": sequences end at 6, but there are 5 tokens"},
		{{0, 2, 3, 0x7fffffff}, ": sequences end at 2147483647, but there are 5 tokens"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *what = mem_printf("starts, case %zu", i);
		check_open(what, good, cases[i].start, STARTS, some_ids, IDS, cases[i].error);
		free(what);
	}
}

static void test_ids(void)
{
	static const struct {
		int32_t id;
		const char *error;
	} cases[] = {
		{0, NULL},
		{0x7ffffffe, NULL},
		{0x7fffffff, ": token 4 is 2147483647, more than an id can be"},
		{-1, ": token 4 is negative"},
		{-0x7fffffff - 1, ": token 4 is negative"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int32_t ids[IDS];
		char *what = mem_printf("id %d", cases[i].id);
		memcpy(ids, some_ids, sizeof ids);
		ids[IDS - 1] = cases[i].id;
		check_open(what, good, some_start, STARTS, ids, IDS, cases[i].error);
		free(what);
	}
}

static void test_descriptions(void)
{
	static const struct {
		const char *description, *error;
	} cases[] = {
		{"{\"sequences\":3,\"tokens\":5,\"asked\":0,\"truncated\":0,\"more\":1}", NULL},
		{"{\"tokens\":5,\"asked\":8,\"truncated\":1}", ": key \"sequences\" is missing"},
		{"{\"sequences\":3,\"asked\":8,\"truncated\":1}", ": key \"tokens\" is missing"},
		{"{\"sequences\":3,\"tokens\":5,\"truncated\":1}", ": key \"asked\" is missing"},
		{"{\"sequences\":3,\"tokens\":5,\"asked\":8}", ": key \"truncated\" is missing"},
		{"{\"sequences\":\"3\",\"tokens\":5,\"asked\":8,\"truncated\":1}", ": \"sequences\" must be a number"},
		{"{\"sequences\":3.5,\"tokens\":5,\"asked\":8,\"truncated\":1}", ": \"sequences\" must be an integer"},
		{"{\"sequences\":3,\"tokens\":-5,\"asked\":8,\"truncated\":1}", ": \"tokens\" must be an integer"},
		{"{\"sequences\":0,\"tokens\":0,\"asked\":8,\"truncated\":1}",
			": 0 sequences, 0 tokens: expected 1 to 16777216 and at most 1073741824"},
		{"{\"sequences\":16777217,\"tokens\":5,\"asked\":8,\"truncated\":1}", ": 16777217 sequences, 5 tokens: expected"},
		{"{\"sequences\":3,\"tokens\":1073741825,\"asked\":8,\"truncated\":1}", ": 3 sequences, 1073741825 tokens: "},
		{"{\"sequences\":2,\"tokens\":5,\"asked\":8,\"truncated\":1}", ": array \"start\" has 4 elements, expected 3"},
		{"{\"sequences\":3,\"tokens\":6,\"asked\":8,\"truncated\":1}", ": array \"ids\" has 5 elements, expected 6"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		check_open(cases[i].description, cases[i].description, some_start, STARTS, some_ids, IDS, cases[i].error);
	check_open("no starts", good, NULL, 0, some_ids, IDS, ": array \"start\" is missing");
	check_open("no ids", good, some_start, STARTS, NULL, 0, ": array \"ids\" is missing");
	check_open("fewer starts", good, some_start, 3, some_ids, IDS, ": array \"start\" has 3 elements, expected 4");
	check_open("fewer ids", good, some_start, STARTS, some_ids, 4, ": array \"ids\" has 4 elements, expected 5");
}

static void test_other_kind(void)
{
	struct object_writer w;
	struct digest content, identity;
	struct tokens t;
	size_t size;
	char *path = scratch_path("e.scores");
	object_writer_init(&w, "scores");
	if (object_write(&w, path, &content, &identity, &size))
		exit(error_report(1));
	object_writer_release(&w);
	CHECK(tokens_open(&t, path, &content) == -1, "scores were taken for tokens");
	CHECK(strstr(error_text(), "holds scores, expected tokens"), "%s", error_text());
	free(path);
}

int main(void)
{
	TEST(test_round_trip);
	TEST(test_identity);
	TEST(test_identity_is_documented);
	TEST(test_starts);
	TEST(test_ids);
	TEST(test_descriptions);
	TEST(test_other_kind);
	return check_done();
}
