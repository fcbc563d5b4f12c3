/* JSON as strict as promised, canonical text, and numbers that survive being written. */
#include "../check.h"

#include <stdlib.h>

#include "../support/scratch.h"
#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"

/* Parses a copy that ends where its memory ends, so that reading on shows. */
static cJSON *parse(const char *text, size_t length, const struct json_rules *rules)
{
	char *copy = mem_array(length, 1);
	memcpy(copy, text, length);
	cJSON *value = json_parse(copy, length, "t", rules);
	free(copy);
	return value;
}

static cJSON *parse_text(const char *text)
{
	return parse(text, strlen(text), NULL);
}

/* --- what is refused, and where --- */

static const struct {
	const char *text;
	const char *error;   /* the whole message */
} refused[] = {
	{"", "t:1:1: byte 0: not JSON: the text ends where a value is expected"},
	{" \n ", "t:2:2: byte 3: not JSON: the text ends where a value is expected"},
	{"nul", "t:1:1: byte 0: not JSON: expected a value"},
	{"True", "t:1:1: byte 0: not JSON: expected a value"},
	{"NaN", "t:1:1: byte 0: not JSON: expected a value"},
	{"Infinity", "t:1:1: byte 0: not JSON: expected a value"},
	{"'a'", "t:1:1: byte 0: not JSON: expected a value"},
	{"\xef\xbb\xbf{}", "t:1:1: byte 0: not JSON: expected a value"},
	{"// x\n1", "t:1:1: byte 0: not JSON: expected a value"},
	{"\v1", "t:1:1: byte 0: not JSON: expected a value"},
	{"truefalse", "t:1:5: byte 4: unexpected text after the JSON value"},
	{"1 2", "t:1:3: byte 2: unexpected text after the JSON value"},
	{"{}\n}", "t:2:1: byte 3: unexpected text after the JSON value"},
	{"[1]\n\n// x", "t:3:1: byte 5: unexpected text after the JSON value"},

	{"[1,]", "t:1:4: byte 3: not JSON: expected a value"},
	{"[,1]", "t:1:2: byte 1: not JSON: expected a value"},
	{"[1 2]", "t:1:4: byte 3: not JSON: expected ',' or ']'"},
	{"[1}", "t:1:3: byte 2: not JSON: expected ',' or ']'"},
	{"[1", "t:1:3: byte 2: not JSON: expected ',' or ']'"},
	{"[", "t:1:2: byte 1: not JSON: the text ends where a value is expected"},
	{"{", "t:1:2: byte 1: not JSON: expected a string in double quotes"},
	{"{a:1}", "t:1:2: byte 1: not JSON: expected a string in double quotes"},
	{"{'a':1}", "t:1:2: byte 1: not JSON: expected a string in double quotes"},
	{"{1:1}", "t:1:2: byte 1: not JSON: expected a string in double quotes"},
	{"{\"a\" 1}", "t:1:6: byte 5: not JSON: expected ':'"},
	{"{\"a\":}", "t:1:6: byte 5: not JSON: expected a value"},
	{"{\"a\":1,}", "t:1:8: byte 7: not JSON: expected a string in double quotes"},
	{"{\"a\":1 \"b\":2}", "t:1:8: byte 7: not JSON: expected ',' or '}'"},
	{"{\"a\":1]", "t:1:7: byte 6: not JSON: expected ',' or '}'"},
	{"{\r\n \"a\": 1;\n}", "t:2:8: byte 10: not JSON: expected ',' or '}'"},

	{"01", "t:1:2: byte 1: unexpected text after the JSON value"},
	{"[-01]", "t:1:4: byte 3: not JSON: expected ',' or ']'"},
	{"+1", "t:1:1: byte 0: not JSON: expected a value"},
	{".5", "t:1:1: byte 0: not JSON: expected a value"},
	{"-", "t:1:2: byte 1: not JSON: expected a value"},
	{"-a", "t:1:2: byte 1: not JSON: expected a value"},
	{"1.", "t:1:3: byte 2: not JSON: digits expected after the point"},
	{"[1.e3]", "t:1:4: byte 3: not JSON: digits expected after the point"},
	{"1e", "t:1:3: byte 2: not JSON: digits expected in the exponent"},
	{"1e+", "t:1:4: byte 3: not JSON: digits expected in the exponent"},
	{"0x10", "t:1:2: byte 1: unexpected text after the JSON value"},
	{"1_000", "t:1:2: byte 1: unexpected text after the JSON value"},

	{"\"a", "t:1:3: byte 2: not JSON: the string does not end"},
	{"\"a\\\"", "t:1:5: byte 4: not JSON: the string does not end"},
	{"\"a\nb\"", "t:1:3: byte 2: not JSON: control character in a string"},
	{"\"\t\"", "t:1:2: byte 1: not JSON: control character in a string"},
	{"\"\\x41\"", "t:1:3: byte 2: not JSON: unknown escape in a string"},
	{"\"\\'\"", "t:1:3: byte 2: not JSON: unknown escape in a string"},
	{"\"\\", "t:1:3: byte 2: not JSON: unknown escape in a string"},
	{"\"\\u12g4\"", "t:1:6: byte 5: not JSON: \\u needs four hex digits"},
	{"\"\\u12", "t:1:6: byte 5: not JSON: \\u needs four hex digits"},

	{"\"\xff\"", "t:1:2: byte 1: not UTF-8"},
	{"\"\xc0\x80\"", "t:1:2: byte 1: not UTF-8"},
	{"\n\"a\xed\xa0\x80\"", "t:2:3: byte 3: not UTF-8"},
	{"\"\xf0\x9f\x98\"", "t:1:2: byte 1: not UTF-8"},
};

