/* Which tokenizer files are taken, and what is said about the others. Each row edits one thing in good files. */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/strbuf.h"
#include "tokenizer/pretokenize.h"
#include "tokenizer/tokenizer.h"

static char dir[] = "/tmp/quantgrid-tokenizer-XXXXXX";

static char *in_dir(const char *name)
{
	return path_join(dir, name);
}

static void put(const char *name, const char *text, size_t length)
{
	char *path = in_dir(name);
	CHECK(!file_write(path, text, length), "%s", error_text());
	free(path);
}

static void drop(const char *name)
{
	char *path = in_dir(name);
	unlink(path);
	free(path);
}

/* The printable character of a byte. */
static void add_letter(struct strbuf *b, unsigned byte)
{
	int plain = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
	unsigned c = plain ? byte : byte <= 0x20 ? 0x100 + byte : byte == 0xad ? 0x143 : 0x121 + byte - 0x7f;
	if (byte == '"' || byte == '\\')
		strbuf_addc(b, '\\');
	if (c < 0x80) {
		strbuf_addc(b, (char)c);
	} else {
		strbuf_addc(b, (char)(0xc0 | c >> 6));
		strbuf_addc(b, (char)(0x80 | (c & 63)));
	}
}

/* Bytes have their own numbers as ids; then "he" 300, "ll" 301, "hell" 302, " #" 303, "#v" 304, "##" 305. */
static void add_vocabulary(struct strbuf *b)
{
	strbuf_adds(b, "{");
	for (unsigned i = 0; i < 256; i++) {
		strbuf_adds(b, "\"");
		add_letter(b, i);
		strbuf_addf(b, "\": %u, ", i);
	}
	strbuf_adds(b, "\"he\": 300, \"ll\": 301, \"hell\": 302, \"\\u0120#\": 303, \"#v\": 304, \"##\": 305}");
}

#define FLAGS "\"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": true"
#define MERGES \
	"[[\"h\", \"e\"], [\"l\", \"l\"], [\"he\", \"ll\"], [\"\\u0120\", \"#\"], [\"#\", \"v\"], [\"#\", \"#\"]]"

static cJSON *good_json(void)
{
	struct strbuf b;
	strbuf_init(&b);
	strbuf_adds(&b, "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"added_tokens\": ["
		"{\"id\": 400, \"content\": \"<x>\", " FLAGS "}, {\"id\": 401, \"content\": \"<y>\", " FLAGS "}], "
		"\"normalizer\": {\"type\": \"NFC\"}, \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": ["
		"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"x\"}, \"behavior\": \"Isolated\", \"invert\": false}, "
		"{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": false}]}, "
		"\"post_processor\": null, \"decoder\": null, \"model\": {\"type\": \"BPE\", \"dropout\": null, "
		"\"unk_token\": null, \"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, "
		"\"fuse_unk\": false, \"byte_fallback\": false, \"ignore_merges\": false, \"merges\": " MERGES ", \"vocab\": ");
	add_vocabulary(&b);
	strbuf_adds(&b, "}}");
	cJSON *top = json_parse(b.s, b.length, "good", NULL);
	CHECK(top, "%s", error_text());
	cJSON *split = cJSON_GetArrayItem(cJSON_GetObjectItem(cJSON_GetObjectItem(top, "pre_tokenizer"), "pretokenizers"), 0);
	cJSON_ReplaceItemInObject(cJSON_GetObjectItem(split, "pattern"), "Regex", cJSON_CreateString(PRETOKENIZE_PATTERN));
	strbuf_release(&b);
	return top;
}

/* Replaces or adds the member at a path joined by '/'; value NULL deletes it. */
static void edit(cJSON *top, const char *path, const char *value)
{
	char name[64];
	cJSON *at = top;
	for (const char *slash; (slash = strchr(path, '/')); path = slash + 1) {
		snprintf(name, sizeof name, "%.*s", (int)(slash - path), path);
		at = cJSON_IsArray(at) ? cJSON_GetArrayItem(at, atoi(name)) : cJSON_GetObjectItemCaseSensitive(at, name);
	}
	cJSON *item = value ? cJSON_Parse(value) : NULL;
	CHECK(at && (item || !value), "the row itself is wrong: %s", path);
	if (cJSON_IsArray(at) && item)
		cJSON_ReplaceItemInArray(at, atoi(path), item);
	else if (cJSON_IsArray(at))
		cJSON_DeleteItemFromArray(at, atoi(path));
	else if (!item)
		cJSON_DeleteItemFromObjectCaseSensitive(at, path);
	else if (!cJSON_ReplaceItemInObjectCaseSensitive(at, path, item))
		cJSON_AddItemToObject(at, path, item);
}

