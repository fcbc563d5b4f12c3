/* The container of cache files, byte by byte, hashes put right: formats/object.h. Arrays must lie in the file. */
#include "formats/object.h"
#include "fuzz/support/assemble.h"
#include "fuzz/support/input.h"

static void read_arrays(const struct object *o)
{
	static const size_t width[] = {[OBJECT_I32] = 4, [OBJECT_U64] = 8, [OBJECT_F32] = 4, [OBJECT_F64] = 8};
	volatile unsigned char sum = 0;
	for (size_t a = 0; a < o->array_count; a++) {
		const char *name = o->arrays[a].name;
		PROMISE(name);
		for (int type = OBJECT_I32; type <= OBJECT_F64; type++) {
			size_t count = 0;
			const unsigned char *bytes = object_array(o, name, (enum object_type)type, &count);
			PROMISE(!bytes || (uintptr_t)bytes % OBJECT_ALIGN == 0);
			for (size_t i = 0; bytes && i < count * width[type]; i++)
				sum = (unsigned char)(sum + bytes[i]);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct object o;
	if (object_open(&o, assemble_mended(data, size), "tiny", NULL))
		return 0;
	read_arrays(&o);
	object_close(&o);
	return 0;
}
