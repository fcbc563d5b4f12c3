/* The container of every cached result: its bytes, what comes back, and that no damage goes unnoticed. */
#include "formats/object.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "../check.h"
#include "../support/scratch.h"
#include "common/error.h"
#include "common/memory.h"
#include "common/strbuf.h"

static void put(char *to, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		to[i] = (char)(value >> 8 * i & 0xff);
}

static void pad(struct strbuf *to)
{
	while (to->length % OBJECT_ALIGN)
		strbuf_addc(to, '\0');
}

/* Puts the right hashes into the bytes of a file that has less than a chunk of payload. */
static void mend(struct strbuf *file, int chunks)
{
	size_t payload = file->length - OBJECT_HEADER_BYTES - 8;
	put(file->s + 120, hash_chunk(file->s, 120), 8);
	if (chunks)
		put(file->s + OBJECT_HEADER_BYTES + payload, hash_chunk(file->s + OBJECT_HEADER_BYTES, payload), 8);
}

/* A file after object.md, put together by hand. */
static void assemble(struct strbuf *to, const char *kind, const char *description, const void *data, size_t length)
{
	char header[OBJECT_HEADER_BYTES] = "QGOBJECT", table[8] = {0};
	struct strbuf payload;
	strbuf_init(&payload);
	strbuf_adds(&payload, description);
	pad(&payload);
	strbuf_add(&payload, data, length);
	pad(&payload);
	put(header + 8, 1, 4);
	put(header + 12, 4194304, 4);
	memcpy(header + 16, kind, strlen(kind));
	put(header + 32, payload.length, 8);
	put(header + 40, strlen(description), 8);
	memset(header + 48, '0', 32);
	strbuf_init(to);
	strbuf_add(to, header, sizeof header);
	strbuf_add(to, payload.s, payload.length);
	strbuf_add(to, table, sizeof table);
	mend(to, 1);
	strbuf_release(&payload);
}

/* --- the small object of most tests --- */

static const int32_t numbers[] = {1, -2, 0x7fffffff};
static const double halves[] = {0.5, -0.0};

static const char small_description[] =
	"{\"arrays\":[{\"count\":3,\"name\":\"numbers\",\"offset\":0,\"type\":\"i32\"},"
	"{\"count\":0,\"name\":\"none\",\"offset\":64,\"type\":\"u64\"},"
	"{\"count\":2,\"name\":\"halves\",\"offset\":64,\"type\":\"f64\"}],"
	"\"kind\":{\"about\":\"caf\xc3\xa9\",\"size\":3}}";

static void describe_small(struct object_writer *w)
{
	object_writer_init(w, "tiny");
	cJSON_AddNumberToObject(w->description, "size", 3);
	cJSON_AddStringToObject(w->description, "about", "caf\xc3\xa9");
	object_writer_array(w, "numbers", OBJECT_I32, numbers, 3);
	object_writer_array(w, "none", OBJECT_U64, NULL, 0);
	object_writer_array(w, "halves", OBJECT_F64, halves, 2);
}

static void assemble_small(struct strbuf *to)
{
	char data[80] = {0};
	memcpy(data, numbers, sizeof numbers);
	memcpy(data + 64, halves, sizeof halves);
	assemble(to, "tiny", small_description, data, sizeof data);
}

/* Opens bytes as a file of kind tiny. error is a part of the message; NULL: accepted. */
static void check_open(const char *what, const struct strbuf *file, const char *error)
{
	struct object o;
	char *path = scratch_write("o", file->s, file->length);
	int bad = object_open(&o, path, "tiny", NULL);
	CHECK(!bad == !error, "%s: %s", what, bad ? error_text() : "was accepted");
	if (bad && error)
		CHECK(strstr(error_text(), error) && strncmp(error_text(), path, strlen(path)) == 0,
			"%s: message is \"%s\", expected %s and \"%s\"", what, error_text(), path, error);
	object_close(&o);
	free(path);
}

