# Wrong input gives an error that a stranger can act on, writes nothing half, and loses nothing that was there.
. tests/pipeline/lib

new_project bad
configure
check 'a good configuration first' equal $status 0
keep_graph

answers 2 'unknown option' 'unknown option --gird' -- --gird x
answers 2 'unknown key' "dataset.siz" 'dataset.size' -- dataset.siz=small
answers 2 'unknown option of a group' 'wfp8_afp9' 'wfp8_afp8' -- quant_pair=wfp8_afp9
answers 2 'unknown group' 'quant_pai' 'quant_pair' -- quant_pai=wfp8_afp8
answers 2 'wrong type' 'autoquant.batch_size' 'int' -- autoquant.batch_size=abc
answers 2 'out of range' 'autoquant.effective_bits' -- autoquant.effective_bits=40
answers 2 'wrong word' 'dataset.size' 'smal' -- dataset.size=smal
answers 2 'method' 'gradent' 'gradient' -- autoquant.method=gradent
answers 2 'coverage' 'lm_only' -- quant_pair.coverage_mode=full
answers 2 'family' 'qwen' -- model.family=llama
CUDA_VISIBLE_DEVICES='' answers 2 'cuda' 'use auto or cpu' -- autoquant.device=cuda
answers 2 'no checkpoint' 'model.path' '/nowhere/at/all' -- model.path=/nowhere/at/all
answers 2 'no captions' 'dataset.captions_path' 'no_such_file.txt' -- dataset.captions_path=no_such_file.txt
answers 2 'no grid file' 'conf/sweeps/pair_x_sizes.yaml' 'did you mean conf/sweeps/pairs_x_sizes.yaml' -- \
	--grid conf/sweeps/pair_x_sizes.yaml
answers 2 'a newline in a path' 'control characters' -- 'runner.output_dir="a	b"'
not_utf8=$(printf 'x\377')
answers 2 'an argument that is no UTF-8' 'an argument must be UTF-8' -- "model.path='$not_utf8'"
answers 2 'nor the name of a cache' 'an argument must be UTF-8' -- --cache-dir "$not_utf8"
PLACE=$not_utf8 answers 2 'a path of the environment' 'dataset.captions_path: a path must be UTF-8' -- \
	'dataset.captions_path=${oc.env:PLACE}'
answers 2 'longer than the model allows' 'calib_seq_len' '4096' -- dataset.calib_seq_len=5000
answers 2 'a glob without match' 'zz*' -- 'quant_pair=glob(zz*)'
answers 2 'an unknown format' 'autoquant.formats' 'wfp8_af8' 'wfp8_afp8' -- 'autoquant.formats=[wfp4_afp16,wfp8_af8]'
answers 2 'a format twice' 'autoquant.formats' 'twice' -- 'autoquant.formats=[wfp8_afp8,wfp8_afp8]'
answers 2 'no format' 'autoquant.formats' 'at least one' -- 'autoquant.formats=[]'
answers 2 'a format that is no list' 'autoquant.formats' 'a list' -- autoquant.formats=wfp8_afp8
answers 2 'a format that cannot exist' 'cannot exist' 'wfp4_afp16' -- 'autoquant.formats=[wfp8_afp16,wfp4_afp16]' \
	quant_granularity=w_per_tensor
answers 2 'an empty include' 'autoquant.include' 'at least one' -- 'autoquant.include=[]'
answers 2 'a pattern that matches nothing' 'lm_haed' 'lm_head' -- 'autoquant.exclude=[lm_haed]'
answers 2 'patterns that leave nothing' 'search' -- 'autoquant.exclude=["*"]'
answers 2 'a budget below every mix' 'autoquant.effective_bits' '4' -- quant_pair=wint4_afp16 autoquant.effective_bits=3
answers 2 'a budget below stored bits' \
	'autoquant.effective_bits' '4.125' -- quant_pair=wint4_afp16 autoquant.effective_bits=4 \
	autoquant.cost=cost_bits
