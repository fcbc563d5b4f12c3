#include "common/json.h"

#include <assert.h>
#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/utf8.h"

enum { NUMBER_MAX = 63 };

const struct json_rules json_default_rules = {.depth_max = 64};

/* The scan that runs before cJSON: it accepts exactly RFC 8259, and knows where it is. */
struct scan {
	const char *text;
	size_t length;
	size_t at;
	const char *source;
	const struct json_rules *rules;
};

static int scan_fail(const struct scan *s, const char *what)
{
	size_t line = 1, column = 1;
	for (size_t i = 0; i < s->at && i < s->length; i++) {
		column++;
		if (s->text[i] == '\n') {
			line++;
			column = 1;
		}
	}
	return fail("%s:%zu:%zu: byte %zu: %s", s->source, line, column, s->at, what);
}

static int peek(const struct scan *s)
{
	return s->at < s->length ? (unsigned char)s->text[s->at] : -1;
}

static void skip_space(struct scan *s)
{
	while (peek(s) == ' ' || peek(s) == '\t' || peek(s) == '\n' || peek(s) == '\r')
		s->at++;
}

static int scan_word(struct scan *s, const char *word)
{
	size_t length = strlen(word);
	if (s->length - s->at < length || memcmp(s->text + s->at, word, length))
		return scan_fail(s, "not JSON: expected a value");
	s->at += length;
	return 0;
}

