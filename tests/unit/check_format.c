/* The check object: written, read back, and damaged in its description and arrays. */
#include "formats/check.h"

#include "../check.h"

#include <stdlib.h>
#include <unistd.h>

#include "../support/scratch.h"
#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"

enum { CAPTIONS = 3 };

/* Everything a check object has, where a test may change it. */
struct made {
	size_t tokens[CAPTIONS];
	double before[CAPTIONS], after[CAPTIONS], kl[CAPTIONS];
	struct check check;
};

/* The second caption has no target. */
static void make(struct made *m)
{
	*m = (struct made){
		.tokens = {7, 1, 12}, .before = {20.25, 0, 1 / 3.0}, .after = {20.5, 0, 0.1}, .kl = {1e-300, 0.125, 0},
	};
	m->check = (struct check){
		.sequence_count = CAPTIONS, .tokens = m->tokens, .loss_before = m->before, .loss_after = m->after, .kl = m->kl,
		.quantized = 20,
	};
}

static void write_check(const struct check *c, const char *path, struct digest *content)
{
	struct digest identity;
	size_t size;
	unlink(path);
	if (check_write(c, path, content, &identity, &size))
		exit(error_report(1));
	CHECK(digest_equal(content, &identity), "identity %s, content %s", identity.hex, content->hex);
}

static void test_round_trip(void)
{
	struct made m;
	struct check read;
	struct digest content;
	char *path = scratch_path("round.check");
	make(&m);
	write_check(&m.check, path, &content);
	if (check_open(&read, path, &content))
		exit(error_report(1));
	CHECK(read.sequence_count == CAPTIONS && read.quantized == 20, "%zu captions, %zu quantized", read.sequence_count,
		read.quantized);
	CHECK(!memcmp(read.tokens, m.tokens, sizeof m.tokens), "tokens");
	CHECK(!memcmp(read.loss_before, m.before, sizeof m.before), "loss_before");
	CHECK(!memcmp(read.loss_after, m.after, sizeof m.after), "loss_after");
	CHECK(!memcmp(read.kl, m.kl, sizeof m.kl), "kl");
	check_close(&read);
	CHECK(!read.tokens, "still open");
	free(path);
}

/* A number of an array is replaced, or (NONE) text of the description. */
enum array { NONE, TOKENS, BEFORE, AFTER, KL };

static const struct {
	enum array array;
	size_t index;
	double value;
	const char *from, *to;
	const char *error;   /* NULL: still good */
} damages[] = {
	{NONE, 0, 0, NULL, NULL, NULL},
	{NONE, 0, 0, "\"quantized\":20", "\"quantized\":0", NULL},
	{NONE, 0, 0, "\"quantized\":20", "\"quantized\":65537", "\"quantized\" is 65537, expected 0 to 65536"},
	{NONE, 0, 0, "\"quantized\":20", "\"quantized\":-1", "\"quantized\" must be an integer"},
	{NONE, 0, 0, "\"quantized\":20", "\"quantised\":20", "key \"quantized\" is missing"},
	{NONE, 0, 0, "\"sequences\":3", "\"sequences\":0", "\"sequences\" is 0, expected 1 to 16777216"},
	{NONE, 0, 0, "\"sequences\":3", "\"sequences\":2", "array \"tokens\" has 3 elements, expected 2"},
	{NONE, 0, 0, "\"sequences\":3", "\"sequences\":16777217", "\"sequences\" is 16777217"},
	{NONE, 0, 0, "\"sequences\":3", "\"sequences\":\"3\"", "\"sequences\" must be a number"},
	{TOKENS, 0, 1 << 29, NULL, NULL, NULL},
	{TOKENS, 0, 0, NULL, NULL, "caption 0 has 0 tokens after 0"},
	{TOKENS, 2, 1 << 30, NULL, NULL, "caption 2 has 1073741824 tokens after 8, expected at least 1 and at most"},
	{TOKENS, 2, 0x1p63, NULL, NULL, "caption 2 has 9223372036854775808 tokens after 8"},
	{TOKENS, 2, 1, NULL, NULL, "loss_before of caption 2 is 0.333333, but it has no target"},
	{BEFORE, 2, 0, NULL, NULL, NULL},
	{BEFORE, 2, -1, NULL, NULL, "loss_before of caption 2 is -1, expected a finite number >= 0"},
	{BEFORE, 0, NAN, NULL, NULL, "loss_before of caption 0 is nan, expected a finite number >= 0"},
	{BEFORE, 0, INFINITY, NULL, NULL, "loss_before of caption 0 is inf, expected a finite number >= 0"},
	{BEFORE, 1, 1e-9, NULL, NULL, "loss_before of caption 1 is 1e-09, but it has no target"},
	{AFTER, 2, 1e300, NULL, NULL, NULL},
	{AFTER, 0, -1e-9, NULL, NULL, "loss_after of caption 0 is -1e-09, expected a finite number >= 0"},
	{AFTER, 2, NAN, NULL, NULL, "loss_after of caption 2 is nan"},
	{AFTER, 1, 3, NULL, NULL, "loss_after of caption 1 is 3, but it has no target"},
	{KL, 1, 3, NULL, NULL, NULL},
	{KL, 1, -3, NULL, NULL, "kl of caption 1 is -3, expected a finite number >= 0"},
	{KL, 2, NAN, NULL, NULL, "kl of caption 2 is nan"},
	{KL, 0, INFINITY, NULL, NULL, "kl of caption 0 is inf"},
};