answers 2 'a budget without a mix of many' 'autoquant.effective_bits' -- 'autoquant.formats=[wfp8_afp8,wint8_aint8]' \
	autoquant.effective_bits=7.5
answers 2 'an unknown rule of cost' 'autoquant.cost' 'cost_bits' -- autoquant.cost=cost_bit
answers 2 'an invalid cell alone' 'cannot exist' 'FP4' -- quant_pair=wfp4_afp16 quant_granularity=w_per_tensor
answers 2 'one folder for many' 'runner.output_dir' -- runner.output_dir=here quant_pair=wfp8_afp8,wint8_aint8

# What is published stays out of the folders that are read, or deleted, as a whole; whatever it is called.
ln -s conf conf_link
ln -s round round
mkdir -p elsewhere/deep
ln -s "$S/build/ref" elsewhere/deep/ref_link
for folder in conf conf/ conf/quant_pair ./conf/new/deeper elsewhere/../conf no_such/../conf conf_link conf_link/new \
	"$S/conf" "../${S##*/}/conf" elsewhere/deep/../../no_such/../conf; do
	answers 2 "reports into $folder" 'runner.output_dir' 'go into conf,' 'such as tmp/reports' -- \
		"runner.output_dir=$folder"
done
answers 2 'reports among rules' 'go into rules,' 'read it as rules' -- runner.output_dir=rules/mine
answers 2 'reports into the build' 'go into build,' 'deleted' -- runner.output_dir=elsewhere/deep/ref_link/x
answers 2 'reports into the cache' 'go into cache,' 'deleted' -- runner.output_dir=cache/cas
answers 2 'reports into a cache elsewhere' "go into $S/other_cache," -- --cache-dir "$S/other_cache" \
	runner.output_dir=other_cache
answers 2 'a grid among config' 'output_layout.root_dir' 'go into conf,' -- output_layout.root_dir=conf/mine \
	dataset.size=small,medium
answers 2 'a model into the cache' 'output_layout.language_model_dir' 'go into cache,' -- extract.materialize=true \
	output_layout.language_model_dir=cache/model
for folder in . .. ./ tmp conf_of_mine models models/conf stages round/conf elsewhere/conf elsewhere/../mine / "$root/conf"; do
	answers 0 "reports into $folder" -- --dry-run "runner.output_dir=$folder"
done
answers 0 'a folder that is no cache now' -- --dry-run --cache-dir "$S/other_cache" runner.output_dir=cache
rm -r conf_link round elsewhere

sed 's/^experimental:.*/experimental: true/' conf/quant_pair/wfp8_afp8.yaml >conf/quant_pair/wfp8_copy.yaml
answers 2 'a collision' 'qwen3_vl_demo.wfp8_afp8.default.small' -- quant_pair=wfp8_afp8,wfp8_copy
rm conf/quant_pair/wfp8_copy.yaml
cp conf/quant_pair/wfp8_afp8.yaml "$S/kept"
echo 'activatoin: fp8' >>conf/quant_pair/wfp8_afp8.yaml
answers 2 'unknown key in a file' 'conf/quant_pair/wfp8_afp8.yaml:' 'activatoin' 'activation' --
cp "$S/kept" conf/quant_pair/wfp8_afp8.yaml
printf 'name: x\nname: y\n' >conf/quant_pair/twice.yaml
answers 2 'a duplicate key' 'conf/quant_pair/twice.yaml:2' 'name' -- quant_pair=twice
rm conf/quant_pair/twice.yaml
printf 'name: [x\n' >conf/quant_pair/broken.yaml
cp conf/output_layout/tmp.yaml "$S/kept_layout"
echo 'root_dri: x' >>conf/output_layout/tmp.yaml
cp rules/extract-lm.yaml "$S/kept_rule"
echo 'versoin: 1' >>rules/extract-lm.yaml
answers 2 'files broken in three ways at once' 'conf/quant_pair/broken.yaml:1:7: ' \
	"unknown key 'output_layout.root_dri'; did you mean 'output_layout.root_dir'?" \
	'rules/extract-lm.yaml' 'versoin' -- \
	quant_pair=broken dataset.size=smal
