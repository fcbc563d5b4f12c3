# Whatever is killed at whatever step: the next ninja comes to what an undisturbed one comes to, byte for byte. And so
# after a full disk, a cache that cannot be written, a leaf edited under the reader, and damage to any kind of file.
#
# Steps are counted by tests/preload/steps.c, in all processes of a build. QUANTGRID_KILL_POINTS (default 200) of them are
# drawn with the seed QUANTGRID_SEED (default 1), which is printed. tests/long runs it with 1000 and a seed of its own.
. tests/pipeline/lib

points=${QUANTGRID_KILL_POINTS:-200}
seed=${QUANTGRID_SEED:-1}
state="cache tmp build/jobs build/ref build/leaf build/cells.ninja build/grid.json build/config.args build/published \
build/sources.ninja build/bootstrap.ninja build/toolchain build/.ninja_log build/.ninja_deps build.ninja \
build.ninja.in conf models/qwen3_vl_demo/captions"

new_project faults
if ! preload_library steps; then
	skip 'no compiler that makes a library to load before'
	finish
fi
unset QUANTGRID_TRACE
QUANTGRID_THREADS=1
export QUANTGRID_THREADS

# keep NAME, restore NAME: all that a build reads and writes, times included.
keep() {
	mkdir -p "$S/kept/$1"
	for path in $state; do
		[ ! -e "$path" ] || { mkdir -p "$S/kept/$1/$(dirname "$path")" && cp -a "$path" "$S/kept/$1/$path"; }
	done
}

restore() {
	# shellcheck disable=SC2086
	rm -rf $state
	cp -a "$S/kept/$1/." .
}

# disturb HOW STEP COMMAND...: the command with something happening at that step. Its number is known to the library,
# and $S/open is closed by the last process that comes of it.
disturb() {
	how=$1 at=$2
	shift 2
	rm -f "$steps"
	QUANTGRID_STEPS=$steps QUANTGRID_STEP=$at:$how LD_PRELOAD=$S/steps.so \
		sh -c 'QUANTGRID_NINJA=$$; export QUANTGRID_NINJA; exec "$@"' sh "$@" >"$S/out" 2>&1 9>"$S/open"
	status=$?
}

disturbed() {
	happens=$1 when=$2
	shift 2
	disturb "$happens" "$when" ninja "$@"
}

steps=$S/steps
steps_done() { echo $(($(wc -c <"$steps") / 96)); }

step_words() { dd if="$steps" bs=96 skip=$(($1 - 1)) count=1 2>/dev/null | sed 's/ *$//'; }

# --- two undisturbed stories ---
grid='quant_pair=wint8_afp16 dataset.max_calib_samples=2 dataset.calib_seq_len=16 autoquant.check_recipe=false'
# shellcheck disable=SC2086
configure $grid
check 'configure' equal $status 0
build build/bin/render-report programs
check 'programs' equal $status 0
rm -rf cache/ac cache/cas build/ref
keep first
disturbed kill 0 -j1
check 'the first build' equal $status 0
first_steps=$(steps_done)
results >"$S/first.results"
check 'there are reports' grep -q per-layer-sensitivity.md "$S/first.results"
# Other lists of jobs, other Ninja files, another choice and its report.
keep built
sed -i 's/^effective_bits: 8.0/effective_bits: 11.0/' conf/autoquant/gradient_default.yaml
keep edit
disturbed kill 0 -j1
check 'the edited build' equal $status 0
edit_steps=$(steps_done)
results >"$S/edit.results"
check 'the edit changes something' differ "$(cat "$S/first.results")" "$(cat "$S/edit.results")"
echo "steps: $first_steps in the first build, $edit_steps after an edit; $points of them, seed $seed"

