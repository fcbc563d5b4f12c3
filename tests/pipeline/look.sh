# What ./configure shows to who only looks: it is right, and writes no graph.
. tests/pipeline/lib

new_project look
cell=qwen3_vl_demo.wfp8_afp8.default.small
configure
build
keep_graph

looks() { answers 0 "$@"; }
refused() { answers 2 "$@"; }

looks 'groups' 'quant_pair         17 options' -- --list
looks 'options' 'wint8_aint8_lm_only' -- --list quant_pair
looks 'a group with its name behind =' 'w_group64' -- --list=quant_granularity
mkdir -p conf/deep/NAME/arch
echo 'x: 1' >conf/deep/NAME/arch/NAME.default.yaml
looks 'groups in folders of folders' 'deep ' -- --list
looks 'the next folder' 'deep/NAME/ 0 options' -- --list deep
looks 'the last folder' 'NAME.default' -- --list deep/NAME/arch
rm -r conf/deep
refused 'an unknown group' "did you mean 'quant_pair'?" 'There are: autoquant, dataset' -- --list quant_pai

looks 'the composed config' 'name: wint4_afp16' "captions_path: '\${dataset.root}/captions_\${dataset.size}.txt'" -- \
	--cfg quant_pair=wint4_afp16
looks 'as Hydra has it' 'name: wfp8_afp8' -- --cfg job
looks 'the resolved config' 'captions_path: models/qwen3_vl_demo/captions/captions_medium.txt' -- \
	--cfg --resolve dataset.size=medium
looks 'a part' '# @package dataset' 'size: small' -- --package dataset
check 'and no other' equal "$(grep -c quant_pair "$S/out")" 0
refused 'an unknown part' "did you mean 'dataset'?" -- --package datset
looks 'the files' 'conf/quant_pair/wint8_aint8.yaml' "override 'quant_pair=wint8_aint8', column 12" \
	'conf/preset/qwen3_lm_sensitivity.yaml:8:5' 'nobody: stands in' -- --info defaults quant_pair=wint8_aint8
refused 'another info' 'there is --info defaults' -- --info plugins

looks 'two sets of overrides' 'quant_pair.weight                      fp8                                int8' \
	'captions_large.txt' -- --diff quant_pair=wfp8_afp8 'quant_pair=wint8_aint8 dataset.size=large'
check 'what is equal is left out' equal "$(grep -c calib_seq_len "$S/out")" 0
looks 'two cells' 'dataset.size                           small                              medium' -- \
	--diff $cell qwen3_vl_demo.wfp8_afp8.default.medium dataset.size=small,medium
looks 'equal ones' 'no difference' -- --diff $cell quant_pair=wfp8_afp8
refused 'an unknown cell' "did you mean '$cell'?" -- --diff $cell qwen3_vl_demo.wfp8_afp8.default.smal
refused 'one cell' '--diff needs 2 values' -- --diff $cell

looks 'nothing to do' 'in all                      7        7          0' "cached  $cell" -- --dry-run
out=tmp/qwen3_lm_sensitivity/qwen3_vl_demo/wfp8_afp8/default/small
mkdir "$S/aside"
mv $out/pareto-curve.csv "$S/aside"
looks 'what ninja does not miss' 'in all                      7        7          0' "lost    $out/pareto-curve.csv" \
	'ninja report writes them again' -- --dry-run -v
mv $out/*_quant_manifest.json "$S/aside"
looks 'what it does' 'render-report               1        0          1' "    $cell: not published yet" -- --dry-run -v
mv "$S"/aside/* $out
looks 'nothing to do again' 'in all                      7        7          0' -- --dry-run
check 'and nothing lost' equal "$(grep -c lost "$S/out")" 0
looks 'one stage on' 'score-layers                1        0          1' 'tokenize-calib              1        1          0' \
	"to run  $cell" -- --dry-run autoquant.batch_size=4
looks 'and why' "    $cell: since the graph before: param autoquant.batch_size 8 -> 4" \
	"    $cell: since the graph before: input recipe is another" -- --dry-run -v autoquant.batch_size=4
looks 'what is new' '    demo_captions.128: not asked for before' -- --dry-run -v dataset.size=medium
refused '-v alone' '-v goes with --dry-run' -- -v

looks 'the tree' "render-report  $cell  K " '        param quantizer.weight = F8t' 'captions/captions_small.txt  ' \
	'(see above)' -- --explain $cell
check 'nothing has changed' equal "$(grep -c changed: "$S/out")" 0
looks 'what changes' 'compared with the graph of the last ./configure' ': param autoquant.batch_size 8 -> 4' \
	': input scores.0 is another' -- --explain $cell autoquant.batch_size=4
check 'in four stages' equal "$(grep -c changed: "$S/out")" 4
refused 'no cell' "did you mean '$cell'?" -- --explain qwen3_vl_demo.wfp8_afp8.default.smal
CAPTIONS=models/qwen3_vl_demo/captions/captions_small.txt looks 'the environment' \
	'environment: dataset.captions_path = models/qwen3_vl_demo/captions/captions_small.txt, from ${oc.env:CAPTIONS}' -- \
	--explain $cell 'dataset.captions_path="${oc.env:CAPTIONS}"'
configure autoquant.batch_size=4
keep_graph
looks 'what has changed' 'compared with the one before' ': param autoquant.batch_size 8 -> 4' -- \
	--explain $cell autoquant.batch_size=4
echo 'A further caption.' >>models/qwen3_vl_demo/captions/captions_small.txt
looks 'a file that changed' 'input captions: models/qwen3_vl_demo/captions/captions_small.txt has another content' -- \
	--explain $cell autoquant.batch_size=4
cp -a rules "$S/rules.kept"
sed -i 's/^version: .*/version: 99/' rules/choose-recipe.yaml
looks 'a version' ': version of the stage 1 -> 99' -- --explain $cell autoquant.batch_size=4

