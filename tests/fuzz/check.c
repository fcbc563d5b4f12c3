/* Objects of kind check: formats/check.h. What was opened must make the object to write again. */
#include "formats/check.h"
#include "fuzz/support/assemble.h"
#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct check read;
	struct object_writer writer;
	if (check_open(&read, assemble_object("check", data, size), NULL))
		return 0;
	check_describe(&read, &writer);
	object_writer_release(&writer);
	check_close(&read);
	return 0;
}
