*** Settings ***
Documentation       The LED is switched for very long, in chunks that are runs of their own. No edge may
...                 be lost, nothing may drift, and neither tender, rig nor observer may grow.
...
...                 Short form: 800 cycles. Long form, 100 000 cycles: `--variable LENGTH:release`.
...                 What was cut short goes on with `--variable RESUME:results/...`, its results folder.
...                 Without a bench of your own it runs in time-lapse: there the sequence is judged, and
...                 time is not.
Resource            resources/led.resource
Library             rig.soak_keywords.SoakLibrary
Suite Setup         Open Bench    ${BENCH}
Suite Teardown      Close Bench
Test Tags           soak


*** Variables ***
${BENCH}            %{BENCH=benches/virtual-time-lapse.yaml}
${RESUME}           ${EMPTY}
&{ALL CYCLES}       short=800    release=100000
&{CHUNKS}           short=100    release=2000
${CYCLES}           ${ALL CYCLES}[${LENGTH}]
${CHUNK}            ${CHUNKS}[${LENGTH}]


*** Test Cases ***
No Edge Is Lost
    [Documentation]    Every chunk is bounded by itself, so there is no limit for all of them.
    [Timeout]    NONE
    Soak LED    ${CYCLES}    chunk=${CHUNK}    on=300 ms    off=400 ms    resume=${RESUME}
    No Edge Should Have Been Lost

Nothing Drifts
    Soak Should Not Have Drifted

Tender Does Not Grow
    Tender Should Not Have Grown

Rig And Observer Do Not Grow
    Rig Should Not Have Grown
