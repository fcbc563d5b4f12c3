/* The grammar of overrides: the oracle's lines of kind parse. */
#include "check.h"
#include "common/error.h"
#include "config/override.h"
#include "support/config_deviations.h"

static void python(struct strbuf *to, const struct node *n)
{
	if (n->kind == NODE_STRING)
		strbuf_addf(to, "'%s'", n->text);
	else if (n->kind == NODE_BOOL)
		strbuf_adds(to, n->boolean ? "True" : "False");
	else if (n->kind == NODE_NULL)
		strbuf_adds(to, "None");
	else if (n->kind != NODE_LIST && n->kind != NODE_DICT)
		node_to_flow(to, n);
	else {
		strbuf_addc(to, n->kind == NODE_DICT ? '{' : '[');
		for (size_t i = 0; i < n->count; i++) {
			strbuf_adds(to, i ? ", " : "");
			if (n->kind == NODE_DICT)
				strbuf_addf(to, "'%s': ", n->keys[i].text);
			python(to, n->items[i]);
		}
		strbuf_addc(to, n->kind == NODE_DICT ? '}' : ']');
	}
}

/* The sweep as Hydra's objects print, as far as values go: ranges are values here, there start, stop and step. */
static void check_sweep(const struct override *o, const char *expected, const char *text)
{
	struct strbuf b;
	double start, stop, step;
	strbuf_init(&b);
	if (sscanf(expected, "RangeSweep(tags=set(), start=%lf, stop=%lf, step=%lf", &start, &stop, &step) == 3) {
		CHECK(o->sweep == SWEEP_RANGE, "%s: no range", text);
		size_t i = 0;
		for (double v = start; v < stop; v += step, i++) {
			const struct node *n = i < o->value->count ? o->value->items[i] : NULL;
			CHECK(n && (n->kind == NODE_INT ? (double)n->integer : n->number) == v, "%s: value %zu is not %g", text, i, v);
		}
		CHECK(i == o->value->count, "%s: %zu values, expected %zu", text, o->value->count, i);
	} else if (o->sweep == SWEEP_GLOB) {
		strbuf_adds(&b, "Glob(include=");
		python(&b, o->include);
		strbuf_adds(&b, ", exclude=");
		python(&b, o->exclude);
		strbuf_addc(&b, ')');
		CHECK_STRING(b.s, expected);
	} else {
		strbuf_adds(&b, "list=");
		python(&b, o->value);
		strbuf_adds(&b, ", simple_form=");
		CHECK(o->sweep == SWEEP_CHOICE && strstr(expected, b.s), "%s: found %s, expected %s", text, b.s, expected);
	}
	strbuf_release(&b);
}

static void check_parts(const struct override *o, const struct node *line, const char *text)
{
	static const char *const types[] = {"CHANGE", "ADD", "FORCE_ADD", "DEL"};
	CHECK_STRING(types[o->type], node_string(line, "type"));
	CHECK_STRING(o->key, node_string(line, "key"));
	CHECK_STRING(o->package ? o->package : "none", node_string_or(line, "package", "none"));
	CHECK((o->sweep != SWEEP_NONE) == node_bool(line, "sweep"), "%s: sweep or not", text);
	if (o->sweep != SWEEP_NONE)
		check_sweep(o, node_string(line, "value"), text);
	else if (o->has_value)
		oracle_check_same(o->value, node_get(line, "value"), text);
	else
		CHECK(node_is_null(line, "value"), "%s: no value found", text);
	if (node_get(line, "quoted"))
		CHECK(o->quoted == node_bool(line, "quoted"), "%s: quoted or not", text);
}

/* What prints parses back to the same. */
static void check_round_trip(const struct override *o, const char *text)
{
	struct override again;
	char *printed = override_text(o);
	if (override_parse(&again, printed)) {
		CHECK(0, "%s prints as %s: %s", text, printed, error_text());
	} else {
		CHECK(again.type == o->type && !strcmp(again.key, o->key) && again.part_count == o->part_count
			&& (o->value ? again.value && node_equal(again.value, o->value) : !again.value), "%s prints as %s", text,
			printed);
		override_release(&again);
	}
	free(printed);
}

