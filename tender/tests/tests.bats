#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# Runs the unikernels on the tender, as a user would: status and words of each.
# For x86_64 on /dev/kvm; BUILD is where `make` put things. With SANITIZED=1 it is
# the tender that has sanitizers and no sandbox.

bats_require_minimum_version 1.5.0

setup() {
    BUILD="${BUILD:-$BATS_TEST_DIRNAME/../../build/tender}"
    GUESTS="$BUILD/x86_64"
    TENDER="$GUESTS${SANITIZED:+/sanitized}/solo5-hvt"
    [ "$(uname -m)" = x86_64 ] || skip "needs an x86_64 host, this is $(uname -m)"
}

# The tender alone, for what it refuses before it needs KVM.
tender() {
    run timeout 60 "$TENDER" "$@"
}

needs_kvm() {
    if [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
        skip "needs /dev/kvm, readable and writable"
    fi
}

# The tender with a unikernel that gets as far as running.
guest() {
    needs_kvm
    tender "$@"
}

needs_sandbox() {
    [ -z "${SANITIZED:-}" ] || skip "the sanitized tender has no sandbox"
}

# A tender with a planted defect (tests/defects/), with a unikernel.
defective() {
    local name="$1"
    shift
    needs_sandbox
    TENDER="$GUESTS/defects/$name/solo5-hvt" guest "$@"
}

# expect STATUS WORDS...: the exit status, and what must stand in the output.
expect() {
    local wanted="$1"
    shift
    if [ "$status" -ne "$wanted" ]; then
        echo "exit status $status, expected $wanted; output:"
        echo "$output"
        return 1
    fi
    local words
    for words in "$@"; do
        if [[ "$output" != *"$words"* ]]; then
            echo "not in the output: '$words'; output:"
            echo "$output"
            return 1
        fi
    done
}

expect_silence_of() {
    if [[ "$output" == *"$1"* ]]; then
        echo "in the output, and must not be: '$1'; output:"
        echo "$output"
        return 1
    fi
}

# ---- Unikernels that do as they should ---------------------------------------

@test "hello: gets its argument" {
    guest "$GUESTS/test_hello.hvt" Hello_Solo5
    expect 0 "Solo5: memory 512 MiB" "'Hello_Solo5'" SUCCESS "Solo5: exit(0)"
}

@test "hello: notices a missing argument" {
    guest "$GUESTS/test_hello.hvt"
    expect 1 "command line ''" "expected 'Hello_Solo5'" FAILURE
}

@test "hello: arguments are joined by one space, options after it are its own" {
    guest -- "$GUESTS/test_hello.hvt" "a  b" --mem=4 c
    expect 1 "'a  b --mem=4 c'"
}

@test "hello: quiet says nothing of its own" {
    guest "$GUESTS/test_hello.hvt" --solo5:quiet Hello_Solo5
    expect 0 SUCCESS
    expect_silence_of "Solo5:"
}

@test "quiet: one word is all that is heard" {
    guest -- "$GUESTS/test_quiet.hvt" --solo5:quiet
    expect 0
    [ "$output" = SUCCESS ]
}

@test "hello: the last of several log options counts" {
    guest "$GUESTS/test_hello.hvt" --solo5:quiet --solo5:debug Hello_Solo5
    expect 0 SUCCESS "Solo5: exit(0)"
}

@test "hello: log options behind the front belong to the application" {
    guest "$GUESTS/test_hello.hvt" --solo5:error x --solo5:quiet
    expect 1 "'x --solo5:quiet'"
}

@test "hello: an unknown log option is refused by name" {
    guest "$GUESTS/test_hello.hvt" --solo5:loud Hello_Solo5
    expect 255 "Solo5: ABORT: unknown option at '--solo5:loud Hello_Solo5'"
    expect_silence_of SUCCESS
}

@test "output: 4 KiB arrive as they were written" {
    guest "$GUESTS/test_output.hvt" --solo5:quiet
    expect 0
    [ "$output" = "$(yes "$(printf 'x%.0s' {1..63})" | head -n 64)" ]
}

@test "globals: variables have their values" {
    guest "$GUESTS/test_globals.hvt"
    expect 0 SUCCESS
}

@test "globals: too little memory is refused" {
    guest --mem=2 "$GUESTS/test_globals.hvt"
    expect 255 "Solo5: ABORT: Not enough memory"
    guest --mem=4 "$GUESTS/test_globals.hvt"
    expect 0 SUCCESS
}

@test "time: clocks run and yield waits" {
    guest "$GUESTS/test_time.hvt"
    expect 0 SUCCESS
}

@test "fpu: the vector unit works, and keeps its registers over a hypercall" {
    guest "$GUESTS/test_fpu.hvt"
    if [ -e /sys/module/kvm_pvm ] && [[ "$output" == *"internal error: suberror=0x1"* ]]; then
        skip "needs a KVM that runs SSE; this host's kvm_pvm interprets guests and cannot"
    fi
    expect 0 SUCCESS
}

@test "tls: two blocks are separate" {
    guest "$GUESTS/test_tls.hvt"
    expect 0 SUCCESS
}

@test "acquire: what is not declared cannot be used" {
    guest "$GUESTS/test_acquire.hvt"
    expect 0 SUCCESS
}

@test "exit: only the low 8 bits of the status are kept" {
    guest "$GUESTS/test_exit.hvt" exit
    expect 7 "Solo5: exit(263)"
}

@test "exit: what the application returns is its status" {
    guest "$GUESTS/test_exit.hvt" return
    expect 7 "Solo5: exit(263)"
}

# ---- Unikernels that come to grief -------------------------------------------

@test "exit: abort ends with 255" {
    guest "$GUESTS/test_exit.hvt" abort
    expect 255 "Solo5: abort()"
}

@test "exception: a trap is reported" {
    guest "$GUESTS/test_exception.hvt"
    expect 255 "trap: #PF" "cr2=0x400000000" "Solo5: ABORT: Fatal trap"
}

@test "exception: a trap is reported without a stack" {
    guest "$GUESTS/test_exception.hvt" stack
    expect 255 "rsp=0x0" "Solo5: ABORT: Fatal trap"
}

@test "exception: a trap is heard when quiet" {
    guest "$GUESTS/test_exception.hvt" --solo5:quiet
    expect 255 "Solo5: ABORT: Fatal trap"
}

@test "zeropage: a null pointer traps" {
    guest "$GUESTS/test_zeropage.hvt"
    expect 255 "cr2=0x8" "Solo5: ABORT: Fatal trap"
}

@test "notls: thread-local storage without a block traps" {
    guest "$GUESTS/test_notls.hvt"
    expect 255 "Solo5: ABORT: Fatal trap"
}

@test "ssp: an overflow on the stack is noticed" {
    guest "$GUESTS/test_ssp.hvt"
    expect 255 "Solo5: ABORT: Stack corruption detected"
}

@test "xnow: code cannot be written" {
    guest "$GUESTS/test_xnow.hvt"
    expect 1 "host/guest translation fault"
    expect_silence_of FAILURE
}

@test "rnow: constants cannot be written" {
    guest "$GUESTS/test_rnow.hvt"
    expect 1 "host/guest translation fault"
    expect_silence_of FAILURE
}

# refuses_call NAME WORDS: an abuse of test_hypercall, and what the tender says.
refuses_call() {
    guest "$GUESTS/test_hypercall.hvt" "$1"
    expect 1 "solo5-hvt: $2"
    expect_silence_of FAILURE
}

@test "hypercall: numbers without a handler end the guest" {
    refuses_call number-zero "invalid guest hypercall: num=0"
    refuses_call number-free "invalid guest hypercall: num=9"
    refuses_call number-beyond "invalid guest port access: port=0x520"
}

@test "hypercall: other port accesses end the guest" {
    refuses_call width "invalid guest port access: port=0x502 size=2"
    refuses_call direction "invalid guest port access: port=0x502"
    refuses_call device "invalid guest port access: port=0x3f8"
}

@test "hypercall: an argument beyond the memory ends the guest" {
    refuses_call arg-at-end "invalid guest memory access: gpa=0x20000000 size=8"
    refuses_call arg-touches-end "invalid guest memory access: gpa=0x1ffffff8 size=8"
}

@test "hypercall: a buffer beyond the memory ends the guest" {
    refuses_call puts-beyond "invalid guest memory access: gpa=0x1ffffff8 size=9"
    refuses_call puts-wraps "invalid guest memory access: gpa=0x1ffffff8"
    refuses_call puts-above-4-gib "invalid guest memory access: gpa=0x1001"
}

@test "hypercall: results where the guest may not write end the guest" {
    refuses_call out-in-constants "invalid guest memory access"
    refuses_call out-in-page-table "invalid guest memory access: gpa=0x2000"
    refuses_call out-in-boot-info "invalid guest memory access: gpa=0x10000"
}

# A tender whose guest has a disk and a network (see with_devices.py).
with_devices() {
    run timeout 60 python3 "$BATS_TEST_DIRNAME/with_devices.py" "$TENDER" "$@"
}

# hostile RUN GUEST STATUS WORDS...: what the guest does ends as it should.
hostile() {
    local run="$1" guest="$2" wanted="$3"
    shift 3
    "$run" --mem=4 "$GUESTS/$guest.hvt" --solo5:quiet "$@"
    case "$wanted" in
        0) expect 0 SUCCESS ;;
        1) expect 1 "solo5-hvt: invalid guest" ;;
        *) expect "$wanted" ;;
    esac || { echo "$guest $*"; return 1; }
}

