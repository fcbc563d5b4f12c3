#include "formats/lm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "checkpoint/lm_layout.h"

static const struct {
	const char *key;
	size_t field;
} dimensions[] = {
	{"vocab_size", offsetof(struct lm_config, vocab_size)},
	{"hidden_size", offsetof(struct lm_config, hidden_size)},
	{"intermediate_size", offsetof(struct lm_config, intermediate_size)},
	{"num_hidden_layers", offsetof(struct lm_config, layers)},
	{"num_attention_heads", offsetof(struct lm_config, heads)},
	{"num_key_value_heads", offsetof(struct lm_config, kv_heads)},
	{"head_dim", offsetof(struct lm_config, head_dim)},
	{"max_position_embeddings", offsetof(struct lm_config, max_position_embeddings)},
};

enum { DIMENSIONS = sizeof dimensions / sizeof *dimensions };

static const char *const kinds[] = {"Linear", "Conv1d", "Conv2d", "Conv3d"};

static void add_config(cJSON *to, const struct lm_config *config)
{
	cJSON *c = cJSON_AddObjectToObject(to, "config");
	cJSON_AddStringToObject(c, "model_type", config->model_type);
	for (size_t i = 0; i < DIMENSIONS; i++) {
		size_t value;
		memcpy(&value, (const char *)config + dimensions[i].field, sizeof value);
		cJSON_AddNumberToObject(c, dimensions[i].key, (double)value);
	}
	cJSON_AddNumberToObject(c, "rms_norm_eps", config->rms_norm_eps);
	cJSON_AddNumberToObject(c, "rope_theta", config->rope_theta);
	cJSON_AddBoolToObject(c, "tie_word_embeddings", config->tied);
}

/* Where the tensor lies is left out of the identity. */
static void add_tensors(cJSON *to, const struct lm *lm, int with_place)
{
	cJSON *list = cJSON_AddArrayToObject(to, "tensors");
	for (size_t i = 0; i < lm->tensor_count; i++) {
		const struct lm_tensor *t = &lm->tensors[i];
		cJSON *entry = cJSON_CreateObject();
		cJSON_AddItemToArray(list, entry);
		cJSON_AddStringToObject(entry, "name", t->name);
		cJSON_AddStringToObject(entry, "dtype", dtype_name(t->dtype));
		cJSON *shape = cJSON_AddArrayToObject(entry, "shape");
		for (unsigned d = 0; d < t->rank; d++)
			cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)t->shape[d]));
		cJSON_AddStringToObject(entry, "digest", t->digest.hex);
		if (!with_place)
			continue;
		cJSON_AddNumberToObject(entry, "shard", (double)t->shard);
		cJSON_AddNumberToObject(entry, "offset", (double)t->offset);
		cJSON_AddNumberToObject(entry, "bytes", (double)t->bytes);
	}
}

static void add_vision(cJSON *to, const struct lm *lm)
{
	cJSON *list = cJSON_AddArrayToObject(to, "vision");
	for (size_t i = 0; i < lm->vision_count; i++) {
		const struct lm_vision *v = &lm->vision[i];
		cJSON *entry = cJSON_CreateObject();
		cJSON_AddItemToArray(list, entry);
		cJSON_AddStringToObject(entry, "name", v->name);
		cJSON_AddStringToObject(entry, "kind", v->kind);
		cJSON_AddNumberToObject(entry, "out_features", (double)v->out_features);
		cJSON_AddNumberToObject(entry, "in_features", (double)v->in_features);
	}
}

static void add_shards(cJSON *to, const struct lm *lm)
{
	cJSON *list = cJSON_AddArrayToObject(to, "shards");
	for (size_t i = 0; i < lm->shard_count; i++) {
		const struct lm_shard *s = &lm->shards[i];
		cJSON *entry = cJSON_CreateObject();
		cJSON_AddItemToArray(list, entry);
		cJSON_AddStringToObject(entry, "name", s->name);
		cJSON_AddNumberToObject(entry, "size", (double)s->size);
		cJSON_AddStringToObject(entry, "digest", s->digest.hex);
	}
}

static struct digest identity_of(const struct lm *lm)
{
	struct strbuf text;
	cJSON *tree = cJSON_CreateObject();
	add_config(tree, &lm->config);
	add_tensors(tree, lm, 0);
	add_vision(tree, lm);
	strbuf_init(&text);
	strbuf_adds(&text, "lm/1");
	json_canonical(&text, tree);
	struct digest digest = hash_bytes(text.s, text.length);
	strbuf_release(&text);
	cJSON_Delete(tree);
	return digest;
}