/* Opens dir and compares: with message NULL it must open and encode "hello<x>" as ids, else fail so. */
static void check_opens(const char *row, const char *message, const char *expected_ids)
{
	struct tokenizer *t = tokenizer_open(dir);
	if (message) {
		CHECK(!t, "%s: was taken", row);
		CHECK(t || strstr(error_text(), message), "%s: \"%s\" lacks \"%s\"", row, error_text(), message);
		CHECK(t || strstr(error_text(), dir), "%s: \"%s\" names no file", row, error_text());
		tokenizer_close(t);
		return;
	}
	CHECK(t, "%s: %s", row, error_text());
	if (!t)
		return;
	struct token_ids ids = {0};
	struct strbuf b;
	strbuf_init(&b);
	CHECK(!tokenizer_encode(t, "hello<x>", 8, &ids), "%s", error_text());
	for (size_t i = 0; i < ids.count; i++)
		strbuf_addf(&b, "%s%d", i ? " " : "", ids.ids[i]);
	CHECK(!strcmp(b.s, expected_ids), "%s: \"%s\", expected \"%s\"", row, b.s, expected_ids);
	strbuf_release(&b);
	token_ids_release(&ids);
	tokenizer_close(t);
}

#define SPLIT "pre_tokenizer/pretokenizers/0/"
#define BYTES "pre_tokenizer/pretokenizers/1/"

