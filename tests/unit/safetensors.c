/* Safetensors files built byte by byte: what the format allows, what it forbids, and what is met in practice. */
#include "checkpoint/safetensors.h"

#include <stdlib.h>

#include "../check.h"
#include "../support/scratch.h"
#include "common/error.h"
#include "common/strbuf.h"

/* A file: the header's length as written (SAME: as it is), the header, then so many bytes of data. */
#define SAME UINT64_MAX

struct sample {
	const char *name;
	const char *header;
	size_t data;
	uint64_t length;
	const char *error;    /* a part of the message; NULL: accepted */
	size_t tensors;
};

static void add_length(struct strbuf *to, uint64_t length)
{
	for (int i = 0; i < 8; i++)
		strbuf_addc(to, (char)(length >> (8 * i) & 0xff));
}

static char *write_file(const char *header, size_t header_length, uint64_t length, size_t data)
{
	struct strbuf b;
	strbuf_init(&b);
	add_length(&b, length == SAME ? header_length : length);
	strbuf_add(&b, header, header_length);
	for (size_t i = 0; i < data; i++)
		strbuf_addc(&b, (char)i);
	char *path = scratch_write("sample.safetensors", b.s, b.length);
	strbuf_release(&b);
	return path;
}

/* Opens it; the error, or "" when it was accepted, must hold the expected text and name the path. */
static void check_open(const char *name, const char *path, const char *error, size_t tensors)
{
	struct safetensors file;
	int bad = safetensors_open(&file, path);
	if (error) {
		CHECK(bad, "%s: was accepted", name);
		CHECK(!bad || strstr(error_text(), error), "%s: message is \"%s\", expected \"%s\"", name, error_text(), error);
		CHECK(!bad || strstr(error_text(), path), "%s: message \"%s\" does not name the file", name, error_text());
	} else {
		CHECK(!bad, "%s: refused: %s", name, error_text());
		CHECK(bad || file.count == tensors, "%s: %zu tensors, expected %zu", name, file.count, tensors);
	}
	safetensors_close(&file);
}

