/* Values of a cell's composed config by dotted path. */
#ifndef QG_REPORT_CONFIG_VALUE_H
#define QG_REPORT_CONFIG_VALUE_H

#include <cjson/cJSON.h>

/* The value at "dataset.size"; NULL when there is none or it is null. */
const cJSON *config_value(const cJSON *config, const char *path);

/* Its text, or NULL when it is no string. */
const char *config_text(const cJSON *config, const char *path);

/* -1 after fail() naming cell and path when it is missing or of another type. */
int config_string(const cJSON *config, const char *path, const char *cell, const char **value);

#endif