static const struct {
	const char *path, *value, *message; /* message NULL: the file is good */
} json_rows[] = {
	{"version", "\"1.0\"", NULL},
	{"version", NULL, NULL},
	{"truncation", "{\"max_length\": 3}", NULL},
	{"padding", "{\"strategy\": \"BatchLongest\"}", NULL},
	{"post_processor", "{\"type\": \"ByteLevel\", \"trim_offsets\": false}", NULL},
	{"decoder", "{\"type\": \"ByteLevel\"}", NULL},
	{"post_processor", NULL, NULL},
	{"model/dropout", NULL, NULL},
	{"model/unk_token", NULL, NULL},
	{"model/continuing_subword_prefix", "\"\"", NULL},
	{"model/end_of_word_suffix", "\"\"", NULL},
	{"model/ignore_merges", NULL, NULL},
	{"model/fuse_unk", NULL, NULL},
	{"model/byte_fallback", NULL, NULL},
	{"added_tokens/0/special", "false", NULL},
	{BYTES "trim_offsets", "false", NULL},
	{"model/merges", "[\"h e\", \"l l\", \"he ll\"]", NULL},
	{"model/merges", "[\"h e\", [\"l\", \"l\"], \"he ll\", \"\\u0120 #\"]", NULL},
	{"model/vocab/unused", "2097151", NULL},

	{"added_token", "[]", "added_token is not a field this tokenizer knows; did you mean added_tokens?"},
	{"normalizer", NULL, "normalizer is needed, found nothing"},
	{"normalizer", "null", "normalizer must be an object, found null"},
	{"normalizer/type", "\"NFKC\"", "normalizer.type must be \"NFC\", found \"NFKC\""},
	{"normalizer", "{\"type\": \"Sequence\", \"normalizers\": []}", "normalizer.normalizers is not a field"},
	{"pre_tokenizer", NULL, "pre_tokenizer is needed"},
	{"pre_tokenizer", "null", "pre_tokenizer must be an object"},
	{"pre_tokenizer/type", "\"ByteLevel\"", "pre_tokenizer.type must be \"Sequence\""},
	{"pre_tokenizer/pretokenizers/0", NULL, "pre_tokenizer.pretokenizers must be an array of two"},
	{"pre_tokenizer/pretokenizers", "{}", "pre_tokenizer.pretokenizers must be an array of two"},
	{"pre_tokenizer/pretokenizers/0", "3", "pre_tokenizer.pretokenizers[0].type must be \"Split\""},
	{SPLIT "type", "\"Digits\"", "pre_tokenizer.pretokenizers[0].type must be \"Split\", found \"Digits\""},
	{SPLIT "behavior", "\"Removed\"", "pre_tokenizer.pretokenizers[0].behavior must be \"Isolated\""},
	{SPLIT "invert", "true", "pre_tokenizer.pretokenizers[0].invert must be false, found true"},
	{SPLIT "invert", NULL, "pre_tokenizer.pretokenizers[0].invert must be false, found nothing"},
	{SPLIT "pattern", "{\"String\": \" \"}", "pre_tokenizer.pretokenizers[0].pattern.String is not a field"},
	{SPLIT "pattern/Regex", "\"\\\\p{N}{1,3}\"", "pre_tokenizer.pretokenizers[0].pattern.Regex must be \"(?i:'s|'t|"},
	{BYTES "type", "\"Metaspace\"", "pre_tokenizer.pretokenizers[1].type must be \"ByteLevel\""},
	{BYTES "add_prefix_space", "true", "pre_tokenizer.pretokenizers[1].add_prefix_space must be false, found true"},
	{BYTES "add_prefix_space", NULL, "pre_tokenizer.pretokenizers[1].add_prefix_space must be false, found nothing"},
	{BYTES "use_regex", "true", "pre_tokenizer.pretokenizers[1].use_regex must be false"},
	{BYTES "use_regex", NULL, "pre_tokenizer.pretokenizers[1].use_regex must be false"},
	{BYTES "trim_offsets", "1", "pre_tokenizer.pretokenizers[1].trim_offsets must be true or false"},
	{"post_processor", "{\"type\": \"TemplateProcessing\"}", "post_processor.type must be \"ByteLevel\""},
	{"decoder", "{\"type\": \"WordPiece\"}", "decoder.type must be \"ByteLevel\", found \"WordPiece\""},

	{"model", NULL, "model is needed"},
	{"model/type", "\"Unigram\"", "model.type must be \"BPE\", found \"Unigram\""},
	{"model/dropout", "0.1", "model.dropout must be null, found 0.1"},
	{"model/unk_token", "\"<unk>\"", "model.unk_token must be null, found \"<unk>\""},
	{"model/continuing_subword_prefix", "\"##\"", "model.continuing_subword_prefix must be null or \"\""},
	{"model/end_of_word_suffix", "\"</w>\"", "model.end_of_word_suffix must be null or \"\", found \"</w>\""},
	{"model/fuse_unk", "true", "model.fuse_unk must be false"},
	{"model/byte_fallback", "true", "model.byte_fallback must be false"},
	{"model/ignore_merges", "true", "model.ignore_merges must be false"},
	{"model/ignore_merge", "true", "model.ignore_merge is not a field this tokenizer knows; did you mean ignore_merges?"},
	{"model/vocab", "[]", "model.vocab must be an object"},
	{"model/vocab", "{}", "model.vocab: no token for the single byte 0x00"},
	{"model/vocab/a", NULL, "model.vocab: no token for the single byte 0x61"},
	{"model/vocab/he", "-1", "model.vocab: token \"he\": its value must be an id from 0 to 2097151, found -1"},
	{"model/vocab/he", "1.5", "token \"he\": its value must be an id"},
	{"model/vocab/he", "2097152", "token \"he\": its value must be an id"},
	{"model/vocab/he", "1e300", "token \"he\": its value must be an id"},
	{"model/vocab/he", "\"300\"", "token \"he\": its value must be an id from 0 to 2097151, found \"300\""},
	{"model/vocab/he", "301", "token \"ll\": id 301 belongs to another token already"},
	{"model/vocab/he", NULL, "model.merges[0] [\"h\",\"e\"]: the joined token is not in the vocabulary"},
	{"model/vocab/a b", "310", "token \"a b\": U+0020 is not a character of the byte-level alphabet"},
	{"model/vocab/\u65e5", "310", "token \"\u65e5\": U+65E5 is not a character"},
	{"model/merges", NULL, "model.merges is needed"},
	{"model/merges", "{}", "model.merges must be an array"},
	{"model/merges/1", "\"l\"", "model.merges[1] \"l\": a merge is two tokens separated by one space"},
	{"model/merges/1", "\"l  l\"", "model.merges[1] \"l  l\": a merge is two tokens"},
	{"model/merges/1", "\"l l l\"", "model.merges[1] \"l l l\": a merge is two tokens"},
	{"model/merges/1", "\" ll\"", "model.merges[1] \" ll\": a merge is two tokens"},
	{"model/merges/1", "[\"l\"]", "model.merges[1] [\"l\"]: must be"},
	{"model/merges/1", "[\"l\", \"l\", \"l\"]", "model.merges[1] [\"l\",\"l\",\"l\"]: must be"},
	{"model/merges/1", "[\"l\", 3]", "model.merges[1] [\"l\",3]: must be"},
	{"model/merges/1", "7", "model.merges[1] 7: must be \"LEFT RIGHT\" or [\"LEFT\", \"RIGHT\"]"},
	{"model/merges/1", "[\"h\", \"e\"]", "model.merges[1] [\"h\",\"e\"]: the same merge is there already, with rank 0"},
	{"model/merges/1", "[\"zz\", \"e\"]", "model.merges[1] [\"zz\",\"e\"]: the left part is not in the vocabulary"},
	{"model/merges/1", "[\"e\", \"zz\"]", "the right part is not in the vocabulary"},
	{"model/merges/1", "[\"\", \"e\"]", "a merge is two tokens"},
	{"model/merges/1", "[\"a b\", \"e\"]", "U+0020 is not a character"},

	{"added_tokens", "{}", "added_tokens must be an array"},
	{"added_tokens/1", "\"<y>\"", "added_tokens[1] must be an object, found \"<y>\""},
	{"added_tokens/1/id", NULL, "added_tokens[1].id must be an id from 0 to 2097151, found nothing"},
	{"added_tokens/1/id", "-4", "added_tokens[1].id must be an id"},
	{"added_tokens/1/id", "400", "added_tokens: the added tokens"},
	{"added_tokens/1/id", "301", "added_tokens: the id 301 of \"<y>\" belongs to a token of the vocabulary"},
	{"added_tokens/1/content", NULL, "added_tokens[1].content is needed"},
	{"added_tokens/1/content", "5", "added_tokens[1].content must be a string, found 5"},
	{"added_tokens/1/content", "\"\"", "added_tokens[1].content: an added token of 0 bytes"},
	{"added_tokens/1/content", "\"<x>\"", "added_tokens: the added token \"<x>\" is there twice, with ids"},
	{"added_tokens/1/content", "\"hell\"", "added_tokens: \"hell\" has id 401 here and 302 in the vocabulary"},
	{"added_tokens/1/lstrip", "true", "added_tokens[1].lstrip must be false, found true"},
	{"added_tokens/1/rstrip", "true", "added_tokens[1].rstrip must be false, found true"},
	{"added_tokens/1/single_word", "true", "added_tokens[1].single_word must be false, found true"},
	{"added_tokens/1/normalized", "true", "added_tokens[1].normalized must be false, found true"},
	{"added_tokens/1/normalized", NULL, "added_tokens[1].normalized must be false, found nothing"},
	{"added_tokens/1/special", "\"yes\"", "added_tokens[1].special must be true or false"},
	{"added_tokens/1/strip", "true", "added_tokens[1].strip is not a field this tokenizer knows; did you mean"},
};

