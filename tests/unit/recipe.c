/* The recipe object: written, read back, what its identity covers, and damaged in its description. */
#include "../check.h"

#include <stdlib.h>
#include <unistd.h>

#include "../support/scratch.h"
#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "formats/recipe.h"

enum { LINEARS = 4 };

static struct quantizer_pair pair_of(const char *weight, const char *activation)
{
	struct quantizer_pair pair;
	if (quantizer_weight_parse(weight, &pair.weight) || quantizer_activation_parse(activation, &pair.activation))
		exit(error_report(1));
	return pair;
}

/* Two groups in two formats and one at 16 bits; a score that needs all its digits. */
static void recipe_make(struct recipe *r, struct recipe_linear *linears)
{
	const struct recipe_linear made[LINEARS] = {
		{"a.q_proj", 0, pair_of("F8t", "f8k")},
		{"a.k_proj", 0, pair_of("F8t", "f8k")},
		{"a.o_proj", 1, pair_of("-", "-")},
		{"lm_head", 2, pair_of("I4g64", "-")},
	};
	memcpy(linears, made, sizeof made);
	*r = (struct recipe){.linear_count = LINEARS, .linears = linears, .score = 1 / 3.0, .proven = 1};
}

static void write_recipe(const struct recipe *r, const char *path, struct digest *content, struct digest *identity)
{
	size_t size;
	unlink(path);
	if (recipe_write(r, path, content, identity, &size))
		exit(error_report(1));
}

static void test_round_trip(void)
{
	struct recipe_linear linears[LINEARS];
	struct recipe made, read;
	struct digest content, identity;
	char *path = scratch_path("round.recipe");
	recipe_make(&made, linears);
	write_recipe(&made, path, &content, &identity);
	if (recipe_open(&read, path, &content))
		exit(error_report(1));
	CHECK(digest_equal(&read.object.identity, &identity) && !digest_equal(&identity, &content), "identity %s",
		read.object.identity.hex);
	CHECK(read.linear_count == LINEARS && read.score == made.score && read.proven == 1, "%zu linears, score %.17g, %d",
		read.linear_count, read.score, read.proven);
	for (size_t i = 0; i < LINEARS; i++) {
		const struct recipe_linear *a = &linears[i], *b = &read.linears[i];
		CHECK_STRING(b->name, a->name);
		CHECK(a->group == b->group && quantizer_equal(a->pair.weight, b->pair.weight) &&
			quantizer_equal(a->pair.activation, b->pair.activation), "%s of group %zu differs", b->name, b->group);
	}
	recipe_close(&read);
	free(path);
}

/* Everything about a linear is part of the identity, nothing else is. */
static void test_identity(void)
{
	struct recipe_linear linears[LINEARS];
	struct recipe made;
	struct digest content, identity, other_content, other;
	char *path = scratch_path("identity.recipe");
	recipe_make(&made, linears);
	write_recipe(&made, path, &content, &identity);
	made.score = 2;
	made.proven = 0;
	write_recipe(&made, path, &other_content, &other);
	CHECK(digest_equal(&identity, &other) && !digest_equal(&content, &other_content), "score and proof: %s", other.hex);
	for (int change = 0; change < 5; change++) {
		recipe_make(&made, linears);
		switch (change) {
		case 0: linears[2].name = "a.o"; break;
		case 1: linears[3].group = 1; linears[2].pair = linears[3].pair; break;
		case 2: linears[3].pair = pair_of("I4g32", "-"); break;
		case 3: linears[3].pair = pair_of("I4g64", "i8t"); break;
		default: made.linear_count--;
		}
		write_recipe(&made, path, &other_content, &other);
		CHECK(!digest_equal(&identity, &other), "change %d keeps the identity", change);
	}
	free(path);
}