check 'and nothing of what the first may have said' equal "$(grep -c 'is missing' "$S/out")" 0
cp "$S/kept_layout" conf/output_layout/tmp.yaml
cp "$S/kept_rule" rules/extract-lm.yaml
rm conf/quant_pair/broken.yaml

# --- what newcomers type ---
answers 2 'a folder as a model' \
	"'/data/ckpt' is not the name of an option of 'model'; a file or folder goes behind model.path=" \
	'options: qwen3_vl_4b_instruct, qwen3_vl_demo' -- model=/data/ckpt
answers 2 'a file as a dataset' \
	'there is no conf/dataset/my/captions.txt.yaml; a file or folder goes behind dataset.captions_path=' \
	-- dataset=my/captions.txt
answers 2 'two overrides in one word' "'=' is not allowed here outside quotes; two overrides are two words" -- \
	'quant_pair=wfp8_afp8 dataset.size=small'
answers 2 'a ~' \
	"'~' is not allowed here outside quotes; for your home folder write \$HOME" -- 'dataset.captions_path=~/x.txt'
answers 2 'a + too many' "to choose another option write quant_pair=wint8_aint8, without '+'" -- +quant_pair=wint8_aint8
answers 2 'a key that is none' 'unknown key '"'autoquant.foo'"'; there are method, device, ' -- +autoquant.foo=1
answers 2 'a key deleted' \
	'conf/autoquant/gradient_default.yaml:2:9: autoquant.method must be there, and an override deletes it' \
	-- '~autoquant.method'
answers 2 'a section deleted' "section 'quant_pair' is missing; it needs name, weight, activation" -- '~quant_pair'
answers 2 'no such function' \
	"unknown function 'golb'; did you mean 'glob'? there are choice, range, glob" -- 'quant_pair=golb(w*)'
answers 2 'no such preset' \
	"--preset: there is no preset 'qwen3_lm_sensitivty'; did you mean 'qwen3_lm_sensitivity'?" -- \
	--preset qwen3_lm_sensitivty
answers 2 'an option of a group alone' 'wint8_aint8: did you mean quant_pair=wint8_aint8?' -- wint8_aint8
answers 2 'a grid alone' 'pairs_x_sizes: did you mean --grid conf/sweeps/pairs_x_sizes.yaml?' -- pairs_x_sizes
answers 2 'its file' 'a file: did you mean --grid conf/sweeps/pairs_x_sizes.yaml, or' -- conf/sweeps/pairs_x_sizes.yaml
answers 2 'a folder alone' 'is a folder: did you mean model.path=models/qwen3_vl_demo/checkpoint?' -- \
	models/qwen3_vl_demo/checkpoint
answers 2 'a key alone' "'=' is missing: expected quant_pair=VALUE" -- quant_pair
answers 2 'options of other programs' 'unknown option -m; a,b makes a grid axis by itself' -- -m quant_pair=wfp8_afp8
answers 2 'and another' 'unknown option --config-name; --preset P takes conf/preset/P.yaml' -- --config-name x
answers 2 'and another one' 'ninja takes it: ninja -j N' -- -j4
printf 'preset: nope\nsweep:\n  dataset.size: small\n' >grid.yaml
answers 2 'no such preset in a grid' \
	"grid.yaml:1:9: there is no preset 'nope'; there are: qwen3_lm_sensitivity" -- --grid grid.yaml
printf 'hydra:\n  sweeper:\n    params:\n      dataset.size: small,large\n' >grid.yaml
answers 2 "a grid as Hydra has it" \
	"what stands below hydra.sweeper.params is 'sweep:' of a grid file" -- --grid grid.yaml
