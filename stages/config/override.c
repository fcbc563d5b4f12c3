#include "config/override.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/error.h"
#include "common/memory.h"
#include "config/value.h"

enum { TEXT_MAX = 1 << 16, PARTS_MAX = 64 };

/* The text of a key and where it stands. */
struct key_text {
	const char *text;
	size_t length;
	const struct origin *base;
};

static int key_fail(const struct key_text *k, size_t at, const char *what)
{
	struct origin place = value_place(k->base, k->text, at);
	return origin_fail(&place, "%s", what);
}

static void add_part(struct override *o, char *text)
{
	o->parts = mem_resize(o->parts, o->part_count + 1, sizeof *o->parts);
	o->parts[o->part_count++] = text;
}

/* One part of a key at k->text[*at]: a word, digits behind a dot, or a quoted text. */
static int parse_part(struct override *o, const struct key_text *k, size_t *at, struct strbuf *key)
{
	size_t i = *at;
	char c = i < k->length ? k->text[i] : '\0';
	if (o->part_count == PARTS_MAX)
		return key_fail(k, i, "a key with this many parts is not supported");
	if (c == '"' || c == '\'') {
		const char *end = memchr(k->text + i + 1, c, k->length - i - 1);
		if (!end || end == k->text + i + 1)
			return key_fail(k, i, end ? "an empty key" : "the quoted part of the key does not end");
		size_t length = (size_t)(end - (k->text + i + 1));
		add_part(o, mem_strndup(k->text + i + 1, length));
		strbuf_add(key, k->text + i + 1, length);
		*at = i + length + 2;
		return 0;
	}
	size_t start = i;
	if (o->part_count && isdigit((unsigned char)c)) {
		while (i < k->length && isdigit((unsigned char)k->text[i]))
			i++;
	} else if (isalpha((unsigned char)c) || c == '_' || c == '$') {
		while (i < k->length && (isalnum((unsigned char)k->text[i]) || (k->text[i] && strchr("_-$", k->text[i]))))
			i++;
	}
	if (i == start)
		return key_fail(k, i, c == '[' ? "write l.0, not l[0]"
			: c == '*' ? "a key with '*' must be quoted, as in a.\"*b\".c=1" : "expected a key: a letter, '_' or '$'");
	add_part(o, mem_strndup(k->text + start, i - start));
	strbuf_add(key, k->text + start, i - start);
	*at = i;
	return 0;
}

/* group/sub/... or a.b.c, then @package. */
static int parse_key(struct override *o, const struct key_text *k)
{
	struct strbuf key;
	size_t at = 0;
	char separator = '\0';
	o->separator = '.';
	strbuf_init(&key);
	for (;;) {
		if (parse_part(o, k, &at, &key))
			goto bad;
		char c = at < k->length ? k->text[at] : '\0';
		if ((c != '.' && c != '/') || (separator && c != separator))
			break;
		separator = o->separator = c;
		strbuf_addc(&key, c);
		at++;
	}
	if (at < k->length && k->text[at] == '@') {
		size_t start = ++at;
		while (at < k->length && (isalnum((unsigned char)k->text[at]) || (k->text[at] && strchr("_-$.", k->text[at]))))
			at++;
		if (at == start) {
			key_fail(k, at, "expected a package behind '@'");
			goto bad;
		}
		o->package = mem_strndup(k->text + start, at - start);
	}
	if (at < k->length) {
		key_fail(k, at, k->text[at] == '[' ? "write l.0, not l[0]" : "this character is not allowed in a key");
		goto bad;
	}
	o->key = strbuf_take(&key);
	strbuf_release(&key);
	return 0;
bad:
	strbuf_release(&key);
	return -1;
}

/* Signs in front of the key; returns their length. */
static size_t parse_type(struct override *o, const char *text)
{
	if (*text == '~')
		return o->type = OVERRIDE_DELETE, 1;
	if (!strncmp(text, "++", 2))
		return o->type = OVERRIDE_FORCE_ADD, 2;
	if (*text == '+')
		return o->type = OVERRIDE_ADD, 1;
	return o->type = OVERRIDE_CHANGE, 0;
}

static int parse_value(struct override *o, const char *text, const struct origin *base)
{
	struct value v;
	if (value_parse(&v, text, strlen(text), base))
		return -1;
	o->has_value = 1;
	o->quoted = v.quoted;
	o->sweep = v.sweep;
	o->value = v.node;
	o->include = v.include;
	o->exclude = v.exclude;
	return 0;
}

/* Position of the '=' that ends the key: quoted parts may hold others. */
static size_t find_equals(const char *text)
{
	char quote = '\0';
	size_t i = 0;
	for (; text[i] && (quote || text[i] != '='); i++) {
		if (quote && text[i] == quote)
			quote = '\0';
		else if (!quote && (text[i] == '"' || text[i] == '\''))
			quote = text[i];
	}
	return i;
}

