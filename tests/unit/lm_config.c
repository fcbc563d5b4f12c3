/* config.json in the spellings found in practice, and everything that must be refused. */
#include "checkpoint/lm_config.h"

#include <stdlib.h>

#include "../check.h"
#include "common/error.h"
#include "common/strbuf.h"
#include "checkpoint/lm_layout.h"

#define SIZES \
	"\"vocab_size\": 151936, \"hidden_size\": 2560, \"intermediate_size\": 9728, \"num_hidden_layers\": 36,\n" \
	"\"num_attention_heads\": 32, \"num_key_value_heads\": 8, \"head_dim\": 128, \"rms_norm_eps\": 1e-06,\n" \
	"\"max_position_embeddings\": 262144, \"hidden_act\": \"silu\", \"attention_bias\": false"

#define V4_ROPE "\"rope_theta\": 5000000,\n" \
	"\"rope_scaling\": {\"mrope_interleaved\": true, \"mrope_section\": [24, 20, 20], \"rope_type\": \"default\"}"
#define V5_ROPE "\"rope_parameters\": {\"rope_theta\": 5000000.0, \"rope_type\": \"default\", " \
	"\"mrope_section\": [24, 20, 20], \"mrope_interleaved\": true}"

#define VL(text) "{\"model_type\": \"qwen3_vl\", \"text_config\": {\n" text "}}"
#define FLAT(text) "{\"model_type\": \"qwen3\",\n" text "}"

struct good {
	const char *name;
	const char *text;
	double theta;
	int tied;
	size_t kv_heads;
};

static const struct good good[] = {
	{"v4", VL(SIZES ", " V4_ROPE), 5e6, LM_TIED_UNSAID, 8},
	{"v5", VL(SIZES ", " V5_ROPE), 5e6, LM_TIED_UNSAID, 8},
	{"plain", FLAT(SIZES ", \"rope_theta\": 1000000, \"rope_scaling\": null"), 1e6, LM_TIED_UNSAID, 8},
	{"plain, no rope_scaling", FLAT(SIZES ", \"rope_theta\": 1e6"), 1e6, LM_TIED_UNSAID, 8},
	{"plain v5", FLAT(SIZES ", \"rope_parameters\": {\"rope_theta\": 1e6, \"rope_type\": \"default\"}"), 1e6,
		LM_TIED_UNSAID, 8},
	{"theta in the dictionary wins", VL(SIZES ", \"rope_theta\": 1, " V5_ROPE), 5e6, LM_TIED_UNSAID, 8},
	{"rope_scaling wins over rope_parameters", VL(SIZES ", \"rope_parameters\": {\"rope_type\": \"yarn\"}, "
		V4_ROPE), 5e6,
		LM_TIED_UNSAID, 8},
	{"null rope_scaling gives way", VL(SIZES ", \"rope_scaling\": null, " V5_ROPE), 5e6, LM_TIED_UNSAID, 8},
	{"type in place of rope_type", VL(SIZES ", \"rope_theta\": 5.0e6, \"rope_scaling\": {\"type\": \"mrope\"}"), 5e6,
		LM_TIED_UNSAID, 8},
	{"tied above", "{\"model_type\": \"qwen3_vl\", \"tie_word_embeddings\": true, \"text_config\": {" SIZES ", " V4_ROPE
		", \"tie_word_embeddings\": false}}", 5e6, 1, 8},
	{"untied above", "{\"model_type\": \"qwen3_vl\", \"tie_word_embeddings\": false, \"text_config\": {" SIZES ", "
		V4_ROPE ", \"tie_word_embeddings\": true}}", 5e6, 0, 8},
	{"tied below", VL(SIZES ", " V4_ROPE ", \"tie_word_embeddings\": true"), 5e6, 1, 8},
	{"null above", "{\"model_type\": \"qwen3_vl\", \"tie_word_embeddings\": null, \"text_config\": {" SIZES ", " V4_ROPE
		", \"tie_word_embeddings\": true}}", 5e6, 1, 8},
	{"tied, flat", FLAT(SIZES ", \"rope_theta\": 1e6, \"tie_word_embeddings\": true"), 1e6, 1, 8},
	{"no key/value heads", VL("\"vocab_size\": 151936, \"hidden_size\": 2560, \"intermediate_size\": 9728,"
		"\"num_hidden_layers\": 36, \"num_attention_heads\": 32, \"head_dim\": 128, \"rms_norm_eps\": 1e-6,"
		"\"max_position_embeddings\": 262144, " V4_ROPE), 5e6, LM_TIED_UNSAID, 32},
	{"what has no bearing", FLAT(SIZES ", \"rope_theta\": 1e6, \"use_sliding_window\": false, \"sliding_window\": 4096,"
		"\"max_window_layers\": 28, \"layer_types\": [\"full_attention\", \"full_attention\"], \"use_cache\": true,"
		"\"attention_dropout\": 0.0, \"torch_dtype\": \"bfloat16\", \"bos_token_id\": null, \"num_experts\": 0,"
		"\"quantization_config\": null, \"partial_rotary_factor\": 1.0"), 1e6, LM_TIED_UNSAID, 8},
};

