#include "tokenizer/tokenizer_files.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/strbuf.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/pretokenize.h"
#include "tokenizer/tokenizer_fields.h"

/* The largest published file takes 20 MB. */
enum { FILE_MAX = 64 << 20 };

/* The object token -> id. Goes through its members once: looking one up by name would walk a list of 150 thousand. */
static int read_vocabulary(struct tokenizer_parts *parts, const cJSON *object, const char *trail)
{
	struct strbuf bytes;
	const cJSON *item;
	int bad = 0;
	if (!cJSON_IsObject(object))
		return fail("%s must be an object of token: id", trail);
	strbuf_init(&bytes);
	parts->vocabulary = vocabulary_new();
	cJSON_ArrayForEach(item, object) {
		uint32_t id;
		bad = byte_alphabet_decode(item->string, strlen(item->string), &bytes)
			|| field_read_id(item, "", "its value", &id)
			|| vocabulary_add(parts->vocabulary, bytes.s, bytes.length, id);
		if (bad) {
			fail_context("%s: token \"%.200s\"", trail, item->string);
			break;
		}
	}
	strbuf_release(&bytes);
	if (bad)
		return -1;
	parts->bpe = bpe_new(parts->vocabulary);
	return parts->bpe ? 0 : fail_context("%s", trail);
}

static int add_merge(struct bpe *bpe, const char *left, size_t left_length, const char *right, size_t right_length,
	struct strbuf scratch[2])
{
	if (!left_length || !right_length)
		return fail("a merge is two tokens separated by one space");
	if (byte_alphabet_decode(left, left_length, &scratch[0]) || byte_alphabet_decode(right, right_length, &scratch[1]))
		return -1;
	return bpe_add_merge(bpe, scratch[0].s, scratch[0].length, scratch[1].s, scratch[1].length);
}

/* "LEFT RIGHT" with exactly one space. A space inside a token is written as another character. */
static int add_merge_line(struct bpe *bpe, const char *line, size_t length, struct strbuf scratch[2])
{
	const char *space = memchr(line, ' ', length);
	size_t left = space ? (size_t)(space - line) : length;
	if (!space || memchr(space + 1, ' ', length - left - 1))
		return fail("a merge is two tokens separated by one space");
	return add_merge(bpe, line, left, space + 1, length - left - 1, scratch);
}

static int add_merge_json(struct bpe *bpe, const cJSON *item, struct strbuf scratch[2])
{
	if (cJSON_IsString(item))
		return add_merge_line(bpe, item->valuestring, strlen(item->valuestring), scratch);
	const cJSON *left = cJSON_IsArray(item) ? item->child : NULL, *right = left ? left->next : NULL;
	if (!cJSON_IsString(left) || !cJSON_IsString(right) || right->next)
		return fail("must be \"LEFT RIGHT\" or [\"LEFT\", \"RIGHT\"]");
	return add_merge(bpe, left->valuestring, strlen(left->valuestring), right->valuestring,
		strlen(right->valuestring), scratch);
}

static int read_merges_json(struct bpe *bpe, const cJSON *array, const char *trail)
{
	struct strbuf scratch[2];
	const cJSON *item;
	size_t index = 0;
	int bad = 0;
	if (!cJSON_IsArray(array))
		return fail("%s must be an array", trail);
	strbuf_init(&scratch[0]);
	strbuf_init(&scratch[1]);
	cJSON_ArrayForEach(item, array) {
		bad = add_merge_json(bpe, item, scratch);
		if (bad) {
			char *text = field_found(item);
			fail_context("%s[%zu] %s", trail, index, text);
			free(text);
			break;
		}
		index++;
	}
	strbuf_release(&scratch[0]);
	strbuf_release(&scratch[1]);
	return bad;
}

/* One merge a line in the order of rank. Only a first line that begins with #version is a header: there are merges that
 * begin with '#'. Copies with CR LF exist. */
