#include "config/value.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "config/value_call.h"

enum { DEPTH_MAX = 64, RANGED_MAX = 100000 };

struct parser {
	const char *text;
	size_t length, at;
	const struct origin *base;
	int arguments;     /* inside an interpolation: braces nest, no functions */
	int depth;
	size_t ranged;     /* values that ranges made so far: of few characters each may make many */
	size_t placed;     /* offset asked for last, and its place: counting from the start each time is quadratic */
	struct origin last;
};

struct origin value_place(const struct origin *base, const char *text, size_t offset)
{
	struct origin at = *base;
	for (size_t i = 0; i < offset; i++)
		at.column += ((unsigned char)text[i] & 0xc0) != 0x80;
	return at;
}

static struct origin place(struct parser *p, size_t at)
{
	if (!p->placed || at < p->placed) {
		p->placed = 0;
		p->last = *p->base;
	}
	p->last = value_place(&p->last, p->text + p->placed, at - p->placed);
	p->placed = at;
	return p->last;
}

#define PARSE_FAIL(p, where, ...) origin_fail(&(struct origin[1]){place(p, where)}[0], __VA_ARGS__)

static int peek(const struct parser *p)
{
	return p->at < p->length ? (unsigned char)p->text[p->at] : -1;
}

static void skip_blanks(struct parser *p)
{
	while (peek(p) == ' ' || peek(p) == '\t')
		p->at++;
}

size_t value_interpolation(const char *text, size_t length, int nested)
{
	int depth = 0;
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '{')
			depth++;
		if (text[i] == '}' && (!nested || --depth == 0))
			return i + 1;
	}
	return 0;
}

/* --- scalars --- */

/* Length of 0 or [1-9](_?[0-9])* at s, else 0. */
static size_t span_unsigned(const char *s)
{
	size_t i = 0;
	if (s[0] == '0')
		return 1;
	if (!isdigit((unsigned char)s[0]))
		return 0;
	while (isdigit((unsigned char)s[i]) || (s[i] == '_' && isdigit((unsigned char)s[i + 1])))
		i++;
	return i;
}

static size_t span_digits(const char *s)
{
	size_t i = 0;
	if (!isdigit((unsigned char)s[0]))
		return 0;
	while (isdigit((unsigned char)s[i]) || (s[i] == '_' && isdigit((unsigned char)s[i + 1])))
		i++;
	return i;
}

static int is_float(const char *s)
{
	if (!strcasecmp(s, "inf") || !strcasecmp(s, "nan"))
		return 1;
	size_t whole = span_unsigned(s), i = whole, point = 0;
	if (s[i] == '.') {
		size_t digits = span_digits(s + i + 1);
		if (!whole && !digits)
			return 0;
		i += 1 + digits;
		point = 1;
	} else if (!whole) {
		return 0;
	}
	if (s[i] == 'e' || s[i] == 'E') {
		i++;
		i += s[i] == '+' || s[i] == '-';
		size_t digits = span_digits(s + i);
		if (!digits)
			return 0;
		i += digits;
		point = 1;
	}
	return point && !s[i];
}

static char *digits_of(const char *text)
{
	char *copy = mem_strdup(text), *to = copy;
	for (const char *p = text; *p; p++)
		if (*p != '_')
			*to++ = *p;
	*to = '\0';
	return copy;
}

struct node *value_scalar(const char *text, const struct origin *at)
{
	const char *s = text + (*text == '-' || *text == '+');
	struct node *n;
	if (!strcasecmp(text, "null"))
		return node_new(NODE_NULL, at);
	if (!strcasecmp(text, "true") || !strcasecmp(text, "false")) {
		n = node_new(NODE_BOOL, at);
		n->boolean = tolower((unsigned char)*text) == 't';
		return n;
	}
	size_t whole = span_unsigned(s);
	int is_int = whole && !s[whole];
	if (!is_int && !is_float(s))
		return node_new_string(text, at);
	char *digits = digits_of(text);
	n = node_new(is_int ? NODE_INT : NODE_FLOAT, at);
	errno = 0;
	if (is_int)
		n->integer = strtoll(digits, NULL, 10);
	else
		n->number = strtod(digits, NULL);
	free(digits);
	if (is_int && errno == ERANGE) {
		node_free(n);
		origin_fail(at, "the integer %.60s has more than 64 bits", text);
		return NULL;
	}
	return n;
}