static void test_refused(void)
{
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		cJSON *value = parse_text(refused[i].text);
		CHECK(!value, "accepted: %s", refused[i].text);
		CHECK_STRING(value ? "" : error_text(), refused[i].error);
		cJSON_Delete(value);
	}
}

static void test_nul_bytes(void)
{
	static const struct {
		const char *text;
		size_t length;
		const char *error;
	} cases[] = {
		{"1\0", 2, "t:1:2: byte 1: unexpected text after the JSON value"},
		{"\"a\0b\"", 5, "t:1:3: byte 2: not JSON: control character in a string"},
		{"\"\\\0\"", 4, "t:1:3: byte 2: not JSON: unknown escape in a string"},
		{"[1,\0]", 5, "t:1:4: byte 3: not JSON: expected a value"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		cJSON *value = parse(cases[i].text, cases[i].length, NULL);
		CHECK(!value, "case %zu was accepted", i);
		CHECK_STRING(value ? "" : error_text(), cases[i].error);
		cJSON_Delete(value);
	}
}

/* Escapes that name no character: a C string cannot hold U+0000, and half a surrogate pair is none. */
static void test_escapes_of_no_character(void)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"[\"a\\u0000\"]", "t:1:4: byte 3: \\u0000 is not supported in a string"},
		{"\"\\ud800\"", "t:1:2: byte 1: not JSON: unpaired surrogate"},
		{"\"\\udc00\\ud800\"", "t:1:2: byte 1: not JSON: unpaired surrogate"},
		{"\"x\\ud83dx\"", "t:1:3: byte 2: not JSON: unpaired surrogate"},
		{"\"\\ud83d\\n\"", "t:1:2: byte 1: not JSON: unpaired surrogate"},
		{"\"\\ud83d\\u0041\"", "t:1:2: byte 1: not JSON: unpaired surrogate"},
		{"\"\\ud83d\\ud83d\"", "t:1:2: byte 1: not JSON: unpaired surrogate"},
		{"\"\\ud83d\\u", "t:1:10: byte 9: not JSON: \\u needs four hex digits"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		cJSON *value = parse_text(cases[i].text);
		CHECK(!value, "accepted: %s", cases[i].text);
		CHECK_STRING(value ? "" : error_text(), cases[i].error);
		cJSON_Delete(value);
	}
}

