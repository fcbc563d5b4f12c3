/* Objects of kind calib: formats/calib.h. What was opened must make the object to write again. */
#include "formats/calib.h"
#include "fuzz/support/assemble.h"
#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct calib read;
	struct object_writer writer;
	if (calib_open(&read, assemble_object("calib", data, size), NULL))
		return 0;
	calib_describe(&read, &writer);
	object_writer_release(&writer);
	calib_close(&read);
	return 0;
}
