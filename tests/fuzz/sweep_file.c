/* Grid files: config/sweep_file.h. */
#include "config/sweep_file.h"
#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sweep_file file;
	(void)sweep_file_read(&file, input_file(0, data, size));
	sweep_file_release(&file);
	return 0;
}