static int scan_hex(struct scan *s, unsigned *code)
{
	*code = 0;
	for (int i = 0; i < 4; i++) {
		s->at++;
		int c = peek(s);
		if (c < 0 || !isxdigit(c))
			return scan_fail(s, "not JSON: \\u needs four hex digits");
		*code = *code << 4 | (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return 0;
}

/* The escape whose backslash is at s->at; leaves s->at on its last character. */
static int scan_escape(struct scan *s)
{
	size_t from = s->at++;
	unsigned code, low = 0;
	int c = peek(s);
	if (c != 'u')
		return c > 0 && strchr("\"\\/bfnrt", c) ? 0 : scan_fail(s, "not JSON: unknown escape in a string");
	if (scan_hex(s, &code))
		return -1;
	if (code >= 0xd800 && code < 0xdc00 && s->length - s->at > 2 && !memcmp(s->text + s->at + 1, "\\u", 2)) {
		s->at += 2;
		if (scan_hex(s, &low))
			return -1;
	}
	if (code && (code < 0xd800 || code > 0xdfff || (low >= 0xdc00 && low < 0xe000)))
		return 0;
	s->at = from;
	return scan_fail(s, code ? "not JSON: unpaired surrogate" : "\\u0000 is not supported in a string");
}

static int scan_string(struct scan *s)
{
	if (peek(s) != '"')
		return scan_fail(s, "not JSON: expected a string in double quotes");
	for (s->at++; peek(s) != '"'; s->at++) {
		int c = peek(s);
		if (c < 0)
			return scan_fail(s, "not JSON: the string does not end");
		if (c < 0x20)
			return scan_fail(s, "not JSON: control character in a string");
		if (c == '\\' && scan_escape(s))
			return -1;
	}
	s->at++;
	return 0;
}

static size_t scan_digits(struct scan *s)
{
	size_t from = s->at;
	while (peek(s) >= '0' && peek(s) <= '9')
		s->at++;
	return s->at - from;
}

/* Most numbers need not be converted to see that a double can hold them: 63 digits and a two-digit exponent never reach
 * its limit. */
static int small_exponent(const char *text)
{
	const char *e = strpbrk(text, "eE");
	return !e || strlen(e + 1 + (e[1] == '+' || e[1] == '-')) <= 2;
}

/* Whether text[from..at) is a number that a double, and the buffer of cJSON, can hold: it may cut longer ones short. */
static int check_number(struct scan *s, size_t from)
{
	char text[NUMBER_MAX + 1];
	size_t length = s->at - from;
	const char *problem = "number has more than 63 characters";
	if (length <= NUMBER_MAX) {
		memcpy(text, s->text + from, length);
		text[length] = '\0';
		if (small_exponent(text) || isfinite(strtod(text, NULL)))
			return 0;
		problem = "number is out of the range of a double";
	}
	s->at = from;
	return scan_fail(s, problem);
}

static int scan_number(struct scan *s)
{
	size_t from = s->at;
	if (peek(s) == '-')
		s->at++;
	if (peek(s) == '0')
		s->at++;
	else if (!scan_digits(s))
		return scan_fail(s, "not JSON: expected a value");
	size_t whole = s->at;
	if (peek(s) == '.') {
		s->at++;
		if (!scan_digits(s))
			return scan_fail(s, "not JSON: digits expected after the point");
	}
	if (peek(s) == 'e' || peek(s) == 'E') {
		s->at++;
		if (peek(s) == '+' || peek(s) == '-')
			s->at++;
		if (!scan_digits(s))
			return scan_fail(s, "not JSON: digits expected in the exponent");
	}
	if (s->rules->integers_only && (s->at != whole || s->text[from] == '-')) {
		s->at = from;
		return scan_fail(s, "expected a non-negative integer without fraction or exponent");
	}
	return check_number(s, from);
}

static int scan_value(struct scan *s, int depth);

static int scan_container(struct scan *s, int depth)
{
	char close = s->text[s->at] == '{' ? '}' : ']';
	if (depth >= s->rules->depth_max)
		return scan_fail(s, "nested too deeply");
	s->at++;
	skip_space(s);
	if (peek(s) == close) {
		s->at++;
		return 0;
	}
	for (;;) {
		skip_space(s);
		if (close == '}') {
			if (scan_string(s))
				return -1;
			skip_space(s);
			if (peek(s) != ':')
				return scan_fail(s, "not JSON: expected ':'");
			s->at++;
		}
		if (scan_value(s, depth + 1))
			return -1;
		skip_space(s);
		if (peek(s) == close) {
			s->at++;
			return 0;
		}
		if (peek(s) != ',')
			return scan_fail(s, close == '}' ? "not JSON: expected ',' or '}'" : "not JSON: expected ',' or ']'");
		s->at++;
	}
}

static int scan_value(struct scan *s, int depth)
{
	skip_space(s);
	switch (peek(s)) {
	case '{': case '[':
		return scan_container(s, depth);
	case '"':
		return scan_string(s);
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	case -1:
		return scan_fail(s, "not JSON: the text ends where a value is expected");
	default:
		return scan_number(s);
	}
}

/* cJSON keeps both of two equal keys and finds the first; a reader elsewhere may find the last. */
static int refuse_duplicates(const cJSON *value, const char *source)
{
	size_t count = 0, capacity = 0;
	const char **names = NULL;
	const cJSON *item;
	int bad = 0;
	cJSON_ArrayForEach(item, value) {
		if ((cJSON_IsObject(item) || cJSON_IsArray(item)) && refuse_duplicates(item, source)) {
			free(names);
			return -1;
		}
		if (cJSON_IsObject(value)) {
			MEM_GROW(names, count, capacity);
			names[count++] = item->string;
		}
	}
	if (count)
		qsort(names, count, sizeof *names, text_order);
	for (size_t i = 1; i < count && !bad; i++)
		if (!strcmp(names[i - 1], names[i]))
			bad = fail("%s: duplicate key \"%s\"", source, names[i]);
	free(names);
	return bad;
}

cJSON *json_parse(const char *text, size_t length, const char *source, const struct json_rules *rules)
{
	struct scan s = {text, length, 0, source, rules ? rules : &json_default_rules};
	size_t valid = utf8_valid_prefix(text, length);
	if (valid != length) {
		s.at = valid;
		scan_fail(&s, "not UTF-8");
		return NULL;
	}
	if (scan_value(&s, 0))
		return NULL;
	skip_space(&s);
	if (s.at != length) {
		scan_fail(&s, "unexpected text after the JSON value");
		return NULL;
	}
	cJSON *value = cJSON_ParseWithLength(text, length);
	if (!value)
		return fail_null("%s: cJSON cannot read it", source);
	if (refuse_duplicates(value, source)) {
		cJSON_Delete(value);
		return NULL;
	}
	return value;
}

cJSON *json_read(const char *path, size_t limit)
{
	char *text;
	size_t length;
	if (file_read(path, limit, &text, &length))
		return NULL;
	cJSON *value = json_parse(text, length, path, NULL);
	free(text);
	return value;
}

const cJSON *json_member(const cJSON *object, const char *key, const char *source)
{
	const cJSON *item = cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
	return item ? item : fail_null("%s: key \"%s\" is missing", source, key);
}

const char *json_string(const cJSON *object, const char *key, const char *source)
{
	const cJSON *item = json_member(object, key, source);
	if (!item)
		return NULL;
	return cJSON_IsString(item) ? item->valuestring : fail_null("%s: \"%s\" must be a string", source, key);
}

int json_double(const cJSON *object, const char *key, const char *source, double *value)
{
	const cJSON *item = json_member(object, key, source);
	if (!item)
		return -1;
	if (!cJSON_IsNumber(item))
		return fail("%s: \"%s\" must be a number", source, key);
	*value = item->valuedouble;
	return 0;
}

int json_u64(const cJSON *object, const char *key, const char *source, uint64_t *value)
{
	double number = 0;
	if (json_double(object, key, source, &number))
		return -1;
	if (!(number >= 0 && number <= 0x1p53 && floor(number) == number))
		return fail("%s: \"%s\" must be an integer from 0 to 2^53, found %g", source, key, number);
	*value = (uint64_t)number;
	return 0;
}

int json_bool(const cJSON *object, const char *key, const char *source, int *value)
{
	const cJSON *item = json_member(object, key, source);
	if (!item)
		return -1;
	if (!cJSON_IsBool(item))
		return fail("%s: \"%s\" must be true or false", source, key);
	*value = cJSON_IsTrue(item);
	return 0;
}

static void add_integer(struct strbuf *to, int64_t value)
{
	char text[24], *p = text + sizeof text;
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
	do
		*--p = (char)('0' + rest % 10);
	while (rest /= 10);
	if (value < 0)
		*--p = '-';
	strbuf_add(to, p, (size_t)(text + sizeof text - p));
}

/* A value of up to four decimals, 10.56, which configs are full of: where m / 10^k, rounded once, is the value, its
 * digits are those of m. As %g would write it, ten times as fast. Whether it is one. */
static int add_decimal(struct strbuf *to, double value)
{
	static const double powers[] = {1, 10, 100, 1000, 10000};
	char text[24];
	if (!(fabs(value) >= 1e-3 && fabs(value) < 1e9))
		return 0;
	for (int k = 1; k <= 4; k++) {
		double whole = nearbyint(value * powers[k]);
		if (whole / powers[k] != value)
			continue;
		int64_t m = (int64_t)fabs(whole), scale = (int64_t)powers[k];
		if (value < 0)
			strbuf_addc(to, '-');
		add_integer(to, m / scale);
		strbuf_addc(to, '.');
		m %= scale;
		for (int i = k; i-- > 0; m /= 10)
			text[i] = (char)('0' + m % 10);
		strbuf_add(to, text, (size_t)k);
		return 1;
	}
	return 0;
}

void json_number(struct strbuf *to, double value)
{
	char text[40];
	assert(isfinite(value));
	if (fabs(value) <= 0x1p53 && floor(value) == value) {
		add_integer(to, (int64_t)value);
		return;
	}
	if (add_decimal(to, value))
		return;
	/* Of up to DBL_DIG digits each decimal is found again behind its double, so that %g, which drops zeros at the end,
	 * leaves the shortest; among the subnormal numbers that does not hold. Every digit tried costs half a microsecond,
	 * which for the numbers of a report adds up. */
	for (int digits = fabs(value) < DBL_MIN ? 1 : DBL_DIG; digits <= DBL_DECIMAL_DIG; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, value);
		if (digits == DBL_DECIMAL_DIG || strtod(text, NULL) == value)
			break;
	}
	strbuf_adds(to, text);
}

/* Where bytes of the word are c: the highest bit there, perhaps also of bytes above one that is. */
static uint64_t bytes_equal(uint64_t word, unsigned char c)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t x = word ^ (ones * c);
	return (x - ones) & ~x & (ones << 7);
}