# hostile_cases RUN GUEST: all that stands in the guest's table.
hostile_cases() {
    guest --version # skips where no guest can run
    local arch wanted words count=0
    while read -r arch wanted words; do
        if [[ "$arch" == any || "$arch" == x86_64 ]]; then
            # shellcheck disable=SC2086 # words are words
            hostile "$1" "$2" "$wanted" $words
            count=$((count + 1))
        fi
    done < <(grep -v '^#' "$BATS_TEST_DIRNAME/$2/cases")
    [ "$count" -gt 100 ]
}

@test "hostile: every number" {
    guest --version # skips where no guest can run
    local nr
    for nr in {0..63}; do
        case $nr in
            1 | 3) hostile tender test_hostile 0 call "$nr" arg 0 0 0 ;;
            2) hostile tender test_hostile 0 call "$nr" arg 0 0 ;;
            8) hostile tender test_hostile 9 call "$nr" arg 0 9 ;;
            *) hostile tender test_hostile 1 call "$nr" arg 0 0 0 0 0 ;;
        esac
    done
}

@test "hostile: arguments, buffers and accesses" {
    hostile_cases tender test_hostile
}

@test "hostile: a disk and a network" {
    hostile_cases with_devices test_hostile_devices
}

@test "hostile: a wait until the end of time ends at a signal" {
    guest --version # skips where no guest can run
    run timeout 1 "$TENDER" "$GUESTS/test_hostile.hvt" call 3 arg 0xffffffffffffffff 0 0
    expect 124 "solo5-hvt: Exiting on signal 15"
}

