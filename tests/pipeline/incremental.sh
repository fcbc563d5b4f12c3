# After an edit only what it touches is computed again. What ran is read from the stages' traces.
. tests/pipeline/lib

new_project edits
cat >conf/sweeps/three.yaml <<'EOF'
preset: qwen3_lm_sensitivity
sweep:
  quant_pair: wint8_afp16,wfp8_afp8,wint4_aint8
  dataset.size: small,medium
fixed: [output_layout=publish]
EOF
captions=models/qwen3_vl_demo/captions
reports=models/qwen3_vl_demo/layer-analysis

# --- the first build ---
configure --grid conf/sweeps/three.yaml
check 'configure' equal $status 0
build
check 'the first build' equal $status 0
check 'tokens: one job a size, and one of what mixes are run on' equal "$(ran tokenize-calib)" 3
check 'the checkpoint is read once' equal "$(ran extract-lm)" 1
check 'calib: weight-only formats once, others once a size' equal "$(ran quantize-calibrate)" 5
check 'every cell is scored' equal "$(ran score-layers)" 6
check 'every cell is reported' equal "$(ran render-report)" 6
check 'one overview' test -s $reports/three.md
build
check 'a second build has nothing to do' idle

# --- what changes nothing ---
find . -path ./build -prune -o -type f -print | xargs touch
build
check 'touched files' idle
echo '# a comment' >>conf/quant_pair/wfp8_afp8.yaml
build
check 'a comment in YAML computes nothing' equal "$(ran score-layers)$(ran quantize-calibrate)$(ran render-report)" 000
tail -n 1 conf/autoquant/gradient_default.yaml >"$S/last"
{ cat "$S/last"; sed '$d' conf/autoquant/gradient_default.yaml; } >"$S/reordered"
cp "$S/reordered" conf/autoquant/gradient_default.yaml
build
check 'another order of keys computes nothing' equal "$(ran score-layers)$(ran quantize-calibrate)" 00
rm -f build/.ninja_log
build
check 'a lost .ninja_log computes nothing' equal "$(ran tokenize-calib)$(ran extract-lm)$(ran quantize-calibrate)$(ran score-layers)" 0000
ninja -t clean >/dev/null 2>&1
build
check 'ninja -t clean loses no result' equal "$(ran tokenize-calib)$(ran extract-lm)$(ran quantize-calibrate)$(ran score-layers)" 0000
build
check 'and then there is nothing to do' idle

# --- one pair ---
cp conf/quant_pair/wfp8_afp8.yaml "$S/kept"
sed -i 's/^activation:.*/activation: int8/; s/^format_name:.*/format_name: FP8_WEIGHT_INT8_ACT_CFG/' conf/quant_pair/wfp8_afp8.yaml
build
check 'an edited pair: the build' equal $status 0
check 'an edited pair: no tokens, no checkpoint' equal "$(ran tokenize-calib)$(ran extract-lm)" 00
check 'an edited pair: only its cells are scored' equal "$(ran_cells score-layers | sed 's/-.*//' | sort -u | tr '\n' ' ')" \
	'qwen3_vl_demo.wfp8_afp8.default.medium qwen3_vl_demo.wfp8_afp8.default.small '
check 'an edited pair: only its cells are reported' equal "$(ran render-report)" 2
cp "$S/kept" conf/quant_pair/wfp8_afp8.yaml
build
check 'back to the earlier pair: nothing is computed' equal "$(ran quantize-calibrate)$(ran score-layers)" 00

# --- captions ---
cp $captions/captions_small.txt "$S/captions"
printf 'One more caption behind the sixteen.\n' >>$captions/captions_small.txt
touch -d '2001-01-01' $captions/captions_small.txt
build
check 'lines behind the used part: noticed' equal "$(ran tokenize-calib)" 1
check 'lines behind the used part: nothing is computed from them' equal "$(ran quantize-calibrate)$(ran score-layers)" 00
cp "$S/captions" $captions/captions_small.txt
build
check 'back to the earlier captions' equal "$(ran tokenize-calib)$(ran quantize-calibrate)$(ran score-layers)" 000
sed -i '1s/blue/green/' $captions/captions_small.txt
touch -d '2001-01-01' $captions/captions_small.txt
build
check 'a used line: tokens of that size' equal "$(ran tokenize-calib)" 1
check 'a used line: calib of formats that saw it' equal "$(ran quantize-calibrate)" 2
check 'a used line: scores of that size' equal "$(ran_cells score-layers | tr '\n' ' ')" \
	'qwen3_vl_demo.wfp8_afp8.default.small qwen3_vl_demo.wint4_aint8.default.small qwen3_vl_demo.wint8_afp16.default.small '
cp "$S/captions" $captions/captions_small.txt
build

# --- the grid ---
sed -i 's/^  dataset.size/  quant_granularity: default,w_group64\n  dataset.size/' conf/sweeps/three.yaml
build
check 'a new granularity: the build' equal $status 0
check 'a new granularity: only its cells' equal "$(ran_cells score-layers | grep -vc w_group64)" 0
check 'a new granularity: all its cells' equal "$(ran score-layers)" 6
sed -i '/quant_granularity/d' conf/sweeps/three.yaml
build
check 'back to the earlier grid: nothing is computed' equal "$(ran quantize-calibrate)$(ran score-layers)" 00

# --- what was lost ---
key=$(job_of score-layers qwen3_vl_demo.wfp8_afp8.default.small)
ref=build/ref/score-layers/qwen3_vl_demo.wfp8_afp8.default.small-${key#*:}.ref
rm "$ref"
build
check 'a deleted reference file is restored' test -s "$ref"
check 'and nothing was computed for it' equal "$(ran score-layers)" 0
rm -r cache
build
check 'a deleted cache: the build' equal $status 0
check 'a deleted cache: every cell once' equal "$(ran score-layers)" 6

# --- another checkpoint folder with the same content ---
mv models/qwen3_vl_demo/checkpoint "$S/moved"
sed -i "s|^path:.*|path: $S/moved|" conf/model/qwen3_vl_demo.yaml
build
check 'a moved checkpoint: the build' equal $status 0
check 'a moved checkpoint computes nothing' equal "$(ran extract-lm)$(ran quantize-calibrate)$(ran score-layers)" 000

finish
