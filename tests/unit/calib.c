/* The calib object: written, read back, and damaged in its description and arrays. */
#include "../check.h"

#include <stdlib.h>
#include <unistd.h>

#include "../support/scratch.h"
#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "formats/calib.h"

enum { LINEARS = 2 };

static const float rows[] = {1, 2, 0.5f}, more_rows[] = {0, 0x1p-149f};

/* I8r weights [3, 4] and [2, 4] under f8t activations; numbers that need all their digits. */
static void calib_make(struct calib *c, struct calib_linear *linears)
{
	const struct calib_linear made[LINEARS] = {
		{"a.q_proj", 4, 3, rows, {0.1, 1 / 3.0, -2e-300, 4, 0.25, 12}, 3.14159274f, {1e-9, 2, 3, 4, 5, 28}},
		{"lm_head", 4, 2, more_rows, {0, 0, 0, 0, 0, 8}, 0, {0, 0, 0, 0, 0, 28}},
	};
	memcpy(linears, made, sizeof made);
	*c = (struct calib){.linear_count = LINEARS, .linears = linears, .sequences = 2, .tokens = 7};
	quantizer_weight_parse("I8r", &c->pair.weight);
	quantizer_activation_parse("f8t", &c->pair.activation);
}

static void write_calib(const struct calib *c, const char *path, struct digest *content)
{
	struct digest identity;
	size_t size;
	unlink(path);
	if (calib_write(c, path, content, &identity, &size))
		exit(error_report(1));
	CHECK(digest_equal(content, &identity), "identity %s, content %s", identity.hex, content->hex);
}

static void check_sums(const char *name, const struct quant_sums *found, const struct quant_sums *expected)
{
	CHECK(memcmp(found, expected, sizeof *found) == 0, "sums of %s: error2 %.17g, expected %.17g", name, found->error2,
		expected->error2);
}

static void test_round_trip(void)
{
	struct calib_linear linears[LINEARS];
	struct calib made, read;
	struct digest content;
	char *path = scratch_path("round.calib");
	calib_make(&made, linears);
	write_calib(&made, path, &content);
	if (calib_open(&read, path, &content))
		exit(error_report(1));
	CHECK(quantizer_equal(read.pair.weight, made.pair.weight) && quantizer_equal(read.pair.activation,
		made.pair.activation), "the format differs");
	CHECK(read.linear_count == LINEARS && read.sequences == 2 && read.tokens == 7, "%zu linears, %zu sequences, %zu "
		"tokens", read.linear_count, read.sequences, read.tokens);
	for (size_t i = 0; i < LINEARS; i++) {
		const struct calib_linear *a = &linears[i], *b = &read.linears[i];
		CHECK_STRING(b->name, a->name);
		CHECK(a->in == b->in && a->out == b->out, "%s is [%zu, %zu]", b->name, b->out, b->in);
		CHECK(memcmp(a->weight_amax, b->weight_amax, a->out * sizeof(float)) == 0, "maxima of %s", b->name);
		CHECK(a->activation_amax == b->activation_amax, "%s: amax %.9g", b->name, (double)b->activation_amax);
		check_sums(b->name, &b->weight, &a->weight);
		check_sums(b->name, &b->activation, &a->activation);
	}
	calib_close(&read);
	free(path);
}

/* The same without the maxima, which may then be anything. */
static void test_errors_alone(void)
{
	struct calib_linear linears[LINEARS];
	struct calib made, read;
	struct digest content;
	char *path = scratch_path("errors.calib");
	float wrong[2] = {NAN, -1};
	calib_make(&made, linears);
	linears[0].out = 2;
	linears[0].weight_amax = wrong;
	write_calib(&made, path, &content);
	CHECK(calib_open(&read, path, &content), "maxima that are none were accepted");
	if (calib_open_errors(&read, path, &content))
		exit(error_report(1));
	for (size_t i = 0; i < LINEARS; i++) {
		CHECK(!read.linears[i].weight_amax, "there are maxima");
		CHECK(read.linears[i].activation_amax == linears[i].activation_amax, "%s", linears[i].name);
		check_sums(read.linears[i].name, &read.linears[i].weight, &linears[i].weight);
		check_sums(read.linears[i].name, &read.linears[i].activation, &linears[i].activation);
	}
	calib_close(&read);
	free(path);
}

static void test_nothing_quantized(void)
{
	struct calib_linear linears[LINEARS];
	struct calib made, read;
	struct digest content;
	char *path = scratch_path("none.calib");
	calib_make(&made, linears);
	made.pair.weight.element = made.pair.activation.element = ELEMENT_NONE;
	made.sequences = made.tokens = 0;
	linears[0].weight_amax = linears[1].weight_amax = NULL;
	write_calib(&made, path, &content);
	if (calib_open(&read, path, NULL))
		exit(error_report(1));
	CHECK(read.linears[0].activation_amax == 0 && read.linears[0].activation.count == 0, "activations appeared");
	check_sums("weights", &read.linears[0].weight, &linears[0].weight);
	calib_close(&read);
	free(path);
}