#define T(name, dtype, shape, offsets) \
	"\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static const struct sample refused[] = {
	{"no header after its length", "", 0, 60, "byte 0: header length 60, but only 0 bytes follow it", 0},
	{"length with top bytes set", "{}", 0, 0xfffffffffffffff8u, "header length 18446744073709551608 is more than", 0},
	{"length just over the limit", "{}", 0, 100000001, "more than the 100000000 allowed", 0},
	{"longer than the file", "{}", 0, 1000, "header length 1000, but only 2 bytes follow it", 0},
	{"not UTF-8", "\xff", 0, SAME, "byte 8: the header is not UTF-8", 0},
	{"overlong UTF-8", "{\"\xc0\xaf\":{}}", 0, SAME, "byte 10: the header is not UTF-8", 0},
	{"half an object", "{", 0, SAME, "byte 9: not JSON", 0},
	{"no object", "[]", 0, SAME, "byte 8: the header is not a JSON object", 0},
	{"empty header", "", 0, SAME, "the header is not a JSON object", 0},
	{"two objects", "{}{}", 0, SAME, "byte 10: unexpected text after the JSON value", 0},
	{"NUL as padding, which is no white space", "{} \x01", 0, SAME, "byte 11: unexpected text", 0},
	{"trailing comma", "{" T("a", "U8", "[1]", "[0,1]") ",}", 1, SAME, "not JSON: found '}', expected '\"'", 0},
	{"bytes after the last tensor", "{" T("a", "I32", "[2,2]", "[0,16]") "}", 18, SAME, "but 2 bytes follow", 0},
	{"bytes missing", "{" T("a", "I32", "[2,2]", "[0,16]") "}", 14, SAME, "the file was cut short", 0},
	{"data without tensors", "{}", 1, SAME, "the tensors end here, but 1 bytes follow", 0},
	{"shape against size", "{" T("a", "I32", "[2,2]", "[0,4]") "}", 4, SAME,
		"tensor \"a\": data_offsets [0, 4] hold 4 bytes, but its shape in I32 takes 16", 0},
	{"entry of 2^64 - 2", "{" T("a", "I32", "[2,18446744073709551614]", "[0,16]") "}", 16, SAME,
		"a shape entry is more than 281474976710655; in tensor \"a\"", 0},
	{"entry of 2^63 - 1", "{" T("a", "I32", "[2,9223372036854775807]", "[0,16]") "}", 16, SAME,
		"a shape entry is more than 281474976710655", 0},
	{"entry beyond 64 bits", "{" T("a", "I32", "[2,99999999999999999999999]", "[0,16]") "}", 16, SAME,
		"a shape entry is more than", 0},
	{"product overflows", "{" T("a", "U8", "[140737488355328,140737488355328]", "[0,16]") "}", 16, SAME,
		"tensor \"a\": the shape overflows", 0},
	{"product wraps to the size", "{" T("a", "U8", "[4294967296,4294967296]", "[0,0]") "}", 0, SAME, "overflows", 0},
	{"hole", "{" T("a", "U8", "[2]", "[0,2]") "," T("b", "U8", "[2]", "[3,5]") "}", 5, SAME,
		"tensor \"b\": begins at byte 3 of the buffer, expected 2: there is a hole", 0},
	{"first does not begin at 0", "{" T("a", "U8", "[2]", "[1,3]") "}", 3, SAME, "begins at byte 1", 0},
	{"overlap", "{" T("a", "U8", "[2]", "[0,2]") "," T("b", "U8", "[2]", "[1,3]") "}", 3, SAME,
		"tensor \"b\": begins at byte 1 of the buffer, expected 2: it overlaps", 0},
	{"same extent twice", "{" T("a", "U8", "[2]", "[0,2]") "," T("b", "U8", "[2]", "[0,2]") "}", 2, SAME,
		"it overlaps", 0},
	{"end before begin", "{" T("a", "U8", "[2]", "[4,2]") "}", 4, SAME,
		"tensor \"a\": data_offsets end at 2 before they begin at 4", 0},
	{"out of range", "{" T("a", "U8", "[9]", "[0,9]") "}", 8, SAME, "its tensors need", 0},
	{"half bytes", "{" T("a", "F4", "[3]", "[0,2]") "}", 2, SAME, "no whole number of bytes", 0},
	{"six bits thrice", "{" T("a", "F6_E2M3", "[3]", "[0,3]") "}", 3, SAME, "no whole number of bytes", 0},
	{"unknown dtype", "{" T("a", "BF17", "[1]", "[0,2]") "}", 2, SAME,
		"byte 22: unknown dtype \"BF17\"; did you mean \"BF16\"?; in tensor \"a\"", 0},
	{"dtype in small letters", "{" T("a", "bf16", "[1]", "[0,2]") "}", 2, SAME, "unknown dtype \"bf16\"", 0},
	{"dtype a number", "{\"a\":{\"dtype\":16,\"shape\":[],\"data_offsets\":[0,1]}}", 1, SAME, "expected '\"'", 0},
	{"duplicate name", "{" T("a", "U8", "[1]", "[0,1]") "," T("a", "U8", "[1]", "[1,2]") "}", 2, SAME,
		"duplicate tensor \"a\"", 0},
	{"duplicate behind an escape", "{" T("A", "U8", "[1]", "[0,1]") "," T("\\u0041", "U8", "[1]", "[1,2]") "}", 2,
		SAME, "duplicate tensor \"A\"", 0},
	{"duplicate key", "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, SAME,
		"duplicate key \"dtype\"; in tensor \"a\"", 0},
	{"unknown key", "{\"a\":{\"dtype\":\"U8\",\"strides\":[1],\"shape\":[1],\"data_offsets\":[0,1]}}", 1, SAME,
		"unknown key \"strides\"; expected dtype, shape, data_offsets", 0},
	{"missing key", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, SAME, "key \"data_offsets\" is missing", 0},
	{"tensor no object", "{\"a\":[]}", 0, SAME, "found '[', expected '{'", 0},
	{"offset negative", "{" T("a", "U8", "[1]", "[-1,0]") "}", 1, SAME, "an offset must be a non-negative integer", 0},
	{"offset 1.0", "{" T("a", "U8", "[1]", "[0,1.0]") "}", 1, SAME, "without fraction or exponent", 0},
	{"offset 1e3", "{" T("a", "U8", "[1]", "[0,1e3]") "}", 1, SAME, "without fraction or exponent", 0},
	{"offset a string", "{" T("a", "U8", "[1]", "[0,\"1\"]") "}", 1, SAME, "an offset must be", 0},
	{"one offset", "{" T("a", "U8", "[1]", "[0]") "}", 1, SAME, "data_offsets must be two numbers, found 1", 0},
	{"three offsets", "{" T("a", "U8", "[1]", "[0,1,1]") "}", 1, SAME, "data_offsets must be two numbers, found "
		"more", 0},
	{"entry negative", "{" T("a", "U8", "[-1]", "[0,1]") "}", 1, SAME, "a shape entry must be", 0},
	{"entry 4.0", "{" T("a", "U8", "[4.0]", "[0,4]") "}", 4, SAME, "without fraction or exponent", 0},
	{"entry \"4\"", "{" T("a", "U8", "[\"4\"]", "[0,4]") "}", 4, SAME, "a shape entry must be", 0},
	{"entry 04", "{" T("a", "U8", "[04]", "[0,4]") "}", 4, SAME, "not JSON: expected ',' or ']'", 0},
	{"entry true", "{" T("a", "U8", "[true]", "[0,1]") "}", 1, SAME, "a shape entry must be", 0},
	{"nine dimensions", "{" T("a", "U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]") "}", 1, SAME, "more than 8 dimensions", 0},
	{"metadata with a number", "{\"__metadata__\":{\"n\":1}}", 0, SAME, "__metadata__: \"n\" must be a string", 0},
	{"metadata nested", "{\"__metadata__\":{\"n\":{}}}", 0, SAME, "__metadata__: \"n\" must be a string", 0},
	{"metadata no object", "{\"__metadata__\":\"pt\"}", 0, SAME, "__metadata__ must be an object", 0},
	{"metadata key twice", "{\"__metadata__\":{\"n\":\"1\",\"n\":\"2\"}}", 0, SAME, "duplicate key \"n\"", 0},
	{"metadata twice", "{\"__metadata__\":{},\"__metadata__\":{}}", 0, SAME, "duplicate key \"__metadata__\"", 0},
	{"NUL in a name", "{" T("a\\u0000b", "U8", "[1]", "[0,1]") "}", 1, SAME, "\\u0000 is not supported", 0},
	{"half a surrogate pair", "{" T("\\ud83d", "U8", "[1]", "[0,1]") "}", 1, SAME, "unpaired surrogate", 0},
	{"surrogates reversed", "{" T("\\ude00\\ud83d", "U8", "[1]", "[0,1]") "}", 1, SAME, "unpaired surrogate", 0},
	{"unknown escape", "{" T("a\\x", "U8", "[1]", "[0,1]") "}", 1, SAME, "unknown escape", 0},
	{"control character", "{\"a\nb\":{}}", 0, SAME, "control character in a string", 0},
	{"not JSON at all", "hello, world", 0, SAME, "the header is not a JSON object", 0},
};