static void write_object(const struct object_writer *w, const char *path, struct digest *content,
	struct digest *identity)
{
	size_t size = 0;
	struct stat s;
	remove(path);
	if (object_write(w, path, content, identity, &size) || stat(path, &s))
		exit(error_report(1));
	CHECK((size_t)s.st_size == size, "size %zu, but the file has %zu bytes", size, (size_t)s.st_size);
	CHECK((s.st_mode & 07777) == 0444, "mode %o", (unsigned)s.st_mode & 07777);
}

/* --- what is written --- */

static void test_bytes(void)
{
	struct object_writer w;
	struct digest content, identity;
	struct strbuf expected;
	char *path = scratch_path("small"), *text;
	size_t length;
	describe_small(&w);
	write_object(&w, path, &content, &identity);
	assemble_small(&expected);
	if (file_read(path, 10000, &text, &length))
		exit(error_report(1));
	CHECK(length == expected.length, "%zu bytes, expected %zu", length, expected.length);
	for (size_t i = 0; i < length && i < expected.length; i++)
		CHECK(text[i] == expected.s[i], "byte %zu is %#x, expected %#x", i, text[i] & 0xff, expected.s[i] & 0xff);
	/* Pinned: a change of these bytes is a new format version, and makes every cache worthless. */
	CHECK_STRING(content.hex, "5c52239c674aebbe9bc68dd312bf5be9");
	CHECK_STRING(identity.hex, content.hex);
	object_writer_release(&w);
	strbuf_release(&expected);
	free(text);
	free(path);
}

static void test_round_trip(void)
{
	struct object_writer w;
	struct digest content, identity;
	struct object o;
	size_t count = 99;
	char *path = scratch_path("round");
	describe_small(&w);
	write_object(&w, path, &content, &identity);
	object_writer_release(&w);
	if (object_open(&o, path, "tiny", &content))
		exit(error_report(1));
	CHECK_STRING(o.content.hex, content.hex);
	CHECK_STRING(o.identity.hex, content.hex);
	CHECK_STRING(cJSON_GetObjectItem(o.description, "about")->valuestring, "caf\xc3\xa9");
	const int32_t *a = object_array(&o, "numbers", OBJECT_I32, &count);
	CHECK(a && count == 3 && memcmp(a, numbers, sizeof numbers) == 0, "numbers: %zu", count);
	CHECK((uintptr_t)a % OBJECT_ALIGN == 0, "numbers are at %p", (const void *)a);
	CHECK(object_array(&o, "none", OBJECT_U64, &count) && count == 0, "none: %zu", count);
	const double *b = object_array_exact(&o, "halves", OBJECT_F64, 2);
	CHECK(b && memcmp(b, halves, sizeof halves) == 0 && (uintptr_t)b % OBJECT_ALIGN == 0, "halves at %p", (const void *)b);

	CHECK(!object_array(&o, "number", OBJECT_I32, &count), "an array that is not there");
	CHECK(strstr(error_text(), ": array \"number\" is missing"), "%s", error_text());
	CHECK(!object_array(&o, "numbers", OBJECT_F32, &count), "an array of another type");
	CHECK(strstr(error_text(), ": array \"numbers\" has type i32, expected f32"), "%s", error_text());
	CHECK(!object_array_exact(&o, "halves", OBJECT_F64, 3), "an array of another length");
	CHECK(strstr(error_text(), ": array \"halves\" has 2 elements, expected 3"), "%s", error_text());
	object_close(&o);
	CHECK(!o.path && !o.map.bytes && !o.envelope, "something is left after close");
	free(path);
}

static void test_nothing_in_it(void)
{
	struct object_writer w;
	struct digest content, identity;
	struct object o;
	size_t count;
	char *path = scratch_path("bare");
	object_writer_init(&w, "fifteen-letters");
	write_object(&w, path, &content, &identity);
	object_writer_release(&w);
	if (object_open(&o, path, "fifteen-letters", &content))
		exit(error_report(1));
	CHECK(!o.description->child && !object_array(&o, "a", OBJECT_I32, &count), "something is in it");
	object_close(&o);
	CHECK(object_open(&o, path, "fifteen-letter", NULL) == -1, "a kind that only begins alike");
	free(path);
}

