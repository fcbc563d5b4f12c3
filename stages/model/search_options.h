/* What a config says of the budget search: section autoquant as JSON, nested in a config or flat in a job's params. */
#ifndef QG_MODEL_SEARCH_OPTIONS_H
#define QG_MODEL_SEARCH_OPTIONS_H

#include <cjson/cJSON.h>

#include "model/search_space.h"

/* Reads PREFIXeffective_bits, ...cost, ...allow_none, ...include and ...exclude of values: prefix is "" for the section
 * itself, "autoquant." for params. source is what messages call it. Texts are borrowed from values; the lists are freed
 * by search_options_release(). -1 after fail(), holding nothing. */
int search_options_read(struct search_options *options, const cJSON *values, const char *prefix, const char *source);
void search_options_release(struct search_options *options);

/* A list of format codes, "F8t/f8t", as quantizer.formats has it: *formats is the caller's to free. -1 after fail(). */
int search_formats_read(const cJSON *list, const char *source, struct quantizer_pair **formats, size_t *count);

#endif
