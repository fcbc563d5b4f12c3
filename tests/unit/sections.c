/* The distinct sections of a grid's configs: what they are is what each config would be by itself, shared where configs
 * agree, checked once. */
#include "config/sections.h"

#include <stdlib.h>

#include "check.h"
#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "config/resolve.h"
#include "config/schema.h"

enum { OVERRIDES_MAX = 4 };

static struct composer *composer;

/* Composed and resolved, not checked. The caller releases both. */
static struct node *compose_config(struct composition *c, const char *const *texts)
{
	struct override overrides[OVERRIDES_MAX] = {{0}};
	size_t count = 0;
	for (; texts[count]; count++)
		if (override_parse(&overrides[count], texts[count]))
			exit(error_report(1));
	if (compose(composer, "preset/qwen3_lm_sensitivity", overrides, count, c))
		exit(error_report(1));
	struct node *config = resolve(c->root, c);
	for (size_t i = 0; i < count; i++)
		override_release(&overrides[i]);
	if (!config)
		exit(error_report(1));
	return config;
}

#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Of sections_share(); *config is NULL when that failed. */
static struct hash128 share(struct sections *s, struct node **config, const char *const *texts)
{
	struct composition c;
	struct hash128 hash = {0};
	*config = compose_config(&c, texts);
	if (sections_share(s, *config, &c, &hash)) {
		node_free(*config);
		*config = NULL;
	}
	composition_release(&c);
	return hash;
}

static char *yaml_of(const struct node *config)
{
	struct strbuf text;
	strbuf_init(&text);
	node_to_yaml(&text, config);
	return text.s;
}

/* As text, which tells 8 from 8.0. */
static void check_as_alone(const struct node *shared, const char *const *texts)
{
	struct composition c;
	struct node *alone = compose_config(&c, texts);
	CHECK(!schema_check(alone, &c), "%s", error_text());
	char *found = yaml_of(shared), *expected = yaml_of(alone);
	CHECK_STRING(found, expected);
	free(found);
	free(expected);
	node_free(alone);
	composition_release(&c);
}

static int same_hash(struct hash128 a, struct hash128 b)
{
	return a.low == b.low && a.high == b.high;
}

/* What is written alike is shared: 9 and 9.0 are equal, and need not be. */
static void check_sharing(const struct node *a, const struct node *b, int written_alike)
{
	for (size_t n = 0; n < a->count; n++) {
		const struct node *x = a->items[n], *y = node_get(b, a->keys[n].text);
		CHECK(x == y || !node_equal(x, y) || !written_alike, "section %s is not shared", a->keys[n].text);
		CHECK(x != y || node_equal(x, y), "section %s is shared and differs", a->keys[n].text);
	}
}

static void test_shared(void)
{
	const char *const *const cells[] = {TEXTS("quant_pair=wfp8_afp8"), TEXTS("quant_pair=wint4_afp16"),
		TEXTS("quant_pair=wfp8_afp8", "autoquant.effective_bits=9"), TEXTS("autoquant.effective_bits=9.0"),
		TEXTS("quant_pair=wfp8_afp8", "dataset.size=medium"), TEXTS("quant_pair=wfp8_afp8")};
	enum { CELLS = sizeof cells / sizeof *cells, FLOATS = 3 };
	struct sections s = {.count = 0};
	struct node *configs[CELLS];
	struct hash128 hashes[CELLS];
	for (size_t i = 0; i < CELLS; i++) {
		hashes[i] = share(&s, &configs[i], cells[i]);
		CHECK(configs[i], "cell %zu: %s", i, error_text());
		if (!configs[i])
			return;
		check_as_alone(configs[i], cells[i]);
	}
	for (size_t i = 0; i < CELLS; i++)
		for (size_t k = 0; k < CELLS; k++) {
			char *a = yaml_of(configs[i]), *b = yaml_of(configs[k]);
			CHECK(same_hash(hashes[i], hashes[k]) == !strcmp(a, b), "hashes of the cells %zu and %zu:\n%s\n%s", i, k,
				a, b);
			free(a);
			free(b);
			check_sharing(configs[i], configs[k], i != FLOATS && k != FLOATS);
		}
	for (size_t i = 0; i < CELLS; i++)
		node_free(configs[i]);
	sections_release(&s);
	CHECK(!s.count && !s.items && !s.held, "not empty after release");
}

/* JSON and YAML of each section together are those of the config. */
static void test_texts(void)
{
	struct sections s = {.count = 0};
	struct node *config;
	struct strbuf yaml;
	share(&s, &config, TEXTS("quant_granularity=w_group64", "autoquant.effective_bits=9"));
	cJSON *whole = node_to_json(config);
	strbuf_init(&yaml);
	strbuf_addc(&yaml, '"');
	for (size_t i = 0; i < config->count; i++) {
		struct section *section = sections_find(&s, config->items[i]);
		CHECK(section->value == config->items[i] && section->checked, "section %s", config->keys[i].text);
		const cJSON *json = section_json(section);
		CHECK(cJSON_Compare(json, cJSON_GetObjectItemCaseSensitive(whole, config->keys[i].text), 1), "JSON of %s",
			config->keys[i].text);
		CHECK(section_json(section) == json && section_yaml(section) == section_yaml(section), "made twice");
		strbuf_addf(&yaml, "%s:%s", config->keys[i].text, section_yaml(section));
	}
	strbuf_addc(&yaml, '"');
	char *expected = yaml_of(config);
	cJSON *text = json_parse(yaml.s, yaml.length, "the YAML of all sections", NULL);
	CHECK_STRING(text ? text->valuestring : error_text(), expected);
	cJSON_Delete(text);
	free(expected);
	strbuf_release(&yaml);
	cJSON_Delete(whole);
	node_free(config);
	sections_release(&s);
}

/* What is wrong in one section is found, also after the others passed, again and again, and spoils nothing. */
static void test_refused(void)
{
	struct sections s = {.count = 0};
	struct node *config, *good;
	share(&s, &good, TEXTS("quant_pair=wfp8_afp8"));
	for (int i = 0; i < 2; i++) {
		share(&s, &config, TEXTS("quant_pair=wfp8_afp8", "autoquant.effective_bits=99"));
		CHECK(!config && strstr(error_text(), "autoquant.effective_bits"), "time %d: %s", i, error_text());
		share(&s, &config, TEXTS("quant_pair=wfp8_afp8", "+nonsense=1"));
		CHECK(!config && strstr(error_text(), "nonsense"), "time %d: %s", i, error_text());
		share(&s, &config, TEXTS("quant_pair=wfp8_afp8", "~autoquant"));
		CHECK(!config && strstr(error_text(), "autoquant"), "time %d: %s", i, error_text());
	}
	share(&s, &config, TEXTS("quant_pair=wfp8_afp8"));
	CHECK(config && node_equal(config, good), "a good config after bad ones: %s", error_text());
	node_free(config);
	node_free(good);
	sections_release(&s);
}

int main(void)
{
	composer = composer_new("conf");
	TEST(test_shared);
	TEST(test_texts);
	TEST(test_refused);
	composer_free(composer);
	return check_done();
}
