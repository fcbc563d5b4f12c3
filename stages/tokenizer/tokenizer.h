/* The Qwen2 byte-level tokenizer, as Qwen2, Qwen2.5, Qwen3 and Qwen3-VL use it.
 *
 *     struct token_ids ids = {0};
 *     struct tokenizer *t = tokenizer_open("models/qwen3_vl_demo/checkpoint");
 *     if (!t || tokenizer_encode(t, text, length, &ids))
 *             return -1;
 *
 *     text -> split off added tokens (added_tokens.h) -> NFC of each part between (nfc.h)
 *          -> pieces (pretokenize.h) -> byte-pair merges (bpe.h) -> ids
 *
 * Nothing is put before or after a text, and the empty text has no ids. A combining mark right after an added token
 * does not combine with it, and no piece reaches across one.
 *
 * Known difference from the Hugging Face tokenizers library: its NFC tables are those of about Unicode 9, its classes
 * those of Unicode 16; here both are utf8proc's (unicode_version(): 15.0 in version 2.8). Only marks, letters and
 * digits assigned in between can come out differently.
 */
#ifndef QG_TOKENIZER_TOKENIZER_H
#define QG_TOKENIZER_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "tokenizer/token_ids.h"

/* Longest text that tokenizer_encode() takes, in bytes. */
#define TOKENIZER_TEXT_MAX ((size_t)1 << 29)

enum { TOKENIZER_FILES_MAX = 3 };

struct tokenizer;

/* Opens the tokenizer of a checkpoint folder: tokenizer.json if it is there, else vocab.json and merges.txt, with the
 * added tokens of tokenizer_config.json if that is there. NULL after fail() when a file is missing or damaged, or asks
 * for anything that this tokenizer does not do; the message names the file and the field. */
struct tokenizer *tokenizer_open(const char *dir);

/* The same from files named one by one. With tokenizer_json the others are not looked at; else vocab_json and
 * merges_txt are needed, and tokenizer_config may be NULL: no added tokens. */
struct tokenizer *tokenizer_open_files(const char *tokenizer_json, const char *vocab_json, const char *merges_txt,
	const char *tokenizer_config);
void tokenizer_close(struct tokenizer *t);

/* The names of the files in dir that tokenizer_open() would read, in the order it reads them. Fails when there is no
 * tokenizer in dir. The names are constants. */
int tokenizer_files(const char *dir, const char *names[TOKENIZER_FILES_MAX], size_t *count);

/* Appends the ids of a text, which may hold NUL. Fails when it is not UTF-8, naming the byte, or too long; *out is then
 * as it was. Any number of threads may encode with one tokenizer; the ids depend on the text alone. */
int tokenizer_encode(const struct tokenizer *t, const char *text, size_t length, struct token_ids *out);

/* One more than the largest id that can come out: a model needs at least as many embedding rows. */
uint32_t tokenizer_id_limit(const struct tokenizer *t);

#endif