@test "random: hypercalls are carried out or refused" {
    guest --version # skips where no guest can run
    run "$BATS_TEST_DIRNAME/../fuzz/run_guest" 600 20 1 "$TENDER" --mem=4 "$GUESTS/test_random.hvt"
    expect 0 "in 20 runs"
}

@test "random: also with a disk and a network" {
    guest --version # skips where no guest can run
    run "$BATS_TEST_DIRNAME/../fuzz/run_guest" 600 20 1 \
        python3 "$BATS_TEST_DIRNAME/with_devices.py" \
        "$TENDER" --mem=4 "$GUESTS/test_random_devices.hvt"
    expect 0 "in 20 runs"
}

@test "fuzz: finds a check that is missing" {
    [ -z "${SANITIZED:-}" ] || skip "has nothing to do with the sanitized tender"
    echo 'int main(void) { return 0; }' > "$BATS_TEST_TMPDIR/none.c"
    clang -fsanitize=fuzzer-no-link,address -o "$BATS_TEST_TMPDIR/none" \
        "$BATS_TEST_TMPDIR/none.c" 2> /dev/null || skip "needs clang and libclang-rt-14-dev"
    run timeout 300 make -s -C "$BATS_TEST_DIRNAME/.." BUILD="$BUILD" fuzz-proof
    expect 0 "SUMMARY: AddressSanitizer" "hvt_mem.c"
}

# ---- The sandbox -------------------------------------------------------------

@test "sandbox: a call that nobody declared ends the process" {
    defective opens-a-file "$GUESTS/test_time.hvt"
    expect 159
    expect_silence_of SUCCESS
}

@test "sandbox: a descriptor that nobody declared ends the process" {
    defective writes-elsewhere "$GUESTS/test_time.hvt"
    expect 159
    expect_silence_of SUCCESS
}

# What process $1 may do and has open, once its guest runs.
rights_of() {
    timeout 10 bash -c "until grep -q 'Seccomp:.2' /proc/$1/status; do sleep 0.01; done"
    grep -E '^(NoNewPrivs|Seccomp|Cap(Inh|Prm|Eff)):' "/proc/$1/status"
    find "/proc/$1/fd" -type l -printf '%f %l\n' | sort
}