/* A number that a double cannot hold would come back as infinity, which no JSON text can say again. */
static void test_numbers_out_of_range(void)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"[1, 1e309]", "t:1:5: byte 4: number is out of the range of a double"},
		{"-1e99999", "t:1:1: byte 0: number is out of the range of a double"},
		{"1234567890123456789012345678901234567890123456789012345678901234",
			"t:1:1: byte 0: number has more than 63 characters"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		cJSON *value = parse_text(cases[i].text);
		CHECK(!value, "accepted: %s", cases[i].text);
		CHECK_STRING(value ? "" : error_text(), cases[i].error);
		cJSON_Delete(value);
	}
	cJSON *value = parse_text("[1e-400, 1.7976931348623157e308, "
		"123456789012345678901234567890123456789012345678901234567890123]");
	CHECK(value, "%s", error_text());
	CHECK(value && cJSON_GetArrayItem(value, 0)->valuedouble == 0, "1e-400 is not 0");
	cJSON_Delete(value);
}

static void test_duplicates(void)
{
	static const char *const bad[] = {
		"{\"a\":1,\"b\":2,\"a\":1}", "[{\"x\":{\"a\":1,\"a\":2}}]", "{\"a\":1,\"\\u0061\":2}", "{\"\":1,\"\":2}",
		"{\"b\":{},\"a\":[],\"b\":0}",
	};
	static const char *const good[] = {"{\"a\":1,\"A\":2}", "[{\"a\":1},{\"a\":1}]", "{\"a\":{\"a\":{\"a\":1}}}"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		cJSON *value = parse_text(bad[i]);
		CHECK(!value, "accepted: %s", bad[i]);
		CHECK(value || strstr(error_text(), "t: duplicate key \"") == error_text(), "%s", error_text());
		cJSON_Delete(value);
	}
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		cJSON *value = parse_text(good[i]);
		CHECK(value, "refused: %s: %s", good[i], error_text());
		cJSON_Delete(value);
	}
}

/* count times open, then (when closed) count times close. */
static char *nested(size_t count, const char *open, char close)
{
	struct strbuf text;
	strbuf_init(&text);
	for (size_t i = 0; i < count; i++)
		strbuf_adds(&text, open);
	for (size_t i = 0; close && i < count; i++)
		strbuf_addc(&text, close);
	return text.s;
}

static void check_depth(char *text, const struct json_rules *rules, const char *error)
{
	cJSON *value = parse(text, strlen(text), rules);
	CHECK(!value == !!error, "%.20s: %s", text, value ? "accepted" : error_text());
	if (error)
		CHECK_STRING(value ? "" : error_text(), error);
	cJSON_Delete(value);
	free(text);
}

static void test_depth(void)
{
	static const struct json_rules two = {.depth_max = 2};
	check_depth(nested(64, "[", ']'), NULL, NULL);
	check_depth(nested(65, "[", ']'), NULL, "t:1:65: byte 64: nested too deeply");
	check_depth(nested(65, "{\"a\":", '}'), NULL, "t:1:321: byte 320: nested too deeply");
	check_depth(mem_strdup("[[1],{},[2]]"), &two, NULL);
	check_depth(mem_strdup("[[1],{\"a\":[]}]"), &two, "t:1:11: byte 10: nested too deeply");
	/* A megabyte of brackets must not use a megabyte of stack frames. */
	check_depth(nested(1000000, "[", 0), NULL, "t:1:65: byte 64: nested too deeply");
}

static void test_integers_only(void)
{
	static const struct json_rules rules = {.depth_max = 64, .integers_only = 1};
	static const char *const bad[] = {"-1", "-0", "1.0", "1e3", "1E0", "0.5"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char *text = mem_printf("[7, %s]", bad[i]);
		cJSON *value = parse(text, strlen(text), &rules);
		CHECK(!value, "accepted: %s", text);
		CHECK_STRING(value ? "" : error_text(),
			"t:1:5: byte 4: expected a non-negative integer without fraction or exponent");
		cJSON_Delete(value);
		value = parse_text(text);
		CHECK(value, "without the rule, %s: %s", text, error_text());
		cJSON_Delete(value);
		free(text);
	}
	cJSON *value = parse("[0,7,9007199254740992,\"-1\"]", 27, &rules);
	CHECK(value, "%s", error_text());
	cJSON_Delete(value);
}

