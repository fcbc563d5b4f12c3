/* <grid>.json; overview.h says what is in it. */
#ifndef QG_REPORT_OVERVIEW_JSON_H
#define QG_REPORT_OVERVIEW_JSON_H

#include <cjson/cJSON.h>

#include "report/overview_findings.h"

/* The caller frees with cJSON_Delete(). */
cJSON *overview_json_make(const struct overview *overview, const struct overview_table *table,
	const struct overview_findings *findings, const char *folder);

/* The arrays "budgets", "sizes" and "methods"; overview_findings_json.c. */
void overview_findings_json_add(cJSON *to, const struct overview *overview, const struct overview_table *table,
	const struct overview_findings *findings);

/* What both files write with: null where a value is not known. */
void overview_json_text(cJSON *to, const char *name, const char *text);
void overview_json_float(cJSON *to, const char *name, double value, int known);
void overview_json_count(cJSON *to, const char *name, size_t value, int known);

#endif
