# What the pipeline tests share; each test begins with ". tests/pipeline/lib.sh" and runs from the project's root.
#
#     new_project NAME          a project of its own in $S (conf, rules, demo model, programs already built), made current
#     configure ARGS...         ./configure there, quiet; its status is kept in $status, its output in $S/out
#     build ARGS...             ninja there, likewise, with a fresh trace
#     ran STAGE                 how many computations of that stage the last build did
#     ran_cells STAGE           their cells, sorted, one a line
#     check WORDS CONDITION...  runs the test command CONDITION; counts it and says WORDS when it fails
#     finish                    prints "N passed, N failed" and ends; scratch is kept when something failed
#
# What ran is read from the trace the stages write, never from Ninja's output.

set -u
root=$(pwd)
passed=0 failed=0
test_name=${0##*/}
test_name=${test_name%.sh}
scratch=$root/build/scratch/$test_name
if [ -e "$scratch" ]; then chmod -R u+w "$scratch"; rm -rf "$scratch"; fi
mkdir -p "$scratch"
unset QUANTGRID_FAULT NINJA_STATUS
HF_HOME=$scratch/no-hub
export HF_HOME

new_project() {
	S=$scratch/$1
	mkdir -p "$S/models" "$S/build"
	cp -a configure build.ninja.in conf rules "$S/"
	cp -a models/qwen3_vl_demo "$S/models/"
	rm -rf "$S/models/qwen3_vl_demo/layer-analysis"
	ln -s "$root/stages" "$S/stages"
	ln -s "$root/tests" "$S/tests"
	cp -a build/obj build/bin build/toolchain "$S/build/"
	cp -a build/.ninja_log build/.ninja_deps "$S/build/"
	QUANTGRID_TRACE=$S/trace
	export QUANTGRID_TRACE
	cd "$S" || exit 1
}

configure() {
	./configure "$@" >"$S/out" 2>&1
	status=$?
}

build() {
	rm -f "$S/trace"
	ninja "$@" >"$S/out" 2>&1
	status=$?
}

ran() {
	if [ -f "$S/trace" ]; then grep -c "^$1 " "$S/trace" || :; else echo 0; fi
}

ran_cells() {
	[ ! -f "$S/trace" ] || sed -n "s/^$1 //p" "$S/trace" | sort
}

check() {
	words=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $words: $*"
		[ ! -f "$S/out" ] || tail -n 15 "$S/out" | sed 's/^/    /'
		[ ! -f "$S/trace" ] || sort "$S/trace" | head -n 20 | sed 's/^/    ran /'
	fi
}

# The last output has this text.
said() { grep -qF -- "$1" "$S/out"; }

# Nothing was computed, no report rendered, and Ninja had nothing to do.
idle() { [ ! -s "$S/trace" ] && grep -q 'no work to do' "$S/out"; }

equal() { [ "$1" = "$2" ]; }

differ() { [ "$1" != "$2" ]; }

same_files() { cmp -s "$1" "$2"; }

finish() {
	cd "$root" || exit 1
	if [ $failed = 0 ]; then chmod -R u+w "$scratch"; rm -rf "$scratch"; fi
	echo "$passed passed, $failed failed"
	[ $failed = 0 ]
	exit
}