# --- killed ---
# killed STORY JOBS HOW:STEP...: ninja is killed at that step, and one that starts at once, beside what an orphan still
# does, at the next one, and so on; the last one is left alone. Results are compared when all have ended. That is a
# third of the work of a story for each kill, and hits what an earlier kill left.
kills=0
killed() {
	story=$1 jobs=$2
	shift 2
	restore "$story"
	rm -f "$S/open"
	mkfifo "$S/open"
	cat "$S/open" >/dev/null &
	waiting=$!
	# One end is ours, between one ninja and the next; they do not get it.
	exec 8>"$S/open"
	number=0 words=
	for kill; do
		number=$((number + 1))
		# An orphan goes on to count in the old file.
		steps=$S/steps.$number
		disturbed "${kill%:*}" "${kill#*:}" "-j$jobs" 8>&-
		if [ "$(steps_done)" -ge "${kill#*:}" ]; then
			kills=$((kills + 1))
			words="$words
    $kill: $(step_words "${kill#*:}")"
		fi
	done
	steps=$S/steps
	exec 8>&-
	build -j"$jobs"
	wait $waiting
	rm "$S/open"
	results >"$S/results"
	if [ "$status" = 0 ] && [ "$words" ] && same_files "$S/results" "$S/$story.results"; then return 0; fi
	echo "$story, -j$jobs, status $status:$words"
	diff "$S/$story.results" "$S/results" | head -n 8
	return 1
}

# Drawn from the whole story; who goes on needs some steps to come to where the last one was. More than are needed: some
# stories end before their last step.
awk -v seed="$seed" -v points="$points" -v first="$first_steps" -v edit="$edit_steps" 'BEGIN {
	srand(seed)
	split("kill torn ninja torn both", how)
	again = 6
	for (i = 0; i < points; i++) {
		story = i % 2 ? "edit" : "first"
		count = i % 2 ? 3 : 5
		all = (i % 2 ? edit : first) - 4
		for (k = 1; k <= count; k++) {
			at = int(rand() * all) + 1
			for (m = k; m > 1 && step[m - 1] > at; m--) step[m] = step[m - 1]
			step[m] = at
		}
		line = story " " int(i / 2) % 2 + 1
		for (k = 1; k <= count; k++)
			line = line " " how[int(rand() * 5) + 1] ":" (k == 1 ? step[k] : step[k] - step[k - 1] + again)
		print line
	}
}' >"$S/points"
while [ $kills -lt "$points" ] && read -r story jobs steps_killed; do
	# shellcheck disable=SC2086
	check "killed and built again" killed $story $jobs $steps_killed
done <"$S/points"
check "killed $kills times" [ $kills -ge "$points" ]

# --- killed while the graph is made ---
# Where Ninja has no note of when build.ninja was made, only times tell that it is older than its template. And of
# ./configure itself Ninja knows nothing. graph_steps: those at which a file of the graph, or what it is made of,
# changes.
graph_steps() {
	grep -n -e 'build\.ninja\|cells\.ninja\|sources\.ninja' -e 'config\.args\|toolchain\|unfinished' \
		"$S/steps" | sed 's/:.*//'
}

# Of the lines of a file, other ones with another seed.
every_third() { sed -n "$((seed % 3 + 1))~3p" "$1" >"$1.few" && mv "$1.few" "$1"; }

