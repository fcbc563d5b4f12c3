#include "config/node.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/utf8.h"
#include "config/value.h"
#include "config/yaml.h"

/* How nodes print: JSON, block YAML, the flow form of overrides. */

/* "8.500e+00" -> "8.5e+00": where fewer digits than were printed read back, the others are zeros. */
static void drop_zeros(char *digits)
{
	char *e = strchr(digits, 'e'), *end = e;
	if (!strchr(digits, '.'))
		return;
	while (end[-1] == '0')
		end--;
	if (end[-1] == '.')
		end--;
	memmove(end, e, strlen(e) + 1);
}

void node_float_text(struct strbuf *to, double value)
{
	char digits[40];
	if (!isfinite(value)) {
		strbuf_adds(to, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
		return;
	}
	/* The shortest digits that read back, as d.ddde+xx; then Python's choice between point and exponent. */
	for (int precision = fabs(value) < DBL_MIN ? 0 : DBL_DIG - 1; precision <= 16; precision++) {
		snprintf(digits, sizeof digits, "%.*e", precision, value);
		if (strtod(digits, NULL) == value)
			break;
	}
	drop_zeros(digits);
	int exponent = atoi(strchr(digits, 'e') + 1);
	if (exponent < -4 || exponent >= 16) {
		strbuf_adds(to, digits); /* C and Python both write at least two digits of exponent */
		return;
	}
	char *e = strchr(digits, 'e');
	int significant = 0;
	for (char *p = digits; p < e; p++)
		significant += isdigit((unsigned char)*p) ? 1 : 0;
	int decimals = significant - 1 - exponent;
	strbuf_addf(to, "%.*f", decimals > 0 ? decimals : 1, value);
}

cJSON *node_to_json(const struct node *node)
{
	struct strbuf b;
	cJSON *json;
	switch (node->kind) {
	case NODE_NULL:
		return cJSON_CreateNull();
	case NODE_BOOL:
		return cJSON_CreateBool(node->boolean);
	case NODE_INT:
		return cJSON_CreateNumber((double)node->integer);
	case NODE_FLOAT:
		if (isfinite(node->number))
			return cJSON_CreateNumber(node->number);
		strbuf_init(&b);
		node_float_text(&b, node->number);
		json = cJSON_CreateString(b.s);
		strbuf_release(&b);
		return json;
	case NODE_STRING:
		return cJSON_CreateString(node->text);
	case NODE_LIST:
		json = cJSON_CreateArray();
		for (size_t i = 0; i < node->count; i++)
			cJSON_AddItemToArray(json, node_to_json(node->items[i]));
		return json;
	default:
		json = cJSON_CreateObject();
		for (size_t i = 0; i < node->count; i++)
			cJSON_AddItemToObject(json, node->keys[i].text, node_to_json(node->items[i]));
		return json;
	}
}

/* Whether YAML reads text, unquoted, as just this string. Fewer than YAML would allow. */
static int plain_in_yaml(const char *text)
{
	if (!isalnum((unsigned char)*text) && !strchr("_./", *text))
		return 0;
	for (const char *p = text; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_./+-", *p))
			return 0;
	struct node *n = *text ? yaml_scalar(text, NULL) : NULL;
	int plain = n && n->kind == NODE_STRING;
	node_free(n);
	return plain;
}

/* Characters that a single-quoted YAML scalar on one line cannot hold. */
static int needs_escapes(const char *text)
{
	for (size_t at = 0, length = strlen(text); at < length;) {
		uint32_t c;
		size_t n = utf8_decode(text + at, length - at, &c);
		if (!n || c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff || c >= 0xfffe)
			return 1;
		at += n;
	}
	return 0;
}

static void yaml_escaped(struct strbuf *to, const char *text)
{
	strbuf_addc(to, '"');
	for (size_t at = 0, length = strlen(text); at < length;) {
		uint32_t c;
		size_t n = utf8_decode(text + at, length - at, &c);
		if (!n)
			strbuf_addf(to, "\\x%02x", (unsigned char)text[at]);
		else if (c == '"' || c == '\\')
			strbuf_addf(to, "\\%c", (char)c);
		else if (c == '\n')
			strbuf_adds(to, "\\n");
		else if (c >= 0x20 && c < 0x7f)
			strbuf_addc(to, (char)c);
		else
			strbuf_addf(to, c > 0xffff ? "\\U%08x" : "\\u%04x", c);
		at += n ? n : 1;
	}
	strbuf_addc(to, '"');
}

static void yaml_string(struct strbuf *to, const char *text)
{
	if (plain_in_yaml(text)) {
		strbuf_adds(to, text);
	} else if (needs_escapes(text)) {
		yaml_escaped(to, text);
	} else {
		strbuf_addc(to, '\'');
		for (const char *p = text; *p; p++) {
			if (*p == '\'')
				strbuf_addc(to, '\'');
			strbuf_addc(to, *p);
		}
		strbuf_addc(to, '\'');
	}
}

static void yaml_float(struct strbuf *to, double value)
{
	if (!isfinite(value))
		strbuf_adds(to, isnan(value) ? ".nan" : value < 0 ? "-.inf" : ".inf");
	else
		node_float_text(to, value);
}

static void yaml_scalar_text(struct strbuf *to, const struct node *node)
{
	if (node->kind == NODE_NULL)
		strbuf_adds(to, "null");
	else if (node->kind == NODE_BOOL)
		strbuf_adds(to, node->boolean ? "true" : "false");
	else if (node->kind == NODE_INT)
		strbuf_addf(to, "%lld", (long long)node->integer);
	else if (node->kind == NODE_FLOAT)
		yaml_float(to, node->number);
	else if (node->kind == NODE_STRING)
		yaml_string(to, node->text);
	else
		strbuf_adds(to, node->kind == NODE_DICT ? "{}" : "[]"); /* empty ones only */
}

static void yaml_key(struct strbuf *to, const struct node_key *key)
{
	if (key->kind == NODE_STRING)
		yaml_string(to, key->text);
	else if (key->kind == NODE_FLOAT)
		yaml_float(to, strtod(key->text, NULL));
	else
		strbuf_adds(to, key->text);
}

/* "key:", or where YAML would not look so far for the colon, "? key" and the colon on a line of its own. */
static void yaml_begin(struct strbuf *to, const struct node_key *key, int indent)
{
	enum { SIMPLE_KEY_MAX = 1000 };
	struct strbuf text;
	strbuf_init(&text);
	yaml_key(&text, key);
	if (text.length <= SIMPLE_KEY_MAX)
		strbuf_addf(to, "%s:", text.s);
	else
		strbuf_addf(to, "? %s\n%*s:", text.s, indent, "");
	strbuf_release(&text);
}

/* Writes a non-empty container whose lines begin at indent. The cursor stands there already when started is set. */
static void yaml_block(struct strbuf *to, const struct node *node, int indent, int started)
{
	for (size_t i = 0; i < node->count; i++) {
		const struct node *value = node->items[i];
		if (!started || i)
			strbuf_addf(to, "%*s", indent, "");
		if (node->kind == NODE_DICT) {
			yaml_begin(to, &node->keys[i], indent);
		} else {
			strbuf_addc(to, '-');
		}
		if (!value->count) {
			strbuf_addc(to, ' ');
			yaml_scalar_text(to, value);
			strbuf_addc(to, '\n');
		} else if (node->kind == NODE_LIST) {
			strbuf_addc(to, ' ');
			yaml_block(to, value, indent + 2, 1);
		} else {
			strbuf_addc(to, '\n');
			yaml_block(to, value, indent + 2, 0);
		}
	}
}

void node_to_yaml(struct strbuf *to, const struct node *node)
{
	if (node->count) {
		yaml_block(to, node, 0, 0);
	} else {
		yaml_scalar_text(to, node);
		strbuf_addc(to, '\n');
	}
}

static void flow_string(struct strbuf *to, const char *text)
{
	int plain = isalnum((unsigned char)*text) || (*text && strchr("_./*$+-", *text));
	for (const char *p = text; *p && plain; p++)
		plain = isalnum((unsigned char)*p) || strchr("_./*+%@?|-", *p);
	if (plain && value_is_plain_string(text)) {
		strbuf_adds(to, text);
		return;
	}
	strbuf_addc(to, '\'');
	for (const char *p = text; *p; p++) {
		/* Backslashes count only in front of a quote. */
		size_t run = strspn(p, "\\");
		if (run && (p[run] == '\'' || !p[run]))
			strbuf_add(to, p, run);
		strbuf_add(to, p, run);
		p += run;
		if (!*p)
			break;
		strbuf_adds(to, *p == '\'' ? "\\'" : "");
		if (*p != '\'')
			strbuf_addc(to, *p);
	}
	strbuf_addc(to, '\'');
}

void node_to_flow(struct strbuf *to, const struct node *node)
{
	if (node->kind == NODE_STRING)
		flow_string(to, node->text);
	else if (node->kind == NODE_FLOAT)
		node_float_text(to, node->number);
	else if (!node_is_container(node))
		yaml_scalar_text(to, node);
	else {
		strbuf_addc(to, node->kind == NODE_DICT ? '{' : '[');
		for (size_t i = 0; i < node->count; i++) {
			if (i)
				strbuf_addc(to, ',');
			if (node->kind == NODE_DICT && node->keys[i].kind == NODE_STRING)
				flow_string(to, node->keys[i].text);
			else if (node->kind == NODE_DICT)
				strbuf_adds(to, node->keys[i].text);
			if (node->kind == NODE_DICT)
				strbuf_addc(to, ':');
			node_to_flow(to, node->items[i]);
		}
		strbuf_addc(to, node->kind == NODE_DICT ? '}' : ']');
	}
}
