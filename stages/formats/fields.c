#include "formats/fields.h"

#include "common/error.h"
#include "common/json.h"

int field_size(const cJSON *object, const char *key, const char *path, uint64_t low, uint64_t high, size_t *size)
{
	uint64_t value;
	if (json_u64(object, key, path, &value))
		return -1;
	if (value < low || value > high)
		return fail("%s: \"%s\" is %llu, expected %llu to %llu", path, key, (unsigned long long)value,
			(unsigned long long)low, (unsigned long long)high);
	*size = (size_t)value;
	return 0;
}

const cJSON *field_list(const cJSON *object, const char *key, const char *path, size_t most, size_t *count)
{
	const cJSON *list = json_member(object, key, path);
	if (!list)
		return NULL;
	*count = cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0;
	if (*count < 1 || *count > most)
		return fail_null("%s: \"%s\" must be a list of 1 to %zu entries", path, key, most);
	return list;
}

void field_pair_add(cJSON *object, struct quantizer_pair pair)
{
	char code[QUANTIZER_CODE_MAX];
	quantizer_weight_code(code, pair.weight);
	cJSON_AddStringToObject(object, "weight", code);
	quantizer_activation_code(code, pair.activation);
	cJSON_AddStringToObject(object, "activation", code);
}

int field_pair(const cJSON *object, const char *path, struct quantizer_pair *pair)
{
	const char *weight = json_string(object, "weight", path);
	const char *activation = weight ? json_string(object, "activation", path) : NULL;
	if (!activation)
		return -1;
	if (quantizer_weight_parse(weight, &pair->weight) || quantizer_activation_parse(activation, &pair->activation))
		return fail_context("%s", path);
	return 0;
}