@test "sandbox: a running tender has its console, its virtual CPU, a timer and no rights" {
    needs_sandbox
    guest --version # skips where no guest can run
    local console="$BATS_TEST_TMPDIR/console"
    "$TENDER" "$GUESTS/test_time.hvt" < /dev/null > "$console" 2>&1 &
    run rights_of $!
    wait $!
    expect 0 "CapEff:"$'\t'"0000000000000000" "CapPrm:"$'\t'"0000000000000000" \
        "CapInh:"$'\t'"0000000000000000" "NoNewPrivs:"$'\t'1 "Seccomp:"$'\t'2 \
        "1 $console" "2 $console" "anon_inode:kvm-vcpu:0" "anon_inode:[timerfd]"
    [ "${#lines[@]}" -eq 9 ]
}

# ---- Devices -----------------------------------------------------------------

@test "led: declared, but no line granted" {
    tender "$GUESTS/test_led.hvt" cycles=1 on_us=1 off_us=1 final=0
    expect 1 "Device 'led0' of type LED_BASIC declared but not attached." "--led:led0=LINE"
}

@test "led: granted, but this machine has no such chip" {
    if grep -qs pinctrl-bcm2835 /sys/class/gpio/gpiochip*/label; then
        skip "needs a machine without a pinctrl-bcm2835, this one has it"
    fi
    tender --led:led0=25 "$GUESTS/test_led.hvt" cycles=1 on_us=1 off_us=1 final=0
    expect 1 solo5-hvt: gpio
}

@test "led: granted, but not declared" {
    tender --led:led0=25 "$GUESTS/test_hello.hvt" Hello_Solo5
    expect 1 "--led:led0=25" "Resource not declared in manifest"
    tender --led:led1=25 "$GUESTS/test_led.hvt"
    expect 1 "--led:led1=25" "Resource not declared in manifest"
}

@test "led: a line that is not a number" {
    tender --led:led0=GPIO25 "$GUESTS/test_led.hvt"
    expect 1 "--led:led0=GPIO25"
}

# image BYTES: the path of a file of that size, all zero.
image() {
    truncate -s "$1" "$BATS_TEST_TMPDIR/image"
    echo "$BATS_TEST_TMPDIR/image"
}

@test "blk: declared, but no file given" {
    tender "$GUESTS/test_blk.hvt"
    expect 1 "Device 'storage' of type BLOCK_BASIC declared but not attached." \
        "--block:storage=PATH"
}

@test "blk: blocks of 512 bytes keep their data" {
    guest --mem=4096 "--block:storage=$(image 4M)" -- "$GUESTS/test_blk.hvt"
    expect 0 "4194304 bytes in blocks of 512" SUCCESS
}

@test "blk: blocks of 4096 bytes keep their data, whatever the options' order" {
    guest "--block:storage=$(image 4M)" --block-sector-size:storage=4096 \
        -- "$GUESTS/test_blk.hvt"
    expect 0 "4194304 bytes in blocks of 4096" SUCCESS
    guest --block-sector-size:storage=4096 "--block:storage=$(image 4M)" \
        -- "$GUESTS/test_blk.hvt"
    expect 0 "4194304 bytes in blocks of 4096" SUCCESS
}

@test "blk: a device of one block works" {
    guest "--block:storage=$(image 512)" "$GUESTS/test_blk.hvt"
    expect 0 "512 bytes in blocks of 512" SUCCESS
}

@test "blk: what the guest wrote is in the file" {
    local file
    file="$(image 1K)"
    guest "--block:storage=$file" "$GUESTS/test_blk.hvt"
    expect 0 SUCCESS
    [ "$(od -An -t u8 -w8 -v "$file" | tail -n 64 | tr -d ' ')" = "$(seq 512 575)" ]
}

@test "blk: a file that is not whole blocks is refused" {
    guest "--block:storage=$(image 6144)" --block-sector-size:storage=4096 \
        -- "$GUESTS/test_blk.hvt"
    expect 1 "Backing storage size must be block aligned"
    expect_silence_of SUCCESS
}

@test "blk: an impossible block size is refused" {
    tender "--block:storage=$(image 1563)" --block-sector-size:storage=521 \
        -- "$GUESTS/test_blk.hvt"
    expect 1 "Block size must be a multiple of 2"
    tender "--block:storage=$(image 256)" --block-sector-size:storage=256 \
        -- "$GUESTS/test_blk.hvt"
    expect 1 "Block size must be a multiple of 2 greater than or equal 512"
}

