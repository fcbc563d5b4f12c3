/* Reads the files of a tokenizer. Private to tokenizer.c.
 *
 * A field that would change ids and has another value than the Qwen2 tokenizer's is an error that names it, and so is a
 * field that is not known: skipping it would give ids that are silently wrong.
 */
#ifndef QG_TOKENIZER_TOKENIZER_FILES_H
#define QG_TOKENIZER_TOKENIZER_FILES_H

#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/vocabulary.h"

struct tokenizer_parts {
	struct vocabulary *vocabulary;
	struct bpe *bpe;               /* borrows vocabulary */
	struct added_tokens *added;
};

/* Fill *parts, all zero before; after a failure it may be half filled. tokenizer_parts_release() frees either way. */
int tokenizer_read_json(struct tokenizer_parts *parts, const char *path);
int tokenizer_read_merges(struct tokenizer_parts *parts, const char *vocab_json, const char *merges_txt,
	const char *tokenizer_config);
void tokenizer_parts_release(struct tokenizer_parts *parts);

#endif