void lm_describe(const struct lm *lm, struct object_writer *w)
{
	struct digest identity = identity_of(lm);
	object_writer_init(w, "lm");
	add_config(w->description, &lm->config);
	add_tensors(w->description, lm, 1);
	add_vision(w->description, lm);
	add_shards(w->description, lm);
	object_writer_identity(w, &identity);
}

int lm_write(const struct lm *lm, const char *path, struct digest *content, struct digest *identity, size_t *size)
{
	struct object_writer w;
	lm_describe(lm, &w);
	int bad = object_write(&w, path, content, identity, size);
	object_writer_release(&w);
	return bad;
}

/* An array of at most limit objects; *count of them. */
static const cJSON *list_of(const cJSON *description, const char *key, const char *path, size_t limit, size_t *count)
{
	const cJSON *item, *list = json_member(description, key, path);
	*count = list ? (size_t)cJSON_GetArraySize(list) : 0;
	if (list && (!cJSON_IsArray(list) || *count > limit))
		return fail_null("%s: \"%s\" must be an array of at most %zu entries", path, key, limit);
	cJSON_ArrayForEach(item, list)
		if (!cJSON_IsObject(item))
			return fail_null("%s: \"%s\" must be an array of objects", path, key);
	return list;
}

static int read_digest(const cJSON *entry, const char *path, struct digest *digest)
{
	const char *text = json_string(entry, "digest", path);
	if (!text)
		return -1;
	return digest_parse(text, digest) ? fail("%s: digest \"%.40s\" is not 32 hex digits", path, text) : 0;
}

static int read_config(struct lm *lm, const char *path)
{
	struct lm_config *config = &lm->config;
	const cJSON *c = json_member(lm->object.description, "config", path);
	const char *type = c ? json_string(c, "model_type", path) : NULL;
	if (!type)
		return -1;
	if (strlen(type) >= sizeof config->model_type)
		return fail("%s: model_type \"%.32s\" is too long", path, type);
	snprintf(config->model_type, sizeof config->model_type, "%s", type);
	for (size_t i = 0; i < DIMENSIONS; i++) {
		uint64_t value = 0;
		if (json_u64(c, dimensions[i].key, path, &value))
			return -1;
		size_t narrowed = (size_t)value;
		memcpy((char *)config + dimensions[i].field, &narrowed, sizeof narrowed);
	}
	if (json_double(c, "rms_norm_eps", path, &config->rms_norm_eps) ||
		json_double(c, "rope_theta", path, &config->rope_theta) ||
		json_bool(c, "tie_word_embeddings", path, &config->tied))
		return -1;
	return lm_config_check(config) ? fail_context("%s: config", path) : 0;
}

static int read_shards(struct lm *lm, const char *path)
{
	const cJSON *entry, *list = list_of(lm->object.description, "shards", path, LM_SHARDS_MAX, &lm->shard_count);
	if (!list)
		return -1;
	lm->shards = mem_zeroed(lm->shard_count, sizeof *lm->shards);
	size_t i = 0;
	cJSON_ArrayForEach(entry, list) {
		struct lm_shard *s = &lm->shards[i++];
		s->name = json_string(entry, "name", path);
		if (!s->name || json_u64(entry, "size", path, &s->size) || read_digest(entry, path, &s->digest))
			return -1;
		if (!*s->name || strpbrk(s->name, "/\\") || !strcmp(s->name, ".") || !strcmp(s->name, ".."))
			return fail("%s: shard \"%s\" is not the plain name of a file", path, s->name);
		if (i > 1 && strcmp(s[-1].name, s->name) >= 0)
			return fail("%s: shard \"%s\" is out of order", path, s->name);
	}
	return 0;
}