static int read_merges_text(struct bpe *bpe, const char *text, size_t length, const char *path)
{
	struct strbuf scratch[2];
	size_t at = 0, line = 0;
	int bad = 0;
	strbuf_init(&scratch[0]);
	strbuf_init(&scratch[1]);
	while (at < length && !bad) {
		const char *newline = memchr(text + at, '\n', length - at);
		size_t end = newline ? (size_t)(newline - text) : length, next = newline ? end + 1 : length;
		if (end > at && text[end - 1] == '\r')
			end--;
		line++;
		int header = line == 1 && end - at >= 8 && !memcmp(text + at, "#version", 8);
		int blank_end = end == at && next == length;
		if (!header && !blank_end)
			bad = add_merge_line(bpe, text + at, end - at, scratch);
		if (bad)
			fail_context("%s:%zu: merge \"%.*s\"", path, line, (int)(end - at < 200 ? end - at : 200), text + at);
		at = next;
	}
	strbuf_release(&scratch[0]);
	strbuf_release(&scratch[1]);
	return bad;
}

/* The flags of an added token: all that would look beyond its own bytes are refused. special matters to decoding only:
 * tokens with and without it are split off alike. */
static const struct field added_flags[] = {
	{"id", FIELD_ANY}, {"content", FIELD_NEEDED}, {"single_word", FIELD_FALSE}, {"lstrip", FIELD_FALSE},
	{"rstrip", FIELD_FALSE}, {"normalized", FIELD_FALSE}, {"special", FIELD_BOOL}, {"__type", FIELD_ANY},
};

static int add_added(struct tokenizer_parts *parts, const cJSON *entry, const char *trail, uint32_t id)
{
	if (FIELDS_CHECK(entry, trail, added_flags))
		return -1;
	const cJSON *content = cJSON_GetObjectItemCaseSensitive(entry, "content");
	if (!cJSON_IsString(content))
		return field_fail(trail, "content", "must be a string", content);
	if (added_tokens_add(parts->added, content->valuestring, strlen(content->valuestring), id))
		return fail_context("%scontent", trail);
	return 0;
}

/* An added token may stand in the vocabulary too, but only with the same id; no other token may have its id. */
static int check_added(struct tokenizer_parts *parts, const char *trail)
{
	if (added_tokens_finish(parts->added))
		return fail_context("%s", trail);
	for (size_t i = 0; i < added_tokens_count(parts->added); i++) {
		size_t length, owner_length;
		uint32_t id;
		const char *content = added_tokens_get(parts->added, i, &length, &id);
		uint32_t found = vocabulary_find(parts->vocabulary, content, length);
		if (found != VOCABULARY_NONE && found != id)
			return fail("%s: \"%s\" has id %u here and %u in the vocabulary", trail, content, id, found);
		if (found == VOCABULARY_NONE && vocabulary_bytes(parts->vocabulary, id, &owner_length))
			return fail("%s: the id %u of \"%s\" belongs to a token of the vocabulary", trail, id, content);
	}
	return 0;
}

static int read_added_json(struct tokenizer_parts *parts, const cJSON *array, const char *trail)
{
	const cJSON *entry;
	size_t index = 0;
	int bad = 0;
	if (array && !cJSON_IsArray(array))
		return fail("%s must be an array", trail);
	cJSON_ArrayForEach(entry, array) {
		uint32_t id = 0;
		char *member = mem_printf("%s[%zu].", trail, index++);
		bad = (cJSON_IsObject(entry) && field_read_id(cJSON_GetObjectItemCaseSensitive(entry, "id"), member, "id", &id))
			|| add_added(parts, entry, member, id);
		free(member);
		if (bad)
			return -1;
	}
	return check_added(parts, trail);
}

/* tokenizer_config.json keeps the id as the key of an entry. */
static int read_added_decoder(struct tokenizer_parts *parts, const cJSON *object, const char *trail)
{
	const cJSON *entry;
	if (object && !cJSON_IsObject(object))
		return fail("%s must be an object of id: token", trail);
	cJSON_ArrayForEach(entry, object) {
		size_t digits = strspn(entry->string, "0123456789");
		if (!digits || digits > 7 || entry->string[digits] || atol(entry->string) >= VOCABULARY_IDS_MAX)
			return fail("%s: key \"%.200s\" must be an id from 0 to %d", trail, entry->string,
				VOCABULARY_IDS_MAX - 1);
		char *member = mem_printf("%s.%s.", trail, entry->string);
		int bad = add_added(parts, entry, member, (uint32_t)atol(entry->string));
		free(member);
		if (bad)
			return -1;
	}
	return check_added(parts, trail);
}

