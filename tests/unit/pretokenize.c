/* The scanner that cuts text into pieces, and its character classes: by hand, and against a regular-expression engine
 * running the pattern the scanner stands for. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer/pretokenize.h"

#include <pcre2.h>
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "common/memory.h"
#include "common/strbuf.h"
#include "tokenizer/char_class.h"

/* text: pieces joined by '|', which no text here contains. */
static const struct {
	const char *text, *pieces;
} table[] = {
	{"", ""},
	{" ", " "},
	{"   ", "   "},
	{"Hello world", "Hello| world"},
	{"Hello  world", "Hello| | world"},
	{"Hello   world  ", "Hello|  | world|  "},
	{"\tx", "\tx"},
	{" \tx", " |\tx"},
	{"x\n  y", "x|\n| | y"},
	{" \n Hello", " \n| Hello"},
	{"a \n\n b", "a| \n\n| b"},
	{"a\r\nb", "a|\r\n|b"},
	{"\r\r\n \n\t", "\r\r\n \n|\t"},
	{"!\n\nx", "!\n\n|x"},
	{"! \nx", "!| \n|x"},
	{"...!!!\n\n", "...!!!\n\n"},
	{" ,\n a", " ,\n| a"},
	{" \t,", " |\t|,"},
	{"  ,", " | ,"},
	{"12345", "1|2|3|4|5"},
	{" 1", " |1"},
	{"   1", "  | |1"},
	{"a1b2", "a|1|b|2"},
	{"1.5e-3", "1|.|5|e|-|3"},
	{"\u00bd\u0663\u2167", "\u00bd|\u0663|\u2167"},
	{"don't DON'T I'LL we'Ve 'S", "don|'t| DON|'T| I|'LL| we|'Ve| '|S"},
	{"'sun 'nun \"'nun\"", "'s|un| '|nun| \"'|nun|\""},
	{"'sun\n'nun", "'s|un|\n|'nun"},
	{"'re're'RE'rE", "'re|'re|'RE|'rE"},
	{"'r 'l 'lL", "'r| '|l| '|lL"},
	{"'ll'l", "'ll|'l"},
	{"'", "'"},
	{"''s", "''|s"},
	{"x''s", "x|''|s"},
	{"'\u017f", "'\u017f"},
	{"'\u017fx", "'\u017f|x"},
	{"\u2019s", "\u2019s"},
	{"rock 'n roll", "rock| '|n| roll"},
	{"\u0939\u093f\u0928\u094d\u0926\u0940", "\u0939|\u093f\u0928|\u094d\u0926|\u0940"},
	{"\u0301a", "\u0301a"},
	{"\u0301\u0301a", "\u0301\u0301|a"},
	{"\u00a0x", "\u00a0x"},
	{"\u3000x", "\u3000x"},
	{"a\u00a0\u00a0b", "a|\u00a0|\u00a0b"},
	{"a\u00a0,", "a|\u00a0|,"},
	{"a\u00a0 ,", "a|\u00a0| ,"},
	{"a\u180eb", "a|\u180eb"},
	{"a\u180e\u180eb", "a|\u180e\u180e|b"},
	{"\u200b", "\u200b"},
	{"\ufeff" "BOM", "\ufeff" "BOM"},
	{"\x1c\x1d,", "\x1c\x1d,"},
	{"\u2028\u2029\nx", "\u2028\u2029\n|x"},
	{"\u65e5\u672c\uff0c\u4e16", "\u65e5\u672c|\uff0c\u4e16"},
	{"\U0001f600\U0001f600x", "\U0001f600\U0001f600|x"},
	{"foo_bar(x)==y;//c", "foo|_bar|(x|)==|y|;//|c"},
	{"#tag @me", "#tag| @|me"},
	{"a,b", "a|,b"},
};

static char *pieces_of(const char *text, size_t length)
{
	struct strbuf b;
	strbuf_init(&b);
	for (size_t at = 0, end; at < length; at = end) {
		end = pretokenize_piece(text, length, at);
		CHECK(end > at && end <= length, "piece %zu..%zu of %zu", at, end, length);
		if (!(end > at && end <= length))
			break;
		if (at)
			strbuf_addc(&b, '|');
		strbuf_add(&b, text + at, end - at);
	}
	char *taken = strbuf_take(&b);
	strbuf_release(&b);
	return taken;
}

static void test_table(void)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		char *found = pieces_of(table[i].text, strlen(table[i].text));
		CHECK_STRING(found, table[i].pieces);
		free(found);
	}
}

static void test_nul_is_a_character(void)
{
	CHECK(pretokenize_piece("\0a b", 4, 0) == 2, "%zu", pretokenize_piece("\0a b", 4, 0));
	CHECK(pretokenize_piece("\0\0,", 3, 0) == 3, "%zu", pretokenize_piece("\0\0,", 3, 0));
}

/* Long runs take their time once: with a scan that starts again at every character these would not end. */
static void test_long_runs(void)
{
	enum { LENGTH = 1000000 };
	static const struct {
		char fill;
		const char *tail;
		size_t first, count; /* end of the first piece, number of pieces */
	} run[] = {
		{'a', "", LENGTH, 1}, {' ', "", LENGTH, 1}, {' ', "x", LENGTH - 1, 2}, {' ', "1", LENGTH - 1, 3},
		{'\n', "x", LENGTH, 2}, {'!', "\n", LENGTH + 1, 1}, {'7', "", 1, LENGTH}, {'\'', "s", LENGTH, 2},
	};
	char *text = mem_array(LENGTH + 2, 1);
	for (size_t i = 0; i < sizeof run / sizeof *run; i++) {
		memset(text, run[i].fill, LENGTH);
		strcpy(text + LENGTH, run[i].tail);
		size_t length = strlen(text), count = 0, first = pretokenize_piece(text, length, 0);
		for (size_t at = 0; at < length; at = pretokenize_piece(text, length, at))
			count++;
		CHECK(first == run[i].first && count == run[i].count, "'%c' and \"%s\": first %zu, %zu pieces", run[i].fill,
			run[i].tail, first, count);
	}
	free(text);
}

