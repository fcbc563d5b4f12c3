/* Matching of added tokens in raw text. */
#include "tokenizer/added_tokens.h"

#include <stdlib.h>

#include "check.h"
#include "common/error.h"
#include "common/memory.h"
#include "common/strbuf.h"

/* The token at index i has id 100 + i. */
static struct added_tokens *make(const char *const *contents, size_t count)
{
	struct added_tokens *a = added_tokens_new();
	for (size_t i = 0; i < count; i++)
		CHECK(!added_tokens_add(a, contents[i], strlen(contents[i]), (uint32_t)(100 + i)), "%s", error_text());
	CHECK(!added_tokens_finish(a), "%s", error_text());
	return a;
}

/* The text with each match written as [id]. */
static char *marked(const struct added_tokens *a, const char *text, size_t length)
{
	struct strbuf b;
	strbuf_init(&b);
	for (size_t at = 0; at < length;) {
		size_t end = length;
		uint32_t id = 0;
		size_t match = added_tokens_find(a, text, length, at, &end, &id);
		strbuf_add(&b, text + at, match - at);
		if (match < length)
			strbuf_addf(&b, "[%u]", id);
		at = end;
	}
	char *taken = strbuf_take(&b);
	strbuf_release(&b);
	return taken;
}

static void test_matches(void)
{
	static const char *const contents[] = {"<a>", "<a><b>", "<", "<a><b><c>d", "\u00e9t", "\u00e9", "ab", "bcd",
		"\U0001f600"};
	static const struct {
		const char *text, *expected;
	} table[] = {
		{"", ""},
		{"plain", "plain"},
		{"<a>", "[100]"},
		{"x<a>y", "x[100]y"},
		{"<a><b>", "[101]"},
		{"<a><b", "[100][102]b"},
		{"<a><a><b>", "[100][101]"},
		{"<a><b><c>", "[101][102]c>"},
		{"<a><b><c>d", "[103]"},
		{"<A>", "[102]A>"},
		{"\u00e9", "[105]"},
		{"\u00e9t\u00e9", "[104][105]"},
		{"\u00e8", "\u00e8"},               /* shares the first byte only */
		{"abcd", "[106]cd"},                /* leftmost before longest */
		{"xbcd", "x[107]"},
		{" <a> ", " [100] "},
		{"\U0001f601\U0001f600", "\U0001f601[108]"},
	};
	struct added_tokens *a = make(contents, sizeof contents / sizeof *contents);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		char *found = marked(a, table[i].text, strlen(table[i].text));
		CHECK_STRING(found, table[i].expected);
		free(found);
	}
	added_tokens_free(a);
}

static void test_none(void)
{
	struct added_tokens *a = make(NULL, 0);
	size_t end = 0;
	uint32_t id = 0;
	CHECK(added_tokens_find(a, "<a>", 3, 0, &end, &id) == 3, "found one among none");
	CHECK(added_tokens_count(a) == 0, "%zu", added_tokens_count(a));
	added_tokens_free(a);
}

static void test_listing(void)
{
	static const char *const contents[] = {"b", "a", "ab"};
	struct added_tokens *a = make(contents, 3);
	size_t length;
	uint32_t id;
	CHECK_STRING(added_tokens_get(a, 1, &length, &id), "ab");
	CHECK(length == 2 && id == 102, "length %zu id %u", length, id);
	added_tokens_free(a);
}

static void test_refusals(void)
{
	static char long_content[ADDED_TOKEN_BYTES_MAX + 2];
	struct added_tokens *a = added_tokens_new();
	memset(long_content, 'x', ADDED_TOKEN_BYTES_MAX + 1);
	CHECK(added_tokens_add(a, "", 0, 1) && strstr(error_text(), "of 0 bytes"), "%s", error_text());
	CHECK(added_tokens_add(a, long_content, strlen(long_content), 1) && strstr(error_text(), "1025"), "%s", error_text());
	CHECK(!added_tokens_add(a, "<a>", 3, 1) && !added_tokens_add(a, "<b>", 3, 1), "%s", error_text());
	CHECK(added_tokens_finish(a) && strstr(error_text(), "share the id 1"), "%s", error_text());
	added_tokens_free(a);
	a = added_tokens_new();
	CHECK(!added_tokens_add(a, "<a>", 3, 1) && !added_tokens_add(a, "<a>", 3, 2), "%s", error_text());
	CHECK(added_tokens_finish(a) && strstr(error_text(), "\"<a>\" is there twice"), "%s", error_text());
	added_tokens_free(a);
}

int main(void)
{
	TEST(test_matches);
	TEST(test_none);
	TEST(test_listing);
	TEST(test_refusals);
	return check_done();
}