/* --- what is written --- */

static void check_canonical(const char *text, const char *expected)
{
	struct strbuf out;
	cJSON *value = parse_text(text);
	CHECK(value, "%s", error_text());
	strbuf_init(&out);
	if (value)
		json_canonical(&out, value);
	CHECK_STRING(out.s, expected);
	cJSON_Delete(value);
	strbuf_release(&out);
}

static void test_canonical(void)
{
	check_canonical(" { \"b\" : [ 1 , 2.50 , -0 ] ,\n\"a\":{ } , \"B\" : null } ",
		"{\"B\":null,\"a\":{},\"b\":[1,2.5,0]}");
	check_canonical("{\"aa\":1,\"a\":2,\"\xc3\xa9\":3,\"z\":4,\"\":5}",
		"{\"\":5,\"a\":2,\"aa\":1,\"z\":4,\"\xc3\xa9\":3}");
	check_canonical("[true,false,null,[],\"\"]", "[true,false,null,[],\"\"]");
	check_canonical("\"\\u00e9\\/\\\"\\\\\\b\\f\\n\\r\\t\\u001f\\u007f\"",
		"\"\xc3\xa9/\\\"\\\\\\u0008\\u000c\\n\\u000d\\t\\u001f\\u007f\"");
	check_canonical("\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"");
	check_canonical("[1e2, 1E-5, 1.0, 100000000000000000000]", "[100,1e-05,1,1e+20]");
}

/* What is written reads back equal and is written the same again. */
static void test_canonical_is_stable(void)
{
	static const char *const texts[] = {
		"{\"x\":[1e-320,-0.1,\"\\u0001\xe2\x82\xac\"],\"\\n\":{\"q\":[[],{}]}}",
		"[0.30000000000000004,5e-324,1.7976931348623157e308,9007199254740993]",
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct strbuf once, pretty;
		cJSON *value = parse_text(texts[i]);
		strbuf_init(&once);
		strbuf_init(&pretty);
		json_canonical(&once, value);
		json_pretty(&pretty, value);
		check_canonical(once.s, once.s);
		check_canonical(pretty.s, once.s);
		cJSON *back = parse_text(once.s);
		CHECK(cJSON_Compare(value, back, 1), "%s reads back different", once.s);
		cJSON_Delete(value);
		cJSON_Delete(back);
		strbuf_release(&once);
		strbuf_release(&pretty);
	}
}

static void test_pretty(void)
{
	struct strbuf out;
	cJSON *value = parse_text("{\"b\":[1,{\"c\":0.5}],\"a\":{},\"d\":[]}");
	strbuf_init(&out);
	json_pretty(&out, value);
	CHECK_STRING(out.s, "{\n  \"b\": [\n    1,\n    {\n      \"c\": 0.5\n    }\n  ],\n  \"a\": {},\n  \"d\": []\n}");
	cJSON_Delete(value);
	strbuf_release(&out);
}

static void check_number(double value, const char *expected)
{
	struct strbuf out;
	strbuf_init(&out);
	json_number(&out, value);
	if (expected)
		CHECK_STRING(out.s, expected);
	double back = strtod(out.s, NULL);
	CHECK(back == value, "%.17g was written as %s", value, out.s);
	cJSON *parsed = parse_text(out.s);
	CHECK(parsed && parsed->valuedouble == value, "%s reads back as %.17g", out.s, parsed ? parsed->valuedouble : NAN);
	cJSON_Delete(parsed);
	strbuf_release(&out);
}

/* The shortest by trying every length. */
static void check_shortest(double value)
{
	char plain[40];
	struct strbuf out;
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(plain, sizeof plain, "%.*g", digits, value);
		if (strtod(plain, NULL) == value)
			break;
	}
	strbuf_init(&out);
	json_number(&out, value);
	CHECK_STRING(out.s, plain);
	strbuf_release(&out);
}

