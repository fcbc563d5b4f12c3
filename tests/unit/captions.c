/* Reading captions, and turning them into calibration tokens. */
#include "tokenizer/captions.h"

#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/strbuf.h"
#include "tokenizer/calib_tokens.h"

static char dir[] = "/tmp/quantgrid-captions-XXXXXX";
static char *path;

static void put(const char *bytes, size_t length)
{
	CHECK(!file_write(path, bytes, length), "%s", error_text());
}

/* What was read, as "LINE:text;" with a limit on the samples. */
static char *read_as_text(const char *bytes, size_t length, size_t max_samples)
{
	struct captions c;
	struct strbuf b;
	strbuf_init(&b);
	put(bytes, length);
	if (captions_read(&c, path, max_samples)) {
		const char *message = error_text();
		size_t at = strlen(path);
		strbuf_addf(&b, "error%s", strncmp(message, path, at) ? message : message + at);
		char *taken = strbuf_take(&b);
		strbuf_release(&b);
		return taken;
	}
	for (size_t i = 0; i < c.count; i++) {
		strbuf_addf(&b, "%zu:", c.item[i].line);
		strbuf_add(&b, c.item[i].text, c.item[i].length);
		strbuf_addc(&b, ';');
	}
	captions_release(&c);
	char *taken = strbuf_take(&b);
	strbuf_release(&b);
	return taken;
}

static void test_reading(void)
{
	static const struct {
		const char *bytes;
		size_t max_samples;
		const char *expected;
	} table[] = {
		{"one\ntwo\n", 9, "1:one;2:two;"},
		{"one\ntwo", 9, "1:one;2:two;"},
		{"one\ntwo\nthree\n", 2, "1:one;2:two;"},
		{"\n\none\n \t\ntwo\n\n", 9, "3:one;5:two;"},
		{"one\r\ntwo\rthree\n\rfour", 9, "1:one;2:two;3:three;5:four;"},
		{"one\r\r\ntwo", 9, "1:one;3:two;"},
		{"  one  \n\ttwo words\v\f", 9, "1:one;2:two words;"},
		{"\u3000\u00a0one\u2003\u2028\n\xc2\x85\u1680two\u202f\u205f", 9, "1:one;2:two;"},
		{"\x1c\x1d\x1e\x1f one \x1f\x1c\n\x1c\n", 9, "1:one;"},
		{"\x1b one\x7f", 9, "1:\x1b one\x7f;"},
		{"\ufeff" "one\n\ufeff\n", 9, "1:\ufeff" "one;2:\ufeff;"},      /* a byte order mark is text */
		{"\u200bone\u180e", 9, "1:\u200bone\u180e;"},                     /* neither is white */
		{"a\u2028b\vc\n", 9, "1:a\u2028b\vc;"},                           /* no end of a line */
		{"\u65e5\u672c\u3000\n", 9, "1:\u65e5\u672c;"},
		{"", 9, "error: no captions: the file is empty"},
		{"\n", 9, "error: no captions: all of its 1 lines are blank"},
		{" \n\t\r\n\u3000", 9, "error: no captions: all of its 3 lines are blank"},
		{"one\n\xff", 9, "error:2:1: byte 4: not UTF-8 (0xff)"},
		{"one\n\u00e9\u65e5\xc3(\n", 1, "error:2:3: byte 9: not UTF-8 (0xc3)"}, /* also beyond the samples */
		{"a\r\nb\rc\xe9", 9, "error:3:2: byte 6: not UTF-8 (0xe9)"},
		{"\xed\xa0\x80", 9, "error:1:1: byte 0: not UTF-8 (0xed)"},
		{"one\n\n\xc0\xaf", 9, "error:3:1: byte 5: not UTF-8 (0xc0)"},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		char *found = read_as_text(table[i].bytes, strlen(table[i].bytes), table[i].max_samples);
		CHECK_STRING(found, table[i].expected);
		free(found);
	}
}

static void test_nul_is_text(void)
{
	struct captions c;
	put("a\0b\n\0\n", 6);
	CHECK(!captions_read(&c, path, 9), "%s", error_text());
	CHECK(c.count == 2 && c.item[0].length == 3 && c.item[1].length == 1, "%zu captions", c.count);
	captions_release(&c);
}

static void test_limits(void)
{
	size_t length = CAPTION_LINE_MAX + 3;
	char *text = mem_array(length, 1);
	memset(text, 'x', length);
	text[0] = 'a';
	text[1] = '\n';
	char *found = read_as_text(text, length, 9);
	CHECK_STRING(found, "error:2: a line of 16777217 bytes; at most 16777216 are allowed");
	free(found);
	found = read_as_text(text, length - 1, 1);
	CHECK_STRING(found, "1:a;");
	free(found);
	free(text);
}

