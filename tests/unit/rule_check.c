/* Rules held against a view: what is there, what an "each" lays over it, and what is not. */
#include <stdlib.h>

#include "check.h"
#include "common/error.h"
#include "common/json.h"
#include "common/memory.h"
#include "graph/rule_check.h"
#include "support/scratch.h"

static const char view_text[] = "{\"a\": {\"b\": 1, \"size\": 2, \"on\": false}, \"list\": [{\"each\": {\"x\": 1}}], \"f\": \"p\"}";

static void write_rule(const char *stage, const char *text)
{
	char *name = mem_printf("rules/%s.yaml", stage);
	free(scratch_write(name, text, strlen(text)));
	free(name);
}

static void check_rules(const char *first, const char *second, const char *expected)
{
	struct rules rules;
	char *dir = scratch_path("rules");
	cJSON *view = json_parse(view_text, sizeof view_text - 1, "view", NULL);
	write_rule("one", first);
	write_rule("two", second);
	if (rules_read(&rules, dir)) {
		CHECK(0, "%s", error_text());
	} else {
		int bad = rule_check_kinds(&rules) || rule_check_view(&rules, view, "preset p");
		if (expected)
			CHECK(bad && strstr(error_text(), expected), "found %s\nexpected %s", bad ? error_text() : "none", expected);
		else
			CHECK(!bad, "%s", error_text());
		rules_release(&rules);
	}
	cJSON_Delete(view);
	free(dir);
}

#define RULE(stage, output, more) "stage: " stage "\nversion: 1\nabout: x\nlabel: x\ndescribe: X\noutput: " output "\n" more

static const char one[] = RULE("one", "k1", "params: [a.b, each.x]\nunhashed: [a.size]\ninputs: {f: {leaf: f}}\n");

static void test_there(void)
{
	check_rules(one, RULE("two", "k2", "inputs: {i: {stage: one, each: list, when: a.on}}\n"), NULL);
}

static void test_missing(void)
{
	check_rules(one, RULE("two", "k2", "inputs: {i: {stage: one, each: list}}\nparams: [a.siz]\n"),
		"two.yaml: param 'a.siz' is not in the config of preset p; did you mean 'a.size'?");
	check_rules(one, RULE("two", "k2", "inputs: {i: {stage: one, each: list}}\nunhashed: [b]\n"),
		"two.yaml: unhashed 'b' is not in the config of preset p");
	check_rules(one, RULE("two", "k2", "inputs: {i: {stage: one}}\n"), "one.yaml: param 'each.x' is not in the config");
	check_rules(one, RULE("two", "k2", "inputs: {i: {stage: one, each: lst}}\n"), "two.yaml: each 'lst' is not");
	check_rules(one, RULE("two", "k2", "inputs: {i: {stage: one, each: list, when: a.off}, l: {leaf: g}}\n"),
		"two.yaml: when 'a.off' is not in the config of preset p");
	check_rules(one, RULE("two", "k2", "inputs: {i: {stage: one, each: list, with: {a.b: a.c}}}\n"),
		"two.yaml: with 'a.c' is not in the config of preset p; did you mean 'a.b'?");
}

static void test_kinds(void)
{
	check_rules(one, RULE("two", "k1", "inputs: {i: {stage: one, each: list}}\n"), "two.yaml: output 'k1' is that of ");
}

int main(void)
{
	TEST(test_there);
	TEST(test_missing);
	TEST(test_kinds);
	return check_done();
}