static void test_json_fields(void)
{
	for (size_t i = 0; i < sizeof json_rows / sizeof *json_rows; i++) {
		cJSON *top = good_json();
		edit(top, json_rows[i].path, json_rows[i].value);
		char *text = cJSON_PrintUnformatted(top);
		put("tokenizer.json", text, strlen(text));
		check_opens(json_rows[i].path, json_rows[i].message, "302 111 400");
		free(text);
		cJSON_Delete(top);
	}
	drop("tokenizer.json");
}

static void test_json_text(void)
{
	static const struct {
		const char *text, *message;
	} table[] = {
		{"", "tokenizer.json:1:1: byte 0"},
		{"{", "tokenizer.json:1:2"},
		{"[]", "the file must be an object, found []"},
		{"{\"model\": {}, \"model\": {}}", "duplicate key \"model\""},
		{"{\"model\": {\"vocab\": {\"a\": 1, \"a\": 2}}}", "duplicate key \"a\""},
		{"{\"model\": \"\xff\"}", "not UTF-8"},
		{"{} x", "unexpected text after the JSON value"},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		put("tokenizer.json", table[i].text, strlen(table[i].text));
		check_opens(table[i].text, table[i].message, NULL);
	}
	drop("tokenizer.json");
}

/* Files with a byte changed or an end missing: most fail, some are good, none may do harm (sanitizers watch). */
static void test_damaged_json(void)
{
	cJSON *top = good_json();
	char *text = cJSON_PrintUnformatted(top);
	size_t length = strlen(text);
	uint64_t state = 0x5eed0004;
	size_t taken = 0;
	for (int i = 0; i < 600; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		size_t at = (size_t)(state >> 33) % length;
		char kept = text[at];
		text[at] = "\"{}[],:0\\x\xc4 "[(state >> 20) % 12];
		put("tokenizer.json", text, i % 3 ? length : at);
		struct tokenizer *t = tokenizer_open(dir);
		taken += t != NULL;
		tokenizer_close(t);
		text[at] = kept;
	}
	CHECK(taken < 300, "%zu of 600 damaged files were taken", taken);
	free(text);
	cJSON_Delete(top);
	drop("tokenizer.json");
}