# What ./configure --refresh would change. Without its times: it makes build.ninja anew, or it does not.
graph() { cksum build.ninja build/*.ninja build/config.args build/jobs/*.jsonl build/grid.json | grep -v before; }

edit_template() {
	restore built
	sed -i '/	build.ninja	/d' build/.ninja_log
	sed -i 's/^effective_bits: 8.0/effective_bits: 11.0/' conf/autoquant/gradient_default.yaml
	echo '# another line' >>build.ninja.in
}
edit_template
keep template
disturbed kill 0 -j1
check 'another template' equal $status 0
results >"$S/template.results"
check 'is in the graph' said_in build.ninja '# another line'
graph_steps >"$S/points"
[ "$points" -ge 1000 ] || every_third "$S/points"
for at in $(cat "$S/points"); do
	check 'killed while ninja makes the graph' killed template 1 "both:$at"
done

# One more thing is found, and other arguments are given. What ninja comes to then may be of before or of after, but
# build.ninja is never older than what it was made of.
mkdir -p "$S/fake/bin" "$S/fake/lib/clang/1/lib/linux"
: >"$S/fake/lib/clang/1/lib/linux/libclang_rt.fuzzer.a"
printf '#!/bin/sh\n' >"$S/fake/bin/clang"
chmod +x "$S/fake/bin/clang"
other_configure() {
	restore built
	# shellcheck disable=SC2086
	CLANG=$S/fake/bin/clang disturb "$1" "$2" ./configure $without_cuda $grid autoquant.effective_bits=11
}
configure_killed() {
	other_configure kill "$1"
	build
	graph >"$S/graph"
	./configure --refresh >"$S/out" 2>&1 && graph | same_files - "$S/graph" && [ "$status" = 0 ] && return 0
	echo "./configure killed at step $1: $(step_words "$1"); ninja ends with $status, and leaves stale:"
	graph | diff "$S/graph" -
	return 1
}
other_configure kill 0
check 'another ./configure' equal $status 0
check 'has found something' said_in build.ninja "clang = $S/fake/bin/clang"
graph_steps >"$S/points"
[ "$points" -ge 1000 ] || every_third "$S/points"
for at in $(cat "$S/points"); do
	check 'killed while ./configure makes the graph' configure_killed "$at"
done

# --- a full disk ---
# From some step on nothing more fits; then there is room again.
filled() {
	restore first
	disturbed full "$1" -j1
	full_status=$status
	half=$(find cache/cas -type f -links 1 ! -name id ! -perm 0444)
	build
	results >"$S/results"
	[ "$full_status" != 0 ] && [ "$status" = 0 ] && [ ! "$half" ] && same_files "$S/results" "$S/first.results" && return 0
	echo "disk full at step $1: status $full_status, then $status: $(step_words "$1")"
	diff "$S/first.results" "$S/results" | head -n 8
	return 1
}
for part in 2 6 10 14 18 22; do
	check 'a full disk fails the build, and room mends it' filled $((first_steps * part / 25 + 1))
done
# The limit of a file's size is met by a real write, in the middle of it.
restore first
(ulimit -f 8 && ninja) >"$S/out" 2>&1
check 'files that may not grow fail the build' differ $? 0
build
results >"$S/results"
check 'and without the limit all is there' same_files "$S/results" "$S/first.results"

# --- a cache that is read-only, or lies elsewhere ---
restore built
rm -r tmp
LD_PRELOAD=$S/steps.so QUANTGRID_DENY=30:cache/ ninja >"$S/out" 2>&1
check 'a read-only cache serves reports' equal $? 0
results >"$S/results"
check 'the same ones' same_files "$S/results" "$S/first.results"
restore first
LD_PRELOAD=$S/steps.so QUANTGRID_DENY=30:cache/ ninja -k 0 >"$S/out" 2>&1
check 'a read-only cache computes nothing' differ $? 0
check 'and says so' said 'Read-only file system'
build
results >"$S/results"
check 'made writable, it does' same_files "$S/results" "$S/first.results"
elsewhere=$(mktemp -d /dev/shm/quantgrid.XXXXXX 2>/dev/null)
if [ -n "$elsewhere" ] && [ "$(stat -c %d "$elsewhere")" != "$(stat -c %d .)" ]; then
	restore first
	cp -a cache/. "$elsewhere"
	rm -rf cache
	ln -s "$elsewhere" cache
	build
	check 'a cache on another file system' equal $status 0
	find cache/cas/ -type f ! -name id -exec cksum {} + | sed 's/^\([0-9 ]*\).*\//\1/' | sort >"$S/results"
	sed -n 's/^\([0-9]* [0-9]* \)cache\/cas.*\//\1/p' "$S/first.results" | sort >"$S/expected"
	check 'holds the same objects' same_files "$S/results" "$S/expected"
	rm cache
else
	skip 'no other file system at /dev/shm'
fi
[ -z "$elsewhere" ] || rm -rf "$elsewhere"

# --- a leaf that changes while the build runs ---
captions=models/qwen3_vl_demo/captions/captions_small.txt
weights=models/qwen3_vl_demo/checkpoint/model.safetensors
cp -p $weights "$S/weights"
mend() { cp -p "$S/weights" $weights; }
edit_captions="sed -i '1s/blue/green/' $captions && touch -d 2001-01-01 $captions"
# The last byte is of a weight: another exponent or mantissa. In place, with its times put back.
edit_weights="printf '\\075' | dd of=$weights bs=1 seek=$(($(wc -c <$weights) - 1)) conv=notrunc 2>/dev/null && touch -r $S/weights $weights"
edited() {
	restore first
	mend
	QUANTGRID_EDIT=$2
	export QUANTGRID_EDIT
	disturbed edit "$3" -j1
	edit_status=$status
	build
	results >"$S/results"
	missing=$(grep -Fxvf "$S/results" "$S/$1.results")
	# Nothing of the new content may stand under the key of the old one.
	mend
	cp -p "$S/kept/first/$captions" $captions
	build
	results >"$S/results"
	wrong=$(grep -Fxvf "$S/results" "$S/first.results")
	[ "$status" = 0 ] && [ ! "$missing" ] && [ ! "$wrong" ] && return 0
	echo "$1 edited at step $3: status $edit_status, then $status: $(step_words "$3")"
	printf 'missing then:\n%s\nmissing when it is put back:\n%s\n' "$missing" "$wrong" | head -n 12
	return 1
}
for leaf in captions weights; do
	restore first
	mend
	eval "edit=\$edit_$leaf"
	sh -c "$edit"
	build
	results >"$S/$leaf.results"
	check "other $leaf are other results" differ "$(cat "$S/first.results")" "$(cat "$S/$leaf.results")"
	for part in 1 3 4 6; do
		check "$leaf edited under the build: the next one sees them" edited $leaf "$edit" $((first_steps * part / 8))
	done
done
mend

# --- damage ---
# damage HOW FILE: FILE is another one, and says so to nobody.
damage() {
	chmod u+w "$2"
	size=$(wc -c <"$2")
	case $1 in
	emptied) : >"$2" ;;
	truncated) dd if=/dev/null of="$2" bs=1 seek=$((size / 2)) 2>/dev/null ;;
	garbage) head -c "$size" "$S/weights" >"$2" ;;
	swapped) cat "$3" >"$2" ;;
	flipped*)
		at=$((size * ${1#flipped} / 100))
		byte=$(od -An -tu1 -j $at -N 1 "$2" | tr -d ' ')
		printf "\\$(printf %03o $((byte ^ 1)))" | dd of="$2" bs=1 seek=$at conv=notrunc 2>/dev/null ;;
	esac
}

order='tokenize-calib extract-lm quantize-calibrate score-layers choose-recipe render-report'
after() { printf '%s\n' "${order#*"$1"}"; }

# What comes after a stage is made again, so that it must read what the stage made.
forget_after() {
	kinds=
	for later in $(after "$1"); do
		rm -rf "build/ref/$later" build/ref/group/"$later"-*
		kinds="$kinds${kinds:+\\|}$(kind_of $later)"
	done
	grep -l "\"kind\": \"\($kinds\)\"" cache/ac/*/*.json | xargs rm -f
	rm -rf tmp
}

