# make-checkpoint: what it writes is a checkpoint that the pipeline runs on, and its arguments are checked.
. tests/pipeline/lib

new_project made
make_checkpoint() {
	build/bin/make-checkpoint "$@" >"$S/out" 2>&1
	status=$?
}

make_checkpoint --like qwen3_vl_demo --seed 7 --layers 3 --shard-bytes 1500000 small
check 'a checkpoint with the shapes of the demo' equal $status 0
check 'says what it wrote' said 'small: 80 tensors'
check 'in shards' test -s small/model-00005-of-00005.safetensors
check 'that are all it wrote there' equal "$(ls small | grep -c -v -e safetensors -e tokenizer -e vocab -e merges)" 3
configure model=qwen3_vl_4b_instruct model.path=small dataset=demo_captions quant_pair=wint8_aint8,wint8_afp16
check 'configure' equal $status 0
build
check 'a grid of it' equal $status 0
check 'both cells are scored' equal "$(ran score-layers)" 2
cp -r small as-it-was
QUANTGRID_THREADS=1 make_checkpoint --like qwen3_vl_demo --seed 7 --layers 3 --shard-bytes 1500000 small
check 'written again with one thread' equal $status 0
check 'with the same bytes' diff -r small as-it-was
build
check 'so there is nothing to compute' equal "$(ran extract-lm)$(ran score-layers)" 00

# Activation outliers: the same weights, 8 bits for the activations as well.
score() {
	grep -o '"sensitivity": *[0-9.e+-]*' "$(find tmp -path "*$1*" -name per-layer-sensitivity.json)" |
		awk -F: '{ sum += $2 } END { print sum }'
}
check 'per-tensor INT8 activations hurt' awk "BEGIN { exit !($(score wint8_aint8) > 10 * $(score wint8_afp16)) }"

# --- arguments ---
refused() {
	why=$1
	shift
	make_checkpoint "$@"
	check "$*: refused as usage" equal $status 2
	check "$*: says why" said "$why"
	check "$*: writes nothing" test ! -e never
}
refused '--like SHAPE is missing' never
refused 'did you mean qwen3_vl_4b?' --like qwen_vl_4b never
refused 'the folder to write is missing' --like qwen3_vl_demo
refused 'did you mean --seed?' --like qwen3_vl_demo --sed 1 never
refused 'expected a whole number from 0' --like qwen3_vl_demo --seed -1 never
refused 'expected a whole number from 0' --like qwen3_vl_demo --seed 18446744073709551616 never
refused 'from 1 to 4' --like qwen3_vl_demo --layers 5 never
refused 'from 1 to 36' --like qwen3_vl_4b --layers 0 never
refused '--layers needs a value' --like qwen3_vl_4b never --layers
refused 'two are named' --like qwen3_vl_demo never ever
make_checkpoint --help
check 'help' equal $status 0
check 'says the shapes' said 'qwen3_vl_2b, qwen3_vl_4b, qwen3_vl_8b'

make_checkpoint --like qwen3_vl_demo --tokenizer models never
check 'no tokenizer: refused' equal $status 1
check 'nothing written' test ! -e never
make_checkpoint --like qwen3_vl_demo models/qwen3_vl_demo/checkpoint
check 'over a checkpoint of others: refused' equal $status 1
check 'which is untouched' diff -r models/qwen3_vl_demo/checkpoint "$root/models/qwen3_vl_demo/checkpoint"

# --- stopped while it writes ---
QUANTGRID_THREADS=1 build/bin/make-checkpoint --like qwen3_vl_2b stopped >"$S/out" 2>&1 &
while [ ! -e stopped/model.safetensors.part ] && kill -0 $! 2>/dev/null; do :; done
kill -TERM $! 2>/dev/null
wait $!
status=$?
if said 'GB are needed'; then
	skip 'no room for a checkpoint of 4 GB to be stopped while it is written'
else
	check 'a signal ends it' equal $status 143
	check 'and leaves nothing' test ! -e stopped
fi

finish
