/* What a tokenizer that could be opened must do with any text. Private to tests/fuzz. */
#ifndef QG_FUZZ_ENCODE_H
#define QG_FUZZ_ENCODE_H

#include "tokenizer/tokenizer.h"

/* Encodes some texts; every id is below the tokenizer's limit. */
void encode_texts(const struct tokenizer *t);

#endif
