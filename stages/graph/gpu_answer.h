/* What build/bin/numerics says of the GPU, kept from one ./configure to the next as build/gpu.probe: to start the driver
 * and to open cuBLASLt takes the better part of a second and 180 MB.
 *
 * An answer is four lines: both classes of equal results (ops/cuda_device.h), the name of the GPU, and the files of the
 * driver and of cuBLASLt with a blank between; or "none" and the reason. Kept is only that there is a GPU, behind a line
 * with the hash of all that hangs on: host and boot, $CUDA_VISIBLE_DEVICES, $CUDA_DEVICE_ORDER, $LD_LIBRARY_PATH, what
 * is in /dev of NVIDIA's, and the state of both files, of the loader's list of libraries and of build/bin/numerics.
 * Should it still be another GPU, the stage finds that out before it computes, and has the answer forgotten.
 */
#ifndef QG_GRAPH_GPU_ANSWER_H
#define QG_GRAPH_GPU_ANSWER_H

struct gpu_answer {
	char numerics[96], numerics_bf16[96], name[96];
	char libraries[2][1024];    /* driver, cuBLASLt */
};

/* Text of build/bin/numerics gpu. 1 and the answer; 0 after fail() with the reason when there is no GPU; -1 after fail()
 * when it is no answer. */
int gpu_answer_parse(struct gpu_answer *answer, const char *text);

/* The answer that is kept in the build folder and still counts: 1, or 0. */
int gpu_answer_kept(struct gpu_answer *answer, const char *build_dir);

/* Nothing is kept where host and boot have no name. -1 after fail(). */
int gpu_answer_keep(const struct gpu_answer *answer, const char *build_dir);

void gpu_answer_forget(const char *build_dir);

#endif
