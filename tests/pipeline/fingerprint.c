/* What an object holds, in a few lines that are the same on every machine up to the last digits of its numbers:
 *
 *     build/tests/pipeline/fingerprint KIND FILE
 *
 *     text HASH COUNT              of the description: names, strings and whole numbers, exactly; fractions are left out
 *     fractions COUNT ABS SUM      of the description's fractions: sum of magnitudes, and a sum weighted by place
 *     array NAME HASH COUNT        of whole numbers, exactly
 *     floats NAME COUNT ABS SUM    of a float array, as above; of scores' whole numbers, too: they rank what nearly ties
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "common/strbuf.h"
#include "formats/object.h"

struct sums {
	size_t count;
	double magnitude, weighted;
};

/* Other places, other weights: that two numbers changed places is seen, too. */
static void add_number(struct sums *s, double value)
{
	enum { PERIOD = 97 };
	if (isfinite(value)) {
		s->magnitude += fabs(value);
		s->weighted += value * (1 + (double)(s->count % PERIOD) / PERIOD);
	}
	s->count++;
}

static void walk(const cJSON *item, struct strbuf *text, struct sums *fractions)
{
	strbuf_addf(text, "%s:", item->string ? item->string : "");
	if (cJSON_IsString(item))
		strbuf_adds(text, item->valuestring);
	else if (cJSON_IsNumber(item) && item->valuedouble == floor(item->valuedouble) && fabs(item->valuedouble) < 1e15)
		strbuf_addf(text, "%.0f", item->valuedouble);
	else if (cJSON_IsNumber(item))
		add_number(fractions, item->valuedouble);
	else if (!cJSON_IsArray(item) && !cJSON_IsObject(item))
		strbuf_addf(text, "%d", item->type);
	strbuf_addc(text, '\n');
	for (const cJSON *child = item->child; child; child = child->next)
		walk(child, text, fractions);
}

static double number_at(const void *data, enum object_type type, size_t i)
{
	switch (type) {
	case OBJECT_I32: return ((const int32_t *)data)[i];
	case OBJECT_U64: return (double)((const uint64_t *)data)[i];
	case OBJECT_F32: return (double)((const float *)data)[i];
	default: return ((const double *)data)[i];
	}
}

static int print_array(const struct object *o, const char *kind, const struct object_array_place *a)
{
	size_t count;
	const void *data = object_array(o, a->name, a->type, &count);
	struct sums s = {0};
	if (!data)
		return -1;
	int whole = a->type == OBJECT_I32 || a->type == OBJECT_U64;
	if (whole && strcmp(kind, "scores")) {
		struct digest d = hash_bytes(data, count * (a->type == OBJECT_I32 ? 4 : 8));
		printf("array %s %s %zu\n", a->name, d.hex, count);
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		add_number(&s, number_at(data, a->type, i));
	printf("floats %s %zu %.6e %.6e\n", a->name, s.count, s.magnitude, s.weighted);
	return 0;
}

int main(int argc, char **argv)
{
	struct object o;
	struct strbuf text;
	struct sums fractions = {0};
	program_name_set("fingerprint");
	if (argc != 3) {
		fputs("usage: fingerprint KIND FILE\n", stderr);
		return 2;
	}
	if (object_open(&o, argv[2], argv[1], NULL))
		return error_report(1);
	strbuf_init(&text);
	walk(o.description, &text, &fractions);
	struct digest d = hash_bytes(text.s, text.length);
	printf("text %s %zu\nfractions %zu %.6e %.6e\n", d.hex, text.length, fractions.count, fractions.magnitude,
		fractions.weighted);
	int bad = 0;
	for (size_t i = 0; i < o.array_count && !bad; i++)
		bad = print_array(&o, argv[1], &o.arrays[i]);
	strbuf_release(&text);
	object_close(&o);
	return bad ? error_report(1) : 0;
}
