/* Numbers that are floats in the published schema (numerics.md section 9): with a point also where they are whole,
 * "8.0", as Python's json writes them. Counts are plain numbers and stay "8". */
#ifndef QG_REPORT_FLOAT_JSON_H
#define QG_REPORT_FLOAT_JSON_H

#include <cjson/cJSON.h>

#include "common/strbuf.h"

/* Appends "8.0", "0.1", "1e-05". value must be finite. */
void float_print(struct strbuf *to, double value);

/* The caller frees with cJSON_Delete(). The item is raw text: cJSON_IsNumber() does not hold for it. */
cJSON *float_json(double value);

void float_json_add(cJSON *object, const char *name, double value);

#endif