static void replay(const struct node *line)
{
	const char *text = node_string(line, "override");
	struct oracle_deviation *d = deviation_find("parse", text);
	struct override o;
	int bad = override_parse(&o, text);
	if (d)
		oracle_check_deviation(d, bad ? NULL : o.value);
	else if (node_get(line, "err"))
		CHECK(bad, "'%s' is accepted, expected %s", text, node_string(line, "err"));
	else if (bad)
		CHECK(0, "'%s': %s", text, error_text());
	else
		check_parts(&o, line, text);
	if (bad)
		return;
	check_round_trip(&o, text);
	override_release(&o);
}

static void test_oracle(void)
{
	CHECK(oracle_each("parse", replay) == 105, "the oracle has 105 lines of kind parse");
	deviations_check_seen("parse");
}

static void check_value(const char *text, const char *expected)
{
	struct override o;
	struct strbuf b;
	strbuf_init(&b);
	if (override_parse(&o, text)) {
		CHECK(0, "%s", error_text());
	} else {
		node_to_flow(&b, o.value);
		CHECK_STRING(b.s, expected);
		override_release(&o);
	}
	strbuf_release(&b);
}

static void check_refused(const char *text, const char *expected)
{
	struct override o;
	int bad = override_parse(&o, text);
	CHECK(bad && strstr(error_text(), expected), "'%s': found %s\nexpected %s", text, bad ? error_text() : "no error",
		expected);
	if (!bad)
		override_release(&o);
}

static void test_values(void)
{
	check_value("k=a\\,b", "'a,b'");
	check_value("k=\\ x\\ ", "' x '");
	check_value("k='it\\'s \\\\'", "'it\\'s \\\\'");
	check_value("k=1_000.5e-1_0", "1.0005e-07");
	check_value("k=1e05", "100000.0");
	check_value("k={-1:64,'*w':{a:[]}, b : c d}", "{-1:64,*w:{a:[]},b:'c d'}");
	check_value("k=range(1,4),7", "[1,2,3,7]");
	check_value("k=range(stop=3)", "[0,1,2]");
	check_value("k=range(0.1,0.5,0.1)", "[0.1,0.2,0.3,0.4]");
	check_value("k=range(1,0,-0.25)", "[1.0,0.75,0.5,0.25]");
	check_value("k=float(range(1,3))", "[1.0,2.0]");
	check_value("k=str(1,2.0,true,null)", "['1','2.0','true','null']");
	check_value("k=int(1.9)", "1");
	check_value("k=int('12')", "12");
	check_value("k=bool([0,1,'true'])", "[false,true,true]");
	check_value("k=sort(b,a,c,reverse=true)", "[c,b,a]");
	check_value("k=sort(choice(3,1))", "[1,3]");
	check_value("k=sort(2,1.0,true,1,0)", "[0,1.0,true,1,2]");
	check_value("k=sort(1,2,1.0,true,0,reverse=true)", "[2,1,1.0,true,0]");
	check_value("k=sort(range(7,0,-1))", "[1,2,3,4,5,6,7]");
	check_value("k=-9223372036854775808", "-9223372036854775808");
}

static void test_keys(void)
{
	struct override o;
	CHECK(!override_parse(&o, "quant_granularity.quant_cfg_overrides.\"*weight_quantizer\".axis=1"), "%s", error_text());
	CHECK(o.part_count == 4, "%zu parts", o.part_count);
	CHECK_STRING(o.parts[2], "*weight_quantizer");
	char *text = override_text(&o);
	CHECK_STRING(text, "quant_granularity.quant_cfg_overrides.\"*weight_quantizer\".axis=1");
	free(text);
	override_release(&o);
	CHECK(!override_parse(&o, "a.\"b=c.d\"=1"), "%s", error_text());
	CHECK(o.part_count == 2, "%zu parts", o.part_count);
	CHECK_STRING(o.parts[1], "b=c.d");
	override_release(&o);
}