static void test_good(void)
{
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		const struct good *g = &good[i];
		struct lm_config c;
		int bad = lm_config_parse(&c, g->text, strlen(g->text), "config.json");
		CHECK(!bad, "%s: refused: %s", g->name, error_text());
		CHECK(c.rope_theta == g->theta, "%s: theta %g", g->name, c.rope_theta);
		CHECK(c.tied == g->tied, "%s: tied %d", g->name, c.tied);
		CHECK(c.kv_heads == g->kv_heads, "%s: %zu kv heads", g->name, c.kv_heads);
		CHECK(c.vocab_size == 151936 && c.hidden_size == 2560 && c.intermediate_size == 9728 && c.layers == 36 &&
			c.heads == 32 && c.head_dim == 128 && c.max_position_embeddings == 262144, "%s: wrong sizes", g->name);
		CHECK(c.rms_norm_eps == 1e-6, "%s: eps %g", g->name, c.rms_norm_eps);
		CHECK(!strcmp(c.model_type, strstr(g->text, "qwen3_vl") ? "qwen3_vl" : "qwen3"), "%s: family %s", g->name,
			c.model_type);
		if (c.tied == LM_TIED_UNSAID) {
			CHECK(lm_config_check(&c), "%s: the check passed though tying is unknown", g->name);
			c.tied = 1;
		}
		CHECK(!lm_config_check(&c), "%s: %s", g->name, error_text());
	}
}

/* A change to a good file, as text to be replaced. */
struct bad {
	const char *from, *to;
	const char *error;     /* the whole message after "config.json:" */
};

static const char base[] = VL(SIZES ",\n" V4_ROPE ",\n\"tie_word_embeddings\": true");