/* An added token that the vocabulary holds too, with the same id, is still matched in raw text. */
static void test_added_token_in_vocabulary(void)
{
	cJSON *top = good_json();
	edit(top, "added_tokens/1/content", "\"ello\"");
	edit(top, "model/vocab/ello", "401");
	char *text = cJSON_PrintUnformatted(top);
	put("tokenizer.json", text, strlen(text));
	check_opens("ello", NULL, "104 401 400");
	free(text);
	cJSON_Delete(top);
	drop("tokenizer.json");
}

static void put_vocabulary(void)
{
	struct strbuf b;
	strbuf_init(&b);
	add_vocabulary(&b);
	put("vocab.json", b.s, b.length);
	strbuf_release(&b);
}

static void test_merges_text(void)
{
	static const struct {
		const char *text, *message, *ids;
	} table[] = {
		{"h e\nl l\nhe ll\n", NULL, "302 111 60 120 62"},
		{"h e\nl l\nhe ll", NULL, "302 111 60 120 62"},
		{"h e\r\nl l\r\nhe ll\r\n", NULL, "302 111 60 120 62"},
		{"h e\nl l\nhe ll\n\n", NULL, "302 111 60 120 62"},
		{"#version: 0.2\nh e\nl l\nhe ll\n", NULL, "302 111 60 120 62"},
		{"#version: 0.2\r\nh e\r\n", NULL, "300 108 108 111 60 120 62"},
		{"# #\n# v\nh e\n", NULL, "300 108 108 111 60 120 62"},
		{"l l\nhe ll\nh e\n", NULL, "302 111 60 120 62"},
		{"", NULL, "104 101 108 108 111 60 120 62"},
		{"h e\n#version: 0.2\n", "merges.txt:2: merge \"#version: 0.2\": the left part is not in the vocabulary", NULL},
		{"#v x\nh e\n", "merges.txt:1: merge \"#v x\": the joined token", NULL},
		{"h e\nl  l\n", "merges.txt:2: merge \"l  l\": a merge is two tokens separated by one space", NULL},
		{"h e\n\nl l\n", "merges.txt:2: merge \"\": a merge is two tokens", NULL},
		{"h e\n\n\n", "merges.txt:2: merge \"\": a merge is two tokens", NULL},
		{"h e \n", "merges.txt:1: merge \"h e \": a merge is two tokens", NULL},
		{"h\te\n", "merges.txt:1: merge \"h\te\": a merge is two tokens", NULL},
		{"h e\nh e\n", "merges.txt:2: merge \"h e\": the same merge is there already, with rank 0", NULL},
		{"h e\nl \xff\n", "merges.txt:2: merge \"l \xff\": not UTF-8 at byte 0", NULL},
		{"h e\r\r\n", "merges.txt:1: merge \"h e\r\": U+000D is not a character", NULL},
		{"\ufeffh e\n", "merges.txt:1: merge \"\ufeffh e\": U+FEFF is not a character", NULL},
	};
	put_vocabulary();
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		put("merges.txt", table[i].text, strlen(table[i].text));
		check_opens(table[i].text, table[i].message, table[i].ids);
	}
	put("merges.txt", "h e\nl \0\n", 8);
	check_opens("NUL", "merges.txt:2", NULL);
	drop("merges.txt");
	drop("vocab.json");
}

/* The first merge counts when there is no header. */
static void test_first_merge_counts(void)
{
	struct token_ids ids = {0};
	put_vocabulary();
	put("merges.txt", "\u0120 #\nh e\n", strlen("\u0120 #\nh e\n"));
	struct tokenizer *t = tokenizer_open(dir);
	CHECK(t && !tokenizer_encode(t, "a #", 3, &ids), "%s", error_text());
	CHECK(ids.count == 2 && ids.ids[1] == 303, "%zu ids", ids.count);
	token_ids_release(&ids);
	tokenizer_close(t);
	drop("merges.txt");
	drop("vocab.json");
}