looks 'the rules' 'score-layers               3      4' 'no circle, no kind made twice' -- --check-rules
sed -i 's/autoquant.method$/autoquant.methd/; s/^group:.*//' rules/score-layers.yaml
sed -i 's/^output: .*/output: calib/; s/dataset.size/dataset.siz/' rules/choose-recipe.yaml
refused 'wrong rules' "rules/score-layers.yaml: param 'autoquant.methd' is not in the config of preset" \
	"did you mean 'autoquant.method'?" "output 'calib' is that of rules/" -- --check-rules

rm -r rules
mv "$S/rules.kept" rules

refused 'an option misspelt' 'did you mean --grid?' -- --gird x
refused 'another' 'did you mean --dry-run?' -- --dryrun
refused 'an option without its dashes' 'did you mean --help?' -- help
refused 'a blank for =' 'wfp8_afp8: did you mean quant_pair=wfp8_afp8?' -- quant_pair wfp8_afp8
refused 'an option of no name' "no option is named for 'quant_pair'; options of 'quant_pair': wfp4_afp16" -- quant_pair=
refused 'the name of a grid file alone' 'did you mean conf/sweeps/pairs_x_sizes.yaml?' -- --grid pairs_x_sizes
refused 'two ways to look' 'one at a time' -- --cfg --dry-run
refused 'a value missing' '--explain needs a value' -- --explain
cp conf/dataset/demo_captions.yaml "$S/kept"
sed -i 's/^calib_seq_len: .*/calib_seq_len: 01000/' conf/dataset/demo_captions.yaml
configure --cfg
check 'octal is warned about' said 'warning: conf/dataset/demo_captions.yaml:11:16: YAML reads digits behind a leading 0 as octal'
cp "$S/kept" conf/dataset/demo_captions.yaml
cp -a conf "$S/conf.kept"
printf 'hydra: {run: {dir: x}}\n' >>conf/autoquant/gradient_default.yaml
printf 'hydra: {run: {dir: x}}\n' >>conf/quant_pair/wfp8_afp8.yaml
configure --list
configure --cfg
check 'hydra: is skipped' equal $status 0
check 'and mentioned once' equal "$(grep -c 'configures Hydra' "$S/out")" 1

# --- keys without effect ---
rm -r conf
mv "$S/conf.kept" conf
configure model.variant=mine dataset.size=small
check 'a key that no stage reads' said 'warning: no stage reads model.variant: it changes what reports print, and no result'
check 'and no other' equal "$(grep -c warning: "$S/out")" 1
# Everything else that can be set is read, by a rule or on the way to one.
for key in model.path model.dtype dataset.root dataset.calib_seq_len dataset.size autoquant.method autoquant.batch_size \
	autoquant.score_size autoquant.device autoquant.cost autoquant.effective_bits quant_pair.weight runner.report_only \
	extract.materialize; do
	configure --package "$key"
	configure --dry-run "$key=$(tail -n 1 "$S/out")"
	check "$key is read" equal "$(grep -c 'no stage reads' "$S/out")" 0
done

# --- completion ---
completes() {
	# completes EXPECTED WORD...
	expected=$1
	shift
	found=$(./configure --complete "$@" | tr '\n' ' ')
	check "completion of $*" equal "$found" "$expected"
}

