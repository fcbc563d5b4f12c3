/* Composition: the oracle's lines of kind compose on its tree "mini". */
#include "check.h"
#include "common/error.h"
#include "common/memory.h"
#include "config/compose.h"
#include "support/config_deviations.h"
#include "support/scratch.h"

static struct composer *composer;

/* "p1 g=b g.x=cli": how a line is named in the tables. */
static char *name_of(const struct node *line)
{
	struct strbuf b;
	const struct node *list = node_get(line, "overrides");
	strbuf_init(&b);
	strbuf_adds(&b, node_string(line, "config"));
	for (size_t i = 0; i < list->count; i++)
		strbuf_addf(&b, " %s", list->items[i]->text);
	char *name = strbuf_take(&b);
	strbuf_release(&b);
	return name;
}

/* What we say where Hydra fails too. */
static struct oracle_deviation messages[] = {
	{"p7", "error: p7.yaml:3:5: Multiple values for g: a at ", 0},
	{"p10", "error: p10.yaml:2:5: You must specify 'g', e.g. g=OPTION; options: a, b, dot.v1, glob, grp, nested, "
		"nestover, pk", 0},
	{"p16", "error: g/nestover.yaml:2:5: Could not override 'h@g.h'. Did you mean to override h?", 0},
	{"p16 h=one", "error: g/nestover.yaml:2:5: Could not override 'h@g.h'. Did you mean to override h?", 0},
	{"p18", "error: /g/two.yaml; options of 'g': a, b, dot.v1, glob, grp, nested, nestover, pk\n      - g: ${h}", 0},
	{"p24", "error: p24.yaml:2:5: expected one 'group: option' an item, found 2 keys", 0},
	{"p27", "error: p27.yaml:2:5: Could not override 'h'. No match in the defaults list.\n", 0},
	{"p28 h=two", "error: /g/two_x.yaml; options of 'g': a, b, ", 0},
	{"p29", "error: p29.yaml:2:8: expected an option's name, a list of names or null, found int; quote it", 0},
	{"p1 ++g=b", "error: '++' is for values; a group is added by +g or changed by g", 0},
	{"p6 g=b", "error: Could not override 'g'. Did you mean to override g@one, g@two? To append to the defaults list use "
		"+g=b", 0},
	{"p15 h=two", "error: Could not override 'h'. Did you mean to override h@g.h? To append to the defaults list use "
		"+h=two", 0},
	{"p1 ~z=2", "error: column 4: Could not delete: the value of 'z' is 1", 0},
	{"p1 h", "error: override 'h', column 2: '=' is missing: expected h=VALUE", 0},
	{"p1 foo.bar=1", "error: there is no key 'foo.bar'; to add a new key, write +foo.bar", 0},
	{"q3", "error: q3.yaml:4:5: unknown word 'optioal' in front of a group; did you mean 'optional'?", 0},
	{"q4", "error: q4.yaml:3:5: Multiple values for g: a at ", 0},
	{"q1 +l.3=7", "error: 'l.3': the list has 3 items, from 0; items cannot be added", 0},
	{"q1 l.5=7", "error: 'l.5': the list has 3 items, from 0; items cannot be added", 0},
	{"q1 n.a=1", "error: there is no key 'n.a'; did you mean 'd.a'? to add a new key, write +n.a", 0},
	{0}
};

static void write_tree(const struct node *line)
{
	const struct node *files = node_get(line, "files");
	for (size_t i = 0; i < files->count; i++) {
		char *name = mem_printf("mini/%s", files->keys[i].text);
		free(scratch_write(name, files->items[i]->text, strlen(files->items[i]->text)));
		free(name);
	}
	char *dir = scratch_path("mini");
	composer = composer_new(dir);
	free(dir);
}

static struct node *compose_line(const struct node *line)
{
	const struct node *list = node_get(line, "overrides");
	struct override *overrides = mem_zeroed(list->count, sizeof *overrides);
	struct composition c = {0};
	struct node *root = NULL;
	int bad = 0;
	for (size_t i = 0; i < list->count && !bad; i++)
		bad = override_parse(&overrides[i], list->items[i]->text);
	if (!bad && !compose(composer, node_string(line, "config"), overrides, list->count, &c)) {
		root = c.root;
		c.root = NULL;
		composition_release(&c);
	}
	for (size_t i = 0; i < list->count; i++)
		override_release(&overrides[i]);
	free(overrides);
	return root;
}

