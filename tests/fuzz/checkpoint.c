/* A checkpoint folder: checkpoint/checkpoint.h, with config.json and the one file cut from the input at the first NUL
 * byte. */
#include "checkpoint/checkpoint.h"
#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct checkpoint checkpoint;
	size_t config = 0;
	while (config < size && data[config])
		config++;
	size_t weights = config < size ? config + 1 : size;
	input_file(0, data, config);
	input_file(1, data + weights, size - weights);
	input_link("config.json", 0);
	const char *dir = input_link("model.safetensors", 1);
	if (checkpoint_open(&checkpoint, dir))
		return 0;
	for (size_t i = 0; i < checkpoint.tensor_count; i++) {
		const struct checkpoint_tensor *t = &checkpoint.tensors[i];
		PROMISE(t->offset <= size - weights && t->bytes <= size - weights - t->offset);
	}
	checkpoint_close(&checkpoint);
	return 0;
}
