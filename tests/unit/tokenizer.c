/* Ids of texts, against what the Hugging Face tokenizers library gives for them.
 *
 * tests/golden/tokenizer.jsonl: "demo" with the demo checkpoint, "qwen" with the Qwen vocabulary without added tokens.
 * tests/golden/tokenizer_added.jsonl: the Qwen vocabulary with the added tokens of qwen_tokenizer_config.json.
 * The Qwen vocabulary (4.5 MB) is not part of the project; what needs it is skipped where it is absent.
 */
#include "tokenizer/tokenizer.h"

#include <stdlib.h>

#include "check.h"
#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/pool.h"
#include "common/strbuf.h"

#define DEMO "models/qwen3_vl_demo/checkpoint/"
#define QWEN "../shared/data/qwen_tokenizer/"
#define GOLDEN "tests/golden/tokenizer.jsonl"
#define GOLDEN_ADDED "tests/golden/tokenizer_added.jsonl"

/* One line of a golden file. */
struct golden {
	struct strbuf text;
	cJSON *line;
};

/* json.h refuses \u0000, which texts here hold: it is read as U+F123, which they do not, and put back. */
static void golden_parse(struct golden *g, const char *line, size_t length)
{
	char *copy = mem_strndup(line, length);
	for (char *p = copy; (p = strstr(p, "\\u0000"));)
		memcpy(p, "\\uf123", 6);
	strbuf_init(&g->text);
	g->line = json_parse(copy, length, "golden", NULL);
	CHECK(g->line, "%s", error_text());
	const char *text = g->line ? json_string(g->line, "text", "golden") : NULL;
	for (; text && *text; text++) {
		if (!strncmp(text, "\uf123", 3)) {
			strbuf_addc(&g->text, '\0');
			text += 2;
		} else {
			strbuf_addc(&g->text, *text);
		}
	}
	free(copy);
}

/* Calls use for every line of a file; returns the number of lines. */
static size_t golden_each(const char *path, void (*use)(const struct golden *g, void *context), void *context)
{
	char *text;
	size_t length, lines = 0;
	if (file_read(path, (size_t)1 << 24, &text, &length)) {
		CHECK(0, "%s", error_text());
		return 0;
	}
	for (size_t at = 0; at < length; lines++) {
		const char *newline = memchr(text + at, '\n', length - at);
		size_t end = newline ? (size_t)(newline - text) : length;
		struct golden g;
		golden_parse(&g, text + at, end - at);
		use(&g, context);
		strbuf_release(&g.text);
		cJSON_Delete(g.line);
		at = end + 1;
	}
	free(text);
	return lines;
}

struct column {
	const struct tokenizer *tokenizer;
	const char *name;
};

static char *ids_text(const struct token_ids *ids)
{
	struct strbuf b;
	strbuf_init(&b);
	for (size_t i = 0; i < ids->count; i++)
		strbuf_addf(&b, "%s%d", i ? "," : "", ids->ids[i]);
	char *taken = strbuf_take(&b);
	strbuf_release(&b);
	return taken;
}

static char *encoded_text(const struct tokenizer *t, const char *text, size_t length)
{
	struct token_ids ids = {0};
	CHECK(!tokenizer_encode(t, text, length, &ids), "%s", error_text());
	char *out = ids_text(&ids);
	token_ids_release(&ids);
	return out;
}

static void check_line(const struct golden *g, void *context)
{
	const struct column *c = context;
	const cJSON *expected = g->line ? json_member(g->line, c->name, "golden") : NULL, *id;
	struct strbuf b;
	strbuf_init(&b);
	CHECK(expected, "%s", error_text());
	cJSON_ArrayForEach(id, expected)
		strbuf_addf(&b, "%s%d", b.length ? "," : "", id->valueint);
	char *found = encoded_text(c->tokenizer, g->text.s, g->text.length);
	CHECK(!strcmp(found, b.s), "\"%s\": %s, expected %s", g->text.s, found, b.s);
	free(found);
	strbuf_release(&b);
}

static void check_column(struct tokenizer *t, const char *path, const char *name, size_t lines)
{
	struct column c = {t, name};
	CHECK(t, "%s", error_text());
	if (!t)
		return;
	size_t n = golden_each(path, check_line, &c);
	CHECK(n == lines, "%s has %zu lines, expected %zu", path, n, lines);
	tokenizer_close(t);
}

static void test_demo_golden(void)
{
	check_column(tokenizer_open(DEMO), GOLDEN, "demo", 158);
}

static void test_demo_golden_by_vocab_and_merges(void)
{
	check_column(tokenizer_open_files(NULL, DEMO "vocab.json", DEMO "merges.txt", DEMO "tokenizer_config.json"), GOLDEN,
		"demo", 158);
}

static int qwen_absent(void)
{
	if (file_exists(QWEN "vocab.json"))
		return 0;
	check_skip(QWEN "vocab.json is absent");
	return 1;
}

static void test_qwen_golden(void)
{
	if (!qwen_absent())
		check_column(tokenizer_open(QWEN), GOLDEN, "qwen", 158);
}

static void test_qwen_golden_with_added_tokens(void)
{
	if (!qwen_absent())
		check_column(tokenizer_open_files(NULL, QWEN "vocab.json", QWEN "merges.txt",
			"tests/golden/qwen_tokenizer_config.json"), GOLDEN_ADDED, "qwen", 63);
}

