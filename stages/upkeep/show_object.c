#include "upkeep/show_object.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/aside.h"
#include "common/error.h"
#include "common/memory.h"
#include "formats/object.h"
#include "upkeep/show_json.h"

/* What an array's numbers are like. */
struct statistics {
	double low, high, sum;
	size_t zeros, nonfinite, finite;
};

/* Element i of the mapped array. u64 above 2^53 are rounded, which statistics bear; integers are printed as such. */
static double element(const struct object_array_place *a, const void *data, size_t i)
{
	switch (a->type) {
	case OBJECT_I32:
		return ((const int32_t *)data)[i];
	case OBJECT_U64:
		return (double)((const uint64_t *)data)[i];
	case OBJECT_F32:
		return ((const float *)data)[i];
	case OBJECT_F64:
		break;
	}
	return ((const double *)data)[i];
}

static struct statistics statistics_of(const struct object_array_place *a, const void *data)
{
	struct statistics s = {.low = INFINITY, .high = -INFINITY};
	for (size_t i = 0; i < a->count; i++) {
		double x = element(a, data, i);
		if (!isfinite(x)) {
			s.nonfinite++;
			continue;
		}
		s.finite++;
		s.zeros += x == 0;
		s.low = x < s.low ? x : s.low;
		s.high = x > s.high ? x : s.high;
		s.sum += x;
	}
	return s;
}

static void show_element(FILE *to, const struct object_array_place *a, const void *data, size_t i)
{
	if (a->type == OBJECT_U64)
		fprintf(to, " %" PRIu64, ((const uint64_t *)data)[i]);
	else
		fprintf(to, a->type == OBJECT_F32 ? " %.9g" : " %.17g", element(a, data, i));
}

static void show_array(FILE *to, const struct object *o, const struct object_array_place *a, int all)
{
	const void *data = o->map.bytes + o->data_offset + a->offset;
	struct statistics s = statistics_of(a, data);
	size_t shown = all || a->count < SHOW_ELEMENTS ? a->count : SHOW_ELEMENTS;
	fprintf(to, "    %-20s %s %10zu  byte %zu", a->name, object_type_name(a->type), a->count,
		o->data_offset + a->offset);
	if (s.finite)
		fprintf(to, "  from %.6g to %.6g, mean %.6g, %zu zero%s", s.low, s.high, s.sum / (double)s.finite, s.zeros,
			s.zeros == 1 ? "" : "s");
	if (s.nonfinite)
		fprintf(to, "  %zu NOT FINITE", s.nonfinite);
	fputs(shown ? "\n       " : "\n", to);
	for (size_t i = 0; i < shown; i++)
		show_element(to, a, data, i);
	if (shown)
		fputs(shown < a->count ? " ...\n" : "\n", to);
}

/* In a cache the name says what must be inside, CONTENT.KIND; in tmp whose writing it is. */
static int check_name(const struct object *o)
{
	const char *slash = strrchr(o->path, '/'), *name = slash ? slash + 1 : o->path;
	struct digest named;
	const char *extension = strlen(name) > DIGEST_HEX && name[DIGEST_HEX] == '.' ? name + DIGEST_HEX + 1 : "";
	if (!*extension || aside_base(name))
		return 0;
	char *digits = mem_strndup(name, DIGEST_HEX);
	int is_digest = !digest_parse(digits, &named);
	free(digits);
	if (is_digest && !digest_equal(&named, &o->content))
		return fail("%s: holds the content %s, not what its name says", o->path, o->content.hex);
	if (is_digest && strcmp(extension, o->kind))
		return fail("%s: holds %s, not what its name says", o->path, o->kind);
	return 0;
}

int show_object(FILE *to, const char *path, int all)
{
	struct object o;
	if (object_open(&o, path, NULL, NULL))
		return -1;
	fprintf(to, "object      %s, format version %d, little-endian (stages/formats/object.md, %s.md)\n", o.kind,
		OBJECT_VERSION, o.kind);
	fprintf(to, "bytes       %zu: header %d, description and arrays in chunks of %d, a hash each\n", o.map.length,
		OBJECT_HEADER_BYTES, OBJECT_CHUNK_BYTES);
	fprintf(to, "content     %s\nidentity    %s%s\n", o.content.hex, o.identity.hex,
		digest_equal(&o.content, &o.identity) ? " (the content)" : "");
	fprintf(to, "description\n");
	show_json(to, o.description, 1, all);
	if (o.array_count)
		fprintf(to, "arrays\n");
	for (size_t i = 0; i < o.array_count; i++)
		show_array(to, &o, &o.arrays[i], all);
	int bad = check_name(&o);
	if (!bad)
		fprintf(to, "checked     header, every chunk and all lengths: as written\n");
	object_close(&o);
	return bad;
}