static void test_identity(void)
{
	struct object_writer w;
	struct digest plain, content, identity, own = hash_bytes("own", 3);
	struct object o;
	char *path = scratch_path("identity");
	describe_small(&w);
	write_object(&w, path, &plain, &identity);
	object_writer_identity(&w, &own);
	write_object(&w, path, &content, &identity);
	object_writer_release(&w);
	CHECK_STRING(identity.hex, own.hex);
	CHECK(!digest_equal(&content, &own) && !digest_equal(&content, &plain), "content is %s", content.hex);
	if (object_open(&o, path, "tiny", &content))
		exit(error_report(1));
	CHECK_STRING(o.identity.hex, own.hex);
	object_close(&o);
	CHECK(object_open(&o, path, "tiny", &plain) == -1, "other content was accepted");
	CHECK(strstr(error_text(), content.hex) && strstr(error_text(), plain.hex), "%s", error_text());
	CHECK(object_open(&o, path, "tokens", &content) == -1, "another kind was accepted");
	CHECK(strstr(error_text(), ": byte 16: holds tiny, expected tokens"), "%s", error_text());
	free(path);
}

static void test_cannot_write(void)
{
	struct object_writer w;
	struct digest content, identity;
	struct rlimit old, small = {.rlim_cur = 200};
	size_t size;
	char *absent = scratch_path("absent/o"), *path = scratch_path("limited");
	describe_small(&w);
	CHECK(object_write(&w, absent, &content, &identity, &size) == -1, "written into a directory that is not there");
	CHECK(strstr(error_text(), ": cannot create: No such file"), "%s", error_text());
	if (getrlimit(RLIMIT_FSIZE, &old))
		exit(1);
	small.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	int bad = object_write(&w, path, &content, &identity, &size);
	setrlimit(RLIMIT_FSIZE, &old);
	CHECK(bad == -1 && strstr(error_text(), ": cannot write: File too large"), "%d %s", bad, error_text());
	CHECK(!file_exists(path), "half an object was left");
	object_writer_release(&w);
	free(absent);
	free(path);
}

/* --- more than a chunk --- */

/* An object of one array whose payload has the given length. */
static char *write_large(size_t payload, struct digest *content, size_t *floats)
{
	struct object_writer w;
	struct digest identity;
	char *path = scratch_path("large");
	*floats = (payload - 128) / sizeof(float);
	float *data = mem_array(*floats, sizeof *data);
	for (size_t i = 0; i < *floats; i++)
		data[i] = (float)i * 0.25f;
	object_writer_init(&w, "tiny");
	object_writer_array(&w, "data", OBJECT_F32, data, *floats);
	write_object(&w, path, content, &identity);
	object_writer_release(&w);
	free(data);
	return path;
}

static void test_large(void)
{
	static const size_t chunk = OBJECT_CHUNK_BYTES;
	/* The last are enough for threads. */
	const size_t payloads[] = {chunk - 64, chunk, chunk + 64, 2 * chunk, 2 * chunk + 4096, 4 * chunk, 5 * chunk + 64};
	for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
		struct digest content;
		struct object o;
		size_t floats, wrong = 0;
		char *path = write_large(payloads[i], &content, &floats);
		if (object_open(&o, path, "tiny", &content))
			exit(error_report(1));
		size_t chunks = (payloads[i] + chunk - 1) / chunk;
		CHECK(o.map.length == 128 + payloads[i] + 8 * chunks, "%zu bytes of payload: the file has %zu", payloads[i],
			o.map.length);
		const float *data = object_array_exact(&o, "data", OBJECT_F32, floats);
		for (size_t k = 0; data && k < floats; k++)
			wrong += !(data[k] == (float)k * 0.25f);
		CHECK(data && !wrong, "%zu elements are wrong", wrong);
		object_close(&o);
		free(path);
	}
}

