/* safetensors files: checkpoint/safetensors.h. What was opened must lie in the file, and be found by its name. */
#include "checkpoint/safetensors.h"
#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct safetensors file;
	if (safetensors_open(&file, input_file(0, data, size)))
		return 0;
	for (size_t i = 0; i < file.count; i++) {
		const struct safetensors_tensor *t = &file.tensors[i];
		PROMISE(t->begin <= t->end && t->end <= size);
		PROMISE(safetensors_find(&file, t->name) == t);
	}
	safetensors_close(&file);
	return 0;
}
