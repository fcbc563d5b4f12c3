/* Objects of kind scores: formats/scores.h. What was opened must make the object to write again. */
#include "formats/scores.h"
#include "fuzz/support/assemble.h"
#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scores read;
	struct object_writer writer;
	if (scores_open(&read, assemble_object("scores", data, size), NULL))
		return 0;
	scores_describe(&read, &writer);
	object_writer_release(&writer);
	scores_close(&read);
	return 0;
}
