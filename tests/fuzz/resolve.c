/* Interpolation in a config that was read, and the schema's checks of what comes out: config/resolve.h, schema.h. */
#include "config/resolve.h"
#include "config/schema.h"
#include "config/yaml.h"
#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char group[] = "quant_pair", option[] = "wfp8_afp8";
	const struct choice choices[] = {{group, option}};
	struct composition c = {.choices = choices, .choice_count = 1};
	struct yaml_file file;
	if (yaml_file_read(&file, input_file(0, data, size)))
		return 0;
	struct node *config = file.root->kind == NODE_DICT ? resolve(file.root, &c) : NULL;
	if (config)
		(void)schema_check(config, NULL);
	node_free(config);
	yaml_file_release(&file);
	return 0;
}