static const struct bad bad[] = {
	{"\"qwen3_vl\"", "\"qwen2\"", "1:16: model_type: \"qwen2\" is not supported; supported are qwen3_vl and "
		"qwen3, both "
		"dense; did you mean \"qwen3\"?"},
	{"\"qwen3_vl\"", "\"llama\"", "1:16: model_type: \"llama\" is not supported; supported are qwen3_vl and "
		"qwen3, both "
		"dense"},
	{"\"qwen3_vl\"", "\"qwen3_vl_moe\"", "1:16: model_type: \"qwen3_vl_moe\": mixture-of-experts models are not "
		"supported; supported are qwen3_vl and qwen3, both dense"},
	{"\"model_type\"", "\"type\"", "1:1: model_type: the key is missing; supported are qwen3_vl and qwen3, both dense"},
	{"\"qwen3_vl\"", "3", "1:16: model_type: expected a string"},
	{"\"text_config\"", "\"language_config\"", "1:1: text_config: an object is expected here: the language model's "
		"shapes"},
	{"\"vocab_size\": 151936", "\"vocab_sise\": 151936", "1:43: text_config.vocab_size: the key is missing; is "
		"\"vocab_sise\" meant?"},
	{"\"hidden_size\": 2560", "\"x\": 0", "1:43: text_config.hidden_size: the key is missing"},
	{"2560", "0", "2:38: text_config.hidden_size: found 0, expected an integer from 1 to 131072"},
	{"2560", "-2560", "2:38: text_config.hidden_size: found -2560, expected an integer from 1 to 131072"},
	{"2560", "2560.5", "2:38: text_config.hidden_size: found 2560.5, expected an integer from 1 to 131072"},
	{"2560", "1e300", "2:38: text_config.hidden_size: found 1e+300, expected an integer from 1 to 131072"},
	{"2560", "\"2560\"", "2:38: text_config.hidden_size: found \"2560\", expected an integer from 1 to 131072"},
	{"\"num_hidden_layers\": 36", "\"num_hidden_layers\": 4000", "2:92: text_config.num_hidden_layers: found 4000, "
		"expected an integer from 1 to 1024"},
	{"\"num_key_value_heads\": 8", "\"num_key_value_heads\": 5", "3:51: text_config.num_key_value_heads: 5 does "
		"not divide "
		"num_attention_heads 32"},
	{"\"head_dim\": 128", "\"head_dims\": 128", "1:43: text_config.head_dim: the key is missing; is "
		"\"head_dims\" meant?"},
	{"\"head_dim\": 128", "\"head_dim\": 127", "3:66: text_config.head_dim: found 127, expected an even number"},
	{"1e-06", "0", "3:87: text_config.rms_norm_eps: found 0, expected a number above 0, at most 0.1"},
	{"1e-06", "1", "3:87: text_config.rms_norm_eps: found 1, expected a number above 0, at most 0.1"},
	{"\"rms_norm_eps\": 1e-06", "\"y\": 0", "1:43: text_config.rms_norm_eps: the key is missing"},
	{"\"silu\"", "\"gelu\"", "4:50: text_config.hidden_act: found \"gelu\", expected \"silu\""},
	{"\"attention_bias\": false", "\"attention_bias\": true", "4:76: text_config.attention_bias: found true, expected "
		"false: Qwen3 has no biases"},
	{"\"attention_bias\": false", "\"use_sliding_window\": true", "4:80: text_config.use_sliding_window: found true, "
		"expected false: only full attention is supported"},
	{"\"attention_bias\": false", "\"layer_types\": [\"full_attention\", \"sliding_attention\"]",
		"4:73: text_config.layer_types: found \"sliding_attention\"; only \"full_attention\" is supported"},
	{"\"attention_bias\": false", "\"num_experts\": 128", "4:73: text_config.num_experts: mixture-of-experts "
		"models are "
		"not supported; supported are qwen3_vl and qwen3, both dense"},
	{"\"attention_bias\": false", "\"quantization_config\": {\"quant_method\": \"gptq\"}",
		"4:81: text_config.quantization_config: the checkpoint is quantized; expected weights in BF16, F16 or F32"},
	{"\"rope_theta\": 5000000", "\"z\": 0", "1:43: text_config.rope_theta: the key is missing, here and in "
		"rope_scaling "
		"or rope_parameters"},
	{"5000000", "0", "5:15: text_config.rope_theta: found 0, expected a number above 0, at most 1e+12"},
	{"5000000", "\"5e6\"", "5:15: text_config.rope_theta: found \"5e6\", expected a number above 0, at most 1e+12"},
	{"\"default\"", "\"yarn\"", "6:89: text_config.rope_scaling.rope_type: found \"yarn\", expected "
		"\"default\": scaled "
		"rotary embeddings are not supported"},
	{"\"rope_type\": \"default\"", "\"type\": \"linear\"", "6:84: text_config.rope_scaling.type: found \"linear\", "
		"expected \"default\": scaled rotary embeddings are not supported"},
	{"[24, 20, 20]", "[24, 20, 21]", "6:62: text_config.rope_scaling.mrope_section: found [24,20,21], expected "
		"integers "
		"whose sum is head_dim / 2 = 64"},
	{"[24, 20, 20]", "[64.5, -0.5]", "6:62: text_config.rope_scaling.mrope_section: found [64.5,-0.5], expected "
		"integers "
		"whose sum is head_dim / 2 = 64"},
	{"[24, 20, 20]", "64", "6:62: text_config.rope_scaling.mrope_section: found 64, expected integers whose sum is "
		"head_dim / 2 = 64"},
	{"\"rope_type\": \"default\"", "\"partial_rotary_factor\": 0.25", "6:101: text_config.rope_scaling."
		"partial_rotary_factor: found 0.25, expected 1: all components of a head rotate"},
	{"\"tie_word_embeddings\": true", "\"tie_word_embeddings\": 1", "7:24: text_config.tie_word_embeddings: found 1, "
		"expected true or false"},
	{"\"tie_word_embeddings\": true", "\"tie_word_embeddings\": true,", "7:29: byte 465: not JSON: expected a "
		"string in "
		"double quotes"},
};

/* base with the first occurrence of from replaced by to. */
static void replace(struct strbuf *out, const char *from, const char *to)
{
	const char *at = strstr(base, from);
	strbuf_clear(out);
	CHECK(at, "the test is wrong: no %s", from);
	if (!at)
		return;
	strbuf_add(out, base, (size_t)(at - base));
	strbuf_adds(out, to);
	strbuf_adds(out, at + strlen(from));
}

static void test_bad(void)
{
	struct strbuf text, error;
	struct lm_config c;
	strbuf_init(&text);
	strbuf_init(&error);
	CHECK(!lm_config_parse(&c, base, sizeof base - 1, "config.json"), "the base was refused: %s", error_text());
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		replace(&text, bad[i].from, bad[i].to);
		int refused = lm_config_parse(&c, text.s, text.length, "config.json");
		CHECK(refused, "accepted: %s", bad[i].to);
		strbuf_clear(&error);
		strbuf_addf(&error, "config.json:%s", bad[i].error);
		if (refused)
			CHECK_STRING(error_text(), error.s);
	}
	strbuf_release(&text);
	strbuf_release(&error);
}