static void test_large_damaged(void)
{
	static const struct {
		size_t at;
		const char *error;
	} cases[] = {
		{128, ": byte 128: 4194304 bytes are damaged"},
		{128 + 4194303, ": byte 128: 4194304 bytes are damaged"},
		{128 + 4194304, ": byte 4194432: 4194304 bytes are damaged"},
		{128 + 2 * 4194304, ": byte 8388736: 4096 bytes are damaged"},
		{128 + 2 * 4194304 + 4095, ": byte 8388736: 4096 bytes are damaged"},
		{128 + 2 * 4194304 + 4096, ": byte 128: 4194304 bytes are damaged"},
		{128 + 2 * 4194304 + 4096 + 23, ": byte 8388736: 4096 bytes are damaged"},
	};
	struct digest content;
	struct strbuf file = {0};
	size_t floats;
	char *path = write_large(2 * (size_t)OBJECT_CHUNK_BYTES + 4096, &content, &floats);
	if (file_read(path, 16 << 20, &file.s, &file.length))
		exit(error_report(1));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		file.s[cases[i].at] ^= 0x10;
		check_open("large", &file, cases[i].error);
		file.s[cases[i].at] ^= 0x10;
	}
	check_open("large", &file, NULL);
	strbuf_release(&file);
	remove(path);
	free(path);
}

/* Of many chunks that threads look at, the first that is damaged is named. */
static void test_many_damaged(void)
{
	const size_t chunk = OBJECT_CHUNK_BYTES;
	struct digest content;
	struct strbuf file = {0};
	size_t floats;
	char *path = write_large(5 * chunk + 4096, &content, &floats);
	if (file_read(path, 32 << 20, &file.s, &file.length))
		exit(error_report(1));
	file.s[128 + 5 * chunk + 7] ^= 1;
	check_open("many", &file, ": byte 20971648: 4096 bytes are damaged");
	file.s[128 + 3 * chunk] ^= 1;
	check_open("many", &file, ": byte 12583040: 4194304 bytes are damaged");
	strbuf_release(&file);
	remove(path);
	free(path);
}

/* --- the description alone --- */

static void check_description(const char *what, const struct strbuf *file, const struct digest *expected,
	const char *error)
{
	struct object o;
	char *path = scratch_write("o", file->s, file->length);
	int bad = object_open_description(&o, path, "tiny", expected);
	CHECK(!bad == !error, "%s: %s", what, bad ? error_text() : "was accepted");
	CHECK(!bad || !error || strstr(error_text(), error), "%s: message is \"%s\", expected \"%s\"", what, error_text(),
		error);
	CHECK(bad || (cJSON_IsObject(o.description) && digest_equal(&o.content, expected)), "%s: what was read", what);
	object_close(&o);
	free(path);
}