@test "blk: a file that cannot be opened is refused" {
    tender "--block:storage=$BATS_TEST_TMPDIR/none" "$GUESTS/test_blk.hvt"
    expect 1 "$BATS_TEST_TMPDIR/none" "No such file or directory"
}

@test "blk: given, but not declared" {
    tender "--block:disk=$(image 512)" "$GUESTS/test_blk.hvt"
    expect 1 "--block:disk=" "Resource not declared in manifest"
}

# networked PINGS DEVICE=ADDRESS[,TAP]... -- OPTIONS... KERNEL ARGUMENTS...
#
# A unikernel that answers pings, and its peer (see peer.py).
networked() {
    local words=()
    while [ "$1" != -- ]; do
        words+=("$1")
        shift
    done
    needs_kvm
    run timeout 60 "${IN_LAN[@]}" python3 "$BATS_TEST_DIRNAME/peer.py" "${words[@]}" \
        -- "$TENDER" "${@:2}"
}

# What follows runs in a network of its own, with the taps that Solo5's tests use.
in_lan() {
    unshare -n true 2> /dev/null || skip "needs root, for a network of the test's own"
    unshare -n ip tuntap add tap0 mode tap 2> /dev/null ||
        skip "needs /dev/net/tun and the command ip"
    IN_LAN=(unshare -n bash -ec '
        for tap in tap100 tap101 tap102; do
            ip tuntap add $tap mode tap
            ip link set $tap up
        done
        ip link set tap102 mtu 9000
        exec "$@"' bash)
}

@test "net: declared, but no interface given" {
    tender "$GUESTS/test_net_mtu.hvt"
    expect 1 "Device 'service0' of type NET_BASIC declared but not attached." \
        "--net:service0=IFACE"
}

@test "net: answers pings on a socket that was passed on" {
    networked 200 service0=10.0.0.2 -- "$GUESTS/test_net.hvt" limit=200
    expect 0 "test_net: 200 pings answered" SUCCESS "200 pings answered"
}

@test "net: has the address that the operator gave it" {
    networked 1 service0=10.0.0.2 -- --net-mac:service0=02:00:00:12:34:56 -- \
        "$GUESTS/test_net.hvt" limit=1
    expect 0 "service0: 02:00:00:12:34:56, MTU 1500" "peer: service0 is 02:00:00:12:34:56"
}

@test "net: answers pings on a tap" {
    in_lan
    networked 1000 service0=10.0.0.2,tap100 -- "$GUESTS/test_net.hvt" limit=1000
    expect 0 "test_net: 1000 pings answered" SUCCESS
}

@test "net_2if: answers pings on two sockets" {
    networked 100 service0=10.0.0.2 service1=10.1.0.2 -- "$GUESTS/test_net_2if.hvt" limit=100
    expect 0 SUCCESS
}

@test "net_2if: answers pings on two taps" {
    in_lan
    networked 500 service0=10.0.0.2,tap100 service1=10.1.0.2,tap101 -- \
        "$GUESTS/test_net_2if.hvt" limit=500
    expect 0 SUCCESS
}

@test "net_mtu: the guest knows the tap's MTU" {
    in_lan
    needs_kvm
    run timeout 60 "${IN_LAN[@]}" "$TENDER" --net:service0=tap102 -- "$GUESTS/test_net_mtu.hvt"
    expect 0 "MTU is 9000" SUCCESS
}

@test "net: an interface that is not there is refused" {
    tender --net:service0=nosuchtap "$GUESTS/test_net_mtu.hvt"
    expect 1 "no interface 'nosuchtap'" "No such device"
}

@test "mft_maxdevices: 63 block devices are told apart" {
    local options=() i
    for i in {0..62}; do
        truncate -s 4K "$BATS_TEST_TMPDIR/$i"
        options+=("--block:storage$i=$BATS_TEST_TMPDIR/$i")
    done
    guest --mem=4096 "${options[@]}" -- "$GUESTS/test_mft_maxdevices.hvt"
    expect 0 SUCCESS
    for i in {0..62}; do
        [ "$(od -An -t u8 -N 8 "$BATS_TEST_TMPDIR/$i" | tr -d ' ')" -eq $((i + 1)) ]
    done
}

@test "mft_maxdevices: one that is missing is named" {
    tender "--block:storage0=$(image 4K)" "$GUESTS/test_mft_maxdevices.hvt"
    expect 1 "Device 'storage1' of type BLOCK_BASIC declared but not attached."
}

# ---- The tender's command line -----------------------------------------------

@test "options: --help ends with 1" {
    tender --help
    expect 1 "Usage: solo5-hvt" --mem= --led:NAME=LINE
}

@test "options: --version ends with 0" {
    tender --version
    expect 0 solo5-hvt "ABI version 2"
}

@test "options: an unknown one is named" {
    tender --memory=64 "$GUESTS/test_hello.hvt"
    expect 1 "Invalid option" --memory=64 Usage
}

@test "options: no kernel" {
    tender
    expect 1 Usage
    tender --mem=64
    expect 1 Usage
}

@test "options: --mem is obeyed" {
    guest --mem=2 "$GUESTS/test_hello.hvt" Hello_Solo5
    expect 0 "Solo5: memory 2 MiB" SUCCESS
    guest --mem=64 "$GUESTS/test_hello.hvt" Hello_Solo5
    expect 0 "Solo5: memory 64 MiB" SUCCESS
    guest --mem=4096 "$GUESTS/test_hello.hvt" Hello_Solo5
    expect 0 "Solo5: memory 4096 MiB" SUCCESS
}

@test "options: --mem is rounded down with a warning" {
    guest --mem=1 "$GUESTS/test_hello.hvt" Hello_Solo5
    expect 0 "solo5-hvt: --mem=1" "Solo5: memory 2 MiB" SUCCESS
    guest --mem=5 "$GUESTS/test_hello.hvt" Hello_Solo5
    expect 0 "solo5-hvt: --mem=5" "Solo5: memory 4 MiB" SUCCESS
    guest --mem=4097 "$GUESTS/test_hello.hvt" Hello_Solo5
    expect 0 "solo5-hvt: --mem=4097" "Solo5: memory 4096 MiB" SUCCESS
}

@test "options: an impossible --mem is refused" {
    local value
    for value in 0 x -2 "" 4098 99999999999999999999; do
        tender "--mem=$value" "$GUESTS/test_hello.hvt" Hello_Solo5
        expect 1 "--mem=$value"
        expect_silence_of SUCCESS
    done
}

@test "options: the command line may have 8191 characters and no more" {
    local longest
    longest="$(printf 'x%.0s' {1..8191})"
    guest "$GUESTS/test_hello.hvt" "$longest"
    expect 1 FAILURE
    tender "$GUESTS/test_hello.hvt" "${longest}x"
    expect 1 solo5-hvt:
    expect_silence_of FAILURE
}

# ---- Images ------------------------------------------------------------------

@test "image: the host's kernel does not execute it" {
    run -127 timeout 60 bash -c "$GUESTS/test_hello.hvt"
    [[ "$output" =~ "No such file or directory"|"required file not found" ]]
}

@test "image: one for another architecture is refused" {
    tender "$BUILD/aarch64/test_hello.hvt" Hello_Solo5
    expect 1 "$BUILD/aarch64/test_hello.hvt" aarch64 x86_64
}

@test "image: what is none is refused" {
    tender "$BATS_TEST_TMPDIR/none.hvt"
    expect 1 "$BATS_TEST_TMPDIR/none.hvt" "No such file or directory"
    head -c 2000 "$GUESTS/test_hello.hvt" > "$BATS_TEST_TMPDIR/cut.hvt"
    tender "$BATS_TEST_TMPDIR/cut.hvt"
    expect 1 "solo5-hvt: $BATS_TEST_TMPDIR/cut.hvt: "
    tender "$BATS_TEST_DIRNAME/tests.bats"
    expect 1 "solo5-hvt: $BATS_TEST_DIRNAME/tests.bats: "
}

@test "image: segments can be protected on hosts with pages of 64 KiB" {
    local image
    for image in "$BUILD"/*/test_hello.hvt; do
        run bash -c "readelf -lW '$image' | awk '\$1 == \"LOAD\" { print \$NF }' | sort -u"
        [ "$output" = 0x10000 ]
    done
}

@test "image: guests for x86_64 hold no SSE, which some hosts cannot run" {
    local guest
    for guest in "$GUESTS"/test_*.hvt; do
        [ "$guest" != "$GUESTS/test_fpu.hvt" ] || continue
        run bash -c "objdump -d '$guest' | grep -c '%[xyz]mm'"
        [ "$output" = 0 ]
    done
}

@test "image: of the bindings an application sees the API and nothing else" {
    run bash -c "nm -g --defined-only '$GUESTS/bindings.o' | awk '{ print \$3 }' |
        grep -vE '^(solo5_.*|_start|__stack_chk_(guard|fail))\$'"
    [ "$output" = "" ]
}