static void test_config(void)
{
	static const struct {
		const char *text, *message, *ids;
	} table[] = {
		{"{}", NULL, "302 111 60 120 62"},
		{"{\"added_tokens_decoder\": {\"400\": {\"content\": \"<x>\", " FLAGS "}}}", NULL, "302 111 400"},
		{"{\"tokenizer_class\": \"Qwen2Tokenizer\", \"add_bos_token\": false, \"model_max_length\": 9}", NULL,
			"302 111 60 120 62"},
		{"{\"tokenizer_class\": \"Qwen2TokenizerFast\", \"add_prefix_space\": null}", NULL, "302 111 60 120 62"},
		{"[]", "the file must be an object", NULL},
		{"{\"tokenizer_class\": \"GPT2Tokenizer\"}", "tokenizer_class must be \"Qwen2Tokenizer\", found \"GPT2Tokenizer\"",
			NULL},
		{"{\"add_bos_token\": true}", "add_bos_token must be false, found true", NULL},
		{"{\"add_eos_token\": true}", "add_eos_token must be false, found true", NULL},
		{"{\"add_prefix_space\": true}", "add_prefix_space must be false, found true", NULL},
		{"{\"added_tokens_decoder\": []}", "added_tokens_decoder must be an object", NULL},
		{"{\"added_tokens_decoder\": {\"4x\": {}}}", "added_tokens_decoder: key \"4x\" must be an id", NULL},
		{"{\"added_tokens_decoder\": {\"\": {}}}", "added_tokens_decoder: key \"\" must be an id", NULL},
		{"{\"added_tokens_decoder\": {\"9999999\": {}}}", "key \"9999999\" must be an id", NULL},
		{"{\"added_tokens_decoder\": {\"99999999999999999999\": {}}}", "must be an id", NULL},
		{"{\"added_tokens_decoder\": {\"400\": 3}}", "added_tokens_decoder.400 must be an object, found 3", NULL},
		{"{\"added_tokens_decoder\": {\"400\": {\"content\": \"<x>\"}}}",
			"added_tokens_decoder.400.single_word must be false, found nothing", NULL},
		{"{\"added_tokens_decoder\": {\"101\": {\"content\": \"<x>\", " FLAGS "}}}",
			"the id 101 of \"<x>\" belongs to a token of the vocabulary", NULL},
		{"{\"added_tokens_decoder\": {\"400\": {\"content\": \"<x>\", " FLAGS "}, \"0400\": {\"content\": \"<y>\", "
			FLAGS "}}}", "share the id 400", NULL},
	};
	put_vocabulary();
	put("merges.txt", "h e\nl l\nhe ll\n", 14);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		put("tokenizer_config.json", table[i].text, strlen(table[i].text));
		check_opens(table[i].text, table[i].message, table[i].ids);
	}
	drop("tokenizer_config.json");
	drop("merges.txt");
	drop("vocab.json");
}

static void check_names(const char *expected)
{
	const char *names[TOKENIZER_FILES_MAX];
	size_t count;
	struct strbuf b;
	strbuf_init(&b);
	if (tokenizer_files(dir, names, &count)) {
		const char *colon = strstr(error_text(), ": ");
		strbuf_adds(&b, colon ? colon + 2 : error_text());
	}
	for (size_t i = 0; i < count; i++)
		strbuf_addf(&b, "%s%s", i ? " " : "", names[i]);
	CHECK_STRING(b.s, expected);
	strbuf_release(&b);
}

static void test_which_files(void)
{
	check_names("no tokenizer here: neither tokenizer.json nor vocab.json with merges.txt");
	CHECK(!tokenizer_open(dir) && strstr(error_text(), "no tokenizer here"), "%s", error_text());
	put("merges.txt", "", 0);
	check_names("no tokenizer.json, and merges.txt without vocab.json");
	put("vocab.json", "{}", 2);
	check_names("vocab.json merges.txt");
	put("tokenizer_config.json", "{}", 2);
	check_names("vocab.json merges.txt tokenizer_config.json");
	put("tokenizer.json", "{}", 2);
	check_names("tokenizer.json");
	drop("merges.txt");
	drop("tokenizer.json");
	check_names("no tokenizer.json, and vocab.json without merges.txt");
	drop("vocab.json");
	drop("tokenizer_config.json");
}

int main(void)
{
	if (!mkdtemp(dir)) {
		perror(dir);
		return 1;
	}
	TEST(test_json_fields);
	TEST(test_json_text);
	TEST(test_damaged_json);
	TEST(test_added_token_in_vocabulary);
	TEST(test_merges_text);
	TEST(test_first_merge_counts);
	TEST(test_config);
	TEST(test_which_files);
	rmdir(dir);
	return check_done();
}