static char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = from ? strstr(text, from) : NULL;
	CHECK(!from || at, "the test is wrong: no %s in %s", from, text);
	if (!at)
		return mem_strdup(text);
	return mem_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

/* Writes the check with a description of another text. -1 when that is no JSON. */
static int write_changed(const struct check *c, const char *path, const char *from, const char *to)
{
	struct object_writer w;
	struct strbuf text;
	struct digest content, identity;
	size_t size;
	strbuf_init(&text);
	check_describe(c, &w);
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
	char *path = scratch_path("damaged.check");
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		struct made m;
		struct check read;
		make(&m);
		double *const arrays[] = {[BEFORE] = m.before, [AFTER] = m.after, [KL] = m.kl};
		if (damages[i].array == TOKENS)
			m.tokens[damages[i].index] = (size_t)damages[i].value;
		else if (damages[i].array != NONE)
			arrays[damages[i].array][damages[i].index] = damages[i].value;
		if (write_changed(&m.check, path, damages[i].from, damages[i].to))
			exit(error_report(1));
		int bad = check_open(&read, path, NULL);
		CHECK(!bad == !damages[i].error, "damage %zu: %s", i, bad ? error_text() : "was accepted");
		if (bad && damages[i].error)
			CHECK(strstr(error_text(), damages[i].error) && strstr(error_text(), path), "damage %zu: message \"%s\", "
				"expected \"%s\"", i, error_text(), damages[i].error);
		check_close(&read);
	}
	free(path);
}

/* Arrays of another number, of another type, or none. */
static void test_arrays(void)
{
	static const char *const names[] = {"tokens", "loss_before", "loss_after", "kl"};
	char *path = scratch_path("arrays.check");
	for (size_t i = 0; i < 3 * 4; i++) {
		struct made m;
		struct check read;
		struct object_writer w;
		struct digest content, identity;
		size_t size;
		make(&m);
		check_describe(&m.check, &w);
		struct object_array_source *array = &w.arrays[i / 3];
		CHECK_STRING(array->name, names[i / 3]);
		if (i % 3 == 0)
			array->count--;
		else if (i % 3 == 1)
			array->type = array->type == OBJECT_F64 ? OBJECT_U64 : OBJECT_F64;
		else
			array->name[0] = '_';
		unlink(path);
		if (object_write(&w, path, &content, &identity, &size))
			exit(error_report(1));
		object_writer_release(&w);
		CHECK(check_open(&read, path, &content) == -1 && strstr(error_text(), names[i / 3]), "case %zu: \"%s\"", i,
			error_text());
	}
	free(path);
}

static void test_other_kinds_and_content(void)
{
	struct made m;
	struct check read;
	struct digest content, other;
	char *path = scratch_path("a.check"), *other_path = scratch_path("b.check");
	make(&m);
	write_check(&m.check, path, &content);
	m.kl[2] = 0x1p-1074;
	write_check(&m.check, other_path, &other);
	CHECK(!digest_equal(&content, &other), "another divergence has the same content");
	CHECK(check_open(&read, path, &other) == -1, "the wrong content was accepted");
	CHECK(strstr(error_text(), "expected"), "message \"%s\"", error_text());
	CHECK(check_open(&read, "tests/golden/demo_small.json", NULL) == -1, "a text was accepted");
	free(path);
	free(other_path);
}

int main(void)
{
	TEST(test_round_trip);
	TEST(test_damaged);
	TEST(test_arrays);
	TEST(test_other_kinds_and_content);
	return check_done();
}
