/* Objects of kind recipe: formats/recipe.h. What was opened must make the object to write again. */
#include "formats/recipe.h"
#include "fuzz/support/assemble.h"
#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recipe read;
	struct object_writer writer;
	if (recipe_open(&read, assemble_object("recipe", data, size), NULL))
		return 0;
	recipe_describe(&read, &writer);
	object_writer_release(&writer);
	recipe_close(&read);
	return 0;
}