/* A change to the description, made by replacing text. */
static const struct {
	const char *from, *to;
	const char *error;   /* NULL: still good */
} damages[] = {
	{NULL, NULL, NULL},
	{"\"linears\":", "\"linear\":", "key \"linears\" is missing"},
	{"\"linears\":", "\"linears\":[],\"other\":", "\"linears\" must be a list of 1 to 65536 entries"},
	{"\"linears\":", "\"linears\":\"all\",\"other\":", "\"linears\" must be a list of 1 to 65536 entries"},
	{"\"linears\":[", "\"linears\":[3,", "linear 0"},
	{"\"name\":\"a.q_proj\"", "\"name\":7", "\"name\" must be a string"},
	{"\"group\":0", "\"group\":1", "\"group\" is 1, expected 0 to 0"},
	{"\"group\":0", "\"group\":-1", "\"group\" must be an integer"},
	{"\"group\":0", "\"group\":0.5", "\"group\" must be an integer"},
	{"\"group\":2", "\"group\":0", "\"group\" is 0, expected 1 to 2"},
	{"\"group\":2", "\"group\":3", "\"group\" is 3, expected 1 to 2"},
	{"\"group\":1", "\"group\":0", "a.o_proj has another format than a.k_proj of the same group"},
	{"\"group\":2", "\"group\":1", "lm_head has another format than a.o_proj of the same group"},
	{"\"weight\":\"I4g64\"", "\"weight\":\"I4g\"", "unknown weight quantizer \"I4g\"; expected"},
	{"\"weight\":\"I4g64\"", "\"weight\":null", "\"weight\" must be a string"},
	{"\"activation\":\"f8k\"", "\"activation\":\"f8x\"", "unknown activation quantizer \"f8x\"; expected"},
	{"\"activation\":\"f8k\"", "\"activation\":\"f8t\"", "a.k_proj has another format than a.q_proj of the same group"},
	{"\"score\":0.3", "\"score\":-0.3", "\"score\" is -0.3"},
	{"\"score\":0.3", "\"score\":\"0\",\"other\":0.3", "\"score\" must be"},
	{"\"score\":", "\"sum\":", "key \"score\" is missing"},
	{"\"proven\":true", "\"proven\":1", "\"proven\" must be true or false"},
	{"\"proven\":true", "\"proved\":true", "key \"proven\" is missing"},
};

static char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = from ? strstr(text, from) : NULL;
	CHECK(!from || at, "the test is wrong: no %s in %s", from, text);
	if (!at)
		return mem_strdup(text);
	return mem_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

/* Writes the recipe with a description of another text. */
static void write_changed(const struct recipe *r, const char *path, const char *from, const char *to)
{
	struct object_writer w;
	struct strbuf text;
	struct digest content, identity;
	size_t size;
	strbuf_init(&text);
	recipe_describe(r, &w);
	json_canonical(&text, w.description);
	char *changed = replaced(text.s, from, to);
	cJSON_Delete(w.description);
	w.description = json_parse(changed, strlen(changed), "test", NULL);
	unlink(path);
	if (!w.description || object_write(&w, path, &content, &identity, &size))
		exit(error_report(1));
	object_writer_release(&w);
	strbuf_release(&text);
	free(changed);
}

static void test_damaged(void)
{
	char *path = scratch_path("damaged.recipe");
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		struct recipe_linear linears[LINEARS];
		struct recipe r, read;
		recipe_make(&r, linears);
		write_changed(&r, path, damages[i].from, damages[i].to);
		int bad = recipe_open(&read, path, NULL);
		CHECK(!bad == !damages[i].error, "%s: %s", damages[i].to, bad ? error_text() : "was accepted");
		if (bad && damages[i].error)
			CHECK(strstr(error_text(), damages[i].error) && strstr(error_text(), path),
				"message is \"%s\", expected \"%s\"", error_text(), damages[i].error);
		recipe_close(&read);
	}
	free(path);
}

static void test_other_kinds_and_content(void)
{
	struct recipe_linear linears[LINEARS];
	struct recipe made, read;
	struct digest content, identity, other;
	char *path = scratch_path("a.recipe"), *other_path = scratch_path("b.recipe");
	recipe_make(&made, linears);
	write_recipe(&made, path, &content, &identity);
	made.score = 1;
	write_recipe(&made, other_path, &other, &identity);
	CHECK(recipe_open(&read, path, &other) == -1, "the wrong content was accepted");
	CHECK(strstr(error_text(), "expected"), "message \"%s\"", error_text());
	CHECK(recipe_open(&read, "tests/golden/demo_small.json", NULL) == -1, "a text was accepted");
	free(path);
	free(other_path);
}

int main(void)
{
	TEST(test_round_trip);
	TEST(test_identity);
	TEST(test_damaged);
	TEST(test_other_kinds_and_content);
	return check_done();
}