static void replay(const struct node *line)
{
	char *name = name_of(line);
	struct node *found = compose_line(line);
	const struct node *expected = node_get(line, "ok");
	struct oracle_deviation *d = deviation_find("compose", name), *m = oracle_find(messages, name);
	if (d)
		oracle_check_deviation(d, found);
	else if (m)
		oracle_check_deviation(m, found);
	else if (!expected)
		CHECK(0, "'%s' fails in Hydra; no message is written down here; ours: %s", name,
			found ? "accepted" : error_text());
	else if (!found)
		CHECK(0, "'%s': %s", name, error_text());
	else
		oracle_check_same(found, expected, name);
	node_free(found);
	free(name);
}

static void test_oracle(void)
{
	CHECK(oracle_each("tree", write_tree) == 1, "the oracle has one tree");
	if (!composer)
		return;
	CHECK(oracle_each("compose", replay) == 79, "the oracle has 79 lines of kind compose");
	deviations_check_seen("compose");
	for (struct oracle_deviation *m = messages; m->what; m++)
		CHECK(m->seen, "no line of the oracle is '%s'", m->what);
	composer_free(composer);
}

/* --- beyond the oracle --- */

static const struct scratch_file files[] = {
	{"preset/main.yaml", "# @package _global_\ndefaults:\n  - /g: a\n  - /h@deep.er: one\n  - _self_\nz: 1\nhydra:\n  x: "
		"1\n"},
	{"preset/hydra.yaml", "# @package _global_\ndefaults:\n  - /g: a\n  - override hydra/launcher: x\n  - _self_\nz: 1\n"},
	{"preset/overrides.yaml", "# @package _global_\ndefaults:\n  - override /g: b\nz: 1\n"},
	{"preset/loop.yaml", "defaults:\n  - loop\n"},
	{"preset/self.yaml", "defaults:\n  - _self_\n  - /g: a\n  - _self_\n"},
	{"preset/late.yaml", "defaults:\n  - override /g: b\n  - /g: a\n"},
	{"preset/dict.yaml", "defaults: {g: a}\n"},
	{"preset/up.yaml", "defaults:\n  - ../g/a\n"},
	{"preset/clash.yaml", "# @package _global_\ndefaults:\n  - /g: a\n  - _self_\ng: [1]\n"},
	{"preset/nokey.yaml", "# @package _global_\ndefaults:\n  - /g: ${nope}\n  - /h: one\n"},
	{"preset/broken.yaml", "# @package _global_\ndefaults:\n  - /g: c\n  - /h: thre\n  - /broken: yaml\n  - /broken: "
		"list\n  - /broken/deep: option\n  - _self_\n"},
	{"broken/yaml.yaml", "a: [1\nb: 2\n"},
	{"broken/list.yaml", "- 1\n"},
	{"broken/deep/option.yaml", "defaults:\n  - optioal g: a\n"},
	{"preset/group.yaml", "# @package _global_\ndefaults:\n  - /g@_group_: a\n  - /h@x._group_.y: one\n  - /inner: group\n"},
	{"inner/group.yaml", "defaults:\n  - /h@_group_.again: two\n"},
	{"preset/scalar.yaml", "x\n"},
	{"preset/list.yaml", "- x\n"},
	{"g/a.yaml", "x: 1\n'*w': {axis: 0, -1: 64}\n"},
	{"g/b.yaml", "x: 2\n"},
	{"h/one.yaml", "hv: 1\n"},
	{"h/two.yaml", "hv: 2\n"},
};

/* Composes "CONFIG OVERRIDE ..." on the tree above: its flow form, or "error: " and the message. The caller frees. */
static char *outcome(const char *config, const char *const *texts)
{
	struct override overrides[4] = {{0}};
	struct composition c;
	struct strbuf b;
	size_t count = 0;
	int bad = 0;
	strbuf_init(&b);
	for (; texts[count] && !bad; count++)
		bad = override_parse(&overrides[count], texts[count]);
	char *path = mem_printf("preset/%s", config);
	bad = bad || compose(composer, path, overrides, count, &c);
	if (bad) {
		strbuf_addf(&b, "error: %s", error_text());
	} else {
		node_to_flow(&b, c.root);
		for (size_t i = 0; i < c.choice_count; i++)
			strbuf_addf(&b, " %s=%s", c.choices[i].group, c.choices[i].option ? c.choices[i].option : "null");
		composition_release(&c);
	}
	for (size_t i = 0; i < count; i++)
		override_release(&overrides[i]);
	free(path);
	char *text = strbuf_take(&b);
	strbuf_release(&b);
	return text;
}

