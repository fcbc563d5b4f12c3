/* Element types of tensors, under the names that safetensors gives them, and the three that weights may have.
 *
 * All 22 names are known, so that a file that holds others can be indexed; values are read from F32, F16 and BF16 only.
 * Bytes are little-endian and may stand at any alignment: nothing here casts a byte pointer to a wider type.
 */
#ifndef QG_COMMON_DTYPE_H
#define QG_COMMON_DTYPE_H

#include <stddef.h>

enum dtype {
	DTYPE_BOOL, DTYPE_F4, DTYPE_F6_E2M3, DTYPE_F6_E3M2, DTYPE_U8, DTYPE_I8, DTYPE_F8_E5M2, DTYPE_F8_E4M3,
	DTYPE_F8_E8M0, DTYPE_F8_E4M3FNUZ, DTYPE_F8_E5M2FNUZ, DTYPE_I16, DTYPE_U16, DTYPE_F16, DTYPE_BF16, DTYPE_I32,
	DTYPE_U32, DTYPE_F32, DTYPE_C64, DTYPE_F64, DTYPE_I64, DTYPE_U64,
	DTYPE_COUNT
};

/* "BF16"; static. */
const char *dtype_name(enum dtype dtype);

/* Finds text[0..length) among the names. Returns 0, or -1 after fail() with the nearest name. */
int dtype_parse(const char *text, size_t length, enum dtype *dtype);

/* Bits an element: 4, 6, 8, 16, 32 or 64. */
unsigned dtype_bits(enum dtype dtype);

/* Whether weights may have this type: F32, F16 or BF16. The functions below take no other. */
int dtype_is_weight(enum dtype dtype);

/* to[i] = element i, exactly; from holds count elements at any alignment. NaN stays NaN. */
void dtype_widen(enum dtype dtype, const void *from, size_t count, float *to);

/* Element i = from[i] rounded to nearest even; what overflows becomes infinity. to may stand at any alignment. */
void dtype_narrow(enum dtype dtype, const float *from, size_t count, void *to);

/* Index of the first NaN or infinity; count when all elements are finite. */
size_t dtype_find_nonfinite(enum dtype dtype, const void *from, size_t count);

#endif