static int check_pre_tokenizer(const cJSON *object)
{
	static const struct field sequence[] = {{"type", FIELD_NEEDED}, {"pretokenizers", FIELD_NEEDED}};
	static const struct field split[] = {
		{"type", FIELD_NEEDED}, {"pattern", FIELD_NEEDED}, {"behavior", FIELD_NEEDED}, {"invert", FIELD_FALSE}};
	static const struct field pattern[] = {{"Regex", FIELD_NEEDED}};
	static const struct field byte_level[] = {{"type", FIELD_NEEDED}, {"add_prefix_space", FIELD_FALSE},
		{"trim_offsets", FIELD_BOOL}, {"use_regex", FIELD_FALSE}};
	static const char first_at[] = "pre_tokenizer.pretokenizers[0].", second_at[] = "pre_tokenizer.pretokenizers[1].";
	if (FIELDS_CHECK(object, "pre_tokenizer.", sequence)
		|| field_check_string(object, "pre_tokenizer.", "type", "Sequence"))
		return -1;
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, "pretokenizers");
	if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != 2)
		return fail("pre_tokenizer.pretokenizers must be an array of two: Split and ByteLevel");
	const cJSON *first = list->child, *second = first->next;
	if (field_check_string(first, first_at, "type", "Split") || FIELDS_CHECK(first, first_at, split)
		|| field_check_string(first, first_at, "behavior", "Isolated"))
		return -1;
	const cJSON *regex = cJSON_GetObjectItemCaseSensitive(first, "pattern");
	if (FIELDS_CHECK(regex, "pre_tokenizer.pretokenizers[0].pattern.", pattern)
		|| field_check_string(regex, "pre_tokenizer.pretokenizers[0].pattern.", "Regex", PRETOKENIZE_PATTERN))
		return -1;
	if (field_check_string(second, second_at, "type", "ByteLevel") || FIELDS_CHECK(second, second_at, byte_level))
		return -1;
	return 0;
}

/* post_processor and decoder: absent, null, or of a type that leaves ids alone. */
static int check_harmless(const cJSON *top, const char *name)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(top, name);
	char *trail = mem_printf("%s.", name);
	int bad = value && !cJSON_IsNull(value) && field_check_string(value, trail, "type", "ByteLevel");
	free(trail);
	return bad ? -1 : 0;
}

static int check_model(const cJSON *model)
{
	static const struct field fields[] = {
		{"type", FIELD_NEEDED}, {"dropout", FIELD_NULL}, {"unk_token", FIELD_NULL},
		{"continuing_subword_prefix", FIELD_NULL_OR_EMPTY}, {"end_of_word_suffix", FIELD_NULL_OR_EMPTY},
		{"fuse_unk", FIELD_NULL_OR_FALSE}, {"byte_fallback", FIELD_NULL_OR_FALSE},
		{"ignore_merges", FIELD_NULL_OR_FALSE}, {"vocab", FIELD_NEEDED}, {"merges", FIELD_NEEDED},
	};
	return FIELDS_CHECK(model, "model.", fields) || field_check_string(model, "model.", "type", "BPE") ? -1 : 0;
}

/* Truncation and padding are the caller's business, whatever the file says. */
static int check_top(const cJSON *top)
{
	static const struct field fields[] = {
		{"version", FIELD_ANY}, {"truncation", FIELD_ANY}, {"padding", FIELD_ANY}, {"added_tokens", FIELD_ANY},
		{"normalizer", FIELD_NEEDED}, {"pre_tokenizer", FIELD_NEEDED}, {"post_processor", FIELD_ANY},
		{"decoder", FIELD_ANY}, {"model", FIELD_NEEDED},
	};
	static const struct field normalizer_fields[] = {{"type", FIELD_NEEDED}};
	if (FIELDS_CHECK(top, "", fields))
		return -1;
	const cJSON *normalizer = cJSON_GetObjectItemCaseSensitive(top, "normalizer");
	if (FIELDS_CHECK(normalizer, "normalizer.", normalizer_fields)
		|| field_check_string(normalizer, "normalizer.", "type", "NFC")
		|| check_pre_tokenizer(cJSON_GetObjectItemCaseSensitive(top, "pre_tokenizer"))
		|| check_harmless(top, "post_processor") || check_harmless(top, "decoder"))
		return -1;
	return check_model(cJSON_GetObjectItemCaseSensitive(top, "model"));
}

