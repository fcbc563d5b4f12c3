#include "report/config_value.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"

const cJSON *config_value(const cJSON *config, const char *path)
{
	const cJSON *at = config;
	while (at && *path) {
		size_t length = strcspn(path, ".");
		char *key = mem_strndup(path, length);
		at = cJSON_IsObject(at) ? cJSON_GetObjectItemCaseSensitive(at, key) : NULL;
		free(key);
		path += length + (path[length] == '.');
	}
	return at && !cJSON_IsNull(at) ? at : NULL;
}

const char *config_text(const cJSON *config, const char *path)
{
	const cJSON *value = config_value(config, path);
	return cJSON_IsString(value) ? value->valuestring : NULL;
}

int config_string(const cJSON *config, const char *path, const char *cell, const char **value)
{
	*value = config_text(config, path);
	if (!*value)
		return fail("config of %s: %s is %s, expected a string", cell, path,
			config_value(config, path) ? "something else" : "missing");
	return 0;
}