static void test_id_limit(void)
{
	struct tokenizer *t = tokenizer_open(DEMO);
	CHECK(tokenizer_id_limit(t) == 945, "%u", tokenizer_id_limit(t));
	tokenizer_close(t);
	if (qwen_absent())
		return;
	t = tokenizer_open(QWEN);
	CHECK(tokenizer_id_limit(t) == 151643, "%u", tokenizer_id_limit(t));
	tokenizer_close(t);
}

/* Added tokens: 940 is <|im_end|>. The other ids are single bytes in the order of the alphabet. */
static void test_added_tokens(void)
{
	static const struct {
		const char *text, *ids;
	} table[] = {
		{"<|im_end|>", "940"},
		{"<|im_end|><|im_end|>", "940,940"},
		{"9<|im_end|>9", "24,940,24"},
		{" <|im_end|> ", "220,940,220"},
		{"  <|im_end|>  9", "220,220,940,220,220,24"},
		{"<|im_end|>\u0338", "940,136,116"},           /* no composition with '>' */
		{"<<|im_end|>>", "27,940,29"},
		{"\u00e9<|im_end|>\u00e9", "127,102,940,127,102"},
		{"e\u0301<|im_end|>e\u0301", "127,102,940,127,102"},
		{"", ""},
	};
	struct tokenizer *t = tokenizer_open(DEMO);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		char *found = encoded_text(t, table[i].text, strlen(table[i].text));
		CHECK(!strcmp(found, table[i].ids), "\"%s\": %s, expected %s", table[i].text, found, table[i].ids);
		free(found);
	}
	tokenizer_close(t);
}

static void test_bad_text(void)
{
	static const struct {
		const char *text;
		size_t length;
		const char *message;
	} table[] = {
		{"\xff", 1, "byte 0: not UTF-8 (0xff)"},
		{"abc\xc3", 4, "byte 3: not UTF-8 (0xc3)"},
		{"a\0\xed\xa0\x80", 5, "byte 2: not UTF-8 (0xed)"},
		{"<|im_end|>\xf5", 11, "byte 10: not UTF-8 (0xf5)"},
	};
	struct tokenizer *t = tokenizer_open(DEMO);
	struct token_ids ids = {0};
	token_ids_add(&ids, 7);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		CHECK(tokenizer_encode(t, table[i].text, table[i].length, &ids), "row %zu was taken", i);
		CHECK_STRING(error_text(), table[i].message);
	}
	CHECK(tokenizer_encode(t, "", TOKENIZER_TEXT_MAX + 1, &ids), "a text too long was taken");
	CHECK(ids.count == 1 && ids.ids[0] == 7, "the ids changed");
	CHECK(!tokenizer_encode(t, "7", 1, &ids) && ids.count == 2 && ids.ids[1] == 22, "ids are appended");
	token_ids_release(&ids);
	tokenizer_close(t);
}

/* A line of a million letters, and of a million combining marks. */
static void test_long_texts(void)
{
	enum { LENGTH = 1000000 };
	struct tokenizer *t = tokenizer_open(DEMO);
	struct token_ids ids = {0};
	char *text = mem_array(LENGTH, 1);
	memset(text, 'q', LENGTH);
	CHECK(!tokenizer_encode(t, text, LENGTH, &ids) && ids.count == LENGTH, "%zu ids", ids.count);
	for (size_t i = 0; i < LENGTH; i += 2)
		memcpy(text + i, i & 2 ? "\u0323" : "\u0307", 2);
	ids.count = 0;
	CHECK(!tokenizer_encode(t, text, LENGTH, &ids) && ids.count == LENGTH, "%zu ids", ids.count);
	token_ids_release(&ids);
	free(text);
	tokenizer_close(t);
}

struct shared {
	const struct tokenizer *tokenizer;
	const char *text;
	size_t length;
	struct token_ids ids[16];
};

static int encode_shared(void *context, size_t index, size_t worker)
{
	struct shared *s = context;
	(void)worker;
	return tokenizer_encode(s->tokenizer, s->text, s->length, &s->ids[index]);
}

/* One tokenizer, many threads, the same ids. */
static void test_threads(void)
{
	struct tokenizer *t = tokenizer_open(DEMO);
	char *text;
	struct shared s = {.tokenizer = t};
	CHECK(!file_read("models/qwen3_vl_demo/captions/captions_large.txt", 1 << 20, &text, &s.length), "%s", error_text());
	s.text = text;
	setenv("QUANTGRID_THREADS", "4", 1);
	CHECK(!pool_run(16, encode_shared, &s), "%s", error_text());
	for (size_t i = 1; i < 16; i++)
		CHECK(s.ids[i].count == s.ids[0].count
			&& !memcmp(s.ids[i].ids, s.ids[0].ids, s.ids[0].count * sizeof *s.ids[0].ids), "run %zu differs", i);
	for (size_t i = 0; i < 16; i++)
		token_ids_release(&s.ids[i]);
	free(text);
	tokenizer_close(t);
}

int main(void)
{
	TEST(test_demo_golden);
	TEST(test_demo_golden_by_vocab_and_merges);
	TEST(test_qwen_golden);
	TEST(test_qwen_golden_with_added_tokens);
	TEST(test_id_limit);
	TEST(test_added_tokens);
	TEST(test_bad_text);
	TEST(test_long_texts);
	TEST(test_threads);
	return check_done();
}