static struct node *parse_quoted(struct parser *p)
{
	struct origin at = place(p, p->at);
	char quote = p->text[p->at];
	struct strbuf b;
	strbuf_init(&b);
	for (p->at++;;) {
		size_t run = 0;
		while (p->at + run < p->length && p->text[p->at + run] == '\\')
			run++;
		size_t behind = p->at + run;
		if (behind >= p->length) {
			strbuf_release(&b);
			origin_fail(&at, "the string that begins here does not end: %c is missing", quote);
			return NULL;
		}
		char c = p->text[behind];
		/* Backslashes mean something only in front of a quote: pairs are one backslash, an odd one escapes it. */
		for (size_t i = 0; i < (c == quote ? run / 2 : run); i++)
			strbuf_addc(&b, '\\');
		p->at = behind + 1;
		if (c == quote && run % 2 == 0)
			break;
		strbuf_addc(&b, c);
	}
	struct node *n = node_new(NODE_STRING, &at);
	n->text = strbuf_take(&b);
	strbuf_release(&b);
	return n;
}

static int unexpected(struct parser *p)
{
	int c = peek(p);
	if (c < 0)
		return PARSE_FAIL(p, p->at, "a value is missing here");
	if (c < 0x20 || c >= 0x7f)
		return PARSE_FAIL(p, p->at, "this character is not allowed outside quotes: quote the value");
	if (c == '~')
		return PARSE_FAIL(p, p->at, "'~' is not allowed here outside quotes; for your home folder write $HOME");
	if (c == '=' && memchr(p->text, ' ', p->at))
		return PARSE_FAIL(p, p->at, "'=' is not allowed here outside quotes; two overrides are two words, not quoted "
			"together");
	return PARSE_FAIL(p, p->at, "'%c' is not allowed here outside quotes%s", c,
		strchr(",]})", c) ? "" : ": quote the value, as in key='a=b'");
}

/* Unquoted text up to a delimiter: , ] } ) and, of a dict's key, the colon. */
static struct node *parse_primitive(struct parser *p, int is_key)
{
	size_t start = p->at, kept = 0;
	int literal = 0;
	struct strbuf b;
	struct node *n = NULL;
	strbuf_init(&b);
	for (;;) {
		int c = peek(p), next = p->at + 1 < p->length ? (unsigned char)p->text[p->at + 1] : -1;
		if (c < 0 || strchr(",]})", c) || (is_key && c == ':'))
			break;
		if (c == '\\' && next >= 0 && strchr("\\()[]{}:=, \t", next)) {
			strbuf_addc(&b, (char)next);
			kept = b.length; /* an escaped blank is not trimmed */
			literal = 1;
			p->at += 2;
		} else if (c == '$' && next == '{') {
			size_t length = value_interpolation(p->text + p->at, p->length - p->at, p->arguments);
			if (!length) {
				PARSE_FAIL(p, p->at, "the interpolation that begins here does not end: '}' is missing");
				goto done;
			}
			strbuf_add(&b, p->text + p->at, length);
			literal = 1;
			p->at += length;
		} else if (isalnum(c) || strchr("_-/\\+.$%*@?|: \t", c)) {
			strbuf_addc(&b, (char)c);
			p->at++;
		} else {
			unexpected(p);
			goto done;
		}
	}
	while (b.length > kept && strchr(" \t", b.s[b.length - 1]))
		b.s[--b.length] = '\0';
	if (!b.length) {
		unexpected(p);
		goto done;
	}
	struct origin at = place(p, start);
	n = literal ? node_new_string(b.s, &at) : value_scalar(b.s, &at);
done:
	strbuf_release(&b);
	return n;
}

int value_is_plain_string(const char *text)
{
	struct origin nowhere = {0};
	struct node *n = *text ? value_scalar(text, &nowhere) : NULL;
	int plain = n && n->kind == NODE_STRING;
	node_free(n);
	return plain;
}

/* --- containers --- */

static int parse_element(struct parser *p, struct value *value);

static struct node *parse_plain_element(struct parser *p)
{
	struct value v;
	struct origin at = place(p, p->at);
	if (parse_element(p, &v))
		return NULL;
	if (v.sweep == SWEEP_NONE)
		return v.node;
	value_release(&v);
	origin_fail(&at, "a sweep cannot stand inside a value");
	return NULL;
}

