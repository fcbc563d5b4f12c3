#include "checkpoint/lm_config.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/json.h"
#include "common/spell.h"
#include "common/strbuf.h"
#include "checkpoint/json_cursor.h"

enum { CONFIG_BYTES_MAX = 1 << 20 };

#define SUPPORTED "supported are qwen3_vl and qwen3, both dense"

/* Sizes by their key. The limits leave room over anything published and keep every product inside 64 bits. */
static const struct dimension {
	const char *key;
	size_t field;
	size_t max;
} dimensions[] = {
	{"vocab_size", offsetof(struct lm_config, vocab_size), 1 << 24},
	{"hidden_size", offsetof(struct lm_config, hidden_size), 1 << 17},
	{"intermediate_size", offsetof(struct lm_config, intermediate_size), 1 << 20},
	{"num_hidden_layers", offsetof(struct lm_config, layers), 1024},
	{"num_attention_heads", offsetof(struct lm_config, heads), 1024},
	{"num_key_value_heads", offsetof(struct lm_config, kv_heads), 1024},
	{"head_dim", offsetof(struct lm_config, head_dim), 1024},
	{"max_position_embeddings", offsetof(struct lm_config, max_position_embeddings), (size_t)1 << 31},
};

enum { DIMENSIONS = sizeof dimensions / sizeof *dimensions };

static const double eps_max = 0.1, theta_max = 1e12;

static size_t *dimension_of(struct lm_config *config, const struct dimension *d)
{
	return (size_t *)(void *)((char *)config + d->field);
}

static size_t dimension_value(const struct lm_config *config, const struct dimension *d)
{
	return *(const size_t *)(const void *)((const char *)config + d->field);
}

/* The file being read, for messages; keys are a path into it. */
struct source {
	const char *name;
	const char *text;
	size_t length;
	const cJSON *top;      /* whole file */
	const cJSON *lm;       /* text_config, or top in a flat file */
	int flat;
};

/* Where a value stands: in the section of the language model unless top is asked for, below a dictionary or not. */
struct place {
	int top;
	const char *dictionary;
	const char *key;
};