/* Few digits at any power of ten, and their neighbours; no whole numbers, which have a form of their own. */
static void test_shortest(void)
{
	static const char *const digits[] = {"1", "2.5", "9.9", "1.23456", "9.87654321012345", "1.234567890123456"};
	for (int power = -323; power <= 308; power++)
		for (size_t i = 0; i < sizeof digits / sizeof *digits; i++) {
			char text[64];
			snprintf(text, sizeof text, "%se%d", digits[i], power);
			double value = strtod(text, NULL), next = nextafter(value, INFINITY);
			if (isfinite(value) && (value != floor(value) || value > 0x1p53))
				check_shortest(value);
			if (isfinite(next) && (next != floor(next) || next > 0x1p53))
				check_shortest(next);
		}
	/* Of a few decimals, which are written without printf: with their neighbours, and around the limits of that. */
	for (int decimals = 1; decimals <= 6; decimals++)
		for (long long whole = 1; whole < 2000000000000000; whole = whole * 7 / 3 + 1) {
			double value = (double)whole / pow(10, decimals);
			for (int i = 0; i < 3; i++, value = i == 1 ? nextafter(value, 0) : nextafter(-value, -INFINITY))
				if (value != floor(value))
					check_shortest(value);
		}
	check_shortest(0x1p-1022);
	check_shortest(0x1p-1022 - 0x1p-1074);
	check_shortest(0x1.fffffffffffffp1023);
}

static void test_numbers(void)
{
	check_number(8, "8");
	check_number(-3, "-3");
	check_number(-0.0, "0");
	check_number(0.1, "0.1");
	check_number(1e-5, "1e-05");
	check_number(1 / 3.0, "0.3333333333333333");
	check_number(0.1 + 0.2, "0.30000000000000004");
	check_number(0x1p53, "9007199254740992");
	check_number(-0x1p53, "-9007199254740992");
	check_number(0x1p53 + 2, "9007199254740994");
	check_number(1e20, "1e+20");
	check_number(0x1p-1074, "5e-324");
	check_number(0x1.fffffffffffffp1023, "1.7976931348623157e+308");
	/* Bits of all sorts: a fixed sequence, so that a failure comes again. */
	uint64_t state = 1;
	for (int i = 0; i < 20000; i++) {
		double value;
		state = state * 6364136223846793005u + 1442695040888963407u;
		uint64_t bits = state ^ state >> 29;
		memcpy(&value, &bits, sizeof value);
		if (isfinite(value))
			check_number(value, NULL);
	}
}

/* --- members --- */

static void test_members(void)
{
	cJSON *o = parse_text("{\"s\":\"x\",\"n\":2.5,\"u\":9007199254740992,\"b\":true,\"neg\":-1,\"big\":1e16}");
	double number = 0;
	uint64_t integer = 0;
	int flag = 0;
	CHECK(o, "%s", error_text());
	CHECK_STRING(json_string(o, "s", "f"), "x");
	CHECK(!json_double(o, "n", "f", &number) && number == 2.5, "n is %g", number);
	CHECK(!json_u64(o, "u", "f", &integer) && integer == 9007199254740992u, "u is %llu", (unsigned long long)integer);
	CHECK(!json_bool(o, "b", "f", &flag) && flag == 1, "b is %d", flag);

	CHECK(!json_member(o, "S", "f"), "keys must not ignore case");
	CHECK_STRING(error_text(), "f: key \"S\" is missing");
	CHECK(!json_string(o, "n", "f"), "a number as a string");
	CHECK_STRING(error_text(), "f: \"n\" must be a string");
	CHECK(json_double(o, "s", "f", &number), "a string as a number");
	CHECK_STRING(error_text(), "f: \"s\" must be a number");
	CHECK(json_bool(o, "u", "f", &flag), "a number as a truth value");
	CHECK_STRING(error_text(), "f: \"u\" must be true or false");
	CHECK(json_check_format(o, "ours/1", "f") == -1 && strstr(error_text(), "\"format\""), "%s", error_text());
	cJSON_AddStringToObject(o, "format", "ours/1");
	CHECK(!json_check_format(o, "ours/1", "f"), "%s", error_text());
	CHECK(json_check_format(o, "ours/2", "f") == -1, "another version");
	CHECK_STRING(error_text(), "f: format \"ours/1\", expected \"ours/2\"");
	static const char *const no_integers[] = {"n", "neg", "big"};
	for (size_t i = 0; i < 3; i++) {
		CHECK(json_u64(o, no_integers[i], "f", &integer), "%s as an integer", no_integers[i]);
		CHECK(strstr(error_text(), "must be an integer from 0 to 2^53, found "), "%s", error_text());
	}
	cJSON *list = parse_text("[1]");
	CHECK(!json_member(list, "s", "f"), "a list has no members");
	CHECK_STRING(error_text(), "f: key \"s\" is missing");
	cJSON_Delete(list);
	cJSON_Delete(o);
}

