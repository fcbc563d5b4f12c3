/* Texts of trees that share parts: the same as those of trees that share none, and each part written once. */
#include "common/json_texts.h"

#include <stdlib.h>

#include "check.h"
#include "common/memory.h"

enum { PARTS = 12, TREES = 200, CHILDREN = 5 };

static uint64_t state = 20240611;

static unsigned next_random(unsigned below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33) % below;
}

static cJSON *make_scalar(void)
{
	switch (next_random(5)) {
	case 0:
		return cJSON_CreateNull();
	case 1:
		return cJSON_CreateBool(next_random(2));
	case 2:
		return cJSON_CreateNumber((double)next_random(1000) / 8);
	case 3:
		return cJSON_CreateString(next_random(2) ? "a \"b\"\n\303\251" : "");
	}
	return next_random(2) ? cJSON_CreateArray() : cJSON_CreateObject();
}

static const char *const names[] = {"b", "a", "", "z\"", "aa", "B", "\303\251"};
enum { NAMES = sizeof names / sizeof *names };

/* An array or object; children are scalars, or one of the count parts by reference. */
static cJSON *make(cJSON *const *parts, size_t count)
{
	cJSON *made = next_random(3) ? cJSON_CreateObject() : cJSON_CreateArray();
	size_t first = next_random(NAMES);
	for (size_t i = 0; i < CHILDREN; i++) {
		const int shares = count && next_random(2);
		cJSON *part = shares ? parts[next_random((unsigned)count)] : NULL;
		if (cJSON_IsObject(made) && shares)
			json_add_reference(made, names[(first + i) % NAMES], part);
		else if (cJSON_IsObject(made))
			cJSON_AddItemToObject(made, names[(first + i) % NAMES], make_scalar());
		else if (shares)
			cJSON_AddItemReferenceToArray(made, part);
		else
			cJSON_AddItemToArray(made, make_scalar());
	}
	return made;
}

static void write_plain(void *context, struct strbuf *to, const cJSON *value)
{
	(void)context;
	if (cJSON_IsArray(value) || cJSON_IsObject(value))
		json_items(to, value, 0, write_plain, NULL);
	else
		json_scalar(to, value);
}

static void check_texts(struct json_texts *texts, const cJSON *tree)
{
	struct strbuf found, expected;
	strbuf_init(&found);
	strbuf_init(&expected);
	json_canonical(&expected, tree);
	for (int own = 0; own < 4; own++) {
		strbuf_clear(&found);
		json_texts_canonical(texts, &found, tree, own);
		CHECK(!strcmp(found.s, expected.s), "own %d: %s\nnot %s", own, found.s, expected.s);
	}
	strbuf_clear(&expected);
	write_plain(NULL, &expected, tree);
	for (int own = 0; own < 4; own++) {
		strbuf_clear(&found);
		json_texts_compact(texts, &found, tree, own);
		CHECK(!strcmp(found.s, expected.s), "own %d: %s\nnot %s", own, found.s, expected.s);
	}
	strbuf_release(&found);
	strbuf_release(&expected);
}

/* Parts of parts, three levels deep and more. */
static void test_random_trees(void)
{
	struct json_texts texts = {.count = 0};
	cJSON *parts[PARTS], *trees[TREES];
	for (size_t i = 0; i < PARTS; i++)
		parts[i] = make(parts, i);
	for (size_t i = 0; i < TREES; i++) {
		trees[i] = make(parts, PARTS);
		check_texts(&texts, trees[i]);
	}
	/* Sorted and not; nothing but the parts is shared. */
	CHECK(texts.count > PARTS && texts.count <= 2 * PARTS, "%zu texts of %d parts", texts.count, PARTS);
	json_texts_release(&texts);
	CHECK(!texts.texts && !texts.count, "not empty after release");
	for (size_t i = 0; i < TREES; i++)
		cJSON_Delete(trees[i]);
	for (size_t i = PARTS; i-- > 0;)
		cJSON_Delete(parts[i]);
}

/* The upper levels that are the tree's own are written anew, though they are references. */
static void test_own_levels(void)
{
	struct json_texts texts = {.count = 0};
	struct strbuf to;
	cJSON *inner = cJSON_CreateObject(), *middle = cJSON_CreateObject(), *tree = cJSON_CreateObject();
	cJSON_AddNumberToObject(inner, "n", 1);
	json_add_reference(middle, "inner", inner);
	json_add_reference(tree, "middle", middle);
	strbuf_init(&to);
	for (int own = 3; own >= 1; own--) {
		size_t expected = own == 3 ? 0 : own == 2 ? 1 : 2;
		json_texts_canonical(&texts, &to, tree, own);
		CHECK(texts.count == expected, "own %d: %zu texts are kept, not %zu", own, texts.count, expected);
	}
	/* What is the tree's own may have changed since; what is shared is what it was. */
	cJSON_SetNumberValue(cJSON_GetObjectItemCaseSensitive(inner, "n"), 2);
	strbuf_clear(&to);
	json_texts_canonical(&texts, &to, tree, 3);
	CHECK_STRING(to.s, "{\"middle\":{\"inner\":{\"n\":2}}}");
	strbuf_clear(&to);
	json_texts_canonical(&texts, &to, tree, 1);
	CHECK_STRING(to.s, "{\"middle\":{\"inner\":{\"n\":1}}}");
	strbuf_release(&to);
	json_texts_release(&texts);
	cJSON_Delete(tree);
	cJSON_Delete(middle);
	cJSON_Delete(inner);
}

int main(void)
{
	TEST(test_random_trees);
	TEST(test_own_levels);
	return check_done();
}