/* A change to the description, made by replacing text (NULL: none), or to maximum number 1 of the first linear. */
static const struct {
	const char *from, *to;
	float maximum;
	const char *error;   /* NULL: still good */
} damages[] = {
	{NULL, NULL, 2, NULL},
	{NULL, NULL, -1, "amax.0, number 1 is -1, which is no maximum"},
	{NULL, NULL, NAN, "amax.0, number 1 is nan, which is no maximum"},
	{NULL, NULL, INFINITY, "amax.0, number 1 is inf, which is no maximum"},
	{"\"weight\":\"I8r\"", "\"weight\":\"I8x\"", 2, "unknown weight quantizer \"I8x\"; expected"},
	{"\"weight\":\"I8r\"", "\"weight\":8", 2, "\"weight\" must be a string"},
	{"\"weight\":\"I8r\"", "\"weight\":\"I8c\"", 2, "array \"amax.0\" has 3 elements, expected 4"},
	{"\"weight\":\"I8r\"", "\"weight\":\"I8t\"", 2, "array \"amax.0\" has 3 elements, expected 1"},
	{"\"activation\":\"f8t\"", "\"activation\":\"F8t\"", 2, "unknown activation quantizer \"F8t\"; expected"},
	{"\"sequences\":2", "\"sequences\":-2", 2, "\"sequences\" must be an integer"},
	{"\"tokens\":7", "\"token\":7", 2, "key \"tokens\" is missing"},
	{"\"linears\":[", "\"linears\":[3,", 2, "linear 0"},
	{"\"linears\":", "\"linears\":[],\"other\":", 2, "\"linears\" must be a list of 1 to 65536 entries"},
	{"\"linears\":", "\"linears\":5,\"other\":", 2, "\"linears\" must be a list of 1 to 65536 entries"},
	{"\"name\":\"a.q_proj\"", "\"name\":7", 2, "linear 0"},
	{"\"out\":3", "\"out\":0", 2, "\"out\" is 0, expected 1 to 1073741824"},
	{"\"out\":3", "\"out\":2000000000", 2, "\"out\" is 2000000000, expected 1 to 1073741824"},
	{"\"out\":3", "\"out\":4", 2, "array \"amax.0\" has 3 elements, expected 4"},
	{"\"in\":4", "\"in\":4.5", 2, "\"in\" must be an integer"},
	{"[0.1,", "[-0.1,", 2, "\"weight\" has a negative sum of squares"},
	{"[0.1,", "[\"0.1\",", 2, "\"weight\" must be 6 finite numbers"},
	{"[0.1,", "[", 2, "\"weight\" must be 6 numbers"},
	{"[1e-09,", "[-1,", 2, "\"activation\" has a negative sum of squares"},
	{"\"amax\":3.1", "\"amax\":-3.1", 2, "is no maximum of floats"},
	{"\"amax\":3.1", "\"amax\":9e99,\"other\":3.1", 2, "is no maximum of floats"},
	{"\"amax\":3.1", "\"amax\":0.1,\"other\":3.1", 2, "is no maximum of floats"},
	{"\"amax\":3.1", "\"xam\":3.1", 2, "key \"amax\" is missing"},
};

static char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = from ? strstr(text, from) : NULL;
	CHECK(!from || at, "the test is wrong: no %s in %s", from, text);
	if (!at)
		return mem_strdup(text);
	return mem_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

/* Writes the calib with a description of another text. -1 when that is no JSON. */
static int write_changed(const struct calib *c, const char *path, const char *from, const char *to)
{
	struct object_writer w;
	struct strbuf text;
	struct digest content, identity;
	size_t size;
	strbuf_init(&text);
	calib_describe(c, &w);
	json_canonical(&text, w.description);
	char *changed = replaced(text.s, from, to);
	cJSON_Delete(w.description);
	w.description = json_parse(changed, strlen(changed), "test", NULL);
	unlink(path);
	int bad = !w.description || object_write(&w, path, &content, &identity, &size);
	object_writer_release(&w);
	strbuf_release(&text);
	free(changed);
	return bad ? -1 : 0;
}

static void test_damaged(void)
{
	char *path = scratch_path("damaged.calib");
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		struct calib_linear linears[LINEARS];
		struct calib c, read;
		const float maxima[] = {rows[0], damages[i].maximum, rows[2]};
		calib_make(&c, linears);
		linears[0].weight_amax = maxima;
		if (write_changed(&c, path, damages[i].from, damages[i].to))
			exit(error_report(1));
		int bad = calib_open(&read, path, NULL);
		CHECK(!bad == !damages[i].error, "%s %g: %s", damages[i].to, (double)damages[i].maximum,
			bad ? error_text() : "was accepted");
		if (bad && damages[i].error)
			CHECK(strstr(error_text(), damages[i].error) && strstr(error_text(), path), "message is \"%s\", expected \"%s\"",
				error_text(), damages[i].error);
		calib_close(&read);
	}
	free(path);
}

static void test_other_kinds_and_content(void)
{
	struct calib_linear linears[LINEARS];
	struct calib made, read;
	struct digest content, other;
	char *path = scratch_path("a.calib"), *other_path = scratch_path("b.calib");
	calib_make(&made, linears);
	write_calib(&made, path, &content);
	linears[1].activation_amax = 1;
	write_calib(&made, other_path, &other);
	CHECK(!digest_equal(&content, &other), "another maximum has the same content");
	CHECK(calib_open(&read, path, &other) == -1, "the wrong content was accepted");
	CHECK(strstr(error_text(), "expected"), "message \"%s\"", error_text());
	CHECK(calib_open(&read, "tests/golden/demo_small.json", NULL) == -1, "a text was accepted");
	free(path);
	free(other_path);
}

int main(void)
{
	TEST(test_round_trip);
	TEST(test_errors_alone);
	TEST(test_nothing_quantized);
	TEST(test_damaged);
	TEST(test_other_kinds_and_content);
	return check_done();
}
