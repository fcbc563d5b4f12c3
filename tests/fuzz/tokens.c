/* Objects of kind tokens: formats/tokens.h. What was opened must make the object to write again. */
#include "formats/tokens.h"
#include "fuzz/support/assemble.h"
#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tokens read;
	struct object_writer writer;
	if (tokens_open(&read, assemble_object("tokens", data, size), NULL))
		return 0;
	tokens_describe(&read, &writer);
	object_writer_release(&writer);
	tokens_close(&read);
	return 0;
}