static const struct sample accepted[] = {
	{"empty object", "{}", 0, SAME, NULL, 0},
	{"spaces on both sides", "  {}   ", 0, SAME, NULL, 0},
	{"newlines on both sides", "\n\r{}\t\n", 0, SAME, NULL, 0},
	{"metadata only", "{\"__metadata__\":{\"format\":\"pt\"}}", 0, SAME, NULL, 0},
	{"empty metadata", "{\"__metadata__\":{}}", 0, SAME, NULL, 0},
	{"scalar", "{" T("a", "F32", "[]", "[0,4]") "}", 4, SAME, NULL, 1},
	{"nothing in it", "{" T("a", "F32", "[2,0]", "[0,0]") "}", 0, SAME, NULL, 1},
	{"nothing between two", "{" T("b", "U8", "[2]", "[0,2]") "," T("a", "U8", "[0]", "[2,2]") ","
		T("c", "U8", "[1]", "[2,3]") "}", 3, SAME, NULL, 3},
	{"header of 60 bytes", "{" T("a", "U8", "[5]", "[0,5]") "       }", 5, SAME, NULL, 1},
	{"tensors out of order", "{" T("a", "U8", "[2]", "[3,5]") "," T("b", "U8", "[3]", "[0,3]") "}", 5, SAME, NULL, 2},
	{"keys out of order", "{\"a\":{\"data_offsets\":[0,2],\"shape\":[1],\"dtype\":\"F16\"}}", 2, SAME, NULL, 1},
	{"four bits, even", "{" T("a", "F4", "[4]", "[0,2]") "}", 2, SAME, NULL, 1},
	{"six bits", "{" T("a", "F6_E3M2", "[4]", "[0,3]") "}", 3, SAME, NULL, 1},
	{"eight dimensions", "{" T("a", "U8", "[1,1,1,1,1,1,1,2]", "[0,2]") "}", 2, SAME, NULL, 1},
	{"white space everywhere",
		"{ \"a\" : { \"dtype\" : \"U8\" , \"shape\" : [ 1 , 2 ] , \"data_offsets\" : [ 0 , 2 ] } }", 2, SAME, NULL, 1},
	{"empty name", "{" T("", "U8", "[1]", "[0,1]") "}", 1, SAME, NULL, 1},
};

