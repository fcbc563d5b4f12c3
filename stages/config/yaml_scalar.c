#include "config/yaml.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

/* What a plain scalar of YAML 1.1 means, with OmegaConf's changes: 1e3 is a float, y and n and dates are strings. */

static int is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(text, *words) == 0)
			return 1;
	return 0;
}

static size_t span(const char *p, const char *set)
{
	return strspn(p, set);
}

#define DIGITS "0123456789"

/* Text without underscores, in new memory. */
static char *without_underscores(const char *text)
{
	char *copy = mem_strdup(text), *to = copy;
	for (const char *p = text; *p; p++)
		if (*p != '_')
			*to++ = *p;
	*to = '\0';
	return copy;
}

/* 1:30 and 1:30:15 to base 60, after the sign: [0-9][0-9_]*(:[0-5]?[0-9])+ and a fraction when point is set. */
static int is_sexagesimal(const char *p, int point)
{
	if (!isdigit((unsigned char)*p))
		return 0;
	p += span(p, DIGITS "_");
	if (*p != ':')
		return 0;
	while (*p == ':') {
		p++;
		if (*p >= '0' && *p <= '5' && isdigit((unsigned char)p[1]))
			p++;
		if (!isdigit((unsigned char)*p))
			return 0;
		p++;
	}
	if (!point)
		return !*p;
	if (*p++ != '.')
		return 0;
	return !p[span(p, DIGITS "_")];
}

static int exponent_ends(const char *p, int sign_needed)
{
	if (*p != 'e' && *p != 'E')
		return 0;
	p++;
	if (*p == '+' || *p == '-')
		p++;
	else if (sign_needed)
		return 0;
	return isdigit((unsigned char)*p) && !p[span(p, DIGITS)];
}

/* A decimal float, after the sign. */
static int is_decimal_float(const char *p, int sign)
{
	if (*p == '.') {
		size_t n = span(p + 1, DIGITS "_");
		return !sign && n && (!p[1 + n] || exponent_ends(p + 1 + n, 1));
	}
	if (!isdigit((unsigned char)*p))
		return 0;
	p += span(p, DIGITS "_");
	if (*p != '.')
		return exponent_ends(p, 0);
	p++;
	p += span(p, DIGITS "_");
	return !*p || exponent_ends(p, 0);
}

static struct node *new_float(double value, const struct origin *at)
{
	struct node *n = node_new(NODE_FLOAT, at);
	n->number = value;
	return n;
}

static double sexagesimal(const char *digits)
{
	double value = 0;
	for (const char *p = digits; *p; p += *p == ':') {
		char *end;
		value = value * 60 + strtod(p, &end);
		p = end;
	}
	return value;
}

static struct node *float_or_null(const char *text, const struct origin *at)
{
	static const char *const infinite[] = {".inf", ".Inf", ".INF", NULL}, *const nans[] = {".nan", ".NaN", ".NAN", NULL};
	int sign = *text == '-' || *text == '+', negative = *text == '-';
	const char *p = text + sign;
	if (is_one_of(text, nans))
		return new_float(NAN, at);
	if (is_one_of(p, infinite))
		return new_float(negative ? -INFINITY : INFINITY, at);
	int base60 = is_sexagesimal(p, 1);
	if (!base60 && !is_decimal_float(p, sign))
		return NULL;
	char *digits = without_underscores(p);
	double value = base60 ? sexagesimal(digits) : strtod(digits, NULL);
	free(digits);
	struct node *n = new_float(negative ? -value : value, at);
	n->trap = base60 ? TRAP_SEXAGESIMAL : TRAP_NONE;
	return n;
}

/* The base of the digits after the sign: 2, 8, 10, 16 or 60; 0 when text is no integer. *digits skips the prefix. */
static int integer_base(const char *p, const char **digits)
{
	*digits = p;
	if (p[0] == '0' && p[1] == 'b' && p[2] && !p[2 + span(p + 2, "01_")])
		return *digits = p + 2, 2;
	if (p[0] == '0' && p[1] == 'x' && p[2] && !p[2 + span(p + 2, DIGITS "abcdefABCDEF_")])
		return *digits = p + 2, 16;
	if (p[0] == '0' && p[1] && !p[1 + span(p + 1, "01234567_")])
		return 8;
	if (!strcmp(p, "0") || (*p >= '1' && *p <= '9' && !p[span(p, DIGITS "_")]))
		return 10;
	return *p >= '1' && *p <= '9' && is_sexagesimal(p, 0) ? 60 : 0;
}

static int64_t integer_sexagesimal(const char *digits)
{
	int64_t value = 0;
	for (const char *p = digits; *p; p += *p == ':') {
		char *end;
		int64_t part = strtoll(p, &end, 10);
		if (errno || __builtin_mul_overflow(value, 60, &value) || __builtin_add_overflow(value, part, &value)) {
			errno = ERANGE;
			return 0;
		}
		p = end;
	}
	return value;
}

static struct node *integer_or_null(const char *text, const struct origin *at)
{
	const char *p;
	int sign = *text == '-' || *text == '+', base = integer_base(text + sign, &p);
	if (!base)
		return NULL;
	/* The sign goes in front of the digits so that the smallest number can be read. */
	char *plain = without_underscores(p), *digits = mem_printf("%s%s", *text == '-' && base != 60 ? "-" : "", plain);
	int empty = !*plain;
	free(plain);
	errno = 0;
	int64_t value = base == 60 ? integer_sexagesimal(digits) : strtoll(digits, NULL, base);
	free(digits);
	if (empty)
		return NULL;
	if (errno == ERANGE) {
		origin_fail(at, "the integer %.60s has more than 64 bits", text);
		return NULL;
	}
	struct node *n = node_new(NODE_INT, at);
	n->integer = base == 60 && *text == '-' ? -value : value;
	n->trap = base == 60 ? TRAP_SEXAGESIMAL : base == 8 ? TRAP_OCTAL : TRAP_NONE;
	return n;
}

struct node *yaml_scalar(const char *text, const struct origin *at)
{
	static const char *const yes[] = {"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", NULL};
	static const char *const no[] = {"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", NULL};
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	if (is_one_of(text, nulls))
		return node_new(NODE_NULL, at);
	if (is_one_of(text, yes) || is_one_of(text, no)) {
		struct node *n = node_new(NODE_BOOL, at);
		n->boolean = is_one_of(text, yes);
		n->trap = strchr("tTfF", *text) ? TRAP_NONE : TRAP_WORD;
		return n;
	}
	if (!isdigit((unsigned char)*text) && !strchr("+-.", *text))
		return node_new_string(text, at);
	struct node *n = float_or_null(text, at);
	if (n)
		return n;
	errno = 0;
	n = integer_or_null(text, at);
	if (!n && errno == ERANGE)
		return NULL;
	return n ? n : node_new_string(text, at);
}
