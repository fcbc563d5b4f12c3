/* Checks of the fields of a tokenizer's JSON files. Private to tokenizer_files.c.
 *
 * trail is the path of the object in its file with the point that joins a member to it, "model." or "" at the top.
 */
#ifndef QG_TOKENIZER_TOKENIZER_FIELDS_H
#define QG_TOKENIZER_TOKENIZER_FIELDS_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

enum field_rule {
	FIELD_ANY,           /* ignored, or checked by whoever uses it */
	FIELD_NEEDED,        /* the same, but must be there */
	FIELD_BOOL,          /* must be there */
	FIELD_FALSE,         /* must be there */
	FIELD_NULL,          /* may be absent, like all below */
	FIELD_NULL_OR_FALSE,
	FIELD_NULL_OR_EMPTY
};

struct field {
	const char *name;
	enum field_rule rule;
};

enum { FIELDS_MAX = 16 };

/* Whether value is an object whose members are all in the table and where every rule holds. */
int fields_check(const cJSON *object, const char *trail, const struct field *fields, size_t count);

#define FIELDS_CHECK(object, trail, fields) fields_check(object, trail, fields, sizeof fields / sizeof *fields)

/* A member that must be one certain string. */
int field_check_string(const cJSON *object, const char *trail, const char *name, const char *expected);

/* A token id: an integer that a vocabulary allows. */
int field_read_id(const cJSON *value, const char *trail, const char *name, uint32_t *id);

/* fail("TRAIL NAME WHAT, found VALUE"); value NULL is "nothing". */
int field_fail(const char *trail, const char *name, const char *what, const cJSON *value);

/* A value as text of at most 200 bytes, for messages; the caller frees. */
char *field_found(const cJSON *value);

#endif
