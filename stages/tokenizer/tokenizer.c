#include "tokenizer/tokenizer.h"

#include <assert.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/utf8.h"
#include "tokenizer/nfc.h"
#include "tokenizer/pretokenize.h"
#include "tokenizer/tokenizer_files.h"

/* NFC makes no text more than three times as long in UTF-8, and a piece must stay below 2^31 bytes. */
_Static_assert(TOKENIZER_TEXT_MAX <= ((size_t)1 << 31) / 3, "a piece fits bpe_encode()");

struct tokenizer {
	struct tokenizer_parts parts;
	uint32_t id_limit;
};

static uint32_t id_limit_of(const struct tokenizer_parts *parts)
{
	uint32_t limit = vocabulary_id_limit(parts->vocabulary);
	for (size_t i = 0; i < added_tokens_count(parts->added); i++) {
		size_t length;
		uint32_t id;
		added_tokens_get(parts->added, i, &length, &id);
		if (id >= limit)
			limit = id + 1;
	}
	return limit;
}

struct tokenizer *tokenizer_open_files(const char *tokenizer_json, const char *vocab_json, const char *merges_txt,
	const char *tokenizer_config)
{
	assert(tokenizer_json || (vocab_json && merges_txt));
	struct tokenizer *t = mem_zeroed(1, sizeof *t);
	int bad = tokenizer_json ? tokenizer_read_json(&t->parts, tokenizer_json)
		: tokenizer_read_merges(&t->parts, vocab_json, merges_txt, tokenizer_config);
	if (bad) {
		tokenizer_close(t);
		return NULL;
	}
	t->id_limit = id_limit_of(&t->parts);
	return t;
}

static int file_in(const char *dir, const char *name)
{
	char *path = path_join(dir, name);
	int there = file_exists(path);
	free(path);
	return there;
}

int tokenizer_files(const char *dir, const char *names[TOKENIZER_FILES_MAX], size_t *count)
{
	*count = 0;
	if (file_in(dir, "tokenizer.json")) {
		names[(*count)++] = "tokenizer.json";
		return 0;
	}
	int vocabulary = file_in(dir, "vocab.json"), merges = file_in(dir, "merges.txt");
	if (!vocabulary && !merges)
		return fail("%s: no tokenizer here: neither tokenizer.json nor vocab.json with merges.txt", dir);
	if (!vocabulary || !merges)
		return fail("%s: no tokenizer.json, and %s without %s", dir, vocabulary ? "vocab.json" : "merges.txt",
			vocabulary ? "merges.txt" : "vocab.json");
	names[(*count)++] = "vocab.json";
	names[(*count)++] = "merges.txt";
	if (file_in(dir, "tokenizer_config.json"))
		names[(*count)++] = "tokenizer_config.json";
	return 0;
}

struct tokenizer *tokenizer_open(const char *dir)
{
	const char *names[TOKENIZER_FILES_MAX];
	char *path[TOKENIZER_FILES_MAX] = {0};
	size_t count;
	if (tokenizer_files(dir, names, &count))
		return NULL;
	for (size_t i = 0; i < count; i++)
		path[i] = path_join(dir, names[i]);
	struct tokenizer *t = count == 1 ? tokenizer_open_files(path[0], NULL, NULL, NULL)
		: tokenizer_open_files(NULL, path[0], path[1], path[2]);
	for (size_t i = 0; i < count; i++)
		free(path[i]);
	return t;
}

void tokenizer_close(struct tokenizer *t)
{
	if (!t)
		return;
	tokenizer_parts_release(&t->parts);
	free(t);
}

static void encode_pieces(const struct tokenizer *t, const char *text, size_t length, struct token_ids *out)
{
	for (size_t at = 0, end; at < length; at = end) {
		end = pretokenize_piece(text, length, at);
		bpe_encode(t->parts.bpe, text + at, end - at, out);
	}
}

/* A part of the text without added tokens. */
static void encode_part(const struct tokenizer *t, const char *text, size_t length, struct token_ids *out)
{
	if (nfc_is_plain(text, length)) {
		encode_pieces(t, text, length, out);
		return;
	}
	size_t composed_length;
	char *composed = nfc(text, length, &composed_length);
	encode_pieces(t, composed, composed_length, out);
	free(composed);
}

int tokenizer_encode(const struct tokenizer *t, const char *text, size_t length, struct token_ids *out)
{
	if (length > TOKENIZER_TEXT_MAX)
		return fail("a text of %zu bytes; at most %zu are allowed", length, TOKENIZER_TEXT_MAX);
	size_t valid = utf8_valid_prefix(text, length);
	if (valid != length)
		return fail("byte %zu: not UTF-8 (0x%02x)", valid, (unsigned char)text[valid]);
	for (size_t at = 0; at < length;) {
		size_t end = length;
		uint32_t id = 0;
		size_t match = added_tokens_find(t->parts.added, text, length, at, &end, &id);
		encode_part(t, text + at, match - at, out);
		if (match < length)
			token_ids_add(out, id);
		at = end;
	}
	return 0;
}

uint32_t tokenizer_id_limit(const struct tokenizer *t)
{
	return t->id_limit;
}
