/* JSON texts of trees that share parts: what many of them hold by reference (cJSON_IsReference) is written once and
 * copied from then on. The shared values must outlive the texts, and must not change.
 */
#ifndef QG_COMMON_JSON_TEXTS_H
#define QG_COMMON_JSON_TEXTS_H

#include "common/hash_map.h"
#include "common/json.h"

struct json_texts {
	struct hash_map index;
	struct strbuf *texts;
	size_t count, capacity;
};

/* The canonical form, as json_canonical(). The upper own levels of the value (1: itself) belong to this tree alone, and
 * are written anew although they may be references. */
void json_texts_canonical(struct json_texts *texts, struct strbuf *to, const cJSON *value, int own);

/* In insertion order, without blanks. */
void json_texts_compact(struct json_texts *texts, struct strbuf *to, const cJSON *value, int own);

void json_texts_release(struct json_texts *texts);

#endif
