/* tokenizer.json: tokenizer/tokenizer.h. One that can be opened must encode. */
#include "fuzz/support/encode.h"
#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tokenizer *t = tokenizer_open_files(input_file(0, data, size), NULL, NULL, NULL);
	if (t)
		encode_texts(t);
	tokenizer_close(t);
	return 0;
}