/* What is wrong with five files stands in one message, each with its place; the last item of the list comes first. */
static void test_all_files(void)
{
	static const char *const expected[] = {
		"/broken/deep/option.yaml:2:5: unknown word 'optioal' in front of a group; did you mean 'optional'?\n",
		"/broken/list.yaml:1:1: expected a mapping (key: value), found list\n",
		"    composed from: ", "preset/broken.yaml:6:5\n", "/broken/yaml.yaml:2:2: not YAML: ",
		"preset/broken.yaml:4:5: there is no ",
		"preset/broken.yaml:3:5: there is no ",
	};
	char *dir = scratch_path("more"), *found, *at;
	composer = composer_new(dir);
	at = found = outcome("broken", (const char *const[]){"~nothing", NULL});
	for (size_t i = 0; i < sizeof expected / sizeof *expected && at; i++) {
		at = strstr(at, expected[i]);
		CHECK(at, "%s\nlacks %s, or has it elsewhere", found, expected[i]);
	}
	CHECK(!strstr(found, "nothing"), "values are tried on what is not composed: %s", found);
	free(found);
	free(dir);
	composer_free(composer);
}

static void check_outcome(const char *config, const char *const *texts, const char *expected)
{
	char *found = outcome(config, texts);
	if (strncmp(expected, "error: ", 7))
		CHECK_STRING(found, expected);
	else
		CHECK(!strncmp(found, "error: ", 7) && strstr(found, expected + 7), "found %s\nexpected %s", found, expected);
	free(found);
}

#define OVERRIDES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_OVERRIDES ((const char *const[]){NULL})

