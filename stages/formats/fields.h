/* Fields of a description that several kinds of objects have. Private to formats/. path names the object in errors. */
#ifndef QG_FORMATS_FIELDS_H
#define QG_FORMATS_FIELDS_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#include "quant/quantizer.h"

/* Columns or rows a linear may have. */
enum { FIELD_WIDTH_MAX = 1 << 30 };

/* An integer from low to high. */
int field_size(const cJSON *object, const char *key, const char *path, uint64_t low, uint64_t high, size_t *size);

/* A list of 1 to most elements; borrowed. */
const cJSON *field_list(const cJSON *object, const char *key, const char *path, size_t most, size_t *count);

/* The codes of a format, "weight" and "activation". */
void field_pair_add(cJSON *object, struct quantizer_pair pair);
int field_pair(const cJSON *object, const char *path, struct quantizer_pair *pair);

#endif