static void test_missing_file(void)
{
	struct captions c;
	CHECK(captions_read(&c, "/nonexistent/captions.txt", 1) && strstr(error_text(), "/nonexistent/captions.txt"), "%s",
		error_text());
}

static const char checkpoint[] = "models/qwen3_vl_demo/checkpoint";

/* Ids of "word": the bytes' own ids in the demo vocabulary are those of the alphabet. */
static void test_calib_tokens(void)
{
	static const char text[] = "12345\n\n7\n<|im_end|>12\n";
	static const int32_t ids[] = {16, 17, 18, 22, 940, 16, 17}, start[] = {0, 3, 4, 7};
	struct tokenizer *t = tokenizer_open(checkpoint);
	struct captions captions;
	struct calib_tokens c;
	put(text, sizeof text - 1);
	CHECK(t && !captions_read(&captions, path, 9), "%s", error_text());
	CHECK(!calib_tokens_encode(&c, t, &captions, path, 3), "%s", error_text());
	CHECK(c.sequences == 3 && c.tokens == 7 && c.truncated == 1, "%zu sequences, %zu tokens, %zu truncated", c.sequences,
		c.tokens, c.truncated);
	CHECK(c.tokens == 7 && !memcmp(c.ids, ids, sizeof ids), "other ids");
	CHECK(c.sequences == 3 && !memcmp(c.start, start, sizeof start), "other boundaries");
	calib_tokens_release(&c);
	captions_release(&captions);
	tokenizer_close(t);
}

static void encode_file(struct calib_tokens *c, const struct tokenizer *t, const char *file, size_t max_samples)
{
	struct captions captions;
	CHECK(!captions_read(&captions, file, max_samples), "%s", error_text());
	CHECK(!calib_tokens_encode(c, t, &captions, file, 512), "%s", error_text());
	captions_release(&captions);
}

/* More captions only add tokens at the end. */
static void test_sizes_are_prefixes(void)
{
	struct tokenizer *t = tokenizer_open(checkpoint);
	struct calib_tokens small, medium;
	CHECK(t, "%s", error_text());
	encode_file(&small, t, "models/qwen3_vl_demo/captions/captions_small.txt", 16);
	encode_file(&medium, t, "models/qwen3_vl_demo/captions/captions_medium.txt", 128);
	CHECK(small.sequences == 16 && medium.sequences == 128, "%zu and %zu", small.sequences, medium.sequences);
	CHECK(!small.truncated && !medium.truncated, "%zu and %zu truncated", small.truncated, medium.truncated);
	CHECK(!memcmp(small.ids, medium.ids, small.tokens * sizeof *small.ids), "ids differ");
	CHECK(!memcmp(small.start, medium.start, 17 * sizeof *small.start), "boundaries differ");
	calib_tokens_release(&small);
	calib_tokens_release(&medium);
	tokenizer_close(t);
}

/* The ids that other software computed the golden scores from. */
static void test_golden_tokens(void)
{
	static const char golden[] = "tests/golden/demo_small.json";
	if (!file_exists(golden)) {
		check_skip("tests/golden/demo_small.json is absent");
		return;
	}
	cJSON *top = json_read(golden, (size_t)16 << 20);
	struct tokenizer *t = tokenizer_open(checkpoint);
	struct calib_tokens c;
	CHECK(top && t, "%s", error_text());
	encode_file(&c, t, "models/qwen3_vl_demo/captions/captions_small.txt", 16);
	const cJSON *sequence;
	size_t i = 0, at = 0;
	cJSON_ArrayForEach(sequence, cJSON_GetObjectItemCaseSensitive(top, "tokens")) {
		const cJSON *id;
		cJSON_ArrayForEach(id, sequence)
			CHECK(at < c.tokens && c.ids[at++] == id->valueint, "sequence %zu: expected %d", i, id->valueint);
		i++;
		CHECK(i <= c.sequences && (size_t)c.start[i] == at, "sequence %zu ends at %zu", i - 1, at);
	}
	CHECK(i == c.sequences, "%zu sequences, expected %zu", c.sequences, i);
	calib_tokens_release(&c);
	tokenizer_close(t);
	cJSON_Delete(top);
}

int main(void)
{
	if (!mkdtemp(dir)) {
		perror(dir);
		return 1;
	}
	path = path_join(dir, "captions.txt");
	TEST(test_reading);
	TEST(test_nul_is_text);
	TEST(test_limits);
	TEST(test_missing_file);
	TEST(test_calib_tokens);
	TEST(test_sizes_are_prefixes);
	TEST(test_golden_tokens);
	unlink(path);
	rmdir(dir);
	free(path);
	return check_done();
}