/* Length of what needs no escape at the beginning of text, eight bytes at a time as long as all of them need none. */
static size_t plain_length(const char *text, size_t length)
{
	const uint64_t ones = 0x0101010101010101u;
	size_t n = 0;
	for (uint64_t word; n + 8 <= length; n += 8) {
		memcpy(&word, text + n, 8);
		uint64_t control = (word - ones * 0x20) & ~word & (ones << 7);
		if (control | bytes_equal(word, '"') | bytes_equal(word, '\\') | bytes_equal(word, 0x7f))
			break;
	}
	while (n < length && (unsigned char)text[n] >= 0x20 && text[n] != '"' && text[n] != '\\' && text[n] != 0x7f)
		n++;
	return n;
}

void json_quoted(struct strbuf *to, const char *text)
{
	const char *end = text + strlen(text);
	strbuf_addc(to, '"');
	for (const char *p = text;; p++) {
		size_t plain = plain_length(p, (size_t)(end - p));
		strbuf_add(to, p, plain);
		p += plain;
		if (!*p)
			break;
		if (*p == '"' || *p == '\\')
			strbuf_addf(to, "\\%c", *p);
		else if (*p == '\n')
			strbuf_adds(to, "\\n");
		else if (*p == '\t')
			strbuf_adds(to, "\\t");
		else
			strbuf_addf(to, "\\u%04x", (unsigned char)*p);
	}
	strbuf_addc(to, '"');
}

