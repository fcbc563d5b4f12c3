/* NFC: known strings, and the ordering of marks against the library's own slow one. */
#include "tokenizer/nfc.h"

#include <stdint.h>
#include <stdlib.h>
#include <utf8proc.h>

#include "check.h"
#include "common/memory.h"
#include "common/strbuf.h"

static const struct {
	const char *text, *composed;
} table[] = {
	{"", ""},
	{"plain", "plain"},
	{"cafe\u0301", "caf\u00e9"},
	{"caf\u00e9", "caf\u00e9"},
	{"\u212b", "\u00c5"},
	{"\u1112\u1161\u11ab", "\ud55c"},
	{"\ud55c", "\ud55c"},
	{"e\u0323\u0307", "\u1eb9\u0307"},
	{"e\u0307\u0323", "\u1eb9\u0307"},
	{"q\u0307\u0323", "q\u0323\u0307"},
	{"\u0338", "\u0338"},
	{"\u0301a", "\u0301a"},
	{"\u0344", "\u0308\u0301"},          /* composition exclusion: stays apart */
	{"\u0958", "\u0915\u093c"},
	{"\u1f82", "\u1f82"},                /* four code points when decomposed */
	{"\ufb01", "\ufb01"},                /* compatibility characters stay */
	{"\u00bd", "\u00bd"},
};

static void test_table(void)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		size_t length;
		char *found = nfc(table[i].text, strlen(table[i].text), &length);
		CHECK_STRING(found, table[i].composed);
		CHECK(length == strlen(found), "length %zu of \"%s\"", length, found);
		free(found);
	}
}

static void test_plain(void)
{
	CHECK(nfc_is_plain("", 0) && nfc_is_plain("a\u00e9\u02ff", 5), "U+0000 to U+02FF are plain");
	CHECK(!nfc_is_plain("a\u0300", 3) && !nfc_is_plain("\u65e5", 3), "U+0300 and above are not");
}

static void test_nul(void)
{
	size_t length;
	char *found = nfc("e\0\u0301", 4, &length);
	CHECK(length == 4 && !memcmp(found, "e\0\u0301", 4), "NUL between letter and mark: length %zu", length);
	free(found);
}

static uint64_t random_state = 0x5eed0002;

static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 33) % limit);
}

static void add_code_point(struct strbuf *b, uint32_t c)
{
	utf8proc_uint8_t bytes[4];
	strbuf_add(b, bytes, (size_t)utf8proc_encode_char((utf8proc_int32_t)c, bytes));
}

/* Letters, marks of many classes, jamo; now and then any code point. */
static void add_random(struct strbuf *b)
{
	switch (random_below(6)) {
	case 0:
		add_code_point(b, 'a' + random_below(26));
		break;
	case 1: case 2:
		add_code_point(b, 0x300 + random_below(0x70));
		break;
	case 3:
		add_code_point(b, 0x1100 + random_below(0x100));
		break;
	case 4:
		add_code_point(b, 0xc0 + random_below(0x1000));
		break;
	default: {
		uint32_t c = random_below(0x110000);
		add_code_point(b, c >= 0xd800 && c < 0xe000 ? 'x' : c);
	}
	}
}

static void test_against_utf8proc_map(void)
{
	struct strbuf text;
	strbuf_init(&text);
	for (int i = 0; i < 5000; i++) {
		strbuf_clear(&text);
		for (uint32_t n = 1 + random_below(i % 10 ? 12 : 200); n > 0; n--)
			add_random(&text);
		utf8proc_uint8_t *expected = NULL;
		size_t length;
		utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text.s, (utf8proc_ssize_t)text.length, &expected,
			(utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
		char *found = nfc(text.s, text.length, &length);
		CHECK(n == (utf8proc_ssize_t)length && !memcmp(found, expected, length), "\"%s\": found \"%s\", expected \"%s\"",
			text.s, found, (char *)expected);
		free(found);
		free(expected);
	}
	strbuf_release(&text);
}

/* One letter and a run of marks of two classes, worst case for a sort that swaps neighbours. */
static void test_long_run_of_marks(void)
{
	enum { PAIRS = 500000 };
	struct strbuf text;
	size_t length, wrong = 0;
	strbuf_init(&text);
	strbuf_addc(&text, 'q');
	for (int i = 0; i < PAIRS; i++)
		strbuf_adds(&text, "\u0307\u0323");
	char *found = nfc(text.s, text.length, &length);
	CHECK(length == text.length, "%zu of %zu bytes", length, text.length);
	for (size_t i = 0; i < 2 * PAIRS && length == text.length; i++)
		wrong += memcmp(found + 1 + 2 * i, i < PAIRS ? "\u0323" : "\u0307", 2) != 0;
	CHECK(!wrong, "%zu marks out of order", wrong);
	free(found);
	strbuf_release(&text);
}

int main(void)
{
	TEST(test_table);
	TEST(test_plain);
	TEST(test_nul);
	TEST(test_against_utf8proc_map);
	TEST(test_long_run_of_marks);
	return check_done();
}