/* What follows an element: 1 after a comma, 0 after close, -1 after fail(). */
static int next_or_close(struct parser *p, char close)
{
	skip_blanks(p);
	int c = peek(p);
	if (c != ',' && c != close)
		return c < 0 ? PARSE_FAIL(p, p->at, "'%c' is missing", close)
			: PARSE_FAIL(p, p->at, "expected ',' or '%c', found '%c'", close, c);
	p->at++;
	skip_blanks(p);
	if (c == ',' && peek(p) == close)
		return PARSE_FAIL(p, p->at, "a value is missing behind the last comma");
	return c == ',';
}

static struct node *parse_list(struct parser *p)
{
	struct origin at = place(p, p->at++);
	struct node *list = node_new(NODE_LIST, &at), *item;
	int more = 1;
	skip_blanks(p);
	if (peek(p) == ']') {
		p->at++;
		return list;
	}
	while (more > 0 && (item = parse_plain_element(p))) {
		node_append(list, item);
		more = next_or_close(p, ']');
	}
	if (!more)
		return list;
	node_free(list);
	return NULL;
}

static int parse_pair(struct parser *p, struct node *dict)
{
	struct strbuf b;
	struct origin at = place(p, p->at);
	int quoted = peek(p) == '\'' || peek(p) == '"';
	struct node *key = quoted ? parse_quoted(p) : parse_primitive(p, 1);
	if (!key)
		return -1;
	strbuf_init(&b);
	if (key->kind == NODE_STRING)
		strbuf_adds(&b, key->text);
	else
		node_to_flow(&b, key);
	struct node_key k = {.kind = key->kind, .text = b.s, .at = at};
	int bad = 0;
	skip_blanks(p);
	if (key->kind == NODE_NULL)
		bad = origin_fail(&at, "null cannot be a key");
	else if (peek(p) != ':')
		bad = PARSE_FAIL(p, p->at, "expected ':' behind the key '%s'", b.s);
	for (size_t i = 0; i < dict->count && !bad; i++)
		if (dict->keys[i].kind == k.kind && !strcmp(dict->keys[i].text, k.text))
			bad = origin_fail(&at, "key '%s' stands twice", b.s);
	if (!bad) {
		p->at++;
		skip_blanks(p);
		struct node *value = parse_plain_element(p);
		bad = value ? 0 : -1;
		if (value)
			node_set(dict, &k, value);
	}
	node_free(key);
	strbuf_release(&b);
	return bad;
}

static struct node *parse_dict(struct parser *p)
{
	struct origin at = place(p, p->at++);
	struct node *dict = node_new(NODE_DICT, &at);
	int more = 1;
	skip_blanks(p);
	if (peek(p) == '}') {
		p->at++;
		return dict;
	}
	while (more > 0 && !parse_pair(p, dict))
		more = next_or_close(p, '}');
	if (!more)
		return dict;
	node_free(dict);
	return NULL;
}

/* --- functions --- */

/* Length of a name directly in front of '(' or '=', else 0. */
static size_t name_before(const struct parser *p, char mark)
{
	size_t i = p->at;
	if (i >= p->length || (!isalpha((unsigned char)p->text[i]) && p->text[i] != '_'))
		return 0;
	while (i < p->length && (isalnum((unsigned char)p->text[i]) || p->text[i] == '_'))
		i++;
	size_t length = i - p->at;
	while (i < p->length && strchr(" \t", p->text[i]))
		i++;
	return i < p->length && p->text[i] == mark ? length : 0;
}

static int parse_argument(struct parser *p, struct value_call *c)
{
	size_t name = name_before(p, '=');
	if (!name) {
		MEM_GROW(c->arguments, c->count, c->capacity);
		if (parse_element(p, &c->arguments[c->count]))
			return -1;
		c->count++;
		return 0;
	}
	if (c->named_count == 3)
		return PARSE_FAIL(p, p->at, "too many named arguments");
	char *text = mem_strndup(p->text + p->at, name);
	p->at += name;
	skip_blanks(p);
	p->at++;
	skip_blanks(p);
	if (parse_element(p, &c->named[c->named_count])) {
		free(text);
		return -1;
	}
	c->names[c->named_count++] = text;
	return 0;
}