static int parse_both(struct override *o, const char *key, size_t key_length, const struct origin *key_at,
	const char *value, const struct origin *value_at)
{
	size_t sign = parse_type(o, key);
	struct origin base = value_place(key_at, key, sign);
	struct key_text k = {key + sign, key_length - sign, &base};
	o->at = base;
	source_hold(o->at.source);
	o->value_at = *value_at;
	if (parse_key(o, &k))
		return -1;
	if (value)
		return parse_value(o, value, value_at);
	if (o->type == OVERRIDE_DELETE)
		return 0;
	struct origin end = value_place(key_at, key, key_length);
	return origin_fail(&end, "'=' is missing: expected %.100s=VALUE", o->key);
}

int override_parse(struct override *o, const char *text)
{
	*o = (struct override){0};
	if (strlen(text) > TEXT_MAX)
		return fail("override '%.60s...' is longer than %d bytes", text, TEXT_MAX);
	struct source *source = source_new(SOURCE_OVERRIDE, text, text, strlen(text));
	size_t equals = find_equals(text);
	struct origin start = {source, 1, 1}, value_at = start;
	const char *value = NULL;
	if (text[equals]) {
		value = text + equals + 1;
		value_at = value_place(&start, text, equals + 1);
	}
	int bad = parse_both(o, text, equals, &start, value, &value_at);
	source_release(source);
	if (bad)
		override_release(o);
	return bad;
}

int override_parse_pair(struct override *o, const char *key, const struct origin *key_at, const char *value,
	const struct origin *value_at)
{
	*o = (struct override){0};
	if (strlen(key) > TEXT_MAX || (value && strlen(value) > TEXT_MAX))
		return origin_fail(key_at, "a key or value of more than %d bytes", TEXT_MAX);
	int bad = parse_both(o, key, strlen(key), key_at, value, value_at);
	if (bad)
		override_release(o);
	return bad;
}

void override_release(struct override *o)
{
	for (size_t i = 0; i < o->part_count; i++)
		free(o->parts[i]);
	free(o->parts);
	free(o->key);
	free(o->package);
	node_free(o->value);
	node_free(o->include);
	node_free(o->exclude);
	source_release(o->at.source);
	*o = (struct override){0};
}

void override_pick(struct override *to, const struct override *from, const struct node *value)
{
	*to = *from;
	source_hold(to->at.source);
	to->key = mem_strdup(from->key);
	to->package = from->package ? mem_strdup(from->package) : NULL;
	to->parts = mem_array(from->part_count, sizeof *to->parts);
	for (size_t i = 0; i < from->part_count; i++)
		to->parts[i] = mem_strdup(from->parts[i]);
	to->sweep = SWEEP_NONE;
	to->include = to->exclude = NULL;
	to->value = value ? node_copy(value) : NULL;
	to->has_value = value != NULL;
}

static void add_key(struct strbuf *b, const struct override *o)
{
	static const char *const signs[] = {"", "+", "++", "~"};
	strbuf_adds(b, signs[o->type]);
	for (size_t i = 0; i < o->part_count; i++) {
		const char *part = o->parts[i];
		int plain = strspn(part, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_$-") == strlen(part);
		if (i)
			strbuf_addc(b, o->separator);
		strbuf_addf(b, plain ? "%s" : strchr(part, '"') ? "'%s'" : "\"%s\"", part);
	}
	if (o->package)
		strbuf_addf(b, "@%s", o->package);
}

static void add_values(struct strbuf *b, const struct node *list)
{
	for (size_t i = 0; i < list->count; i++) {
		strbuf_adds(b, i ? "," : "");
		node_to_flow(b, list->items[i]);
	}
}

char *override_text(const struct override *o)
{
	struct strbuf b;
	strbuf_init(&b);
	add_key(&b, o);
	if (o->has_value)
		strbuf_addc(&b, '=');
	if (o->sweep == SWEEP_NONE && o->has_value) {
		node_to_flow(&b, o->value);
	} else if (o->sweep == SWEEP_GLOB) {
		strbuf_adds(&b, "glob([");
		add_values(&b, o->include);
		strbuf_adds(&b, "],exclude=[");
		add_values(&b, o->exclude);
		strbuf_adds(&b, "])");
	} else if (o->sweep != SWEEP_NONE) {
		strbuf_adds(&b, "choice(");
		add_values(&b, o->value);
		strbuf_addc(&b, ')');
	}
	char *text = strbuf_take(&b);
	strbuf_release(&b);
	return text;
}