kind_of() {
	case $1 in
	tokenize-calib) echo tokens ;;
	extract-lm) echo lm ;;
	quantize-calibrate) echo calib ;;
	score-layers) echo scores ;;
	choose-recipe) echo recipe ;;
	*) echo none ;;
	esac
}

# The file of a stage: its object, its action's entry or its reference file.
file_of() {
	case $1 in
	cas) ls cache/cas/*/*."$(kind_of "$2")" ;;
	ac) grep -l "\"kind\": \"$(kind_of "$2")\"" cache/ac/*/*.json ;;
	ref) ls build/ref/"$2"/*.ref ;;
	esac
}

# At once, or reported and mended by the next ninja; with no more computed than what was damaged, and what was taken away.
damaged() {
	what=$1 stage=$2 how=$3
	restore two
	forget_after "$stage"
	[ "$what" = cas ] || [ "$what" = ref ] || rm -rf build/ref/"$stage" build/ref/group/"$stage"-*
	# shellcheck disable=SC2046
	set -- $(file_of "$what" "$stage")
	damage "$how" "$1" "${2:-$(file_of "$what" tokenize-calib | head -n 1)}"
	case $(basename "$1") in *.json) name=$(basename "$1" .json) ;; *) name=$(basename "$1") ;; esac
	build -k 0
	first=$status
	cat "$S/trace" >"$S/ran" 2>/dev/null
	named=$(grep -cF "$name" "$S/out")
	build
	cat "$S/trace" >>"$S/ran" 2>/dev/null
	results >"$S/results"
	build
	computed=$(sed -n "s/^$stage //p" "$S/ran" | wc -l)
	earlier=$(grep -c "^\(${3:-}$(printf '%s' "${order%%"$stage"*}" | sed 's/ $//; s/ /\\|/g')\) " "$S/ran")
	[ "$status" = 0 ] && [ "$computed" -le 1 ] && [ "$earlier" = 0 ] && idle && { [ "$first" = 0 ] || [ "$named" != 0 ]; } &&
		same_files "$S/results" "$S/two.results" && return 0
	echo "$what of $stage $how: status $first, then $status; named $named; computed $computed, before it $earlier"
	diff "$S/two.results" "$S/results" | head -n 8
	return 1
}

restore first
QUANTGRID_TRACE=$S/trace
export QUANTGRID_TRACE
# shellcheck disable=SC2086
configure $grid quant_pair=wint8_afp16,wint4_afp16 dataset.size=small,medium dataset.max_calib_samples=null \
	dataset.size_to_max_samples.small=2 dataset.size_to_max_samples.medium=3
check 'configure' equal $status 0
build
check 'four cells' equal $status 0
keep two
results >"$S/two.results"
# One row in five, other ones with another seed; all of them with many points.
row=$seed
for stage in tokenize-calib quantize-calibrate score-layers choose-recipe extract-lm; do
	for what in cas ac ref; do
		for how in emptied truncated swapped garbage flipped15 flipped40 flipped65 flipped90; do
			row=$((row + 1))
			[ "$points" -ge 1000 ] || [ $((row % 5)) = 0 ] || continue
			check 'damaged, and made good' damaged $what $stage $how
		done
	done
done

# What jobs are told is never done otherwise: a damaged list, or group, is named, and the next ninja has it anew.
damaged_jobs() {
	restore two
	rm -rf build/ref
	damage "$2" "$1"
	build -k 0
	first=$status
	named=$(grep -cF "$1" "$S/out")
	build
	results >"$S/results"
	computed=$(cat "$S/trace" 2>/dev/null | grep -cv '^render-report')
	[ "$first" != 0 ] && [ "$named" != 0 ] && [ "$status" = 0 ] && [ "$computed" = 0 ] && build && idle &&
		same_files "$S/results" "$S/two.results" && return 0
	echo "$1 $2: status $first, then $status; named $named; computed $computed"
	diff "$S/two.results" "$S/results" | head -n 8
	return 1
}
group=$(sed -n 's|^  job = \(.*/score-layers-.*\)|\1|p' build/cells.ninja)
for list in build/jobs/tokenize-calib.jsonl build/jobs/score-layers.jsonl "$group"; do
	for how in emptied truncated garbage flipped5 flipped50 flipped99; do
		row=$((row + 1))
		[ "$points" -ge 1000 ] || [ $((row % 3)) = 0 ] || continue
		check 'a damaged list of jobs' damaged_jobs "$list" $how
	done
done

# What was asked for is not guessed.
for how in emptied truncated; do
	restore two
	damage $how build/config.args
	echo '# another line' >>conf/autoquant/gradient_default.yaml
	build
	check "build/config.args $how: the build fails" equal $status 1
	check "build/config.args $how: and says so" said 'build/config.args: cut off'
done

# What else the generator wrote is made anew at once.
for file in build/leaf/list build/grid.json build/leaf/grid; do
	for how in emptied truncated garbage flipped50 removed; do
		restore two
		if [ $how = removed ]; then rm $file; else damage $how $file; fi
		build
		check "$file $how" equal $status 0
		build
		results >"$S/results"
		check "$file $how: made anew" same_files "$S/results" "$S/two.results"
		check "$file $how: then there is nothing to do" idle
	done
done

finish