static void test_read(void)
{
	char *path = scratch_write("a.json", "{\"a\": 1,\n\"b\" 2}", 16);
	char *expected = mem_printf("%s:2:5: byte 13: not JSON: expected ':'", path);
	CHECK(!json_read(path, 100), "accepted");
	CHECK_STRING(error_text(), expected);
	CHECK(!json_read(path, 15), "a file beyond the limit was read");
	CHECK(strstr(error_text(), "16 bytes, more than the 15 allowed here"), "%s", error_text());
	free(expected);
	free(path);
}

/* --- damage --- */

/* Every byte of a valid text replaced by a few others, cut short, and many random pairs: refused or a value that can be
 * written and read again, never a crash. */
static void try_damaged(const char *text, size_t length)
{
	cJSON *value = parse(text, length, NULL);
	if (!value) {
		CHECK(strncmp(error_text(), "t:", 2) == 0, "%s", error_text());
		return;
	}
	struct strbuf once, twice;
	strbuf_init(&once);
	strbuf_init(&twice);
	json_canonical(&once, value);
	cJSON *back = parse_text(once.s);
	CHECK(back, "%s became %s: %s", text, once.s, error_text());
	if (back)
		json_canonical(&twice, back);
	CHECK_STRING(twice.s, once.s);
	cJSON_Delete(back);
	cJSON_Delete(value);
	strbuf_release(&once);
	strbuf_release(&twice);
}

static void test_damage(void)
{
	static const char good[] =
		"{\"a\": [1, -2.5e3, true, null], \"\xc3\xa9\\u20ac\\ud83d\\ude00\": {\"b\\n\": \"x\"}, \"c\": 0.1}";
	static const char others[] = {0, '"', '\\', '{', '}', '[', ']', ',', ':', '-', '0', 'e', 'u', '\n', '\x80',
		'\xff'};
	char text[sizeof good];
	size_t length = sizeof good - 1;
	for (size_t at = 0; at < length; at++) {
		for (size_t i = 0; i < sizeof others; i++) {
			memcpy(text, good, sizeof good);
			text[at] = others[i];
			try_damaged(text, length);
		}
		try_damaged(good, at);
	}
	uint32_t state = 12345;
	for (int i = 0; i < 20000; i++) {
		memcpy(text, good, sizeof good);
		for (int k = 0; k < 2; k++) {
			state = state * 1664525u + 1013904223u;
			text[(state >> 8) % length] = (char)(state >> 24);
		}
		try_damaged(text, length);
	}
}

int main(void)
{
	TEST(test_refused);
	TEST(test_nul_bytes);
	TEST(test_escapes_of_no_character);
	TEST(test_numbers_out_of_range);
	TEST(test_duplicates);
	TEST(test_depth);
	TEST(test_integers_only);
	TEST(test_canonical);
	TEST(test_canonical_is_stable);
	TEST(test_pretty);
	TEST(test_numbers);
	TEST(test_shortest);
	TEST(test_members);
	TEST(test_read);
	TEST(test_damage);
	return check_done();
}
