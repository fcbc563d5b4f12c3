# extract.materialize=true: the language model as a folder that reads as a checkpoint and gives the same scores.
. tests/pipeline/lib

new_project folder
cell=qwen3_vl_demo.wfp8_afp8.default.small
lm=tmp/qwen3_lm_sensitivity/qwen3_vl_demo/language-model

# How many results of a stage the cell has had under its name, and how many of them differ.
results() {
	echo "$(ls build/ref/"$1/$cell"-*.ref | wc -l) $(grep -h '"content"' build/ref/"$1/$cell"-*.ref | sort -u | wc -l)"
}

configure
check 'configure' equal $status 0
build
check 'without the switch: the build' equal $status 0
check 'without the switch: no folder' test ! -e $lm
jobs() { cat build/jobs/*.jsonl | grep -v -e '"stage":"render-report"' -e '"stage":"materialize-lm"' -e '^{"bytes"' | cut -c9-40 | sort -u; }
keys=$(jobs)

configure extract.materialize=true
check 'configure with the switch' equal $status 0
check 'says where the model goes' said "$lm"
check 'no stage but reports has another key' equal "$(jobs)" "$keys"
build
check 'the build' equal $status 0
check 'the folder is written once' equal "$(ran materialize-lm)" 1
check 'and nothing is computed for it' equal "$(ran extract-lm)$(ran tokenize-calib)$(ran score-layers)" 000
check 'nothing is left beside it' equal "$(ls -d $lm*)" $lm
for file in config.json model.safetensors tokenizer.json tokenizer_config.json vocab.json merges.txt \
	generation_config.json; do
	check "$file is there" test -s $lm/$file
done
build
check 'then there is nothing to do' idle

lose_ninja_log
build
check 'a lost .ninja_log: left alone' equal "$status $(ran materialize-lm)" '0 0'
rm $lm/merges.txt
configure --dry-run -v extract.materialize=true
check 'a missing file: what would run' said "$lm/merges.txt is missing"
build
check 'a missing file is made again' equal "$(ran materialize-lm)" 1
check 'as it was' same_files $lm/merges.txt models/qwen3_vl_demo/checkpoint/merges.txt
echo >>models/qwen3_vl_demo/checkpoint/generation_config.json
build
check 'an edited companion is copied again' equal "$(ran materialize-lm)$(ran extract-lm)$(ran score-layers)" 100
check 'and is the same' same_files $lm/generation_config.json models/qwen3_vl_demo/checkpoint/generation_config.json
build
check 'then there is nothing to do again' idle

# Published: beside layer-analysis, once for all cells of a grid.
configure extract.materialize=true output_layout=publish quant_pair=wfp8_afp8,wint8_afp16
build
check 'a grid: written once, below models/' equal "$status $(ran materialize-lm)" '0 1'
check 'the same files' same_files $lm/model.safetensors models/qwen3_vl_demo/language-model/model.safetensors

# --- the folder as a checkpoint ---
cp -r $lm plain
configure model=qwen3_vl_demo dataset=demo_captions model.path=plain
check 'the folder as model.path' equal $status 0
build
check 'the build from it' equal $status 0
check 'another lm' equal "$(ran extract-lm)" 1
check 'the tokens are the same' equal "$(ran tokenize-calib)" 0
check 'the cell is calibrated and scored again' equal "$(ran quantize-calibrate)$(ran score-layers)" 11
check 'the calibration is the same' equal "$(results quantize-calibrate)" '2 1'
check 'the scores are the same' equal "$(results score-layers)" '2 1'
build
check 'then nothing to do' idle

# --- what is refused before any work ---
configure extract.materialize=true output_layout.language_model_dir=models/qwen3_vl_demo/checkpoint
check 'over the checkpoint: refused' differ $status 0
check 'with the reason' said 'over the checkpoint'
mkdir notes
echo mine >notes/notes.txt
configure extract.materialize=true output_layout.language_model_dir=notes
check 'over other files: refused' differ $status 0
check 'with the file' said '"notes.txt"'
configure extract.materialize=true model=qwen3_vl_demo model.path=plain,models/qwen3_vl_demo/checkpoint
check 'two models in one folder: refused' differ $status 0
check 'with the way out' said 'language_model_dir'
configure extract.materialize=maybe
check 'no flag: refused' differ $status 0

finish