/* Its own chunk and all hashes are checked; what lies in other chunks is not read. */
static void test_description_alone(void)
{
	const size_t payload = 2 * (size_t)OBJECT_CHUNK_BYTES + 4096;
	struct digest content, other = hash_bytes("x", 1);
	struct strbuf file = {0};
	size_t floats;
	char *path = write_large(payload, &content, &floats);
	if (file_read(path, 16 << 20, &file.s, &file.length))
		exit(error_report(1));
	check_description("whole", &file, &content, NULL);
	check_description("another", &file, &other, "expected ");
	const struct {
		size_t at;
		const char *error;
	} cases[] = {
		{128, ": byte 128: 4194304 bytes are damaged"},
		{128 + 4194303, ": byte 128: 4194304 bytes are damaged"},
		{128 + 4194304, NULL},
		{128 + payload - 1, NULL},
		{128 + payload, ": byte 128: 4194304 bytes are damaged"},
		{128 + payload + 16, "expected "},
		{16, "header is damaged"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		file.s[cases[i].at] ^= 0x10;
		check_description("damaged", &file, &content, cases[i].error);
		file.s[cases[i].at] ^= 0x10;
	}
	strbuf_release(&file);
	remove(path);
	free(path);
}

/* --- damage to the small object, P its payload of 384 bytes --- */

enum mending { MEND_NOTHING, MEND_HEADER, MEND_ALL };

static const struct {
	size_t at;
	int bytes;
	uint64_t value;
	enum mending mending;
	const char *error;
} damages[] = {
	{0, 1, 'q', MEND_NOTHING, ": byte 0: not one of our objects (magic \"QGOBJECT\" expected)"},
	{7, 1, 't', MEND_ALL, ": byte 0: not one of our objects"},
	{8, 4, 2, MEND_NOTHING, ": byte 120: header is damaged (its hash does not match)"},
	{8, 4, 0, MEND_HEADER, ": byte 8: format version 0, expected 1"},
	{8, 4, 2, MEND_HEADER, ": byte 8: format version 2, expected 1"},
	{8, 4, 0x01000000, MEND_HEADER, ": byte 8: format version 16777216, expected 1"},
	{12, 4, 4096, MEND_NOTHING, ": byte 120: header is damaged"},
	{12, 4, 4096, MEND_HEADER, ": byte 12: chunk size 4096, expected 4194304"},
	{12, 4, 0, MEND_HEADER, ": byte 12: chunk size 0, expected 4194304"},
	{16, 1, 'T', MEND_HEADER, ": byte 16: holds Tiny, expected tiny"},
	{16, 1, 0, MEND_HEADER, ": byte 16: holds , expected tiny"},
	{20, 1, 'x', MEND_HEADER, ": byte 16: holds tinyx, expected tiny"},
	{32, 8, 385, MEND_NOTHING, ": byte 120: header is damaged"},
	{32, 8, 385, MEND_HEADER, ": 520 bytes, but its header asks for 385 + 8 after 128"},
	{32, 8, 383, MEND_HEADER, ": 520 bytes, but its header asks for 383 + 8 after 128"},
	{32, 8, 392, MEND_HEADER, ": 520 bytes, but its header asks for 392 + 8 after 128"},
	{32, 8, 0, MEND_HEADER, ": 520 bytes, but its header asks for 0 + 0 after 128"},
	{32, 8, UINT64_MAX, MEND_HEADER, ": 520 bytes, but its header asks for 18446744073709551615 + "},
	{32, 8, UINT64_MAX - 127, MEND_HEADER, ": 520 bytes, but its header asks for 18446744073709551488 + "},
	{40, 8, 385, MEND_HEADER, ": byte 40: description of 385 bytes is too long"},
	{40, 8, UINT64_MAX, MEND_HEADER, ": byte 40: description of 18446744073709551615 bytes is too long"},
	{40, 8, 0, MEND_HEADER, ":1:1: byte 0: not JSON: the text ends where a value is expected"},
	{40, 8, sizeof small_description - 2, MEND_HEADER, ": not JSON: expected ',' or '}'"},
	{40, 8, sizeof small_description, MEND_HEADER, ": unexpected text after the JSON value"},
	{48, 1, 'a', MEND_NOTHING, ": byte 120: header is damaged"},
	{48, 1, 'g', MEND_HEADER, ": byte 48: identity is not 32 hex digits"},
	{79, 1, 'F', MEND_HEADER, ": byte 48: identity is not 32 hex digits"},
	{60, 1, 0, MEND_HEADER, ": byte 48: identity is not 32 hex digits"},
	{80, 1, 1, MEND_NOTHING, ": byte 120: header is damaged"},
	{119, 1, 1, MEND_NOTHING, ": byte 120: header is damaged"},
	{120, 8, 0, MEND_NOTHING, ": byte 120: header is damaged"},
	{128, 1, '[', MEND_NOTHING, ": byte 128: 384 bytes are damaged (their hash does not match)"},
	{128, 1, '[', MEND_ALL, ":1:10: byte 9: not JSON: expected ',' or ']'"},
	{129, 1, 0xff, MEND_ALL, ":1:2: byte 1: not UTF-8"},
	{128 + 320, 4, 7, MEND_NOTHING, ": byte 128: 384 bytes are damaged"},
	{128 + 383, 1, 1, MEND_NOTHING, ": byte 128: 384 bytes are damaged"},
	{128 + 384, 8, 0, MEND_NOTHING, ": byte 128: 384 bytes are damaged"},
};

static void test_damaged(void)
{
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		struct strbuf file;
		assemble_small(&file);
		CHECK(file.length == 520, "the test is wrong: %zu bytes", file.length);
		put(file.s + damages[i].at, damages[i].value, damages[i].bytes);
		if (damages[i].mending)
			mend(&file, damages[i].mending == MEND_ALL);
		char *what = mem_printf("case %zu, byte %zu", i, damages[i].at);
		check_open(what, &file, damages[i].error);
		free(what);
		strbuf_release(&file);
	}
}