printf '\n  \n' >captions.txt
answers 2 'captions without a caption' 'dataset.captions_path: captions.txt: ' -- dataset.captions_path=captions.txt
ln -s nowhere conf/quant_pair/odd.yaml
answers 2 'an option that is a link to nothing' 'conf/quant_pair/odd.yaml: a link that leads nowhere' \
	"composed from: override 'quant_pair=odd', column 12" -- quant_pair=odd
rm conf/quant_pair/odd.yaml
mkdir conf/quant_pair/odd.yaml
answers 2 'one that is a folder' 'conf/quant_pair/odd.yaml: not a regular file' -- quant_pair=odd
rmdir conf/quant_pair/odd.yaml
: >conf/quant_pair/odd.yaml
answers 2 'one that is empty' \
	"conf/quant_pair/odd.yaml:1:1: section 'quant_pair' is empty; it needs name, weight" -- quant_pair=odd
printf 'defaults:\n  - quant_granularity: default\n' >conf/quant_pair/odd.yaml
answers 2 'a group beside the file' \
	"'quant_granularity' is looked for beside the file that asks, '/quant_granularity' in conf" -- \
	quant_pair=odd
rm conf/quant_pair/odd.yaml grid.yaml captions.txt

configure 'quant_pair=[wfp8_afp8,wint8_aint8]' dataset.size=small,medium
check 'options merged are said, once' equal "$status $(grep -c 'merges both options into one' "$S/out")" '0 1'
configure quant_pair=wfp4_afp16,wfp8_afp16 quant_granularity=default,w_per_tensor
check 'an invalid cell in a grid is skipped' equal $status 0
check 'with its name' said 'qwen3_vl_demo.wfp4_afp16.w_per_tensor.small'
check 'and its reason' said 'FP4'

configure quant_pair=wint4_afp16,wint8_afp16 autoquant.effective_bits=6
check 'a budget that only some cells can meet' equal $status 0
check 'names the cell that cannot' said 'qwen3_vl_demo.wint8_afp16.default.small'
check 'and the smallest that it could' said 'the smallest'

# --- which model runs ---
hub=$S/hub/hub/models--Qwen--Qwen3-VL-4B-Instruct
mkdir -p "$hub/refs" "$hub/snapshots"
ln -s "$S/models/qwen3_vl_demo/checkpoint" "$hub/snapshots/abc"
echo abc >"$hub/refs/main"
HF_HOME=$S/hub configure model=qwen3_vl_4b_instruct dataset=demo_captions
check 'a checkpoint in the hub cache is found' equal $status 0
check 'and named' said 'snapshots/abc'
HF_HOME=$S/hub configure model.path=/nowhere
check 'a path the user named is never replaced' said '/nowhere'
configure model.path=models/qwen3_vl_demo/checkpoint
check 'a path alone does not take the demo captions' said 'coco2017_captions_small.txt'
configure dataset=demo_captions
check 'captions of the demo model alone take its model' said 'qwen3_vl_demo'
configure dataset.captions_path=models/qwen3_vl_demo/captions/captions_large.txt
check 'a captions file alone keeps the demo model' equal $status 0
configure model.dtype=fp32
check 'another detail of the model keeps it, too' said 'the demo model'
configure
check 'without a word the demo model runs' said 'the demo model'

# --- rules ---
cp rules/score-layers.yaml "$S/rule"
sed -i 's/by: \[lm,/by: [lmm,/' rules/score-layers.yaml
keep_graph
answers 2 'a rule groups by what it does not see' 'rules/score-layers.yaml:' 'lmm' --
cp "$S/rule" rules/score-layers.yaml

# --- captions ---
configure
captions=models/qwen3_vl_demo/captions/captions_small.txt
cp $captions "$S/captions"
: >$captions
build
check 'empty captions' differ $status 0
check 'empty captions are said' said captions_small.txt
printf 'fine\nnot \377 fine\n' >$captions
build
check 'captions that are not UTF-8' differ $status 0
check 'with line and column' said 'captions_small.txt:2:5'
cp "$S/captions" $captions

