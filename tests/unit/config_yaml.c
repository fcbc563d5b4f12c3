/* YAML as OmegaConf reads it: the oracle's lines of kind yaml, and what the reader refuses. */
#include "check.h"
#include "common/error.h"
#include "common/memory.h"
#include "config/resolve.h"
#include "config/yaml.h"
#include "support/config_deviations.h"

static struct node *read_and_resolve(const char *text)
{
	struct yaml_file file;
	if (yaml_file_parse(&file, "t.yaml", text, strlen(text)))
		return NULL;
	struct node *resolved = resolve(file.root, NULL);
	yaml_file_release(&file);
	return resolved;
}

static void replay(const struct node *line)
{
	const char *text = node_string(line, "text");
	const struct node *expected = node_get(line, "ok");
	struct oracle_deviation *d = deviation_find("yaml", text);
	struct node *found = read_and_resolve(text);
	if (d)
		oracle_check_deviation(d, found);
	else if (!expected)
		CHECK(!found, "'%s' is accepted, expected %s", text, node_string(line, "err"));
	else if (!found)
		CHECK(0, "'%s': %s", text, error_text());
	else
		oracle_check_same(found, expected, text);
	node_free(found);
}

static void test_oracle(void)
{
	CHECK(oracle_each("yaml", replay) == 91, "the oracle has 91 lines of kind yaml");
	deviations_check_seen("yaml");
}

static void check_refused(const char *text, const char *expected)
{
	struct yaml_file file;
	int bad = yaml_file_parse(&file, "t.yaml", text, strlen(text));
	CHECK(bad && strstr(error_text(), expected), "found %s\nexpected %s", bad ? error_text() : "no error", expected);
	yaml_file_release(&file);
}

static void test_refusals(void)
{
	check_refused("a: 1\nb: 2\na: 3\n", "t.yaml:3:1: key 'a' stands twice, first in line 1\n    a: 3\n    ^");
	check_refused("x:\n  -1: 2\n  - 1\n", "t.yaml:3:3: not YAML: ");
	check_refused("a: {b: ${.c}}\n", "quote a value that holds ${...} inside { } or [ ]");
	check_refused("*weight: 1\n", "t.yaml:1:1: alias *weight names nothing; to write a text that begins with '*', quote "
		"it");
	check_refused("a: &x [*x]\n", "t.yaml:1:8: alias *x stands inside what it names");
	check_refused("a: 1\n---\nb: 2\n", "t.yaml:2:1: a second document");
	check_refused("a: 99999999999999999999\n", "t.yaml:1:4: the integer 99999999999999999999 has more than 64 bits");
	check_refused("a: !!set {b}\n", "t.yaml:1:4: tag tag:yaml.org,2002:set is not supported");
	check_refused("a: \"x\\0y\"\n", "t.yaml:1:4: a string with a NUL character is not supported");
	check_refused("a: \xff\n", "t.yaml:1:4: not YAML: ");
	/* What does not end has begun somewhere. */
	check_refused("a: [m\nb: x\n", "t.yaml:2:2: not YAML: while parsing a flow sequence that begins in line 1, ");
	check_refused("a: {b: 1\n", "t.yaml:1:4: not YAML: while parsing a flow mapping that begins here, ");
	check_refused("a: \"b\nc: d\n", "t.yaml:1:4: not YAML: while scanning a quoted scalar that begins here, ");
	check_refused("a: 1\nb:2\n", "t.yaml:2:1: not YAML: while scanning a simple key that begins here, could not find "
		"expected ':'; a blank belongs behind it");
	check_refused("a: @b\n", "t.yaml:1:4: not YAML: while scanning for the next token, found character that cannot "
		"start any token; quote a text that begins so");
	check_refused("# @package a/b\nx: 1\n", "t.yaml:1:12: @package: expected a dotted name such as _global_ or a.b");
	/* Columns count characters, not bytes. */
	check_refused("{\"\xc3\xa4\xc3\xb6\": 1, b: 2, b: 3}\n", "t.yaml:1:17: key 'b' stands twice");
}