static void test_refusals(void)
{
	check_refused("k[0]=1", "override 'k[0]=1', column 2: write l.0, not l[0]\n    k[0]=1\n     ^");
	check_refused("a.*b=1", "column 3: a key with '*' must be quoted, as in a.\"*b\".c=1");
	check_refused("k='a", "column 3: the string that begins here does not end: ' is missing");
	check_refused("k=${a", "column 3: the interpolation that begins here does not end: '}' is missing");
	check_refused("k=[1,2", "column 7: ']' is missing");
	check_refused("k={a:1,a:2}", "column 8: key 'a' stands twice");
	check_refused("k={null:1}", "column 4: null cannot be a key");
	check_refused("k={a}", "column 5: expected ':' behind the key 'a'");
	check_refused("k=9223372036854775808", "column 3: the integer 9223372036854775808 has more than 64 bits");
	check_refused("k=chioce(a,b)", "column 3: unknown function 'chioce'; did you mean 'choice'?");
	check_refused("k=shuffle(a,b)", "shuffle() is not supported; sweeps are a,b choice() range() glob()");
	check_refused("k=[choice(a,b)]", "column 4: a sweep cannot stand inside a value");
	check_refused("k=range(1,2,0)", "range(): the step is 0");
	check_refused("k=range(3,1)", "range(): no value between start and stop");
	check_refused("k=range(1,1e9)", "range(): more than 100000 values");
	check_refused("k=range(60000),range(40001)", "column 16: ranges make more than 100000 values");
	check_refused("k=range(-9223372036854775808,0)", "range(): numbers this large");
	check_refused("k=sort(1,2,3,4,a)", "sort(): numbers and texts cannot be compared");
	check_refused("k=range(a,b)", "range(): start, stop and step must be numbers");
	check_refused("k=range(1e300,2e300)", "range(): numbers this large");
	check_refused("k=range(1,2,strep=1)", "range() has no argument 'strep'");
	check_refused("k=glob()", "glob() needs a pattern");
	check_refused("k=int(x)", "column 7: int(x): not possible");
	check_refused("k=bool(null)", "bool(null): not possible");
	check_refused("k=sort(1,a)", "sort(): numbers and texts cannot be compared");
	check_refused("k=\xc3\xa4", "column 3: this character is not allowed outside quotes");
	check_refused("k=a, \xc3\xa4", "column 6: this character is not allowed outside quotes");
	check_refused("", "column 1: expected a key: a letter, '_' or '$'");
	check_refused("=1", "column 1: expected a key");
	check_refused("k=[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "nested more than "
		"64 levels");
}

/* No text, however broken, may crash the parser; what parses must print and parse again. */
static void test_garbage(void)
{
	static const char alphabet[] = "ab01=,.:{}[]()'\"\\$*+-~@/ _e";
	unsigned long long seed = 20240607;
	char text[24];
	for (int round = 0; round < 200000; round++) {
		size_t length = 0;
		for (unsigned i = 0; i < sizeof text - 1; i++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			if ((seed >> 40) % 12 == 0)
				break;
			text[length++] = alphabet[(seed >> 33) % (sizeof alphabet - 1)];
		}
		text[length] = '\0';
		struct override o;
		char whole[32];
		snprintf(whole, sizeof whole, "k=%s", text);
		if (override_parse(&o, round % 2 ? text : whole))
			continue;
		check_round_trip(&o, round % 2 ? text : whole);
		override_release(&o);
	}
}

int main(void)
{
	TEST(test_oracle);
	TEST(test_values);
	TEST(test_keys);
	TEST(test_refusals);
	TEST(test_garbage);
	return check_done();
}
