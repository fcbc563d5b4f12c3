#include "tokenizer/calib_tokens.h"

#include <assert.h>
#include <stdlib.h>

#include "common/error.h"
#include "common/memory.h"
#include "common/progress.h"

enum { CAPTIONS_A_STEP = 256 };   /* one takes microseconds */

/* Appends one caption to ids, cut to max_tokens. */
static int encode_caption(struct calib_tokens *c, struct token_ids *ids, const struct tokenizer *tokenizer,
	const struct caption *caption, const char *path, size_t max_tokens)
{
	size_t before = ids->count;
	if (tokenizer_encode(tokenizer, caption->text, caption->length, ids))
		return fail_context("%s:%zu", path, caption->line);
	assert(ids->count > before);
	if (ids->count - before > max_tokens) {
		ids->count = before + max_tokens;
		c->truncated++;
	}
	if (ids->count > INT32_MAX)
		return fail("%s:%zu: more than %d tokens in all captions", path, caption->line, INT32_MAX);
	return 0;
}

int calib_tokens_encode(struct calib_tokens *c, const struct tokenizer *tokenizer, const struct captions *captions,
	const char *path, size_t max_tokens)
{
	struct token_ids ids = {0};
	assert(max_tokens);
	*c = (struct calib_tokens){.start = mem_array(captions->count + 1, sizeof *c->start)};
	c->start[0] = 0;
	for (size_t i = 0; i < captions->count; i++) {
		if (i % CAPTIONS_A_STEP == 0)
			progress_step("caption", i, captions->count);
		if (encode_caption(c, &ids, tokenizer, &captions->item[i], path, max_tokens)) {
			token_ids_release(&ids);
			calib_tokens_release(c);
			return -1;
		}
		c->start[i + 1] = (int32_t)ids.count;
	}
	c->ids = ids.ids;
	c->tokens = ids.count;
	c->sequences = captions->count;
	return 0;
}

void calib_tokens_release(struct calib_tokens *c)
{
	free(c->ids);
	free(c->start);
	*c = (struct calib_tokens){0};
}