static void test_limits(void)
{
	struct strbuf b;
	strbuf_init(&b);
	strbuf_adds(&b, "l0: &l0 [a, a, a, a, a, a, a, a, a, a]\n");
	for (int i = 1; i < 9; i++)
		strbuf_addf(&b, "l%d: &l%d [*l%d, *l%d, *l%d, *l%d, *l%d, *l%d, *l%d, *l%d, *l%d]\n", i, i, i - 1, i - 1, i - 1,
			i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	check_refused(b.s, "more than 100000 values, aliases expanded");
	strbuf_clear(&b);
	for (int i = 0; i < 100; i++)
		strbuf_adds(&b, "[");
	check_refused(b.s, "nested more than 64 levels");
	strbuf_clear(&b);
	/* Few values, but long ones; as keys, too. */
	for (int key = 0; key < 2; key++) {
		strbuf_adds(&b, key ? "a: &a {? " : "a: &a {k: ");
		for (int i = 0; i < 1 << 19; i++)
			strbuf_addc(&b, 'x');
		strbuf_adds(&b, key ? "\n : 1}\nb: [*a" : "}\nb: [*a");
		for (int i = 0; i < 32; i++)
			strbuf_adds(&b, " , *a");
		strbuf_adds(&b, " ]\n");
		check_refused(b.s, "aliases copy more than 16777216 bytes of text");
		strbuf_clear(&b);
	}
	for (int i = 0; i <= 10000; i++)
		strbuf_addf(&b, "k%d: 1\n", i);
	check_refused(b.s, "t.yaml:10001:1: more than 10000 keys in one mapping");
	strbuf_clear(&b);
	strbuf_adds(&b, "a: '");
	for (int i = 0; i < 1 << 20; i++)
		strbuf_addc(&b, 'x');
	strbuf_adds(&b, "'");
	check_refused(b.s, "t.yaml: longer than 1048576 bytes");
	strbuf_release(&b);
}

static void check_printed(const char *text, const char *expected)
{
	struct yaml_file file, again;
	struct strbuf b;
	strbuf_init(&b);
	if (yaml_file_parse(&file, "t.yaml", text, strlen(text))) {
		CHECK(0, "%s", error_text());
		return;
	}
	node_to_yaml(&b, file.root);
	if (expected)
		CHECK_STRING(b.s, expected);
	if (yaml_file_parse(&again, "again.yaml", b.s, b.length)) {
		CHECK(0, "%s", error_text());
	} else {
		CHECK(node_equal(file.root, again.root), "reads back different: %s", b.s);
		yaml_file_release(&again);
	}
	yaml_file_release(&file);
	strbuf_release(&b);
}

static void test_print(void)
{
	check_printed("a: {b: 8.0, c: 8, d: [1, [2, x], {e: null, f: []}], g: {}}\n",
		"a:\n  b: 8.0\n  c: 8\n  d:\n    - 1\n    - - 2\n      - x\n    - e: null\n      f: []\n  g: {}\n");
	check_printed("{-1: 64, '-1': 65, true: 1, 1.5: 2, '*w': 3}\n",
		"-1: 64\n'-1': 65\ntrue: 1\n1.5: 2\n'*w': 3\n");
	check_printed("a: ['yes', 'null', '1', '1.5', '012', '1:30', '', ' x ', 'a: b', 'a #b', \"it's\", \"l\\ni\", "
		"'\xc3\xa4', '?', "
		"'- a', '.inf', '~', 'no', 2020-01-01, '<<', '=', '${a}', '0x1F', '1e3']\n", NULL);
	check_printed("a: [.inf, -.inf, .nan, 1e300, 1.0e-7, 0.1, -0.0, 123456789012345680.0, 9223372036854775807, 1e16]\n",
		"a:\n  - .inf\n  - -.inf\n  - .nan\n  - 1e+300\n  - 1e-07\n  - 0.1\n  - -0.0\n  - 1.2345678901234568e+17\n"
		"  - 9223372036854775807\n  - 1e+16\n");
}

static void test_aliases_and_merge(void)
{
	check_printed("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3, r: 4}\nc: {<<: [*x, {s: 5}]}\nd: &y {<<: &z {t: 1}, u: &w 2}\n"
		"e: [*y, *z, *w]\n",
		"a:\n  p: 1\n  q: 2\nb:\n  p: 1\n  q: 3\n  r: 4\nc:\n  p: 1\n  q: 2\n  s: 5\nd:\n  t: 1\n  u: 2\n"
		"e:\n  - t: 1\n    u: 2\n  - t: 1\n  - 2\n");
}

static void test_header(void)
{
	static const char text[] = "# about\n\n#  @package a._b  \nx: 1\n";
	struct yaml_file file;
	CHECK(!yaml_file_parse(&file, "t.yaml", text, strlen(text)), "%s", error_text());
	CHECK_STRING(file.package, "a._b");
	CHECK(file.package_at.line == 3 && file.package_at.column == 13, "%u:%u", file.package_at.line,
		file.package_at.column);
	yaml_file_release(&file);
	CHECK(!yaml_file_parse(&file, "t.yaml", "x: 1\n# @package a\n", 18), "%s", error_text());
	CHECK(!file.package, "a header behind the content counts");
	yaml_file_release(&file);
}

static void check_unresolved(const char *text, const char *expected)
{
	struct node *found = read_and_resolve(text);
	CHECK(!found && strstr(error_text(), expected), "'%s': found %s\nexpected %s", text, found ? "no error" : error_text(),
		expected);
	node_free(found);
}

static void check_resolved(const char *text, const char *expected)
{
	struct node *found = read_and_resolve(text);
	struct strbuf b;
	strbuf_init(&b);
	if (found)
		node_to_flow(&b, found);
	CHECK(found && !strcmp(b.s, expected), "'%s': found %s, expected %s", text, found ? b.s : error_text(), expected);
	strbuf_release(&b);
	node_free(found);
}

static void test_interpolation(void)
{
	check_resolved("a: {b: '${.c}', c: '${..d}'}\nd: 4\n", "{a:{b:4,c:4},d:4}");
	check_resolved("a: '\\${b} \\\\${b} \\x'\nb: 1\n", "{a:'${b} \\1 \\x',b:1}");
	check_resolved("a: ${b}\nb: {c: '${.d}', d: 1}\n", "{a:{c:1,d:1},b:{c:1,d:1}}");
	check_resolved("a: ${b.c.d}\nb: ${e}\ne: {c: {d: '${f}'}}\nf: 2.0\n", "{a:2.0,b:{c:{d:2.0}},e:{c:{d:2.0}},f:2.0}");
	check_resolved("a: ${b[1][0]}\nb: [1, [2]]\n", "{a:2,b:[1,[2]]}");
	check_resolved("a: x${b}${c}${d}\nb: true\nc: null\nd: {e: [f, 1.0]}\n", "{a:'xTrueNone{\\'e\\': [\\'f\\', "
		"1.0]}',b:true,"
		"c:null,d:{e:[f,1.0]}}");
	check_resolved("a: ${oc.select:b.c,${d}}\nd: 3\n", "{a:3,d:3}");
	check_resolved("a: {b: '${oc.select:.c,7}', c: 1}\n", "{a:{b:1,c:1}}");
	check_unresolved("a: ${b}\nb: ${c}\nc: x${a}\n", "t.yaml:1:4: a: the interpolation '${b}' leads back to itself");
	check_unresolved("a:\n  b: [1, '${a.c}']\n", "t.yaml:2:10: a.b.1: interpolation key 'a.c' not found; did you mean "
		"'a.b'?");
	check_unresolved("a: ${...b}\n", "a: '${...b}' has more dots than there are levels");
	check_unresolved("a: ${b.}\n", "a: '${b.}' is not an interpolation: it ends in '.'");
	check_unresolved("a: ${b[0}\n", "a: '${b[0}' is not an interpolation: ']' is missing");
	check_unresolved("a: ${oc.env:QUANTGRID_NO_SUCH_VARIABLE}\n",
		"a: environment variable 'QUANTGRID_NO_SUCH_VARIABLE' is not set; to give a default, write "
		"${oc.env:QUANTGRID_NO_SUCH_VARIABLE,DEFAULT}");
	check_unresolved("a: ${now:%Y}\n", "a: ${now:...}: the time would make every result a new one");
	check_unresolved("a: ${hydra:job.num}\n", "${hydra:job.num} is not available");
	check_unresolved("a: ${oc.evn:X}\n", "unknown resolver 'oc.evn'; did you mean 'oc.env'?");
	check_unresolved("a: ${b}\nb: ???\n", "a: interpolation key 'b' must be given first: its value is ???");
	/* The caret is below the interpolation, where the source spells the text as it is. */
	check_unresolved("a: x/${b}/c\n", "t.yaml:1:6: a: interpolation key 'b' not found; did you mean 'a'?\n"
		"    a: x/${b}/c\n         ^");
	check_unresolved("b: 1\na: '\xc3\xbc${b}${oc.env:QG_NONE}'\n", "t.yaml:2:10: a: environment variable");
	check_unresolved("a: x${oc.select:b,${c}}\n", "t.yaml:1:19: a: interpolation key 'c' not found");
	check_unresolved("a: \"\\n${b}\"\n", "t.yaml:1:4: a: interpolation key 'b' not found");
	check_unresolved("a: x y\n  z ${b}\n", "t.yaml:1:4: a: interpolation key 'b' not found");
	check_unresolved("a: |\n  x ${b}\n", "t.yaml:1:4: a: interpolation key 'b' not found");
	/* References to references: small text, much content. */
	check_unresolved("a: [x,x,x,x,x,x,x,x,x,x]\nb: ['${a}','${a}','${a}','${a}','${a}','${a}','${a}','${a}','${a}']\n"
		"c: ['${b}','${b}','${b}','${b}','${b}','${b}','${b}','${b}','${b}','${b}','${b}','${b}','${b}','${b}']\n"
		"d: ['${c}','${c}','${c}','${c}','${c}','${c}','${c}','${c}','${c}','${c}','${c}','${c}','${c}','${c}']\n"
		"e: ['${d}','${d}','${d}','${d}','${d}','${d}','${d}','${d}','${d}','${d}','${d}','${d}','${d}','${d}']\n",
		"interpolations make more than 200000 values");
}

/* "a: HEAD", then LEFT, middle and RIGHT so many times, and the tail. */
static char *repeated(const char *head, const char *left, const char *middle, const char *right, int times,
	const char *tail)
{
	struct strbuf b;
	strbuf_init(&b);
	strbuf_adds(&b, head);
	for (int i = 0; i < times; i++)
		strbuf_adds(&b, left);
	strbuf_adds(&b, middle);
	for (int i = 0; i < times; i++)
		strbuf_adds(&b, right);
	strbuf_adds(&b, tail);
	return b.s;
}

static void test_interpolation_limits(void)
{
	char *nested = repeated("a: '", "${", "b", "}", 20000, "'\n");
	char *fits = repeated("a: '", "${", "b", "}", 200, "'\nb: b\n");
	check_unresolved(nested, "a: interpolations nest deeper than 256");
	check_resolved(fits, "{a:b,b:b}");
	char *text = repeated("a: ", "xxxxxxxxxx", "", "", 10000, "\n"), *list = repeated("", "'${a}', ", "", "", 700, "1");
	char *copies = mem_printf("%sb: [%s]\n", text, list);
	check_unresolved(copies, "interpolations make more than 16777216 bytes of text");
	free(copies);
	copies = mem_printf("a: {? %s : 1}\nb: [%s]\n", text + 3, list);
	check_unresolved(copies, "interpolations make more than 16777216 bytes of text");
	free(copies);
	free(list);
	free(text);
	free(fits);
	free(nested);
}

/* Damaged texts are refused or read, never more; what is read prints and reads back, and resolves or not. */
static void test_garbage(void)
{
	static const char sample[] = "# @package a.b\na: &x {b: [1, '${c}', \"\\n\"], -1: 64}\nc: <\n<<: *x\nd: "
		"${oc.select:a.b[0],${.c}}\n"
		"e: |\n  t\n  u\nf: 012\ng: [{h: 1e3}, ~, yes, \xc3\xa4]\n";
	static const char bytes[] = "{}[]:,'\"&*!|>-?#%@`\n \t$.\\a1\x80\xc3";
	unsigned long long seed = 20240608;
	for (int round = 0; round < 30000; round++) {
		char text[sizeof sample + 8];
		size_t length = sizeof sample - 1;
		memcpy(text, sample, sizeof sample);
		for (int change = 0; change < 1 + round % 4; change++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			size_t at = (seed >> 33) % length;
			char byte = bytes[(seed >> 20) % (sizeof bytes - 1)];
			if (seed >> 63) {
				memmove(text + at, text + at + 1, length - at);
				length--;
			} else {
				text[at] = byte;
			}
		}
		struct yaml_file file, again;
		struct strbuf b;
		if (yaml_file_parse(&file, "t.yaml", text, length))
			continue;
		strbuf_init(&b);
		node_to_yaml(&b, file.root);
		int bad = yaml_file_parse(&again, "again.yaml", b.s, b.length);
		CHECK(!bad && node_equal(file.root, again.root), "round %d: %s\nprints as %s: %s", round, text, b.s, error_text());
		node_free(resolve(file.root, NULL));
		yaml_file_release(&file);
		yaml_file_release(&again);
		strbuf_release(&b);
	}
}

int main(void)
{
	TEST(test_oracle);
	TEST(test_garbage);
	TEST(test_refusals);
	TEST(test_limits);
	TEST(test_print);
	TEST(test_aliases_and_merge);
	TEST(test_header);
	TEST(test_interpolation);
	TEST(test_interpolation_limits);
	return check_done();
}
