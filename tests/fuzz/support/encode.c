#include "fuzz/support/encode.h"

#include "fuzz/support/input.h"

/* Pieces short and long (bpe.c merges them in two ways), marks to reorder, NUL, added tokens of the seeds. */
static const char texts[][120] = {
	"a cat, the other cat's 12 hats\r\n\r\n  and <|im_end|><|im_start|>more<|im_end|>",
	"in\xcc\x81\xcc\xa3 caf\xc3\xa9 \xe4\xb8\xad\xe6\x96\x87\xf0\x9f\x90\x88\0nul",
	"thethethethethethethethethethethethethethethethethethethethethethetheininininininininininininin",
};

void encode_texts(const struct tokenizer *t)
{
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct token_ids ids = {0};
		PROMISE(!tokenizer_encode(t, texts[i], sizeof texts[i], &ids));
		for (size_t k = 0; k < ids.count; k++)
			PROMISE(ids.ids[k] >= 0 && (uint32_t)ids.ids[k] < tokenizer_id_limit(t));
		token_ids_release(&ids);
	}
}