static void test_white_is_25_code_points(void)
{
	size_t white = 0;
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		enum char_class class = char_class(c);
		white += class == CHAR_WHITE || class == CHAR_NEWLINE;
	}
	CHECK(white == 25, "%zu", white);
	CHECK(char_class('\r') == CHAR_NEWLINE && char_class('\n') == CHAR_NEWLINE, "CR %d LF %d", char_class('\r'),
		char_class('\n'));
	static const uint32_t not_white[] = {0x180e, 0x200b, 0xfeff, 0x1c, 0x1d, 0x1e, 0x1f, 0x2060};
	for (size_t i = 0; i < sizeof not_white / sizeof *not_white; i++)
		CHECK(char_class(not_white[i]) == CHAR_OTHER, "U+%04X is %d", not_white[i], char_class(not_white[i]));
}

static void test_ascii_agrees_with_unicode(void)
{
	for (uint32_t c = 0; c < 128; c++) {
		int letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'), digit = c >= '0' && c <= '9';
		int white = c == ' ' || c == '\t' || c == '\v' || c == '\f', newline = c == '\n' || c == '\r';
		enum char_class expected = letter ? CHAR_LETTER : digit ? CHAR_NUMBER : newline ? CHAR_NEWLINE
			: white ? CHAR_WHITE : CHAR_OTHER;
		CHECK(char_class(c) == expected, "U+%04X is %d, expected %d", c, char_class(c), expected);
	}
}

/* The pattern with \s written out: the engine's own includes U+180E. */
#define WHITE \
	"\\x{09}-\\x{0D}\\x{20}\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define PATTERN \
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^" WHITE "\\p{L}\\p{N}]+[\\r\\n]*|[" WHITE \
	"]*[\\r\\n]+|[" WHITE "]+(?![^" WHITE "])|[" WHITE "]+"

static char *pieces_by_pcre2(const pcre2_code *code, pcre2_match_data *match, const char *text, size_t length)
{
	struct strbuf b;
	strbuf_init(&b);
	for (size_t at = 0; at < length;) {
		int n = pcre2_match(code, (PCRE2_SPTR)text, length, at, PCRE2_ANCHORED, match, NULL);
		CHECK(n > 0, "no match at %zu of \"%.*s\": %d", at, (int)length, text, n);
		if (n <= 0)
			break;
		if (at)
			strbuf_addc(&b, '|');
		size_t end = pcre2_get_ovector_pointer(match)[1];
		strbuf_add(&b, text + at, end - at);
		at = end;
	}
	char *taken = strbuf_take(&b);
	strbuf_release(&b);
	return taken;
}

/* Fixed seed, so that every run sees the same strings. */
static uint64_t random_state = 0x5eed0001;

static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 33) % limit);
}

/* What rules turn on, and scripts assigned long before the two libraries' versions of Unicode. */
static const char *const atoms[] = {
	"'", "'", "s", "S", "t", "T", "re", "Ve", "ll", "LL", "m", "d", "D", "\u017f", "\u2019", " ", " ", "  ", "   ", "\t",
	"\n", "\n", "\r", "\r\n", "\v", "\f", "\xc2\x85", "\u00a0", "\u1680", "\u2003", "\u2028", "\u2029", "\u202f", "\u205f",
	"\u3000", "\u180e", "\u200b", "\ufeff", "\x1c", "\x1f", "\x01", "\x7f", "0", "7", "12", "\u00bd", "\u0663", "\u2167",
	"\u4e00", "\uff15", ".", ",", "!", "?", "-", "_", "(", "[", "\"", "\\", "$", "\u00a7", "\u20ac", "\u0301", "\u0323",
	"\u093f", "\u0928", "\u0e17", "\u0e34", "a", "b", "xyz", "Hello", "\u00e9", "\u00df", "\u0416", "\u03a9", "\u05d0",
	"\u0645", "\u65e5", "\u30c6", "\ud55c", "\u01c5", "\u02b0", "\u00aa", "\U0001f600", "\u200d", "\U0001d400",
	"\U00010400", "\U0001d7d8", "\U000e0001", "\ue000",
};

static void test_against_pcre2(void)
{
	int error;
	size_t offset;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)PATTERN, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &error, &offset,
		NULL);
	CHECK(code, "pattern: error %d at %zu", error, offset);
	if (!code)
		return;
	pcre2_match_data *match = pcre2_match_data_create_from_pattern(code, NULL);
	struct strbuf text;
	strbuf_init(&text);
	for (int i = 0; i < 8000; i++) {
		strbuf_clear(&text);
		for (uint32_t n = 1 + random_below(24); n > 0; n--)
			strbuf_adds(&text, atoms[random_below(sizeof atoms / sizeof *atoms)]);
		char *found = pieces_of(text.s, text.length);
		char *expected = pieces_by_pcre2(code, match, text.s, text.length);
		CHECK_STRING(found, expected);
		free(found);
		free(expected);
	}
	strbuf_release(&text);
	pcre2_match_data_free(match);
	pcre2_code_free(code);
}

int main(void)
{
	TEST(test_table);
	TEST(test_nul_is_a_character);
	TEST(test_long_runs);
	TEST(test_white_is_25_code_points);
	TEST(test_ascii_agrees_with_unicode);
	TEST(test_against_pcre2);
	return check_done();
}