static void test_not_an_object(void)
{
	static const char *const texts[] = {"", "[]", "3", "\"qwen3\"", "null", "{", "{}"};
	struct lm_config c;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		CHECK(lm_config_parse(&c, texts[i], strlen(texts[i]), "config.json"), "accepted: %s", texts[i]);
	CHECK(lm_config_parse(&c, "{\"model_type\": \"qwen3\", \"model_type\": \"qwen3\"}", 46, "config.json") &&
		strstr(error_text(), "duplicate key \"model_type\""), "%s", error_text());
}

/* Every truncation is refused, not crashed on. */
static void test_truncated(void)
{
	struct lm_config c;
	for (size_t length = 0; length < sizeof base - 1; length++) {
		char *copy = malloc(length + 1);
		memcpy(copy, base, length);
		CHECK(lm_config_parse(&c, copy, length, "config.json"), "accepted %zu bytes", length);
		free(copy);
	}
}

static void test_check(void)
{
	struct lm_config c;
	lm_config_parse(&c, base, sizeof base - 1, "config.json");
	struct lm_config d = c;
	d.heads = 33;
	CHECK(lm_config_check(&d) && strstr(error_text(), "8 does not divide"), "%s", error_text());
	d = c;
	d.layers = 0;
	CHECK(lm_config_check(&d) && strstr(error_text(), "num_hidden_layers: found 0"), "%s", error_text());
	d = c;
	d.vocab_size = (size_t)1 << 40;
	CHECK(lm_config_check(&d) && strstr(error_text(), "vocab_size"), "%s", error_text());
	d = c;
	d.rope_theta = NAN;
	CHECK(lm_config_check(&d) && strstr(error_text(), "rope_theta"), "%s", error_text());
	d = c;
	d.rms_norm_eps = INFINITY;
	CHECK(lm_config_check(&d) && strstr(error_text(), "rms_norm_eps"), "%s", error_text());
	d = c;
	memset(d.model_type, 'x', sizeof d.model_type);
	CHECK(lm_config_check(&d) && strstr(error_text(), "model_type"), "%s", error_text());
}

/* Counts and sizes of published models: 2B and 4B are tied, 8B and 32B are not. */
static void test_layout(void)
{
	static const struct {
		size_t hidden, inner, layers, heads, kv_heads;
		int tied;
		size_t tensors;
		unsigned long long parameters;
	} published[] = {
		{2048, 6144, 28, 16, 8, 1, 310, 1720574976},
		{2560, 9728, 36, 32, 8, 1, 398, 4022468096},
		{4096, 12288, 36, 32, 8, 0, 399, 8190735360},
		{5120, 25600, 64, 64, 8, 0, 707, 32762123264},
	};
	struct lm_tensor_spec spec;
	for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
		struct lm_config c = {.model_type = "qwen3_vl", .vocab_size = 151936, .head_dim = 128,
			.hidden_size = published[i].hidden, .intermediate_size = published[i].inner, .layers = published[i].layers,
			.heads = published[i].heads, .kv_heads = published[i].kv_heads, .tied = published[i].tied};
		unsigned long long total = 0;
		size_t count = lm_layout_count(&c);
		CHECK(count == published[i].tensors, "%zu tensors, expected %zu", count, published[i].tensors);
		for (size_t j = 0; j < count; j++) {
			lm_layout_tensor(&c, j, &spec);
			total += (unsigned long long)spec.shape[0] * spec.shape[1];
			CHECK(spec.rank == (spec.shape[1] == 1 ? 1u : 2u), "%s: rank %u", spec.name, spec.rank);
		}
		CHECK(total == published[i].parameters, "%llu parameters, expected %llu", total, published[i].parameters);
		lm_layout_tensor(&c, lm_layout_head(&c), &spec);
		CHECK_STRING(spec.name, c.tied ? "model.language_model.embed_tokens.weight" : "lm_head.weight");
		lm_layout_tensor(&c, lm_layout_norm(&c), &spec);
		CHECK_STRING(spec.name, "model.language_model.norm.weight");
		lm_layout_tensor(&c, lm_layout_index(27, LM_DOWN), &spec);
		CHECK_STRING(spec.name, "model.language_model.layers.27.mlp.down_proj.weight");
		CHECK(spec.shape[0] == c.hidden_size && spec.shape[1] == c.intermediate_size, "down_proj is turned");
		lm_layout_tensor(&c, lm_layout_index(3, LM_K), &spec);
		CHECK_STRING(spec.name, "model.language_model.layers.3.self_attn.k_proj.weight");
	}
}

int main(void)
{
	TEST(test_good);
	TEST(test_bad);
	TEST(test_not_an_object);
	TEST(test_truncated);
	TEST(test_check);
	TEST(test_layout);
	return check_done();
}