/* All ranges together make no more values than one may: 64 KiB of ranges would take 60 GB. */
static int count_range(struct parser *p, const struct origin *at, struct value *value)
{
	p->ranged += value->node->count;
	if (p->ranged <= RANGED_MAX)
		return 0;
	value_release(value);
	return origin_fail(at, "ranges make more than %d values", RANGED_MAX);
}

static int parse_call(struct parser *p, size_t length, struct value *value)
{
	char *name = mem_strndup(p->text + p->at, length);
	struct value_call c = {.name = name, .at = place(p, p->at)};
	int more = 1;
	p->at += length;
	skip_blanks(p);
	p->at++;
	skip_blanks(p);
	if (peek(p) == ')') {
		p->at++;
		more = 0;
	}
	while (more > 0 && !parse_argument(p, &c))
		more = next_or_close(p, ')');
	int bad = more ? -1 : value_call_run(&c, value);
	if (!bad && !strcmp(name, "range"))
		bad = count_range(p, &c.at, value);
	value_call_release(&c);
	free(name);
	return bad;
}

/* --- elements and values --- */

static int parse_element_inside(struct parser *p, struct value *value)
{
	int c = peek(p);
	size_t name = p->arguments ? 0 : name_before(p, '(');
	*value = (struct value){0};
	if (name)
		return parse_call(p, name, value);
	if (c == '\'' || c == '"') {
		value->quoted = 1;
		value->node = parse_quoted(p);
	} else if (c == '[') {
		value->node = parse_list(p);
	} else if (c == '{') {
		value->node = parse_dict(p);
	} else {
		value->node = parse_primitive(p, 0);
	}
	return value->node ? 0 : -1;
}

static int parse_element(struct parser *p, struct value *value)
{
	if (p->depth >= DEPTH_MAX)
		return PARSE_FAIL(p, p->at, "nested more than %d levels", DEPTH_MAX);
	p->depth++;
	int bad = parse_element_inside(p, value);
	p->depth--;
	return bad;
}

/* The elements of "a,b,c" become one choice; sweeps among them give their values. */
static int parse_choice(struct parser *p, struct value *first)
{
	struct value_call c = {.name = "choice", .at = *p->base};
	int bad = 0;
	MEM_GROW(c.arguments, c.count, c.capacity);
	c.arguments[c.count++] = *first;
	while (!bad && peek(p) == ',') {
		p->at++;
		skip_blanks(p);
		MEM_GROW(c.arguments, c.count, c.capacity);
		bad = parse_element(p, &c.arguments[c.count]);
		c.count += bad ? 0 : 1;
		skip_blanks(p);
	}
	bad = bad ? -1 : value_call_run(&c, first);
	value_call_release(&c);
	return bad;
}

static int parse_end(struct parser *p)
{
	return p->at == p->length ? 0 : unexpected(p);
}

int value_parse(struct value *value, const char *text, size_t length, const struct origin *base)
{
	struct parser p = {.text = text, .length = length, .base = base};
	*value = (struct value){0};
	skip_blanks(&p);
	if (p.at == p.length) {
		value->node = node_new_string("", base);
		return 0;
	}
	if (parse_element(&p, value))
		return -1;
	skip_blanks(&p);
	if (peek(&p) == ',' && parse_choice(&p, value)) {
		*value = (struct value){0};
		return -1;
	}
	if (!parse_end(&p))
		return 0;
	value_release(value);
	return -1;
}

void value_release(struct value *value)
{
	node_free(value->node);
	node_free(value->include);
	node_free(value->exclude);
	*value = (struct value){0};
}

struct node *value_parse_arguments(const char *text, size_t length, const struct origin *base)
{
	struct parser p = {.text = text, .length = length, .base = base, .arguments = 1};
	struct node *list = node_new(NODE_LIST, base);
	skip_blanks(&p);
	while (p.at < p.length) {
		struct node *n = peek(&p) == ',' ? node_new_string("", base) : parse_plain_element(&p);
		if (!n)
			goto bad;
		node_append(list, n);
		skip_blanks(&p);
		if (p.at == p.length)
			return list;
		if (peek(&p) != ',') {
			unexpected(&p);
			goto bad;
		}
		p.at++;
		skip_blanks(&p);
		if (p.at == p.length)
			node_append(list, node_new_string("", base));
	}
	return list;
bad:
	node_free(list);
	return NULL;
}