void json_scalar(struct strbuf *to, const cJSON *value)
{
	if (cJSON_IsString(value))
		json_quoted(to, value->valuestring);
	else if (cJSON_IsNumber(value))
		json_number(to, value->valuedouble);
	else if (cJSON_IsBool(value))
		strbuf_adds(to, cJSON_IsTrue(value) ? "true" : "false");
	else if (cJSON_IsRaw(value))
		strbuf_adds(to, value->valuestring);
	else
		strbuf_adds(to, "null");
}

int json_check_format(const cJSON *object, const char *format, const char *source)
{
	const char *found = json_string(object, "format", source);
	if (!found)
		return -1;
	return strcmp(found, format) ? fail("%s: format \"%.60s\", expected \"%s\"", source, found, format) : 0;
}

const cJSON *json_nested(const cJSON *object, const char *section, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(object, section), key);
}

void json_add_reference(cJSON *object, const char *key, const cJSON *value)
{
	cJSON *item;
	if (cJSON_IsObject(value) && value->child)
		item = cJSON_CreateObjectReference(value->child);
	else if (cJSON_IsArray(value) && value->child)
		item = cJSON_CreateArrayReference(value->child);
	else if (cJSON_IsString(value) || cJSON_IsRaw(value))
		item = cJSON_CreateStringReference(value->valuestring);
	else
		item = cJSON_Duplicate(value, 0);
	if (item && cJSON_IsRaw(value))
		item->type = cJSON_Raw | cJSON_IsReference;
	cJSON_AddItemToObjectCS(object, key, item);
}

enum { ITEMS_AT_HAND = 32 };

static int by_key(const void *a, const void *b)
{
	return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

/* Keys often are in order already. */
static void sort_by_key(const cJSON **items, size_t count)
{
	size_t i = 1;
	while (i < count && by_key(&items[i - 1], &items[i]) <= 0)
		i++;
	if (i < count)
		qsort(items, count, sizeof *items, by_key);
}

void json_items(struct strbuf *to, const cJSON *value, int sorted, json_writer *writer, void *context)
{
	const cJSON *at_hand[ITEMS_AT_HAND], **items = at_hand, *item;
	size_t count = (size_t)cJSON_GetArraySize(value), n = 0;
	int object = cJSON_IsObject(value);
	if (count > ITEMS_AT_HAND)
		items = mem_array(count, sizeof *items);
	cJSON_ArrayForEach(item, value)
		items[n++] = item;
	if (object && sorted)
		sort_by_key(items, count);
	strbuf_addc(to, object ? '{' : '[');
	for (size_t i = 0; i < count; i++) {
		if (i)
			strbuf_addc(to, ',');
		if (object) {
			json_quoted(to, items[i]->string);
			strbuf_addc(to, ':');
		}
		writer(context, to, items[i]);
	}
	strbuf_addc(to, object ? '}' : ']');
	if (items != at_hand)
		free(items);
}

static void write_canonical(void *context, struct strbuf *to, const cJSON *value)
{
	if (cJSON_IsArray(value) || cJSON_IsObject(value))
		json_items(to, value, 1, write_canonical, context);
	else
		json_scalar(to, value);
}

void json_canonical(struct strbuf *to, const cJSON *value)
{
	write_canonical(NULL, to, value);
}

static void new_line(struct strbuf *to, int level)
{
	static const char blanks[] = "                                                                ";
	size_t left = 2 * (size_t)level, most = sizeof blanks - 1;
	strbuf_addc(to, '\n');
	for (; left > most; left -= most)
		strbuf_add(to, blanks, most);
	strbuf_add(to, blanks, left);
}

static void pretty(struct strbuf *to, const cJSON *value, int level)
{
	if ((!cJSON_IsArray(value) && !cJSON_IsObject(value))) {
		json_scalar(to, value);
		return;
	}
	int object = cJSON_IsObject(value);
	if (!value->child) {
		strbuf_adds(to, object ? "{}" : "[]");
		return;
	}
	const cJSON *item;
	strbuf_addc(to, object ? '{' : '[');
	cJSON_ArrayForEach(item, value) {
		if (item != value->child)
			strbuf_addc(to, ',');
		new_line(to, level + 1);
		if (object) {
			json_quoted(to, item->string);
			strbuf_adds(to, ": ");
		}
		pretty(to, item, level + 1);
	}
	new_line(to, level);
	strbuf_addc(to, object ? '}' : ']');
}

void json_pretty(struct strbuf *to, const cJSON *value)
{
	pretty(to, value, 0);
}

char *json_pretty_text(cJSON *value)
{
	struct strbuf text;
	strbuf_init(&text);
	json_pretty(&text, value);
	strbuf_addc(&text, '\n');
	cJSON_Delete(value);
	return text.s;
}