/* "SOURCE:LINE:COLUMN: text_config.KEY: MESSAGE". */
static int refuse(const struct source *s, struct place at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(const struct source *s, struct place at, const char *format, ...)
{
	const char *keys[4] = {0};
	char what[512];
	size_t n = 0, line, column;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(what, sizeof what, format, arguments);
	va_end(arguments);
	if (!at.top && !s->flat)
		keys[n++] = "text_config";
	if (at.dictionary)
		keys[n++] = at.dictionary;
	keys[n] = at.key;
	json_cursor_position(s->text, json_cursor_locate(s->text, s->length, keys), &line, &column);
	return fail("%s:%zu:%zu: %s%s%s%s%s: %s", s->name, line, column, keys[0], keys[1] ? "." : "",
		keys[1] ? keys[1] : "", keys[1] && keys[2] ? "." : "", keys[1] && keys[2] ? keys[2] : "", what);
}

/* The value as a message shows it, on one line. */
static const char *shown(const cJSON *value, char to[64])
{
	struct strbuf b;
	strbuf_init(&b);
	json_canonical(&b, value);
	snprintf(to, 64, "%s%s", b.length > 60 ? "" : b.s, b.length > 60 ? "a long value" : "");
	strbuf_release(&b);
	return to;
}

/* Absent and null are the same to the writers of these files. */
static const cJSON *member(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
	return cJSON_IsNull(item) ? NULL : item;
}

static int missing(const struct source *s, const char *key)
{
	const char *words[256];
	size_t count = 0;
	const cJSON *item;
	cJSON_ArrayForEach(item, s->lm)
		if (count < 256)
			words[count++] = item->string;
	const char *nearest = spell_nearest(key, words, count);
	if (nearest && strcmp(nearest, key))
		return refuse(s, (struct place){.key = key}, "the key is missing; is \"%s\" meant?", nearest);
	return refuse(s, (struct place){.key = key}, "the key is missing");
}

static int read_dimension(const struct source *s, struct lm_config *config, const struct dimension *d)
{
	char text[64];
	const cJSON *item = member(s->lm, d->key);
	/* Some foreign files leave it out when there is one key/value head a query head. */
	if (!item && d->field == offsetof(struct lm_config, kv_heads)) {
		config->kv_heads = config->heads;
		return 0;
	}
	/* hidden_size / num_attention_heads would be wrong for most published sizes of Qwen3. */
	if (!item)
		return missing(s, d->key);
	double value = cJSON_IsNumber(item) ? item->valuedouble : NAN;
	if (!(value >= 1 && value <= (double)d->max && floor(value) == value))
		return refuse(s, (struct place){.key = d->key}, "found %s, expected an integer from 1 to %zu",
			shown(item, text), d->max);
	*dimension_of(config, d) = (size_t)value;
	return 0;
}

/* A flag that must be false or absent; why says what it would change. */
static int refuse_true(const struct source *s, const char *key, const char *why)
{
	char text[64];
	const cJSON *item = member(s->lm, key);
	if (!item || cJSON_IsFalse(item))
		return 0;
	return refuse(s, (struct place){.key = key}, "found %s, expected false: %s", shown(item, text), why);
}

/* What a reader of another family would take into account, and this one does not. */
static int refuse_other_models(const struct source *s)
{
	char text[64];
	const cJSON *item = member(s->lm, "hidden_act");
	if (item && !(cJSON_IsString(item) && !strcmp(item->valuestring, "silu")))
		return refuse(s, (struct place){.key = "hidden_act"}, "found %s, expected \"silu\"", shown(item, text));
	if (refuse_true(s, "attention_bias", "Qwen3 has no biases") ||
		refuse_true(s, "use_sliding_window", "only full attention is supported"))
		return -1;
	const cJSON *entry, *types = member(s->lm, "layer_types");
	if (types && !cJSON_IsArray(types))
		return refuse(s, (struct place){.key = "layer_types"}, "expected an array of strings");
	cJSON_ArrayForEach(entry, types)
		if (!cJSON_IsString(entry) || strcmp(entry->valuestring, "full_attention"))
			return refuse(s, (struct place){.key = "layer_types"}, "found %s; only \"full_attention\" is supported",
				shown(entry, text));
	item = member(s->lm, "num_experts");
	if (item && !(cJSON_IsNumber(item) && item->valuedouble == 0))
		return refuse(s, (struct place){.key = "num_experts"},
			"mixture-of-experts models are not supported; " SUPPORTED);
	for (int top = 0; top < 2; top++)
		if (member(top ? s->top : s->lm, "quantization_config"))
			return refuse(s, (struct place){.top = top, .key = "quantization_config"},
				"the checkpoint is quantized; expected weights in BF16, F16 or F32");
	return 0;
}

static int read_family(struct source *s, struct lm_config *config)
{
	static const char *const families[] = {"qwen3_vl", "qwen3"};
	const struct place at = {.top = 1, .key = "model_type"};
	const cJSON *type = member(s->top, "model_type");
	if (!type)
		return refuse(s, at, "the key is missing; " SUPPORTED);
	if (!cJSON_IsString(type))
		return refuse(s, at, "expected a string");
	const char *name = type->valuestring;
	if (strstr(name, "moe"))
		return refuse(s, at, "\"%.64s\": mixture-of-experts models are not supported; " SUPPORTED, name);
	if (strcmp(name, families[0]) && strcmp(name, families[1])) {
		const char *nearest = spell_nearest(name, families, 2);
		return refuse(s, at, "\"%.64s\" is not supported; " SUPPORTED "%s%s%s", name,
			nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
	}
	snprintf(config->model_type, sizeof config->model_type, "%s", name);
	s->flat = !strcmp(name, "qwen3");
	s->lm = s->flat ? s->top : member(s->top, "text_config");
	if (!cJSON_IsObject(s->lm))
		return refuse(s, (struct place){.top = 1, .key = "text_config"},
			"an object is expected here: the language model's shapes");
	return 0;
}

static int read_positive(const struct source *s, struct place at, const cJSON *item, double max, double *value)
{
	char text[64];
	*value = cJSON_IsNumber(item) ? item->valuedouble : NAN;
	if (*value > 0 && *value <= max)
		return 0;
	return refuse(s, at, "found %s, expected a number above 0, at most %g", shown(item, text), max);
}

static int check_rope_type(const struct source *s, struct place at, const cJSON *item)
{
	char text[64];
	if (!item || (cJSON_IsString(item) &&
		(!strcmp(item->valuestring, "default") || !strcmp(item->valuestring, "mrope"))))
		return 0;
	return refuse(s, at, "found %s, expected \"default\": scaled rotary embeddings are not supported",
		shown(item, text));
}

/* For text the three axes coincide, so the sections matter only as a sign that the file is what it seems to be. */
static int check_mrope(const struct source *s, struct place at, const cJSON *sections, size_t head_dim)
{
	char text[64];
	const cJSON *item;
	double sum = 0;
	int good = !sections || cJSON_IsArray(sections);
	cJSON_ArrayForEach(item, sections) {
		double value = cJSON_IsNumber(item) ? item->valuedouble : NAN;
		good = good && value >= 0 && value <= 1024 && floor(value) == value;
		sum += value;
	}
	if (!sections || (good && sum == (double)(head_dim / 2)))
		return 0;
	return refuse(s, at, "found %s, expected integers whose sum is head_dim / 2 = %zu", shown(sections, text),
		head_dim / 2);
}

/* The dictionary is rope_scaling, else rope_parameters; theta may stand in it or beside it. There is no default for
 * theta: those of the libraries in use differ by a factor of ten. */
static int read_rope(const struct source *s, struct lm_config *config)
{
	char text[64];
	const char *name = member(s->lm, "rope_scaling") ? "rope_scaling" : "rope_parameters";
	const cJSON *rope = member(s->lm, name);
	if (rope && !cJSON_IsObject(rope))
		return refuse(s, (struct place){.key = name}, "found %s, expected an object or null", shown(rope, text));
	struct place inside = {.dictionary = name, .key = "rope_theta"};
	const struct place outside = {.key = "rope_theta"};
	const cJSON *theta = member(rope, "rope_theta");
	if (!theta) {
		inside = outside;
		theta = member(s->lm, "rope_theta");
	}
	if (!theta)
		return refuse(s, outside, "the key is missing, here and in rope_scaling or rope_parameters");
	if (read_positive(s, inside, theta, theta_max, &config->rope_theta))
		return -1;
	static const char *const types[] = {"rope_type", "type"};
	for (int i = 0; i < 2; i++)
		if (check_rope_type(s, (struct place){.dictionary = name, .key = types[i]}, member(rope, types[i])))
			return -1;
	static const char partial[] = "partial_rotary_factor";
	for (int i = 0; i < 2; i++) {
		const cJSON *item = member(i ? s->lm : rope, partial);
		if (item && !(cJSON_IsNumber(item) && item->valuedouble == 1))
			return refuse(s, (struct place){.dictionary = i ? NULL : name, .key = partial},
				"found %s, expected 1: all components of a head rotate", shown(item, text));
	}
	return check_mrope(s, (struct place){.dictionary = name, .key = "mrope_section"}, member(rope, "mrope_section"),
		config->head_dim);
}

/* The top level wins: some published files carry the key only there, some carry it in both places. */
static int read_tied(const struct source *s, struct lm_config *config)
{
	static const char key[] = "tie_word_embeddings";
	char text[64];
	int top = member(s->top, key) != NULL;
	const cJSON *item = member(top ? s->top : s->lm, key);
	if (item && !cJSON_IsBool(item))
		return refuse(s, (struct place){.top = top, .key = key}, "found %s, expected true or false", shown(item, text));
	config->tied = item ? cJSON_IsTrue(item) : LM_TIED_UNSAID;
	return 0;
}

static int read_config(struct source *s, struct lm_config *config)
{
	if (!cJSON_IsObject(s->top))
		return fail("%s:1:1: expected a JSON object", s->name);
	if (read_family(s, config) || refuse_other_models(s))
		return -1;
	for (size_t i = 0; i < DIMENSIONS; i++)
		if (read_dimension(s, config, &dimensions[i]))
			return -1;
	if (config->heads % config->kv_heads)
		return refuse(s, (struct place){.key = "num_key_value_heads"}, "%zu does not divide num_attention_heads %zu",
			config->kv_heads, config->heads);
	if (config->head_dim % 2)
		return refuse(s, (struct place){.key = "head_dim"}, "found %zu, expected an even number", config->head_dim);
	const cJSON *eps = member(s->lm, "rms_norm_eps");
	if (!eps)
		return missing(s, "rms_norm_eps");
	if (read_positive(s, (struct place){.key = "rms_norm_eps"}, eps, eps_max, &config->rms_norm_eps))
		return -1;
	return read_rope(s, config) || read_tied(s, config) ? -1 : 0;
}

int lm_config_parse(struct lm_config *config, const char *text, size_t length, const char *source)
{
	struct source s = {.name = source, .text = text, .length = length};
	*config = (struct lm_config){0};
	cJSON *tree = json_parse(text, length, source, NULL);
	if (!tree)
		return -1;
	s.top = tree;
	int bad = read_config(&s, config);
	cJSON_Delete(tree);
	return bad;
}

int lm_config_read(struct lm_config *config, const char *path)
{
	char *text;
	size_t length;
	*config = (struct lm_config){0};
	if (file_read(path, CONFIG_BYTES_MAX, &text, &length))
		return -1;
	int bad = lm_config_parse(config, text, length, path);
	free(text);
	return bad;
}

int lm_config_check(const struct lm_config *config)
{
	if (strcmp(config->model_type, "qwen3_vl") && strcmp(config->model_type, "qwen3"))
		return fail("model_type \"%.*s\" is not supported; " SUPPORTED, (int)sizeof config->model_type,
			config->model_type);
	for (size_t i = 0; i < DIMENSIONS; i++) {
		size_t value = dimension_value(config, &dimensions[i]);
		if (!value || value > dimensions[i].max)
			return fail("%s: found %zu, expected an integer from 1 to %zu", dimensions[i].key, value,
				dimensions[i].max);
	}
	if (config->heads % config->kv_heads)
		return fail("num_key_value_heads: %zu does not divide num_attention_heads %zu", config->kv_heads,
			config->heads);
	if (config->head_dim % 2)
		return fail("head_dim: found %zu, expected an even number", config->head_dim);
	if (!(config->rms_norm_eps > 0 && config->rms_norm_eps <= eps_max))
		return fail("rms_norm_eps: found %g, expected a number above 0, at most %g", config->rms_norm_eps, eps_max);
	if (!(config->rope_theta > 0 && config->rope_theta <= theta_max))
		return fail("rope_theta: found %g, expected a number above 0, at most %g", config->rope_theta, theta_max);
	if (config->tied != 0 && config->tied != 1)
		return fail("tie_word_embeddings: found %d, expected 0 or 1", config->tied);
	return 0;
}
