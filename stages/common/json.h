/* JSON over cJSON, strict where cJSON is lenient, and canonical where keys are hashed.
 *
 * json_parse() checks before cJSON sees a byte: UTF-8, one value with nothing but white space after it, nesting depth,
 * the number grammar and range (63 characters, what a double holds), and escapes; and afterwards duplicate keys. Errors
 * name the source, line, column (in bytes) and byte; of a duplicate key only the source and the key.
 */
#ifndef QG_COMMON_JSON_H
#define QG_COMMON_JSON_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#include "common/strbuf.h"

struct json_rules {
	int depth_max;      /* deepest nesting of arrays and objects allowed */
	int integers_only;  /* refuse a number with sign, fraction or exponent: 1.0, 1e3, -1 */
};

/* Depth 64, any number. */
extern const struct json_rules json_default_rules;

/* Parses text[0..length), which need not end in '\0'. source names it in errors (a path). The caller frees with
 * cJSON_Delete(). rules may be NULL for the default. */
cJSON *json_parse(const char *text, size_t length, const char *source, const struct json_rules *rules);

/* Reads and parses a file of at most limit bytes. */
cJSON *json_read(const char *path, size_t limit);

/* Members of an object, checked for type. source and the key appear in the error. Results are borrowed. */
const cJSON *json_member(const cJSON *object, const char *key, const char *source);
const char *json_string(const cJSON *object, const char *key, const char *source);
int json_u64(const cJSON *object, const char *key, const char *source, uint64_t *value); /* <= 2^53 */
int json_double(const cJSON *object, const char *key, const char *source, double *value);
int json_bool(const cJSON *object, const char *key, const char *source, int *value);

/* 0 when the member "format" is this one, as "quantgrid-grid/1"; -1 after fail(). */
int json_check_format(const cJSON *object, const char *format, const char *source);

/* The value at section.key, NULL when either is not there. Borrowed. */
const cJSON *json_nested(const cJSON *object, const char *section, const char *key);

/* Adds value to object by reference: it must outlive object, and so must key, which is not copied. */
void json_add_reference(cJSON *object, const char *key, const cJSON *value);

/* Appends the canonical form: keys sorted by byte, no spaces, UTF-8, numbers as json_number() writes them. */
void json_canonical(struct strbuf *to, const cJSON *value);

/* Appends an array or object without blanks, keys sorted by byte or in insertion order; what it holds is written by the
 * writer. */
typedef void json_writer(void *context, struct strbuf *to, const cJSON *value);
void json_items(struct strbuf *to, const cJSON *value, int sorted, json_writer *writer, void *context);

/* Appends a string in quotes, and any value but an array or object, as the forms here have them. */
void json_quoted(struct strbuf *to, const char *text);
void json_scalar(struct strbuf *to, const cJSON *value);

/* Shortest text that reads back as value ("8", "0.1", "1e-05"); integers up to 2^53 without point or exponent. NaN and
 * infinities, which JSON lacks, assert. */
void json_number(struct strbuf *to, double value);

/* Appends the value with two blanks of indentation a level in insertion order, numbers as json_number() writes them. */
void json_pretty(struct strbuf *to, const cJSON *value);

/* The same with a newline, as new memory that the caller frees. Deletes value. */
char *json_pretty_text(cJSON *value);

#endif