#define ONE(entry) "{\"arrays\":[{" entry "}],\"kind\":{}}"

/* Descriptions over 128 bytes of arrays. */
static const struct {
	const char *description, *error;
} descriptions[] = {
	{"{\"arrays\":[],\"kind\":{}}", NULL},
	{ONE("\"count\":32,\"name\":\"a\",\"offset\":0,\"type\":\"f32\""), NULL},
	{ONE("\"count\":8,\"name\":\"a\",\"offset\":64,\"type\":\"f64\""), NULL},
	{ONE("\"count\":0,\"name\":\"a\",\"offset\":128,\"type\":\"u64\""), NULL},
	{"", ": byte 0: not JSON: the text ends where a value is expected"},
	{"x", ":1:1: byte 0: not JSON: expected a value"},
	{"[]", ": description lacks \"arrays\" or \"kind\""},
	{"{}", ": description lacks \"arrays\" or \"kind\""},
	{"{\"arrays\":[]}", ": description lacks \"arrays\" or \"kind\""},
	{"{\"kind\":{}}", ": description lacks \"arrays\" or \"kind\""},
	{"{\"arrays\":{},\"kind\":{}}", ": description lacks \"arrays\" or \"kind\""},
	{"{\"arrays\":[],\"kind\":[]}", ": description lacks \"arrays\" or \"kind\""},
	{"{\"arrays\":[],\"kind\":{},\"kind\":{}}", ": duplicate key \"kind\""},
	{"{\"arrays\":[7],\"kind\":{}}", ": key \"type\" is missing"},
	{ONE(""), ": key \"type\" is missing"},
	{ONE("\"count\":1,\"offset\":0,\"type\":\"f32\""), ": key \"name\" is missing"},
	{ONE("\"count\":1,\"name\":5,\"offset\":0,\"type\":\"f32\""), ": \"name\" must be a string"},
	{ONE("\"count\":1,\"name\":\"a\",\"type\":\"f32\""), ": key \"offset\" is missing"},
	{ONE("\"name\":\"a\",\"offset\":0,\"type\":\"f32\""), ": key \"count\" is missing"},
	{ONE("\"count\":1,\"name\":\"a\",\"offset\":0,\"type\":32"), ": \"type\" must be a string"},
	{ONE("\"count\":1,\"name\":\"a\",\"offset\":0,\"type\":\"f16\""), ": array type \"f16\" is unknown"},
	{ONE("\"count\":1,\"name\":\"a\",\"offset\":0,\"type\":\"F32\""), ": array type \"F32\" is unknown"},
	{ONE("\"count\":-1,\"name\":\"a\",\"offset\":0,\"type\":\"f32\""), ": \"count\" must be an integer from 0 to 2^53"},
	{ONE("\"count\":1.5,\"name\":\"a\",\"offset\":0,\"type\":\"f32\""), ": \"count\" must be an integer"},
	{ONE("\"count\":1,\"name\":\"a\",\"offset\":-64,\"type\":\"f32\""), ": \"offset\" must be an integer"},
	{ONE("\"count\":33,\"name\":\"a\",\"offset\":0,\"type\":\"f32\""), ": array \"a\" lies outside the file"},
	{ONE("\"count\":17,\"name\":\"a\",\"offset\":64,\"type\":\"i32\""), ": array \"a\" lies outside the file"},
	{ONE("\"count\":17,\"name\":\"a\",\"offset\":0,\"type\":\"f64\""), ": array \"a\" lies outside the file"},
	{ONE("\"count\":1,\"name\":\"a\",\"offset\":128,\"type\":\"i32\""), ": array \"a\" lies outside the file"},
	{ONE("\"count\":0,\"name\":\"a\",\"offset\":192,\"type\":\"i32\""), ": array \"a\" lies outside the file"},
	{ONE("\"count\":1,\"name\":\"a\",\"offset\":4,\"type\":\"i32\""), ": array \"a\" lies outside the file"},
	{ONE("\"count\":9007199254740992,\"name\":\"a\",\"offset\":0,\"type\":\"u64\""),
		": array \"a\" lies outside the file"},
	{ONE("\"count\":1,\"name\":\"a\",\"offset\":9007199254740928,\"type\":\"u64\""),
		": array \"a\" lies outside the file"},
};