/* The table must be the layout of the config, entry by entry: later stages index it by role. */
static int check_tensor(const struct lm *lm, const char *path, size_t index, const cJSON *shape)
{
	const struct lm_tensor *t = &lm->tensors[index];
	struct lm_tensor_spec spec;
	lm_layout_tensor(&lm->config, index, &spec);
	if (strcmp(t->name, spec.name))
		return fail("%s: tensor %zu is \"%s\", expected \"%s\"", path, index, t->name, spec.name);
	if (!dtype_is_weight(t->dtype))
		return fail("%s: tensor \"%s\" is %s, expected F32, F16 or BF16", path, t->name, dtype_name(t->dtype));
	int same = cJSON_IsArray(shape) && (unsigned)cJSON_GetArraySize(shape) == spec.rank;
	for (unsigned d = 0; same && d < spec.rank; d++) {
		const cJSON *item = cJSON_GetArrayItem(shape, (int)d);
		same = cJSON_IsNumber(item) && item->valuedouble == (double)spec.shape[d];
	}
	if (!same)
		return fail("%s: tensor \"%s\" has another shape than the config asks for", path, t->name);
	if (t->bytes != (uint64_t)spec.shape[0] * spec.shape[1] * (dtype_bits(t->dtype) / 8))
		return fail("%s: tensor \"%s\" has %llu bytes, which is not its shape", path, t->name,
			(unsigned long long)t->bytes);
	if (t->shard >= lm->shard_count)
		return fail("%s: tensor \"%s\" is in shard %zu of %zu", path, t->name, t->shard, lm->shard_count);
	uint64_t size = lm->shards[t->shard].size;
	if (t->offset > size || t->bytes > size - t->offset)
		return fail("%s: tensor \"%s\" lies outside its shard of %llu bytes", path, t->name, (unsigned long long)size);
	return 0;
}

static int read_tensor(struct lm *lm, const char *path, size_t index, const cJSON *entry)
{
	struct lm_tensor *t = &lm->tensors[index];
	struct lm_tensor_spec spec;
	uint64_t shard = 0;
	const char *dtype = json_string(entry, "dtype", path);
	t->name = dtype ? json_string(entry, "name", path) : NULL;
	if (!t->name || json_u64(entry, "shard", path, &shard) || json_u64(entry, "offset", path, &t->offset) ||
		json_u64(entry, "bytes", path, &t->bytes) || read_digest(entry, path, &t->digest))
		return -1;
	if (dtype_parse(dtype, strlen(dtype), &t->dtype))
		return fail_context("%s: tensor \"%s\"", path, t->name);
	lm_layout_tensor(&lm->config, index, &spec);
	t->rank = spec.rank;
	t->shape[0] = spec.shape[0];
	t->shape[1] = spec.shape[1];
	t->shard = (size_t)shard;
	return check_tensor(lm, path, index, json_member(entry, "shape", path));
}

static int read_tensors(struct lm *lm, const char *path)
{
	size_t i = 0, count, expected = lm_layout_count(&lm->config);
	const cJSON *entry, *list = list_of(lm->object.description, "tensors", path, expected, &count);
	if (!list)
		return -1;
	if (count != expected)
		return fail("%s: %zu tensors, the config asks for %zu", path, count, expected);
	lm->tensors = mem_zeroed(count, sizeof *lm->tensors);
	lm->tensor_count = count;
	cJSON_ArrayForEach(entry, list)
		if (read_tensor(lm, path, i++, entry))
			return -1;
	return 0;
}

static int read_vision(struct lm *lm, const char *path)
{
	const cJSON *entry, *list = list_of(lm->object.description, "vision", path, LM_VISION_MAX, &lm->vision_count);
	size_t i = 0, k;
	if (!list)
		return -1;
	lm->vision = mem_zeroed(lm->vision_count, sizeof *lm->vision);
	cJSON_ArrayForEach(entry, list) {
		struct lm_vision *v = &lm->vision[i++];
		const char *kind = json_string(entry, "kind", path);
		v->name = kind ? json_string(entry, "name", path) : NULL;
		if (!v->name || json_u64(entry, "out_features", path, &v->out_features) ||
			json_u64(entry, "in_features", path, &v->in_features))
			return -1;
		for (k = 0; k < sizeof kinds / sizeof *kinds && strcmp(kind, kinds[k]); k++)
			;
		if (k == sizeof kinds / sizeof *kinds)
			return fail("%s: vision layer \"%s\" is a \"%s\", which is unknown", path, v->name, kind);
		v->kind = kinds[k];
	}
	return 0;
}

int lm_open(struct lm *lm, const char *path, const struct digest *expected)
{
	*lm = (struct lm){0};
	if (object_open(&lm->object, path, "lm", expected))
		return -1;
	if (!read_config(lm, path) && !read_shards(lm, path) && !read_tensors(lm, path) && !read_vision(lm, path))
		return 0;
	lm_close(lm);
	return -1;
}

void lm_close(struct lm *lm)
{
	free(lm->tensors);
	free(lm->vision);
	free(lm->shards);
	object_close(&lm->object);
	*lm = (struct lm){0};
}