static int read_top(struct tokenizer_parts *parts, const cJSON *top)
{
	if (check_top(top))
		return -1;
	const cJSON *model = cJSON_GetObjectItemCaseSensitive(top, "model");
	parts->added = added_tokens_new();
	if (read_vocabulary(parts, cJSON_GetObjectItemCaseSensitive(model, "vocab"), "model.vocab")
		|| read_merges_json(parts->bpe, cJSON_GetObjectItemCaseSensitive(model, "merges"), "model.merges"))
		return -1;
	return read_added_json(parts, cJSON_GetObjectItemCaseSensitive(top, "added_tokens"), "added_tokens");
}

int tokenizer_read_json(struct tokenizer_parts *parts, const char *path)
{
	cJSON *top = json_read(path, FILE_MAX);
	if (!top)
		return -1;
	int bad = read_top(parts, top);
	cJSON_Delete(top);
	return bad ? fail_context("%s", path) : 0;
}

/* vocab.json and merges.txt do not say what cuts the text; the configuration beside them names the class that does. */
static int read_config(struct tokenizer_parts *parts, const cJSON *top)
{
	if (!cJSON_IsObject(top))
		return fail("the file must be an object");
	const cJSON *class = cJSON_GetObjectItemCaseSensitive(top, "tokenizer_class");
	if (class && !(cJSON_IsString(class) && !strcmp(class->valuestring, "Qwen2TokenizerFast"))
		&& field_check_string(top, "", "tokenizer_class", "Qwen2Tokenizer"))
		return -1;
	static const char *const off[] = {"add_bos_token", "add_eos_token", "add_prefix_space"};
	for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
		const cJSON *value = cJSON_GetObjectItemCaseSensitive(top, off[i]);
		if (!cJSON_IsNull(value) && value && !cJSON_IsFalse(value))
			return field_fail("", off[i], "must be false", value);
	}
	return read_added_decoder(parts, cJSON_GetObjectItemCaseSensitive(top, "added_tokens_decoder"),
		"added_tokens_decoder");
}

static int read_vocab_file(struct tokenizer_parts *parts, const char *path)
{
	cJSON *top = json_read(path, FILE_MAX);
	if (!top)
		return -1;
	int bad = read_vocabulary(parts, top, path);
	cJSON_Delete(top);
	return bad;
}

static int read_merges_file(struct tokenizer_parts *parts, const char *path)
{
	char *text;
	size_t length;
	if (file_read(path, FILE_MAX, &text, &length))
		return -1;
	int bad = read_merges_text(parts->bpe, text, length, path);
	free(text);
	return bad;
}

int tokenizer_read_merges(struct tokenizer_parts *parts, const char *vocab_json, const char *merges_txt,
	const char *tokenizer_config)
{
	parts->added = added_tokens_new();
	if (read_vocab_file(parts, vocab_json) || read_merges_file(parts, merges_txt))
		return -1;
	if (!tokenizer_config)
		return added_tokens_finish(parts->added);
	cJSON *top = json_read(tokenizer_config, FILE_MAX);
	if (!top)
		return -1;
	int bad = read_config(parts, top);
	cJSON_Delete(top);
	return bad ? fail_context("%s", tokenizer_config) : 0;
}

void tokenizer_parts_release(struct tokenizer_parts *parts)
{
	bpe_free(parts->bpe);
	vocabulary_free(parts->vocabulary);
	added_tokens_free(parts->added);
	*parts = (struct tokenizer_parts){0};
}
