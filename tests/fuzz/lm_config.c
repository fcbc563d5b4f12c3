/* config.json of a checkpoint: checkpoint/lm_config.h. */
#include <stdlib.h>

#include "checkpoint/lm_config.h"
#include "fuzz/support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lm_config config;
	char *text = input_exact(data, size);
	if (!lm_config_parse(&config, text, size, "input")) {
		config.tied = config.tied == LM_TIED_UNSAID ? 1 : config.tied;
		PROMISE(!lm_config_check(&config));
	}
	free(text);
	return 0;
}
