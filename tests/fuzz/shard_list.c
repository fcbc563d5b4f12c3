/* model.safetensors.index.json: checkpoint/shard_list.h, in a folder with two shards. */
#include <string.h>

#include "checkpoint/shard_list.h"
#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct shard_list list;
	input_file(0, data, size);
	input_file(1, "", 0);
	input_link(CHECKPOINT_CONFIG, 1);
	input_link("a.safetensors", 1);
	input_link("b.safetensors", 1);
	const char *dir = input_link(CHECKPOINT_INDEX, 0);
	if (shard_list_read(&list, dir))
		return 0;
	for (size_t i = 0; i < list.entry_count; i++)
		PROMISE(list.entries[i].shard < list.shard_count);
	for (size_t i = 1; i < list.entry_count; i++)
		PROMISE(strcmp(list.entries[i - 1].name, list.entries[i].name) < 0);
	shard_list_free(&list);
	return 0;
}