configure
completes 'quant_pair=wint8_aint8 quant_pair=wint8_aint8_lm_only ' quant_pair=wint8_aint8
completes 'quant_pair=wfp4_afp8,wint8_afp16 ' dataset.size=small quant_pair=wfp4_afp8,wint8_afp1
completes '+quant_pair= +quant_pair. ' +quant_p
completes 'dataset.size= dataset.size_to_max_samples= ' dataset.si
completes 'dataset.size=small dataset.size=medium dataset.size=large ' dataset.size=
completes 'autoquant.method=kl_div ' autoquant.method=k
completes '--dry-run ' --dry
completes '--cache-dir ' --ca
completes '' --cache-dir ''
completes 'conf/sweeps/pairs_x_sizes.yaml ' --grid conf/sweeps/pairs_x_s
completes 'qwen3_lm_sensitivity ' --preset ''
completes "$cell " --explain qwen
completes "$cell " --diff a ''
completes 'quant_granularity quant_pair ' --list quant
completes '' nothing=
completes '' --explain nothing
if command -v bash >/dev/null; then
	cat >"$S/try" <<-'EOF'
		. "$1/completion/configure.bash"
		compopt() { :; }
		COMP_LINE=$2 COMP_POINT=${#2} COMP_WORDS=(./configure)
		_quantgrid_configure
		printf '%s ' "${COMPREPLY[@]}"
	EOF
	# bash replaces what is behind the last '=' only.
	check 'bash, behind =' equal "$(bash "$S/try" "$root" './configure dataset.size=me')" 'medium '
	check 'bash, a key' equal "$(bash "$S/try" "$root" './configure  --cfg dataset.cal')" 'dataset.calib_seq_len= '
	check 'bash, a value of an option' equal "$(bash "$S/try" "$root" './configure --explain ')" "$cell "
else
	skip 'bash is not here'
fi

# zsh completes on a terminal only: one of its own making, where every line is completed before anybody could type.
tries=0
tried() {
	# tried LINE EXPECTED: what the line becomes
	printf '%s\n' "$1" >>"$S/lines"
	printf '%s|\n' "$2" >>"$S/expected"
	tries=$((tries + 1))
}
tried './configure dataset.size=me' './configure dataset.size=medium '
tried './configure --cfg dataset.cal' './configure --cfg dataset.calib_seq_len='
tried './configure dataset.si' './configure dataset.size'
tried './configure --explain ' "./configure --explain $cell "
tried './configure quant_pair=wfp4_afp8,wint8_afp1' './configure quant_pair=wfp4_afp8,wint8_afp16 '
tried "./configure 'dataset.size=me" "./configure 'dataset.size=medium' "
tried './configure \~quant_pair.w' './configure \~quant_pair.weight='
tried "./configure '~quant_pair.w" "./configure '~quant_pair.weight="
tried './configure model.path=models/qwen3_vl_demo/che' './configure model.path=models/qwen3_vl_demo/checkpoint/'
tried './configure --cache-dir mod' './configure --cache-dir models/'
tried './rules/../configure --dry' './rules/../configure --dry-run '
tried './elsewhere/configure dataset.size=me' './elsewhere/configure dataset.size=me'
if command -v zsh >/dev/null; then
	mkdir elsewhere "$S/zsh"
	printf '#!/bin/sh\n' >elsewhere/configure
	chmod +x elsewhere/configure
	cat >"$S/zsh/.zshrc" <<-'EOF'
		fpath=($PROJECT/completion $fpath)
		autoload -Uz compinit
		compinit -u -D
		zle-line-init() {
			local line
			for line in ${(f)"$(<$SCRATCH/lines)"}; do
				BUFFER=$line CURSOR=$#line
				zle complete-word
				print -r -- "$BUFFER|" >>$SCRATCH/found
			done
			exit
		}
		zle -N zle-line-init
	EOF
	cat >"$S/try" <<-'EOF'
		zmodload zsh/zpty
		zpty shell 'zsh -d -i'
		while zpty -r shell said; do print -r -- $said; done
	EOF
	: >"$S/found"
	PROJECT=$root SCRATCH=$S ZDOTDIR=$S/zsh zsh -f "$S/try" >"$S/out" 2>&1
	while IFS= read -r line <&3 && IFS= read -r expected <&4; do
		IFS= read -r found <&5 || found=
		check "zsh: $line" equal "$found" "$expected"
	done 3<"$S/lines" 4<"$S/expected" 5<"$S/found"
else
	skip "zsh is not here: $tries lines are not completed"
fi

# --- nowhere to say it ---
for tool in 'inspect build/grid.json' status failures gc fsck 'numerics cpu' 'render-report --present build/grid.json'; do
	build/bin/$tool >/dev/full 2>"$S/out"
	check "$tool: what cannot be printed is an error" equal "$? $(cat "$S/out")" \
		"1 ${tool%% *}: error: standard output: cannot write"
done
for look in '--list' '--cfg' '--info defaults' '--dry-run -v' '--check-rules'; do
	./configure $without_cuda $look >/dev/full 2>"$S/out"
	check "$look likewise" equal "$? $(tail -n 1 "$S/out")" '1 configure: error: standard output: cannot write'
done
for tool in inspect status failures gc fsck; do
	build/bin/$tool --nonsense >"$S/out" 2>&1
	check "$tool names the argument it does not know" equal "$? $(head -n 1 "$S/out")" \
		"2 $tool: error: --nonsense: not known here, or its value is missing"
done

finish
