#include "checkpoint/plain_config.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "common/error.h"
#include "common/json.h"

enum { CONFIG_BYTES_MAX = 1 << 20 };

static const char *torch_name(enum dtype dtype)
{
	return dtype == DTYPE_BF16 ? "bfloat16" : dtype == DTYPE_F16 ? "float16" : "float32";
}

/* An id, or a list of ids; anything else is left to the reader's default. */
static int is_ids(const cJSON *value)
{
	const cJSON *item;
	if (cJSON_IsNumber(value))
		return 1;
	cJSON_ArrayForEach(item, value)
		if (!cJSON_IsNumber(item))
			return 0;
	return cJSON_IsArray(value);
}

static void add_ids(cJSON *to, const cJSON *source)
{
	static const char *const keys[] = {"bos_token_id", "eos_token_id", "pad_token_id"};
	const cJSON *text = cJSON_GetObjectItemCaseSensitive(source, "text_config");
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const cJSON *value = cJSON_GetObjectItemCaseSensitive(text, keys[i]);
		if (!is_ids(value))
			value = cJSON_GetObjectItemCaseSensitive(source, keys[i]);
		if (is_ids(value))
			cJSON_AddItemToObject(to, keys[i], cJSON_Duplicate(value, 1));
	}
}

static cJSON *make(const struct lm_config *c, enum dtype dtype, const cJSON *source)
{
	cJSON *to = cJSON_CreateObject();
	cJSON *architectures = cJSON_AddArrayToObject(to, "architectures");
	cJSON_AddItemToArray(architectures, cJSON_CreateString("Qwen3ForCausalLM"));
	cJSON_AddStringToObject(to, "model_type", "qwen3");
	cJSON_AddNumberToObject(to, "vocab_size", (double)c->vocab_size);
	cJSON_AddNumberToObject(to, "hidden_size", (double)c->hidden_size);
	cJSON_AddNumberToObject(to, "intermediate_size", (double)c->intermediate_size);
	cJSON_AddNumberToObject(to, "num_hidden_layers", (double)c->layers);
	cJSON_AddNumberToObject(to, "num_attention_heads", (double)c->heads);
	cJSON_AddNumberToObject(to, "num_key_value_heads", (double)c->kv_heads);
	cJSON_AddNumberToObject(to, "head_dim", (double)c->head_dim);
	cJSON_AddStringToObject(to, "hidden_act", "silu");
	cJSON_AddNumberToObject(to, "max_position_embeddings", (double)c->max_position_embeddings);
	cJSON_AddNumberToObject(to, "rms_norm_eps", c->rms_norm_eps);
	cJSON_AddNumberToObject(to, "rope_theta", c->rope_theta);
	cJSON_AddNullToObject(to, "rope_scaling");
	cJSON_AddBoolToObject(to, "tie_word_embeddings", c->tied);
	cJSON_AddBoolToObject(to, "attention_bias", 0);
	cJSON_AddNumberToObject(to, "attention_dropout", 0);
	cJSON_AddBoolToObject(to, "use_sliding_window", 0);
	cJSON_AddNullToObject(to, "sliding_window");
	cJSON_AddNumberToObject(to, "max_window_layers", (double)c->layers);
	cJSON_AddBoolToObject(to, "use_cache", 1);
	/* The older spelling of "dtype": newer readers take it too. */
	cJSON_AddStringToObject(to, "torch_dtype", torch_name(dtype));
	add_ids(to, source);
	return to;
}

char *plain_config_text(const struct lm_config *config, enum dtype dtype, const char *source)
{
	cJSON *from = json_read(source, CONFIG_BYTES_MAX);
	if (!from)
		return NULL;
	char *text = json_pretty_text(make(config, dtype, from));
	cJSON_Delete(from);
	return text;
}
