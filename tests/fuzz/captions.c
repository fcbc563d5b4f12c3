/* Captions and what becomes of each before it is encoded: tokenizer/captions.h, nfc.h, pretokenize.h. NFC of NFC is the
 * same, stays UTF-8, and no text grows more than threefold; pieces cover it. */
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "fuzz/support/input.h"
#include "tokenizer/captions.h"
#include "tokenizer/nfc.h"
#include "tokenizer/pretokenize.h"

static void check_caption(const struct caption *caption)
{
	size_t length, again_length;
	char *text = nfc(caption->text, caption->length, &length), *again = nfc(text, length, &again_length);
	PROMISE(length <= 3 * caption->length);
	PROMISE(utf8_valid_prefix(text, length) == length);
	PROMISE(again_length == length && !memcmp(again, text, length));
	for (size_t at = 0, end; at < length; at = end) {
		end = pretokenize_piece(text, length, at);
		PROMISE(end > at && end <= length);
	}
	free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct captions captions;
	if (captions_read(&captions, input_file(0, data, size), 100))
		return 0;
	for (size_t i = 0; i < captions.count; i++)
		check_caption(&captions.item[i]);
	captions_release(&captions);
	return 0;
}