static void test_refused(void)
{
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		const struct sample *s = &refused[i];
		char *path = write_file(s->header, strlen(s->header), s->length, s->data);
		check_open(s->name, path, s->error, 0);
		free(path);
	}
}

static void test_accepted(void)
{
	for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
		const struct sample *s = &accepted[i];
		char *path = write_file(s->header, strlen(s->header), s->length, s->data);
		check_open(s->name, path, NULL, s->tensors);
		free(path);
	}
}

static void test_short_files(void)
{
	for (size_t length = 0; length < 8; length++) {
		char *path = scratch_write("short.safetensors", "\2\0\0\0\0\0\0", length);
		check_open("short", path, "too short for a safetensors file", 0);
		free(path);
	}
	char *path = scratch_path("absent.safetensors");
	check_open("absent", path, "cannot open: No such file", 0);
	check_open("directory", scratch_dir(), "not a regular file", 0);
	free(path);
}

static void test_lfs_pointer(void)
{
	static const char text[] = "version https://git-lfs.github.com/spec/v1\n"
		"oid sha256:4665bbbca9ef53a1f2e1d4c9b1f8d8e3a2b6c7d8e9f0a1b2c3d4e5f60718293a\nsize 4967229296\n";
	char *path = scratch_write("pointer.safetensors", text, sizeof text - 1);
	check_open("Git LFS pointer", path, "this is a Git LFS pointer, not the weights", 0);
	free(path);
}

static void test_deep_nesting(void)
{
	struct strbuf b;
	strbuf_init(&b);
	strbuf_adds(&b, "{\"a\":");
	for (int i = 0; i < 10000; i++)
		strbuf_addc(&b, '[');
	char *path = write_file(b.s, b.length, SAME, 0);
	check_open("10,000 deep", path, "nested too deeply", 0);
	free(path);
	strbuf_release(&b);
}

/* Every prefix of a good file is refused, and none is read beyond its end. */
static void test_every_truncation(void)
{
	static const char header[] = "{" T("a", "U8", "[2]", "[0,2]") "," T("\\u00e9\\n", "BF16", "[1,3]", "[2,8]") "}";
	struct strbuf b;
	strbuf_init(&b);
	add_length(&b, sizeof header - 1);
	strbuf_add(&b, header, sizeof header - 1);
	strbuf_adds(&b, "12345678");
	for (size_t length = 0; length < b.length; length++) {
		char *path = scratch_write("cut.safetensors", b.s, length);
		check_open("cut", path, "", 0);
		free(path);
	}
	char *path = scratch_write("cut.safetensors", b.s, b.length);
	check_open("whole", path, NULL, 2);
	free(path);
	strbuf_release(&b);
}

/* Every prefix of a good header, with a length that says so: the walker must stop at the end. */
static void test_every_header_truncation(void)
{
	static const char header[] = "{\"__metadata__\":{\"k\":\"v\\ud83d\\ude00\"}," T("a\\t", "F32", "[1]", "[0,4]") "}";
	for (size_t length = 0; length < sizeof header - 1; length++) {
		char *path = write_file(header, length, SAME, 0);
		check_open("cut header", path, "byte ", 0);
		free(path);
	}
}

static void test_many_overlapping(void)
{
	struct strbuf b;
	struct safetensors file;
	strbuf_init(&b);
	strbuf_addc(&b, '{');
	for (int i = 0; i < 100000; i++)
		strbuf_addf(&b, "%s\"%d\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[0,9]}", i ? "," : "", i);
	strbuf_addc(&b, '}');
	char *path = write_file(b.s, b.length, SAME, 9);
	check_open("100,000 at one place", path, "it overlaps the tensor before it", 0);
	free(path);
	strbuf_clear(&b);
	/* As many as the header's length allows: more than the limit of tensors. */
	strbuf_addc(&b, '{');
	for (int i = 0; i <= SAFETENSORS_TENSORS_MAX; i++)
		strbuf_addf(&b, "%s\"%x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}", i ? "," : "", i);
	strbuf_addc(&b, '}');
	path = write_file(b.s, b.length, SAME, 0);
	CHECK(safetensors_open(&file, path) && strstr(error_text(), "more than 1000000 tensors"), "message is \"%s\"",
		error_text());
	free(path);
	strbuf_release(&b);
}