static void test_descriptions(void)
{
	static const char data[128] = {1};
	for (size_t i = 0; i < sizeof descriptions / sizeof *descriptions; i++) {
		struct strbuf file;
		assemble(&file, "tiny", descriptions[i].description, data, sizeof data);
		check_open(descriptions[i].description, &file, descriptions[i].error);
		strbuf_release(&file);
	}
}

/* A description without its padding, so that the arrays would begin behind the end. */
static void test_payload_ends_in_description(void)
{
	static const char description[] = ONE("\"count\":0,\"name\":\"a\",\"offset\":0,\"type\":\"f32\"");
	struct strbuf file;
	assemble(&file, "tiny", description, NULL, 0);
	size_t length = sizeof description - 1;
	file.length = OBJECT_HEADER_BYTES + length + 8;
	put(file.s + 32, length, 8);
	mend(&file, 1);
	check_open("no padding", &file, NULL);
	strbuf_release(&file);
}

static void test_every_truncation(void)
{
	struct strbuf file;
	assemble_small(&file);
	for (size_t length = 0; length < file.length; length++) {
		struct strbuf cut = {.s = file.s, .length = length};
		check_open("cut", &cut, length < 128 ? " bytes, shorter than the header of 128"
			: " bytes, but its header asks for ");
	}
	strbuf_addc(&file, '\0');
	check_open("a byte more", &file, ": 521 bytes, but its header asks for 384 + 8 after 128");
	strbuf_release(&file);
}

static void test_every_bit(void)
{
	struct strbuf file;
	assemble_small(&file);
	check_open("whole", &file, NULL);
	for (size_t bit = 0; bit < 8 * file.length; bit++) {
		size_t at = bit / 8;
		file.s[at] ^= (char)(1 << bit % 8);
		check_open("a flipped bit", &file, at < 8 ? ": byte 0: " : at < 128 ? ": byte 120: " : ": byte 128: ");
		file.s[at] ^= (char)(1 << bit % 8);
	}
	strbuf_release(&file);
}

int main(void)
{
	TEST(test_bytes);
	TEST(test_round_trip);
	TEST(test_nothing_in_it);
	TEST(test_identity);
	TEST(test_cannot_write);
	TEST(test_large);
	TEST(test_large_damaged);
	TEST(test_many_damaged);
	TEST(test_description_alone);
	TEST(test_damaged);
	TEST(test_descriptions);
	TEST(test_payload_ends_in_description);
	TEST(test_every_truncation);
	TEST(test_every_bit);
	return check_done();
}
