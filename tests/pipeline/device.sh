# Where it is computed: what autoquant.device asks for, what is there, and what happens when it is gone.
. tests/pipeline/lib

new_project device
configure autoquant.device=cpu
check 'cpu' equal $status 0
check 'cpu is what the summary says' said 'device     cpu, '
build
check 'the build on the CPU' equal $status 0
check 'is calibrated and scored there' equal "$(ran quantize-calibrate) $(ran score-layers)" '1 1'

# A GPU that is hidden is none.
CUDA_VISIBLE_DEVICES=
export CUDA_VISIBLE_DEVICES
configure autoquant.device=cuda
check 'cuda without a GPU: status' equal $status 2
check 'cuda without a GPU: what to do' said 'use auto or cpu'
configure autoquant.device=auto
check 'auto without a GPU' equal $status 0
check 'is the CPU' said 'device     cpu, '
build
check 'with the same keys' equal "$(ran score-layers)" 0
unset CUDA_VISIBLE_DEVICES

configure 'autoquant.device=cpu,auto'
check 'two devices in one grid' equal $status 2
check 'are told apart' said 'must be the same for all cells'

configure autoquant.device=cuda
if [ $status != 0 ]; then
	skip "what takes a GPU: $(sed -n 's/.*autoquant.device=cuda: //p' "$S/out")"
	finish
fi
check 'cuda is what the summary says' said 'device     cuda, '
CUDA_VISIBLE_DEVICES=
export CUDA_VISIBLE_DEVICES
build
check 'a GPU that is gone: the build fails' differ $status 0
check 'a GPU that is gone: what to do' said 'run ./configure again'
unset CUDA_VISIBLE_DEVICES
build
check 'the build on the GPU' equal $status 0
check 'results of the CPU are not taken for its own' equal "$(ran quantize-calibrate) $(ran score-layers)" '1 1'
configure autoquant.device=auto
build
check 'auto is the GPU' equal "$(ran score-layers)" 0
CUDA_VISIBLE_DEVICES=
export CUDA_VISIBLE_DEVICES
rm -rf "$S/build/ref"
build
check 'what is cached takes no GPU' equal "$status $(ran score-layers)" '0 0'
unset CUDA_VISIBLE_DEVICES
configure autoquant.device=cpu
build
check 'back on the CPU everything is cached' equal "$(ran quantize-calibrate) $(ran score-layers)" '0 0'
finish