static void test_content(void)
{
	static const char header[] = "{" T("b\\\"\\\\\\u0041\\/\\ud83d\\ude00", "BF16", "[2,3]", "[4,16]") ","
		"\"__metadata__\":{\"format\":\"pt\"}," T("\xc3\xa9", "F32", "[]", "[0,4]") "}";
	char *path = write_file(header, sizeof header - 1, SAME, 16);
	struct safetensors file;
	CHECK(!safetensors_open(&file, path), "%s", error_text());
	CHECK(file.count == 2, "%zu tensors", file.count);
	const struct safetensors_tensor *t = safetensors_find(&file, "b\"\\A/\xf0\x9f\x98\x80");
	CHECK(t, "escaped name not found");
	if (t) {
		CHECK(t->dtype == DTYPE_BF16 && t->rank == 2 && t->shape[0] == 2 && t->shape[1] == 3, "wrong type or shape");
		CHECK(t->begin == 8 + sizeof header - 1 + 4 && t->end == t->begin + 12, "at %llu .. %llu",
			(unsigned long long)t->begin, (unsigned long long)t->end);
		CHECK(file.map.bytes[t->begin] == 4, "first byte is %d", file.map.bytes[t->begin]);
	}
	t = safetensors_find(&file, "\xc3\xa9");
	CHECK(t && t->rank == 0 && t->end - t->begin == 4, "scalar not found");
	CHECK(!safetensors_find(&file, "b"), "found a tensor that is not there");
	safetensors_close(&file);
	free(path);
}

static void test_long_and_wild_names(void)
{
	struct strbuf b;
	strbuf_init(&b);
	strbuf_adds(&b, "{\"\\u001b[31m");
	for (int i = 0; i < 5000; i++)
		strbuf_addc(&b, 'n');
	strbuf_adds(&b, "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,2]}}");
	char *path = write_file(b.s, b.length, SAME, 2);
	check_open("long name", path, "tensor \"?[31mnnnn", 0);
	CHECK(strlen(error_text()) < 600 && strstr(error_text(), "nnn...\""), "name is not cut: %s", error_text());
	free(path);
	strbuf_release(&b);
}

/* What safetensors_open promises of a file it accepts. */
static void check_promises(const struct safetensors *file, unsigned seed)
{
	uint64_t total = 0;
	for (size_t i = 0; i < file->count; i++) {
		const struct safetensors_tensor *t = &file->tensors[i];
		uint64_t bits = dtype_bits(t->dtype);
		for (unsigned d = 0; d < t->rank; d++)
			bits *= t->shape[d];
		CHECK(t->begin <= t->end && t->end <= file->map.length && bits == 8 * (t->end - t->begin), "seed %u: extent",
			seed);
		CHECK(!i || strcmp(file->tensors[i - 1].name, t->name) < 0, "seed %u: order of names", seed);
		total += t->end - t->begin;
	}
	CHECK(total <= file->map.length - 8, "seed %u: the tensors overlap", seed);
}

/* A good file with a few bytes of its header replaced by bytes that mean something in it. */
static void test_mutations(void)
{
	static const char header[] = "{\"__metadata__\":{\"k\":\"v\"}," T("a", "U8", "[2]", "[0,2]") ","
		T("b\\u00e9", "BF16", "[1,3]", "[2,8]") "," T("c", "F4", "[0]", "[8,8]") "}";
	static const char alphabet[] = "\"\\{}[]:,0123456789-.eEutrfn \n\xc3\xa9\xff";
	enum { SEEDS = 3000 };
	int kept = 0;
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		char changed[sizeof header];
		struct safetensors file;
		uint64_t state = seed * 0x9e3779b97f4a7c15u;
		memcpy(changed, header, sizeof header);
		for (unsigned i = 0; i <= seed % 4; i++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			changed[(state >> 33) % (sizeof header - 1)] = alphabet[(state >> 20 & 0x1fff) % (sizeof alphabet - 1)];
		}
		char *path = write_file(changed, sizeof header - 1, SAME, 8);
		if (!safetensors_open(&file, path)) {
			check_promises(&file, seed);
			kept++;
		}
		safetensors_close(&file);
		free(path);
	}
	CHECK(kept > 10 && kept < SEEDS / 2, "%d of %d accepted: the mutations do not bite", kept, SEEDS);
}

int main(void)
{
	TEST(test_refused);
	TEST(test_accepted);
	TEST(test_short_files);
	TEST(test_lfs_pointer);
	TEST(test_deep_nesting);
	TEST(test_every_truncation);
	TEST(test_every_header_truncation);
	TEST(test_many_overlapping);
	TEST(test_content);
	TEST(test_long_and_wild_names);
	TEST(test_mutations);
	return check_done();
}
