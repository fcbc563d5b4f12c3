/* merges.txt, tokenizer_config.json and vocab.json, cut from the input at NUL bytes in this order:
 * tokenizer/tokenizer.h. Without the last part the vocabulary is that of the single bytes, so that the others are
 * reached by small inputs. */
#include <stdlib.h>

#include "common/strbuf.h"
#include "fuzz/support/encode.h"
#include "fuzz/support/input.h"

/* The bytes as GPT-2 spells them, 0 to 255: printable ones stand for themselves, the others come from U+0100 on. */
static void add_alphabet(struct strbuf *to)
{
	unsigned other = 0x100;
	for (unsigned byte = 0; byte < 256; byte++) {
		int plain = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
		unsigned c = plain ? byte : other++;
		strbuf_addf(to, "%s\"", byte ? "," : "{");
		if (c == '"' || c == '\\')
			strbuf_addc(to, '\\');
		if (c >= 0x80)
			strbuf_addc(to, (char)(0xc0 | c >> 6));
		strbuf_addc(to, (char)(c >= 0x80 ? 0x80 | (c & 0x3f) : c));
		strbuf_addf(to, "\":%u", byte);
	}
	strbuf_adds(to, ",\"in\":256,\"the\":257,\"th\":258,\"\xc4\xa0the\":259}");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input_part parts[INPUT_PARTS_MAX];
	struct strbuf alphabet;
	size_t count = input_cut(data, size, '\0', parts);
	const char *merges = input_file(0, parts[0].bytes, parts[0].length), *config = NULL, *vocab;
	strbuf_init(&alphabet);
	add_alphabet(&alphabet);
	if (count > 1 && parts[1].length)
		config = input_file(1, parts[1].bytes, parts[1].length);
	vocab = count > 2 ? input_file(2, parts[2].bytes, parts[2].length) : input_file(2, alphabet.s, alphabet.length);
	struct tokenizer *t = tokenizer_open_files(NULL, vocab, merges, config);
	if (t)
		encode_texts(t);
	tokenizer_close(t);
	strbuf_release(&alphabet);
	return 0;
}