static void test_more(void)
{
	scratch_tree("more", files, sizeof files / sizeof *files);
	char *dir = scratch_path("more");
	composer = composer_new(dir);
	check_outcome("group", NO_OVERRIDES, "{g:{x:1,*w:{axis:0,-1:64}},x:{h:{y:{hv:1}}},h:{again:{hv:2}},inner:{}} g=a h@x.h.y=one inner=group "
		"h@h.again=two");
	check_outcome("group", OVERRIDES("g=b", "h@h.again=one"), "{g:{x:2},x:{h:{y:{hv:1}}},h:{again:{hv:1}},inner:{}} g=b "
		"h@x.h.y=one inner=group h@h.again=one");
	check_outcome("main", NO_OVERRIDES, "{g:{x:1,*w:{axis:0,-1:64}},deep:{er:{hv:1}},z:1} g=a h@deep.er=one");
	check_outcome("main", OVERRIDES("g=b", "h@deep.er=two"), "{g:{x:2},deep:{er:{hv:2}},z:1} g=b h@deep.er=two");
	check_outcome("main", OVERRIDES("g=null", "~h@deep.er=one"), "{z:1} g=null");
	check_outcome("main", OVERRIDES("g=[b]", "+h=two"), "{g:{x:2},deep:{er:{hv:1}},z:1,h:{hv:2}} h@deep.er=one h=two");
	check_outcome("main", OVERRIDES("g.\"*w\".axis=1", "g.'*w'.\"-1\"=32"),
		"{g:{x:1,*w:{axis:1,-1:32}},deep:{er:{hv:1}},z:1} g=a h@deep.er=one");
	check_outcome("main", OVERRIDES("g.\"*w\"={-1:null}", "~deep"), "{g:{x:1,*w:{axis:0,-1:null}},z:1} g=a h@deep.er=one");
	check_outcome("overrides", OVERRIDES("+g=a"), "{z:1,g:{x:2}} g=b");
	check_outcome("hydra", NO_OVERRIDES, "{g:{x:1,*w:{axis:0,-1:64}},z:1} g=a");
	check_outcome("loop", NO_OVERRIDES, "error: defaults lists nest too deeply: does 'preset/loop' include itself?");
	check_outcome("self", NO_OVERRIDES, "error: preset/self.yaml:4:5: a second _self_, the first is in line 2");
	check_outcome("late", NO_OVERRIDES, "error: preset/late.yaml:2:5: overrides must stand at the end of the defaults "
		"list");
	check_outcome("dict", NO_OVERRIDES, "error: preset/dict.yaml:1:11: defaults must be a list (- group: option), found "
		"dict");
	check_outcome("up", NO_OVERRIDES, "error: preset/up.yaml:2:5: 'preset/../g/a' is not the name of a config below "
		"conf/");
	check_outcome("clash", NO_OVERRIDES, "error: preset/clash.yaml:5:4: 'g' is a list here and a dict at ");
	check_outcome("nokey", NO_OVERRIDES, "error: preset/nokey.yaml:3:5: '${nope}': no group of that name is chosen; "
		"there are h");
	check_outcome("scalar", NO_OVERRIDES, "error: preset/scalar.yaml:1:1: expected a mapping (key: value), found one "
		"string");
	check_outcome("list", NO_OVERRIDES, "error: preset/list.yaml:1:1: expected a mapping (key: value), found list");
	check_outcome("mian", NO_OVERRIDES, "error: /preset/mian.yaml; did you mean 'main'? options of 'preset': broken, "
		"clash, dict, ");
	check_outcome("main", OVERRIDES("g=../h/one"), "error: override 'g=../h/one', column 3: '../h/one' is not the name "
		"of an option of 'g'; options: a, b");
	check_outcome("main", OVERRIDES("g=bb"), "error: /g/bb.yaml; did you mean 'b'? options of 'g': a, b\n    g=bb\n      "
		"^");
	check_outcome("main", OVERRIDES("g={y: 1}"), "error: column 4: there is no key 'y' in 'g'; did you mean 'x'? to add "
		"new "
		"keys, write +g");
	check_outcome("main", OVERRIDES("~g=b"), "error: Could not delete 'g=b'. No match in the defaults list");
	check_outcome("main", OVERRIDES("~y"), "error: there is no key 'y'");
	check_outcome("main", OVERRIDES("gg/h=1"), "error: there is no group 'gg/h'");
	check_outcome("main", OVERRIDES("+z=2"), "error: there is already an item at 'z': write z=... to change it, ++z=... "
		"to add");
	check_outcome("main", OVERRIDES("g=[1]"), "error: column 4: expected an option of 'g', found int");
	check_outcome("main", OVERRIDES("deep=[1]"), "error: 'deep' is a dict; a list cannot be merged into it");
	const char *const *notes;
	size_t count = composer_notes(composer, &notes);
	CHECK(count == 1, "%zu notes", count);
	if (count == 1)
		CHECK(strstr(notes[0], "preset/main.yaml:7:1: the hydra: block configures Hydra"), "%s", notes[0]);
	composer_free(composer);
	free(dir);
}

/* A file of 256 KiB at 65 packages; the same file, small, at as many is fine. */
static void test_merged_bytes(void)
{
	struct strbuf list, big;
	strbuf_init(&list);
	strbuf_init(&big);
	strbuf_adds(&list, "defaults:\n");
	for (int i = 0; i < 65; i++)
		strbuf_addf(&list, "  - g@p%d: a\n", i);
	strbuf_adds(&big, "x: 1\n#");
	for (int i = 0; i < 1 << 18; i++)
		strbuf_addc(&big, 'c');
	free(scratch_write("merged/top.yaml", list.s, list.length));
	char *dir = scratch_path("merged");
	for (int large = 0; large < 2; large++) {
		struct composition c;
		free(scratch_write("merged/g/a.yaml", big.s, large ? big.length : 5));
		composer = composer_new(dir);
		int bad = compose(composer, "top", NULL, 0, &c);
		CHECK(bad == (large ? -1 : 0), "%s", error_text());
		CHECK(!large || strstr(error_text(), "top.yaml:65:5: the files of the defaults lists have more than 16777216"),
			"%s", error_text());
		if (!bad)
			composition_release(&c);
		composer_free(composer);
	}
	free(dir);
	strbuf_release(&big);
	strbuf_release(&list);
}

int main(void)
{
	TEST(oracle_check_kinds);
	TEST(deviations_check_page);
	TEST(test_oracle);
	TEST(test_more);
	TEST(test_all_files);
	TEST(test_merged_bytes);
	return check_done();
}
