/* Objects of kind lm: formats/lm.h. What was opened must make the object to write again. */
#include "formats/lm.h"
#include "fuzz/support/assemble.h"
#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lm read;
	struct object_writer writer;
	if (lm_open(&read, assemble_object("lm", data, size), NULL))
		return 0;
	lm_describe(&read, &writer);
	object_writer_release(&writer);
	lm_close(&read);
	return 0;
}