# --- checkpoints ---
weights=models/qwen3_vl_demo/checkpoint/model.safetensors
cp $weights "$S/weights"
size=$(wc -c <$weights)
head -c $((size - 100)) "$S/weights" >$weights
build
check 'a truncated checkpoint' differ $status 0
check 'is said with its path' said model.safetensors
cp "$S/weights" $weights
# The buffer begins with the embedding: 8 bytes, then a header of the length they say.
printf '\300\177' | dd of=$weights bs=1 seek=$((8 + $(od -An -tu8 -N8 "$S/weights"))) conv=notrunc 2>/dev/null
build
check 'NaN in a weight' differ $status 0
check 'is said' said NaN
check 'with the tensor' said embed_tokens
cp "$S/weights" $weights
sed 's/"vocab_size": [0-9]*/"vocab_size": 2000/' models/qwen3_vl_demo/checkpoint/config.json >"$S/config.json"
cp models/qwen3_vl_demo/checkpoint/config.json "$S/config.kept"
cp "$S/config.json" models/qwen3_vl_demo/checkpoint/config.json
configure autoquant=kl_div_default
check 'a vocabulary of which a slice is missing is refused before any work' equal $status 2
check 'is said with the tensor' said embed_tokens
cp "$S/config.kept" models/qwen3_vl_demo/checkpoint/config.json
mv models/qwen3_vl_demo/checkpoint/config.json "$S/config.json"
build
check 'no config.json' differ $status 0
check 'is said with its path' said config.json
mv "$S/config.json" models/qwen3_vl_demo/checkpoint/

# --- nothing was lost on the way ---
build
check 'after all that, the build' equal $status 0
report=tmp/qwen3_lm_sensitivity/qwen3_vl_demo/wfp8_afp8/default/small/per-layer-sensitivity.json
check 'and its report' test -s $report
cp $report "$S/report"

# --- a full disk: files may not grow beyond 8 KiB ---
mv build/ref "$S/ref"
mkdir build/ref
mv "$S/ref/tokenize-calib" "$S/ref/extract-lm" build/ref/
rm -f $(grep -l '"kind": "calib"' cache/ac/*/*.json)
find cache/cas | sort >"$S/objects"
sh -c "trap '' XFSZ; ulimit -f 16; exec build/bin/quantize-calibrate $(job_of quantize-calibrate)" >"$S/out" 2>&1 &&
	status=0 || status=1
check 'a full disk fails the stage' equal $status 1
check 'and is said' said 'cannot write'
check 'nothing half-written is left' equal "$(find cache/tmp -type f | wc -l)" 0
find cache/cas | sort >"$S/objects.now"
check 'no object has come or gone' same_files "$S/objects" "$S/objects.now"
check 'the report that was there is as it was' same_files $report "$S/report"
build
check 'with room again' equal $status 0

# --- no permission to write; root does without its privilege to write anywhere ---
if [ "$(id -u)" = 0 ]; then
	unprivileged() { setpriv --bounding-set=-dac_override,-dac_read_search "$@"; }
else
	unprivileged() { "$@"; }
fi
job=$(job_of extract-lm)
mv cache "$S/cache.kept"
mkdir -p cache/cas cache/ac cache/tmp
echo 0123 >cache/cas/id
chmod a-w cache cache/cas cache/ac cache/tmp
if unprivileged test ! -w cache 2>/dev/null; then
	unprivileged build/bin/extract-lm "$job" >"$S/out" 2>&1 && status=0 || status=1
	check 'no permission fails' equal $status 1
	check 'and is said' said 'Permission denied'
	check 'with the place' said cache/
else
	skip 'root cannot give up its privileges here'
fi
chmod u+w cache cache/*
rm -r cache
mv "$S/cache.kept" cache

finish
